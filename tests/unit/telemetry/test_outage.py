"""The log hears of the beginning and the end of an outage, and seldom of a collector that comes and goes."""

from pydaemonwsgi.telemetry.outage import Outage


def test_an_outage_is_said_once_and_its_end_once() -> None:
    outage = Outage()
    assert outage.sent(0) is None
    assert [outage.missed(now, "gone", 3) for now in (1, 2, 3)] == ["gone", None, None]
    assert [outage.sent(9), outage.sent(10)] == ["after 8 s; 9 datagrams were not sent", None]


def test_the_next_outage_is_said_again() -> None:
    outage = Outage()
    outage.missed(1, "gone", 1)
    outage.sent(2)
    assert outage.missed(100, "gone", 1) == "gone"
    assert outage.sent(101) == "after 1 s; 1 datagrams were not sent"


def test_another_reason_is_said_during_the_same_outage() -> None:
    """The collector is there by now, and its socket is closed to the user."""
    outage = Outage()
    assert outage.missed(1, "no socket", 1) == "no socket"
    assert outage.missed(10, "not permitted", 1) == "not permitted"
    assert outage.missed(100, "not permitted", 1) is None


def test_what_was_kept_back_is_said_if_it_lasts() -> None:
    outage = Outage()
    outage.missed(1, "full", 1)
    outage.sent(2)
    assert [outage.missed(now, "full", 1) for now in (3, 4, 5)] == [None, None, None]
    assert [outage.missed(now, "full", 1) for now in (7, 8)] == ["full", None]


def test_the_end_of_what_was_kept_back_is_kept_back_too() -> None:
    outage = Outage()
    outage.missed(1, "full", 1)
    outage.sent(2)
    outage.missed(3, "full", 1)
    assert outage.sent(4) is None


def test_a_collector_that_is_full_at_every_other_time_does_not_fill_the_log() -> None:
    """A day of that is some dozen lines, where each outage is said at first."""
    outage = Outage()
    said: list[str] = []
    for second in range(0, 86_400, 2):
        said += filter(None, (outage.missed(second, "full", 1), outage.sent(second + 1)))
    assert said[:2] == ["full", "after 1 s; 1 datagrams were not sent"]
    assert len(said) < 80


def test_after_two_quiet_hours_outages_are_said_as_at_first() -> None:
    outage = Outage()
    for second in range(0, 2000, 2):
        outage.missed(second, "full", 1)
        outage.sent(second + 1)
    assert outage.missed(10_000, "full", 1) == "full"
    outage.sent(10_001)
    assert outage.missed(10_006, "full", 1) == "full"


def test_what_may_be_over_in_a_moment_is_said_only_if_it_is_not() -> None:
    outage = Outage()
    assert [outage.missed(now, "full", 1, patience=2.0) for now in (1, 2)] == [None, None]
    assert outage.sent(2.5) is None
    assert [outage.missed(now, "full", 1, patience=2.0) for now in (3, 4, 5, 6)] == [None, None, "full", None]
    assert outage.sent(7) == "after 4 s; 4 datagrams were not sent"
