"""timers: what is due when, told as histories of one process's requests."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pydaemonwsgi.daemon.timers import (
    Action,
    GiveUp,
    Interrupt,
    Limits,
    Report,
    Retire,
    Running,
    Timers,
    request_limit,
)
from pydaemonwsgi.vocabulary import ShutdownReason

STUCK = Retire(ShutdownReason.REQUEST_TIMEOUT)


class Process:
    """A process at time 0 whose requests are told by hand."""

    def __init__(self, **limits: float) -> None:
        self.timers = Timers(Limits(**limits), 0.0)
        self.running: dict[int, float] = {}
        self.inactive: set[int] = set()
        self.activity = 0
        self.draining = False
        self.again = 0.0

    def begin(self, stream: int, now: float, *, activity: bool = True) -> None:
        self.running[stream] = now
        if not activity:
            self.inactive.add(stream)

    def end(self, stream: int) -> None:
        del self.running[stream]
        self.activity += stream not in self.inactive

    def look(self, now: float) -> list[Action]:
        running = [Running(stream, started, stream not in self.inactive) for stream, started in self.running.items()]
        actions, self.again = self.timers.look(now, running, self.activity, draining=self.draining)
        assert now <= self.again <= now + 1.0
        return actions


def test_a_request_within_its_time_is_left_alone() -> None:
    """Nothing is due before request-timeout."""
    process = Process(request=60.0, interrupt=5.0, graceful=15.0)
    process.begin(1, 0.0)
    assert [process.look(now) for now in (0.0, 30.0, 59.9)] == [[], [], []]


def test_without_limits_nothing_is_ever_due() -> None:
    """0 everywhere means never."""
    process = Process()
    process.begin(1, 0.0)
    process.activity = 7
    assert [process.look(now) for now in (0.0, 1e6, 1e9)] == [[], [], []]


def test_a_stuck_request_is_reported_once_and_its_process_replaced() -> None:
    """Without interrupt-timeout the process asks for its successor at the request's deadline."""
    process = Process(request=60.0)
    process.begin(1, 0.5)
    assert process.look(60.5) == [Report(1), STUCK]
    assert process.look(61.5) == [STUCK]


def test_an_interrupted_request_that_ends_costs_nothing_more() -> None:
    """With interrupt-timeout it is interrupted first, and the process lives if that helps."""
    process = Process(request=10.0, interrupt=5.0)
    process.begin(1, 0.0)
    assert process.look(10.0) == [Report(1), Interrupt(1)]
    assert process.look(14.9) == []
    process.end(1)
    assert process.look(15.0) == []


def test_an_interruption_that_does_not_help_replaces_the_process() -> None:
    """The same request still running interrupt-timeout later counts as stuck."""
    process = Process(request=10.0, interrupt=5.0)
    process.begin(1, 0.0)
    assert process.look(10.2) == [Report(1), Interrupt(1)]
    assert process.look(15.2) == [STUCK]


def test_a_stream_that_follows_is_not_the_one_that_was_late() -> None:
    """A thread's next request has all its time, whatever became of the one before."""
    process = Process(request=10.0, interrupt=5.0)
    process.begin(1, 0.0)
    process.look(10.0)
    process.end(1)
    process.begin(2, 10.0)
    assert process.look(16.0) == []
    assert process.look(20.0) == [Report(2), Interrupt(2)]


def test_the_longest_running_is_reported_first() -> None:
    """Requests are looked at in the order in which they began."""
    process = Process(request=10.0)
    process.begin(9, 2.0)
    process.begin(4, 1.0)
    assert process.look(20.0) == [Report(4), STUCK, Report(9), STUCK]


def test_a_stuck_request_does_not_hold_the_drain() -> None:
    """In a process that drains it is given up as soon as no other request runs, and not before."""
    process = Process(request=10.0, graceful=15.0)
    process.begin(1, 0.0)
    process.begin(2, 9.0)
    process.look(10.0)
    process.draining = True
    assert GiveUp(1) not in process.look(11.0)
    process.end(2)
    assert process.look(11.2) == [STUCK, GiveUp(1)]
    assert process.look(11.3) == [STUCK]


def test_an_interrupted_request_holds_the_drain() -> None:
    """It has its time to end well, as long as it is not stuck."""
    process = Process(request=10.0, interrupt=5.0)
    process.begin(1, 0.0)
    process.look(10.0)
    process.draining = True
    assert process.look(11.0) == []
    assert process.look(15.0) == [STUCK, GiveUp(1)]


def test_a_client_waits_no_longer_than_graceful_timeout_for_a_stuck_request() -> None:
    """Even if no successor comes, for example because the script does not load by now."""
    process = Process(request=10.0, graceful=15.0)
    process.begin(1, 0.0)
    process.look(10.0)
    assert process.look(24.9) == [STUCK]
    assert process.look(25.0) == [STUCK, GiveUp(1)]
    assert process.look(40.0) == [STUCK]


def test_a_long_request_does_not_hold_the_drain_of_a_scaled_time_out() -> None:
    """mod_wsgi's stale: the scaled time-out is not reached, the plain one is."""
    process = Process(request=37.1, stale=10.0)
    process.begin(1, 0.0)
    assert process.look(20.0) == []
    process.draining = True
    assert process.look(20.1) == [GiveUp(1)]


def test_a_drain_waits_for_requests_of_any_length_without_request_timeout() -> None:
    """Without a time-out no request is stuck."""
    process = Process()
    process.draining = True
    process.begin(1, 0.0)
    assert process.look(1e6) == []


def test_restart_interval() -> None:
    """The process asks for its successor at its age, busy or not, again and again."""
    process = Process(restart=100.0)
    process.begin(1, 99.0)
    reason = Retire(ShutdownReason.RESTART_INTERVAL)
    assert [process.look(now) for now in (99.9, 100.0, 101.0)] == [[], [reason], [reason]]


def test_inactivity_timeout() -> None:
    """It runs from the end of the last request."""
    process = Process(inactivity=30.0)
    process.begin(1, 0.0)
    process.look(0.0)
    process.look(100.0)
    process.end(1)
    process.look(100.5)
    assert process.look(130.4) == []
    assert process.look(130.5) == [Retire(ShutdownReason.INACTIVITY_TIMEOUT)]


def test_a_request_between_two_looks_counts_as_activity() -> None:
    """However short it was."""
    process = Process(inactivity=30.0)
    process.activity = 1
    process.look(0.0)
    process.activity = 2
    process.look(29.0)
    assert process.look(58.9) == []
    assert process.look(59.0) == [Retire(ShutdownReason.INACTIVITY_TIMEOUT)]


def test_a_process_that_was_never_asked_is_not_inactive() -> None:
    """inactivity-timeout is armed by the first request: a fresh process would only be replaced by its like."""
    process = Process(inactivity=30.0)
    assert [process.look(now) for now in (31.0, 1000.0)] == [[], []]


def test_a_stuck_request_is_no_activity() -> None:
    """Only requests that may still end well keep the process from counting as idle."""
    process = Process(request=10.0, inactivity=30.0)
    process.begin(1, 0.0)
    process.activity = 1
    for now in (0.0, 10.0):
        process.look(now)
    assert Retire(ShutdownReason.INACTIVITY_TIMEOUT) in process.look(40.0)


def test_a_request_that_is_no_activity_keeps_nothing_alive() -> None:
    """WSGIIgnoreActivity: it neither arms the timer nor puts it off."""
    process = Process(inactivity=30.0)
    process.begin(1, 0.0, activity=False)
    process.look(0.0)
    process.end(1)
    assert process.look(100.0) == []
    process.activity = 1
    process.look(101.0)
    process.begin(3, 120.0, activity=False)
    process.look(120.0)
    process.end(3)
    assert process.look(130.9) == []
    assert process.look(131.0) == [Retire(ShutdownReason.INACTIVITY_TIMEOUT)]


def test_a_process_that_runs_what_is_no_activity_is_not_idle() -> None:
    """As under mod_wsgi the timer goes off only when nothing runs; then at once."""
    process = Process(inactivity=30.0)
    process.activity = 1
    process.look(0.0)
    process.begin(1, 29.0, activity=False)
    assert process.look(40.0) == []
    process.end(1)
    assert process.look(40.1) == [Retire(ShutdownReason.INACTIVITY_TIMEOUT)]


def test_reasons_come_in_the_order_of_mod_wsgi() -> None:
    """Request first, then age, then inactivity: the first reason is the one that is given."""
    process = Process(request=10.0, restart=10.0, inactivity=5.0)
    process.begin(1, 0.0)
    process.activity = 1
    process.look(0.0)
    found = [action.reason for action in process.look(10.0) if isinstance(action, Retire)]
    assert found == [
        ShutdownReason.REQUEST_TIMEOUT,
        ShutdownReason.RESTART_INTERVAL,
        ShutdownReason.INACTIVITY_TIMEOUT,
    ]


@given(
    st.floats(0.1, 100.0),
    st.floats(0.0, 50.0),
    st.lists(st.floats(0.0, 200.0), min_size=1, max_size=5, unique=True),
)
def test_every_deadline_is_seen_when_it_comes(request: float, interrupt: float, begins: list[float]) -> None:
    """Whoever looks when it is told to, and at least once a second, sees each deadline as it passes."""
    process = Process(request=request, interrupt=interrupt)
    seen: dict[int, float] = {}
    now = 0.0
    while now < max(begins) + request + interrupt + 2.0:
        for stream, begin in enumerate(begins):
            if begin <= now and stream not in process.running:
                process.begin(stream, begin)
        for action in process.look(now):
            if isinstance(action, Report):
                assert action.stream not in seen
                seen[action.stream] = now
        now = max(process.again, now + 0.01)
    assert len(seen) == len(begins)
    for stream, at in seen.items():
        deadline = begins[stream] + request
        assert deadline <= at <= deadline + 1.01


@pytest.mark.parametrize(
    ("threads", "limit"), [(1, 10.0), (5, 26.1), (15, 37.1), (30, 44.0)], ids=lambda value: f"{value}"
)
def test_a_scaled_request_timeout(threads: int, limit: float) -> None:
    """mod_wsgi's rule, 1 + ln(threads), with its own figures; and exact otherwise."""
    assert math.isclose(request_limit(10.0, threads, logarithmic=True), limit, abs_tol=0.05)
    assert request_limit(10.0, threads, logarithmic=False) == 10.0
    assert request_limit(0.0, threads, logarithmic=True) == 0.0
