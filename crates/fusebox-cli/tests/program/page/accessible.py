"""Axe finds nothing serious on any view, in the colours and the size that are given."""

import sys
from importlib.resources import files

from stage import *

AXE = files("axe_playwright_python").joinpath("axe.min.js").read_text("utf-8")
RUN = """async () => (await axe.run({ resultTypes: ["violations"] })).violations.map(({ id, impact, help, nodes }) =>
  ({ id, impact, help, where: nodes.slice(0, 3).map((node) => node.html.slice(0, 160) + " " + (node.any[0]?.message ?? "")) }))"""
GRAVE = ("serious", "critical")


def examine(seen, where):
    # Colours that are on their way are nobody's.
    seen.evaluate("Promise.all(document.getAnimations().filter((one) => one.effect.getTiming().iterations !== Infinity).map((one) => one.finished))")
    found = seen.evaluate(RUN)
    for one in found:
        print(f"{where}: {one['impact']} {one['id']}: {one['help']}; {one['where']}")
    return [(where, one["id"], one["where"]) for one in found if one["impact"] in GRAVE]


def views(seen, where, name):
    grave = examine(seen, f"{where} board")
    row(seen, name).locator(".name").click()
    seen.locator("#panel-name", has_text=name).wait_for()
    until(lambda: "Reading" not in seen.locator("#panel").inner_text(), "everything has been read")
    grave += examine(seen, f"{where} detail")
    seen.locator('#panel [data-action="shadow"]').click()
    fill_order(seen, "ann", "a look")
    seen.get_by_role("button", name="What would happen?").click()
    seen.locator("dialog .outcome").wait_for()
    grave += examine(seen, f"{where} dialog")
    seen.keyboard.press("Escape")
    for view in ("queue", "events"):
        seen.goto(f"{ADMIN}/#/{view}")
        seen.locator(f"#{view} h2").first.wait_for()
        seen.wait_for_timeout(500)
        grave += examine(seen, f"{where} {view}")
    seen.locator("#help").click()
    return grave + examine(seen, f"{where} help")


with browser() as chromium:
    name = open_payments()
    switch(B, 503)
    until(lambda: any(queue["depth"] != [0, 0, 0, 0] for queue in ask("queue")["queues"]), "a call is deferred")
    assert order("profiles", action="shadow", actor="bob", reason="under watch")[0] == 200
    scheme, width, height = sys.argv[1:]
    with page(chromium, int(width), int(height), color_scheme=scheme) as seen:
        seen.evaluate(AXE)
        grave = views(seen, f"{scheme} {width}", name)
        assert not grave, grave
