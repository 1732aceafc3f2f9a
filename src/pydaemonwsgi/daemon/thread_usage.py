"""What a thread has taken of the processor. Shell."""

import resource
import time
from typing import NamedTuple

__all__ = ["ThreadUsage", "thread_usage"]


class ThreadUsage(NamedTuple):
    """What a thread took.

    Attributes:
        processor: seconds of processor time.
        blocked: how often it gave the processor up to wait for something.
    """

    processor: float
    blocked: int

    def since(self, before: "ThreadUsage") -> "ThreadUsage":
        """Return what was taken since `before`."""
        return ThreadUsage(self.processor - before.processor, self.blocked - before.blocked)


def thread_usage() -> ThreadUsage:
    """Return what the calling thread has taken so far; about a microsecond."""
    # The processor time of getrusage may be as coarse as the kernel's clock tick.
    return ThreadUsage(time.thread_time(), resource.getrusage(resource.RUSAGE_THREAD).ru_nvcsw)
