"""Conditional requests: whether what a client has is still good. Sans-I/O.

RFC 9110 section 13. Header values are those of the request, by name in lower case.
"""

import re
from collections.abc import Mapping
from datetime import UTC
from email.utils import formatdate, parsedate_to_datetime
from typing import Final, NamedTuple

__all__ = ["Validators", "evaluate", "file_validators", "range_applies", "read_date"]

_TAG: Final = re.compile(r'[ \t]*(?:,[ \t]*)*((?:W/)?"[\x21\x23-\x7e\x80-\uffff]*")')


class Validators(NamedTuple):
    """What identifies a version of a resource.

    Attributes:
        etag: with its quotes, and `W/` if it is weak; None if there is none.
        modified: seconds since the epoch, whole.
    """

    etag: str | None
    modified: int

    @property
    def last_modified(self) -> str:
        """The value of a Last-Modified header."""
        return formatdate(self.modified, usegmt=True)


def file_validators(
    *, size: int, modified: int, inode: int, now: float, parts: frozenset[str] = frozenset({"mtime", "size"})
) -> Validators:
    """Return the validators of a file.

    Args:
        size: bytes.
        modified: nanoseconds since the epoch.
        inode: its number.
        now: seconds since the epoch. A file that was changed within the last second may change again without its
            date changing, so its ETag is weak (RFC 9110 section 8.8.1); a date in the future is now's.
        parts: of FileETag: `inode`, `mtime`, `size`; none of them is no ETag.
    """
    seconds = min(modified // 1_000_000_000, int(now))
    numbers = {"inode": inode, "size": size, "mtime": modified // 1000}
    tag = "-".join(f"{numbers[part]:x}" for part in ("inode", "size", "mtime") if part in parts)
    if not tag:
        return Validators(None, seconds)
    weak = "W/" if now - modified / 1_000_000_000 < 1.0 else ""
    return Validators(f'{weak}"{tag}"', seconds)


def evaluate(method: str, headers: Mapping[str, str], validators: Validators) -> int:
    """Return 200 to go on, 304 or 412 (RFC 9110 section 13.2.2)."""
    reads = method in {"GET", "HEAD"}
    if_match = headers.get("if-match")
    if if_match is not None:
        if not _matches(if_match, validators.etag, weak=False):
            return 412
    elif (since := read_date(headers.get("if-unmodified-since"))) is not None and validators.modified > since:
        return 412
    if_none_match = headers.get("if-none-match")
    if if_none_match is not None:
        if _matches(if_none_match, validators.etag, weak=True):
            return 304 if reads else 412
    elif reads and (since := read_date(headers.get("if-modified-since"))) is not None and validators.modified <= since:
        return 304
    return 200


def range_applies(headers: Mapping[str, str], validators: Validators) -> bool:
    """Whether a Range header counts, by If-Range (RFC 9110 section 13.1.5)."""
    condition = headers.get("if-range")
    if condition is None:
        return True
    if condition.startswith(('"', "W/")):
        return condition == validators.etag and not condition.startswith("W/")
    return read_date(condition) == validators.modified


def _matches(condition: str, etag: str | None, *, weak: bool) -> bool:
    if condition.strip(" \t") == "*":
        return True
    if etag is None or (etag.startswith("W/") and not weak):
        return False
    position = 0
    while (found := _TAG.match(condition, position)) is not None:
        tag = found.group(1)
        position = found.end()
        if (tag.removeprefix("W/") == etag.removeprefix("W/")) if weak else tag == etag:
            return True
    return False


def read_date(text: str | None) -> int | None:
    """Return an HTTP date in seconds since the epoch, or None if it is none, as of what is to be ignored."""
    if text is None:
        return None
    try:
        found = parsedate_to_datetime(text)
    except (TypeError, ValueError):
        return None
    return int((found if found.tzinfo is not None else found.replace(tzinfo=UTC)).timestamp())
