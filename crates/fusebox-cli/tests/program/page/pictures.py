"""Pictures of the main views, taken while one endpoint of a shop is down and calls are deferred."""

from snapshot import save
from stage import *

with browser() as chromium:
    until(lambda: len(circuits()) >= 5, "every service has been called")
    time.sleep(12)
    name = "payments"
    switch(A, 503)
    switch(B, 200, 40)
    until(lambda: circuits()[name]["state"] == "open", "an endpoint fails")
    with page(chromium) as seen:
        # Long enough for rates and lines to show it.
        seen.wait_for_timeout(9000)
        save(seen, "dashboard-open")
        seen.emulate_media(color_scheme="dark")
        save(seen, "dashboard-dark")
        seen.emulate_media(color_scheme="light")
        row(seen, name).locator(".name").click()
        seen.locator("#panel-name", has_text=name).wait_for()
        until(lambda: "Reading" not in seen.locator("#panel").inner_text(), "everything has been read")
        save(seen, "dashboard-detail")
        seen.locator('#panel [data-action="force_closed"]').click()
        fill_order(seen, "ann", "the bank says it is well again")
        seen.get_by_role("button", name="What would happen?").click()
        seen.locator("dialog .outcome").wait_for()
        save(seen, "dashboard-override")
    with page(chromium, width=360, height=740) as seen:
        seen.wait_for_timeout(2000)
        save(seen, "dashboard-narrow")
    switch(B, 503)
    with page(chromium, path="/#/queue") as seen:
        until(lambda: sum(sum(queue["depth"]) for queue in ask("queue")["queues"]) >= 8, "calls are deferred")
        seen.wait_for_timeout(4000)
        save(seen, "dashboard-queue")
