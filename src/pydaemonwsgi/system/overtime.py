"""Ending a computation that takes too long, by a timer of processor time (setitimer(2)). No policy.

Python's regular expressions backtrack: a pattern such as `^(a+)+$` tries a text of thirty letters in more ways than
anybody can wait for, holds the interpreter lock meanwhile, and knows no limit. But it looks for signals now and then,
and a signal handler may raise. The kernel's ITIMER_VIRTUAL ticks only while this process computes, so it costs nothing
when nothing happens. Rejected: a timer for each computation, which is two system calls for each; a thread, which
would wait for the lock.
"""

import signal
from types import FrameType
from typing import Final

from pydaemonwsgi.errors import OvertimeError

__all__ = ["Overtime"]

# Seconds of processor time. What should be done within a tenth of a millisecond gets one tick at least, two at most.
_TICK: Final = 0.05


class Overtime:
    """Ends computations in the main thread that go on for more than 0.05 to 0.1 s of processor time.

    Between `begin` and `end` OvertimeError may be raised anywhere, so only that may be done there which can be left
    at any point.
    """

    __slots__ = ("_number", "_seen", "_under_way")

    def __init__(self) -> None:
        self._number = 0
        self._under_way = 0
        self._seen = 0

    def start(self) -> None:
        """Have the timer tick; in the main thread only."""
        signal.signal(signal.SIGVTALRM, self._tick)
        signal.setitimer(signal.ITIMER_VIRTUAL, _TICK, _TICK)

    def stop(self) -> None:
        """Have it tick no more."""
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, signal.SIG_IGN)

    def begin(self) -> None:
        """A computation begins."""
        self._number += 1
        self._under_way = self._number

    def end(self) -> None:
        """It has ended."""
        self._under_way = 0

    def _tick(self, _number: int, _frame: FrameType | None) -> None:
        seen, self._seen = self._seen, self._under_way
        if self._under_way and seen == self._under_way:
            self._under_way = 0
            raise OvertimeError("it takes longer than 0.05 s to find out what is to be done")
