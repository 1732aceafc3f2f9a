"""What the service manager is told of the server, and when. Sans-I/O, but for the sending itself.

    READY=1       once the front accepts clients and every process group has loaded its script, or has failed to
    RELOADING=1   at SIGHUP; READY=1 again when what was replaced by it has been, or cannot be
    STOPPING=1    when the server begins to stop
    STATUS=       how busy it is, whenever that has changed, and why the last reload has failed, if it has
    WATCHDOG=1    twice within each interval, as long as the front answers: the front's loop answers the supervisor's
                  PING, and the supervisor's loop tells the manager; so each of the two is watched
    FDSTORE=1     the listeners that we have bound ourselves: they outlive a restart, and with them who waits in them

Without a service manager none of it happens.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from pydaemonwsgi.system.notify import Notifier

__all__ = ["STORED", "Figures", "Herald", "in_short"]

# What our listeners are called in the descriptor store.
STORED: Final = "pydaemonwsgi"
# Seconds between two looks at how busy the server is.
_STATUS_EVERY: Final = 5.0
_TRACEBACK: Final = ": Traceback (most recent call last):"


@dataclass(frozen=True, slots=True)
class Figures:
    """How busy the server is.

    Attributes:
        busy: threads that run a request.
        threads: there are.
        queued: requests that wait, as the front said last.
        clients: connections, as the front said last.
        requests: that have ended since the start.
    """

    busy: int
    threads: int
    queued: int
    clients: int
    requests: int

    def __str__(self) -> str:
        return (
            f"{self.busy} of {self.threads} threads busy, {self.queued} requests queued, {self.clients} clients, "
            f"{self.requests} requests served"
        )


class Herald:
    """Keeps the service manager informed.

    Args:
        notifier: the way to it.
        ask_front: has the front answer; False when there is none to ask.
        clock: monotonic seconds.
    """

    def __init__(
        self, notifier: Notifier, ask_front: Callable[[], bool], clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._notifier = notifier
        self._ask_front = ask_front
        self._clock = clock
        # Half of the interval, as sd_watchdog_enabled(3) advises; and the front is asked twice as often.
        self._interval = notifier.watchdog / 2
        self._every = min(_STATUS_EVERY, self._interval / 2) if self._interval else _STATUS_EVERY
        self._answered = clock()
        self._next = clock()
        self._status = ""
        self._problem = ""
        self._stopping = False
        self.ready = False
        self.reloading = False

    @property
    def notifier(self) -> Notifier:
        """The way to the service manager."""
        return self._notifier

    def next_deadline(self) -> float | None:
        """Return the monotonic time at which `carry_out` has something to do; None for never."""
        return self._next if self._notifier else None

    # -- what happens

    def on_ready(self, listeners: Sequence[int] = ()) -> None:
        """The server serves; `listeners` are to be kept for whoever comes after us."""
        self.ready = True
        self.on_listeners(listeners)
        self._notifier.send("READY=1", "STATUS=serving")

    def on_listeners(self, listeners: Sequence[int]) -> None:
        """These are to be kept, and none of those that were.

        An address that is not listened on any more, but kept, would go on to take clients, whom nobody answers.
        """
        if self.ready:
            self._notifier.send("FDSTOREREMOVE=1", f"FDNAME={STORED}")
            if listeners:
                self._notifier.send("FDSTORE=1", f"FDNAME={STORED}", descriptors=listeners)

    def on_reload(self) -> None:
        """All processes are going to be replaced."""
        if self.ready and not self._stopping:
            self.reloading = True
            # The time lets systemd tell the answer to its own SIGHUP from an earlier one's (Type=notify-reload).
            microseconds = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
            self._notifier.send("RELOADING=1", f"MONOTONIC_USEC={microseconds}", "STATUS=reloading")

    def on_reloaded(self, problem: str = "") -> None:
        """They have been replaced, or cannot be because of `problem`."""
        if self.reloading:
            self.reloading = False
            self._problem = problem
            self._status = f"reload failed: {problem}" if problem else "reloaded"
            self._notifier.send("READY=1", f"STATUS={self._status}")

    def on_stop(self, why: str) -> None:
        """The server stops."""
        self._stopping = True
        self._notifier.send("STOPPING=1", f"STATUS=stopping: {why}")

    def on_handed_over(self, pid: int) -> None:
        """Another supervisor is the service from now on; what it says counts, what we say does not."""
        self._stopping = True
        self._notifier.send(f"MAINPID={pid}")
        self._notifier = Notifier(None)

    def on_front_started(self) -> None:
        """A front has been forked; it has until the next interval to answer."""
        self._answered = self._clock()

    def on_front_answer(self) -> None:
        """The front's loop runs."""
        self._answered = self._clock()

    # -- the time

    def carry_out(self, now: float, figures: Callable[[], Figures]) -> None:
        """Ask, tell, feed the watchdog."""
        if not self._notifier or now < self._next:
            return
        self._next = now + self._every
        self._ask_front()
        if self._interval and (self._stopping or now - self._answered < self._interval):
            # A server that stops has no front to ask after a while; TimeoutStopSec watches over that.
            self._notifier.send("WATCHDOG=1")
        if self.ready and not self._stopping and not self.reloading:
            # Whoever looks later would not know otherwise that the old code runs.
            status = f"last reload failed: {self._problem}; {figures()}" if self._problem else str(figures())
            if status != self._status:
                self._status = status
                self._notifier.send(f"STATUS={status}")


def in_short(problem: str) -> str:
    """Return the first line and the last: a traceback's error, or a configuration's last mistake."""
    first, *more = problem.strip().splitlines() or [""]
    first = " ".join(first.split())
    return f"{first.removesuffix(_TRACEBACK)}: {more[-1].strip()}" if more else first
