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

from pydaemonwsgi.supervisor.lifecycle import Backoff

__all__ = ["RETRIES", "Failure", "Trouble"]

# Failures in a row after which something else than trying again is done (supervisord's startretries).
RETRIES: Final = 3


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

    __slots__ = ("_hopeless", "_late", "backoff", "fatal", "last", "probe_backoff")

    def __init__(self) -> None:
        self.backoff = Backoff()
        self.probe_backoff = Backoff(first=1.0, longest=60.0)
        self.last: Failure | None = None
        self.fatal = ""
        self._hopeless = 0
        self._late = False

    def note(self, now: float, text: str) -> None:
        """Remember what went wrong."""
        self.last = Failure(now, text)

    def fail(self, now: float, text: str, *, hopeless: bool = False, late: bool = False) -> float:
        """A start has failed; return the delay before the next.

        Args:
            now: monotonic seconds.
            text: what has happened.
            hopeless: the machine does not allow it; trying again helps only if somebody changes that.
            late: it has used up its whole time.
        """
        self.note(now, text)
        self._late = self._late or late
        self._hopeless = self._hopeless + 1 if hopeless else 0
        if self._hopeless >= RETRIES:
            self.fatal = text
        return self.backoff.fail(now)

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
