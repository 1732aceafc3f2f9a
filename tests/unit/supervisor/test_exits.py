"""exits: how a child has ended, in words, and what that means for its process group."""

import signal

import pytest

from pydaemonwsgi.supervisor.exits import MEANINGS, Exit, Meaning, describe_exit, meaning_of
from pydaemonwsgi.supervisor.lifecycle import Process, State
from pydaemonwsgi.vocabulary import ShutdownReason, StartFailure

ENDED = Exit("exited with status 3")
CRASHED = Exit("was killed by SIGSEGV", by_signal=True, struck=True)
KILLED = Exit("was killed by SIGKILL", by_signal=True)


def exited(status: int) -> int:
    """The wait status of a process that has exited."""
    return status << 8


@pytest.mark.parametrize(
    ("status", "words"),
    [
        (exited(0), "exited with status 0"),
        (exited(78), "exited with status 78"),
        (int(signal.SIGKILL), "was killed by SIGKILL"),
        (int(signal.SIGSEGV) | 0x80, "was killed by SIGSEGV (core dumped)"),
        (int(signal.SIGRTMIN) + 3, f"was killed by SIG{int(signal.SIGRTMIN) + 3}"),
    ],
)
def test_wait_status_is_put_into_words(status: int, words: str) -> None:
    """A signal has its name, if it has one, and a number if not."""
    assert describe_exit(status) == words


def test_exit_says_whose_signal_it_was() -> None:
    """Who was killed by the supervisor was not struck by somebody else; who exited was not struck at all."""
    ours = Exit.of(4, int(signal.SIGKILL), {signal.SIGKILL}, "after 2 requests")
    assert (ours.how, ours.by_signal, ours.struck) == ("(pid 4) was killed by SIGKILL after 2 requests", True, False)
    assert Exit.of(4, int(signal.SIGKILL), {signal.SIGTERM}).struck
    assert not Exit.of(4, exited(9), ()).by_signal


def test_exit_is_hopeless_where_the_machine_forbids_it() -> None:
    """The statuses of `StartFailure` say so; the same number as a signal does not."""
    assert all(Exit.of(4, exited(failure), ()).hopeless for failure in StartFailure)
    assert not Exit.of(4, exited(1), ()).hopeless


@pytest.mark.parametrize(
    ("state", "age", "retire", "ended", "meaning"),
    [
        (State.STARTING, 50.0, None, ENDED, Meaning.FAILED_TO_START),
        (State.STARTING, 50.0, None, CRASHED, Meaning.FAILED_TO_START),
        (State.RUNNING, 0.9, None, ENDED, Meaning.FAILED_TO_START),
        (State.RUNNING, 0.9, None, CRASHED, Meaning.UNASKED),
        (State.RUNNING, 1.0, None, ENDED, Meaning.UNASKED),
        (State.RUNNING, 50.0, ShutdownReason.MAXIMUM_REQUESTS, ENDED, Meaning.UNASKED),
        (State.DRAINING, 50.0, ShutdownReason.MAXIMUM_REQUESTS, ENDED, Meaning.ASKED),
        (State.DRAINING, 50.0, ShutdownReason.MAXIMUM_REQUESTS, CRASHED, Meaning.STRUCK),
        (State.STOPPING, 50.0, None, KILLED, Meaning.ASKED),
        (State.STOPPING, 50.0, None, CRASHED, Meaning.STRUCK),
        (State.STOPPING, 50.0, ShutdownReason.DEADLOCK_TIMEOUT, KILLED, Meaning.STUCK),
    ],
)
def test_meaning_of_an_exit(
    state: State, age: float, retire: ShutdownReason | None, ended: Exit, meaning: Meaning
) -> None:
    """What is to be done depends on what the process was doing, how long it lived, and who ended it."""
    process = Process(1, 100.0, state=state, retire=retire)
    assert meaning_of(ended, process, 100.0 + age) is meaning


def test_preload_parent_that_crashes_at_once_has_failed_to_start() -> None:
    """No request is to blame, and the next would do the same."""
    parent = Process(1, 100.0, state=State.RUNNING)
    assert meaning_of(CRASHED, parent, 100.5, runs_requests=False) is Meaning.FAILED_TO_START
    assert meaning_of(CRASHED, parent, 101.0, runs_requests=False) is Meaning.UNASKED


def test_every_state_of_a_living_process_has_a_meaning() -> None:
    """A state without a row would end the supervisor at somebody's death."""
    assert MEANINGS.keys() == set(State) - {State.EXITED}
