"""Without a click, on a small laptop: which circuit is open, why, since when, when it tries again, how many calls are rejected."""

from stage import *


def in_sight(seen, locator, what):
    """The text of the first match, which stands wholly on the screen."""
    box = locator.first.bounding_box()
    assert box, f"{what} is not drawn"
    assert box["width"] > 0 and box["height"] > 0, (what, box)
    assert 0 <= box["x"] and box["x"] + box["width"] <= 1280, (what, box)
    assert 0 <= box["y"] and box["y"] + box["height"] <= 720, (what, box)
    return text(locator)


with browser() as chromium:
    name = open_payments()
    until(lambda: circuits()[name]["rejected_per_second"] > 0, "calls are rejected")
    with page(chromium, timezone_id="UTC") as seen:
        one = row(seen, name)
        shows(seen, name, "open")
        told = circuits()[name]
        # The first row: nobody looks for it.
        assert seen.locator(".row").first.get_attribute("data-name") == name
        assert name in in_sight(seen, one.locator(".name"), "which")
        assert "OPEN" in in_sight(seen, one.locator(".word"), "its state")
        assert in_sight(seen, one.locator(".reason"), "why") == told["reason"]
        since = in_sight(seen, one.locator(".failing"), "since when")
        assert told["not_closed_since"][11:19] in since, (since, told["not_closed_since"])
        assert re.fullmatch(r"for \d+ s", in_sight(seen, one.locator(".since"), "for how long"))
        again = in_sight(seen, one.locator(".retry"), "when it tries again")
        assert re.search(r"tries again in\s+\d+ s", again) and told["retry_at"][11:19] in again, (again, told["retry_at"])
        rejected = until(lambda: (n := in_sight(seen, one.locator(".rejected b"), "rejected calls")) != "0" and n, "calls are rejected")
        assert float(rejected.replace(",", "")) > 0
        headline = in_sight(seen, seen.locator("#headline"), "the headline")
        count = len(circuits())
        assert f"1 of {count} circuits OPEN" in headline and "calls/s rejected" in headline and told["not_closed_since"][11:19] in headline, headline
        assert re.fullmatch(r"live \d\.\d s ago", in_sight(seen, seen.locator("#fresh-text"), "how fresh it is"))
        assert seen.title().startswith("1 OPEN"), seen.title()
        print(headline, "|", told["reason"], "|", since, "|", again, "|", rejected, "calls/s rejected")
        # What is out of date is not shown as if it were not: times go on by themselves.
        before = again
        until(lambda: text(one.locator(".retry")) != before, "the countdown counts")
