"""obituaries: when a record is out."""

import math

from pydaemonwsgi.supervisor.crash_report import Obituary
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
