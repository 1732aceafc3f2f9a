"""A daemon process's life, or a preload parent's, as the supervisor sees it. Sans-I/O.

    STARTING --loaded--> RUNNING --detach--> DRAINING --detached or late--> STOPPING --exit--> EXITED
        \\-----------------\\------------------\\---------------- exit -----------------------/

What may happen in a state is a row of `TRANSITIONS`; what is not in the table cannot happen, and says so.
A process that is to be replaced stays RUNNING, with a `retire` reason, until its successor runs.
A preload parent takes the same rows; as it has no requests, it is never DRAINING.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Final

from pydaemonwsgi.supervisor.pulse import Pulse
from pydaemonwsgi.vocabulary import ShutdownReason

__all__ = ["TRANSITIONS", "Backoff", "Event", "Process", "State"]


class State(Enum):
    """Where a daemon process is in its life; supervisord's words where it has them."""

    STARTING = "starting"
    RUNNING = "running"
    DRAINING = "draining"
    STOPPING = "stopping"
    EXITED = "exited"


class Event(Enum):
    """What happens to a daemon process."""

    LOADED = "its script has been loaded, or has not"
    DETACH = "a successor has taken its place"
    DETACHED = "its last request has ended"
    LATE = "its time for this state is over"
    STOP = "it is not wanted any more"
    EXIT = "it has exited"


TRANSITIONS: Final[dict[tuple[State, Event], State]] = {
    (State.STARTING, Event.LOADED): State.RUNNING,
    (State.STARTING, Event.LATE): State.STOPPING,
    (State.STARTING, Event.STOP): State.STOPPING,
    (State.STARTING, Event.EXIT): State.EXITED,
    (State.RUNNING, Event.DETACH): State.DRAINING,
    (State.RUNNING, Event.LATE): State.STOPPING,
    (State.RUNNING, Event.STOP): State.STOPPING,
    (State.RUNNING, Event.EXIT): State.EXITED,
    (State.DRAINING, Event.DETACHED): State.STOPPING,
    (State.DRAINING, Event.LATE): State.STOPPING,
    (State.DRAINING, Event.STOP): State.STOPPING,
    (State.DRAINING, Event.EXIT): State.EXITED,
    (State.STOPPING, Event.LATE): State.STOPPING,
    (State.STOPPING, Event.STOP): State.STOPPING,
    (State.STOPPING, Event.EXIT): State.EXITED,
}


@dataclass(slots=True)
class Process:
    """One daemon process.

    Attributes:
        number: the supervisor's, never used twice.
        started: when it was forked, monotonic seconds.
        since: when it came into the state that it is in, monotonic seconds.
        state: see `State`.
        retire: why it is to be replaced; None while it is not.
        failed: the scripts that did not load; it answers 500 for them.
        probe: it was started only to see whether the script loads by now.
        version: of the script when it was forked; 0 where that is not known.
        versions: of the scripts that it set out to load, by name.
        cut_off: its channel has ended although it was to serve; it has died or is of no use.
        deadline: when its time for this state is over, monotonic; None for never.
        pid: its pid, 0 before it is known.
        pulse: its signs of life; None before it should give any.
        parent: number of the preload parent that forked it; 0 where the supervisor did.
        keeps_from: it has older code than this one, which did not load (see `loader`); 0 where that is not so.
        role: what it is called in messages.
    """

    number: int
    started: float
    state: State = State.STARTING
    retire: ShutdownReason | None = None
    failed: frozenset[str] = frozenset()
    probe: bool = False
    version: int = 0
    versions: Mapping[str, int] = field(default_factory=dict)
    cut_off: bool = False
    deadline: float | None = None
    pid: int = 0
    parent: int = 0
    keeps_from: int = 0
    role: str = "process"
    since: float = 0.0
    pulse: Pulse | None = None

    def __post_init__(self) -> None:
        """A life begins in its first state."""
        self.since = self.started

    def __str__(self) -> str:
        """Return its number and what there is to know of it: `3 running (script_reload) failed`."""
        words = [str(self.number), self.state.value]
        words += [f"({self.retire.value})"] if self.retire is not None else []
        words += ["failed"] if self.failed else []
        words += ["cut off"] if self.cut_off else []
        return " ".join(words)

    @property
    def name(self) -> str:
        """What to call it in messages."""
        return f"{self.role} {self.number} (pid {self.pid})" if self.pid else f"{self.role} {self.number}"

    @property
    def loader(self) -> int:
        """Number of the process that loaded its code: its preload parent's, or its own. The higher, the newer."""
        return self.parent or self.number

    def apply(self, event: Event, now: float) -> State:
        """Take the transition that `event` means, and return the new state.

        Raises:
            KeyError: the table has no such row; a bug of ours.
        """
        before = self.state
        self.state = TRANSITIONS[before, event]
        self.deadline = None
        if self.state is not before:
            self.since = now
        return self.state

    @property
    def serves_this_code(self) -> bool:
        """Whether it answers requests: not while its script is newer than it is, nor without a channel."""
        return self.state is State.RUNNING and not self.cut_off and self.retire is not ShutdownReason.SCRIPT_RELOAD


class Backoff:
    """Growing delays between attempts that keep failing.

    Args:
        first: seconds before the second attempt.
        longest: seconds at most.
    """

    __slots__ = ("_first", "_longest", "failures", "until")

    def __init__(self, first: float = 0.2, longest: float = 30.0) -> None:
        self._first = first
        self._longest = longest
        self.failures = 0
        self.until = 0.0

    def fail(self, now: float) -> float:
        """Count a failure; return the delay before the next attempt."""
        delay = min(self._longest, self._first * 2.0**self.failures)
        self.failures = min(self.failures + 1, 32)
        self.until = now + delay
        return delay

    def succeed(self) -> None:
        """Forget the failures."""
        self.failures = 0
        self.until = 0.0
