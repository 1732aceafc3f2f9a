"""Wakes the monitor from any thread and from signal handlers. Shell."""

import os

__all__ = ["Waker"]


class Waker:
    """A pipe: a byte in it ends the monitor's wait.

    Attributes:
        source: descriptor to poll.
        sink: descriptor to write a byte to, for those who cannot call `wake`.
    """

    def __init__(self) -> None:
        self.source, self.sink = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)

    def wake(self) -> None:
        """End the monitor's wait, now or the next one."""
        try:
            os.write(self.sink, b"\0")
        except BlockingIOError:  # full of wake-up calls: one more makes no difference
            pass

    def drain(self) -> None:
        """Forget the calls so far."""
        try:
            os.read(self.source, 4096)
        except BlockingIOError:
            pass

    def close(self) -> None:
        """Give up the pipe, in a process that was forked."""
        os.close(self.source)
        os.close(self.sink)
