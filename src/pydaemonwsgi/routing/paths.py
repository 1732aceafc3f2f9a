"""Paths and URLs as text: decoding, escaping, splitting. Sans-I/O.

Throughout this room a path is a `str` decoded as UTF-8 with surrogateescape, as Python names files: whatever bytes
a client sends survive the way to the file system and back.
"""

import re
from typing import Final
from urllib.parse import unquote_to_bytes

from pydaemonwsgi.errors import HttpError
from pydaemonwsgi.http.targets import decode_path, remove_dot_segments

__all__ = [
    "absolute_prefix",
    "as_bytes",
    "as_text",
    "escape_controls",
    "escape_path",
    "escape_reference",
    "escape_url",
    "merge_slashes",
    "normal_path",
    "read_uri",
    "script_part",
    "unescape",
    "wildcard_pattern",
]

_WRONG_ESCAPE: Final = re.compile("%(?![0-9A-Fa-f]{2})|%00")
_SLASHES: Final = re.compile("//+")
# What httpd leaves alone in a path (T_OS_ESCAPE_PATH of its character table); all else becomes %xx, in lower case.
_PLAIN: Final = frozenset(b"$-_.+!*'(),:;@&=/~" + b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789")
_ESCAPED: Final = [chr(byte) if byte in _PLAIN else f"%{byte:02x}" for byte in range(256)]
_PLAIN_PATH: Final = re.compile(r"[A-Za-z0-9$\-_.+!*'(),:;@&=/~]*")
# Schemes whose URLs httpd takes for complete, with the length to the path's possible beginning.
_SCHEMES: Final = re.compile(
    r"(?:https?|ftp|ajp|balancer|fcgi|scgi|gopher|uwsgi|h2c?|wss?|unix|ldaps?)://|(?:mailto|news|nntp|unix):",
    re.IGNORECASE,
)


def as_text(data: bytes) -> str:
    """Return bytes from a request or a file system as this room's text."""
    return data.decode("utf-8", "surrogateescape")


def as_bytes(text: str) -> bytes:
    """Return the bytes that `as_text` was given."""
    return text.encode("utf-8", "surrogateescape")


def read_uri(raw: bytes, *, merge: bool, encoded_slashes: str) -> tuple[str, int]:
    """Return the decoded path of a target and 404 or 0; see `http.targets.decode_path`.

    Raises:
        HttpError: 400.
    """
    path, refusal = decode_path(raw, merge_slashes=merge, encoded_slashes=encoded_slashes)
    return as_text(path), refusal


def merge_slashes(path: str) -> str:
    """Return `path` with runs of slashes made one."""
    return _SLASHES.sub("/", path) if "//" in path else path


def script_part(uri: str, path_info: str) -> str:
    """Return what of a path is the script's, SCRIPT_NAME; neither has runs of slashes.

    As httpd has it (ap_find_path_info): the path without what it has in common with the end of `path_info`, which
    need not be all of that: an alias may have put something into the file's path.
    """
    if not path_info:
        return "" if uri == "/" else uri
    left, common = len(uri), len(path_info)
    while left and common and uri[left - 1] == path_info[common - 1]:
        left -= 1
        common -= 1
    if not left:
        return ""
    end = uri.find("/", left - 1)
    return uri if end < 0 else uri[:end]


def normal_path(path: str, *, merge: bool) -> str | None:
    """Return a decoded path without dot segments; None if it leads above its root."""
    if "/." not in path and not (merge and "//" in path):
        return path
    try:
        return as_text(remove_dot_segments(as_bytes(path), merge_slashes=merge))
    except HttpError:
        return None


def unescape(path: str) -> str | None:
    """Return a path decoded; None if an escape is wrong or is a NUL."""
    if _WRONG_ESCAPE.search(path):
        return None
    return as_text(unquote_to_bytes(as_bytes(path)))


def escape_path(path: str) -> str:
    """Return a decoded path for a URL."""
    if _PLAIN_PATH.fullmatch(path):
        return path
    return "".join([_ESCAPED[byte] for byte in as_bytes(path)])


def escape_controls(text: str) -> str:
    """Return a part of a URL with only that escaped which may not stand in a header at all."""
    return "".join([chr(byte) if 0x20 < byte < 0x7F else f"%{byte:02x}" for byte in as_bytes(text)])


def escape_url(url: str) -> str:
    """Return an absolute URL with what follows its host escaped, in a query too."""
    begin = absolute_prefix(url)
    if not begin:
        return escape_path(url)
    path = url.find("/", begin)
    if path < 0:
        return url
    rest, mark, query = url[path:].partition("?")
    return url[:path] + escape_path(rest) + mark + (escape_path(query) if mark else "")


def escape_reference(text: str, *, only: str = "", plus: bool = True) -> str:
    """Return a back reference for flag `B`: all but letters, digits and `_` escaped, or only what `only` names.

    Args:
        plus: a space becomes `+`; `%20` with flag `BNP`.
    """
    result = []
    for byte in as_bytes(text):
        character = chr(byte)
        if only:
            result.append(f"%{byte:02x}" if character in only else character if byte < 128 else f"%{byte:02x}")
        elif byte < 128 and (character.isalnum() or character == "_"):
            result.append(character)
        elif character == " ":
            result.append("+" if plus else "%20")
        else:
            result.append(f"%{byte:02x}")
    return "".join(result)


def absolute_prefix(url: str) -> int:
    """Return the length of an absolute URL's `scheme://`, or 0 if it is none."""
    found = _SCHEMES.match(url)
    return found.end() if found is not None else 0


def wildcard_pattern(glob: str) -> str:
    """Return the regular expression of a shell pattern whose wildcards do not match a slash (fnmatch(3))."""
    result = []
    position = 0
    while position < len(glob):
        character = glob[position]
        position += 1
        if character == "*":
            result.append("[^/]*")
        elif character == "?":
            result.append("[^/]")
        elif character == "\\" and position < len(glob):
            result.append(re.escape(glob[position]))
            position += 1
        elif (
            character == "["
            and (end := glob.find("]", position + 2 if glob[position : position + 1] in "!^" else position + 1)) > 0
        ):
            members = glob[position:end]
            inverted = members[:1] in {"!", "^"}
            members = members[1:] if inverted else members
            members = re.sub(r"([\\\[\]&|~^])", r"\\\1", members)
            result.append(f"(?!/)[{'^' if inverted else ''}{members}]")
            position = end + 1
        else:
            result.append(re.escape(character))
    return "".join(result)
