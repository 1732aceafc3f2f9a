"""When the leader runs a request itself and when it hands leadership over first. Sans-I/O.

Theory of operation. One thread at a time leads: it reads the channel. Running a request without giving up the
lead is two to three times as fast as passing it on, because no other thread has to be woken; but while it runs,
nobody reads. So requests that are expected to be short run inline, others after a hand-over, and a monitor takes
the lead from a thread whose inline request turned out to be long.

Expectation is a moving average of wall time, and beside it a memory of the paths that were slow, so that one slow
page among thousands of fast requests does not stall its neighbours at every visit.
"""

from typing import Final

__all__ = ["FLUSH_AFTER", "SLOW", "TICK", "PoolPolicy"]

# Seconds of wall time above which a request counts as slow.
SLOW: Final = 0.0005
# Seconds between two looks of the monitor while a request runs inline.
TICK: Final = 0.002
# Seconds that a finished response may wait for others to be sent together with.
FLUSH_AFTER: Final = 0.0003

# One observation counts for a tenth; an outlier counts for four times the threshold at most, so that it takes a
# run of slow requests, not one, to change the mind about all.
_WEIGHT: Final = 0.1
_CLIP: Final = 4 * SLOW
# Slow paths remembered at once; the oldest is forgotten first.
_MEMORY: Final = 512


class PoolPolicy:
    """Decides for one pool; every method is called by the thread that leads or has just run a request."""

    __slots__ = ("_average", "_slow_paths", "threads")

    def __init__(self, threads: int) -> None:
        self.threads = threads
        self._average = 0.0
        self._slow_paths: dict[str, float] = {}

    def hand_over_first(self, path: str) -> bool:
        """Whether leadership should pass on before the application is called for `path`."""
        if self._average > SLOW:
            return self.threads > 1
        return path in self._slow_paths and self.threads > 1

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
