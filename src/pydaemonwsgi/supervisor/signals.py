"""Signals as the supervisor has them: noted when they come, handled in its loop. Shell."""

import os
import selectors
import signal
from types import FrameType
from typing import Final

__all__ = ["SignalInbox", "reset_signals"]

# What the supervisor hears.
_HANDLED: Final = (
    signal.SIGTERM,
    signal.SIGINT,
    signal.SIGHUP,
    signal.SIGUSR1,
    signal.SIGUSR2,
    signal.SIGTTIN,
    signal.SIGTTOU,
    signal.SIGCHLD,
)


class SignalInbox:
    """Notes signals, and wakes the loop for them.

    A handler runs between any two instructions: it writes a number down and nothing else.

    Args:
        selector: the loop's.
    """

    def __init__(self, selector: selectors.BaseSelector) -> None:
        self._noted: list[signal.Signals] = []
        self._waker_in, waker_out = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        signal.set_wakeup_fd(waker_out, warn_on_full_buffer=False)
        for number in _HANDLED:
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


def reset_signals() -> None:
    """Have signals do in a child what they do in any process: the supervisor's handling is its own."""
    signal.set_wakeup_fd(-1)
    for number in _HANDLED:
        signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
