"""When the leader runs a request itself and when it hands leadership over first. Sans-I/O.

Theory of operation. One thread at a time leads: it reads the channel. Running a request without giving up the
lead is two to three times as fast as passing it on, because no other thread has to be woken; but while it runs,
nobody reads. So requests that are expected to be short run inline, others after a hand-over, and a monitor takes
the lead from a thread whose inline request turned out to be long.

Expectation is a moving average of wall time, and beside it a memory of the paths that were slow, so that one slow
page among thousands of fast requests does not stall its neighbours at every visit.

Concurrency helps requests that wait. It harms requests that compute: they take the interpreter lock from each other,
which costs a sixth of the throughput and all fairness. So while the process uses one processor fully, and has such a
lock at all, requests of a few milliseconds run inline too, one after the other, and the monitor has more patience. How
long a request computes cannot be told from its wall time while others compute beside it: that is many times longer. So
a slow request that ran inline is measured by the processor time of its thread; and until one was, its wall time is
shared out among those that ran. One that turns out to wait instead is handed over again, and tried again after a while.
Paths that are not known count as one: an application may have as many as it has objects, and never see one twice.
"""

from typing import Final

from pydaemonwsgi.daemon.thread_usage import ThreadUsage

__all__ = ["FLUSH_AFTER", "PATIENCE", "SLOW", "TICK", "PoolPolicy"]

# Seconds of wall time above which a request counts as slow.
SLOW: Final = 0.0005
# Seconds between two looks of the monitor while a request runs inline.
TICK: Final = 0.002
# Seconds that an inline request may take while the process is computing all the time.
PATIENCE: Final = 0.010
# Seconds that a finished response may wait for others to be sent together with.
FLUSH_AFTER: Final = 0.0003

# One observation counts for a tenth; an outlier counts for four times the threshold at most, so that it takes a
# run of slow requests, not one, to change the mind about all.
_WEIGHT: Final = 0.1
_CLIP: Final = 4 * SLOW
# Seconds over which the use of the processor is measured, and what share of them counts as all the time. More than
# one processor means code that does without the interpreter lock: that gains from concurrency.
_USAGE_WINDOW: Final = 0.05
_SATURATED: Final = 0.7
_PARALLEL: Final = 1.1
# On a busy machine a process that computes all the time has less of a processor. What tells it from one that waits is
# how long the monitor waits for the interpreter lock: so many seconds on average, or, once they run one after the
# other, so few. Without so much of a processor it does not matter.
_CONTENDED: Final = 0.001
_STILL_CONTENDED: Final = 0.0004
_LEAST_SHARE: Final = 0.25
_LATENESS_WEIGHT: Final = 0.2
# Slow paths remembered at once; the oldest is forgotten first.
_MEMORY: Final = 512
# One observation of a slow path counts for so much.
_SLOW_WEIGHT: Final = 0.3
# Seconds after which a path that waits is tried inline again, if the process still computes all the time.
_RETRY: Final = 1.0
# Who computes for less than this share of its time waits for something else.
_COMPUTES: Final = 0.5
# Beyond this share of such requests a path counts as one that waits.
_BLOCKING: Final = 0.5


class _SlowPath:
    """What is known of a path whose requests are slow.

    Attributes:
        wall: seconds that a request takes.
        alone: seconds that it would take if nothing else ran in the process; a guess until `measured`.
        measured: whether `alone` is processor time.
        blocking: the share of requests that wait for something else.
        waits_until: until when (of the monitor's clock) it counts as one that waits rather than computes.
    """

    __slots__ = ("alone", "blocking", "measured", "waits_until", "wall")

    def __init__(self, wall: float, alone: float) -> None:
        self.wall = wall
        self.alone = alone
        self.measured = False
        self.blocking = 0.0
        self.waits_until = 0.0

    def observe(self, wall: float, busy: int, own: ThreadUsage | None, now: float) -> None:
        self.wall += (wall - self.wall) * _SLOW_WEIGHT
        if own is None:
            if not self.measured:
                self.alone += (wall / busy - self.alone) * _SLOW_WEIGHT
            return
        self.alone = self.alone + (own.processor - self.alone) * _SLOW_WEIGHT if self.measured else own.processor
        self.measured = True
        # Each of those that ran beside it may have had as much of the time as it had itself. And a thread that was
        # never blocked has not waited, however long others had the processor.
        waited = bool(own.blocked) and own.processor * busy < wall * _COMPUTES
        self.blocking += (waited - self.blocking) * _SLOW_WEIGHT
        if self.blocking > _BLOCKING:
            self.waits_until = now + _RETRY
            self.blocking = 0.0


class PoolPolicy:
    """Decides for one pool. The thread that leads asks; one thread at a time may `observe`."""

    __slots__ = ("_average", "_lateness", "_measured_at", "_slow_paths", "_strangers", "_used", "saturated", "threads")

    def __init__(self, threads: int) -> None:
        self.threads = threads
        self._average = 0.0
        self._lateness = 0.0
        self._measured_at = 0.0
        self._used = 0.0
        self.saturated = False
        self._slow_paths: dict[str, _SlowPath] = {}
        self._strangers = _SlowPath(0.0, 0.0)

    def hand_over_first(self, path: str) -> bool:
        """Whether leadership should pass on before the application is called for `path`."""
        slow = self._slow_paths.get(path)
        if slow is None:
            if self._average <= SLOW:
                return False
            slow = self._strangers
        if self.saturated and slow.alone < PATIENCE and slow.waits_until <= self._measured_at:
            return False
        return self.threads > 1

    def wants_measured(self, path: str) -> bool:
        """Whether it helps to know how much processor time a request for `path` takes that runs inline."""
        return self._average > SLOW or path in self._slow_paths

    def note_lateness(self, late: float) -> None:
        """Learn that the monitor, who waits for nothing but the interpreter lock, woke so many seconds late."""
        self._lateness += (late - self._lateness) * _LATENESS_WEIGHT

    def note_usage(self, now: float, used: float, *, locked: bool = True) -> None:
        """Learn that at `now` the process had used `used` seconds of processor time; called by the monitor.

        Args:
            now: seconds of the monitor's clock.
            used: seconds.
            locked: whether this Python has an interpreter lock; one may get it when it imports a module.
        """
        elapsed = now - self._measured_at
        if elapsed >= _USAGE_WINDOW:
            share = (used - self._used) / elapsed
            contended = self._lateness >= (_STILL_CONTENDED if self.saturated else _CONTENDED)
            least = _LEAST_SHARE if contended else _SATURATED
            self.saturated = locked and least <= share <= _PARALLEL and elapsed < 1.0
            self._measured_at = now
            self._used = used

    @property
    def patience(self) -> float:
        """How many seconds an inline request may take before another thread leads."""
        return PATIENCE if self.saturated else TICK

    def observe(self, path: str, wall: float, busy: int = 1, own: ThreadUsage | None = None) -> None:
        """Learn that a request for `path` has ended.

        Args:
            path: what it was for.
            wall: seconds that it took.
            busy: how many ran at its end, itself included.
            own: what it took of its own; None where that was not measured.
        """
        slow_paths = self._slow_paths
        if wall > SLOW:
            slow = slow_paths.pop(path, None)
            if slow is None:
                self._observe_stranger(wall, busy, own)
                slow = _SlowPath(wall, wall / busy)
                if len(slow_paths) >= _MEMORY:
                    del slow_paths[next(iter(slow_paths))]
            slow.observe(wall, busy, own, self._measured_at)
            slow_paths[path] = slow
            self._average += (min(wall, _CLIP) - self._average) * _WEIGHT
        else:
            self._average += (wall - self._average) * _WEIGHT
            if slow_paths and path in slow_paths:
                slow = slow_paths[path]
                slow.observe(wall, busy, own, self._measured_at)
                if slow.wall < SLOW:
                    del slow_paths[path]
            elif own is not None:
                self._observe_stranger(wall, busy, own)

    def _observe_stranger(self, wall: float, busy: int, own: ThreadUsage | None) -> None:
        strangers = self._strangers
        alone = strangers.alone
        strangers.observe(wall, busy, own, self._measured_at)
        # Also what is not measured counts: they are not one path, and where one has computed for long others may not.
        strangers.alone = alone + ((wall / busy if own is None else own.processor) - alone) * _SLOW_WEIGHT

    @property
    def average(self) -> float:
        """The moving average of wall time, in seconds."""
        return self._average
