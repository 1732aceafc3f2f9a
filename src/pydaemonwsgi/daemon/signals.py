"""The signals of a daemon process: ours are noted, the application's handlers for them are not installed. Shell.

A handler only notes; the monitor asks what came. What the application forks is no daemon process any more, from its
first instruction on.

`DUMP_SIGNAL` is the exception: a handler in C writes the stacks of all threads to the error log, which works even when
no thread gets the interpreter lock.
"""

import logging
import os
import signal
import threading
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable
from types import FrameType
from typing import Any, Final

from pydaemonwsgi.vocabulary import DUMP_SIGNAL

__all__ = ["SignalInbox", "Signals"]

logger = logging.getLogger(__name__)

_NOTED: Final = (signal.SIGTERM, signal.SIGINT, signal.SIGUSR1, signal.SIGHUP, signal.SIGUSR2, signal.SIGXCPU)
_OWNED: Final = (*_NOTED, DUMP_SIGNAL)


class Signals(ABC):
    """Where the monitor hears of the signals that manage the process."""

    def __init__(self) -> None:
        self._came: deque[signal.Signals] = deque()

    def take(self) -> list[signal.Signals]:
        """Return the signals that came since the last call, in their order."""
        came = []
        while self._came:
            came.append(self._came.popleft())
        return came

    @abstractmethod
    def watch_forks(self, become_stranger: Callable[[], None]) -> None:
        """Have what the application forks be no daemon process; see `SignalInbox`."""


class SignalInbox(Signals):
    """Takes the signals that manage the process.

    Args:
        waker: descriptor of the writing end of a pipe; a byte is written to it for every signal.
        restricted: whether the application's handlers for these signals are not installed (WSGIRestrictSignal).
    """

    def __init__(self, waker: int, *, restricted: bool = True) -> None:
        super().__init__()
        signal.set_wakeup_fd(waker, warn_on_full_buffer=False)
        for number in _NOTED:
            signal.signal(number, self._note)
        import faulthandler  # noqa: PLC0415 - it refuses sub-interpreters, which import this module too

        # By number: whatever the application makes of sys.stderr, and wherever the log is opened anew.
        faulthandler.register(DUMP_SIGNAL, file=2, all_threads=True, chain=False)
        faulthandler.enable(file=2, all_threads=True)  # a crash in C says which Python code it was called from
        if restricted:
            _protect()

    def _note(self, number: int, frame: FrameType | None) -> None:
        del frame
        self._came.append(signal.Signals(number))

    def watch_forks(self, become_stranger: Callable[[], None]) -> None:
        """Have what the application forks be no daemon process from its first instruction on.

        The signals that we own are blocked across the fork: one that came before the child had let go of our
        handlers would be noted by them, in a process where nobody reads the notes.

        Args:
            become_stranger: called in the child; gives up what is its parent's.
        """
        kept = threading.local()

        def before() -> None:
            kept.mask = signal.pthread_sigmask(signal.SIG_BLOCK, _OWNED)

        def in_parent() -> None:
            signal.pthread_sigmask(signal.SIG_SETMASK, kept.mask)

        def in_child() -> None:
            import faulthandler  # noqa: PLC0415 - see above

            # The thread that forked is the main thread of the new process, so it may do this.
            signal.set_wakeup_fd(-1)
            faulthandler.unregister(DUMP_SIGNAL)
            for number in _OWNED:
                signal.signal(number, signal.SIG_DFL)
            become_stranger()
            signal.pthread_sigmask(signal.SIG_SETMASK, kept.mask)

        os.register_at_fork(before=before, after_in_parent=in_parent, after_in_child=in_child)


def _protect() -> None:
    """Make `signal.signal` keep its hands off the signals by which the process is managed (WSGIRestrictSignal)."""
    real = signal.signal
    owner = os.getpid()

    def restricted(number: int, handler: Any, /) -> Any:
        if number in _OWNED and os.getpid() == owner:
            logger.info("the application's handler for signal %d is not installed: the server needs it", number)
            return handler
        return real(number, handler)

    signal.signal = restricted  # type: ignore[assignment]
