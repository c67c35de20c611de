"""On a telephone, 360 points wide: nothing to scroll sideways, everything there and reachable."""

from stage import *

# What sticks out of the screen and is not inside something that scrolls by itself.
OUTSIDE = """() => [...document.querySelectorAll("body *")].filter((one) => {
  const box = one.getBoundingClientRect();
  if (box.width === 0 || box.height === 0 || one.closest(".scroll, pre, svg, .spoken, .skip")) return false;
  return box.right > innerWidth + 0.5 || box.left < -0.5;
}).map((one) => one.outerHTML.slice(0, 120))"""


def fits(seen, where):
    wide = seen.evaluate("document.documentElement.scrollWidth")
    assert wide <= 360, (where, wide, seen.evaluate(OUTSIDE)[:5])
    assert not seen.evaluate(OUTSIDE), (where, seen.evaluate(OUTSIDE)[:5])


with browser() as chromium:
    name = open_payments()
    with page(chromium, width=360, height=740) as seen:
        fits(seen, "board")
        one = row(seen, name)
        told = circuits()[name]
        for part in (".name", ".word", ".reason", ".failing", ".retry", ".rejected b"):
            assert one.locator(part).first.is_visible(), part
        assert one.locator(".reason").inner_text() == told["reason"]
        # The answer is on the first screen here too.
        box = one.bounding_box()
        assert box["y"] + box["height"] <= 740, box

        one.locator(".name").click()
        seen.locator("#panel-name", has_text=name).wait_for()
        until(lambda: "Reading" not in seen.locator("#panel").inner_text(), "everything has been read")
        fits(seen, "detail")
        for title in ("Why", "Failing calls", "Changes", "Latency", "Settings in force"):
            part = seen.locator("#panel h3", has_text=title).first
            part.scroll_into_view_if_needed()
            assert part.is_visible(), title
        button = seen.locator('#panel [data-action="force_open"]')
        button.click()
        fits(seen, "dialog")
        fill_order(seen, "ann", "narrow")
        seen.get_by_role("button", name="What would happen?").click()
        seen.locator("dialog .outcome").wait_for()
        fits(seen, "dialog with what would happen")
        seen.locator("dialog .earnest").click()
        seen.locator("dialog").wait_for(state="detached")
        seen.locator("#overrides li").wait_for()
        fits(seen, "detail with a banner")
        seen.locator("#panel .close").click()
        fits(seen, "board with a banner")
        assert seen.locator("#overrides .end").first.is_visible()

        for view in ("queue", "events"):
            seen.locator(f'nav [data-view="{view}"]').click()
            seen.locator(f"#{view} h2").first.wait_for()
            seen.wait_for_timeout(500)
            fits(seen, view)
        seen.locator("#help").click()
        fits(seen, "help")
