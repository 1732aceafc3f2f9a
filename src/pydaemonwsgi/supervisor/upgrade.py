"""SIGUSR2: a supervisor from the code that is installed now takes over. Shell.

    old                                             new
    SIGUSR2: fork, exec the same command ---------> starts its daemon processes; no front yet, so no client sees it
                                                    all have loaded: starts its front, which accepts
                                      <--- KEEPS -- listens here; READY does without it if it is an older version
                                      <--- READY -- the front is ready (FAILED and why, if it never will be)
    MAINPID= to the service manager
    gives up control socket          ---- GO ----> takes the control socket, tells the service manager
    front stops accepting, finishes; daemon processes leave; exits with 0

Whatever goes wrong before READY ends the new one, and the old one goes on as if nothing had happened. Listening sockets
are passed as descriptors, so both accept from the same backlog in between, and nobody is refused. The new one may have
another configuration: who waits at a listener that it does not have is answered by the old one.

A connection that ends without READY is a failure. One that ends without GO is not: the old one has died, and the new
one is all there is.
"""

import logging
import os
import selectors
import signal
import socket
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Final

from pydaemonwsgi.supervisor.children import fork_connected
from pydaemonwsgi.supervisor.exits import describe_exit
from pydaemonwsgi.supervisor.logs import SERVER_ERROR_LOG
from pydaemonwsgi.supervisor.signals import reset_signals
from pydaemonwsgi.system.inheritance import hand_down

__all__ = [
    "CONTROL",
    "CONTROL_LOCK",
    "FOREIGN",
    "LISTENER",
    "PASSED_ON",
    "PREDECESSOR",
    "Predecessor",
    "Successor",
    "say_failed",
    "start_successor",
]

logger = logging.getLogger(__name__)

# What the descriptors are called that a supervisor passes to its successor.
LISTENER: Final = "pydaemonwsgi-listener"
FOREIGN: Final = "pydaemonwsgi-foreign"
CONTROL: Final = "pydaemonwsgi-control"
CONTROL_LOCK: Final = "pydaemonwsgi-control-lock"
PREDECESSOR: Final = "pydaemonwsgi-predecessor"
PASSED_ON: Final = frozenset((FOREIGN, CONTROL, CONTROL_LOCK, PREDECESSOR))

_KEEPS: Final = b"KEEPS "
_READY: Final = b"READY"
_GO: Final = b"GO"
_FAILED: Final = b"FAILED "
# Bytes of a reason that are told; a configuration may have many mistakes.
_LONGEST: Final = 16 * 1024
# Numbers in one message.
_MOST_NUMBERS: Final = 500
# Seconds from SIGTERM to SIGKILL for a successor that is given up.
_PATIENCE: Final = 10.0
# Exit status of a child that could not become the new supervisor; a shell's for a command that is not there.
_NO_EXEC: Final = 127


class Successor:
    """A new supervisor that is to take over, as the old one has it.

    Args:
        pid: its pid.
        link: our end of the connection to it, non-blocking.
        patience: seconds that it has to become ready.
        selector: the loop's.
        on_ready: called when it is.
        stderr_elsewhere: whether its standard error is not the log that this one writes.

    Attributes:
        ready: whether it was; from then on it is the server.
        keeps: the numbers of the listeners that it has (`sockets.number`); None if it has not said.
    """

    def __init__(
        self,
        pid: int,
        link: socket.socket,
        patience: float,
        selector: selectors.BaseSelector,
        on_ready: Callable[[], None],
        *,
        stderr_elsewhere: bool,
    ) -> None:
        self.pid = pid
        self.ready = False
        self.keeps: frozenset[int] | None = None
        self._link = link
        self._patience = patience
        self._selector = selector
        self._on_ready = on_ready
        self._deadline: float | None = time.monotonic() + patience
        self._terminated = False
        self._stderr_elsewhere = stderr_elsewhere
        self._why = ""
        self._owed: dict[signal.Signals, None] = {}
        selector.register(link, selectors.EVENT_READ, self._hear)

    def next_deadline(self) -> float | None:
        """Return the monotonic time at which `carry_out` has something to do, or None."""
        return self._deadline

    def carry_out(self, now: float) -> None:
        """End it if it has taken too long."""
        if self._deadline is None or now < self._deadline:
            return
        if self._terminated:
            self._deadline = None
            self._signal(signal.SIGKILL)
        else:
            self.give_up(f"it was not ready within {self._patience:g} s")

    def give_up(self, why: str) -> None:
        """End it; this server goes on."""
        logger.error("upgrade: the new supervisor (pid %d) is given up: %s; this one goes on", self.pid, why)
        self._terminated = True
        self._deadline = time.monotonic() + _PATIENCE
        self._signal(signal.SIGTERM)

    def owe(self, number: signal.Signals) -> None:
        """This server was told something that is for whoever is the server: the successor hears it when it is."""
        self._owed[number] = None

    def release(self) -> None:
        """Tell it that it is the server now, and what came meanwhile."""
        self.ready = True
        self._deadline = None
        try:
            self._link.send(_GO)
        except OSError as error:
            logger.error("upgrade: the new supervisor (pid %d) does not hear: %s", self.pid, error)
        for number in self._owed:
            logger.info("upgrade: %s came meanwhile; it is passed on to pid %d", number.name, self.pid)
            self._signal(number)
        self._close()

    def bury(self, status: int) -> None:
        """It has been reaped."""
        while self._link.fileno() >= 0 and self._listen() not in {None, b""}:
            pass  # what it has said last
        self._close()
        if self.ready:
            logger.error(
                "the new supervisor (pid %d) %s after it had taken over; start the server again",
                self.pid,
                describe_exit(status),
            )
        elif not self._terminated:
            logger.error(
                "upgrade: the new supervisor (pid %d) %s before it was ready. This one goes on as before. %s",
                self.pid,
                describe_exit(status),
                f"It said: {self._why}" if self._why else f"Its messages, if any, are {self._where}",
            )

    @property
    def _where(self) -> str:
        return "on the standard error that this server was started with" if self._stderr_elsewhere else "above"

    def _hear(self) -> None:
        data = self._listen()
        if data == _READY and not self._terminated:
            self._on_ready()
        elif data == b"":
            # It is about to be reaped; why it ended is said then.
            self._close()

    def _listen(self) -> bytes | None:
        """Return what it says, b"" at the end, or None if there is nothing; a reason is kept."""
        try:
            data = self._link.recv(_LONGEST)
        except BlockingIOError:
            return None
        except OSError:
            return b""
        if data.startswith(_FAILED):
            self._why = data.removeprefix(_FAILED).decode("utf-8", "replace")
        elif data.startswith(_KEEPS):
            self.keeps = (self.keeps or frozenset()) | set(map(int, data.removeprefix(_KEEPS).split()))
        return data

    def _close(self) -> None:
        if self._link.fileno() >= 0:
            self._selector.unregister(self._link)
            self._link.close()

    def _signal(self, number: signal.Signals) -> None:
        try:
            os.kill(self.pid, number)
        except ProcessLookupError:
            pass


class Predecessor:
    """The old supervisor, as the new one has it.

    Args:
        link: connection to it.
        selector: the loop's.
        on_go: called once this one is the server.
    """

    def __init__(self, link: socket.socket, selector: selectors.BaseSelector, on_go: Callable[[], None]) -> None:
        self._link = link
        self._selector = selector
        self._on_go = on_go
        link.setblocking(False)
        selector.register(link, selectors.EVENT_READ, self._hear)

    def say_ready(self, listeners: Sequence[int]) -> None:
        """This server serves, on the listeners of these numbers (`sockets.number`)."""
        try:
            # An older version passes over what it does not know.
            for first in range(0, len(listeners), _MOST_NUMBERS) or (0,):
                numbers = map(str, listeners[first : first + _MOST_NUMBERS])
                self._link.send(_KEEPS + " ".join(numbers).encode())
            self._link.send(_READY)
        except OSError:
            pass  # it has died, which `_hear` finds as well

    def say_failed(self, why: str) -> None:
        """This server never will serve; it ends."""
        say_failed(self._link, why)

    def _hear(self) -> None:
        try:
            data = self._link.recv(64)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if data != _GO:
            logger.warning("the supervisor that this one was to replace has gone; this one is the server")
        self._selector.unregister(self._link)
        self._link.close()
        self._on_go()


def say_failed(link: socket.socket, why: str) -> None:
    """Tell the old supervisor why this one ends before it is ready."""
    try:
        link.send(_FAILED + why.encode("utf-8", "replace")[: _LONGEST - len(_FAILED)])
    except OSError:
        pass  # it has died, and so has nothing to go on with


def start_successor(
    descriptors: Sequence[tuple[str, int]],
    environment: Callable[[int], Mapping[str, str]],
    directory: str,
    *,
    patience: float,
    selector: selectors.BaseSelector,
    on_ready: Callable[[], None],
    stderr: int,
) -> Successor:
    """Start this very command again, as it is installed now, and give it our descriptors.

    Args:
        descriptors: what it inherits, by name.
        environment: more variables for it; gets its pid.
        directory: where this command was started, as the user called it: it may be a link to another place by now.
        patience: seconds that it has to become ready.
        selector: the loop's.
        on_ready: called when it is.
        stderr: its standard error, as this command was given it.

    Raises:
        OSError: no process or no descriptors are to be had.
    """
    pair = _, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)

    def become() -> int:
        reset_signals()
        try:
            os.chdir(directory)
            variables = hand_down([*descriptors, (PREDECESSOR, theirs.fileno())])
            if stderr != SERVER_ERROR_LOG:
                os.dup2(stderr, SERVER_ERROR_LOG)
            os.execve(  # noqa: S606 - the command that the user gave, unchanged
                sys.executable,
                [sys.executable, *sys.orig_argv[1:]],
                {**os.environ, **environment(os.getpid()), **variables},
            )
        except OSError as error:
            where = f"{error.filename}: " if error.filename else ""
            logger.error("upgrade: the new supervisor cannot be started: %s%s", where, error.strerror)
        return _NO_EXEC

    pid, ours = fork_connected(pair, become, "upgrade: the new supervisor", _NO_EXEC)
    elsewhere = stderr != SERVER_ERROR_LOG
    return Successor(pid, ours, patience, selector, on_ready, stderr_elsewhere=elsewhere)
