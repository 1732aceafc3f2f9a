"""One client: its requests are read, and each is brought to whoever answers it. Shell over `http`.

Bodies are received by `receiving`, answers written by `answering`; the connection under all is `connection`'s.
"""

import logging
import re
import socket
import time
from typing import TYPE_CHECKING, Final

from pydaemonwsgi.errors import HttpError
from pydaemonwsgi.front.connection import State
from pydaemonwsgi.front.exchange import Exchange
from pydaemonwsgi.front.poller import READ
from pydaemonwsgi.front.questions import Consultation, Denial
from pydaemonwsgi.front.receiving import Receiving
from pydaemonwsgi.front.routes import Route
from pydaemonwsgi.front.spool import RequestBody
from pydaemonwsgi.front.timeouts import GRAIN, NEVER
from pydaemonwsgi.http.head import RequestHead, other_protocol
from pydaemonwsgi.http.response import options_response
from pydaemonwsgi.routing.decisions import Script

if TYPE_CHECKING:
    from pydaemonwsgi.front.server import FrontServer

__all__ = ["Client"]

logger = logging.getLogger(__name__)

_RECEIVE: Final = 16 * 1024
# Bytes of requests that may wait behind the one being answered (pipelining) before we stop reading.
_READ_AHEAD: Final = 64 * 1024

# Bytes of a line that was refused that are logged.
_LONGEST_LINE: Final = 1024

_EMPTY_LINES: Final = re.compile(rb"(?:\r\n)*")

# Looking a member up in its enumeration costs five times as much as a global; these are read for every request.
_HEAD: Final = State.HEAD
_BODY: Final = State.BODY
_ANSWER: Final = State.ANSWER


class Client(Receiving):
    """A client.

    Args:
        front: the front.
        sock: the accepted socket, non-blocking.
        environ: the CGI variables that are the same for all its requests, encoded.
        addresses: peer address and port, local address and port, for the access log.
    """

    __slots__ = ("_consultation", "_environ", "_head_reader", "_head_started", "_known_heads")

    def __init__(
        self,
        front: "FrontServer",
        sock: socket.socket,
        environ: bytes,
        addresses: tuple[str, int, str, int],
    ) -> None:
        super().__init__(front, sock, addresses)
        self._environ = environ
        self._head_reader = reader = front.configuration.head_reader_for(addresses)
        self._known_heads = reader.known
        self._head_started = time.monotonic()
        self._consultation: Consultation | None = None
        self._set_deadline(front.configuration.header_timeout.deadline(self._head_started, 0))
        front.poller.add(self._fd, self)

    # -- what comes

    def on_readable(self) -> None:
        """Take what the client sent."""
        try:
            if self.state is _BODY and self._body is not None and self._body.long:
                self._receive_long_body(self._body)
                return
            try:
                data = self._socket.recv(_RECEIVE)
            except BlockingIOError:
                return
            except OSError:
                self.lose()
                return
            if not data:
                self._take_end()
                return
            if self.state is _HEAD and not self._buffer:
                # The same bytes were one whole head before, and every check has been passed: the hot path.
                head = self._known_heads.get(data)
                if head is not None and head.plain:
                    self.head = head
                    self.requests += 1
                    if self._front.configuration.sites is None:
                        self._submit(head, None)
                    elif self._find_route(head):
                        self._advance()
                    return
            self._take(data)
        except Exception:
            # A safety net: a bug in one connection must not stop the others.
            logger.exception("a client connection failed")
            self.close()

    def on_gone(self) -> None:
        """Both directions are closed: nobody reads what we would answer."""
        self.lose()

    def _take(self, data: bytes) -> None:
        state = self.state
        if state is _HEAD:
            if self._buffer:
                data = self._buffer + data
            elif self.requests:
                self._head_started = time.monotonic()
            self._buffer = data
            self._advance()
        elif state is _BODY:
            assert self._body is not None
            self._take_body(self._body, data)
        elif state is _ANSWER:
            self._buffer += data
            if len(self._buffer) > _READ_AHEAD:
                self._watch(self._events & ~READ)

    def _take_end(self) -> None:
        if self.state is _ANSWER:
            # The client has sent all that it wants to; it still reads (CVE-2024-49769: stop polling for reading).
            self._half_closed = True
            self._watch(self._events & ~READ)
            # What it sent before is still answered.
            self.keep = self.keep and bool(self._buffer)
            return
        if self.state is _BODY:
            logger.debug("a client ended its connection inside a request body")
            self.lose()
            return
        if self.state is _HEAD and self._buffer:
            # Requests that wait for their turn between two (`_begin_next`) are answered as well; a head that will
            # never come whole is not.
            self._half_closed = True
            self._watch(self._events & ~READ)
            self._continue()
            return
        self.close()

    def expire(self) -> None:
        """The deadline has passed."""
        try:
            self._expire()
        except Exception:
            # A safety net, as in `on_readable`; the clients whose deadlines come next have not failed.
            logger.exception("a client connection failed")
            self.close()

    def _expire(self) -> None:
        if self.state is _HEAD:
            if self._buffer:
                self._refuse_head(HttpError(408, "the request head did not arrive in time"), self._buffer)
            else:
                self.close()
        elif self.state is _BODY:
            self._refuse(HttpError(408, "the request body did not arrive in time"))
        elif self.state is _ANSWER:
            timeout = self.route.group.options.response_socket_timeout
            extra = self._front.log_of(self.route)
            logger.info(
                "a client has read nothing of its answer for %g s (response-socket-timeout)", timeout, extra=extra
            )
            self.lose()
        else:
            self.close()

    # -- heads

    def _advance(self) -> None:
        """Read as many requests from the buffer as can be answered at once, and pass on the next."""
        while self.state is _HEAD and self._buffer:
            if not self._read_request():
                return

    def _read_request(self) -> bool:
        """Read one request from the buffer; return False when more bytes are needed or none may be read."""
        buffer = self._buffer
        front = self._front
        if buffer.startswith(b"\r\n"):
            # RFC 9112 section 2.2: empty lines before a request line are ignored.
            empty = _EMPTY_LINES.match(buffer)
            assert empty is not None
            self._buffer = buffer = buffer[empty.end() :]
        reader = self._head_reader
        head_bytes = buffer
        try:
            end = reader.find_end(buffer)
            if not end:
                if not buffer:
                    return False
                self._set_deadline(front.configuration.header_timeout.deadline(self._head_started, len(buffer)))
                return False
            if end == len(buffer):
                self._buffer = b""
            else:
                head_bytes, self._buffer = buffer[:end], buffer[end:]
            head = reader.read(head_bytes)
        except HttpError as error:
            self._refuse_head(error, head_bytes)
            return False
        self.head = head
        self.began = 0.0
        self.requests += 1
        if head.refusal or head.path == b"*":
            return self._answer_at_once(head)
        if front.configuration.sites is not None:
            return self._find_route(head)
        if head.has_body:
            self._lingers = True
            return self._begin_body(head)
        self._submit(head, None)
        return True

    def _answer_at_once(self, head: RequestHead) -> bool:
        """Answer what is about no resource: a method that is never allowed, `OPTIONS *` (RFC 9110 section 9.3.7)."""
        self.route = self._front.configuration.unrouted(self.addresses, head)
        # A body is not worth reading: the connection ends with the answer.
        self._lingers = head.has_body
        self._set_keep(head)
        if head.refusal:
            self._front.own_answers.error(self, head.refusal)
        else:
            self.respond(options_response(), b"")
        return self.state is _HEAD

    def _refuse_head(self, error: HttpError, received: bytes) -> None:
        """Answer a request whose head is not acceptable, or has not come whole; the logs have its first line."""
        self.refused_line = received[:_LONGEST_LINE].partition(b"\n")[0].rstrip(b"\r")
        spoken = other_protocol(received)
        self._refuse(error if spoken is None else HttpError(400, spoken))

    def _refuse(self, error: HttpError) -> None:
        """Answer a request that is not acceptable; nothing after it is read as a request."""
        if self.head is None:
            self.began = 0.0
            # What the request before it was for has nothing to do with this one.
            self.route = self._front.configuration.unrouted(self.addresses, None)
        extra = self._front.log_of(self.route)
        logger.info("refused a request from %s with %s", self.peer_address, error, extra=extra)
        self.keep = False
        self._lingers = True
        self._buffer = b""
        self._drop_body()
        self._front.own_answers.error(self, error.status)

    # -- routes

    def _find_route(self, head: RequestHead) -> bool:
        """Have a request go where the configuration says; return whether the next may be read."""
        sites = self._front.configuration.sites
        assert sites is not None
        self.began = time.time()
        self._lingers = head.has_body
        if not sites.needs_names:
            return self.enter(sites.find(head, self.addresses))
        self.wait()
        sites.name_of(head, self.addresses, lambda name: self.resume(lambda: self._go_on(name, head)))
        return False

    def _go_on(self, name: str, head: RequestHead) -> None:
        """Go on with a request whose client's name has been looked up."""
        sites = self._front.configuration.sites
        assert sites is not None
        self.state = _HEAD
        self.enter(sites.find(head, self.addresses, name))

    def look_again(self) -> bool:
        """Have it decided anew where the request goes, for a file is not what it was; return whether that helps."""
        sites, head, route = self._front.configuration.sites, self.head, self.route
        if sites is None or head is None or route.is_internal or route.is_renewed:
            return False
        self.enter(sites.find_anew(route, head, self.addresses))
        return True

    def enter(self, route: Route) -> bool:
        """Take a route, once its scripts have been asked; return whether the next request may be read."""
        self.route = route
        head = self.head
        if not route.asks or head is None:
            return self._follow(route, head)
        sites = route.sites
        assert sites is not None
        self.wait()
        asks = Consultation(self._front, sites, route, head, self._environ, self.peer, self._take_judgement)
        self._consultation = asks
        asks.begin()
        return False

    def _take_judgement(self, judgement: Route | Denial) -> None:
        """Go on with a request about which scripts have been asked."""
        self._consultation = None
        head = self.head
        assert head is not None
        if isinstance(judgement, Denial):
            self._set_keep(head)
            status, retry_after, reason = judgement
            if reason:
                self._front.own_answers.refuse(self, status, reason, retry_after=retry_after)
            else:
                self._front.own_answers.error(self, status, retry_after=retry_after)
            return
        self.route = judgement
        self.state = _HEAD
        self._follow(judgement, head)

    def _follow(self, route: Route, head: RequestHead | None) -> bool:
        """Go where a route leads; return whether the next request may be read."""
        if head is None or not isinstance(route.decision, Script):
            if head is not None:
                self._set_keep(head)
            self._front.own_answers.answer(self, route)
            return self.state is _HEAD
        if route.is_internal:
            self._submit(head, None)
            return True
        if head.chunked and route.decision.common.context.settings.chunked_request is False:
            self._refuse(HttpError(411, "chunked request bodies are not taken here (WSGIChunkedRequest Off)"))
            return False
        if head.has_body:
            return self._begin_body(head)
        self._submit(head, None)
        return True

    def _set_keep(self, head: RequestHead) -> None:
        """Decide whether the connection goes on after this answer: not with bytes of a body that nobody reads."""
        self.keep = (
            head.keep_alive
            and not self._lingers
            and self.requests < self.route.host.most_requests
            and not (self._half_closed and not self._buffer)
        )

    # -- to the daemon processes

    def _submit(self, head: RequestHead, body: RequestBody | None) -> None:
        self.state = _ANSWER
        self.deadline = NEVER
        route = self.route
        self.keep = (
            head.keep_alive
            and self.requests < route.host.most_requests
            and not self._lingers
            and not (self._half_closed and not self._buffer)
        )
        front = self._front
        now = time.time()
        environ = route.environ or head.environ
        if head.chunked and body is not None:
            # RFC 3875 section 4.1.2: of the body without its coding. It is here, so nobody need read to its end.
            environ += b"CONTENT_LENGTH\0%d\0" % body.length
        exchange = Exchange(
            self,
            head,
            route,
            self._environ,
            environ,
            body,
            next(front.request_ids),
            now if body is None else now - (time.monotonic() - self._head_started),
            now,
            NEVER,
        )
        self.exchange = exchange
        route.group.submit(exchange)

    # -- between requests

    def _begin_next(self) -> None:
        self.head = None
        self.state = _HEAD
        self._head_started = now = time.monotonic()
        if not self._events & READ and not self._half_closed:
            self._watch(self._events | READ)
        self.deadline = now + self.route.host.keep_alive_timeout
        self.route = self._front.configuration.route  # an idle client keeps nothing of a configuration that has gone
        if self.bucket < 0 or self.bucket * GRAIN > self.deadline:
            self._front.deadlines.note(self)
        if self._buffer:
            # Not by recursion: a client may pipeline thousands.
            self._loop.call_soon(self._continue)

    def _continue(self) -> None:
        if self.state is _HEAD:
            self._advance()
            if self._half_closed and self.state in {_HEAD, _BODY}:
                self.close()  # the rest of the request will never come

    def _give_back(self) -> None:
        if self._consultation is not None:
            self._consultation.abandon()
            self._consultation = None
        super()._give_back()
        self._front.client_closed(self)
