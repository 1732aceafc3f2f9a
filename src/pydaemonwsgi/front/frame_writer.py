"""What the front sends to one daemon process: frames, with or without a descriptor, as fast as it reads. Shell."""

import asyncio
import errno
import logging
import socket
from collections import deque
from typing import Final

from pydaemonwsgi.front.exchange import Exchange
from pydaemonwsgi.system.sockets import send_with_descriptors

__all__ = ["FrameWriter"]

logger = logging.getLogger(__name__)

# Frames that are joined to one system call at most.
_RUN: Final = 256
# unix(7): this user has more descriptors on their way than it may have open; or the kernel is out of memory.
_PASSES: Final = frozenset((errno.ETOOMANYREFS, errno.ENOBUFS, errno.ENOMEM))
# Seconds after which what the kernel had no room for is tried again.
_LATER: Final = 0.05


class FrameWriter:
    """Sends frames in the order in which they were added, all of one turn of the loop together.

    Args:
        loop: which says when there is room again.
        sock: this end of the channel, non-blocking.

    Attributes:
        waiting: frames to send; with its exchange, one whose body is a descriptor that goes with it.
        scheduled: whether they will be sent without another call.
    """

    __slots__ = ("_blocked", "_closed", "_loop", "_socket", "_told", "scheduled", "waiting")

    def __init__(self, loop: asyncio.AbstractEventLoop, sock: socket.socket) -> None:
        self._loop = loop
        self._socket = sock
        self._blocked = False
        self._closed = False
        self._told = False
        self.waiting: deque[bytes | tuple[bytes, Exchange]] = deque()
        self.scheduled = False

    def add(self, frame: bytes) -> None:
        """Have a frame sent at the end of this turn of the loop."""
        self.waiting.append(frame)
        if not self.scheduled:
            self.schedule()

    def schedule(self) -> None:
        """Have all that waits sent at the end of this turn of the loop."""
        self.scheduled = True
        self._loop.call_soon(self.flush)

    def flush(self) -> None:
        """Send as much as the daemon process takes; the rest follows when it takes more."""
        self.scheduled = False
        if self._blocked or self._closed:
            return
        waiting = self.waiting
        try:
            while waiting:
                first = waiting.popleft()
                data = first[0] if isinstance(first, tuple) else self._joined(first)
                try:
                    sent = self._send_body(first) if isinstance(first, tuple) else self._socket.send(data)
                except OSError:
                    waiting.appendleft(first if isinstance(first, tuple) else data)
                    raise
                if sent < len(data):
                    waiting.appendleft(data[sent:])
        except BlockingIOError:
            self._blocked = True
            self._loop.add_writer(self._socket.fileno(), self._on_writable)
        except OSError as error:
            if error.errno in _PASSES:
                self._try_later(error)
            else:
                # The process has gone: reading says so too, after what it still managed to send.
                waiting.clear()

    def _try_later(self, error: OSError) -> None:
        self.scheduled = True
        self._loop.call_later(_LATER, self.flush)
        if not self._told:
            self._told = True
            logger.warning(
                "requests wait, for the kernel cannot pass them on at the moment: %s%s",
                error.strerror,
                "; raise LimitNOFILE or ulimit -n" if error.errno == errno.ETOOMANYREFS else "",
            )

    def _joined(self, first: bytes) -> bytes:
        """Return a frame with those behind it that can be sent together."""
        waiting = self.waiting
        if not waiting or isinstance(waiting[0], tuple):
            return first
        run = [first]
        while waiting and len(run) < _RUN and isinstance(following := waiting[0], bytes):
            run.append(following)
            waiting.popleft()
        return b"".join(run)

    def _send_body(self, request: tuple[bytes, Exchange]) -> int:
        """Send a request with the descriptor of its body, unless its client has left; it never will be sent then."""
        frame, exchange = request
        if exchange.body is None or exchange.body.descriptor < 0:
            exchange.channel.withdraw(exchange)
            return len(frame)
        return send_with_descriptors(self._socket, frame, (exchange.body.descriptor,))

    def _on_writable(self) -> None:
        self._loop.remove_writer(self._socket.fileno())
        self._blocked = False
        self.flush()

    def close(self) -> None:
        """Send nothing any more; the socket is about to be closed."""
        self._closed = True
        self.waiting.clear()
        if self._blocked:
            self._loop.remove_writer(self._socket.fileno())
