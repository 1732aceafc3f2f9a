"""The client: one epoll loop, requests due by the clock, every one of them accounted for. Shell."""

import errno
import heapq
import itertools
import os
import random
import select
import socket
import time
from collections import deque
from collections.abc import Sequence
from typing import Final

from benchmarks.soak.traffic import Answer, BrokenAnswerError, Kind, Request

__all__ = ["Load"]

_TICK: Final = 0.005
# Seconds after which a request counts as hung; longer than any fault lasts, and than the front waits for anybody.
HUNG_AFTER: Final = 20.0
_MAX_CONNECTIONS: Final = 600
# A client that sends in pieces, or reads a little at a time, does so this often.
_PACE: Final = 0.1
_SIP: Final = 32 * 1024


class _Connection:
    """One connection; busy while `request` is not None."""

    def __init__(self, sock: socket.socket) -> None:
        self.socket = sock
        self.request: Request | None = None
        self.answer = Answer()
        self.out = b""
        self.pieces: list[bytes] = []
        self.connecting = True
        self.error = 0
        self.begun = False


class Load:
    """See the module's docstring.

    Args:
        address: where the server listens; a path for a Unix socket.
        kinds: what is asked for.
        seed: decides which request is of which kind.
        rate: requests per second; without effect if `closed`.
        closed: so many connections send the next request when the last has been answered.
        most: requests in all; None for no bound.
    """

    def __init__(
        self,
        address: tuple[str, int] | str,
        kinds: Sequence[Kind],
        seed: int,
        rate: float,
        *,
        closed: int = 0,
        most: int | None = None,
    ) -> None:
        self._address = address
        self._chance = random.Random(seed)
        self._kinds = list(kinds)
        self._weights = [kind.weight for kind in kinds]
        self._rate = rate
        self._closed = closed
        self._most = most
        self._epoll = select.epoll()
        self._connections: dict[int, _Connection] = {}
        self._idle: deque[_Connection] = deque()
        self._timers: list[tuple[float, int, _Connection]] = []
        self._order = itertools.count()
        self._began = time.monotonic()
        self._busy = 0
        self.requests: list[Request] = []
        self.unasked: list[str] = []
        self.behind = 0

    @property
    def in_flight(self) -> int:
        """How many requests have no outcome yet."""
        return self._busy

    @property
    def exhausted(self) -> bool:
        """Whether all requests that were wanted have been sent."""
        return self._most is not None and len(self.requests) >= self._most

    def turn(self, *, issuing: bool) -> None:
        """Send what is due, then handle what arrives within a tick."""
        now = time.monotonic()
        if issuing:
            self._issue_due(now)
        while self._timers and self._timers[0][0] <= now:
            self._on_timer(heapq.heappop(self._timers)[2])
        for number, events in self._epoll.poll(_TICK):
            connection = self._connections.get(number)
            if connection is not None:
                self._on_event(connection, events)

    def expire(self) -> None:
        """Give up on requests that nobody answers."""
        now = time.monotonic()
        for connection in list(self._connections.values()):
            request = connection.request
            if request is not None and now - request.sent_at > HUNG_AFTER:
                self._end(connection, "hung", f"status {connection.answer.status}, {len(connection.answer.body)} bytes")
                self._close(connection)

    def close(self) -> None:
        """Close every connection; what is still running counts as hung."""
        for connection in list(self._connections.values()):
            if connection.request is not None:
                self._end(connection, "hung", "at the end")
            self._close(connection)
        self._epoll.close()

    # -- sending

    def _issue_due(self, now: float) -> None:
        due = self._closed - self._busy if self._closed else self._due(now)
        if self._most is not None:
            due = min(due, self._most - len(self.requests))
        for number in range(due):
            if self._busy >= _MAX_CONNECTIONS:
                self.behind += due - number
                return
            self._issue(now)

    def _due(self, now: float) -> int:
        return int((now - self._began) * self._rate) - len(self.requests) - self.behind

    def _issue(self, now: float) -> None:
        kind = self._chance.choices(self._kinds, self._weights)[0]
        request = Request(len(self.requests) + 1, kind, now)
        self.requests.append(request)
        connection = (None if kind.closing else self._usable()) or self._connect()
        self._busy += 1
        connection.request = request
        connection.answer = Answer()
        connection.begun = False
        data = request.encode()
        step = -(-len(data) // kind.pieces)
        connection.pieces = [data[at : at + step] for at in range(0, len(data), step)]
        connection.out = b""
        if not connection.connecting:
            self._send_piece(connection)

    def _usable(self) -> _Connection | None:
        """Return the connection that has been idle longest and that the server has not closed meanwhile."""
        while self._idle:
            connection = self._idle.popleft()
            if connection.socket.fileno() == -1:
                continue
            try:
                data = connection.socket.recv(100, socket.MSG_PEEK)
            except BlockingIOError:
                return connection
            except OSError:
                data = b""
            if data:
                self.unasked.append(repr(data[:60]))
            self._close(connection)
        return None

    def _connect(self) -> _Connection:
        unix = isinstance(self._address, str)
        sock = socket.socket(socket.AF_UNIX if unix else socket.AF_INET, socket.SOCK_STREAM)
        sock.setblocking(False)
        if not unix:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection = _Connection(sock)
        self._connections[sock.fileno()] = connection
        error = sock.connect_ex(self._address)
        # What goes wrong later is told by SO_ERROR, at the first event; what is wrong at once never is.
        connection.error = 0 if error == errno.EINPROGRESS else error
        self._epoll.register(sock.fileno(), select.EPOLLIN | select.EPOLLOUT)
        return connection

    def _send_piece(self, connection: _Connection) -> None:
        connection.out += connection.pieces.pop(0)
        if connection.pieces:
            self._set_timer(connection)
        self._send(connection)

    def _send(self, connection: _Connection) -> None:
        try:
            sent = connection.socket.send(connection.out) if connection.out else 0
        except BlockingIOError:
            sent = 0
        except OSError as error:
            # The answer may have come before the reset: a server that refuses a body says so first.
            self._receive(connection, gone=error)
            return
        connection.out = connection.out[sent:]
        self._watch(connection)

    def _watch(self, connection: _Connection) -> None:
        request = connection.request
        reading = 0 if request is not None and request.kind.sips and connection.begun else select.EPOLLIN
        self._epoll.modify(connection.socket.fileno(), reading | (select.EPOLLOUT if connection.out else 0))

    def _set_timer(self, connection: _Connection) -> None:
        heapq.heappush(self._timers, (time.monotonic() + _PACE, next(self._order), connection))

    def _on_timer(self, connection: _Connection) -> None:
        if connection.request is None or connection.socket.fileno() == -1:
            return
        if connection.pieces:
            self._send_piece(connection)
        elif connection.request.kind.sips:
            self._receive(connection, size=_SIP)

    # -- receiving

    def _on_event(self, connection: _Connection, events: int) -> None:
        if connection.connecting:
            error = connection.error or connection.socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
            if error:
                outcome = "refused" if error in {errno.ECONNREFUSED, errno.ENOENT} else "reset"
                self._end(connection, outcome, f"connecting: {os.strerror(error)}")
                self._close(connection)
                return
            connection.connecting = False
            if connection.request is not None:
                self._send_piece(connection)
            return
        if events & select.EPOLLOUT:
            self._send(connection)
            if connection.socket.fileno() == -1:
                return
        if events & ~select.EPOLLOUT:
            self._receive(connection)

    def _receive(self, connection: _Connection, *, size: int = 262_144, gone: OSError | None = None) -> None:
        try:
            data = connection.socket.recv(size)
        except BlockingIOError:
            data = None
        except OSError as error:
            data, gone = b"", gone or error
        if data is None:
            if gone is not None:
                self._lose(connection, str(gone))
            elif connection.request is not None and connection.request.kind.sips and connection.begun:
                self._set_timer(connection)
            return
        if not data:
            self._lose(connection, str(gone or "closed"))
            return
        if connection.request is None:
            self.unasked.append(repr(data[:60]))
            self._close(connection)
            return
        connection.begun = True
        try:
            connection.answer.feed(data)
        except BrokenAnswerError as error:
            self._end(connection, "wrong", str(error))
            self._close(connection)
            return
        if connection.answer.complete:
            self._finish(connection, connection.request)
        elif gone is not None:
            self._receive(connection, gone=gone)
        elif connection.request.kind.sips:
            self._watch(connection)
            self._set_timer(connection)

    def _finish(self, connection: _Connection, request: Request) -> None:
        answer = connection.answer
        if answer.rest:
            self.unasked.append(repr(answer.rest[:60]))
        unsent = bool(connection.out or connection.pieces)
        self._end(connection, *request.judge(answer))
        if unsent or answer.rest or request.kind.closing or answer.headers.get("connection", "") == "close":
            self._close(connection)
        else:
            self._watch(connection)
            self._idle.append(connection)

    def _lose(self, connection: _Connection, why: str) -> None:
        if connection.request is not None:
            answer = connection.answer
            if connection.begun:
                self._end(connection, "cut", f"status {answer.status}, {len(answer.body)} bytes, {why}")
            else:
                self._end(connection, "reset", why)
        self._close(connection)

    def _end(self, connection: _Connection, outcome: str, detail: str) -> None:
        request = connection.request
        assert request is not None
        request.outcome, request.detail, request.ended_at = outcome, detail, time.monotonic()
        connection.request = None
        connection.pieces = []
        self._busy -= 1

    def _close(self, connection: _Connection) -> None:
        number = connection.socket.fileno()
        if number in self._connections:
            del self._connections[number]
            connection.socket.close()
