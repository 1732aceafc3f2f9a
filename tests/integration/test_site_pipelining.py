"""Requests of all kinds behind each other on one connection: each gets its own answer, and no body is a request."""

import json
import random
import threading
from collections.abc import Iterator
from typing import NamedTuple

import pytest

from tests.conformance.wire import Reader
from tests.helpers.server import APPS, Answer
from tests.helpers.site import Files, SiteServer, serving_site

CONFIGURATION = """
WSGIDaemonProcess one threads=3
WSGIDaemonProcess two threads=3
WSGIProcessGroup one
WSGIApplicationGroup %{GLOBAL}
DocumentRoot {site}/htdocs
WSGIScriptAlias /app {site}/app.wsgi
WSGIScriptAlias /dispatched {site}/app.wsgi
WSGIScriptAlias /asked {site}/app.wsgi
WSGIScriptAlias /limited {site}/app.wsgi
WSGIScriptAlias /overridden {site}/app.wsgi
ErrorDocument 403 /app/denied
ErrorDocument 404 /page.html
ErrorDocument 413 "too large"
<Location /dispatched>
    WSGIDispatchScript {site}/dispatch.py
</Location>
<Location /asked>
    WSGIAccessScript {site}/access.py
</Location>
<Location /limited>
    LimitRequestBody 10
</Location>
<Location /overridden>
    WSGIErrorOverride On
</Location>
"""
SMUGGLED = b"GET /app/smuggled HTTP/1.1\r\nHost: t\r\n\r\n"
PAGE = b"<p>a page</p>"
LARGE = b"L" * 300_000
LAST = 99


class Case(NamedTuple):
    """One request, and what is to come back."""

    method: str
    path: str
    status: int
    shown: str | bytes | None  # PATH_INFO of the application that answers, or the body
    header: str = ""
    body: bytes = b""
    ends: bool = False  # nothing after it is answered, for its body is not read


def case(chance: random.Random, number: int) -> Case:
    """Return any request."""
    own = f"/{number}"
    body = chance.randbytes(chance.choice([1, 100, 70_000]))
    return chance.choice(
        [
            Case("GET", f"/app{own}", 200, own),
            Case("POST", f"/app{own}", 200, own, body=body),
            Case("HEAD", f"/app{own}", 200, None),
            Case("GET", f"/app{own}?streamed=1", 200, own),
            Case("GET", f"/dispatched{own}", 200, own),
            Case("POST", f"/dispatched{own}", 200, own, body=body),
            Case("POST", f"/asked{own}", 200, own, body=body),
            Case("GET", f"/asked{own}", 200, "/denied", "X-Say: no\r\n"),
            Case("GET", "/page.html", 200, PAGE),
            Case("GET", "/large.bin", 200, LARGE),
            Case("GET", f"/none{own}", 404, PAGE),
            Case("GET", f"/overridden{own}?status=404%20Gone", 404, PAGE),
            Case("GET", f"/app/x?location=/app{own}", 200, own),
            Case("GET", "/app/x?location=/page.html", 200, PAGE),
            # Seldom: they end it.
            *([Case("POST", f"/asked{own}", 200, "/denied", "X-Say: no\r\n", SMUGGLED, ends=True)] * (number % 4 == 3)),
            *([Case("POST", f"/limited{own}", 413, b"too large", "", SMUGGLED, ends=True)] * (number % 4 == 3)),
        ]
    )


def wire(chance: random.Random, request: Case, *, last: bool) -> bytes:
    head = f"{request.method} {request.path} HTTP/1.1\r\nHost: t\r\n{request.header}"
    body = request.body
    if body and chance.random() < 0.3:
        head += "Transfer-Encoding: chunked\r\n"
        body = b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body)
    elif body:
        head += f"Content-Length: {len(body)}\r\n"
    return f"{head}{'Connection: close' + chr(13) + chr(10) if last else ''}\r\n".encode() + body


def check(request: Case, answer: Answer, *, last: bool) -> None:
    assert answer.status == request.status, (request, answer.raw[:300])
    assert (answer.header("Connection") == "close") is (last or request.ends), (request, answer.raw[:300])
    if isinstance(request.shown, bytes):
        assert answer.body == request.shown
    elif request.shown is not None:
        told = json.loads(answer.body)
        assert told["PATH_INFO"] == request.shown
        if request.shown != "/denied" and "location" not in request.path:
            assert told["BODY"].encode("latin-1") == request.body


@pytest.fixture(scope="module")
def site() -> Iterator[SiteServer]:
    """A site with an answer of each kind."""
    files: Files = {
        "app.wsgi": APPS / "site_report.wsgi",
        "dispatch.py": "def process_group(environ): return 'two'\n",
        "access.py": "def allow_access(environ, host): return environ.get('HTTP_X_SAY') != 'no'\n",
        "htdocs/page.html": PAGE,
        "htdocs/large.bin": LARGE,
    }
    with serving_site(CONFIGURATION, files) as site:
        yield site
        assert "Traceback" not in site.log()


@pytest.mark.parametrize("seed", range(30))
def test_each_request_gets_its_own_answer(site: SiteServer, seed: int) -> None:
    """However the bytes are cut; and after the last nothing comes."""
    chance = random.Random(seed)
    requests = [case(chance, number) for number in range(chance.randint(1, 12))]
    requests.append(Case("GET", f"/app/{LAST}", 200, f"/{LAST}"))
    data = b"".join(wire(chance, request, last=request is requests[-1]) for request in requests)
    sizes = [chance.choice([1, 7, 100, 5_000, 100_000]) for _ in range(1_000)]
    with site.connect() as sock:

        def send() -> None:
            position = 0
            try:
                for size in sizes:
                    sock.sendall(data[position : position + size])
                    position += size
                sock.sendall(data[position:])
            except OSError:
                pass  # it has been refused

        sender = threading.Thread(target=send)
        sender.start()
        reader = Reader(sock)
        for request in requests:
            check(request, reader.response(request.method), last=request is requests[-1])
            if request.ends:
                break
        assert not reader._more(), reader._buffer[:300]
        sender.join()
