"""What a process uses of the machine. No policy."""

from typing import NamedTuple

import psutil

__all__ = ["Usage", "usage_of"]


class Usage(NamedTuple):
    """What one process uses.

    Attributes:
        rss: bytes of memory that are resident, shared ones included.
        cpu_seconds: time on a processor, in user and kernel mode, since the process began.
    """

    rss: int
    cpu_seconds: float


def usage_of(pid: int) -> Usage | None:
    """Return what a process uses; None if it has gone or may not be looked at."""
    try:
        process = psutil.Process(pid)
        with process.oneshot():
            times = process.cpu_times()
            return Usage(process.memory_info().rss, times.user + times.system)
    except psutil.Error:
        return None
