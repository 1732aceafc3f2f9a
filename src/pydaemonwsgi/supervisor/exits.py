"""How a child has ended, and what it means that a daemon process or a preload parent has: `MEANINGS`. Sans-I/O."""

import os
import signal
from collections.abc import Collection
from dataclasses import dataclass
from enum import Enum
from typing import Final

from pydaemonwsgi.supervisor.lifecycle import Process, State
from pydaemonwsgi.vocabulary import ShutdownReason, StartFailure

__all__ = ["MEANINGS", "Exit", "Meaning", "describe_exit", "meaning_of"]

# A process that ends this soon, in seconds, counts as one that failed to start (supervisord's startsecs).
_START_SECONDS: Final = 1.0
# Exit statuses of daemon processes that say that the machine does not let them.
_HOPELESS: Final = frozenset(StartFailure)


@dataclass(frozen=True, slots=True)
class Exit:
    """How a process has ended.

    Attributes:
        how: in words: `(pid 4) was killed by SIGSEGV`.
        by_signal: a signal ended it.
        struck: that signal was not the supervisor's.
        hopeless: it said that the machine does not let it be what it should be.
    """

    how: str
    by_signal: bool = False
    struck: bool = False
    hopeless: bool = False

    @classmethod
    def of(cls, pid: int, status: int, sent: Collection[int], then: str = "") -> "Exit":
        """Return how a process has ended.

        Args:
            pid: its pid.
            status: its wait status.
            sent: the signals that the supervisor has sent it.
            then: what else there is to say: `after 3 requests`.
        """
        by_signal = os.WIFSIGNALED(status)
        return cls(
            f"(pid {pid}) {describe_exit(status)}{then and ' '}{then}",
            by_signal,
            struck=by_signal and os.WTERMSIG(status) not in sent,
            hopeless=os.WIFEXITED(status) and os.WEXITSTATUS(status) in _HOPELESS,
        )


class Meaning(Enum):
    """What it means for the process group."""

    FAILED_TO_START = "its start counts as a failure, and the next one waits"
    UNASKED = "it is replaced at once"
    STUCK = "it gave no sign of life, and was killed for that"
    STRUCK = "somebody else's signal was faster than its leaving"
    ASKED = "it has left as it was asked to"


MEANINGS: Final[dict[State, Meaning]] = {
    State.STARTING: Meaning.FAILED_TO_START,
    State.RUNNING: Meaning.UNASKED,
    State.DRAINING: Meaning.ASKED,
    State.STOPPING: Meaning.ASKED,
}
"""By the state that the process was in, but for what `meaning_of` knows besides."""


def meaning_of(ended: Exit, process: Process, now: float, *, runs_requests: bool = True) -> Meaning:
    """Return what it means that a process has ended.

    Args:
        ended: how.
        process: it; its state is still the one that it was in.
        now: monotonic seconds.
        runs_requests: a preload parent does not.
    """
    meaning = MEANINGS[process.state]
    # What ends as soon as it runs would do so for ever. A signal may come from anybody, and a crash from one request.
    if meaning is Meaning.UNASKED and now - process.started < _START_SECONDS:
        return Meaning.UNASKED if ended.by_signal and runs_requests else Meaning.FAILED_TO_START
    if meaning is Meaning.ASKED:
        if process.retire is ShutdownReason.DEADLOCK_TIMEOUT:
            return Meaning.STUCK
        if ended.struck:
            return Meaning.STRUCK
    return meaning


def describe_exit(status: int) -> str:
    """Return a wait status in words: `was killed by SIGKILL`, `exited with status 3`."""
    if os.WIFSIGNALED(status):
        number = os.WTERMSIG(status)
        try:
            name = signal.Signals(number).name
        except ValueError:
            name = f"SIG{number}"
        return f"was killed by {name}" + (" (core dumped)" if os.WCOREDUMP(status) else "")
    return f"exited with status {os.WEXITSTATUS(status)}"
