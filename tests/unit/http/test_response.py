"""response: a daemon process's head is hostile until it has been read, and what the server itself says."""

from http import HTTPStatus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pydaemonwsgi.errors import ResponseError
from pydaemonwsgi.http import response
from pydaemonwsgi.http.response import (
    ResponseHead,
    error_response,
    options_response,
    read_response_head,
    server_lines,
)


def encoded(status: bytes, *items: bytes) -> bytes:
    """A head as a frame carries it."""
    return b"\0".join((status, *items))


@pytest.mark.parametrize(
    ("head", "lines", "length"),
    [
        pytest.param(encoded(b"200 OK"), b"HTTP/1.1 200 OK\r\n", None, id="no-fields"),
        pytest.param(encoded(b"200"), b"HTTP/1.1 200 \r\n", None, id="no-reason"),
        pytest.param(encoded(b"200 "), b"HTTP/1.1 200 \r\n", None, id="empty-reason"),
        pytest.param(encoded(b"299 \xe4\tb"), b"HTTP/1.1 299 \xe4\tb\r\n", None, id="any-reason"),
        pytest.param(encoded(b"999 x"), b"HTTP/1.1 999 x\r\n", None, id="any-status"),
        pytest.param(
            encoded(b"200 OK", b"A", b"b", b"B", b"", b"Set-Cookie", b"\xe4=\t1"),
            b"HTTP/1.1 200 OK\r\nA: b\r\nB: \r\nSet-Cookie: \xe4=\t1\r\n",
            None,
            id="fields-stay-in-order",
        ),
        pytest.param(
            encoded(b"200 OK", b"content-length", b"5"), b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n", 5, id="length"
        ),
        pytest.param(
            encoded(b"200 OK", b"Content-Length", b"5", b"Content-Length", b"5"),
            b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n",
            5,
            id="length-twice",
        ),
        pytest.param(
            encoded(b"200 OK", b"Date", b"x", b"SERVER", b"y", b"A", b"b"),
            b"HTTP/1.1 200 OK\r\nA: b\r\n",
            None,
            id="the-servers-own-are-dropped",
        ),
    ],
)
def test_head_is_written(head: bytes, lines: bytes, length: int | None) -> None:
    """A good head becomes its lines, the second time as the first."""
    for _ in range(2):
        assert read_response_head(head) == ResponseHead(int(head[:3]), lines, length, False)


@pytest.mark.parametrize("status", [204, 304])
def test_bodiless_status_is_known(status: int) -> None:
    """204 and 304 have no body."""
    assert read_response_head(b"%d x" % status).bodiless


@pytest.mark.parametrize(
    ("status", "lines", "length"),
    [
        (204, b"HTTP/1.1 204 x\r\nA: b\r\nC: d\r\n", None),
        (304, b"HTTP/1.1 304 x\r\nA: b\r\nContent-Length: 5\r\nC: d\r\n", 5),
    ],
)
def test_length_stays_where_it_may(status: int, lines: bytes, length: int | None) -> None:
    """Content-Length is taken from a 204 (RFC 9110 section 8.6) and left on a 304."""
    head = read_response_head(encoded(b"%d x" % status, b"A", b"b", b"Content-Length", b"5", b"C", b"d"))

    assert (head.lines, head.content_length) == (lines, length)


@pytest.mark.parametrize("status", [204, 304])
def test_a_type_goes_with_a_body_only(status: int) -> None:
    """As under httpd, an application's Content-Type stays away where there is no content."""
    head = read_response_head(encoded(b"%d x" % status, b"A", b"b", b"content-type", b"text/x", b"ETag", b"e"))
    assert head.lines == b"HTTP/1.1 %d x\r\nA: b\r\nETag: e\r\n" % status


@pytest.mark.parametrize(
    "head",
    [
        pytest.param(b"", id="empty"),
        pytest.param(encoded(b"OK"), id="no-status"),
        pytest.param(encoded(b"20 OK"), id="two-digits"),
        pytest.param(encoded(b"2000 OK"), id="four-digits"),
        pytest.param(encoded(b"099 OK"), id="below-100"),
        pytest.param(encoded(b"200OK"), id="no-space"),
        pytest.param(encoded(b" 200 OK"), id="leading-space"),
        pytest.param(encoded(b"+20 OK"), id="sign"),
        pytest.param(encoded(b"200 O\rK"), id="cr-in-reason"),
        pytest.param(encoded(b"200 O\nK"), id="lf-in-reason"),
        pytest.param(encoded(b"200 OK\r\nA: b"), id="header-in-reason"),
        pytest.param(encoded(b"200 OK\r\n"), id="crlf-after-reason"),
        pytest.param(encoded(b"200 O\x01K"), id="control-in-reason"),
        pytest.param(encoded(b"200\n"), id="lf-after-status"),
        pytest.param(encoded(b"100 Continue"), id="continue"),
        pytest.param(encoded(b"101 x"), id="upgrade"),
        pytest.param(encoded(b"103 x"), id="early-hints"),
        pytest.param(encoded(b"200 OK", b"A"), id="name-without-value"),
        pytest.param(encoded(b"200 OK", b"A", b"b", b""), id="nul-too-many"),
        pytest.param(encoded(b"200 OK", b"", b"b"), id="empty-name"),
        pytest.param(encoded(b"200 OK", b"A b", b"c"), id="space-in-name"),
        pytest.param(encoded(b"200 OK", b"A:", b"c"), id="colon-in-name"),
        pytest.param(encoded(b"200 OK", b"A\r\nB", b"c"), id="crlf-in-name"),
        pytest.param(encoded(b"200 OK", b"A\n", b"c"), id="lf-after-name"),
        pytest.param(encoded(b"200 OK", b"\xe4", b"c"), id="eight-bit-name"),
        pytest.param(encoded(b"200 OK", b"A", b"b\r\nC: d"), id="crlf-in-value"),
        pytest.param(encoded(b"200 OK", b"A", b"b\r"), id="cr-in-value"),
        pytest.param(encoded(b"200 OK", b"A", b"b\n"), id="lf-in-value"),
        pytest.param(encoded(b"200 OK", b"Content-Length", b""), id="length-empty"),
        pytest.param(encoded(b"200 OK", b"Content-Length", b"-1"), id="length-negative"),
        pytest.param(encoded(b"200 OK", b"Content-Length", b"+1"), id="length-sign"),
        pytest.param(encoded(b"200 OK", b"Content-Length", b"1_0"), id="length-underscore"),
        pytest.param(encoded(b"200 OK", b"Content-Length", b"5, 5"), id="length-list"),
        pytest.param(encoded(b"200 OK", b"Content-Length", b"9" * 19), id="length-too-long"),
        pytest.param(encoded(b"200 OK", b"Content-Length", b"5", b"content-length", b"6"), id="lengths-differ"),
    ],
)
def test_head_that_is_not_http_is_refused(head: bytes) -> None:
    """Nothing that would break the response out of its frame reaches the wire, the second time neither."""
    for _ in range(2):
        with pytest.raises(ResponseError):
            read_response_head(head)


@pytest.mark.parametrize(
    "name", [b"Connection", b"Keep-Alive", b"proxy-connection", b"TRANSFER-ENCODING", b"Upgrade", b"TE", b"Trailer"]
)
def test_hop_by_hop_header_is_refused(name: bytes) -> None:
    """Framing and connection belong to the server."""
    with pytest.raises(ResponseError, match="belongs to the server"):
        read_response_head(encoded(b"200 OK", name, b"x"))


def test_memory_of_heads_is_bounded() -> None:
    """Thousands of different heads are written right and not all remembered."""
    for number in range(3000):
        head = read_response_head(encoded(b"200 OK", b"A", b"%d" % number))
        assert head.lines == b"HTTP/1.1 200 OK\r\nA: %d\r\n" % number
    assert len(response._heads) <= 1024


@given(st.lists(st.binary(max_size=20), min_size=1, max_size=6))
def test_any_bytes_give_one_head_or_none(parts: list[bytes]) -> None:
    """What is accepted has as many lines as fields, and no line holds a line break or NUL."""
    try:
        head = read_response_head(b"\0".join(parts))
    except ResponseError:
        return
    lines = head.lines.split(b"\r\n")
    assert lines.pop() == b""
    assert len(lines) <= 1 + (len(parts) - 1) // 2
    assert not any(set(line) & set(b"\r\n\0") for line in lines)


def test_server_lines_have_the_date_of_rfc_9110() -> None:
    """Date is in GMT and in the one form that HTTP allows."""
    assert server_lines(784111777.9, "name").split(b"\r\n")[0] == b"Date: Sun, 06 Nov 1994 08:49:37 GMT"


def test_server_lines_end_as_lines() -> None:
    """Each line ends in CRLF, so that they can be put anywhere in a head."""
    assert server_lines(0.0, "name").endswith(b"\r\n")
    assert b"\r\n\r\n" not in server_lines(0.0, "name")


@pytest.mark.parametrize("status", [400, 404, 405, 408, 411, 413, 414, 417, 431, 500, 501, 502, 503, 504, 505])
def test_error_response_is_whole(status: int) -> None:
    """Every error page has its status, a length that is its body's, and is HTML."""
    head, body = error_response(status)

    assert (head.status, head.content_length, head.bodiless) == (status, len(body), False)
    assert head.lines.startswith(b"HTTP/1.1 %d %b\r\n" % (status, HTTPStatus(status).phrase.encode()))
    assert b"\r\nContent-Length: %d\r\n" % len(body) in head.lines
    assert body.startswith(b"<!DOCTYPE html>")


def test_error_response_has_what_goes_with_it() -> None:
    """Whoever makes the page."""
    assert b"\r\nRetry-After: 7\r\n" in error_response(503, [("Retry-After", "7")])[0].lines
    head, body = error_response(503, [("Retry-After", "7")], page="our own")
    assert (b"\r\nRetry-After: 7\r\n" in head.lines, head.content_length, body) == (True, 7, b"our own")


def test_405_names_what_is_allowed() -> None:
    """RFC 9110 section 15.5.6: a 405 has an Allow header."""
    assert b"\r\nAllow: GET, HEAD, POST, PUT" in error_response(405)[0].lines
    lines = error_response(405, [("Allow", "GET")])[0].lines
    assert b"\r\nAllow: GET\r\n" in lines
    assert lines.count(b"Allow:") == 1


def test_options_response_has_no_body() -> None:
    """The answer to `OPTIONS *` is complete with its head."""
    head = options_response()

    assert (head.status, head.content_length) == (200, 0)
    assert b"\r\nAllow: GET," in head.lines


def test_a_header_line_may_be_as_long_as_allowed() -> None:
    """Name, colon, space and value count; one byte more is refused with both numbers."""
    head = b"200 OK\0X-Long\0" + b"a" * 8184
    assert read_response_head(head, 8192).status == 200
    with pytest.raises(ResponseError, match=r"header X-Long has 8193 bytes, more than --header-buffer-size \(8192\)"):
        read_response_head(head + b"a", 8192)
    assert read_response_head(head + b"a").status == 200


def test_there_may_be_only_so_many_headers() -> None:
    """Each takes time that is every client's."""
    fields = [b"X-%d" % number if part == 0 else b"x" for number in range(4096) for part in range(2)]
    assert read_response_head(encoded(b"200 OK", *fields)).status == 200
    with pytest.raises(ResponseError, match="4097 headers are more than the 4096"):
        read_response_head(encoded(b"200 OK", *fields, b"X", b"x"))


def test_repeated_headers_are_joined_in_their_order() -> None:
    """Where the first of them stands; the last counts of those that are no lists."""
    items = (b"X", b"1", b"Location", b"/a", b"Y", b"2", b"x", b"3", b"location", b"/b", b"X", b"4")
    lines = read_response_head(encoded(b"302 Found", *items)).lines
    assert lines == b"HTTP/1.1 302 Found\r\nX: 1, 3, 4\r\nLocation: /b\r\nY: 2\r\n"


def test_many_headers_arrive_in_order_and_challenges_stay_apart() -> None:
    """Two WWW-Authenticate are two ways to log in; other repeated names are one list."""
    items = [(b"X-%d" % number, b"%d" % number) for number in range(25)]
    items += [(b"WWW-Authenticate", b"Basic"), (b"WWW-Authenticate", b"Digest"), (b"X-3", b"again")]
    encoded = b"200 OK\0" + b"\0".join(name + b"\0" + value for name, value in items)
    lines = read_response_head(encoded).lines.split(b"\r\n")[1:-1]
    wanted = [b"X-%d: %d" % (number, number) for number in range(25)]
    wanted[3] = b"X-3: 3, again"
    assert lines == [*wanted, b"WWW-Authenticate: Basic", b"WWW-Authenticate: Digest"]


@pytest.mark.parametrize(
    ("status", "location", "sent_on"),
    [
        (b"200 OK", b"/a?b=c", b"/a?b=c"),
        (b"200 OK", b"http://other.example/", None),
        (b"200 OK", b"a", None),
        (b"302 Found", b"/a", None),
        (b"404 Not Found", b"/a", None),
    ],
)
def test_a_path_of_this_server_with_status_200_is_an_internal_redirect(
    status: bytes, location: bytes, sent_on: bytes | None
) -> None:
    assert read_response_head(status + b"\0Location\0" + location).sent_on == sent_on
