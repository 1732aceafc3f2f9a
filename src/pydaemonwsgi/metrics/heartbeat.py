"""A sign of life in shared memory. Sans-I/O.

Eight bytes: a double, monotonic seconds, that a process writes every second or oftener and its supervisor reads.
"""

from typing import Final

__all__ = ["HEARTBEAT_SIZE", "Heartbeat", "beat_interval"]

HEARTBEAT_SIZE: Final = 8

# Seconds between two signs of life at most, and how many of them should fall into a time-out: on a busy machine one
# may be late.
_LONGEST: Final = 1.0
_BEATS: Final = 5


def beat_interval(timeout: float) -> float:
    """Return how often to give a sign of life, in seconds, to somebody who waits `timeout` seconds; 0 for ever."""
    return min(_LONGEST, timeout / _BEATS) if timeout else _LONGEST


class Heartbeat:
    """A view of that memory, usually a part of an mmap.

    Args:
        memory: `HEARTBEAT_SIZE` writable bytes.
    """

    __slots__ = ("_time",)

    def __init__(self, memory: memoryview) -> None:
        self._time = memory[:HEARTBEAT_SIZE].cast("d")

    def beat(self, now: float) -> None:
        """Say that the process is alive at `now`, monotonic seconds."""
        self._time[0] = now

    @property
    def last(self) -> float:
        """When it said so last; 0.0 before it has."""
        return self._time[0]
