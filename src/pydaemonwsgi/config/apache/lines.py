"""The logical lines of a configuration file: continued, trimmed, without comments. Sans-I/O."""

import codecs
from collections.abc import Iterator
from dataclasses import dataclass

from pydaemonwsgi.config.apache.words import BLANKS
from pydaemonwsgi.config.model.position import Position
from pydaemonwsgi.config.problems import Problems

__all__ = ["LONGEST_LINE", "LogicalLine", "logical_lines"]

LONGEST_LINE = 1 << 20
"""Longer ones are refused (httpd: 16 MiB); nobody writes them, and everything behind is spared them."""


@dataclass(frozen=True, slots=True)
class LogicalLine:
    """One line that says something, trimmed; `position` is that of its first physical line."""

    text: str
    position: Position


def logical_lines(content: bytes, name: str, problems: Problems) -> Iterator[LogicalLine]:
    """Split a file as httpd does.

    A backslash at the very end of a line continues it, comments included; a line whose first character is `#` is a
    comment; a `#` further on is not. Bytes that are not UTF-8 are kept (as `os.fsdecode` would), NUL is an error.
    """
    pending: list[str] = []
    first = 0
    content = content.removeprefix(codecs.BOM_UTF8)
    if not content:
        return
    physical = content.removesuffix(b"\n").split(b"\n")
    for number, raw in enumerate(physical, 1):
        text = raw.decode("utf-8", "surrogateescape").removesuffix("\r")
        if not pending:
            first = number
        # The last line has no end that the backslash could take away.
        if text.endswith("\\") and (number < len(physical) or content.endswith(b"\n")):
            pending.append(text[:-1])
            if number < len(physical):
                continue
        else:
            pending.append(text)
        whole = "".join(pending).strip(BLANKS) if len(pending) > 1 else pending[0].strip(BLANKS)
        position = Position(name, first)
        was_continued = len(pending) > 1
        pending.clear()
        if not whole:
            continue
        if whole[0] == "#":
            if was_continued:
                problems.warning(
                    position,
                    "",
                    "this comment ends in a backslash, so it swallows the next line; take the backslash away",
                )
            continue
        if "\0" in whole:
            problems.error(position, "", "the line holds a NUL character; the file is damaged or not a text")
        elif len(whole) > LONGEST_LINE:
            problems.error(position, "", f"the line is longer than {LONGEST_LINE} characters; split it")
        else:
            yield LogicalLine(whole, position)
