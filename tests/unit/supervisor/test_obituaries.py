"""obituaries: when a record is out."""

import math

import pytest

from pydaemonwsgi.metrics.scoreboard import Row
from pydaemonwsgi.supervisor.crash_report import Death, Obituary
from pydaemonwsgi.supervisor.obituaries import Obituaries


def obituary(name: str, deadline: float, level: str = "info") -> Obituary:
    """A record whose first line is a name."""
    return Obituary(level, name, [], [], None, deadline, 0.0)


def test_record_waits_for_the_front() -> None:
    """What the front says completes it, and makes it an error; it is out once."""
    waiting = Obituaries()
    waiting.add(1, obituary("one", 5.0))
    waiting.add(2, obituary("two", 7.0))
    assert (waiting.take(4.0), waiting.next_deadline(), len(waiting)) == ([], 5.0, 2)
    assert waiting.note_lost(2, "GET /")
    assert not waiting.note_lost(3, "GET /")
    assert waiting.take(4.0) == [("error", "two\n  it was running:\n    GET /")]
    assert (waiting.take(4.0), len(waiting)) == ([], 1)


def test_record_waits_no_longer_than_its_time() -> None:
    """A front that says nothing holds nothing up; nor does the end of the server."""
    waiting = Obituaries()
    waiting.add(1, obituary("one", 5.0))
    waiting.add(2, obituary("two", 7.0, "error"))
    assert waiting.take(5.0) == [("info", "one")]
    assert waiting.take(math.inf) == [("error", "two")]
    assert waiting.next_deadline() is None


@pytest.mark.parametrize(
    ("level", "front_knows", "busy", "waits"),
    [
        ("error", True, False, True),
        ("error", False, True, False),
        ("info", True, True, True),
        ("info", True, False, False),
    ],
)
def test_record_waits_where_the_front_may_add_to_it(level: str, front_knows: bool, busy: bool, waits: bool) -> None:
    """A process that left as it was asked to, and ran nothing, needs nobody's word."""
    waiting = Obituaries()
    messages = [(level, "process 1 exited with status 0"), ("info", "more")]
    rest = waiting.write(
        1,
        messages,
        Death(1.0, 0.5, 0, None, 0.0, killed=False, out_of_memory=None),
        [Row(0, 1, 95.0)] if busy else [],
        None,
        cpu_time=0.0,
        front_knows=front_knows,
        now=5.0,
        wall=100.0,
    )
    assert rest == [("info", "more")]
    assert (waiting.next_deadline() == 6.0) is waits
    ((_, text),) = waiting.take(6.0)
    assert ("it lived 1.0 s" in text) is (level == "error")
