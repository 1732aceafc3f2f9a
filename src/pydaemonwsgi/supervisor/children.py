"""Forking children and talking to them. Shell."""

import contextlib
import errno
import logging
import os
import select
import selectors
import signal
import socket
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Final

from pydaemonwsgi.channel import control
from pydaemonwsgi.channel.control import Message, Word
from pydaemonwsgi.errors import ChannelError, StartError
from pydaemonwsgi.supervisor.crash_report import Death
from pydaemonwsgi.supervisor.signals import reset_signals
from pydaemonwsgi.system.descriptors import close_all_except, replace_error_log
from pydaemonwsgi.system.out_of_memory import OutOfMemoryWatch
from pydaemonwsgi.system.processes import process_state, resident_bytes
from pydaemonwsgi.system.sockets import close_received, control_pair, receive_with_descriptors, send_with_descriptors

if TYPE_CHECKING:
    from resource import struct_rusage

__all__ = ["Child", "drop_inheritance", "fork_child", "fork_connected", "fork_into", "hear_all", "stop_hearing"]

logger = logging.getLogger(__name__)

# Messages heard from one child before the others have their turn; user code may talk without end.
_MESSAGES: Final = 64
# What the kernel says of a connection whose other end has gone.
_GONE: Final = frozenset((errno.EPIPE, errno.ECONNRESET, errno.ENOTCONN, errno.EBADF))
# Seconds between two looks at a child's memory.
_LOOK: Final = 5.0
_ERROR_LOG: Final = 2


class Child:
    """A forked child and the connection to it.

    Attributes:
        pid: its pid; 0 for one that another child forks, before it has said a first word.
        control: our end of the control connection, non-blocking.
        started: when it was forked, monotonic.
        sent: the signals that we have sent it.
        patience: seconds that it has to read once the connection is full; the supervisor does nothing else meanwhile,
            so only who runs no user code should have any.
    """

    __slots__ = ("_looked", "_reaped", "_rss", "_whole", "control", "patience", "pid", "sent", "started")

    def __init__(self, pid: int, control_socket: socket.socket) -> None:
        self.pid = pid
        self.control = control_socket
        self.sent: set[int] = set()
        self.started = time.monotonic()
        self.patience = 0.0
        self._whole: Child | None = None
        self._reaped = False
        self._rss: int | None = None
        self._looked = self.started

    def part(self, control_socket: socket.socket) -> "Child":
        """Return another connection to the same process, as a sub-interpreter has one."""
        part = Child(self.pid, control_socket)
        part._whole = self
        return part

    def look(self, now: float) -> None:
        """Note how much memory it uses, should it die; seldom, as the kernel has to be asked."""
        if self.pid and now - self._looked >= _LOOK and (rss := resident_bytes(self.pid)) is not None:
            self._rss = rss
            self._looked = now

    def bury(self, status: int, usage: "struct_rusage", watch: OutOfMemoryWatch) -> Death:
        """It has been reaped, so that its pid may be another's by now; return what is known of its death.

        Args:
            status: its wait status.
            usage: what it has used of the machine.
            watch: knows whether the kernel has killed for lack of memory.
        """
        self._reaped = True
        now = time.monotonic()
        killed = os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL
        killed = killed and signal.SIGKILL not in self.sent
        return Death(
            now - self.started,
            usage.ru_utime + usage.ru_stime,
            # The kernel counts both a little late, each in its own way.
            max(usage.ru_maxrss * 1024, self._rss or 0),
            self._rss,
            now - self._looked,
            killed,
            watch.explain(self.pid) if killed else None,
        )

    def say(self, word: Word, descriptors: Sequence[int] = (), **fields: object) -> bool:
        """Send a message; return False when the child does not take it."""
        data = control.encode(word, **fields)
        until = time.monotonic() + self.patience
        while True:
            try:
                send_with_descriptors(self.control, data, descriptors)
            except BlockingIOError:
                left = until - time.monotonic()
                if left > 0.0 and self._is_read_within(left):
                    continue
                # It has not read hundreds of messages: it does not run, and whoever waits for it waits in vain.
                logger.error("pid %d reads nothing from the supervisor; it is killed", self.pid)
                self.kill(signal.SIGKILL)
                return False
            except OSError as error:
                if error.errno not in _GONE:  # else its exit status says the rest
                    logger.error("pid %d cannot be told %r: %s", self.pid, word.value, error.strerror)
                return False
            return True

    def _is_read_within(self, seconds: float) -> bool:
        poller = select.poll()  # descriptors may have numbers that select(2) does not take
        poller.register(self.control, select.POLLOUT)
        return bool(poller.poll(seconds * 1000))

    def hear(self) -> Message | None:
        """Return the next message, or None when there is none now.

        Raises:
            EOFError: there will never be one: it has exited, or has closed the connection.
            ChannelError: what came is no message.
        """
        try:
            data, descriptors = receive_with_descriptors(self.control, control.MAXIMUM_MESSAGE)
        except BlockingIOError:
            return None
        except OSError as error:
            raise EOFError from error
        close_received(descriptors)  # children have nothing to give
        if not data:
            raise EOFError
        return control.decode(data)

    def kill(self, number: signal.Signals) -> None:
        """Send it a signal; without effect when it has gone, or is not known to have been forked."""
        whole = self._whole or self
        if not self.pid or whole._reaped:  # noqa: SLF001 - one of ours
            return  # 0 would mean our own process group, and a pid that was waited for may be anybody's
        if process_state(self.pid) != "Z":
            whole.sent.add(number)  # else it has died already, of something else
        try:
            os.kill(self.pid, number)
        except ProcessLookupError:
            pass

    def close(self) -> None:
        """Give up the connection."""
        self.control.close()


def hear_all(child: Child, obey: Callable[[Message], None]) -> None:
    """Have `obey` take what the child has said; a child that says nonsense is killed.

    Raises:
        EOFError: it will never say anything again.
    """
    try:
        for _ in range(_MESSAGES):
            message = child.hear()
            if message is None:
                return
            obey(message)
    except (ChannelError, ValueError) as error:
        logger.error("pid %d said something that means nothing: %s; it is killed", child.pid, error)
        child.kill(signal.SIGKILL)


def stop_hearing(child: Child, selector: selectors.BaseSelector) -> None:
    """Have a selector forget a child, if it has not done so already."""
    with contextlib.suppress(KeyError):
        selector.unregister(child.control)


def drop_inheritance(keep: set[int]) -> None:
    """Drop what a fresh child has of the supervisor: signal handling, session, all descriptors but `keep`."""
    reset_signals()
    # A session of its own: Ctrl-C in the terminal is for the supervisor, which stops its children in order; and
    # who has lost the terminal cannot type into it (TIOCSTI), as whoever started us.
    os.setsid()
    close_all_except(keep)


def fork_into(become: Callable[[], int], name: str, status: int = 1) -> int:
    """Fork; the child exits with what `become` returns. Return its pid.

    Args:
        become: be the child; may as well not return.
        name: how the log calls the child if that fails.
        status: with which it exits then.

    Raises:
        OSError: no process is to be had.
    """
    sys.stdout.flush()
    sys.stderr.flush()
    pid = os.fork()
    if pid:
        return pid
    try:
        status = become()
    except StartError as error:
        logger.critical("%s cannot be started: %s", name, error)
    except BaseException:
        # The child's last stop; nothing of the supervisor's frames below may run in it.
        logger.exception("%s failed", name)
    finally:
        os._exit(status)


def fork_connected(
    pair: tuple[socket.socket, socket.socket], become: Callable[[], int], name: str, status: int = 1
) -> tuple[int, socket.socket]:
    """Fork; return the child's pid and our end of the connection with it, which does not block.

    Args:
        pair: our end and the child's; closed where no process is to be had.
        become: see `fork_into`.
        name: see `fork_into`.
        status: see `fork_into`.

    Raises:
        OSError: no process is to be had.
    """
    ours, theirs = pair
    try:
        pid = fork_into(become, name, status)
    except OSError:
        ours.close()
        raise
    finally:
        theirs.close()
    ours.setblocking(False)
    return pid, ours


def fork_child(run: Callable[[socket.socket], int], keep: Iterable[int], error_log: int = _ERROR_LOG) -> Child:
    """Fork; the child runs `run` with its end of a control connection and exits with what it returns.

    Args:
        run: what the child does; everything it imports late must be readable by whom it becomes.
        keep: descriptors that stay open in the child, besides 0, 1, 2 and the control connection.
        error_log: what is its descriptor 2.

    Raises:
        OSError: no process or no descriptors are to be had.
    """
    ours, theirs = pair = control_pair()

    def become() -> int:
        if error_log != _ERROR_LOG:
            replace_error_log(error_log)
        drop_inheritance({0, 1, 2, theirs.fileno(), *keep})
        # The supervisor's objects belong to the supervisor: their finalisers must not close our descriptors.
        ours.detach()
        return run(theirs)

    return Child(*fork_connected(pair, become, "a child process"))
