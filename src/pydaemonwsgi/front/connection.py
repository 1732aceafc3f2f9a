"""A client's connection, without what is said on it: its socket, its deadline, and how it ends. Shell."""

import asyncio
import errno
import socket
import struct
import time
from enum import Enum
from typing import TYPE_CHECKING, Final

from pydaemonwsgi.front.poller import READ

if TYPE_CHECKING:
    from pydaemonwsgi.front.server import FrontServer

__all__ = ["Connection", "State"]

# How long, in seconds, we read and drop what a client still sends after its last answer, so that the answer is
# not destroyed by a reset (RFC 9112 section 9.6).
_LINGER: Final = 2.0


class State(Enum):
    """What a connection is doing."""

    HEAD = "waiting for or reading a request head"
    BODY = "reading a request body"
    ANSWER = "its request is being answered"
    LINGER = "closing, reading what is left"
    CLOSED = "closed"


class Connection:
    """A client's connection; `Answering` writes on it, `Client` reads from it.

    Args:
        front: the front.
        sock: the accepted socket, non-blocking.
        addresses: peer address and port, local address and port.

    Attributes:
        addresses: see above.
        deadline: when what is waited for must have come (monotonic).
        bucket: the deadline's, see `DeadlineBuckets`.
        state: what it is doing.
    """

    __slots__ = (
        "_buffer",
        "_events",
        "_fd",
        "_front",
        "_half_closed",
        "_lingers",
        "_loop",
        "_socket",
        "addresses",
        "bucket",
        "deadline",
        "state",
    )

    def __init__(self, front: "FrontServer", sock: socket.socket, addresses: tuple[str, int, str, int]) -> None:
        self._front = front
        self._loop: asyncio.AbstractEventLoop = front.loop
        self._socket = sock
        self._fd = sock.fileno()
        self._buffer = b""  # what has come and has not been looked at
        self._half_closed = False  # the client sends nothing any more
        self._lingers = False  # a body may still come that nobody reads: the connection ends with this answer
        self._events = READ
        self.addresses = addresses
        self.state = State.HEAD
        self.bucket = -1
        self.deadline = 0.0

    @property
    def peer(self) -> str:
        """Who it is: address and port, or that it came by a Unix socket."""
        host, port = self.addresses[:2]
        return (f"[{host}]:{port}" if ":" in host else f"{host}:{port}") if host else "unix"

    @property
    def peer_address(self) -> str:
        """The client's address, in words."""
        return self.addresses[0] or "a Unix socket"

    def _watch(self, events: int) -> None:
        if events != self._events:
            self._events = events
            self._front.poller.change(self._fd, events)

    def _set_deadline(self, deadline: float) -> None:
        self.deadline = deadline
        self._front.deadlines.note(self)

    # -- ends

    def close_if_idle(self) -> None:
        """Close a connection that is between requests; the server is stopping.

        One of which something has come that nobody has read is not: it may have been accepted a moment ago.
        """
        if self.state is State.HEAD and not self._buffer and not self._unread():
            self.close()

    def _close_politely(self) -> None:
        """Close so that the last answer arrives, whatever the client is still sending."""
        if not self._buffer and not self._lingers and not self._unread():
            self.close()
            return
        self.state = State.LINGER
        self._buffer = b""
        try:
            self._socket.shutdown(socket.SHUT_WR)
        except OSError:
            self.close()
            return
        if self._half_closed:
            self.close()
            return
        self._watch(READ)
        self._set_deadline(time.monotonic() + _LINGER)

    def _unread(self) -> bool:
        """Whether bytes have arrived that nobody has read; closing now would reset the connection."""
        try:
            return bool(self._socket.recv(1, socket.MSG_PEEK))
        except OSError:
            return False

    def _reset(self) -> None:
        """Break the connection in a way that cannot be taken for an end."""
        if self._socket.family != socket.AF_UNIX:
            try:
                self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            except OSError as error:
                assert error.errno != errno.EBADF  # noqa: PT017 - ours to keep open until close
        self.close()

    def close(self) -> None:
        """Close at once and give everything back."""
        if self.state is State.CLOSED:
            return
        self.state = State.CLOSED
        self._give_back()
        self._front.poller.remove(self._fd)
        self._front.deadlines.forget(self)
        self._socket.close()

    def _give_back(self) -> None:
        """Give back what belongs to the request that is not answered any more."""
