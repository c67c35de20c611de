"""A name that would be markup is text on every view: nothing is asked for, nothing runs."""

from stage import *

MARKUP = "<img src=x onerror=document.title='hostile'><script>document.title='hostile'</script>"
QUOTES = "'\"><svg/onload=alert(1)>{{7*7}}${7*7}"
NAMES = [f"tenants[{MARKUP}]", f"tenants[{QUOTES}]"]


def is_text(seen, what, where):
    until(lambda: what in seen.locator(where).first.text_content(), f"{what} is text in {where}")
    assert seen.locator("main img, main script, dialog img, dialog script, #overrides img, svg[onload]").count() == 0
    assert "hostile" not in seen.title(), seen.title()


with browser() as chromium:
    switch(A, 503)
    for value in (MARKUP, QUOTES):
        for _ in range(4):
            assert call("/tenants/%3Cb%3E?%3Ci%3E", {"x-tenant": value}) == 503
    assert set(NAMES) <= set(circuits()), circuits().keys()
    with page(chromium) as seen:
        for name in NAMES:
            assert order(name, action="force_open", actor=MARKUP[:80], reason=MARKUP)[0] == 200
        for name in NAMES:
            is_text(seen, name.removeprefix("tenants/"), "#board")
            is_text(seen, name, "#overrides")
            is_text(seen, MARKUP, "#overrides")
            seen.goto(f"{ADMIN}/#/circuit/{urllib.parse.quote(name, safe='')}")
            is_text(seen, name, "#panel-name")
            until(lambda: "Reading" not in seen.locator("#panel").inner_text(), "everything has been read")
            is_text(seen, MARKUP, "#panel")
            seen.locator('#panel [data-action="force_open"]').click()
            fill_order(seen, MARKUP[:80], MARKUP)
            seen.get_by_role("button", name="What would happen?").click()
            is_text(seen, MARKUP[:80], "dialog .outcome")
            is_text(seen, name, "dialog h2")
            seen.keyboard.press("Escape")
            seen.goto(f"{ADMIN}/#/events")
            is_text(seen, name, "#events .log")
            is_text(seen, name, "#events .audit")
            seen.goto(f"{ADMIN}/#/")
        # The filter takes it as it is.
        seen.locator("#filter").fill("<svg/onload")
        until(lambda: seen.locator(".row:visible").count() == 1, "the filter finds it")
        # What is spoken is text, too.
        is_text(seen, "", "#spoken")
        # An address is as little to be trusted as a name.
        seen.goto(f"{ADMIN}/#/circuit/{MARKUP}")
        is_text(seen, "<img", "#panel-name")
