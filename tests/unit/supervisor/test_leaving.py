"""leaving: what is done with a process at each step of its way out, and how long it has for the next."""

import pytest

from pydaemonwsgi.supervisor import leaving
from pydaemonwsgi.supervisor.actions import Action, Detach, Dump, Kill, Stop
from pydaemonwsgi.supervisor.lifecycle import Process, State
from pydaemonwsgi.supervisor.timeouts import Timeouts
from pydaemonwsgi.vocabulary import ShutdownReason

NOW = 100.0
TIMEOUTS = Timeouts(startup=60.0, graceful=15.0, shutdown=5.0, eviction=3.0)
UNLIMITED = Timeouts(startup=0.0, graceful=0.0, shutdown=0.0)


def a_process(state: State, retire: ShutdownReason | None = None) -> Process:
    """Process 1, which has been started a while ago."""
    return Process(1, 50.0, state=state, retire=retire, deadline=90.0)


@pytest.mark.parametrize(
    ("before", "actions", "after", "deadline"),
    [
        (State.STARTING, [Kill(1)], State.STOPPING, None),
        (State.RUNNING, [Stop(1, 5.0)], State.STOPPING, 107.0),
        (State.DRAINING, [Stop(1, 5.0)], State.STOPPING, 107.0),
        (State.STOPPING, [], State.STOPPING, 90.0),
        (State.EXITED, [], State.EXITED, 90.0),
    ],
)
def test_stop(before: State, actions: list[Action], after: State, deadline: float | None) -> None:
    """Who loads is killed, who serves is asked, and who is asked already keeps the time that it has."""
    process = a_process(before)
    assert leaving.stop(process, TIMEOUTS, NOW) == actions
    assert (process.state, process.deadline) == (after, deadline)


@pytest.mark.parametrize(
    ("retire", "deadline"),
    [(ShutdownReason.MAXIMUM_REQUESTS, 115.0), (ShutdownReason.EVICTION_SIGNAL, 103.0)],
)
def test_drain_gives_the_time_of_its_reason(retire: ShutdownReason, deadline: float) -> None:
    """graceful-timeout, but eviction-timeout for SIGUSR1."""
    process = a_process(State.RUNNING, retire)
    assert leaving.drain(process, TIMEOUTS, NOW) == [Detach(1)]
    assert (process.state, process.deadline) == (State.DRAINING, deadline)


@pytest.mark.parametrize(
    ("before", "actions", "after", "deadline", "cut_off"),
    [
        (State.STARTING, [], State.STARTING, 90.0, False),
        (State.RUNNING, [], State.RUNNING, 101.0, True),
        (State.DRAINING, [Stop(1, 5.0)], State.STOPPING, 107.0, False),
        (State.STOPPING, [], State.STOPPING, 90.0, False),
    ],
)
def test_lost_channel(before: State, actions: list[Action], after: State, deadline: float, cut_off: bool) -> None:
    """It is the end of draining; one that should serve has a second to be dead; for others it means nothing."""
    process = a_process(before)
    assert leaving.lose_channel(process, TIMEOUTS, NOW) == actions
    assert (process.state, process.deadline, process.cut_off) == (after, deadline, cut_off)


@pytest.mark.parametrize(
    ("before", "retire", "actions", "said"),
    [
        (State.RUNNING, None, [Stop(1, 5.0)], "has lost its channel and lives on; it is stopped"),
        (State.DRAINING, None, [Stop(1, 5.0)], "still has requests after 15 s (graceful-timeout)"),
        (State.DRAINING, ShutdownReason.EVICTION_SIGNAL, [Stop(1, 5.0)], "after 3 s (eviction-timeout)"),
        (State.STOPPING, None, [Kill(1)], "does not leave; it is killed"),
        (State.STOPPING, ShutdownReason.DEADLOCK_TIMEOUT, [Kill(1)], ""),
    ],
)
def test_time_is_over(before: State, retire: ShutdownReason | None, actions: list[Action], said: str) -> None:
    """Each step is harder than the one before, and the log says why; of a stuck process it has said so already."""
    process = a_process(before, retire)
    message, done = leaving.overstay(process, TIMEOUTS, NOW)
    assert (done, process.state) == (actions, State.STOPPING)
    assert said in message[1] if message is not None else not said


@pytest.mark.parametrize(("before", "actions"), [(State.RUNNING, [Detach(1), Dump(1)]), (State.DRAINING, [Dump(1)])])
def test_stuck_process_says_where_it_is_before_it_is_killed(before: State, actions: list[Action]) -> None:
    """The front gives it no more, and it has a moment."""
    process = a_process(before)
    assert leaving.kill_stuck(process, NOW) == actions
    assert process.deadline == pytest.approx(100.3)
    _, done = leaving.overstay(process, TIMEOUTS, 100.3)
    assert done == [Kill(1)]


def test_without_limits_nobody_is_hurried() -> None:
    """0 is no time-out at all."""
    process = a_process(State.RUNNING)
    leaving.drain(process, UNLIMITED, NOW)
    assert process.deadline is None
    assert leaving.lose_channel(process, UNLIMITED, NOW) == [Stop(1, 0.0)]
    assert process.deadline is None
