"""Somebody who opens the stream and does not read is cut off in the end; calls and other readers notice nothing.

The stalled reader is read only once far more has been sent to others than is kept for anybody: what it then gets is what lay in the
buffers, and an end. Were it still served, there would be no end.
"""

from stage import *

# More than a reader may be behind and the two ends of a connection may hold.
SENT_BYTES = 15_000_000


def subscribe(**options):
    one = socket.socket()
    for name, value in options.items():
        one.setsockopt(socket.SOL_SOCKET, getattr(socket, name), value)
    one.connect(WHERE)
    one.sendall(f"GET /events HTTP/1.1\r\nHost: {WHERE[0]}\r\nAccept: text/event-stream\r\n\r\n".encode())
    return one


class Reader(threading.Thread):
    """Reads all that comes."""

    def __init__(self, connection):
        super().__init__(daemon=True)
        self.connection, self.bytes, self.log, self.is_over = connection, 0, [], False
        self.start()

    def run(self):
        rest = b""
        while data := self._more():
            self.bytes += len(data)
            *lines, rest = (rest + data).split(b"\n")
            self.log += [json.loads(line[6:])["seq"] for line in lines if line.startswith(b'data: {"seq"')]
        self.is_over = True

    def _more(self):
        try:
            return self.connection.recv(1 << 20)
        except ConnectionResetError:
            return b""


until(lambda: len(circuits()) >= CROWD, "every tenant has called", 60)
stalled = subscribe(SO_RCVBUF=4096)
other = Reader(subscribe())
# Every tenant's circuit opens, tries, and opens again: news for the stream.
switch(A, 503)
slowest, calls = 0, 0
end = time.monotonic() + 120
while other.bytes < SENT_BYTES:
    assert time.monotonic() < end and not other.is_over, (other.bytes, other.is_over)
    before = time.monotonic()
    assert call("/steady") == 200
    slowest, calls = max(slowest, time.monotonic() - before), calls + 1
    time.sleep(0.02)

late = Reader(stalled)
until(lambda: late.is_over, "the reader that did not read is cut off")
print(f"{other.bytes / 1e6:.0f} MB for who reads, {late.bytes / 1e6:.1f} MB for who did not; {calls} calls answered, the slowest in {slowest * 1000:.0f} ms")
assert late.bytes < other.bytes / 2
# Who reads has missed nothing, and hears what comes next.
assert not other.is_over
assert len(other.log) > 500 and other.log == list(range(other.log[0], other.log[-1] + 1)), other.log
heard = other.log[-1]
assert order("steady", action="force_open", actor="ann", reason="after the slow reader")[0] == 200
until(lambda: other.log[-1] > heard, "the next event comes")
