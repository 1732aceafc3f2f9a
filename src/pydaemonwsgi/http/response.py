"""Response heads: what a daemon process says, checked as hostile input, and what goes on the wire. Sans-I/O."""

import re
from collections.abc import Callable, Iterable
from email.utils import formatdate
from http import HTTPStatus
from typing import Final, NamedTuple

from pydaemonwsgi.errors import ResponseError

__all__ = [
    "CONTINUE",
    "LONGEST_LINE",
    "ResponseHead",
    "compose_head",
    "edit_head",
    "error_response",
    "options_response",
    "read_response_head",
    "server_lines",
]

CONTINUE: Final = b"HTTP/1.1 100 Continue\r\n\r\n"

_STATUS: Final = re.compile(rb"([1-9][0-9]{2})(?: [\t\x20-\x7e\x80-\xff]*)?")
_NAME: Final = re.compile(rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
# RFC 9110 section 5.5; the daemon process has the same rule, so an application hears of it as an exception.
_BAD_VALUE: Final = re.compile(rb"[\x00\r\n]")
_LENGTH: Final = re.compile(rb"[0-9]{1,18}")
_FORBIDDEN: Final = frozenset(
    (b"connection", b"keep-alive", b"proxy-connection", b"transfer-encoding", b"upgrade", b"te", b"trailer")
)
# As under httpd, these are the server's to say.
_OWNED: Final = frozenset((b"date", b"server"))

# Repeated fields become one, as under httpd: a list (RFC 9110 section 5.3), but for those that are no lists.
_NEVER_JOINED: Final = frozenset((b"set-cookie", b"www-authenticate"))
_LAST_WINS: Final = frozenset((b"location", b"content-range", b"content-type"))

LONGEST_LINE: Final = 32768
"""Bytes that a header line may have where nothing else is said; mod_wsgi's default."""

# Header fields of an answer. Reading one takes microseconds, in a process that serves everybody.
_MOST_FIELDS: Final = 4096

# What says how long the body is; only the server itself may say it.
_FRAMING: Final = frozenset(("connection", "content-length", "keep-alive", "transfer-encoding", "upgrade"))

_REMEMBERED: Final = 1024
_LONGEST_REMEMBERED: Final = 4096
_heads: dict[bytes, "ResponseHead"] = {}


class ResponseHead(NamedTuple):
    """A checked response head.

    Attributes:
        status: the status code.
        lines: status line and header lines for the wire, without Date, Server, framing and final empty line.
        content_length: as the application gave it, or None.
        bodiless: whether this status has no body (1xx, 204, 304).
        sent_on: the path of `Location: /path` with status 200, by which an application has the server answer with
            another resource (mod_wsgi, as CGI before it); or None.
        failed: no application has given it; the front shows what the configuration has for the error.
    """

    status: int
    lines: bytes
    content_length: int | None
    bodiless: bool
    sent_on: bytes | None = None
    failed: bool = False

    def values(self, name: bytes) -> list[bytes]:
        """Return the values of a field, by its name in lower case."""
        fields = (line.partition(b": ") for line in self.lines.split(b"\r\n")[1:])
        return [value for field, _, value in fields if field.lower() == name]


def read_response_head(encoded: bytes, longest_line: int = LONGEST_LINE) -> ResponseHead:
    """Return the checked head of `STATUS REASON\\0NAME\\0VALUE\\0…`.

    Args:
        encoded: as it came.
        longest_line: bytes that name, colon, space and value of one header may have; never less than is remembered.

    Raises:
        ResponseError: it is not HTTP; none of it may reach the wire.
    """
    found = _heads.get(encoded)
    if found is not None:
        return found
    head = _read(encoded, longest_line)
    # What is remembered has no line that is too long for anybody.
    if len(encoded) <= _LONGEST_REMEMBERED:
        if len(_heads) >= _REMEMBERED:
            _heads.clear()
        _heads[encoded] = head
    return head


def _read(encoded: bytes, longest_line: int) -> ResponseHead:
    status_text, *items = encoded.split(b"\0")
    match = _STATUS.fullmatch(status_text)
    if match is None:
        raise ResponseError("the status is malformed")
    status = int(match.group(1))
    if status < 200:
        raise ResponseError(f"status {status} is not a final one")
    if len(items) % 2:
        raise ResponseError("a header has no value")
    if len(items) > 2 * _MOST_FIELDS:
        raise ResponseError(f"{len(items) // 2} headers are more than the {_MOST_FIELDS} that are passed on")
    if len(status_text) == 3:
        status_text += b" "
    lines = [b"HTTP/1.1 ", status_text, b"\r\n"]
    values: dict[bytes, int] = {}  # where in `lines` the value of a name is
    joined: dict[int, list[bytes]] = {}  # what will be there, where it is a list
    content_length = None
    for name, value in zip(items[::2], items[1::2], strict=True):
        if not _NAME.fullmatch(name):
            raise ResponseError("a header name is malformed")
        if _BAD_VALUE.search(value):
            raise ResponseError(f"the value of header {name.decode('ascii')} has a line break or NUL in it")
        if len(name) + 2 + len(value) > longest_line:
            raise ResponseError(
                f"header {name.decode('ascii')[:100]} has {len(name) + 2 + len(value)} bytes, "
                f"more than --header-buffer-size ({longest_line}) allows"
            )
        lower = name.lower()
        if lower in _FORBIDDEN:
            raise ResponseError(f"header {name.decode('ascii')} belongs to the server")
        if lower in _OWNED:
            continue
        if lower == b"content-length":
            if not _LENGTH.fullmatch(value) or content_length not in {None, int(value)}:
                raise ResponseError("Content-Length is malformed")
            if content_length is not None:
                continue
            content_length = int(value)
        known = values.get(lower)
        if known is None or lower in _NEVER_JOINED:
            values[lower] = len(lines) + 2
            lines += (name, b": ", value, b"\r\n")
        elif lower in _LAST_WINS:
            lines[known] = value
        else:
            joined.setdefault(known, [lines[known]]).append(value)
    for known, parts in joined.items():
        lines[known] = b", ".join(parts)
    bodiless = status in {204, 304}
    if bodiless and (b"content-type" in values or content_length is not None):
        # RFC 9110 section 8.6: no length with 204. As under httpd there is no type where there is no content.
        if status == 204:
            content_length = None
        unwanted = (b"content-type:", b"content-length:") if status == 204 else b"content-type:"
        kept = [line for line in b"".join(lines).split(b"\r\n") if not line.lower().startswith(unwanted)]
        return ResponseHead(status, b"\r\n".join(kept), content_length, bodiless)
    location = lines[values[b"location"]] if status == 200 and b"location" in values else b""
    sent_on = location if location.startswith(b"/") else None
    return ResponseHead(status, b"".join(lines), content_length, bodiless, sent_on)


def server_lines(now: float, server: str) -> bytes:
    """Return the Date and Server lines for `now`, seconds since the epoch; good for one second."""
    return b"Date: %b\r\nServer: %b\r\n" % (formatdate(now, usegmt=True).encode("ascii"), server.encode("ascii"))


_PAGE: Final = (
    "<!DOCTYPE html>\n<html><head><title>{status} {reason}</title></head>\n"
    "<body><h1>{reason}</h1>\n<p>{text}</p>\n{signature}</body></html>\n"
)
_METHOD_NOT_ALLOWED: Final = 405
_USUAL_METHODS: Final = "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS"

_TEXTS: Final = {
    400: "The server could not understand the request.",
    403: "Access to this resource is not allowed.",
    404: "There is nothing at this address.",
    405: "This method is not allowed here.",
    408: "The request did not arrive in time.",
    413: "The request's body is larger than this server accepts.",
    414: "The request's address is longer than this server accepts.",
    417: "The server cannot meet the request's expectation.",
    431: "The request's header fields are larger than this server accepts.",
    500: "The application failed to answer this request.",
    501: "The server does not support what the request needs.",
    502: "The process that was answering this request has died.",
    503: "The server is busy; try again in a moment.",
    504: "No process took this request in time.",
    505: "The server speaks HTTP/1.0 and HTTP/1.1 only.",
}


def error_response(
    status: int, headers: Iterable[tuple[str, str]] = (), *, page: str | None = None, signature: str = ""
) -> tuple[ResponseHead, bytes]:
    """Return head and body of an error that the server itself answers.

    Args:
        status: the status code.
        headers: besides those that the page needs; 405 has an `Allow` of every usual method if none is among them.
        page: the body's HTML; the server's own if None.
        signature: HTML for the end of the server's own page.
    """
    reason = _reason(status)
    if page is None:
        page = _PAGE.format(status=status, reason=reason, text=_TEXTS.get(status, reason), signature=signature)
    body = page.encode("utf-8", "surrogateescape")
    fields = [("Content-Type", "text/html; charset=utf-8"), *headers]
    if status == _METHOD_NOT_ALLOWED and not any(name.lower() == "allow" for name, _ in fields):
        fields.append(("Allow", _USUAL_METHODS))
    return compose_head(status, fields, len(body)), body


def options_response() -> ResponseHead:
    """Return the head of the answer to `OPTIONS *`."""
    return compose_head(200, [("Allow", _USUAL_METHODS)], 0)


_UNSAFE: Final = re.compile(r"[\r\n\0]+")


def compose_head(status: int, headers: Iterable[tuple[str, str]], length: int | None) -> ResponseHead:
    """Return the head of a response that the server itself gives.

    Args:
        status: the status code.
        headers: name and value; line breaks and NUL in values, which configuration can copy from a client's
            request, become spaces. Content-Length is not among them.
        length: of the body, for Content-Length; None where it is not known.
    """
    lines = [f"HTTP/1.1 {status} {_reason(status)}\r\n"]
    lines += [f"{name}: {_UNSAFE.sub(' ', value)}\r\n" for name, value in headers]
    if length is not None:
        lines.append(f"Content-Length: {length}\r\n")
    encoded = "".join(lines).encode("utf-8", "surrogateescape")
    return ResponseHead(status, encoded, length, status in {204, 304})


def edit_head(head: ResponseHead, edit: Callable[[list[tuple[str, str]]], list[tuple[str, str]]]) -> ResponseHead:
    """Return a head whose fields have been passed through `edit`, all but those that frame the body."""
    first, *lines = head.lines.decode("utf-8", "surrogateescape").split("\r\n")
    fields = [(name, value.strip(" \t")) for name, _, value in (line.partition(":") for line in lines if line)]
    framing = [field for field in fields if field[0].lower() in _FRAMING]
    edited = edit([field for field in fields if field[0].lower() not in _FRAMING])
    kept = [field for field in edited if field[0].lower() not in _FRAMING and _NAME.fullmatch(field[0].encode())]
    text = "".join([f"{name}: {_UNSAFE.sub(' ', value)}\r\n" for name, value in (*kept, *framing)])
    return head._replace(lines=f"{first}\r\n{text}".encode("utf-8", "surrogateescape"))


def _reason(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "Unknown"
