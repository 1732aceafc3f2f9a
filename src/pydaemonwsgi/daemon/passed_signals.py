"""The signals of a daemon process as a sub-interpreter gets them: from the main one, which alone hears them. Shell."""

import os
import signal
from collections.abc import Callable

from pydaemonwsgi.daemon.signals import Signals
from pydaemonwsgi.daemon.waker import Waker

__all__ = ["PassedSignals", "pass_on"]


def pass_on(number: signal.Signals, sink: int) -> None:
    """Have the interpreter at the other end of a pipe take a signal as its own."""
    try:
        os.write(sink, bytes((number,)))
    except OSError:  # it is full of others, or nobody is there any more
        pass


class PassedSignals(Waker, Signals):
    """A waker whose pipe brings signals, too: a byte that is not 0 is the number of one.

    Args:
        source: descriptor of the pipe's reading end.
        sink: descriptor of its writing end, where signals are passed on.
    """

    def __init__(self, source: int, sink: int) -> None:
        Signals.__init__(self)
        self.source, self.sink = source, sink

    def drain(self) -> None:
        """Forget the calls so far, and keep the signals."""
        try:
            came = os.read(self.source, 4096)
        except BlockingIOError:
            return
        self._came.extend(signal.Signals(number) for number in came if number)

    def watch_forks(self, become_stranger: Callable[[], None]) -> None:
        """Do nothing: no code in a sub-interpreter can fork."""
