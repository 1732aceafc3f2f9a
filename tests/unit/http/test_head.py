"""head: every rule of a request head, where it ends, and that remembering never changes an answer."""

from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pydaemonwsgi.errors import HttpError
from pydaemonwsgi.http.head import HeadReader, Limits, RequestHead

SMALL = Limits(line=40, field=30, fields=3, head=120)


def environ(head: RequestHead) -> dict[str, str]:
    """The CGI variables of a head; the last of equal keys counts, as in the daemon process."""
    items = head.environ.decode("latin-1").split("\0")
    return dict(zip(items[::2], items[1::2], strict=False))


def head_of(*fields: bytes, line: bytes = b"GET / HTTP/1.1") -> bytes:
    """A head of these lines."""
    return b"\r\n".join((line, *fields, b"", b""))


def read(head: bytes, *, limits: Limits | None = None, mount_point: str = "") -> RequestHead:
    """What a new reader says."""
    reader = HeadReader(limits or Limits(), mount_point)
    assert reader.find_end(head) == len(head)
    return reader.read(head)


def refusal(head: bytes, limits: Limits | None = None) -> int:
    """The status with which a new reader refuses a head that is all there."""
    reader = HeadReader(limits or Limits())
    try:
        end = reader.find_end(head)
        assert end, "the reader waits for more"
        reader.read(head[:end])
    except HttpError as error:
        return error.status
    pytest.fail("the head was accepted")


# -- the request line


@pytest.mark.parametrize("minor", [0, 1])
def test_good_head_is_read(minor: int) -> None:
    """Method, target, version and the variables of line and headers come out as they went in."""
    head = read(head_of(b"Host: Example.com:81", b"A: b", line=b"PUT /p%%20q?x=1 HTTP/1.%d" % minor))

    assert head._replace(environ=b"") == RequestHead(
        method=b"PUT",
        target=b"/p%20q?x=1",
        minor=minor,
        path=b"/p q",
        refusal=0,
        keep_alive=bool(minor),
        content_length=None,
        chunked=False,
        expects_continue=False,
        environ=b"",
        block=b"Host: Example.com:81\r\nA: b\r\n\r\n",
        host=b"example.com",
        port=81,
        raw_path=b"/p%20q",
        query=b"x=1",
        plain=True,
        is_conditional=False,
    )
    assert not head.has_body
    assert environ(head) == {
        "REQUEST_METHOD": "PUT",
        "SCRIPT_NAME": "",
        "PATH_INFO": "/p q",
        "QUERY_STRING": "x=1",
        "REQUEST_URI": "/p%20q?x=1",
        "SERVER_PROTOCOL": f"HTTP/1.{minor}",
        "SERVER_NAME": "example.com",
        "SERVER_PORT": "81",
        "HTTP_HOST": "Example.com:81",
        "HTTP_A": "b",
    }


@pytest.mark.parametrize(
    ("head", "plain"),
    [
        pytest.param(head_of(b"Host: a"), True, id="get"),
        pytest.param(head_of(b"Host: a", b"Content-Length: 0", line=b"POST / HTTP/1.1"), True, id="empty-body"),
        pytest.param(head_of(line=b"GET / HTTP/1.0"), True, id="1.0"),
        pytest.param(head_of(b"Host: a", b"Content-Length: 1"), False, id="length"),
        pytest.param(head_of(b"Host: a", b"Transfer-Encoding: chunked"), False, id="chunked"),
        pytest.param(head_of(b"Host: a", line=b"OPTIONS * HTTP/1.1"), False, id="options-asterisk"),
        pytest.param(head_of(b"Host: a", line=b"TRACE / HTTP/1.1"), False, id="refused"),
        pytest.param(head_of(b"Host: a", line=b"GET /%2F HTTP/1.1"), False, id="not-found"),
    ],
)
def test_plain_head_can_be_passed_on_at_once(head: bytes, plain: bool) -> None:
    """A head is plain when no body follows and the server has nothing to say about it."""
    assert read(head).plain is plain


@pytest.mark.parametrize("method", [b"GET", b"M-SEARCH", b"BASELINE-CONTROL", b"X1", b"X_Y"])
def test_any_upper_case_method_is_read(method: bytes) -> None:
    """A method need not be known."""
    assert read(head_of(b"Host: a", line=method + b" / HTTP/1.1")).method == method


@pytest.mark.parametrize(
    ("line", "status"),
    [
        pytest.param(b"get / HTTP/1.1", 400, id="lower-case-method"),
        pytest.param(b"Get / HTTP/1.1", 400, id="mixed-case-method"),
        pytest.param(b"G(T / HTTP/1.1", 400, id="method-no-token"),
        pytest.param(b"1GET / HTTP/1.1", 400, id="method-begins-with-digit"),
        pytest.param(b"\xc7ET / HTTP/1.1", 400, id="method-eight-bit"),
        pytest.param(b" GET / HTTP/1.1", 400, id="leading-space"),
        pytest.param(b"GET  / HTTP/1.1", 400, id="two-spaces-after-method"),
        pytest.param(b"GET /  HTTP/1.1", 400, id="two-spaces-before-version"),
        pytest.param(b"GET / HTTP/1.1 ", 400, id="trailing-space"),
        pytest.param(b"GET\t/ HTTP/1.1", 400, id="tab-after-method"),
        pytest.param(b"GET /\tHTTP/1.1", 400, id="tab-before-version"),
        pytest.param(b"GET\x0b/ HTTP/1.1", 400, id="vertical-tab"),
        pytest.param(b"GET / a HTTP/1.1", 400, id="space-in-target"),
        pytest.param(b"GET /", 400, id="no-version"),
        pytest.param(b"GET", 400, id="method-only"),
        pytest.param(b"/ HTTP/1.1", 400, id="no-method"),
        pytest.param(b"GET HTTP/1.1", 400, id="no-target"),
        pytest.param(b"GET / http/1.1", 400, id="lower-case-version"),
        pytest.param(b"GET / HTTP/1,1", 400, id="version-with-comma"),
        pytest.param(b"GET / HTTP/1", 400, id="version-without-minor"),
        pytest.param(b"GET / HTTP/1.1x", 400, id="version-with-tail"),
        pytest.param(b"GET / HTTP/1.10", 505, id="version-1.10"),
        pytest.param(b"GET / HTTP/01.1", 505, id="version-01.1"),
        pytest.param(b"GET / HTTP/1.2", 505, id="version-1.2"),
        pytest.param(b"GET / HTTP/0.9", 505, id="version-0.9"),
        pytest.param(b"GET / HTTP/2.0", 505, id="version-2.0"),
        pytest.param(b"PRI * HTTP/2.0", 505, id="http-2-preface"),
        pytest.param(b"GET /\x00 HTTP/1.1", 400, id="nul-in-target"),
        pytest.param(b"GET /\xe4 HTTP/1.1", 400, id="eight-bit-target"),
        pytest.param(b"GET /\x7f HTTP/1.1", 400, id="delete-in-target"),
        pytest.param(b"GET /\r HTTP/1.1", 400, id="cr-in-target"),
        pytest.param(b"GET /#a HTTP/1.1", 400, id="fragment"),
        pytest.param(b"GET * HTTP/1.1", 400, id="asterisk-for-get"),
        pytest.param(b"GET a:80 HTTP/1.1", 400, id="authority-form-for-get"),
        pytest.param(b"CONNECT a:80 HTTP/1.1", 501, id="connect"),
        pytest.param(b"CONNECT / HTTP/1.1", 501, id="connect-with-path"),
        pytest.param(b"PROXY TCP4 192.0.2.1 192.0.2.2 1 2", 400, id="proxy-protocol-1"),
        pytest.param(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 400, id="tls"),
        pytest.param(b"", 400, id="empty"),
    ],
)
def test_wrong_request_line_is_refused(line: bytes, status: int) -> None:
    """Whatever is not METHOD SP TARGET SP HTTP/1.0 or 1.1 is 400, 501 or 505."""
    assert refusal(head_of(b"Host: a", line=line)) == status


def test_proxy_protocol_2_is_refused() -> None:
    """The binary preface begins with an empty line and is 400, not a request."""
    assert refusal(b"\r\n\r\n\0\r\nQUIT\n!\x11\0\x0c" + bytes(12) + head_of(b"Host: a")) == 400


def test_trace_is_well_formed_and_not_allowed() -> None:
    """TRACE is read, so that the connection stays in sync, and answered with 405."""
    assert read(head_of(b"Host: a", line=b"TRACE / HTTP/1.1")).refusal == 405


def test_encoded_slash_is_well_formed_and_not_found() -> None:
    """An encoded slash in the path is read and answered with 404."""
    assert read(head_of(b"Host: a", line=b"GET /a%2Fb HTTP/1.1")).refusal == 404


# -- mount points


@pytest.mark.parametrize(
    ("target", "script_name", "path_info", "status"),
    [
        pytest.param(b"/app", "/app", "", 0, id="itself"),
        pytest.param(b"/app/", "/app", "/", 0, id="slash"),
        pytest.param(b"/app//a///b", "/app", "/a/b", 0, id="slashes"),
        pytest.param(b"//app/a", "/app", "/a", 0, id="slashes-first"),
        pytest.param(b"/%61pp/a", "/app", "/a", 0, id="encoded"),
        pytest.param(b"/x/../app/a", "/app", "/a", 0, id="dot-dot-into"),
        pytest.param(b"/app/../x", "", "/x", 404, id="dot-dot-out-of"),
        pytest.param(b"/APP", "", "/APP", 404, id="case"),
        pytest.param(b"/apple", "", "/apple", 404, id="longer-name"),
        pytest.param(b"/", "", "/", 404, id="root"),
        pytest.param(b"/app%2Fa", "/app", "/a", 404, id="encoded-slash"),
    ],
)
def test_mount_point_splits_the_path(target: bytes, script_name: str, path_info: str, status: int) -> None:
    """SCRIPT_NAME is the mount point where the path begins with it; other paths are 404."""
    head = read(head_of(b"Host: a", line=b"GET " + target + b" HTTP/1.1"), mount_point="/app")
    variables = environ(head)

    assert (variables["SCRIPT_NAME"], variables["PATH_INFO"], head.refusal) == (script_name, path_info, status)


@pytest.mark.parametrize("mount_point", ["", "/", "/app", "/app/"])
def test_options_asterisk_is_under_no_mount_point(mount_point: str) -> None:
    """`OPTIONS *` is about the server, wherever the application is mounted."""
    head = read(head_of(b"Host: a", line=b"OPTIONS * HTTP/1.1"), mount_point=mount_point)

    assert (head.path, head.refusal) == (b"*", 0)


# -- header fields


@pytest.mark.parametrize(
    "field",
    [
        pytest.param(b"A : b", id="space-before-colon"),
        pytest.param(b"A\t: b", id="tab-before-colon"),
        pytest.param(b"A\x85: b", id="x85-before-colon"),
        pytest.param(b"A\xa0: b", id="xa0-before-colon"),
        pytest.param(b": b", id="empty-name"),
        pytest.param(b"no colon", id="no-colon"),
        pytest.param(b"nocolon", id="no-colon-no-space"),
        pytest.param(b"A(b: c", id="name-no-token"),
        pytest.param(b'"A": c', id="name-quoted"),
        pytest.param(b"A\0: c", id="nul-in-name"),
        pytest.param(b"A: b\r\n c", id="folded-by-space"),
        pytest.param(b"A: b\r\n\tc", id="folded-by-tab"),
        pytest.param(b"A:\r\n c", id="folded-empty"),
        pytest.param(b"A: b\0c", id="nul-in-value"),
        pytest.param(b"A: b\x01c", id="x01-in-value"),
        pytest.param(b"A: b\x08c", id="backspace-in-value"),
        pytest.param(b"A: b\x0bc", id="vertical-tab-in-value"),
        pytest.param(b"A: b\x1fc", id="x1f-in-value"),
        pytest.param(b"A: b\x7fc", id="delete-in-value"),
        pytest.param(b"A: b\rc", id="cr-in-value"),
        pytest.param(b"A: b\nc", id="lf-in-value"),
        pytest.param(b"A: b\nB: c", id="line-ends-in-lf"),
        pytest.param(b"A: b\rB: c", id="line-ends-in-cr"),
        pytest.param(b"A: b\r\r\nB: c", id="line-ends-in-cr-cr-lf"),
        pytest.param(b"A: b\r", id="value-ends-in-cr"),
        pytest.param(b"A: b\n\r\nB: c", id="lf-before-crlf"),
        pytest.param(b"\nA: b", id="lf-first"),
    ],
)
@pytest.mark.parametrize("position", [0, 1, 2], ids=["first", "inside", "last"])
def test_malformed_field_is_refused(field: bytes, position: int) -> None:
    """A line that is no `name: value` with visible characters, ended by CRLF, is 400."""
    fields = [b"Host: a", b"Z: z"]
    fields.insert(position, field)

    assert refusal(head_of(*fields)) == 400


@pytest.mark.parametrize("white", [b" ", b"\t"], ids=["space", "tab"])
def test_white_space_before_the_first_field_is_refused(white: bytes) -> None:
    """A first header line that begins with white space continues nothing (RFC 9112 section 2.2)."""
    assert refusal(head_of(white + b"Host: a")) == 400


@pytest.mark.parametrize(
    ("field", "variables"),
    [
        pytest.param(b"X-Y: z", {"HTTP_X_Y": "z"}, id="hyphen"),
        pytest.param(b"x-y:z", {"HTTP_X_Y": "z"}, id="any-case-no-space"),
        pytest.param(b"X: \t a b\t ", {"HTTP_X": "a b"}, id="white-space-around"),
        pytest.param(b"X:", {"HTTP_X": ""}, id="empty"),
        pytest.param(b"X: \xe9\x80\xa0", {"HTTP_X": "\xe9\x80\xa0"}, id="eight-bit-as-latin-1"),
        pytest.param(b"X: a\tb", {"HTTP_X": "a\tb"}, id="tab-inside"),
        pytest.param(b"X: a\r\nY: b\r\nx: c", {"HTTP_X": "a, c", "HTTP_Y": "b"}, id="twice"),
        pytest.param(b"Cookie: a=1\r\nCookie: b=2", {"HTTP_COOKIE": "a=1, b=2"}, id="cookie-twice"),
        pytest.param(b"Content-Type: a/b", {"CONTENT_TYPE": "a/b"}, id="content-type"),
        pytest.param(b"Content-Length: 5", {"CONTENT_LENGTH": "5"}, id="content-length"),
        pytest.param(b"Authorization: Basic eA==", {"HTTP_AUTHORIZATION": "Basic eA=="}, id="authorization"),
        pytest.param(b"Proxy: http://evil", {}, id="httpoxy"),
        pytest.param(b"pRoXy: http://evil", {}, id="httpoxy-any-case"),
        pytest.param(b"Proxy-Authorization: x", {}, id="proxy-authorization"),
        pytest.param(b"X_Y: z", {}, id="underscore"),
        pytest.param(b"X-Y: a\r\nX_Y: b", {"HTTP_X_Y": "a"}, id="underscore-beside-hyphen"),
        pytest.param(b"Content_Length: 5", {}, id="underscore-length"),
        pytest.param(b"X.Y: z", {}, id="dot"),
        pytest.param(b"X!Y: z", {}, id="exclamation-mark"),
        pytest.param(b"Connection: authorization, x\r\nAuthorization: a\r\nX: y",
                     {"HTTP_CONNECTION": "authorization, x", "HTTP_AUTHORIZATION": "a", "HTTP_X": "y"},
                     id="connection-strips-nothing"),
        pytest.param(b"Upgrade: h2c\r\nConnection: upgrade",
                     {"HTTP_UPGRADE": "h2c", "HTTP_CONNECTION": "upgrade"}, id="upgrade-is-not-taken-up"),
    ],
)  # fmt: skip
def test_field_becomes_its_variable(field: bytes, variables: dict[str, str]) -> None:
    """A header becomes HTTP_NAME, or what mod_wsgi makes of it."""
    found = environ(read(head_of(b"Host: a", field)))
    from_line = {"REQUEST_METHOD", "SCRIPT_NAME", "PATH_INFO", "QUERY_STRING", "REQUEST_URI", "SERVER_PROTOCOL"}
    from_host = {"HTTP_HOST", "SERVER_NAME", "SERVER_PORT"}

    assert {key: value for key, value in found.items() if key not in from_line | from_host} == variables


# -- Host


@pytest.mark.parametrize(
    "head",
    [
        pytest.param(head_of(), id="missing"),
        pytest.param(head_of(b"Host: a", b"Host: a"), id="twice-same"),
        pytest.param(head_of(b"Host: a", b"hOST: b"), id="twice-different"),
        pytest.param(head_of(b"Host:", b"Host: b"), id="twice-first-empty"),
        pytest.param(head_of(b"Host: a/b"), id="slash"),
        pytest.param(head_of(b"Host: u@a"), id="at"),
        pytest.param(head_of(b"Host: a, b"), id="list"),
        pytest.param(head_of(b"Host: a b"), id="space"),
        pytest.param(head_of(b"Host: a:x"), id="port-no-number"),
        pytest.param(head_of(line=b"GET http://a/ HTTP/1.1"), id="missing-although-target-has-one"),
        pytest.param(head_of(b"Host:", line=b"GET http://a/ HTTP/1.1"), id="empty-with-absolute-target"),
        pytest.param(head_of(b"Host: u@a", line=b"GET http://a/ HTTP/1.1"), id="wrong-with-absolute-target"),
        pytest.param(head_of(b"Host: a@b", line=b"GET / HTTP/1.0"), id="wrong-in-1.0"),
    ],
)
def test_wrong_host_is_refused(head: bytes) -> None:
    """A missing, doubled or malformed Host is 400."""
    assert refusal(head) == 400


@pytest.mark.parametrize(
    ("head", "name", "port", "header", "host"),
    [
        pytest.param(head_of(b"Host: A.b"), "a.b", "80", "A.b", b"a.b", id="no-port"),
        pytest.param(head_of(b"Host: a:8000"), "a", "8000", "a:8000", b"a", id="port"),
        pytest.param(head_of(b"Host: a:"), "a", "80", "a:", b"a", id="empty-port"),
        pytest.param(head_of(b"Host: [::1]:81"), "[::1]", "81", "[::1]:81", b"[::1]", id="ipv6"),
        pytest.param(head_of(b"Host: a.b."), "a.b", "80", "a.b.", b"a.b", id="dot-at-its-end"),
        pytest.param(head_of(b"Host:"), None, None, "", b"", id="empty"),
        pytest.param(head_of(line=b"GET / HTTP/1.0"), None, None, None, b"", id="none-in-1.0"),
        pytest.param(
            head_of(b"Host: a:1", line=b"GET http://B:2/ HTTP/1.1"), "b", "2", "B:2", b"b", id="replaced-by-target"
        ),
        pytest.param(
            head_of(line=b"GET http://b/ HTTP/1.0"), "b", "80", "b", b"b", id="given-by-target-in-1.0"
        ),
    ],
)  # fmt: skip
def test_host_gives_server_name_and_port(
    head: bytes, name: str | None, port: str | None, header: str | None, host: bytes
) -> None:
    """SERVER_NAME and SERVER_PORT are the client's where it says them; an absolute target wins over Host."""
    found = read(head)
    variables = environ(found)

    assert (variables.get("SERVER_NAME"), variables.get("SERVER_PORT"), variables.get("HTTP_HOST"), found.host) == (
        name, port, header, host,
    )  # fmt: skip


@pytest.mark.parametrize("name", [b"Content-Type", b"Content-Length", b"Transfer-Encoding"])
def test_field_that_may_be_there_once_is_refused_twice(name: bytes) -> None:
    """Two of a header of which there is one are 400, even if they are equal."""
    value = {b"Content-Type": b"a/b", b"Content-Length": b"5", b"Transfer-Encoding": b"chunked"}[name]

    assert refusal(head_of(b"Host: a", name + b": " + value, name.lower() + b": " + value)) == 400


# -- framing


@pytest.mark.parametrize(
    ("value", "length"), [(b"0", 0), (b"5", 5), (b" 5 ", 5), (b"00005", 5), (b"9" * 18, 10**18 - 1)]
)
def test_content_length_is_read(value: bytes, length: int) -> None:
    """Content-Length is digits, white space around them is not looked at."""
    head = read(head_of(b"Host: a", b"Content-Length:" + value))

    assert (head.content_length, head.chunked, head.has_body) == (length, False, length > 0)


@pytest.mark.parametrize(
    "value",
    [b"", b"+5", b"-1", b"1_0", b"0x5", b"5, 5", b"5,6", b"5 5", b"5;", b"5.0", b"1e1", b"\x0b5", b"5\x0c", b"5\x85",
     b"\xa05", b"\xb2", b'"5"', b"9" * 19, b"9" * 25, b"18446744073709551621"],
)  # fmt: skip
@pytest.mark.parametrize("method", [b"GET", b"POST"])
def test_wrong_content_length_is_refused(value: bytes, method: bytes) -> None:
    """What is not one number of at most 18 digits is 400, whatever the method."""
    assert refusal(head_of(b"Host: a", b"Content-Length: " + value, line=method + b" / HTTP/1.1")) == 400


@pytest.mark.parametrize("values", [(b"5", b"5"), (b"5", b"6"), (b"", b"5"), (b"5", b"")], ids=repr)
def test_two_content_lengths_are_refused(values: tuple[bytes, bytes]) -> None:
    """Two Content-Length headers are 400, same or different."""
    assert refusal(head_of(b"Host: a", *(b"Content-Length: " + value for value in values))) == 400


@pytest.mark.parametrize("value", [b"chunked", b"CHUNKED", b"Chunked"])
def test_chunked_is_read(value: bytes) -> None:
    """`chunked` in any case is the one coding."""
    head = read(head_of(b"Host: a", b"Transfer-Encoding: " + value))

    assert (head.content_length, head.chunked, head.has_body) == (None, True, True)
    assert "CONTENT_LENGTH" not in environ(head)


@pytest.mark.parametrize(
    "value",
    [b"", b",", b",chunked", b"chunked,", b"chunked, chunked", b"chunked,chunked", b"\xa0chunked", b"chunked\xa0",
     b"\x85chunked", b"\x0bchunked", b"\x0cchunked", b"\x1cchunked", b"chunked\x0b", b'"chunked"', b"'chunked'",
     b"identity", b"chunked, identity", b"identity, chunked", b"gzip", b"gzip, chunked", b"chunked, gzip", b"xchunked",
     b"chunkedx", b"chunked;a=b", b"chun ked"],
)  # fmt: skip
@pytest.mark.parametrize("method", [b"GET", b"POST"])
def test_wrong_transfer_encoding_is_refused(value: bytes, method: bytes) -> None:
    """Everything but exactly `chunked` is 400 or 501."""
    line = method + b" / HTTP/1.1"

    assert refusal(head_of(b"Host: a", b"Transfer-Encoding: " + value, line=line)) in {400, 501}


@pytest.mark.parametrize(
    "fields",
    [
        pytest.param((b"Transfer-Encoding: chunked", b"Content-Length: 5"), id="te-cl"),
        pytest.param((b"Content-Length: 5", b"Transfer-Encoding: chunked"), id="cl-te"),
        pytest.param((b"Content-Length: 0", b"Transfer-Encoding: chunked"), id="cl-0-te"),
        pytest.param((b"Content-Length: 5", b"Transfer-Encoding: identity"), id="cl-identity"),
        pytest.param((b"Content-Length: 5", b"Transfer-Encoding: xchunked"), id="cl-unknown"),
        pytest.param((b"Transfer-Encoding: chunked", b"Transfer-Encoding: identity"), id="te-te"),
        pytest.param((b"Transfer-Encoding: chunked", b"Connection: upgrade", b"Upgrade: a", b"Content-Length: 5"),
                     id="te-cl-upgrade"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("method", [b"GET", b"POST", b"HEAD"])
def test_two_framings_are_refused(fields: tuple[bytes, ...], method: bytes) -> None:
    """A message that can be read in two ways is 400 or 501, whatever the method."""
    assert refusal(head_of(b"Host: a", *fields, line=method + b" / HTTP/1.1")) in {400, 501}


def test_transfer_encoding_in_http_1_0_is_refused() -> None:
    """HTTP/1.0 has no chunks: 400."""
    assert refusal(head_of(b"Host: a", b"Transfer-Encoding: chunked", line=b"POST / HTTP/1.0")) == 400


# -- Expect and Connection


@pytest.mark.parametrize(
    ("value", "minor", "expects"),
    [(b"100-continue", 1, True), (b"100-Continue", 1, True), (b"100-continue", 0, False), (b"other", 0, False)],
)
def test_expectation_is_read(value: bytes, minor: int, expects: bool) -> None:
    """100-continue counts in HTTP/1.1 only; HTTP/1.0 has no Expect."""
    head = head_of(b"Host: a", b"Content-Length: 1", b"Expect: " + value, line=b"POST / HTTP/1.%d" % minor)

    assert read(head).expects_continue is expects


@pytest.mark.parametrize("value", [b"", b"other", b"100-continue, other", b"100-continue;a", b"200-ok"])
def test_other_expectation_is_refused(value: bytes) -> None:
    """Every other expectation is 417."""
    assert refusal(head_of(b"Host: a", b"Expect: " + value)) == 417


@pytest.mark.parametrize(
    ("minor", "fields", "keep_alive"),
    [
        pytest.param(1, [], True, id="1.1"),
        pytest.param(1, [b"Connection: close"], False, id="1.1-close"),
        pytest.param(1, [b"Connection: Close"], False, id="1.1-close-any-case"),
        pytest.param(1, [b"Connection: a,\tclose ,b"], False, id="1.1-close-in-list"),
        pytest.param(1, [b"Connection: a", b"Connection: close"], False, id="1.1-close-in-second"),
        pytest.param(1, [b"Connection: closed"], True, id="1.1-other"),
        pytest.param(1, [b"Connection: keep-alive, close"], False, id="1.1-both"),
        pytest.param(1, [b"Connection: upgrade", b"Upgrade: a"], True, id="1.1-upgrade"),
        pytest.param(0, [], False, id="1.0"),
        pytest.param(0, [b"Connection: keep-alive"], True, id="1.0-keep-alive"),
        pytest.param(0, [b"Connection: Keep-Alive"], True, id="1.0-keep-alive-any-case"),
        pytest.param(0, [b"Connection: keep-alive, close"], False, id="1.0-both"),
    ],
)
def test_connection_is_kept_as_the_client_wants(minor: int, fields: list[bytes], keep_alive: bool) -> None:
    """HTTP/1.1 stays unless it says close; HTTP/1.0 goes unless it says keep-alive."""
    assert read(head_of(b"Host: a", *fields, line=b"GET / HTTP/1.%d" % minor)).keep_alive is keep_alive


# -- sizes


def line_of(length: int) -> bytes:
    """A request line of `length` bytes."""
    return b"GET /" + b"a" * (length - 14) + b" HTTP/1.1"


@pytest.mark.parametrize(
    ("head", "status"),
    [
        pytest.param(head_of(b"Host: a", line=line_of(40)), 0, id="line-fits"),
        pytest.param(head_of(b"Host: a", line=line_of(41)), 414, id="line-one-more"),
        pytest.param(head_of(b"Host: a", line=line_of(200)), 414, id="line-more-than-the-head"),
        pytest.param(head_of(b"Host: a", b"A: " + b"b" * 27), 0, id="field-fits"),
        pytest.param(head_of(b"Host: a", b"A: " + b"b" * 28), 431, id="field-one-more"),
        pytest.param(head_of(b"Host: a", b"A: b", b"A: b"), 0, id="fields-fit"),
        pytest.param(head_of(b"Host: a", b"A: b", b"A: b", b"A: b"), 431, id="fields-one-more"),
        pytest.param(
            head_of(b"Host: hhhh", b"A: " + b"b" * 27, b"B: " + b"c" * 27, line=line_of(40)), 0, id="head-fits"
        ),
        pytest.param(
            head_of(b"Host: hhhhh", b"A: " + b"b" * 27, b"B: " + b"c" * 27, line=line_of(40)), 431, id="head-one-more"
        ),
    ],
)  # fmt: skip
def test_sizes_are_bounded_to_the_byte(head: bytes, status: int) -> None:
    """What is at a limit passes, one more is 414 for the line and 431 for the rest, however the bytes arrive."""
    if not status:
        read(head, limits=SMALL)
    else:
        assert refusal(head, SMALL) == status
    assert fed_byte_by_byte(HeadReader(SMALL), head) == (status or len(head))


def fed_byte_by_byte(reader: HeadReader, data: bytes) -> int:
    """Where the head ends, or the status that refuses it, for a reader that gets one byte more each time."""
    for count in range(len(data) + 1):
        try:
            if end := reader.find_end(data[:count]):
                reader.read(data[:end])
                return end
        except HttpError as error:
            return error.status
    return 0


@pytest.mark.parametrize(
    ("endless", "status"),
    [
        pytest.param(b"GET /" + b"a" * 99, 414, id="line"),
        pytest.param(b"G" * 99, 414, id="method"),
        pytest.param(b"GET / HTTP/1.1\r\nA: " + b"b" * 999, 431, id="field"),
        pytest.param(b"GET / HTTP/1.1\r\n" + b"A: b\r\n" * 99, 431, id="fields"),
        pytest.param(b"GET / HTTP/1.1\n", 400, id="lf-after-line"),
        pytest.param(b"\n", 400, id="lf-first"),
        pytest.param(b"GET / HTTP/1.1\r\nHost: a\n", 400, id="lf-after-field"),
        pytest.param(b"GET / HTTP/1.1\r\nHost: a\n\n", 400, id="lf-ends-head"),
        pytest.param(b"GET / HTTP/1.1\r\nHost: a\r\n\n", 400, id="lf-for-empty-line"),
    ],
)
def test_head_without_end_is_refused_as_soon_as_it_can_be_told(endless: bytes, status: int) -> None:
    """A head that is too long already, or cannot become one, is not waited for."""
    reader = HeadReader(SMALL)
    with pytest.raises(HttpError) as caught:
        reader.find_end(endless)

    assert caught.value.status == status
    assert fed_byte_by_byte(HeadReader(SMALL), endless) == status


# -- where the head ends

HEADS = [
    pytest.param(head_of(b"Host: a"), id="short"),
    pytest.param(head_of(b"Host: a", *(b"X-%d: y" % number for number in range(50))), id="many-fields"),
    pytest.param(head_of(b"Host: a", b"X: " + b"y" * 8000, line=line_of(8190)), id="long"),
    pytest.param(head_of(line=b"GET / HTTP/1.0"), id="no-fields"),
]


@pytest.mark.parametrize("head", HEADS)
@pytest.mark.parametrize("tail", [b"", b"x", b"\r\n", b"\n", b"GET / HTTP/1.1\r\nHost: b\r\n\r\n"], ids=repr)
def test_find_end_stops_at_the_empty_line(head: bytes, tail: bytes) -> None:
    """The end is where the empty line ends, whatever follows."""
    assert HeadReader(Limits()).find_end(head + tail) == len(head)


@pytest.mark.parametrize("head", HEADS)
def test_find_end_waits_for_the_last_byte(head: bytes) -> None:
    """For every beginning of a head more bytes are needed."""
    reader = HeadReader(Limits())

    assert {reader.find_end(head[:count]) for count in range(len(head))} == {0}
    assert reader.find_end(head) == len(head)


# -- remembering

GOOD = head_of(b"Host: a", b"X: y")
HOSTILE = [
    pytest.param(head_of(b"Host: a", b"X : y"), id="space-before-colon"),
    pytest.param(head_of(b"Host: a", b"X: y", line=b"GET / HTTP/1.2"), id="version"),
    pytest.param(head_of(b"Host: a", b"X: y", line=b"GET * HTTP/1.1"), id="target"),
    pytest.param(head_of(b"Host: a", b"X: y\n"), id="bare-lf"),
    pytest.param(head_of(b"X: y"), id="no-host"),
    pytest.param(head_of(b"Host: a", b"X: y", b"Content-Length: +1"), id="length"),
]


@pytest.fixture
def warm() -> Iterator[HeadReader]:
    """A reader that remembers a good head."""
    reader = HeadReader(Limits())
    reader.read(GOOD)
    yield reader
    assert reader.read(GOOD) == read(GOOD)


def test_same_head_gives_the_same_answer_twice(warm: HeadReader) -> None:
    """A remembered head reads as it did the first time."""
    assert warm.read(GOOD) == warm.read(GOOD) == read(GOOD)


@pytest.mark.parametrize("head", HOSTILE)
def test_hostile_head_is_refused_after_a_good_one(warm: HeadReader, head: bytes) -> None:
    """What is remembered makes nothing acceptable, neither the first time nor the second."""
    for _ in range(2):
        with pytest.raises(HttpError):
            warm.read(head)


@pytest.mark.parametrize(
    ("line", "fields"),
    [
        pytest.param(b"POST / HTTP/1.0", (b"Transfer-Encoding: chunked", b"Host: a"), id="chunked-in-1.0"),
        pytest.param(b"GET / HTTP/1.1", (b"X: y",), id="no-host-in-1.1"),
        pytest.param(b"GET http://b/ HTTP/1.1", (b"Host:",), id="empty-host-with-absolute-target"),
        pytest.param(b"POST / HTTP/1.1", (b"Host: a", b"Expect: other"), id="expectation-in-1.1"),
    ],
)
def test_remembered_fields_are_judged_again_with_each_line(line: bytes, fields: tuple[bytes, ...]) -> None:
    """Fields that were fine with one request line are refused with one that they do not go with."""
    reader = HeadReader(Limits())
    other = {
        b"POST / HTTP/1.0": b"POST / HTTP/1.1",
        b"GET / HTTP/1.1": b"GET / HTTP/1.0",
        b"GET http://b/ HTTP/1.1": b"GET / HTTP/1.1",
        b"POST / HTTP/1.1": b"POST / HTTP/1.0",
    }[line]
    reader.read(head_of(*fields, line=other))

    with pytest.raises(HttpError):
        reader.read(head_of(*fields, line=line))


def test_readers_with_other_limits_remember_nothing_of_each_other() -> None:
    """A head that one server accepts is refused by the next, which allows less."""
    head = head_of(b"Host: a", b"A: b", b"A: b", b"A: b")
    HeadReader(Limits()).read(head)

    assert refusal(head, SMALL) == 431


def test_memory_of_heads_is_bounded() -> None:
    """Thousands of different heads are read right, before and after the memory is emptied."""
    reader = HeadReader(Limits())
    for number in range(3000):
        head = reader.read(head_of(b"Host: a", b"X: %d" % (number % 1500), line=b"GET /%d HTTP/1.1" % number))
        assert head.path == b"/%d" % number
        assert environ(head)["HTTP_X"] == str(number % 1500)


@given(st.data())
def test_warm_reader_agrees_with_a_new_one(data: st.DataObject) -> None:
    """Whatever bytes are put into a good head, a reader that has seen it says what a new reader says."""
    head = head_of(b"Host: a", b"Content-Length: 5", b"X: y", line=b"POST /a HTTP/1.1")
    position = data.draw(st.integers(0, len(head) - 4))
    change = data.draw(st.binary(max_size=3))
    changed = head[:position] + change + head[position + data.draw(st.integers(0, 2)) :]
    reader = HeadReader(Limits())
    reader.read(head)

    def say(one: HeadReader) -> RequestHead | tuple[int, str] | int:
        try:
            end = one.find_end(changed)
            return one.read(changed[:end]) if end else 0
        except HttpError as error:
            return error.status, error.reason

    assert say(reader) == say(reader) == say(HeadReader(Limits()))


@given(st.lists(st.binary(max_size=40), max_size=6))
def test_any_bytes_are_read_or_refused(lines: list[bytes]) -> None:
    """No bytes make the reader fail in another way than by refusing."""
    head = head_of(*lines)
    reader = HeadReader(Limits())
    status = 200
    try:
        end = reader.find_end(head)
        if end:
            reader.read(head[:end])
    except HttpError as error:
        status = error.status
    assert status in {200, 400, 414, 417, 431, 501, 505}
