"""Answers that exercise HTTP, good and bad; remembers which paths it was asked for.

HTTP_TRIGGERS is a directory in which a test creates a file to let a waiting answer go on.
"""

import json
import os
import threading
import time
from pathlib import Path

seen = set()
lock = threading.Lock()
PLAIN = [("Content-Type", "text/plain")]


def application(environ, start_response):
    path = environ["PATH_INFO"]
    if path.startswith("/seen/"):
        token = path.removeprefix("/seen")
        with lock:
            found = sorted(entry for entry in seen if entry.startswith(token))
        start_response("200 OK", PLAIN)
        return [json.dumps(found).encode()]
    with lock:
        seen.add(path)
    name = path.split("/")[1]
    if name in ROUTES:
        return ROUTES[name](environ, start_response)
    # Anything else says what it was asked for.
    body = environ["wsgi.input"].read()
    start_response("200 OK", PLAIN)
    return [f"{environ['REQUEST_METHOD']} {path} ".encode("latin-1") + body]


def echo(environ, start_response):
    """The request's body in one piece."""
    start_response("200 OK", PLAIN)
    return [environ["wsgi.input"].read()]


def stream(environ, start_response):
    """The request's body in pieces, its length not said."""
    start_response("200 OK", PLAIN)
    while piece := environ["wsgi.input"].read(1000):
        yield piece


def header(environ, start_response):
    """The value of the variable that the path names."""
    start_response("200 OK", PLAIN)
    return [environ.get(environ["PATH_INFO"].split("/")[2], "(none)").encode("latin-1")]


def status(environ, start_response):
    """The status that the path names, with a body and perhaps a length: /status/204/list."""
    _, _, code, how = environ["PATH_INFO"].split("/")
    headers = [*PLAIN, ("Content-Length", "4")] if how.endswith("-length") else PLAIN
    start_response(f"{code} Something", headers)
    if how.startswith("list"):
        return [b"body"]
    if how.startswith("write"):
        start_response(f"{code} Something", headers)(b"body")
        return []
    return iter([b"bo", b"dy"])


def endless(environ, start_response):
    """A Content-Length of 4 and pieces without end: /endless/TOKEN; it is seen as /TOKEN/closed once it has been closed."""
    token = environ["PATH_INFO"].split("/")[2]

    def pieces():
        try:
            while True:
                yield b"01"
        finally:
            with lock:
                seen.add(f"/{token}/closed")

    start_response("200 OK", [*PLAIN, ("Content-Length", "4")])
    return pieces()


def length(environ, start_response):
    """A Content-Length of 5 and other bytes: /length/NUMBER/list."""
    _, _, count, how = environ["PATH_INFO"].split("/")
    body = b"0123456789"[: int(count)]
    write = start_response("200 OK", [*PLAIN, ("Content-Length", "5")])
    if how == "list":
        return [body]
    if how == "write":
        write(body)
        return []
    if how == "pieces":
        return [body[:3], body[3:]]
    return iter([body[:3], body[3:]])


BAD_HEADS = {
    "status-crlf": ("200 OK\r\nX: injected", PLAIN),
    "status-lf": ("200 OK\nX: injected", PLAIN),
    "status-nul": ("200 O\0K", PLAIN),
    "status-without-reason-space": ("200OK", PLAIN),
    "status-no-number": ("OK", PLAIN),
    "status-1xx": ("101 Switching Protocols", PLAIN),
    "status-not-latin-1": ("200 \u20ac", PLAIN),
    "status-bytes": (b"200 OK", PLAIN),
    "value-crlf": ("200 OK", [("X", "a\r\nInjected: b")]),
    "value-cr": ("200 OK", [("X", "a\rb")]),
    "value-lf": ("200 OK", [("X", "a\n")]),
    "value-nul": ("200 OK", [("X", "a\0b")]),
    "value-control": ("200 OK", [("X", "a\x01b")]),
    "value-not-latin-1": ("200 OK", [("X", "\u20ac")]),
    "value-bytes": ("200 OK", [("X", b"a")]),
    "value-number": ("200 OK", [("X", 5)]),
    "name-crlf": ("200 OK", [("X\r\nInjected", "b")]),
    "name-colon": ("200 OK", [("X:", "b")]),
    "name-space": ("200 OK", [("X y", "b")]),
    "name-empty": ("200 OK", [("", "b")]),
    "name-not-latin-1": ("200 OK", [("\u20ac", "b")]),
    "connection": ("200 OK", [("Connection", "close")]),
    "keep-alive": ("200 OK", [("Keep-Alive", "timeout=5")]),
    "transfer-encoding": ("200 OK", [("Transfer-Encoding", "chunked")]),
    "upgrade": ("200 OK", [("Upgrade", "websocket")]),
    "te": ("200 OK", [("TE", "trailers")]),
    "length-text": ("200 OK", [("Content-Length", "five")]),
    "length-negative": ("200 OK", [("Content-Length", "-5")]),
    "lengths-differ": ("200 OK", [("Content-Length", "4"), ("Content-Length", "5")]),
    "headers-tuple": ("200 OK", tuple(PLAIN)),
    "header-list": ("200 OK", [["X", "y"]]),
    "header-triple": ("200 OK", [("X", "y", "z")]),
}


def bad(environ, start_response):
    """A head that is not HTTP."""
    start_response(*BAD_HEADS[environ["PATH_INFO"].split("/")[2]])
    return [b"body"]


def big(environ, start_response):
    """More than the kernel's buffers hold."""
    start_response("200 OK", PLAIN)
    return (b"x" * 65536 for _ in range(1024))


def fail(environ, start_response):
    """Raises after a first piece: /fail/length or /fail/chunked."""
    how = environ["PATH_INFO"].split("/")[2]
    start_response("200 OK", [*PLAIN, ("Content-Length", "10")] if how == "length" else PLAIN)
    yield b"hello"
    raise RuntimeError("on purpose")


def wait_for_trigger(name):
    """Wait until the test has seen what it wanted to see."""
    path = Path(os.environ["HTTP_TRIGGERS"], name)
    while not path.exists():
        time.sleep(0.005)


def kill_this_process():
    """End without a word."""
    os.kill(os.getpid(), 9)


def die(environ, start_response):
    """Dies: /die/WHERE/TRIGGER."""
    _, _, where, trigger = environ["PATH_INFO"].split("/")
    if where == "before-head":
        kill_this_process()
    if where == "after-start-response":
        start_response("200 OK", PLAIN)
        kill_this_process()
    if where == "after-end":
        return Dying(environ, start_response)
    return die_inside(where, trigger, start_response)


def die_inside(where, trigger, start_response):
    """A body that ends in death once the test has read its beginning."""
    start_response("200 OK", [*PLAIN, ("Content-Length", "10")] if where == "with-length" else PLAIN)
    yield b"hello"
    wait_for_trigger(trigger)
    kill_this_process()


class Dying:
    """A whole answer; its close() kills the process once the test has read it."""

    def __init__(self, environ, start_response):
        self.trigger = environ["PATH_INFO"].split("/")[3]
        start_response("200 OK", PLAIN)

    def __iter__(self):
        return iter([b"hello"])

    def close(self):
        wait_for_trigger(self.trigger)
        kill_this_process()


ROUTES = {
    "echo": echo,
    "stream": stream,
    "header": header,
    "status": status,
    "endless": endless,
    "length": length,
    "bad": bad,
    "big": big,
    "fail": fail,
    "die": die,
}
