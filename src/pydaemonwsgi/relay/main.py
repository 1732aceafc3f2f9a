"""The relay from fork to exit: reads logs from pipes, tells the syslog daemon. Shell.

It has the run-as user's rights, and waits for the syslog daemon as long as that takes: meanwhile records stay in the
pipes, and what these do not take is lost and counted by those who write. It ends with its last pipe.
"""

import errno
import fcntl
import logging
import os
import select
import signal
import socket
import time
from collections.abc import Iterable
from typing import Final

import setproctitle

from pydaemonwsgi.errors import PrivilegeError
from pydaemonwsgi.logs import ERROR_LOG, setup_error_log
from pydaemonwsgi.relay.syslog import message
from pydaemonwsgi.system.credentials import PRIVILEGE_EXIT_STATUS, drop_privileges
from pydaemonwsgi.system.descriptors import replace_error_log
from pydaemonwsgi.system.identities import Identity

__all__ = ["run"]

logger = logging.getLogger(__name__)

_READ: Final = 65536
# A line longer than this, in bytes, becomes several messages; syslog daemons take at least 8 KiB by default.
_LONGEST: Final = 8192
# What every syslog daemon takes (RFC 3164, section 4.1).
_SAFE: Final = 1024
# Seconds between two attempts to reach the syslog daemon, and those that a relay tries once it is to leave.
_AGAIN: Final = 0.2
_LEAVING: Final = 1.0


def run(routes: Iterable[tuple[int, int, str, bool]], address: str, identity: Identity | None, stderr: int) -> int:
    """Be the relay; return the exit status. Called in a fresh child.

    Args:
        routes: for each log the descriptor to read, number of the facility, tag, and whether it is an error log.
        address: path of the syslog daemon's socket.
        identity: who to become; None to stay who it is.
        stderr: descriptor of its own error log.
    """
    if stderr != ERROR_LOG:
        replace_error_log(stderr)
    setproctitle.setproctitle("pydaemonwsgi: syslog relay")
    setup_error_log("info", label="syslog")
    try:
        if identity is not None:
            drop_privileges(identity)
    except PrivilegeError as error:
        logger.critical("cannot become the run-as user: %s; the process ends", error)
        return PRIVILEGE_EXIT_STATUS
    os.chdir("/")
    sources = {source: _Source(source, facility, tag, is_error) for source, facility, tag, is_error in routes}
    return _Relay(sources, address).run()


class _Source:
    """A pipe that a log is read from; `rest` is the beginning of a line whose end has not come."""

    __slots__ = ("descriptor", "facility", "is_error", "rest", "tag")

    def __init__(self, descriptor: int, facility: int, tag: str, is_error: bool) -> None:
        self.descriptor = descriptor
        self.facility = facility
        self.tag = tag
        self.is_error = is_error
        self.rest = b""

    def messages(self, data: bytes) -> list[bytes]:
        """Return what `data`, which follows on what came before, has to tell; b"" is the end."""
        *lines, self.rest = (self.rest + data).split(b"\n")
        if not data or len(self.rest) > _LONGEST:
            lines.append(self.rest)
            self.rest = b""
        at = time.localtime()
        return [
            message(line[start : start + _LONGEST], self.facility, self.tag, at, is_error=self.is_error)
            for line in lines
            for start in range(0, len(line), _LONGEST)
        ]


class _Relay:
    def __init__(self, sources: dict[int, _Source], address: str) -> None:
        self._sources = sources
        self._address = address
        self._socket: socket.socket | None = None
        self._complained = False
        self._leave_at: float | None = None
        self._waker, self._wake = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)

    def run(self) -> int:
        signal.set_wakeup_fd(self._wake)
        signal.signal(signal.SIGTERM, self._on_term)
        poller = select.poll()
        poller.register(self._waker, select.POLLIN)
        for source in self._sources:
            poller.register(source, select.POLLIN)
        while self._sources:
            if self._leave_at is not None and self._may_leave(self._leave_at):
                return 0
            for descriptor, _ in poller.poll(None if self._leave_at is None else _AGAIN * 1000):
                if descriptor == self._waker:
                    os.read(self._waker, 64)
                elif self._leave_at is None or self._sources[descriptor].rest:
                    data = os.read(descriptor, _READ)
                    self._tell(self._sources[descriptor].messages(data))
                    if not data:
                        poller.unregister(descriptor)
                        os.close(self._sources.pop(descriptor).descriptor)
        return 0

    def _on_term(self, number: int, frame: object) -> None:
        """Leave: who comes next goes on where a line begins."""
        del number, frame
        if self._leave_at is None:
            self._leave_at = time.monotonic() + _LEAVING

    def _may_leave(self, leave_at: float) -> bool:
        if time.monotonic() < leave_at and any(source.rest for source in self._sources.values()):
            return False
        for source in self._sources.values():
            self._tell(source.messages(b""))
        return True

    # -- the syslog daemon

    def _tell(self, messages: list[bytes]) -> None:
        for number, one in enumerate(messages):
            while not self._send(one):
                if self._leave_at is not None and time.monotonic() >= self._leave_at:
                    logger.error("%d records of logs are lost: syslog does not take them", len(messages) - number)
                    return
                self._pause()

    def _pause(self) -> None:
        """Wait until the daemon has room, or until another attempt is due."""
        poller = select.poll()
        if self._socket is not None:
            poller.register(self._socket, select.POLLOUT)
        poller.poll(_AGAIN * 1000)

    def _send(self, one: bytes) -> bool:
        try:
            if self._socket is None:
                self._connect()
            assert self._socket is not None
            self._socket.send(one)
        except BlockingIOError:
            return False
        except OSError as error:
            if error.errno == errno.EMSGSIZE and len(one) > _SAFE:
                return self._send(one[:_SAFE])
            if self._socket is not None:
                self._socket.close()
                self._socket = None
                return self._send(one)  # it may have been started anew: a socket of the same name
            if not self._complained:
                self._complained = True
                logger.error("syslog cannot be reached: %s: %s; records wait for it", self._address, error.strerror)
            return False
        if self._complained:
            self._complained = False
            logger.info("syslog can be reached again")
        return True

    def _connect(self) -> None:
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        sock.setblocking(False)
        try:
            sock.connect(self._address)
            # Not one of the standard streams, should one of these be closed.
            self._socket = socket.socket(fileno=fcntl.fcntl(sock.fileno(), fcntl.F_DUPFD_CLOEXEC, 3))
            self._socket.setblocking(False)
        finally:
            sock.close()
