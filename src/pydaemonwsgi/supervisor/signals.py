"""Signals as the supervisor has them: noted when they come, handled in its loop. Shell."""

import os
import selectors
import signal
from collections.abc import Iterable
from types import FrameType

__all__ = ["SignalInbox"]


class SignalInbox:
    """Notes signals, and wakes the loop for them.

    A handler runs between any two instructions: it writes a number down and nothing else.

    Args:
        selector: the loop's.
        numbers: the signals to note.
    """

    def __init__(self, selector: selectors.BaseSelector, numbers: Iterable[signal.Signals]) -> None:
        self._noted: list[signal.Signals] = []
        self._waker_in, waker_out = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        signal.set_wakeup_fd(waker_out, warn_on_full_buffer=False)
        for number in numbers:
            signal.signal(number, self._note)
        selector.register(self._waker_in, selectors.EVENT_READ, self._drain)

    def take(self) -> list[signal.Signals]:
        """Return the signals that have come, in their order, and forget them."""
        noted, self._noted = self._noted, []
        return noted

    def _note(self, number: int, frame: FrameType | None) -> None:
        del frame
        self._noted.append(signal.Signals(number))

    def _drain(self) -> None:
        try:
            os.read(self._waker_in, 4096)
        except BlockingIOError:
            pass
