"""Range requests: which bytes of a resource are wanted. Sans-I/O.

RFC 9110 section 14. A request whose ranges would cost more than the whole resource gets the whole (section 14.2 and
CVE-2011-3192).
"""

import re
from typing import Final, NamedTuple

__all__ = ["ByteRange", "multipart_heads", "read_ranges"]

_RANGES: Final = re.compile(r"bytes[ \t]*=[ \t]*([0-9, \t-]+)", re.IGNORECASE)
_RANGE: Final = re.compile(r"([0-9]{0,18})[ \t]*-[ \t]*([0-9]{0,18})")
# httpd's MaxRanges; more are no request of a reader's.
_MOST: Final = 200


class ByteRange(NamedTuple):
    """`length` bytes from `start`."""

    start: int
    length: int

    def content_range(self, size: int) -> str:
        """Return the value of a Content-Range header."""
        return f"bytes {self.start}-{self.start + self.length - 1}/{size}"


def read_ranges(header: str, size: int) -> list[ByteRange] | None:
    """Return the ranges that can be given, in the order asked for; `[]` if none can (416), None to ignore the header.

    Args:
        header: the value of the Range header.
        size: of the resource, in bytes.
    """
    match = _RANGES.fullmatch(header.strip(" \t"))
    if match is None:
        return None
    specifications = [part.strip(" \t") for part in match.group(1).split(",")]
    specifications = [part for part in specifications if part]
    if not specifications or len(specifications) > _MOST:
        return None
    found = []
    for specification in specifications:
        bounds = _RANGE.fullmatch(specification)
        if bounds is None or bounds.groups() == ("", ""):
            return None
        first, last = bounds.groups()
        if not first:
            start = max(0, size - int(last))
            end = size if int(last) else start
        else:
            start = int(first)
            if last and int(last) < start:
                return None
            end = min(size, int(last) + 1) if last else size
        if start < end:
            found.append(ByteRange(start, end - start))
    if len(found) > 1 and sum(one.length for one in found) > size:
        return None
    return found


def multipart_heads(
    ranges: list[ByteRange], size: int, boundary: str, media_type: str | None
) -> tuple[list[bytes], bytes, int]:
    """Return what comes before each part of a multipart/byteranges body, what comes after the last, and the length
    of the whole body in bytes (RFC 9110 section 14.6).
    """
    kind = f"Content-Type: {media_type}\r\n" if media_type is not None else ""
    heads = [
        f"\r\n--{boundary}\r\n{kind}Content-Range: {one.content_range(size)}\r\n\r\n".encode("latin-1", "replace")
        for one in ranges
    ]
    end = f"\r\n--{boundary}--\r\n".encode("ascii")
    return heads, end, sum(map(len, heads)) + len(end) + sum(one.length for one in ranges)
