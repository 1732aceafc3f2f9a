"""The control socket's server: who may ask, how long and how much, and who waits for an answer. Shell.

Theory of operation. Nothing that a client does may hold the supervisor up. Sockets do not block; a request is one
short line and an answer is sent as the client takes it, both within a few seconds; a client that is not root and not
our own user is told so and dropped. At most `_CONNECTIONS` are open: one more costs the one that has been silent for
longest. An answer that is not ready yet (`Waiting`) is looked after at every turn of the loop.
"""

import logging
import os
import selectors
import socket
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from pydaemonwsgi.channel.commands import (
    FAILED,
    LONGEST_REQUEST,
    WRONG,
    Answer,
    Request,
    decode_request,
    encode_answer,
)
from pydaemonwsgi.errors import ChannelError
from pydaemonwsgi.system.control_sockets import ControlSocket, peer_of
from pydaemonwsgi.system.sockets import send_with_descriptors

__all__ = ["ControlServer", "Peer", "Reply", "Waiting"]

logger = logging.getLogger(__name__)

# Connections at the same time: many more than people, few enough for any limit of descriptors.
_CONNECTIONS: Final = 32
# Connections accepted in one turn of the loop.
_BATCH: Final = 16
# Seconds without listening after a client could not be accepted.
_REST: Final = 1.0
# Seconds for a request to arrive, and for an answer to be taken.
_PATIENCE: Final = 10.0


@dataclass(frozen=True, slots=True)
class Peer:
    """Who asks."""

    pid: int
    uid: int

    def __str__(self) -> str:
        return f"pid {self.pid} of uid {self.uid}"


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer, and descriptors that travel with it and are closed after."""

    answer: Answer
    descriptors: tuple[int, ...] = ()


@dataclass(slots=True)
class Waiting:
    """An answer that is not ready yet.

    Attributes:
        look: returns the reply once it is ready; gets the time, monotonic.
        until: when `look` should be asked although nothing has happened; None for never.
        forget: called if the client goes before.
    """

    look: Callable[[float], Reply | None]
    until: float | None = None
    forget: Callable[[], None] = lambda: None


class _Connection:
    __slots__ = ("buffer", "deadline", "descriptors", "out", "peer", "sock", "waiting")

    def __init__(self, sock: socket.socket, peer: Peer, deadline: float) -> None:
        self.sock = sock
        self.peer = peer
        self.deadline: float | None = deadline
        self.buffer = b""
        self.out = b""
        self.descriptors: tuple[int, ...] = ()
        self.waiting: Waiting | None = None

    def close_descriptors(self) -> None:
        """Give up what was to travel with the answer, or has."""
        for descriptor in self.descriptors:
            os.close(descriptor)
        self.descriptors = ()


class ControlServer:
    """See the module's docstring.

    Args:
        selector: the loop's.
        control_socket: where to listen.
        clock: monotonic seconds.
        obey: carries out a request.
    """

    def __init__(
        self,
        selector: selectors.BaseSelector,
        control_socket: ControlSocket,
        clock: Callable[[], float],
        obey: Callable[[Request, Peer], Reply | Waiting],
    ) -> None:
        self._selector = selector
        self._socket = control_socket
        self._clock = clock
        self._obey = obey
        self._users = {0, os.geteuid()}
        self._connections: dict[socket.socket, _Connection] = {}
        self._rests_until: float | None = None
        self._listen()

    @property
    def path(self) -> str:
        """Where it listens."""
        return self._socket.path

    # -- the loop

    def carry_out(self, now: float) -> None:
        """Send the answers that are ready; end the connections whose time is over."""
        if self._rests_until is not None and now >= self._rests_until:
            self._rests_until = None
            self._listen()
        for connection in list(self._connections.values()):
            if connection.waiting is not None:
                self._act(self._look, connection)
            if connection.deadline is not None and now >= connection.deadline:
                self._drop(connection)

    def next_deadline(self) -> float | None:
        """Return the monotonic time at which `carry_out` has something to do, or None."""
        times = [self._rests_until, *(connection.deadline for connection in self._connections.values())]
        times += [connection.waiting.until for connection in self._connections.values() if connection.waiting]
        return min((at for at in times if at is not None), default=None)

    def close(self) -> None:
        """End all connections and remove the socket."""
        self._end()
        self._socket.close()

    def leave(self) -> None:
        """End all connections; the socket is another server's from now on."""
        self._end()
        self._socket.leave()

    def _end(self) -> None:
        if self._rests_until is None:
            self._selector.unregister(self._socket.listener)
        self._rests_until = None
        for connection in list(self._connections.values()):
            self._drop(connection)

    # -- connections

    def _listen(self) -> None:
        self._selector.register(self._socket.listener, selectors.EVENT_READ, self._accept)

    def _accept(self) -> None:
        for _ in range(_BATCH):
            try:
                sock, _ = self._socket.listener.accept()
            except BlockingIOError:
                return  # nobody is left
            except OSError:
                # No descriptor is to be had. Who waits would be announced again and again.
                self._selector.unregister(self._socket.listener)
                self._rests_until = self._clock() + _REST
                return
            sock.setblocking(False)
            peer = Peer(*peer_of(sock))
            connection = _Connection(sock, peer, self._clock() + _PATIENCE)
            if peer.uid not in self._users:
                logger.warning("control socket: %s is not allowed to ask; only root and uid %d are", peer, os.geteuid())
                _send_at_once(sock, Answer(FAILED, {}, f"uid {peer.uid} is not allowed to control this server"))
                sock.close()
                continue
            if len(self._connections) >= _CONNECTIONS:
                self._drop(min(self._connections.values(), key=_worth))
            self._connections[sock] = connection
            self._watch(connection, selectors.EVENT_READ)

    def _watch(self, connection: _Connection, events: int) -> None:
        action = self._on_readable if events == selectors.EVENT_READ else self._on_writable
        self._unwatch(connection)
        self._selector.register(connection.sock, events, lambda: self._act(action, connection))

    def _act(self, action: Callable[[_Connection], None], connection: _Connection) -> None:
        if connection.sock not in self._connections:
            return  # given up for another one in this very turn of the loop
        try:
            action(connection)
        except Exception:
            # A safety net: a bug here must not end the server.
            logger.exception("control socket: talking with %s failed", connection.peer)
            self._drop(connection)

    def _look(self, connection: _Connection) -> None:
        assert connection.waiting is not None
        reply = connection.waiting.look(self._clock())
        if reply is not None:
            connection.waiting = None
            self._answer(connection, reply)

    def _unwatch(self, connection: _Connection) -> None:
        try:
            self._selector.unregister(connection.sock)
        except KeyError:
            pass  # not watched

    def _on_readable(self, connection: _Connection) -> None:
        try:
            data = connection.sock.recv(LONGEST_REQUEST)
        except BlockingIOError:
            return
        except OSError:
            self._drop(connection)
            return
        if connection.waiting is not None:
            # It has asked already. A client that only shut its side down still reads; one that has gone is noticed
            # when its answer is sent.
            if not data:
                self._unwatch(connection)
            return
        connection.buffer += data
        line, newline, _ = connection.buffer.partition(b"\n")
        if newline or (not data and line):
            self._take(connection, line)
        elif not data:
            self._drop(connection)
        elif len(line) > LONGEST_REQUEST:
            self._answer(connection, Reply(Answer(WRONG, {}, f"a request has at most {LONGEST_REQUEST} bytes")))

    def _take(self, connection: _Connection, line: bytes) -> None:
        try:
            reply = self._obey(decode_request(line), connection.peer)
        except ChannelError as error:
            reply = Reply(Answer(WRONG, {}, str(error)))
        except OSError as error:
            # No descriptors or no memory are to be had; nothing has been done.
            why = (error.strerror or str(error)).lower()
            reply = Reply(Answer(FAILED, {}, f"the server cannot do that now: {why}"))
        if isinstance(reply, Waiting):
            connection.waiting = reply
            connection.deadline = None
        else:
            self._answer(connection, reply)

    # -- answers

    def _answer(self, connection: _Connection, reply: Reply) -> None:
        connection.out = encode_answer(reply.answer)
        connection.descriptors = reply.descriptors
        connection.deadline = self._clock() + _PATIENCE
        self._on_writable(connection)

    def _on_writable(self, connection: _Connection) -> None:
        try:
            sent = send_with_descriptors(connection.sock, connection.out, connection.descriptors)
        except BlockingIOError:
            sent = 0
        except OSError:
            self._drop(connection)
            return
        if sent:
            connection.close_descriptors()
        connection.out = connection.out[sent:]
        if connection.out:
            self._watch(connection, selectors.EVENT_WRITE)
        else:
            self._drop(connection)

    def _drop(self, connection: _Connection) -> None:
        if self._connections.pop(connection.sock, None) is None:
            return
        self._unwatch(connection)
        if connection.waiting is not None:
            connection.waiting.forget()
            connection.waiting = None
        connection.close_descriptors()
        connection.sock.close()


def _worth(connection: _Connection) -> tuple[bool, float]:
    """Order connections by how much would be lost with them: first those that have asked nothing, oldest first."""
    asked = connection.waiting is not None or bool(connection.out)
    return (asked, connection.deadline or 0.0)


def _send_at_once(sock: socket.socket, answer: Answer) -> None:
    try:
        sock.send(encode_answer(answer))
    except OSError:
        pass  # it need not know
