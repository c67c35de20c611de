"""Everything by keyboard: filter, move, open, act, close, help. The focus is always on something, in sight, and drawn."""

from stage import *

FOCUS = """() => {
  const on = document.activeElement;
  if (!on || on === document.body) return null;
  // A row draws the ring of its name.
  const ringed = on.closest(".row") ?? on;
  const box = on.getBoundingClientRect(), style = getComputedStyle(ringed);
  const drawn = style.outlineStyle !== "none" && parseFloat(style.outlineWidth) > 0 || style.boxShadow !== "none";
  const inSight = box.bottom > 0 && box.top < innerHeight && box.right > 0 && box.left < innerWidth && box.width > 0;
  return { on: on.outerHTML.slice(0, 160), name: on.closest(".row")?.dataset.name ?? null, id: on.id, drawn, inSight, ring: on.matches(":focus-visible") };
}"""


def focus(seen, needs_ring=True):
    found = seen.evaluate(FOCUS)
    assert found, "the focus is lost"
    assert found["inSight"], f"out of sight: {found}"
    assert found["drawn"] or not needs_ring, f"not drawn: {found}"
    return found


def press(seen, *keys, needs_ring=True):
    for key in keys:
        seen.keyboard.press(key)
        found = focus(seen, needs_ring)
    return found


with browser() as chromium:
    name = open_payments()
    with page(chromium) as seen:
        until(lambda: len(circuits()) >= 5, "every service has been called")
        until(lambda: seen.locator(".row").count() == len(circuits()), "every circuit has a row")
        # From the top of the page, Tab leads through everything that can be used.
        passed = [press(seen, "Tab")["on"] for _ in range(7)]
        for part in ("Skip to the circuits", "#/queue", "#/events", 'id="help"', 'id="filter"', 'class="name"'):
            assert any(part in one for one in passed), (part, passed)

        # Along the rows.
        press(seen, "Home")
        names = seen.eval_on_selector_all(".row", "rows => rows.map(row => row.dataset.name)")
        assert focus(seen)["name"] == names[0] == name
        assert press(seen, "j")["name"] == names[1]
        assert press(seen, "ArrowDown")["name"] == names[2]
        assert press(seen, "k")["name"] == names[1]
        assert press(seen, "End")["name"] == names[-1]
        assert press(seen, "ArrowUp")["name"] == names[-2]

        # A row that moves while frames come takes the focus along.
        seen.wait_for_timeout(2500)
        assert focus(seen)["name"] == names[-2]

        # Filter, and down into what it leaves.
        assert press(seen, "/")["id"] == "filter"
        seen.keyboard.type("profiles")
        until(lambda: seen.locator(".row:visible").count() == 1, "the filter leaves one")
        assert press(seen, "ArrowDown")["name"] == "profiles"
        seen.keyboard.press("Enter")
        seen.locator("#panel-name", has_text="profiles").wait_for()
        focus(seen, needs_ring=False)

        # An order, from beginning to end.
        for _ in range(12):
            if "force_open" in press(seen, "Tab")["on"]:
                break
        seen.keyboard.press("Enter")
        seen.locator("dialog[open]").wait_for()
        focus(seen)
        seen.keyboard.type("ann")
        press(seen, "Tab")
        seen.keyboard.type("by keyboard")
        seen.keyboard.press("Enter")
        until(lambda: seen.locator("dialog .earnest").is_enabled(), "it was looked at")
        assert "earnest" in focus(seen)["on"]
        seen.keyboard.press("Enter")
        seen.locator("dialog").wait_for(state="detached")
        shows(seen, "profiles", "open")
        assert "force_open" in focus(seen)["on"], "the focus is back where the dialog came from"

        # A dialog keeps the focus inside, and Escape closes it.
        seen.keyboard.press("Enter")
        seen.locator("dialog[open]").wait_for()
        for _ in range(12):
            seen.keyboard.press("Tab")
            assert seen.evaluate("document.activeElement === document.body || document.activeElement.closest('dialog') !== null")
        seen.keyboard.press("Escape")
        seen.locator("dialog").wait_for(state="detached")
        focus(seen)

        # Escape leads back to the row, and clears the filter.
        seen.keyboard.press("Escape")
        until(lambda: seen.locator("#panel").is_hidden(), "the panel closes")
        assert focus(seen)["name"] == "profiles"
        press(seen, "Escape")
        until(lambda: seen.locator(".row:visible").count() == len(names), "the filter is cleared")

        # Help, and the other views.
        press(seen, "?")
        assert "Keys and signs" in seen.locator("dialog[open]").inner_text()
        seen.keyboard.press("Escape")
        seen.locator("dialog").wait_for(state="detached")
        for key, view in (("q", "queue"), ("e", "events"), ("c", "board")):
            seen.keyboard.press(key)
            until(lambda: seen.locator(f"#{view}").is_visible(), f"{key} shows {view}")

        # Whoever needs the keys for something else can turn them off.
        seen.keyboard.press("?")
        seen.locator("dialog [type=checkbox]").uncheck()
        seen.keyboard.press("Escape")
        seen.keyboard.press("q")
        seen.wait_for_timeout(300)
        assert seen.locator("#board").is_visible()
