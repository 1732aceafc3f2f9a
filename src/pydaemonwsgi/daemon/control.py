"""A daemon process's end of the control connection: what is said waits until the supervisor takes it. Shell."""

import select
import socket
from collections import deque
from collections.abc import Callable
from typing import Any

from pydaemonwsgi.channel import control
from pydaemonwsgi.channel.control import Message, Word
from pydaemonwsgi.system.sockets import receive_with_descriptors

__all__ = ["ControlConnection"]


class ControlConnection:
    """The connection to the supervisor. Any thread may `say`; the monitor alone sends and receives.

    Args:
        sock: this end; it becomes non-blocking.
        wake_monitor: called when there is something to send.
    """

    def __init__(self, sock: socket.socket, wake_monitor: Callable[[], None]) -> None:
        sock.setblocking(False)
        self._socket = sock
        self._wake_monitor = wake_monitor
        self._outbox: deque[bytes] = deque()

    def fileno(self) -> int:
        """Return its descriptor, to be polled."""
        return self._socket.fileno()

    @property
    def unsent(self) -> bool:
        """Whether something waits to be sent."""
        return bool(self._outbox)

    def say(self, word: Word, **fields: Any) -> None:
        """Have a message sent by the monitor, soon."""
        self._outbox.append(control.encode(word, **fields))
        self._wake_monitor()

    def flush(self) -> None:
        """Send what the supervisor takes now."""
        while self._outbox:
            try:
                self._socket.send(self._outbox[0])
            except BlockingIOError:
                return
            except OSError:
                self._outbox.clear()
                return
            self._outbox.popleft()

    def wait(self) -> Message:
        """Return the next message, which brings no descriptors, as soon as there is one.

        Raises:
            EOFError: the supervisor has gone.
            ChannelError: what came is no message.
        """
        poller = select.poll()
        poller.register(self._socket, select.POLLIN)
        while (received := self.receive()) is None:
            poller.poll()
        return received[0]

    def receive(self) -> tuple[Message, list[int]] | None:
        """Return the next message and its descriptors, which belong to the caller; None when there is none now.

        Raises:
            EOFError: the supervisor has gone.
            ChannelError: what came is no message.
        """
        try:
            data, descriptors = receive_with_descriptors(self._socket, control.MAXIMUM_MESSAGE)
        except BlockingIOError:
            return None
        except OSError as error:
            raise EOFError from error
        if not data:
            raise EOFError
        return control.decode(data), descriptors

    def close(self) -> None:
        """Give up this process's end."""
        self._socket.close()
