"""Where the interface asks for a token, the page asks for one: a wrong one is told, one that may only read cannot act, one that may is known."""

import sys

from stage import *

READS, OPERATES = sys.argv[1:]


def sign_in(seen, secret):
    seen.locator("dialog [name=token]").fill(secret)
    seen.get_by_role("button", name="Sign in").click()


def open_profiles(seen):
    seen.goto(f"{ADMIN}/#/circuit/profiles")
    seen.locator("#panel-name", has_text="profiles").wait_for()
    return seen.locator('#panel [data-action="force_open"]')


def is_held():
    rows = {row["name"]: row for row in ask("circuits", token=READS)["circuits"]}
    return rows["profiles"]["hold"] is not None


with browser() as chromium:
    with page(chromium, live=False) as seen:
        # Nothing is told before, and there is no way around it.
        seen.locator("dialog[open]").wait_for()
        seen.keyboard.press("Escape")
        assert seen.locator("dialog[open]").is_visible()
        assert seen.locator(".row").count() == 0
        sign_in(seen, "not-one-of-the-secrets")
        seen.locator("dialog .failed").wait_for()
        assert "not accepted" in text(seen.locator("dialog .failed"))

        # Who may read sees everything and can do nothing.
        sign_in(seen, READS)
        seen.locator("dialog").wait_for(state="detached")
        is_live(seen)
        until(lambda: seen.locator(".row").count() >= 5, "the circuits are shown")
        button = open_profiles(seen)
        until(lambda: button.is_disabled(), "who may read cannot act")
        answered = seen.evaluate("""async (secret) => (await fetch("overrides/profiles", { method: "POST",
          headers: { "Content-Type": "application/json", Authorization: `Bearer ${secret}` },
          body: JSON.stringify({ action: "force_open", reason: "not allowed" }) })).status""", READS)
        assert answered == 403, answered
        assert not is_held()

        # It is kept in this tab.
        seen.reload()
        is_live(seen)
        assert seen.locator("dialog").count() == 0

    # Who may operate is known by the token's name.
    with page(chromium, live=False) as seen:
        seen.locator("dialog[open]").wait_for()
        sign_in(seen, OPERATES)
        seen.locator("dialog").wait_for(state="detached")
        is_live(seen)
        button = open_profiles(seen)
        until(lambda: button.is_enabled(), "who may operate can act")
        button.click()
        assert seen.locator("dialog [name=actor]").input_value() == "ann"
        seen.locator("dialog [name=reason]").fill("by token")
        seen.get_by_role("button", name="What would happen?").click()
        seen.locator("dialog .outcome").wait_for()
        assert not is_held()
        seen.locator("dialog .earnest").click()
        seen.locator("#overrides li", has_text="by ann").wait_for()
        assert is_held()
