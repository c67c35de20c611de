"""An operator forces a circuit open from the page: sees what would happen, does it, everybody sees who and why; then it is ended."""

from stage import *

REASON = "the bank asked for an hour's peace"


def choose(seen, action):
    seen.locator(f'#panel [data-action="{action}"]').click()
    seen.locator("dialog[open]").wait_for()


def look(seen):
    seen.get_by_role("button", name="What would happen?").click()
    seen.locator("dialog .outcome").wait_for()
    return text(seen.locator("dialog .outcome"))


def refusal(seen):
    seen.locator("dialog .failed").wait_for()
    return text(seen.locator("dialog .failed"))


def is_untouched(name, epoch):
    told = circuits()[name]
    assert told["hold"] is None and told["epoch"] == epoch, told


with browser() as chromium, page(chromium) as seen:
    name = "profiles"
    until(lambda: name in circuits(), "somebody has called")
    epoch = circuits()[name]["epoch"]
    row(seen, name).locator(".name").click()
    seen.locator("#panel h2", has_text=name).first.wait_for()

    # Looking changes nothing, and in earnest comes only after it.
    choose(seen, "force_open")
    earnest = seen.locator("dialog .earnest")
    assert earnest.is_disabled()
    fill_order(seen, "ann", REASON)
    said = look(seen)
    assert "Now: closed, not held" in said and "by ann" in said, said
    is_untouched(name, epoch)

    # What has been looked at is not what it was: somebody else has taken it in hand.
    assert order(name, action="shadow", actor="bob", reason="first", ttl_seconds=600)[0] == 200
    earnest.click()
    assert "changed since you looked" in refusal(seen)
    assert earnest.is_disabled()
    assert circuits()[name]["hold"]["actor"] == "bob"
    assert order(name, action="release", actor="bob", reason="done")[0] == 200
    is_untouched(name, epoch)

    # An interface that cannot be reached, and one that refuses, are told; nothing has changed.
    look(seen)
    seen.route("**/overrides/**", lambda route: route.abort())
    earnest.click()
    print("not reached:", refusal(seen))
    seen.unroute("**/overrides/**")
    is_untouched(name, epoch)
    status, problem = order(name, action="force_open", actor="ann", reason=REASON, ttl_seconds=10**9)
    assert status == 422 and "ttl_seconds" in json.dumps(problem), problem
    is_untouched(name, epoch)

    # In earnest.
    look(seen)
    earnest.click()
    seen.locator("dialog").wait_for(state="detached")
    banner = seen.locator("#overrides li", has_text=name)
    banner.wait_for()
    said = text(banner)
    assert "FORCED OPEN" in said and f"by ann: {REASON}" in said and re.search(r"ends in 1[45] min", said), said
    print(said.replace("\n", " "))
    shows(seen, name, "open")
    assert row(seen, name).get_attribute("data-held") == "true"
    until(lambda: call("/profiles/7") == 503, "calls are rejected")

    # Everybody sees it, at once and after a reload.
    with page(chromium) as another:
        assert REASON in another.locator("#overrides").inner_text()
    seen.reload()
    is_live(seen)
    assert REASON in seen.locator("#overrides").inner_text()

    # One click and a reason end it.
    seen.get_by_role("button", name=f"End the override of {name}").click()
    fill_order(seen, "ann", "they are done")
    said = look(seen)
    assert "not held" in said.split("Then:")[1], said
    seen.locator("dialog .earnest").click()
    seen.locator("dialog").wait_for(state="detached")
    until(lambda: seen.locator("#overrides").is_hidden(), "the banner goes")
    assert circuits()[name]["hold"] is None
    until(lambda: call("/profiles/7") == 200, "calls go through again")

    # And it is written down.
    kept = [(entry["actor"], entry["result"]) for entry in ask("audit?limit=50")["entries"] if entry["actor"] == "ann"]
    assert ("ann", "done") in kept and ("ann", "dry_run") in kept and ("ann", "refused") in kept, kept
    seen.goto(ADMIN + "/#/events")
    until(lambda: REASON in seen.locator("#events .audit").inner_text(), "what operators have done is told")
