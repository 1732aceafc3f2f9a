"""Whom a thread interrupts when it wakes. No policy.

Standard library only: daemon processes use it.
"""

import os
import sys

__all__ = ["is_plain", "set_batch"]


def is_plain() -> bool:
    """Whether this thread is scheduled as threads are that nobody has said anything about (sched(7), SCHED_OTHER)."""
    if sys.platform != "linux":
        return False
    try:
        return os.sched_getscheduler(0) == os.SCHED_OTHER
    except OSError:  # a sandbox, or a C library that leaves it out
        return False


def set_batch(wanted: bool) -> bool:
    """Have this thread not interrupt others when it wakes (sched(7), SCHED_BATCH), or interrupt them again.

    Its share of the processor stays the same. No privilege is needed. What it forks meanwhile is so too.

    Returns:
        Whether the kernel has done it.
    """
    if sys.platform != "linux":
        return False
    try:
        os.sched_setscheduler(0, os.SCHED_BATCH if wanted else os.SCHED_OTHER, os.sched_param(0))
    except OSError:
        return False
    return True
