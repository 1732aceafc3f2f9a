"""What goes wrong in a process group, and what follows from it: delays, giving up, refusing requests. Sans-I/O.

Theory of operation. A start that fails is tried again after a delay, and the delay grows with each failure in a row.
So long as the failures are few, requests wait: most faults are over in a second, and nobody notices. From the third in
a row on, or when a start has used up its whole time, waiting is hopeless: while no process of the group serves, the
front answers 503 until one has loaded its script. What the machine forbids (no such right, no such directory) is not
tried for ever: the third such failure in a row is FATAL, and only a reload tries again.
"""

import math
from dataclasses import dataclass
from typing import Final

from pydaemonwsgi.supervisor.actions import Action, Admit, Refuse
from pydaemonwsgi.supervisor.lifecycle import Backoff

__all__ = ["RETRIES", "Failure", "Trouble"]

# Failures in a row after which something else than trying again is done (supervisord's startretries).
RETRIES: Final = 3
# Seconds between two looks at a script whose process does not start.
_LOOK: Final = 1.0
# Seconds after which clients may ask again where nobody knows when it is worth while.
_LONGEST_REFUSAL: Final = 60.0


@dataclass(frozen=True, slots=True)
class Failure:
    """Something that went wrong.

    Attributes:
        at: when, monotonic seconds.
        text: what, for the operator; may have several lines.
    """

    at: float
    text: str


class Trouble:
    """The failures of one process group.

    Attributes:
        backoff: the delay before the next start.
        probe_backoff: the delay before a process whose script failed is looked after again.
        last: the failure that came last, kept when all is well again; None where there never was one.
        fatal: why nothing is started any more, "" while that is not so.
    """

    __slots__ = ("_hopeless", "_late", "_told", "_version", "backoff", "fatal", "last", "probe_backoff")

    def __init__(self) -> None:
        self.backoff = Backoff()
        self.probe_backoff = Backoff(first=1.0, longest=60.0)
        self.last: Failure | None = None
        self.fatal = ""
        self._hopeless = 0
        self._late = False
        self._version = 0
        self._told: float | None = None

    def note(self, now: float, text: str) -> None:
        """Remember what went wrong."""
        self.last = Failure(now, text)

    def fail(
        self, now: float, text: str, *, hopeless: bool = False, late: bool = False, version: int | None = None
    ) -> float:
        """A start has failed; return the delay before the next.

        Args:
            now: monotonic seconds.
            text: what has happened.
            hopeless: the machine does not allow it; trying again helps only if somebody changes that.
            late: it has used up its whole time.
            version: of the script whose process it was, 0 where it is not known; None: the failure says nothing of it.
        """
        self.note(now, text)
        self._late = self._late or late
        if version is not None:
            self._version = version
        self._hopeless = self._hopeless + 1 if hopeless else 0
        if self._hopeless >= RETRIES:
            self.fatal = text
        return self.backoff.fail(now)

    def forgive_other_than(self, version: int) -> None:
        """The script is of this version, 0 where it is not known; what another one has done counts no more."""
        if self._version and version and version != self._version:
            self._version = 0
            self.succeed()

    def is_waiting(self, now: float) -> bool:
        """Whether the time of the next start has not come."""
        return now < self.backoff.until

    def allows_start(self, now: float) -> bool:
        """Whether a process may be started."""
        return not self.is_waiting(now) and not self.fatal

    def deadlines(self, now: float) -> list[float]:
        """Return the monotonic times at which something may be tried, or the script looked at."""
        times = [min(self.backoff.until, now + _LOOK)] if self.is_waiting(now) else []
        return [*times, self.probe_backoff.until] if self.probe_backoff.until > now else times

    @property
    def is_lasting(self) -> bool:
        """Whether so many starts have failed that the next will hardly do better."""
        return self.backoff.failures >= RETRIES

    def succeed(self) -> None:
        """A process has loaded its script, or there is new code: what was does not count any more."""
        self.backoff.succeed()
        self.probe_backoff.succeed()
        self.fatal = ""
        self._hopeless = 0
        self._late = False

    def refuses_until(self) -> float | None:
        """When requests are worth making again, if no process serves: monotonic seconds; None if they should wait.

        Infinity where only the operator can help.
        """
        if self.fatal:
            return math.inf
        if self.is_lasting or self._late:
            return self.backoff.until
        return None

    def tell_front(self, now: float, *, serves: bool) -> list[Action]:
        """Return what the front has to hear: whether requests are refused, if that is not what it was told last.

        Args:
            now: monotonic seconds.
            serves: whether a process takes requests.
        """
        until = None if serves else self.refuses_until()
        if until == self._told:
            return []
        self._told = until
        return [Admit() if until is None else Refuse(min(_LONGEST_REFUSAL, max(0.0, until - now)))]

    def on_front(self) -> None:
        """The front is another one, which has been told nothing."""
        self._told = None
