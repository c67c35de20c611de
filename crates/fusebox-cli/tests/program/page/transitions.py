"""A failing dependency goes through closed, open, half-open, open, half-open, closed, again and again; the board shows each at once.

The delay is from the moment that the server gives a transition to the moment at which the row of the circuit changes in the document.
Both are on this machine's clock.
"""

from stage import *

WANTED = 20
MOST_MS = 1000
# A round that the machine's other work has spoiled is repeated.
ROUNDS = 3
# A probe takes this long: longer than the quarter of a second that frames keep between them, so that half-open is in one of them.
WAIT_MS = 350

WATCH = """(name) => {
  const row = document.querySelector(`.row[data-name="${name}"]`);
  window.seen = [[Date.now(), row.dataset.state]];
  new MutationObserver(() => {
    const last = window.seen.at(-1)[1];
    if (row.dataset.state !== last) window.seen.push([Date.now(), row.dataset.state]);
  }).observe(row, { attributes: true, attributeFilter: ["data-state"] });
}"""


def cycle():
    """Down for two waits, so that a recovery fails once, then up until the circuit has closed."""
    known = len(transitions("payments"))
    switch(A, 503, WAIT_MS)
    until(lambda: [event["to"] for event in transitions("payments")[known:]].count("open") >= 2, "a recovery fails")
    switch(A, 200, WAIT_MS)
    until(lambda: circuits()["payments"]["state"] == "closed", "the circuit closes")


def delays(told, seen):
    """For each transition, how long until the board showed its state, or one that came after it."""
    waiting, found, overtaken = list(told), [], 0
    for at, state in seen:
        shown = [i for i, event in enumerate(waiting) if event["to"] == state and event["at_millis"] <= at + 2]
        if not shown:
            continue
        overtaken += shown[0]
        found += [at - event["at_millis"] for event in waiting[: shown[0] + 1]]
        waiting = waiting[shown[0] + 1 :]
    assert not waiting, f"never shown: {waiting}"
    return found, overtaken


def measured(seen):
    """Goes through so many transitions, and answers the longest delay."""
    known = len(transitions("payments"))
    seen.evaluate("window.seen = window.seen.slice(-1)")
    while len(transitions("payments")) - known < WANTED:
        cycle()
    told = transitions("payments")[known:]
    shows(seen, "payments", "closed")
    found, overtaken = delays(told, seen.evaluate("window.seen")[1:])
    states = {(event["from"], event["to"]) for event in told}
    assert states >= {("closed", "open"), ("open", "half_open"), ("half_open", "open"), ("half_open", "closed")}, states
    print(f"{len(found)} transitions on the page: median {percentile(found, 0.5)} ms, p99 {percentile(found, 0.99)} ms, "
          f"most {max(found)} ms; {overtaken} overtaken by the next")
    return max(found)


with browser() as chromium, page(chromium) as seen:
    until(lambda: "payments" in circuits(), "somebody has called")
    shows(seen, "payments", "closed")
    seen.evaluate(WATCH, "payments")
    for _ in range(ROUNDS):
        most = measured(seen)
        if most <= MOST_MS:
            break
    assert most <= MOST_MS, most
