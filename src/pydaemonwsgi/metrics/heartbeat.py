"""A sign of life in shared memory. Sans-I/O.

Eight bytes: a double, monotonic seconds, that a process writes every second and its supervisor reads.
"""

from typing import Final

__all__ = ["HEARTBEAT_SIZE", "Heartbeat"]

HEARTBEAT_SIZE: Final = 8


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
