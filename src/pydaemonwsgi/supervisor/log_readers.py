"""Processes that read logs: commands behind a `|`, and the relay to syslog. Shell.

A reader's pipe outlives it. The supervisor keeps the end that is read, so that nobody who writes is told that there is
no reader; what is written while it is dead waits in the pipe for the next. So no writer needs a new descriptor when a
reader is replaced. Writers never wait (the other end is non-blocking): what a full pipe does not take is lost
and counted.

A reader ends by the end of its input, when the last writer has let go: it has read everything by then.
"""

import logging
import os
import signal
from collections.abc import Callable, Sequence
from typing import Final

from pydaemonwsgi.supervisor.children import drop_inheritance, fork_into
from pydaemonwsgi.supervisor.exits import describe_exit
from pydaemonwsgi.supervisor.lifecycle import Backoff
from pydaemonwsgi.system.descriptors import unread_bytes

__all__ = ["LogReader", "become_command"]

logger = logging.getLogger(__name__)

# A reader that lives this long, in seconds, has started well.
_START_SECONDS: Final = 1.0
# Seconds that a reader gets to write what it has read, once the server has ended; then from SIGTERM to SIGKILL.
_PATIENCE: Final = 10.0
_INSISTENCE: Final = 2.0
# A shell's exit status for a command that is not there.
_NO_EXEC: Final = 127


class LogReader:
    """One process and the pipes that it reads.

    Args:
        name: how the log calls it.
        sources: the ends that are read; they are this object's.
        keep: more descriptors for the process.
        become: be the reader, in the child; returns an exit status, or does not return.

    Attributes:
        pid: of the process; 0 while there is none.
        finished: whether it has read everything there will ever be, or has been given up.
    """

    def __init__(self, name: str, sources: Sequence[int], keep: Sequence[int], become: Callable[[], int]) -> None:
        self.name = name
        self.pid = 0
        self.finished = False
        self._sources = tuple(sources)
        self._keep = tuple(keep)
        self._become = become
        self._backoff = Backoff()
        self._started = 0.0
        self._retired = False
        self._deadline: float | None = None
        self._insisted = False
        self._renewing = False

    def carry_out(self, now: float) -> None:
        """Start it if it is missing and its time has come; end it if it stays too long."""
        if self.finished:
            return
        if self._deadline is not None and now >= self._deadline:
            self._insist(now)
        elif not self.pid and now >= self._backoff.until:
            self._start(now)

    def next_deadline(self) -> float | None:
        """Return the monotonic time at which `carry_out` has something to do, or None."""
        if self.finished:
            return None
        times = [] if self._deadline is None else [self._deadline]
        if not self.pid:
            times.append(self._backoff.until)
        return min(times, default=None)

    def _start(self, now: float) -> None:
        try:
            pid = fork_into(self._become_reader, self.name, _NO_EXEC)
        except OSError as error:
            delay = self._backoff.fail(now)
            logger.error("cannot fork for %s: %s; trying again in %.1f s", self.name, error.strerror, delay)
            return
        self.pid = pid
        self._started = now
        logger.debug("%s runs as pid %d", self.name, pid)

    def _become_reader(self) -> int:
        drop_inheritance({0, 1, 2, *self._sources, *self._keep})
        return self._become()

    def retire(self) -> None:
        """Its pipes have no writer in this process any more: it is not missed once it has read what is in them."""
        self._retired = True

    def renew(self) -> None:
        """Have it replaced: it leaves in order, and the next goes on reading the same pipes."""
        if self.pid:
            self._renewing = True
            self._signal(signal.SIGTERM)

    def hurry(self, now: float) -> None:
        """The server ends: it has so long to read and write the rest."""
        if self.finished:
            return
        self._retired = True
        if self._deadline is None:
            self._deadline = now + _PATIENCE
        if not self.pid and not self._unread():
            self._finish()

    def bury(self, status: int, now: float) -> None:
        """It has been reaped."""
        pid, self.pid = self.pid, 0
        unread = self._unread()
        if self._retired and (not unread or self._insisted):
            if unread:
                logger.error("%s has not read %d bytes of the log; they are lost", self.name, unread)
            self._finish()
            return
        how = f"{self.name} (pid {pid}) {describe_exit(status)}"
        if self._renewing:
            self._renewing = False
            self._backoff.until = now
            logger.debug("%s; it is started again", how)
        elif now - self._started >= _START_SECONDS:
            self._backoff.succeed()
            self._backoff.until = now
            logger.error("%s; it is started again at once", how)
        else:
            delay = self._backoff.fail(now)
            logger.error("%s; starting it again in %.1f s", how, delay)

    def _insist(self, now: float) -> None:
        if not self.pid:
            if unread := self._unread():
                logger.error("%s has not read %d bytes of the log; they are lost", self.name, unread)
            self._finish()
            return
        number = signal.SIGKILL if self._insisted else signal.SIGTERM
        if not self._insisted:
            logger.warning("%s (pid %d) still reads %g s after the end; it is ended", self.name, self.pid, _PATIENCE)
        self._insisted = True
        self._deadline = now + _INSISTENCE
        self._signal(number)

    def _signal(self, number: signal.Signals) -> None:
        try:
            os.kill(self.pid, number)
        except ProcessLookupError:
            pass

    def _unread(self) -> int:
        return sum(map(unread_bytes, self._sources))

    def _finish(self) -> None:
        self.finished = True
        for source in self._sources:
            os.close(source)


def become_command(words: Sequence[str], source: int, stderr: int) -> int:
    """Execute a command that reads a log; return an exit status only when that is not possible.

    Args:
        words: the program's path, and its arguments.
        source: its standard input.
        stderr: its standard error, and its standard output where that is a copy of ours.
    """
    if stderr != 2:
        if os.path.sameopenfile(1, 2):
            os.dup2(stderr, 1)
        os.dup2(stderr, 2)
    os.dup2(source, 0)
    # Python ignores these two, and what is ignored stays so across an exec.
    for number in (signal.SIGPIPE, signal.SIGXFSZ):
        signal.signal(number, signal.SIG_DFL)
    try:
        os.execv(words[0], list(words))  # noqa: S606 - what the configuration says
    except OSError as error:
        logger.error("cannot execute %s: %s", words[0], error.strerror)
    return _NO_EXEC
