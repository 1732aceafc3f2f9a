"""Sees to it that one slow request never holds up the channel: ticks beside the pool. Shell over `policy`.

The leader of the pool runs short requests itself, and nobody reads the channel meanwhile. So while a request runs
inline this looks every few milliseconds, and deposes a leader that has not returned. It sleeps when nothing runs; the
leader wakes it before it runs a request inline.
"""

import sys
import time
from collections.abc import Callable
from typing import Final

from pydaemonwsgi.daemon.policy import TICK
from pydaemonwsgi.daemon.pool import Pool

__all__ = ["PoolWatch"]

# Ticks without an inline request after which we look less often.
_QUIET_TICKS: Final = 50
_SLOW_TICK: Final = 0.02
_ASLEEP: Final = 1.0
# Before Python 3.13 there was no other.
_has_lock: Final[Callable[[], bool]] = getattr(sys, "_is_gil_enabled", lambda: True)


class PoolWatch:
    """Watches one pool; every call is made by the monitor's thread."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._inline_seen = 0
        self._quiet = 0

    def tick(self, now: float) -> float:
        """Depose a leader whose inline request takes long; return after how many seconds to look again.

        Args:
            now: of `time.perf_counter`.
        """
        pool = self._pool
        pool.watch_is_asleep = False
        pool.policy.note_usage(now, time.process_time(), locked=_has_lock())
        leader = pool.leader
        if leader is None:
            pool.stand_in()
        else:
            since = leader.inline_since
            if since and now - since >= pool.policy.patience:
                pool.depose(leader, since)
        if pool.inline_runs != self._inline_seen:
            self._inline_seen = pool.inline_runs
            self._quiet = 0
            # Each look takes the interpreter lock from a thread that computes: no more of them than can matter.
            return pool.policy.patience
        if pool.leader is None:
            return TICK  # nobody else hears CREDIT and CANCEL
        self._quiet += 1
        if self._quiet < _QUIET_TICKS or (leader is not None and leader.inline_since):
            return TICK
        pool.watch_is_asleep = True
        if self._has_work():
            # It began between our look and our falling asleep.
            pool.watch_is_asleep = False
            return TICK
        return _SLOW_TICK if pool.busy else _ASLEEP

    def _has_work(self) -> bool:
        """Whether a request runs inline, or nobody leads."""
        leader = self._pool.leader
        return leader is None or leader.inline_since > 0.0
