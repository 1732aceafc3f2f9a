"""Request targets: from the bytes of the request line to SCRIPT_NAME, PATH_INFO and QUERY_STRING. Sans-I/O.

RFC 9112 section 3.2 for the forms, mod_wsgi's and httpd's rules for the path: decoded once, dot segments removed,
runs of slashes made one, an encoded slash not found.
"""

import re
from typing import Final, NamedTuple

from pydaemonwsgi.errors import HttpError

__all__ = ["Target", "decode_path", "read_target", "remove_dot_segments", "split_host"]

_ESCAPE: Final = re.compile(rb"%([0-9A-Fa-f]{2})?")
_ABSOLUTE: Final = re.compile(rb"(?i:https?)://([^/?#]*)(/[^?#]*)?(\?[^#]*)?")
# RFC 3986 section 3.2.2 without userinfo: a registered name, an IPv4 or a bracketed IPv6 address; perhaps a port.
_HOST: Final = re.compile(
    rb"((?:[A-Za-z0-9\-._~!$&'()*+,;=]|%[0-9A-Fa-f]{2})*|\[[0-9A-Fa-f]*:[0-9A-Fa-f:.]+\])(?::([0-9]{0,5}))?"
)


class Target(NamedTuple):
    """A request target.

    Attributes:
        path: decoded and normalised; begins with a slash, or is `*`.
        query: after the question mark, as it was sent.
        authority: of an absolute target; it replaces the Host header (RFC 9112 section 3.2.2). None otherwise.
        refusal: 404 where the path can name nothing here, else 0.
    """

    path: bytes
    query: bytes
    authority: bytes | None
    refusal: int


def split_host(host: bytes) -> tuple[bytes, bytes]:
    """Return name and port (perhaps `b""`) of a Host header's value.

    Raises:
        HttpError: 400, it is no host.
    """
    match = _HOST.fullmatch(host)
    if match is None:
        raise HttpError(400, "the Host header is no host name")
    port = match.group(2) or b""
    if port and int(port) > 65535:
        raise HttpError(400, "the Host header's port is no port")
    return match.group(1), port


def read_target(method: bytes, target: bytes) -> Target:
    """Return the parts of `target`; its characters are already known to be visible ASCII.

    Raises:
        HttpError: 400, it is not a target that this method may have.
    """
    authority = None
    if target.startswith(b"/"):
        raw, _, query = target.partition(b"?")
    elif target == b"*":
        if method != b"OPTIONS":
            raise HttpError(400, "the target * is for OPTIONS only")
        return Target(b"*", b"", None, 0)
    else:
        match = _ABSOLUTE.fullmatch(target)
        if match is None:
            raise HttpError(400, "the request target is neither a path nor an http URL")
        authority = match.group(1)
        if not authority or not split_host(authority)[0]:
            raise HttpError(400, "the request target names no host")
        raw = match.group(2) or b"/"
        query = (match.group(3) or b"?")[1:]
    if b"#" in target:
        raise HttpError(400, "the request target has a fragment")
    path, refusal = decode_path(raw)
    return Target(path, query, authority, refusal)


def decode_path(raw: bytes, *, merge_slashes: bool = True, encoded_slashes: str = "off") -> tuple[bytes, int]:
    """Return a target's path decoded once, without dot segments, and the status 404 or 0.

    Dot segments are removed after decoding, so an encoded one is one; with `encoded_slashes="on"`, a slash that was
    encoded separates segments as any other does. So the result never leads above its root, whatever it is joined to.

    Args:
        raw: begins with a slash.
        merge_slashes: `MergeSlashes`: runs of slashes are made one.
        encoded_slashes: `AllowEncodedSlashes`: `off` (404), `on` (decoded), `nodecode` (stays `%2F`).

    Raises:
        HttpError: 400, it is no path.
    """
    refusal = 0
    if b"%" in raw:
        decode = _decode
        if b"%2f" in raw.lower():
            if encoded_slashes == "off":
                refusal = 404
            elif encoded_slashes == "nodecode":
                decode = _decode_but_slashes
        raw = _ESCAPE.sub(decode, raw)
        if b"\0" in raw:
            raise HttpError(400, "the path has a NUL in it")
    return remove_dot_segments(raw, merge_slashes=merge_slashes), refusal


def remove_dot_segments(path: bytes, *, merge_slashes: bool = True) -> bytes:
    """Return a decoded path without the segments `.` and `..`, RFC 3986 section 5.2.4, and with slashes merged.

    Raises:
        HttpError: 400, it climbs above the root.
    """
    if b"/." not in path and (b"//" not in path or not merge_slashes):
        return path
    kept: list[bytes] = []
    segments = path.split(b"/")[1:]
    for index, segment in enumerate(segments):
        last = index == len(segments) - 1
        if segment == b"..":
            if not kept:
                raise HttpError(400, "the path climbs above the root")
            kept.pop()
        elif segment != b"." and (segment or not merge_slashes):
            kept.append(segment)
            continue
        if last:
            kept.append(b"")
    return b"/" + b"/".join(kept)


def _decode(match: "re.Match[bytes]") -> bytes:
    digits = match.group(1)
    if digits is None:
        raise HttpError(400, "a percent sign in the path is not followed by two hexadecimal digits")
    return bytes((int(digits, 16),))


def _decode_but_slashes(match: "re.Match[bytes]") -> bytes:
    decoded = _decode(match)
    return match.group() if decoded == b"/" else decoded
