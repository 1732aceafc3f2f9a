"""A client that has sent its last byte and still reads."""

import os
import signal
import socket
from pathlib import Path

import psutil

from tests.conformance.wire import Reader
from tests.helpers.server import serving, wait_for

APPLICATION = """
import mod_wsgi, os, time

def note(name):
    open(os.path.join({directory!r}, name), "w").close()

# A request that has waited is answered at once, before it is said to have finished.
@mod_wsgi.subscribe_events
def hear(event, request_data, **payload):
    if event == "request_finished" and request_data:
        note("answered")

def application(environ, start_response):
    path = environ["PATH_INFO"]
    if path == "/0":
        mod_wsgi.request_data()["first"] = True
        note("started")
        while not os.path.exists({directory!r} + "/gate"):
            time.sleep(0.01)
    start_response("200 OK", [])
    return [path.encode()]
"""


def test_requests_that_wait_for_their_turn_when_the_client_ends_are_answered(tmp_path: Path) -> None:
    """The front hears of the first one's answer and of the end in one turn, for it has been stopped meanwhile."""
    script = tmp_path / "app.wsgi"
    script.write_text(APPLICATION.format(directory=str(tmp_path)), encoding="utf-8")
    with serving(script) as server, server.connect() as sock:
        front = server.front()
        sock.sendall(b"".join(b"GET /%d HTTP/1.1\r\nHost: a\r\n\r\n" % number for number in range(5)))
        wait_for((tmp_path / "started").exists, "the first request, and so all, have been read")
        os.kill(front.pid, signal.SIGSTOP)
        try:
            wait_for(lambda: front.status() == psutil.STATUS_STOPPED, "the front is stopped")
            (tmp_path / "gate").touch()
            wait_for((tmp_path / "answered").exists, "the first answer")
            sock.shutdown(socket.SHUT_WR)
        finally:
            os.kill(front.pid, signal.SIGCONT)
        reader = Reader(sock)
        assert [reader.response().body for _ in range(5)] == [b"/%d" % number for number in range(5)]
        assert reader.rest() == b""
