"""A picture of five hundred circuits, a few of which need somebody."""

from snapshot import save
from stage import *

with browser() as chromium:
    until(lambda: len(circuits()) >= CROWD, "every tenant has called", 60)
    switch(A, 503)
    for value in ("tenant-042", "tenant-137", "tenant-311"):
        for _ in range(4):
            call("/tenants/x", {"x-tenant": value})
    switch(A, 200)
    with page(chromium) as seen:
        seen.wait_for_timeout(3000)
        save(seen, "dashboard-500")
