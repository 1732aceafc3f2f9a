"""The parser corpus: 27 groups of hostile input, each against a real server over a real socket.

Test ids begin with the group's number. "C" cases: the answer is the only one on the connection, it says
`Connection: close`, the connection ends, and a request that was sent behind it is never run.
"""

import contextlib
import itertools
import json
import select
import socket
import struct
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import psutil
import pytest

from tests.conformance.wire import Reader, closed, is_still_read, send, send_byte_by_byte, send_until_answered
from tests.helpers.server import APPS, PATIENCE, Answer, Server, serving, wait_for

_numbers = itertools.count(1)


def new_token() -> str:
    """A path's first segment that no other test uses."""
    return f"t{next(_numbers)}"


def seen(server: Server, token: str) -> list[str]:
    """The paths below /TOKEN/ that the application was asked for."""
    found: list[str] = json.loads(server.get(f"/seen/{token}/").body)
    return found


def request(*lines: bytes, first: bytes = b"GET /TOKEN/first HTTP/1.1", body: bytes = b"") -> bytes:
    """A request with a Host header and these lines."""
    return b"\r\n".join((first, b"Host: a", *lines, b"", body))


def post(*lines: bytes, body: bytes = b"") -> bytes:
    """A POST request."""
    return request(*lines, first=b"POST /TOKEN/first HTTP/1.1", body=body)


def chunked(body: bytes) -> bytes:
    """A POST request with this encoded body."""
    return post(b"Transfer-Encoding: chunked", body=body)


SECOND = b"GET /TOKEN/second HTTP/1.1\r\nHost: a\r\n\r\n"

BAD_LENGTHS = {
    "empty": b"", "plus": b"+5", "minus": b"-1", "underscore": b"1_0", "hexadecimal": b"0x5", "list-same": b"5, 5",
    "list-different": b"5,6", "25-digits": b"9" * 25, "overflow": b"18446744073709551621", "vertical-tab": b"\x0b5",
}  # fmt: skip
BAD_CODINGS = {
    "empty-first": b",chunked", "empty-last": b"chunked,", "twice": b"chunked, chunked", "xa0": b"\xa0chunked",
    "vertical-tab": b"\x0bchunked", "quoted": b'"chunked"', "identity": b"identity", "unknown": b"xchunked",
    "gzip": b"gzip, chunked", "x85": b"\x85chunked", "x1c": b"chunked\x1c", "then-identity": b"chunked, identity",
}  # fmt: skip
BAD_SIZES = {
    "underscore": b"0_2e", "hexadecimal-prefix": b"0x5", "plus": b"+5", "minus": b"-5", "space-before": b" 5",
    "space-after": b"5 ", "empty": b"", "17-digits": b"0" * 16 + b"5", "25-digits": b"f" * 25,
}  # fmt: skip
BAD_FIELDS = {
    "space-before-colon": b"X : y", "tab-before-colon": b"X\t: y", "x85-before-colon": b"X\x85: y",
    "xa0-before-colon": b"X\xa0: y", "empty-name": b": y", "no-colon": b"X y", "folded": b"X: y\r\n z",
    "folded-by-tab": b"X: y\r\n\tz",
}  # fmt: skip
BAD_VALUES = {
    "nul": b"y\0z", "cr": b"y\rz", "lf": b"y\nz", "x01": b"y\x01", "escape": b"\x1b[0m", "delete": b"y\x7f",
    "vertical-tab": b"\x0by",
}  # fmt: skip
BAD_LINES = {
    "lower-case-method": b"get /TOKEN/first HTTP/1.1", "odd-method": b"G{}T /TOKEN/first HTTP/1.1",
    "two-spaces": b"GET  /TOKEN/first HTTP/1.1", "two-spaces-later": b"GET /TOKEN/first  HTTP/1.1",
    "tab": b"GET\t/TOKEN/first HTTP/1.1", "no-version": b"GET /TOKEN/first", "1.2": b"GET /TOKEN/first HTTP/1.2",
    "2.0": b"GET /TOKEN/first HTTP/2.0", "0.9": b"GET /TOKEN/first HTTP/0.9",
    "lower-case-version": b"GET /TOKEN/first http/1.1", "1.10": b"GET /TOKEN/first HTTP/1.10",
    "trailing-space": b"GET /TOKEN/first HTTP/1.1 ",
}  # fmt: skip
BAD_TARGETS = {
    "asterisk-for-get": b"GET *", "authority-for-get": b"GET a:80", "connect": b"CONNECT a:80",
    "fragment": b"GET /TOKEN/first#x", "eight-bit": b"GET /TOKEN/first\xe4", "nul": b"GET /TOKEN/first\0",
    "userinfo": b"GET http://u@a/TOKEN/first", "other-scheme": b"GET ftp://a/TOKEN/first",
    "percent": b"GET /TOKEN/first%zz", "encoded-nul": b"GET /TOKEN/first%00", "above-the-root": b"GET /../TOKEN/first",
}  # fmt: skip
GET = b"GET /TOKEN/first HTTP/1.1\r\n"


class Case(NamedTuple):
    """Bytes, and the statuses of which one must refuse them."""

    data: bytes
    statuses: frozenset[int]


def cases() -> Iterator[tuple[str, Case]]:
    """Every case that is refused at once, with its id."""
    bad = frozenset({400})
    bad_coding = frozenset({400, 501})

    for name, value in BAD_LENGTHS.items():
        yield f"01-{name}", Case(post(b"Content-Length: " + value, body=b"hello"), bad)
    yield "01-two-same", Case(post(b"Content-Length: 5", b"Content-Length: 5", body=b"hello"), bad)
    yield "01-two-different", Case(post(b"Content-Length: 5", b"Content-Length: 6", body=b"hello"), bad)
    yield "01-on-get", Case(request(b"Content-Length: +0"), bad)

    whole = b"5\r\nhello\r\n0\r\n\r\n"
    for name, value in BAD_CODINGS.items():
        yield f"02-{name}", Case(post(b"Transfer-Encoding: " + value, body=whole), bad_coding)
    two = (b"Transfer-Encoding: chunked", b"Transfer-Encoding: identity")
    yield "02-two-headers", Case(post(*two, body=whole), bad_coding)
    yield "02-two-headers-same", Case(post(two[0], two[0], body=whole), bad_coding)

    for keep in (b"X: y", b"Connection: keep-alive"):
        first = b"POST /TOKEN/first HTTP/1.0"
        identifier = keep.split(b":")[0].decode().lower()
        yield f"03-{identifier}", Case(request(keep, b"Transfer-Encoding: chunked", first=first, body=whole), bad)

    both = (b"Transfer-Encoding: chunked", b"Content-Length: 5")
    yield "04-te-cl", Case(post(*both, body=whole), bad)
    yield "04-cl-te", Case(post(*reversed(both), body=whole), bad)
    yield "04-cl-te-on-get", Case(request(*both, body=whole), bad)

    for name, size in BAD_SIZES.items():
        yield f"05-{name}", Case(chunked(size + b"\r\nhello\r\n0\r\n\r\n"), bad)

    for ending in (b"XX", b"\n", b"\r", b"\r\r\n", b"", b"\n\r"):
        yield f"06-{ending!r}"[:-1], Case(chunked(b"5\r\nhello" + ending + b"0\r\n\r\n"), bad)

    yield "07-bare-cr", Case(chunked(b"5;a\rb\r\nhello\r\n0\r\n\r\n"), bad)
    yield "07-bare-lf", Case(chunked(b"5;a\nhello\r\n0\r\n\r\n"), bad)
    yield "07-nul", Case(chunked(b"5;a\0b\r\nhello\r\n0\r\n\r\n"), bad)
    yield "07-1-mb", Case(chunked(b"5;" + b"a" * 1_000_000 + b"\r\nhello\r\n0\r\n\r\n"), bad)

    limit = frozenset({431})
    yield "09-too-long", Case(chunked(b"0\r\nX: " + b"y" * 9000 + b"\r\n\r\n"), limit)
    yield "09-too-many", Case(chunked(b"0\r\n" + b"X: y\r\n" * 3000 + b"\r\n"), limit)
    yield "09-malformed", Case(chunked(b"0\r\nX : y\r\n\r\n"), bad)

    for name, field in BAD_FIELDS.items():
        yield f"10-{name}", Case(request(field), bad)
    yield "10-leading-space-on-first", Case(GET + b" X: y\r\nHost: a\r\n\r\n", bad)

    for name, value in BAD_VALUES.items():
        yield f"11-{name}", Case(request(b"X: " + value), bad)

    yield "12-lf-after-line", Case(b"GET /TOKEN/first HTTP/1.1\nHost: a\r\n\r\n", bad)
    yield "12-lf-after-field", Case(GET + b"Host: a\nX: y\r\n\r\n", bad)
    yield "12-lf-only", Case(b"GET /TOKEN/first HTTP/1.1\nHost: a\n\n", bad)
    yield "12-lf-for-empty-line", Case(GET + b"Host: a\r\n\n", bad)
    yield "12-cr-after-line", Case(b"GET /TOKEN/first HTTP/1.1\rHost: a\r\n\r\n", bad)
    yield "12-cr-after-field", Case(GET + b"Host: a\rX: y\r\n\r\n", bad)
    yield "12-lf-before-line", Case(b"\n" + request(), bad)
    yield "12-cr-before-line", Case(b"\r" + request(), bad)
    yield "12-lf-after-empty-line", Case(b"\r\n\n" + request(), bad)
    yield "12-cr-after-empty-line", Case(b"\r\n\r" + request(), bad)

    for name, line in BAD_LINES.items():
        yield f"13-{name}", Case(request(first=line), frozenset({400, 505}))

    for name, start in BAD_TARGETS.items():
        yield f"14-{name}", Case(request(first=start + b" HTTP/1.1"), frozenset({400, 405, 501}))

    yield "15-missing", Case(GET + b"\r\n", bad)
    yield "15-twice", Case(request(b"Host: a"), bad)
    yield "15-twice-different", Case(request(b"Host: b"), bad)
    yield "15-slash", Case(GET + b"Host: a/b\r\n\r\n", bad)
    yield "15-at", Case(GET + b"Host: u@a\r\n\r\n", bad)
    absolute = b"GET http://a/TOKEN/first HTTP/1.1\r\n"
    yield "15-empty-with-absolute-target", Case(absolute + b"Host:\r\n\r\n", bad)
    yield "15-missing-with-absolute-target", Case(absolute + b"\r\n", bad)
    yield "15-content-type-twice", Case(request(b"Content-Type: a/b", b"Content-Type: a/b"), bad)

    yield "16-line", Case(request(first=b"GET /TOKEN/first?" + b"x" * 9000 + b" HTTP/1.1"), frozenset({414}))
    yield "16-field", Case(request(b"X: " + b"y" * 9000), limit)
    yield "16-fields", Case(request(*[b"X: y"] * 101), limit)
    yield "16-head", Case(request(*[b"X: " + b"y" * 1000] * 70), limit)
    yield "16-1-mb-field", Case(request(b"X: " + b"y" * 1_000_000), limit)
    yield "16-1-mb-line", Case(request(first=b"GET /TOKEN/" + b"x" * 1_000_000 + b" HTTP/1.1"), frozenset({414}))

    yield "17-other", Case(request(b"Expect: 200-ok"), frozenset({417}))
    yield "17-other-with-body", Case(post(b"Expect: x", b"Content-Length: 5", body=b"hello"), frozenset({417}))
    yield "17-too-large", Case(post(b"Content-Length: 99999999", body=b"hello"), frozenset({413}))
    yield "17-too-large-chunk-announced", Case(chunked(b"7fffffffffffffff\r\nabc"), frozenset({413}))
    yield "17-too-large-chunked", Case(chunked(b"200000\r\n" + b"x" * 0x200000 + b"\r\n0\r\n\r\n"), frozenset({413}))

    yield "24-version-1", Case(b"PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\n" + request(), bad)
    yield "24-version-1-unknown", Case(b"PROXY UNKNOWN\r\n" + request(), bad)
    signature = b"\r\n\r\n\0\r\nQUIT\n"
    addresses = bytes((192, 0, 2, 1, 192, 0, 2, 2, 0, 1, 0, 2))
    yield "24-version-2", Case(signature + b"!\x11\0\x0c" + addresses + request(), bad)
    yield "24-version-2-wrong-length", Case(signature + b"!\x11\xff\xff" + addresses + request(), bad)
    yield "24-tls", Case(b"\x16\x03\x01\x00\xa5\x01\x00\x00\xa1\x03\x03" + b"\r\n" * 4 + request(), bad)


@pytest.mark.parametrize("case", [pytest.param(case, id=name) for name, case in cases()])
def test_refused_and_nothing_after_it_is_run(server: Server, case: Case) -> None:
    """Hostile input gets its status and an end, and neither it nor what follows reaches the application."""
    token = new_token()
    with server.connect() as sock:
        send(sock, (case.data + SECOND).replace(b"TOKEN", token.encode()))
        reader = Reader(sock)
        answer = reader.response()
        rest = reader.rest()

    assert answer.status in case.statuses
    assert answer.header("Connection") == "close"
    assert rest == b""
    assert seen(server, token) == []


GOOD = {
    "control": request(),
    "07-extensions": chunked(b'5;a;b="c d"\r\nhello\r\n0;e\r\n\r\n'),
    "09-trailers": chunked(b"5\r\nhello\r\n0\r\nContent-Length: 3\r\nHost: b\r\nAuthorization: c\r\n\r\n"),
    "12-empty-line-before": b"\r\n" + request(),
    "12-empty-lines-before": b"\r\n\r\n" + request(),
    "13-other-method": request(first=b"MKCOL /TOKEN/first HTTP/1.1"),
    "14-absolute-form": request(first=b"GET http://b/TOKEN/first HTTP/1.1"),
    "16-fields-at-the-limit": request(*[b"X: y"] * 99),
    "16-field-at-the-limit": request(b"X: " + b"y" * 8187),
}


@pytest.mark.parametrize("data", [pytest.param(data, id=name) for name, data in GOOD.items()])
def test_accepted_and_what_follows_is_run(server: Server, data: bytes) -> None:
    """What is unusual and right is run, and so is the next request on the connection."""
    token = new_token()
    with server.connect() as sock:
        sock.sendall((data + SECOND).replace(b"TOKEN", token.encode()))
        reader = Reader(sock)
        statuses = [reader.response().status, reader.response().status]

    assert statuses == [200, 200]
    assert seen(server, token) == [f"/{token}/first", f"/{token}/second"]


# -- 8: a request that is not complete


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b"5\r\nhello\r\n0\r\n", id="08-without-the-final-crlf"),
        pytest.param(b"5\r\nhello\r\n0\r\n\r", id="08-without-the-final-lf"),
        pytest.param(b"5\r\nhello\r\n0", id="08-without-the-end-of-the-last-size"),
        pytest.param(b"5\r\nhello\r\n", id="08-without-last-chunk"),
        pytest.param(b"5\r\nhell", id="08-inside-a-chunk"),
        pytest.param(b"5\r\nhello\r\n0\r\nX: y\r\n", id="08-inside-the-trailers"),
    ],
)
def test_incomplete_body_is_never_run(server: Server, body: bytes) -> None:
    """A body whose end has not come when the client has no more to say is not a request."""
    token = new_token()
    data = chunked(body).replace(b"TOKEN", token.encode())

    answer = server.exchange(data, half_close=True)

    assert answer == b"" or answer.startswith((b"HTTP/1.1 400 ", b"HTTP/1.1 408 "))
    assert seen(server, token) == []


@pytest.mark.parametrize("count", [0, 1, 4])
def test_truncated_length_body_is_never_run(server: Server, count: int) -> None:
    """08: Content-Length bytes or no request."""
    token = new_token()
    data = post(b"Content-Length: 5", body=b"hello"[:count]).replace(b"TOKEN", token.encode())

    server.exchange(data, half_close=True)

    assert seen(server, token) == []


# -- 16: endless heads


@pytest.mark.parametrize(
    ("start", "piece", "status"),
    [
        pytest.param(b"GET /", b"x" * 4096, 414, id="16-line"),
        pytest.param(b"", b"X" * 4096, 414, id="16-method"),
        pytest.param(GET + b"X: ", b"y" * 4096, 431, id="16-field"),
        pytest.param(GET, b"X: y\r\n" * 100, 431, id="16-fields"),
    ],
)
def test_endless_head_is_answered_while_the_client_sends(
    server: Server, start: bytes, piece: bytes, status: int
) -> None:
    """A head without an end gets its status although the client never stops sending."""
    with server.connect() as sock:
        sock.sendall(start)
        send_until_answered(sock, piece)
        reader = Reader(sock)
        answer = reader.response()
        send(sock, piece)

        assert answer.status == status
        assert reader.rest() == b""


# -- 17: 100-continue


@pytest.mark.parametrize("framing", [b"Content-Length: 5", b"Transfer-Encoding: chunked"], ids=["length", "chunked"])
def test_continue_is_sent_to_who_waits_for_it(server: Server, framing: bytes) -> None:
    """17: a client that expects 100 gets it before it sends its body, and then its answer."""
    body = b"hello" if b"Length" in framing else b"5\r\nhello\r\n0\r\n\r\n"
    with server.connect() as sock:
        sock.sendall(request(framing, b"Expect: 100-continue", first=b"POST /echo HTTP/1.1"))
        reader = Reader(sock)
        assert reader.response().raw == b"HTTP/1.1 100 Continue\r\n\r\n"
        sock.sendall(body)

        assert reader.response().body == b"hello"


@pytest.mark.parametrize(
    ("lines", "first", "status"),
    [
        pytest.param((b"Content-Length: 99999999",), b"POST /echo HTTP/1.1", 413, id="17-too-large"),
        pytest.param((b"Content-Length: 5", b"Expect: x"), b"POST /echo HTTP/1.1", 417, id="17-other-expectation"),
        pytest.param((b"Content-Length: 5",), b"POST /a%2Fb HTTP/1.1", 404, id="17-not-found"),
        pytest.param((b"Content-Length: 5",), b"TRACE /echo HTTP/1.1", 405, id="17-not-allowed"),
        pytest.param((b"Content-Length: +5",), b"POST /echo HTTP/1.1", 400, id="17-malformed"),
    ],
)
def test_continue_is_not_sent_when_the_status_is_known(
    server: Server, lines: tuple[bytes, ...], first: bytes, status: int
) -> None:
    """A client that waits for 100 gets the final status instead where that is settled, and no body is awaited."""
    with server.connect() as sock:
        sock.sendall(request(b"Expect: 100-continue", *lines, first=first))
        reader = Reader(sock)
        answer = reader.response()

        assert (answer.status, answer.header("Connection"), reader.rest()) == (status, "close", b"")


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(request(b"Expect: 100-continue", first=b"GET /echo HTTP/1.1"), id="17-no-body"),
        pytest.param(
            request(b"Expect: 100-continue", b"Content-Length: 0", first=b"POST /echo HTTP/1.1"), id="17-empty-body"
        ),
        pytest.param(
            request(b"Expect: 100-continue", b"Content-Length: 5", first=b"POST /echo HTTP/1.1", body=b"hello"),
            id="17-body-is-there",
        ),
        pytest.param(
            request(b"Expect: 100-continue", b"Content-Length: 5", first=b"POST /echo HTTP/1.0", body=b"hello"),
            id="17-http-1.0",
        ),
    ],
)
def test_continue_is_not_sent_to_who_does_not_wait(server: Server, data: bytes) -> None:
    """100 is for HTTP/1.1 clients with a body that they have not begun to send."""
    with server.connect() as sock:
        sock.sendall(data)

        assert Reader(sock).response().status == 200


@pytest.mark.parametrize(
    ("first", "framing", "body", "status"),
    [
        pytest.param(b"POST /echo", b"Content-Length: 99999999", b"", 413, id="413-length"),
        pytest.param(
            b"POST /echo", b"Transfer-Encoding: chunked", b"1ffff0\r\n" + b"x" * 0x1FFFF0, 413, id="413-chunked"
        ),
        pytest.param(b"POST /echo", b"Transfer-Encoding: chunked", b"xyz\r\n", 400, id="400-chunked"),
        pytest.param(b"POST /echo", b"Content-Length: +5", b"", 400, id="400-head"),
        pytest.param(b"POST /echo", b"Content-Length: 5\r\nExpect: x", b"", 417, id="417"),
        pytest.param(b"POST /a%2Fb", b"Content-Length: 9999", b"", 404, id="404-length"),
        pytest.param(b"POST /a%2Fb", b"Transfer-Encoding: chunked", b"", 404, id="404-chunked"),
        pytest.param(b"TRACE /", b"Content-Length: 9999", b"", 405, id="405-length"),
        pytest.param(b"OPTIONS *", b"Content-Length: 9999", b"", 200, id="options-asterisk"),
    ],
)
def test_refusal_reaches_a_client_that_is_still_sending(
    server: Server, first: bytes, framing: bytes, body: bytes, status: int
) -> None:
    """A body that is not wanted does not destroy the answer that says so by a reset (RFC 9112 section 9.6)."""
    with server.connect() as sock:
        send(sock, request(framing, first=first + b" HTTP/1.1", body=body))
        assert select.select([sock], [], [], PATIENCE)[0], "no answer"

        assert is_still_read(sock, b"x" * 1000)
        reader = Reader(sock)
        assert reader.response().status == status
        assert reader.rest() == b""


# -- 18: Connection


@pytest.mark.parametrize("name", [b"Authorization", b"Cookie", b"Host", b"X-Real-User", b"Content-Type"])
def test_connection_header_strips_nothing(server: Server, name: bytes) -> None:
    """18: what Connection lists still reaches the application, which may decide by it who the client is."""
    variable = name.upper().replace(b"-", b"_")
    if name != b"Content-Type":
        variable = b"HTTP_" + variable
    first = b"GET /header/" + variable + b" HTTP/1.1"
    fields = (b"Connection: " + name,) if name == b"Host" else (b"Connection: " + name, name + b": a")
    with server.connect() as sock:
        sock.sendall(request(*fields, first=first))

        assert Reader(sock).response().body == b"a"


# -- 19, 20: bodies where there are none, and of another length


@pytest.mark.parametrize("how", ["list", "list-length", "iterator", "iterator-length", "write", "write-length"])
@pytest.mark.parametrize(
    ("method", "status"), [("HEAD", 200), ("GET", 204), ("GET", 304), ("HEAD", 204), ("HEAD", 404), ("POST", 204)]
)
def test_no_body_where_there_is_none(server: Server, method: str, status: int, how: str) -> None:
    """19: no byte of a body after HEAD, 204 and 304, and the connection stays in sync."""
    with server.connect() as sock:
        sock.sendall(f"{method} /status/{status}/{how} HTTP/1.1\r\nHost: a\r\n\r\n".encode() * 2)
        sock.sendall(b"GET /next HTTP/1.1\r\nHost: a\r\n\r\n")
        reader = Reader(sock)
        answers = [reader.response(method), reader.response(method)]
        following = reader.response()

    assert [answer.status for answer in answers] == [status, status]
    assert following.body == b"GET /next "
    assert answers[0].header("Transfer-Encoding") is None or method == "HEAD"
    if status == 204:
        assert answers[0].header("Content-Length") is None
    elif how.endswith("-length"):
        assert answers[0].header("Content-Length") == "4"


@pytest.mark.parametrize("how", ["list", "pieces", "iterator", "write"])
def test_too_many_bytes_are_cut_off(server: Server, how: str) -> None:
    """20: bytes beyond Content-Length never reach the wire, and the log says so."""
    with server.connect() as sock:
        sock.sendall(f"GET /length/10/{how} HTTP/1.1\r\nHost: a\r\n\r\n".encode())
        sock.sendall(b"GET /next HTTP/1.1\r\nHost: a\r\n\r\n")
        reader = Reader(sock)

        assert reader.response().body == b"01234"
        assert reader.response().body == b"GET /next "
    wait_for(lambda: "more bytes than its Content-Length" in server.log(), "the error in the log")


def test_a_body_without_end_is_not_iterated_any_more(server: Server) -> None:
    """20: an application that gives more than its Content-Length is closed, as PEP 3333 asks, and holds no thread."""
    before = server.log().count("more bytes than its Content-Length")
    with server.connect() as sock:
        sock.sendall(b"GET /endless/mill HTTP/1.1\r\nHost: a\r\n\r\nGET /next HTTP/1.1\r\nHost: a\r\n\r\n")
        reader = Reader(sock)

        assert reader.response().body == b"0101"
        assert reader.response().body == b"GET /next "
    wait_for(lambda: "closed" in server.get("/seen/mill").text, "the application's body to be closed")
    wait_for(lambda: server.log().count("more bytes than its Content-Length") == before + 1, "the error in the log")


@pytest.mark.parametrize("count", [0, 4])
@pytest.mark.parametrize("how", ["list", "pieces", "iterator", "write"])
def test_too_few_bytes_close_the_connection(server: Server, how: str, count: int) -> None:
    """20: fewer bytes than Content-Length end the connection, so that nothing is taken for the rest."""
    token = new_token()
    with server.connect() as sock:
        sock.sendall(f"GET /length/{count}/{how} HTTP/1.1\r\nHost: a\r\n\r\n".encode())
        sock.sendall(SECOND.replace(b"TOKEN", token.encode()))
        reader = Reader(sock)
        head = reader.head()
        rest = reader.rest()

    assert (head.status, head.header("Content-Length")) in {(200, "5"), (500, head.header("Content-Length"))}
    if head.status == 200:
        assert rest == b"01234"[:count]
    assert seen(server, token) == []
    wait_for(lambda: "fewer than its Content-Length" in server.log(), "the error in the log")


# -- 21: heads of the application

BAD_HEADS = (
    "status-crlf status-lf status-nul status-without-reason-space status-no-number status-1xx status-not-latin-1 "
    "status-bytes value-crlf value-cr value-lf value-nul value-not-latin-1 value-bytes value-number "
    "name-crlf name-colon name-space name-empty name-not-latin-1 connection keep-alive transfer-encoding upgrade te "
    "length-text length-negative lengths-differ headers-tuple header-list header-triple"
).split()


@pytest.mark.parametrize("name", BAD_HEADS)
def test_head_of_the_application_that_is_not_http(server: Server, name: str) -> None:
    """21: 500, nothing of the bad head on the wire, the error in the log, the connection in sync."""
    before = len(server.log())
    with server.connect() as sock:
        sock.sendall(f"GET /bad/{name} HTTP/1.1\r\nHost: a\r\n\r\nGET /next HTTP/1.1\r\nHost: a\r\n\r\n".encode())
        reader = Reader(sock)
        answer = reader.response()
        following = reader.response()

    assert answer.status == 500
    assert b"njected" not in answer.raw
    assert following.body == b"GET /next "
    wait_for(lambda: "[error]" in server.log()[before:], "the error in the log")


# -- 23: httpoxy


def test_proxy_header_is_dropped(server: Server) -> None:
    """23: a Proxy header never becomes HTTP_PROXY."""
    assert server.get("/header/HTTP_PROXY", "Proxy: http://evil").body == b"(none)"


# -- 26: half-close


@pytest.mark.parametrize(
    ("data", "body"),
    [
        pytest.param(request(first=b"GET /echo HTTP/1.1"), b"", id="26-get"),
        pytest.param(
            request(b"Content-Length: 5", first=b"POST /echo HTTP/1.1", body=b"hello"), b"hello", id="26-post"
        ),
        pytest.param(
            request(b"Transfer-Encoding: chunked", first=b"POST /stream HTTP/1.1", body=b"5\r\nhello\r\n0\r\n\r\n"),
            b"hello",
            id="26-chunked",
        ),
        pytest.param(request(first=b"GET /big HTTP/1.0"), b"x" * 65536 * 1024, id="26-long-answer"),
    ],
)
def test_half_closed_client_gets_its_answer(server: Server, data: bytes, body: bytes) -> None:
    """A client that has said all and still reads is answered, and then the connection ends."""
    with server.connect() as sock:
        sock.sendall(data)
        sock.shutdown(socket.SHUT_WR)
        reader = Reader(sock)

        assert reader.response().body == body
        assert reader.rest() == b""


def test_half_closed_client_gets_all_its_answers(server: Server) -> None:
    """26: half-closing after several pipelined requests takes none of them back."""
    with server.connect() as sock:
        sock.sendall(b"".join(b"GET /%d HTTP/1.1\r\nHost: a\r\n\r\n" % number for number in range(5)))
        sock.shutdown(socket.SHUT_WR)
        reader = Reader(sock)

        assert [reader.response().body for _ in range(5)] == [b"GET /%d " % number for number in range(5)]
        assert reader.rest() == b""


# -- keep-alive, pipelining, chunks both ways, bytes alone


def test_fifty_pipelined_requests_are_answered_in_order(server: Server) -> None:
    """Fifty requests in one write, with and without bodies, get fifty answers, each its own."""
    data, expected = b"", []
    for number in range(50):
        line = b"%b /p/%d HTTP/1.1\r\nHost: a\r\n" % (b"GET" if number % 3 == 0 else b"POST", number)
        if number % 3 == 0:
            data += line + b"\r\n"
            expected.append(b"GET /p/%d " % number)
        elif number % 3 == 1:
            data += line + b"Content-Length: 3\r\n\r\nabc"
            expected.append(b"POST /p/%d abc" % number)
        else:
            data += line + b"Transfer-Encoding: chunked\r\n\r\n3\r\ndef\r\n0\r\n\r\n"
            expected.append(b"POST /p/%d def" % number)
    with server.connect() as sock:
        sock.sendall(data)
        reader = Reader(sock)

        assert [reader.response().body for _ in range(50)] == expected


def test_more_pipelined_bytes_than_are_read_ahead_are_answered(server: Server) -> None:
    """Hundreds of kilobytes of requests in one write are all answered."""
    one = b"GET /p HTTP/1.1\r\nHost: a\r\nX: %b\r\n\r\n" % (b"y" * 4000)
    with server.connect() as sock, ThreadPoolExecutor(1) as pool:
        sending = pool.submit(send, sock, one * 100)
        reader = Reader(sock)
        bodies = [reader.response().body for _ in range(100)]
        sending.result()

    assert bodies == [b"GET /p "] * 100


@pytest.mark.parametrize(
    ("version", "connection", "kept", "said"),
    [
        pytest.param("1.1", None, True, None, id="1.1"),
        pytest.param("1.1", "close", False, "close", id="1.1-close"),
        pytest.param("1.1", "x, Close", False, "close", id="1.1-close-in-list"),
        pytest.param("1.0", None, False, "close", id="1.0"),
        pytest.param("1.0", "keep-alive", True, "keep-alive", id="1.0-keep-alive"),
    ],
)
@pytest.mark.parametrize("path", ["/echo", "/status/204/list", "/status/404/list-length", "/a%2Fb"])
def test_connection_is_kept_or_closed_as_agreed(
    server: Server, path: str, version: str, connection: str | None, kept: bool, said: str | None
) -> None:
    """What the client asked for, the server says and does, whatever the status."""
    fields = f"Connection: {connection}\r\n" if connection else ""
    data = f"GET {path} HTTP/{version}\r\nHost: a\r\n{fields}\r\n".encode()
    with server.connect() as sock:
        reader = Reader(sock)
        for _ in range(3 if kept else 1):
            sock.sendall(data)
            answer = reader.response()
            assert answer.header("Connection") == said
        if not kept:
            assert closed(sock)


def test_answer_of_unknown_length_ends_with_the_connection_in_1_0(server: Server) -> None:
    """HTTP/1.0 has no chunks: the body ends where the connection does, even if keep-alive was asked for."""
    with server.connect() as sock:
        sock.sendall(
            b"POST /stream HTTP/1.0\r\nConnection: keep-alive\r\nContent-Length: 2500\r\n\r\n" + b"0123456789" * 250
        )
        answer = Reader(sock).response()

    assert (answer.header("Transfer-Encoding"), answer.header("Connection")) == (None, "close")
    assert answer.body == b"0123456789" * 250


@pytest.mark.parametrize("size", [1, 999, 65536, 300_000])
def test_chunks_go_both_ways(server: Server, size: int) -> None:
    """A chunked body comes back as a chunked body, byte for byte, and the connection goes on."""
    body = bytes(number % 251 for number in range(size))
    pieces = [body[start : start + 7000] for start in range(0, size, 7000)]
    encoded = b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces) + b"0\r\n\r\n"
    with server.connect() as sock:
        reader = Reader(sock)
        for _ in range(2):
            sock.sendall(request(b"Transfer-Encoding: chunked", first=b"POST /stream HTTP/1.1", body=encoded))
            answer = reader.response()
            assert (answer.header("Transfer-Encoding"), answer.body) == ("chunked", body)


def test_requests_that_come_byte_by_byte_are_the_same(server: Server) -> None:
    """Every byte in a packet of its own: heads, bodies and chunks are put together again."""
    requests = (
        b"\r\nGET /b/1 HTTP/1.1\r\nHost: a\r\n\r\n"
        b"POST /b/2 HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello"
        b"POST /b/3 HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
        b"2;x\r\nhe\r\n3\r\nllo\r\n0\r\nX: y\r\n\r\n"
        b"GET /b/4 HTTP/1.0\r\n\r\n"
    )
    with server.connect() as sock:
        send_byte_by_byte(sock, requests)
        reader = Reader(sock)
        bodies = [reader.response().body for _ in range(4)]

        assert bodies == [b"GET /b/1 ", b"POST /b/2 hello", b"POST /b/3 hello", b"GET /b/4 "]
        assert reader.rest() == b""


def test_empty_lines_that_come_in_parts_are_ignored(server: Server) -> None:
    """12: empty lines before a request are ignored wherever the packets part them."""
    for data in (b"\r\n\r", b"\r"):
        with server.connect() as sock:
            sock.sendall(data)
            # The server has read this once it has answered somebody who came later.
            server.get("/")
            sock.sendall(b"\nGET /parts HTTP/1.1\r\nHost: a\r\n\r\n")
            assert Reader(sock).response().body == b"GET /parts "


def test_concurrent_requests_see_their_own_headers(server: Server) -> None:
    """A hundred requests at once with different values: none sees another's (CVE-2014-0242)."""
    with contextlib.ExitStack() as stack:
        socks = [stack.enter_context(server.connect()) for _ in range(100)]
        for number, sock in enumerate(socks):
            sock.sendall(request(b"Content-Type: a/%d" % number, first=b"GET /header/CONTENT_TYPE HTTP/1.1"))
        bodies = [Reader(sock).response().body for sock in socks]

    assert bodies == [b"a/%d" % number for number in range(100)]


@pytest.mark.parametrize(("how", "rest"), [("length", b"hello"), ("chunked", b"5\r\nhello\r\n")])
def test_exception_after_the_head_is_no_end(server: Server, how: str, rest: bytes) -> None:
    """An application that fails inside its body leaves a connection that is cut, never a complete answer."""
    with server.connect() as sock:
        sock.sendall(f"GET /fail/{how} HTTP/1.1\r\nHost: a\r\n\r\n".encode() + SECOND)
        reader = Reader(sock)

        assert reader.head().status == 200
        assert reader.rest() == rest


# -- connections that come to nothing


def reset(sock: socket.socket) -> None:
    """Close so that the server gets a reset."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    sock.close()


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(b"", id="silent"),
        pytest.param(b"GET / HT", id="inside-head"),
        pytest.param(post(b"Content-Length: 500", body=b"x"), id="inside-body"),
        pytest.param(request(first=b"GET /echo HTTP/1.1"), id="after-request"),
        pytest.param(request(first=b"GET /big HTTP/1.1"), id="inside-answer"),
        pytest.param(b"GET\r\n\r\n" + b"x" * 1000, id="after-refusal"),
    ],
)
def test_reset_connections_leave_nothing_behind(server: Server, data: bytes) -> None:
    """Connections that are reset, at whatever point, cost neither descriptors nor CPU afterwards (CVE-2024-49769)."""
    server.get("/")
    front = server.front()
    # Another test's connections may still be closing.
    wait_for(lambda: len(front.net_connections()) == len(listeners(front)), "an idle front")
    before = front.num_fds()

    for _ in range(10 if b"/big" in data else 500):
        sock = server.connect()
        send(sock, data)
        reset(sock)

    wait_for(lambda: front.num_fds() <= before, "the descriptors to be closed")
    wait_for(lambda: is_idle(front), "the front to use no CPU")
    wait_for(lambda: all(is_idle(daemon) for daemon in server.daemons()), "the daemon processes to use no CPU")
    assert server.get("/echo").status == 200


def listeners(process: psutil.Process) -> list[object]:
    """Its listening sockets."""
    return [one for one in process.net_connections() if one.status == psutil.CONN_LISTEN]


def is_idle(process: psutil.Process) -> bool:
    """Whether it uses next to no CPU between two looks; one that polls in vain uses all of it."""
    looks = []
    for _ in range(2):
        times = process.cpu_times()
        looks.append(times.user + times.system)
        with contextlib.suppress(psutil.TimeoutExpired):
            process.wait(0.1)
    return looks[1] - looks[0] <= 0.02


# -- 25: slow clients


@pytest.fixture(scope="module")
def impatient() -> Iterator[Server]:
    """A server whose clients have one second for everything."""
    names = "header-timeout header-max-timeout body-timeout body-max-timeout keep-alive-timeout socket-timeout"
    options = [text for name in names.split() for text in (f"--{name}", "1")]
    with serving(APPS / "http_conformance.wsgi", "--threads", "4", *options) as one:
        yield one


def drip(server: Server, start: bytes, piece: bytes) -> bytes:
    """Send `piece` again and again, slowly, until there is an answer; return everything that comes."""
    with server.connect() as sock:
        sock.sendall(start)
        sock.settimeout(0.1)
        while True:
            try:
                received = sock.recv(1, socket.MSG_PEEK)
            except TimeoutError:
                send(sock, piece)
            except ConnectionError:
                return b""
            else:
                sock.settimeout(PATIENCE)
                return Reader(sock).rest() if received else b""


def read_nothing(server: Server) -> bytes:
    """Ask for more than the kernel holds, read none of it until the server has given up; return what there is."""
    with server.connect() as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
        sock.sendall(b"GET /big HTTP/1.1\r\nHost: a\r\n\r\n")
        wait_for(lambda: "has read nothing of its answer" in server.log(), "the server to give up")
        return Reader(sock).rest()


@pytest.fixture(scope="module")
def slow_outcomes(impatient: Server) -> Iterator[dict[str, bytes]]:
    """What each slow client got; they are slow all at once, and others are served meanwhile."""
    post_length = b"POST /slow/body HTTP/1.1\r\nHost: a\r\nContent-Length: 9999\r\n\r\n"
    post_chunks = b"POST /slow/chunks HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
    kept = b"GET /kept HTTP/1.1\r\nHost: a\r\n\r\n"
    clients: dict[str, tuple[bytes, bytes]] = {
        "head": (b"", b"G"),
        "head-field": (b"GET /slow/head HTTP/1.1\r\nHost: a\r\nX: ", b"y"),
        "head-stalled": (b"GET /slow/head HTT", b""),
        "body": (post_length, b"x"),
        "body-stalled": (post_length + b"x", b""),
        "chunks": (post_chunks, b"1\r\nx\r\n"),
        "chunk-size": (post_chunks, b"0"),
        "silent": (b"", b""),
        "empty-lines": (b"", b"\r\n"),
        "kept": (kept, b""),
        "second-head": (kept + b"GET /sec", b""),
    }
    with ThreadPoolExecutor(len(clients) + 1) as pool:
        futures = {name: pool.submit(drip, impatient, *data) for name, data in clients.items()}
        futures["answer"] = pool.submit(read_nothing, impatient)
        while not all(future.done() for future in futures.values()):
            assert impatient.get("/echo").status == 200
        yield {name: future.result() for name, future in futures.items()}


@pytest.mark.parametrize("name", ["head", "head-field", "head-stalled", "body", "body-stalled", "chunks", "chunk-size"])
def test_slow_request_is_ended_with_408(slow_outcomes: dict[str, bytes], name: str) -> None:
    """25: a head or body that drips or stalls gets 408 and an end while all others are served."""
    answer = slow_outcomes[name]

    assert answer.startswith(b"HTTP/1.1 408 ")
    assert b"\r\nConnection: close\r\n" in answer
    assert answer.count(b"HTTP/1.1 ") == 1


@pytest.mark.parametrize("name", ["silent", "empty-lines"])
def test_silent_connection_is_closed_silently(slow_outcomes: dict[str, bytes], name: str) -> None:
    """25: a connection on which no request has begun is closed without a word."""
    assert slow_outcomes[name] == b""


def test_slow_reader_is_cut_off(slow_outcomes: dict[str, bytes]) -> None:
    """25: a client that takes nothing of its answer loses it, and never gets a false end."""
    assert not slow_outcomes["answer"].endswith(b"0\r\n\r\n")


def test_slow_requests_are_never_run(slow_outcomes: dict[str, bytes], impatient: Server) -> None:
    """25: nothing of a request that did not arrive whole reaches the application."""
    assert slow_outcomes
    assert seen(impatient, "slow") == []


def test_idle_connection_is_closed_after_its_answer(slow_outcomes: dict[str, bytes]) -> None:
    """25: a kept connection without a next request ends silently when its time is over."""
    answer = Answer(slow_outcomes["kept"])

    assert (answer.status, answer.header("Connection"), answer.body) == (200, None, b"GET /kept ")


def test_second_head_on_a_connection_has_its_time_too(slow_outcomes: dict[str, bytes]) -> None:
    """25: the next request's head gets 408 as the first one's does."""
    first, separator, second = slow_outcomes["second-head"].partition(b"GET /kept ")

    assert Answer(first + separator).status == 200
    assert Answer(second).status == 408


# -- 27: the daemon process dies


@pytest.fixture(scope="module")
def mortal(triggers: Path) -> Iterator[Server]:
    """A server whose one daemon process is killed by its application."""
    with serving(APPS / "http_conformance.wsgi", "--threads", "4", env={"HTTP_TRIGGERS": str(triggers)}) as one:
        yield one


@pytest.mark.parametrize("where", ["before-head", "after-start-response"])
def test_death_before_the_head_is_502(mortal: Server, where: str) -> None:
    """27: a request whose process dies before a byte of its answer gets 502, and the connection goes on."""
    with mortal.connect() as sock:
        sock.sendall(f"GET /die/{where}/none HTTP/1.1\r\nHost: a\r\n\r\n".encode())
        sock.sendall(b"GET /next HTTP/1.1\r\nHost: a\r\n\r\n")
        reader = Reader(sock)

        assert reader.response().status == 502
        assert reader.response().body == b"GET /next "


@pytest.mark.parametrize(
    ("where", "version", "begin"),
    [
        pytest.param("with-length", "1.1", b"hello", id="27-after-head-with-length"),
        pytest.param("chunked", "1.1", b"5\r\nhello\r\n", id="27-mid-chunk"),
        pytest.param("until-close", "1.0", b"hello", id="27-until-close"),
    ],
)
def test_death_after_the_head_cuts_the_answer(
    mortal: Server, triggers: Path, where: str, version: str, begin: bytes
) -> None:
    """27: an answer whose process dies is cut: no last chunk, no whole length, a reset where only the end tells."""
    token = new_token()
    with mortal.connect() as sock:
        sock.sendall(f"GET /die/{where}/{token} HTTP/{version}\r\nHost: a\r\n\r\n".encode() + SECOND)
        reader = Reader(sock)
        head = reader.head()
        assert reader.at_least(len(begin)) == begin
        (triggers / token).touch()
        if version == "1.0":
            with pytest.raises(ConnectionResetError):
                sock.recv(100)
        else:
            assert reader.rest() == b""

    assert head.status == 200
    assert mortal.get("/next").body == b"GET /next "


def test_death_after_the_end_changes_nothing(mortal: Server, triggers: Path) -> None:
    """27: an answer that was complete when its process died is complete."""
    token = new_token()
    with mortal.connect() as sock:
        sock.sendall(f"GET /die/after-end/{token} HTTP/1.1\r\nHost: a\r\n\r\n".encode())
        reader = Reader(sock)
        assert reader.response().body == b"hello"
        before = {daemon.pid for daemon in mortal.daemons()}
        (triggers / token).touch()
        wait_for(lambda: not before & {daemon.pid for daemon in mortal.daemons()}, "the process to die")
        sock.sendall(b"GET /next HTTP/1.1\r\nHost: a\r\n\r\n")

        assert reader.response().body == b"GET /next "
