"""lifecycle: the table of a daemon process's life, and the growing delays of what keeps failing."""

import itertools

import pytest

from pydaemonwsgi.supervisor.lifecycle import TRANSITIONS, Backoff, Event, Process, State
from pydaemonwsgi.vocabulary import ShutdownReason

ROWS = [
    (State.STARTING, Event.LOADED, State.RUNNING),
    (State.STARTING, Event.LATE, State.STOPPING),
    (State.STARTING, Event.STOP, State.STOPPING),
    (State.STARTING, Event.EXIT, State.EXITED),
    (State.RUNNING, Event.DETACH, State.DRAINING),
    (State.RUNNING, Event.LATE, State.STOPPING),
    (State.RUNNING, Event.STOP, State.STOPPING),
    (State.RUNNING, Event.EXIT, State.EXITED),
    (State.DRAINING, Event.DETACHED, State.STOPPING),
    (State.DRAINING, Event.LATE, State.STOPPING),
    (State.DRAINING, Event.STOP, State.STOPPING),
    (State.DRAINING, Event.EXIT, State.EXITED),
    (State.STOPPING, Event.LATE, State.STOPPING),
    (State.STOPPING, Event.STOP, State.STOPPING),
    (State.STOPPING, Event.EXIT, State.EXITED),
]
IMPOSSIBLE = sorted(
    set(itertools.product(State, Event)) - {(state, event) for state, event, _ in ROWS},
    key=lambda row: (row[0].name, row[1].name),
)


@pytest.mark.parametrize(
    ("state", "event", "after"), ROWS, ids=[f"{state.name}-{event.name}" for state, event, _ in ROWS]
)
def test_apply_takes_the_transition(state: State, event: Event, after: State) -> None:
    """Every row of the table leads where it says, notes since when, and forgets the deadline of the state before."""
    process = Process(1, 0.0, state=state, deadline=5.0)
    assert process.apply(event, 7.0) is after
    assert process.state is after
    assert process.deadline is None
    assert process.since == (0.0 if after is state else 7.0)


@pytest.mark.parametrize(
    ("state", "event"), IMPOSSIBLE, ids=[f"{state.name}-{event.name}" for state, event in IMPOSSIBLE]
)
def test_apply_refuses_what_cannot_happen(state: State, event: Event) -> None:
    """What is not in the table raises KeyError and changes nothing."""
    process = Process(1, 0.0, state=state, deadline=5.0)
    with pytest.raises(KeyError):
        process.apply(event, 7.0)
    assert process.state is state
    assert process.deadline == 5.0


def test_the_table_has_no_other_rows() -> None:
    """The rows tested here are all rows there are."""
    assert {(state, event): after for state, event, after in ROWS} == TRANSITIONS


def test_every_state_but_the_last_ends_with_an_exit() -> None:
    """A process may die at any time, and nothing follows its end."""
    for state in State:
        assert ((state, Event.EXIT) in TRANSITIONS) == (state is not State.EXITED)
    assert not any(state is State.EXITED for state, _ in TRANSITIONS)


@pytest.mark.parametrize("state", State, ids=lambda state: state.name)
@pytest.mark.parametrize("retire", [None, *ShutdownReason], ids=lambda reason: reason.name if reason else "lasting")
@pytest.mark.parametrize("cut_off", [False, True], ids=["attached", "cut-off"])
def test_serves_this_code(state: State, retire: ShutdownReason | None, cut_off: bool) -> None:
    """A process serves while it runs and has a channel, until its script is newer than it is."""
    process = Process(1, 0.0, state=state, retire=retire, cut_off=cut_off)
    wanted = state is State.RUNNING and retire is not ShutdownReason.SCRIPT_RELOAD and not cut_off
    assert process.serves_this_code == wanted


def test_backoff_doubles_up_to_its_longest() -> None:
    """Each failure doubles the delay until the longest is reached."""
    backoff = Backoff(first=0.5, longest=6.0)
    assert [backoff.fail(100.0) for _ in range(6)] == [0.5, 1.0, 2.0, 4.0, 6.0, 6.0]
    assert backoff.failures == 6


def test_backoff_says_when_the_next_attempt_is_due() -> None:
    """`until` is the time of the failure and the delay."""
    backoff = Backoff(first=0.5)
    backoff.fail(100.0)
    assert backoff.until == 100.5
    backoff.fail(200.0)
    assert backoff.until == 201.0


def test_backoff_forgets_failures_after_a_success() -> None:
    """After a success an attempt is due at once, and the next failure costs the first delay again."""
    backoff = Backoff(first=0.5)
    for _ in range(4):
        backoff.fail(100.0)
    backoff.succeed()
    assert (backoff.failures, backoff.until) == (0, 0.0)
    assert backoff.fail(300.0) == 0.5


def test_backoff_survives_any_number_of_failures() -> None:
    """Ten thousand failures neither overflow nor exceed the longest delay."""
    backoff = Backoff(longest=30.0)
    assert {backoff.fail(0.0) for _ in range(10_000)} <= {0.2 * 2**power for power in range(8)} | {30.0}
    assert backoff.fail(0.0) == 30.0
