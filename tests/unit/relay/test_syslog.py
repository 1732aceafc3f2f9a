"""syslog: a line of a log becomes the datagram that a syslog daemon of this machine expects."""

import time

import pytest

from pydaemonwsgi.logs import error_line
from pydaemonwsgi.relay.syslog import message

AT = time.struct_time((2026, 11, 3, 7, 8, 9, 1, 307, 0))


@pytest.mark.parametrize(
    ("level", "severity"),
    [("debug", 7), ("info", 6), ("notice", 5), ("warn", 4), ("error", 3), ("crit", 2)],
)
def test_a_record_has_its_own_severity_and_pid(level: str, severity: int) -> None:
    """What the error log says at the beginning of a line is said in syslog's way."""
    line = error_line(level, "text", label="wsgi:a", request_id="00ff", now=0.0).rstrip(b"\n")
    pid = line.partition(b"[pid ")[2].partition(b"]")[0].decode()

    made = message(line, 17, "tag", AT, is_error=True).decode()

    assert made == f"<{17 * 8 + severity}>Nov  3 07:08:09 tag[{pid}]: [{level}] [wsgi:a] [request 00ff] text"


def test_what_was_written_past_us_is_an_error() -> None:
    """A library's own words have no prefix; they come from the tag."""
    assert message(b"Segmentation \xff", 3, "t", AT, is_error=True) == b"<27>Nov  3 07:08:09 t: Segmentation \xff"


def test_an_access_record_is_information() -> None:
    """Whatever a client sends, it cannot choose the severity."""
    line = b"[2026-11-03 07:08:09.000] [crit] [pid 1] [x] y"
    assert message(line, 23, "a", AT, is_error=False) == b"<190>Nov  3 07:08:09 a: " + line
