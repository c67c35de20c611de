"""Connections are cut: the page says so and is grey, comes back by itself, and has every transition that happened meanwhile."""

from stage import *


def cycle():
    known = len(transitions("payments"))
    switch(A, 503, 100)
    until(lambda: len(transitions("payments")) > known, "it opens")
    switch(A, 200, 100)
    until(lambda: circuits()["payments"]["state"] == "closed", "it closes")


def logged(seen):
    """The changes of state in the page's log, the oldest first, by circuit and change."""
    lines = seen.eval_on_selector_all("#events .log tbody tr", "all => all.map(tr => [...tr.cells].map(td => td.innerText))")
    return [tuple(cells[:3]) for cells in reversed(lines)]


def expected():
    return len(transitions("payments"))


relay = Relay()
with browser() as chromium, page(chromium, at=relay.address, path="/#/events", timezone_id="UTC") as seen:
    until(lambda: "payments" in circuits(), "somebody has called")
    for seconds in (0, 6):
        cycle()
        until(lambda: len(logged(seen)) == expected(), "the log is whole")
        relay.cut()
        until(lambda: seen.evaluate("document.body.dataset.link") == "lost", "the page notices")
        assert "DISCONNECTED" in seen.locator("#fresh-text").inner_text()
        said = seen.locator("#lost").inner_text()
        assert "DISCONNECTED" in said and "What you see is from" in said, said
        assert seen.title().startswith("DISCONNECTED"), seen.title()
        assert "grayscale" in seen.evaluate("getComputedStyle(document.querySelector('main')).filter")
        before = expected()
        cycle()
        end = time.monotonic() + seconds
        until(lambda: time.monotonic() >= end, "the time away", 60)
        cycle()
        away = expected() - before
        assert away >= 6, away
        relay.mend()
        is_live(seen)
        assert seen.locator("#lost").is_hidden()
        until(lambda: len(logged(seen)) == expected(), f"{away} transitions of the time away are told")
        print(f"cut for {seconds} s and more, {away} transitions meanwhile: {len(logged(seen))} of {expected()} in the log")
    told = [(event["at"][11:19], event["circuit"]) for event in transitions("payments")]
    shown = [(at, circuit) for at, circuit, _ in logged(seen)]
    assert told == shown, (told, shown)
    assert "were lost" not in seen.locator("#events").inner_text()

    # And the history of the circuit.
    seen.goto(relay.address + "/#/circuit/payments")
    is_live(seen)
    count = len(transitions("payments"))
    changes = seen.locator("#panel section", has_text="Changes").locator("li, tbody tr")
    until(lambda: changes.count() >= count, "its changes are all there")
