"""Five hundred circuits with calls on all of them: the page stays usable while frames stream.

Frames and tasks are measured for ten seconds. No frame should take more than 100 ms; a machine that does other work meanwhile takes longer
for nothing of the page's doing. So what is asserted is the processor time that the page's own thread spends on any one task, and twice as
much is granted for a slow processor. All figures are printed.
"""

from stage import *

SECONDS = 10
MOST_MS = 200

WATCH = """() => {
  window.tasks = [];
  new PerformanceObserver((list) => window.tasks.push(...list.getEntries().map((entry) => entry.duration))).observe({ type: "longtask" });
  window.gaps = [];
  let last = performance.now();
  const frame = (now) => { window.gaps.push(now - last); last = now; requestAnimationFrame(frame); };
  requestAnimationFrame(frame);
}"""


def traced(chromium, seen):
    """Tasks of the page's main thread while it was watched and used: wall-clock and processor time of each, in ms."""
    chromium.start_tracing(page=seen, categories=["toplevel", "__metadata"])
    end = time.monotonic() + SECONDS
    while time.monotonic() < end:
        seen.locator("#filter").fill("tenant-04")
        seen.wait_for_timeout(500)
        seen.locator("#filter").fill("")
        seen.wait_for_timeout(1000)
        seen.mouse.wheel(0, 2000)
        seen.wait_for_timeout(1000)
    events = json.loads(chromium.stop_tracing())["traceEvents"]
    main = {(event["pid"], event["tid"]) for event in events if event["name"] == "thread_name" and event["args"]["name"] == "CrRendererMain"}
    tasks = [event for event in events if event["ph"] == "X" and event["name"].endswith("RunTask") and (event["pid"], event["tid"]) in main]
    return [event["dur"] / 1000 for event in tasks], [event["tdur"] / 1000 for event in tasks if "tdur" in event]


with browser() as chromium:
    until(lambda: len(circuits()) >= CROWD, "every tenant has called", 60)
    with page(chromium) as seen:
        count = len(circuits())
        until(lambda: seen.locator(".row").count() == count, "every circuit has a row")
        assert f"All {count} circuits closed" in seen.locator("#headline").inner_text()
        seen.evaluate(WATCH)
        wall, own = traced(chromium, seen)
        long_tasks, gaps = seen.evaluate("window.tasks"), seen.evaluate("window.gaps")
        assert len(own) > 100, len(own)
        print(f"{count} circuits, {SECONDS} s: tasks at most {max(wall):.0f} ms, {max(own):.0f} ms of them on the processor; "
              f"long tasks {[round(one) for one in long_tasks]}; frames at most {max(gaps):.0f} ms apart, p99 {percentile(gaps, 0.99):.0f} ms")
        assert max(own) <= MOST_MS, sorted(own)[-5:]

        # One that opens among five hundred is at the top, and found.
        name = "tenants[tenant-421]"
        assert order(name, action="force_open", actor="ann", reason="the needle")[0] == 200
        shows(seen, name, "open")
        seen.evaluate("scrollTo(0, 0)")
        until(lambda: seen.locator(".row").first.get_attribute("data-name") == name, "it is the first row")
        seen.locator("#filter").fill("tenant-42")
        until(lambda: seen.locator(".row:visible").count() == 10, "the filter leaves ten")
        assert f"10 of {count} circuits" in seen.locator("#board .tools").inner_text()
        row(seen, "tenants[tenant-427]").locator(".name").click()
        seen.locator("#panel-name", has_text="tenant-427").wait_for()
