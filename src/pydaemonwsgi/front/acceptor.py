"""Where clients come in: the listening sockets, and accepting from them. Shell."""

import asyncio
import errno
import logging
import socket
import time
from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Final

from pydaemonwsgi.front.timeouts import GRAIN
from pydaemonwsgi.system.sockets import number

__all__ = ["Acceptor"]

logger = logging.getLogger(__name__)

# Connections accepted in one turn of the loop, so that accepting does not starve serving.
_ACCEPT_BATCH: Final = 64
# Seconds without accepting after the machine has run out of descriptors.
_ACCEPT_PAUSE: Final = 0.5
# Seconds between two warnings that there is no room; somebody leaves and somebody comes all the time then.
_FULL_WARNING_PAUSE: Final = 60.0
# Seconds that a listener which is gone is still accepted from: the kernel finishes handshakes that were under way. The
# supervisor counts on it (`serve.assembly`).
_LEAVING: Final = 0.5
# What had happened to the connection before it was accepted: accept(2), section Error handling.
_CONNECTION_LOST: Final = frozenset(
    (
        *(errno.ENETDOWN, errno.EPROTO, errno.ENOPROTOOPT, errno.EHOSTDOWN, errno.ENONET, errno.EHOSTUNREACH),
        *(errno.EOPNOTSUPP, errno.ENETUNREACH, errno.ETIMEDOUT, errno.ECONNABORTED, errno.EPERM),
    )
)
_OUT_OF_DESCRIPTORS: Final = frozenset((errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM))


class Acceptor:
    """Accepts connections while there is room for them.

    Args:
        loop: the front's.
        listeners: the listening sockets by name, non-blocking.
        room: how many connections more there may be.
        welcome: takes a new connection and the client's address.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        listeners: Mapping[str, socket.socket],
        room: Callable[[], int],
        welcome: Callable[[socket.socket, object], None],
    ) -> None:
        self._loop = loop
        self._listeners = dict(listeners)
        self._leaving: set[socket.socket] = set()
        self._room = room
        self._welcome = welcome
        self._accepting = False
        self._accept_again = 0.0
        self._warn_again = 0.0
        self._closed = False

    def open(self) -> None:
        """Begin to accept, or go on, if nothing is against it."""
        if not self._accepting and not self._closed and time.monotonic() >= self._accept_again:
            self._accepting = True
            for listener in (*self._listeners.values(), *self._leaving):
                self._loop.add_reader(listener.fileno(), self._accept, listener)

    def pause(self) -> None:
        """Accept nobody until `open`; they wait in the kernel's backlog."""
        if self._accepting:
            self._accepting = False
            for listener in (*self._listeners.values(), *self._leaving):
                self._loop.remove_reader(listener.fileno())

    def change(self, names: Iterable[str], new: Mapping[str, socket.socket]) -> None:
        """Listen elsewhere: on all listeners of these names, of which some are new. Who has come already is served."""
        wanted = set(names)
        gone = [name for name in self._listeners if name not in wanted]
        accepting = self._accepting
        self.pause()
        for name in gone:
            listener = self._listeners.pop(name)
            self._leaving.add(listener)
            self._loop.call_later(_LEAVING, self._leave, listener)
        self._listeners.update(new)
        if accepting:
            self.open()

    def _leave(self, listener: socket.socket) -> None:
        if listener in self._leaving:
            self._leaving.discard(listener)
            self._loop.remove_reader(listener.fileno())
            self._empty(listener)
            listener.close()

    def close(self, left: Collection[int] = ()) -> None:
        """Listen no more; who waits at the listeners of the numbers `left` (`sockets.number`) is left to others."""
        self.pause()
        self._closed = True
        for listener in list(self._leaving):
            self._leave(listener)
        for listener in self._listeners.values():
            if number(listener) not in left:
                self._empty(listener)
            listener.close()

    def _empty(self, listener: socket.socket) -> None:
        # Who is in the backlog was told by the kernel that we are there, whether there is room or not.
        while self._accept(listener, regardless=True):
            pass

    def _accept(self, listener: socket.socket, regardless: bool = False) -> bool:
        """Accept what waits, `regardless` of whether there is room; return whether there may be more."""
        for _ in range(_ACCEPT_BATCH):
            if not regardless and self._room() <= 0:
                self._warn_full()
                self.pause()
                return False
            try:
                sock, address = listener.accept()
            except (BlockingIOError, InterruptedError):
                return False
            except OSError as error:
                if error.errno in _CONNECTION_LOST:
                    continue
                if error.errno not in _OUT_OF_DESCRIPTORS:
                    raise
                logger.warning("cannot accept connections: %s; trying again in %g s", error.strerror, _ACCEPT_PAUSE)
                self.pause()
                # Also a client that leaves does not end the pause: one descriptor at a time would be taken at once.
                self._accept_again = time.monotonic() + _ACCEPT_PAUSE
                self._loop.call_later(_ACCEPT_PAUSE + GRAIN / 2, self.open)
                return False
            sock.setblocking(False)
            self._welcome(sock, address)
        return True

    def _warn_full(self) -> None:
        now = time.monotonic()
        if now >= self._warn_again:
            self._warn_again = now + _FULL_WARNING_PAUSE
            logger.warning(
                "as many clients are connected as may be (--maximum-connections, ServeOption maximum-connections): "
                "others wait until one of them leaves"
            )
