"""What every scenario needs: the scene that the Rust test has set, and a browser that notices what a person would not."""

import contextlib
import json
import os
import re
import shutil
import socket
import sys
import threading
import time
import urllib.error
import urllib.parse
import urllib.request

from playwright.sync_api import sync_playwright

ADMIN = f"http://{os.environ['ADMIN']}"
# The interface, for a bare connection.
WHERE = ADMIN.removeprefix("http://").split(":")[0], int(ADMIN.split(":")[-1])
FRONT = f"http://{os.environ['FRONT']}"
A, B, C = os.environ["SERVERS"].split()
CROWD = int(os.environ["CROWD"])
CHROMIUM = shutil.which("chromium") or sys.exit("chromium is missing: `cargo xtask test` installs it, or on Debian apt-get install chromium")


def switch(server, status, wait_ms=0):
    """From now on `server` answers this, after that many milliseconds."""
    urllib.request.urlopen(f"http://{server}/switch/{status}/{wait_ms}").read()


def call(path, headers=None, method="GET"):
    """The status that a caller of the proxy is answered."""
    request = urllib.request.Request(FRONT + path, headers=headers or {}, method=method)
    try:
        return urllib.request.urlopen(request, timeout=10).status
    except urllib.error.HTTPError as error:
        return error.code


def ask(path, token=None):
    """What the interface says to a program."""
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    with urllib.request.urlopen(urllib.request.Request(f"{ADMIN}/{path}", headers=headers), timeout=10) as answer:
        return json.load(answer)


def order(name, **fields):
    """Takes a circuit in hand, as a program would; answers the status and what was said."""
    path = f"{ADMIN}/overrides/{urllib.parse.quote(name, safe='')}"
    request = urllib.request.Request(path, json.dumps(fields).encode(), {"Content-Type": "application/json"})
    try:
        with urllib.request.urlopen(request) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        return error.code, json.load(error)


def circuits():
    return {row["name"]: row for row in ask("circuits")["circuits"]}


def transitions(name):
    """Every change of its state that the server has kept, the oldest first."""
    events = ask(f"history/{urllib.parse.quote(name, safe='')}?limit=5000")["events"]
    return [event for event in reversed(events) if event["kind"] == "transition"]


def until(look, what, seconds=30):
    """What `look` answers once it answers something; a scenario that waits in vain says for what."""
    end = time.monotonic() + seconds
    while True:
        found = look()
        if found:
            return found
        if time.monotonic() > end:
            raise AssertionError(f"{what}: not within {seconds} s; at last {found!r}")
        time.sleep(0.05)


def open_payments():
    """Payments fail until their circuit is open; its name."""
    name = "payments"
    switch(A, 503)
    until(lambda: circuits()[name]["state"] == "open", f"{name} opens")
    return name


@contextlib.contextmanager
def browser():
    with sync_playwright() as playwright:
        yield playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])


@contextlib.contextmanager
def page(chromium, width=1280, height=720, at=ADMIN, path="/", live=True, **options):
    """The dashboard in a window of its own. Whatever its scripts throw, or ask of another server, fails the scenario."""
    context = chromium.new_context(viewport={"width": width, "height": height}, **options)
    seen, wrong = context.new_page(), []
    seen.set_default_timeout(20_000)
    seen.on("pageerror", lambda error: wrong.append(f"thrown: {error}"))
    seen.on("dialog", lambda dialog: (wrong.append(f"a box: {dialog.message}"), dialog.dismiss()))
    seen.on("request", lambda request: request.url.startswith((at, "data:")) or wrong.append(f"asked for {request.url}"))
    seen.on("console", lambda said: "Content Security Policy" in said.text and wrong.append(said.text))
    try:
        seen.goto(at + path)
        if live:
            is_live(seen)
        yield seen
        assert not wrong, wrong
    except BaseException:
        seen.screenshot(path=os.path.join(os.environ["LEFTOVERS"], "failed.png"))
        print("what was seen is in", os.path.join(os.environ["LEFTOVERS"], "failed.png"))
        raise
    finally:
        context.close()


def text(locator):
    """What a person reads there."""
    return locator.first.inner_text().replace("\u00a0", " ")


def is_live(seen, seconds=30):
    until(lambda: seen.evaluate("document.body.dataset.link") == "live", "the page is live", seconds)


def row(seen, name):
    """The circuit's line on the board."""
    quoted = json.dumps(name, ensure_ascii=False)
    return seen.locator(f".row[data-name={quoted}]")


def shows(seen, name, state):
    until(lambda: row(seen, name).get_attribute("data-state") == state, f"{name} is shown {state}")


def fill_order(seen, actor, reason):
    """Writes what a dialog asks for before an order is looked at."""
    seen.locator("dialog [name=actor]").fill(actor)
    seen.locator("dialog [name=reason]").fill(reason)


class Relay:
    """Stands between a browser and the interface, and can cut every connection."""

    def __init__(self):
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.address = "http://127.0.0.1:%d" % self.listener.getsockname()[1]
        self.is_cut, self.sockets = False, []
        threading.Thread(target=self._accept, daemon=True).start()

    def cut(self):
        self.is_cut = True
        for one in self.sockets:
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()
        self.sockets = []

    def mend(self):
        self.is_cut = False

    def _accept(self):
        while True:
            near, _ = self.listener.accept()
            if self.is_cut:
                near.close()
                continue
            far = socket.create_connection(WHERE)
            self.sockets += [near, far]
            for ends in ((near, far), (far, near)):
                threading.Thread(target=self._carry, args=ends, daemon=True).start()

    @staticmethod
    def _carry(one, other):
        with contextlib.suppress(OSError):
            while data := one.recv(65536):
                other.sendall(data)
        with contextlib.suppress(OSError):
            other.shutdown(socket.SHUT_WR)


def percentile(values, share):
    """The value that this share of them stays under or at."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]
