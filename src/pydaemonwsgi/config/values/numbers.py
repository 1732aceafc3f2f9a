"""Numbers, times, sizes, masks. Sans-I/O."""

import re

from pydaemonwsgi.config.values.kinds import BadValueError, ValueKind, bounds, within

__all__ = ["duration", "octal_mask", "size", "whole_number"]


# A wait must fit epoll's milliseconds (24 days); a week is far beyond any timeout that does its work.
LONGEST_DURATION = 7 * 24 * 3600.0


def whole_number(minimum: int, maximum: int | None = None, *, metavar: str = "N") -> ValueKind[int]:
    """A whole number within bounds, both included."""

    def parse(text: str) -> int:
        if not re.fullmatch(r"-?[0-9]+", text):
            raise BadValueError("is not a whole number")
        if len(text) > 19:  # int() itself refuses texts of some thousand digits
            raise BadValueError("has too many digits")
        return within(int(text), minimum, maximum)

    return ValueKind(metavar, bounds(minimum, maximum, str), parse, str)


def duration(*, shortest: float = 0.0, whole: bool = False) -> ValueKind[float]:
    """Seconds, also written with a unit: 250ms, 30s, 5m, 1h.

    Args:
        shortest: in seconds.
        whole: whether there is nothing finer than a second.
    """
    units = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, None: 1.0}

    def parse(text: str) -> float:
        match = re.fullmatch(r"([0-9]+(?:\.[0-9]+)?|\.[0-9]+)(ms|s|m|h)?", text)
        if match is None:
            raise BadValueError("is not a duration")
        # Division keeps 250ms exactly 0.25 where multiplication by 0.001 may not.
        number = float(match[1])
        seconds = number / 1000 if match[2] == "ms" else number * units[match[2]]
        if whole and not seconds.is_integer():
            raise BadValueError("is not a whole number of seconds")
        return within(seconds, shortest, LONGEST_DURATION)

    longest = _render_duration(LONGEST_DURATION)
    limits = f"{_render_duration(shortest)} to {longest}" if shortest else f"up to {longest}"
    such_as = "s, m or h such as 30s or 5m" if whole else "ms, s, m or h such as 250ms or 5m"
    accepted = f"{'whole ' if whole else ''}seconds, or a number with {such_as}, {limits}"
    return ValueKind("TIME", accepted, parse, _render_duration, LONGEST_DURATION)


def size(minimum: int, maximum: int | None = None, *, or_zero: bool = False) -> ValueKind[int]:
    """Bytes, also written with a unit of 1024: 10k, 512M, 1GiB; with `or_zero` also 0, whatever the minimum."""

    def parse(text: str) -> int:
        match = re.fullmatch(r"([0-9]+)(?:([kmgt])(?:i?b)?|b)?", text, re.IGNORECASE | re.ASCII)
        if match is None:
            raise BadValueError("is not a size")
        if len(match[1]) > 19:
            raise BadValueError("has too many digits")
        unit = (match[2] or "").lower()
        count = int(match[1]) << {"": 0, "k": 10, "m": 20, "g": 30, "t": 40}[unit]
        return count if or_zero and not count else within(count, minimum, maximum)

    # What no machine has is no bound that anybody wants to read.
    told = None if maximum is not None and maximum >= 1 << 60 else maximum
    range_text = ("0, or " if or_zero else "") + bounds(minimum, told, _render_size)
    accepted = f"bytes, or a number with k, M or G such as 512M: {range_text}"
    return ValueKind("SIZE", accepted, parse, _render_size)


def octal_mask() -> ValueKind[int]:
    """A file mode creation mask in octal digits only."""

    def parse(text: str) -> int:
        if not re.fullmatch(r"[0-7]{1,4}", text):
            raise BadValueError("is not an octal mask")
        return within(int(text, 8), 0, 0o777)

    return ValueKind("MASK", "octal digits from 000 to 777, such as 022", parse, lambda mask: f"{mask:03o}")


def _render_duration(seconds: float) -> str:
    seconds = float(seconds)
    if seconds >= 3600 and seconds % 3600 == 0:
        return f"{seconds / 3600:.0f}h"
    if seconds.is_integer():
        return f"{seconds:.0f}s"
    if 0 < seconds < 1 and (seconds * 1000).is_integer():
        return f"{seconds * 1000:.0f}ms"
    text = repr(seconds)
    return f"{seconds:.12f}s" if "e" in text else f"{text}s"


def _render_size(count: int) -> str:
    for unit, shift in (("G", 30), ("M", 20), ("k", 10)):
        if count >> shift and count % (1 << shift) == 0:
            return f"{count >> shift}{unit}"
    return str(count)
