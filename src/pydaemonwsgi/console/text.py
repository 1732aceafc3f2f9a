"""Tables, durations and sizes for a terminal. Sans-I/O."""

import re
from collections.abc import Sequence
from typing import Final

__all__ = ["clean", "duration", "size", "table"]

_UNSAFE: Final = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029]")


def table(head: Sequence[str], rows: Sequence[Sequence[str]], *, right: str = "") -> str:
    """Return rows of text in columns, each as wide as its widest cell.

    Args:
        head: the columns' names.
        rows: the cells.
        right: the names of the columns that are set to the right, with blanks between them.
    """
    lines = [list(head), *(list(row) for row in rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(head))]
    to_the_right = [name in right.split() for name in head]
    return "\n".join(
        "  ".join(
            cell.rjust(width) if numeric else cell.ljust(width)
            for cell, width, numeric in zip(line, widths, to_the_right, strict=True)
        ).rstrip()
        for line in lines
    )


def duration(seconds: float | None) -> str:
    """Return a time in its two largest units: `0.3 s`, `12 s`, `3 min 5 s`, `2 h 10 min`, `4 d 3 h`."""
    if seconds is None:
        return "-"
    if seconds < 10:
        return f"{seconds:.1f} s"
    whole = int(seconds)
    for first, second, size_of_first, size_of_second in (
        ("d", "h", 86400, 3600),
        ("h", "min", 3600, 60),
        ("min", "s", 60, 1),
    ):
        if whole >= size_of_first:
            rest = whole % size_of_first // size_of_second
            return f"{whole // size_of_first} {first}" + (f" {rest} {second}" if rest else "")
    return f"{whole} s"


def size(count: int | None) -> str:
    """Return bytes in a unit of 1024: `812 B`, `38.2 MiB`."""
    if count is None:
        return "-"
    if count < 1024:
        return f"{count} B"
    power = min(4, (count.bit_length() - 1) // 10)
    return f"{count / 1024**power:.1f} {'KMGT'[power - 1]}iB"


def clean(text: str) -> str:
    """Return text without what could drive a terminal or begin a new line; clients choose URLs."""
    return _UNSAFE.sub(lambda match: f"\\x{ord(match.group()):02x}", text)
