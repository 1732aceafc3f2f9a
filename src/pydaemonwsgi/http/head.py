"""Request heads: from bytes to what the front decides by and what the application sees. Sans-I/O.

llhttp (by httptools) parses; the rules on top are those of RFC 9112 that a server behind or in front of others
must not be lenient about. What it costs is saved by remembering: clients send the same head, or the same header
block with another request line, again and again. What is remembered has passed every check.
"""

import re
from typing import Any, Final, NamedTuple

import httptools

from pydaemonwsgi.errors import HttpError
from pydaemonwsgi.http.targets import read_target, split_host

__all__ = ["HeadReader", "Limits", "RequestHead", "other_protocol"]

_REQUEST_LINE: Final = re.compile(rb"([!#$%&'*+\-.^_`|~0-9A-Za-z]+) ([\x21-\x7e]+) HTTP/([0-9])\.([0-9])")
_METHOD: Final = re.compile(rb"[A-Z][A-Z0-9_-]*")
_VERSION_LIKE: Final = re.compile(rb".* HTTP/[0-9]+\.[0-9]+", re.DOTALL)
_LENGTH: Final = re.compile(rb"[0-9]{1,18}")
# mod_wsgi: a name with any other character never reaches the application (CVE-2015-7519 and its kin).
_PASSED_NAME: Final = re.compile(rb"[A-Za-z0-9-]+")
# RFC 9112 section 7.1.3: whoever decodes a body removes its coding from the head, and says how long it is.
_DROPPED: Final = frozenset((b"proxy", b"proxy-authorization", b"transfer-encoding"))
_ONLY_ONCE: Final = frozenset((b"host", b"content-length", b"content-type", b"transfer-encoding"))

# How what is no HTTP begins: a TLS record with a handshake (RFC 8446 section 5.1), and the two versions of the PROXY
# protocol, of which the second has two empty lines before that.
_TLS: Final = (
    "TLS (https://) was spoken on a port that speaks plain HTTP; use http:// here, or have a proxy such as nginx speak "
    "TLS in front"
)
_PROXY: Final = "the PROXY protocol was spoken, which is not understood; have the proxy send X-Forwarded-For instead"
_OTHER_PROTOCOLS: Final = (
    (b"\x16", _TLS),
    (b"PROXY TCP", _PROXY),
    (b"PROXY UNKNOWN", _PROXY),
    (b"\0\r\nQUIT\n", _PROXY),
)

_REMEMBERED: Final = 1024
_LONGEST_REMEMBERED: Final = 4096


class Limits(NamedTuple):
    """Bounds of a request head, in bytes except `fields`; the defaults are httpd's.

    Attributes:
        line: of the request line; beyond it 414.
        field: of one header line; beyond it 431.
        fields: header lines; beyond it 431.
        head: of the whole head with its empty line; beyond it 431.
    """

    line: int = 8190
    field: int = 8190
    fields: int = 100
    head: int = 65536


class RequestHead(NamedTuple):
    """A checked request head.

    Attributes:
        method: as sent.
        target: as sent.
        minor: 0 or 1, of HTTP/1.x.
        path: decoded and normalised path, for matching mount points.
        refusal: a status to answer with although the message is well formed (404, 405), or 0.
        keep_alive: whether the client wants to go on after this request.
        content_length: of the body; None when there is no such header.
        chunked: whether the body is in chunks.
        expects_continue: whether the client waits for 100 before it sends the body.
        environ: the CGI variables that line and headers give, as `KEY\\0VALUE\\0…`.
        block: the header lines as they were received.
        host: the host without port, lower case; empty when the client named none.
        port: that the client named with the host, or None.
        raw_path: the target's path as sent.
        query: what follows the question mark, as sent; None without one.
        plain: whether it can be passed on as it is: no body, nothing to refuse or to answer here.
        is_conditional: whether it asks for a part, or for the whole on a condition only (`Range`, `If-…`).
    """

    method: bytes
    target: bytes
    minor: int
    path: bytes
    refusal: int
    keep_alive: bool
    content_length: int | None
    chunked: bool
    expects_continue: bool
    environ: bytes
    block: bytes
    host: bytes
    port: int | None
    raw_path: bytes
    query: bytes | None
    plain: bool
    is_conditional: bool

    @property
    def has_body(self) -> bool:
        """Whether bytes of a body follow the head."""
        return self.chunked or bool(self.content_length)


class _Fields(NamedTuple):
    environ: bytes
    host: bytes | None
    content_length: int | None
    chunked: bool
    close: bool
    keep_alive: bool
    expectation: bytes | None
    is_conditional: bool


def other_protocol(refused: bytes) -> str | None:
    """Return what a client speaks instead of HTTP, for one whose head was refused with 400; None if nobody knows."""
    return next((text for begin, text in _OTHER_PROTOCOLS if refused.startswith(begin)), None)


class HeadReader:
    """Reads heads for one server.

    Args:
        limits: see `Limits`.
        mount_point: URL prefix of the application, without trailing slash; `""` for the root.
        routed: whether paths are judged elsewhere, so that none is refused here.

    Attributes:
        known: heads that were read before, by their bytes.
    """

    def __init__(self, limits: Limits, mount_point: str = "", *, routed: bool = False) -> None:
        self.limits = limits
        self._routed = routed
        self._mount_point = mount_point.rstrip("/").encode("utf-8")
        self.known: dict[bytes, RequestHead] = {}
        self._blocks: dict[bytes, _Fields] = {}

    def find_end(self, buffer: bytes) -> int:
        """Return where the head in `buffer` ends, or 0 when more bytes are needed.

        Raises:
            HttpError: 400, 414 or 431, as soon as it can be told, however much is still to come.
        """
        limits = self.limits
        # Each answer depends on the first `head` bytes only, so it is the same however the bytes arrive.
        end = buffer.find(b"\r\n\r\n", 0, limits.head)
        if buffer.find(b"\n", 0, limits.line + 2) < 0 and len(buffer) >= limits.line + 2:
            raise HttpError(414, "the request line is longer than the limit")
        if end >= 0:
            return end + 4
        # By counting, not by a pattern: a client may send 64 KB byte by byte, and this is done for each of them.
        if buffer.count(b"\n", 0, limits.head) != buffer.count(b"\r\n", 0, limits.head):
            raise HttpError(400, "a line of the head ends in a bare LF")
        if len(buffer) >= limits.head:
            raise HttpError(431, "the request head is longer than the limit")
        if buffer and not (65 <= buffer[0] <= 90 or buffer[0] == 13):
            # No method begins so. TLS and the PROXY protocol do; whoever speaks them should not wait for the answer.
            raise HttpError(400, "this is not HTTP")
        return 0

    def read(self, head: bytes) -> RequestHead:
        """Return the checked head; `head` ends with its empty line.

        Raises:
            HttpError: the head is not acceptable; nothing after it on the connection may be run.
        """
        found = self.known.get(head)
        if found is not None:
            return found
        read = self._read(head)
        if len(head) <= _LONGEST_REMEMBERED:
            if len(self.known) >= _REMEMBERED:
                self.known.clear()
            self.known[head] = read
        return read

    def _read(self, head: bytes) -> RequestHead:
        line, _, block = head.partition(b"\r\n")
        if len(line) > self.limits.line:
            raise HttpError(414, "the request line is longer than the limit")
        match = _REQUEST_LINE.fullmatch(line)
        if match is None:
            if _VERSION_LIKE.fullmatch(line) and not line.endswith((b" HTTP/1.1", b" HTTP/1.0")):
                raise HttpError(505, "the HTTP version is neither 1.0 nor 1.1")
            raise HttpError(400, "the request line is malformed")
        method, raw_target, major, minor_digit = match.groups()
        if major != b"1" or minor_digit not in {b"0", b"1"}:
            raise HttpError(505, "the HTTP version is neither 1.0 nor 1.1")
        if not _METHOD.fullmatch(method):
            raise HttpError(400, "the method is malformed")
        if method == b"CONNECT":
            raise HttpError(501, "CONNECT is not for origin servers")
        minor = int(minor_digit)
        fields = self._fields(block)
        target = read_target(method, raw_target)
        if fields.host is None and minor == 1:
            raise HttpError(400, "the Host header is missing")
        if fields.chunked and minor == 0:
            raise HttpError(400, "HTTP/1.0 has no Transfer-Encoding")
        if fields.expectation is not None and fields.expectation != b"100-continue" and minor == 1:
            raise HttpError(417, "the expectation is not 100-continue")
        environ, refusal = self._line_environ(method, raw_target, minor, target.path, target.query)
        host = fields.host or b""
        if target.authority is not None:
            if fields.host == b"":
                raise HttpError(400, "the Host header is empty although the target names a host")
            host = target.authority
            environ += _host_environ(host)
        refusal = 405 if method == b"TRACE" else 0 if self._routed else target.refusal or refusal
        host_name, port = split_host(host)
        raw_path, mark, query = _relative(raw_target).partition(b"?")
        return RequestHead(
            method=method,
            target=raw_target,
            minor=minor,
            path=target.path,
            refusal=refusal,
            keep_alive=not fields.close and (minor == 1 or fields.keep_alive),
            content_length=fields.content_length,
            chunked=fields.chunked,
            expects_continue=minor == 1 and fields.expectation is not None,
            environ=fields.environ + environ,
            block=block,
            host=host_name.lower().removesuffix(b"."),
            port=int(port) if port else None,
            raw_path=raw_path,
            query=query if mark else None,
            plain=not (refusal or fields.chunked or fields.content_length or target.path == b"*"),
            is_conditional=fields.is_conditional,
        )

    def _line_environ(self, method: bytes, target: bytes, minor: int, path: bytes, query: bytes) -> tuple[bytes, int]:
        mount = self._mount_point
        refusal = 0
        if not mount or path == b"*":
            script_name, path_info = b"", path
        elif path.startswith(mount) and path[len(mount) : len(mount) + 1] in {b"", b"/"}:
            script_name, path_info = mount, path[len(mount) :]
        else:
            script_name, path_info, refusal = b"", path, 404
        return (
            b"REQUEST_METHOD\0%b\0SCRIPT_NAME\0%b\0PATH_INFO\0%b\0QUERY_STRING\0%b\0"
            b"REQUEST_URI\0%b\0SERVER_PROTOCOL\0HTTP/1.%d\0" % (method, script_name, path_info, query, target, minor)
        ), refusal

    def _fields(self, block: bytes) -> _Fields:
        found = self._blocks.get(block)
        if found is not None:
            return found
        fields = self._read_fields(block)
        if len(block) <= _LONGEST_REMEMBERED:
            if len(self._blocks) >= _REMEMBERED:
                self._blocks.clear()
            self._blocks[block] = fields
        return fields

    def _read_fields(self, block: bytes) -> _Fields:
        lines = block.split(b"\r\n")[:-2]
        if len(lines) > self.limits.fields:
            raise HttpError(431, "there are more header fields than the limit")
        if lines and max(map(len, lines)) > self.limits.field:
            raise HttpError(431, "a header field is longer than the limit")
        return _interpret(_parse(block))


def _relative(target: bytes) -> bytes:
    """Return a target without scheme and host (RFC 9112 section 3.2.2)."""
    if target.startswith((b"/", b"*")):
        return target
    rest = target.partition(b"://")[2]
    begin = min((at for at in (rest.find(b"/"), rest.find(b"?")) if at >= 0), default=len(rest))
    return rest[begin:] if rest.startswith(b"/", begin) else b"/" + rest[begin:]


def _parse(block: bytes) -> list[tuple[bytes, bytes]]:
    """Return the header fields, as llhttp in its strict mode finds them."""
    collector = _Collector()
    parser = httptools.HttpRequestParser(collector)
    try:
        # POST, because llhttp checks Content-Length against Transfer-Encoding only where a body may follow.
        parser.feed_data(b"POST / HTTP/1.1\r\n" + block)
    except httptools.HttpParserUpgrade:
        pass  # the client offers another protocol; we do not take it up, and its fields are complete
    except httptools.HttpParserError as error:
        raise HttpError(400, f"the header fields are malformed: {_reason(error)}") from error
    if not collector.complete:
        raise HttpError(400, "the header fields are malformed")
    return collector.fields


class _Collector:
    __slots__ = ("complete", "fields")

    def __init__(self) -> None:
        self.fields: list[tuple[bytes, bytes]] = []
        self.complete = False

    def on_header(self, name: bytes, value: bytes) -> None:
        self.fields.append((name, value))

    def on_headers_complete(self) -> None:
        self.complete = True


def _reason(error: Any) -> str:
    text = str(error)
    return text if text.isprintable() else "invalid bytes"


def _interpret(fields: list[tuple[bytes, bytes]]) -> _Fields:
    values: dict[bytes, bytes] = {}
    for name, value in fields:
        lower = name.lower()
        value = value.strip(b" \t")  # noqa: PLW2901 - only these two are white space here (RFC 9110 section 5.6.3)
        if lower in values:
            if lower in _ONLY_ONCE:
                raise HttpError(400, f"the header {lower.decode('ascii')} is there twice")
            values[lower] += b", " + value
        else:
            values[lower] = value
    environ = []
    for lower, value in values.items():
        if lower in _DROPPED or not _PASSED_NAME.fullmatch(lower):
            continue
        if lower in {b"content-type", b"content-length"}:
            key = lower.upper().replace(b"-", b"_")
        else:
            key = b"HTTP_" + lower.upper().replace(b"-", b"_")
        environ.append(b"%b\0%b\0" % (key, value))
    host = values.get(b"host")
    if host is not None:
        environ.append(_host_environ(host, with_header=False))
    length_text = values.get(b"content-length")
    content_length = None
    if length_text is not None:
        if not _LENGTH.fullmatch(length_text):
            raise HttpError(400, "Content-Length is not a length")
        content_length = int(length_text)
    coding = values.get(b"transfer-encoding")
    if coding is not None:
        if content_length is not None:
            raise HttpError(400, "Content-Length and Transfer-Encoding are there both")
        if coding.lower() != b"chunked":
            raise HttpError(501, "the transfer coding is not chunked")
    options = {option.strip(b" \t").lower() for option in values.get(b"connection", b"").split(b",")}
    expectation = values.get(b"expect")
    return _Fields(
        environ=b"".join(environ),
        host=host,
        content_length=content_length,
        chunked=coding is not None,
        close=b"close" in options,
        keep_alive=b"keep-alive" in options,
        expectation=None if expectation is None else expectation.lower(),
        is_conditional=any(name.startswith(b"if-") or name == b"range" for name in values),
    )


def _host_environ(host: bytes, *, with_header: bool = True) -> bytes:
    """Return what a host gives: SERVER_NAME and SERVER_PORT as with UseCanonicalName Off."""
    name, port = split_host(host)
    environ = b"HTTP_HOST\0%b\0" % host if with_header else b""
    if name:
        environ += b"SERVER_NAME\0%b\0" % (name.lower().removesuffix(b".") or name)
        # Without a port the client means the scheme's own; an empty one means the same.
        environ += b"SERVER_PORT\0%b\0" % (port or b"80")
    return environ
