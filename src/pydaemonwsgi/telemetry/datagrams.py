"""The datagrams of telemetry: one JSON object each, in UTF-8, of a bounded size. Sans-I/O.

docs/reference/telemetry.md has every field. mod_wsgi's format is binary and its own; this one is read with the
standard library of whatever language the collector is written in.
"""

import json
from typing import Any, Final

__all__ = ["LONGEST_TEXT", "MOST_BYTES", "MOST_ENTRIES", "VERSION", "encode", "text_of"]

VERSION: Final = 1
"""Grows when a field changes its meaning or goes away, not when one is added."""
MOST_BYTES: Final = 65_536
"""No datagram is longer. The kernel's own bound (net.core.wmem_default) is 208 KiB."""
LONGEST_TEXT: Final = 1000
"""Characters of one text; clients choose some of them."""
MOST_ENTRIES: Final = 128
"""Entries of one list: mod_wsgi's bound for those that have one for each thread."""


def encode(head: dict[str, Any], body: dict[str, Any]) -> bytes:
    """Return a datagram.

    Args:
        head: what every datagram has; small.
        body: what this kind has. Seconds are rounded to microseconds; long texts and lists are cut.
    """
    data = _dumped(head | body)
    if len(data) <= MOST_BYTES:
        return data
    # Nothing that the server says is so long; a client's bytes may be, written as \u0000.
    return _dumped(head | {"truncated": True})


def text_of(value: str) -> str:
    """Return what a client sent, which CGI variables hold as latin-1, as the UTF-8 that most of it is."""
    return value.encode("latin-1", "replace").decode("utf-8", "replace")


def _dumped(record: dict[str, Any]) -> bytes:
    text = json.dumps(_bounded(record), ensure_ascii=False, separators=(",", ":"))
    # Names of files may hold what is no Unicode.
    return text.encode("utf-8", "replace")


def _bounded(value: Any) -> Any:
    if isinstance(value, float):
        return round(value, 6)
    if isinstance(value, str):
        return value[:LONGEST_TEXT]
    if isinstance(value, dict):
        return {name: _bounded(one) for name, one in value.items()}
    if isinstance(value, list):
        return [_bounded(one) for one in value[:MOST_ENTRIES]]
    return value
