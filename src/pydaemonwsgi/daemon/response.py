"""What an application says to `start_response`, checked and encoded. Sans-I/O.

PEP 3333, section The start_response() Callable; the checks are mod_wsgi's with those added that a server needs to
be sure that what it writes is one HTTP response: no NUL, no hop-by-hop headers, names that are tokens.
"""

import re
from typing import Final, NamedTuple

__all__ = ["Head", "encode_head", "error_page"]

_STATUS: Final = re.compile(r"[1-9][0-9]{2}(?: [^\x00-\x1f\x7f]*)?")
# RFC 9110 section 5.6.2: token
_NAME: Final = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
# RFC 9110 section 5.5: these end or cut a field. Other control characters are passed on, as mod_wsgi does.
_BAD_VALUE: Final = re.compile(r"[\x00\r\n]")
# A head travels in one frame, with a body of up to 256 KiB (channel.frames.MAXIMUM_PAYLOAD); nobody needs a longer one.
_LONGEST_HEAD: Final = 3 * 1024 * 1024
# As many as the front passes on (http.response); who has more should hear of it by an exception.
_MOST_HEADERS: Final = 4096
_FINAL: Final = 200
# RFC 9110 section 7.6.1 and PEP 3333: the server owns these.
_HOP_BY_HOP: Final = frozenset(
    "connection keep-alive proxy-authenticate proxy-authorization proxy-connection te trailer trailers "
    "transfer-encoding upgrade".split()
)


class Head(NamedTuple):
    """A checked response head.

    Attributes:
        encoded: `STATUS REASON\\0NAME\\0VALUE\\0…` in latin-1, as HEAD and RESPONSE frames carry it.
        status: the status code.
        content_length: of the Content-Length header; None without one, -1 if it is no length.
        forbids_body: whether this status never has a body (RFC 9110 section 6.4.1).
    """

    encoded: bytes
    status: int
    content_length: int | None
    forbids_body: bool

    def with_content_length(self, length: int) -> bytes:
        """Return the encoded head with a Content-Length header added."""
        return b"%s\0Content-Length\0%d" % (self.encoded, length)


def encode_head(status: str, headers: list[tuple[str, str]]) -> Head:
    """Check what the application gave and return it encoded.

    Raises:
        TypeError: a value is not of the type that PEP 3333 asks for.
        ValueError: a value cannot be a part of an HTTP response head.
        UnicodeEncodeError: the status is not latin-1.
    """
    if type(status) is not str:
        raise TypeError(f"status must be of type str, not {type(status).__name__}")
    status_bytes = status.encode("latin-1")
    if not _STATUS.fullmatch(status):
        raise ValueError(f"status must be three digits, a space and a reason, not {status!r}")
    if not isinstance(headers, list):
        raise TypeError(f"headers must be of type list, not {type(headers).__name__}")
    if len(headers) > _MOST_HEADERS:
        raise ValueError(f"{len(headers)} headers are more than the {_MOST_HEADERS} that are passed on")
    parts = [status_bytes]
    content_length = None
    for header in headers:
        if not isinstance(header, tuple):
            raise TypeError(f"each header must be of type tuple, not {type(header).__name__}")
        if len(header) != 2:
            raise ValueError(f"each header must be a pair of name and value, not {header!r}")
        name, value = header
        if not isinstance(name, str):
            raise TypeError(f"header names must be of type str, not {type(name).__name__}")
        if not isinstance(value, str):
            raise TypeError(f"the value of header {name!r} must be of type str, not {type(value).__name__}")
        if not _NAME.fullmatch(name):
            raise ValueError(f"{name!r} is not a header name")
        if _BAD_VALUE.search(value):
            raise ValueError(f"the value of header {name!r} has a line break or NUL in it: {value!r}")
        lower = name.lower()
        if lower == "content-length":
            value = text = value.strip(" \t")
            length = int(text) if text.isascii() and text.isdigit() and len(text) < 19 else -1
            content_length = length if content_length in {None, length} else -1
        elif lower == "status":
            # As in a CGI script's answer (RFC 3875 section 6.3.3): it counts instead of what start_response was given.
            if not _STATUS.fullmatch(value):
                raise ValueError(f"the Status header must be three digits, a space and a reason, not {value!r}")
            status = value
            parts[0] = value.encode("latin-1")
            continue
        elif lower in _HOP_BY_HOP:
            raise ValueError(f"header {name!r} belongs to the server (hop-by-hop, PEP 3333)")
        parts.append(name.encode("latin-1"))
        try:
            parts.append(value.encode("latin-1"))
        except UnicodeEncodeError:
            raise ValueError(f"the value of header {name!r} is not latin-1 (PEP 3333): {value!r}") from None
    encoded = b"\0".join(parts)
    if len(encoded) > _LONGEST_HEAD:
        raise ValueError(
            f"{len(headers)} headers have {len(encoded)} bytes together, more than the {_LONGEST_HEAD} of a head"
        )
    code = int(status[:3])
    if code < _FINAL:
        # RFC 9110 section 15.2: more follows such a head, and here nothing could.
        raise ValueError(f"status {status!r} is an interim one (1xx), which an application cannot give")
    return Head(encoded, code, content_length, code in {204, 304})


def error_page(title: str, text: str) -> bytes:
    """Return a small HTML page; `text` is shown as it is, preformatted."""
    escaped = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return (
        f"<!DOCTYPE html>\n<html><head><title>{title}</title></head>\n"
        f"<body><h1>{title}</h1>\n<pre>{escaped}</pre>\n</body></html>\n"
    ).encode("utf-8", "replace")
