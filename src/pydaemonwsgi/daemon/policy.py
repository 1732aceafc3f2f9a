"""When the leader runs a request itself and when it hands leadership over first. Sans-I/O.

Theory of operation. One thread at a time leads: it reads the channel. Running a request without giving up the
lead is two to three times as fast as passing it on, because no other thread has to be woken; but while it runs,
nobody reads. So requests that are expected to be short run inline, others after a hand-over, and a monitor takes
the lead from a thread whose inline request turned out to be long.

Expectation is a moving average of wall time, and beside it a memory of the paths that were slow, so that one slow
page among thousands of fast requests does not stall its neighbours at every visit.

Concurrency helps requests that wait. It harms requests that compute: they take the interpreter lock from each other,
which costs a sixth of the throughput and all fairness. So while the process uses one processor fully, requests of a
few milliseconds run inline too, one after the other, and the monitor has more patience.
"""

from typing import Final

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
# Slow paths remembered at once; the oldest is forgotten first.
_MEMORY: Final = 512


class PoolPolicy:
    """Decides for one pool. The thread that leads asks; one thread at a time may `observe`."""

    __slots__ = ("_average", "_measured_at", "_slow_paths", "_used", "saturated", "threads")

    def __init__(self, threads: int) -> None:
        self.threads = threads
        self._average = 0.0
        self._measured_at = 0.0
        self._used = 0.0
        self.saturated = False
        self._slow_paths: dict[str, float] = {}

    def hand_over_first(self, path: str) -> bool:
        """Whether leadership should pass on before the application is called for `path`."""
        expected = self._slow_paths.get(path, self._average)
        if expected <= SLOW and self._average <= SLOW:
            return False
        if self.saturated and expected < PATIENCE:
            return False
        return self.threads > 1

    def note_usage(self, now: float, used: float) -> None:
        """Learn that at `now` the process had used `used` seconds of processor time; called by the monitor."""
        elapsed = now - self._measured_at
        if elapsed >= _USAGE_WINDOW:
            share = (used - self._used) / elapsed
            self.saturated = _SATURATED <= share <= _PARALLEL and elapsed < 1.0
            self._measured_at = now
            self._used = used

    @property
    def patience(self) -> float:
        """How many seconds an inline request may take before another thread leads."""
        return PATIENCE if self.saturated else TICK

    def observe(self, path: str, duration: float) -> None:
        """Learn that a request for `path` took `duration` seconds of wall time."""
        if duration > SLOW:
            slow = self._slow_paths
            known = slow.pop(path, duration)
            if len(slow) >= _MEMORY:
                del slow[next(iter(slow))]
            slow[path] = known + (duration - known) * 0.3
            # A path that is known to be slow is handed over anyway; it says nothing about the others.
            self._average += (min(duration, _CLIP) - self._average) * _WEIGHT
        else:
            self._average += (duration - self._average) * _WEIGHT
            slow = self._slow_paths
            if slow and path in slow:
                lower = slow[path] * 0.7
                if lower < SLOW:
                    del slow[path]
                else:
                    slow[path] = lower

    @property
    def average(self) -> float:
        """The moving average of wall time, in seconds."""
        return self._average
