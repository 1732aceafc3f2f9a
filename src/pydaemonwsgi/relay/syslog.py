"""A line of a log as a message to the syslog daemon of this machine. Sans-I/O.

    <187>Nov 23 07:17:25 pydaemonwsgi[24705]: [error] [wsgi:app] [request 063e…] ZeroDivisionError: division by zero

Local daemons take this older form (RFC 3164, section 4.1, without the host's name, as the C library writes it).
"""

import re
import time
from typing import Final

__all__ = ["message"]

_MONTHS: Final = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_SEVERITIES: Final = {
    b"emerg": 0,
    b"alert": 1,
    b"crit": 2,
    b"error": 3,
    b"warn": 4,
    b"notice": 5,
    b"info": 6,
    b"debug": 7,
}
_ERROR: Final = _SEVERITIES[b"error"]
_INFO: Final = _SEVERITIES[b"info"]
# A line of our error log, as logs.error_line writes it.
_RECORD: Final = re.compile(rb"\[\d{4}-\d\d-\d\d [\d:.]+\] \[([a-z]+)\] \[pid (\d+)\] (.*)", re.DOTALL)


def message(line: bytes, facility: int, tag: str, at: time.struct_time, *, is_error: bool) -> bytes:
    """Return the datagram for a line, which has no line feed.

    Args:
        facility: its number.
        tag: what the message comes from.
        at: when it was read, in local time.
        is_error: of an error log: its own words say how severe it is, and what a library wrote past us is an error.
            A line of an access log is information.
    """
    severity, sender = _ERROR if is_error else _INFO, tag.encode("utf-8", "surrogateescape")
    match = _RECORD.fullmatch(line) if is_error else None
    if match is not None:
        level, pid, text = match.groups()
        severity = _SEVERITIES.get(level, _ERROR)
        sender += b"[" + pid + b"]"
        line = b"[" + level + b"] " + text
    moment = f"{_MONTHS[at.tm_mon - 1]} {at.tm_mday:2d} {at.tm_hour:02d}:{at.tm_min:02d}:{at.tm_sec:02d}"
    return b"<%d>%s %s: %s" % (facility * 8 + severity, moment.encode("ascii"), sender, line)
