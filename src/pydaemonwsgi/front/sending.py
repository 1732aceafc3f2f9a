"""Sending bytes and ranges of files to a client's socket, without waiting for client or disk. Shell."""

import os
import socket
from typing import Final

from pydaemonwsgi.system.page_cache import is_cached

__all__ = ["ClientSender"]

# sendfile(2) takes no more at once.
_MOST: Final = 0x7FFFF000
# Bytes of a range for which two system calls more are worth it.
_WORTH_A_CORK: Final = 256 * 1024


class ClientSender:
    """Sends what a spool gives it; see `spool.Sender`.

    Args:
        sock: the client's.

    Attributes:
        cold: the range of a file that the disk must be waited for: descriptor, offset, count.
        is_warmed: a thread has waited for the disk; the next range is sent without another look.
    """

    __slots__ = ("_corked", "_corks", "_descriptor", "_file", "_position", "_socket", "_until", "cold", "is_warmed")

    def __init__(self, sock: socket.socket) -> None:
        self._socket = sock
        self._descriptor = sock.fileno()
        self._corks = sock.family != socket.AF_UNIX
        self._corked = False
        self._file = -1  # what was sent last, up to where, and up to where the disk need not be waited for
        self._position = 0
        self._until = 0
        self.cold: tuple[int, int, int] | None = None
        self.is_warmed = False

    def memory(self, data: bytes, *, more: bool) -> int:
        """Send bytes; -1 when the client takes none at the moment."""
        try:
            return self._socket.send(data, socket.MSG_MORE if more else 0)
        except BlockingIOError:
            return -1

    def file(self, descriptor: int, offset: int, count: int) -> int:
        """Send a range of a file; -1 when client or disk must be waited for, 0 at the file's early end."""
        if descriptor != self._file or offset != self._position or offset >= self._until:
            # One look for many a sendfile: a client takes less at once than a look is for.
            if self.is_warmed:
                # Once is enough: a disk that fails, or memory that is short, is sendfile's to report.
                self.is_warmed = False
            elif not is_cached(descriptor, offset, count):
                self.cold = (descriptor, offset, count)
                return -1
            self._file, self._position, self._until = descriptor, offset, offset + count
            if count > _WORTH_A_CORK and self._corks and not self._corked:
                # With TCP_NODELAY alone the kernel sends each page group by itself: a quarter more of its time.
                self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_CORK, 1)
                self._corked = True
        try:
            sent = os.sendfile(self._descriptor, descriptor, offset, min(count, self._until - offset, _MOST))
        except BlockingIOError:
            return -1
        self._position += sent
        return sent

    def flush(self) -> None:
        """Nothing follows at the moment: send what is not a whole segment."""
        if self._corked:
            self._corked = False
            try:
                self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_CORK, 0)
            except OSError:
                pass  # the client has gone; the next send says so
