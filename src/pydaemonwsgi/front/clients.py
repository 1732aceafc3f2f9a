"""One client connection: reading requests, passing them on, writing answers, keeping alive. Shell over `http`."""

import asyncio
import errno
import logging
import os
import re
import socket
import struct
import time
from collections.abc import Callable, Iterable
from enum import Enum
from typing import TYPE_CHECKING, Final

from pydaemonwsgi.channel.frames import Payload
from pydaemonwsgi.errors import HttpError
from pydaemonwsgi.front.access_logs import access_record
from pydaemonwsgi.front.answer import Answer
from pydaemonwsgi.front.bodies import BodyReader
from pydaemonwsgi.front.exchange import Exchange, Failure, Outcome
from pydaemonwsgi.front.groups import ProcessGroup
from pydaemonwsgi.front.local_answers import edited, local_answer
from pydaemonwsgi.front.poller import READ, WRITE
from pydaemonwsgi.front.questions import Consultation, Denial
from pydaemonwsgi.front.routes import Route
from pydaemonwsgi.front.spool import RequestBody, ResponseSpool, SpoolError
from pydaemonwsgi.front.timeouts import GRAIN, NEVER
from pydaemonwsgi.http.head import RequestHead
from pydaemonwsgi.http.response import CONTINUE, ResponseHead, compose_head, error_response, options_response
from pydaemonwsgi.routing.decisions import Listing, MethodList, Redirection, Refusal, Script, Static
from pydaemonwsgi.system.page_cache import is_cached

if TYPE_CHECKING:
    from pydaemonwsgi.front.server import FrontServer

__all__ = ["Client"]

logger = logging.getLogger(__name__)

_RECEIVE: Final = 16 * 1024
# Bytes of requests that may wait behind the one being answered (pipelining) before we stop reading.
_READ_AHEAD: Final = 64 * 1024
# How long, in seconds, we read and drop what a client still sends after its last answer, so that the answer is
# not destroyed by a reset (RFC 9112 section 9.6).
_LINGER: Final = 2.0
_FORBIDDEN: Final = 403
_SERVER_ERROR: Final = 500
# Bytes of a URL that the error log has.
_TOLD: Final = 500
# LimitInternalRecursion of httpd, for applications that send a request on.
_MOST_REDIRECTS: Final = 10
# One answer's bytes on disk at most; beyond it the daemon process's thread waits for the client.
_SPOOL_BOUND: Final = 1024 * 1024 * 1024

_EMPTY_LINES: Final = re.compile(rb"(?:\r\n)*")


class State(Enum):
    """What a connection is doing."""

    HEAD = "waiting for or reading a request head"
    BODY = "reading a request body"
    ANSWER = "its request is being answered"
    LINGER = "closing, reading what is left"
    CLOSED = "closed"


# Looking a member up in its enumeration costs five times as much as a global; these are read for every request.
_HEAD: Final = State.HEAD
_BODY: Final = State.BODY
_ANSWER: Final = State.ANSWER


class Client:
    """A client connection.

    Args:
        front: the front.
        sock: the accepted socket, non-blocking.
        environ: the CGI variables that are the same for all its requests, encoded.
        addresses: peer address and port, local address and port, for the access log.
    """

    __slots__ = (
        "_addresses",
        "_answer",
        "_body",
        "_body_bytes",
        "_buffer",
        "_cold",
        "_consultation",
        "_environ",
        "_events",
        "_exchange",
        "_fd",
        "_front",
        "_half_closed",
        "_head",
        "_head_started",
        "_keep",
        "_lingers",
        "_loop",
        "_requests",
        "_response_head",
        "_route",
        "_socket",
        "_warmed",
        "_warming",
        "bucket",
        "deadline",
        "state",
    )

    def __init__(
        self,
        front: "FrontServer",
        sock: socket.socket,
        environ: bytes,
        addresses: tuple[str, int, str, int],
    ) -> None:
        self._front = front
        self._loop: asyncio.AbstractEventLoop = front.loop
        self._socket = sock
        self._fd = sock.fileno()
        self._environ = environ
        self._addresses = addresses
        self._buffer = b""
        self._head: RequestHead | None = None
        self._head_started = time.monotonic()
        self._body: BodyReader | None = None
        self._body_bytes = 0
        self._exchange: Exchange | None = None
        self._requests = 0
        self._route = front.route
        self._consultation: Consultation | None = None
        self._half_closed = False
        self._lingers = False
        self._answer: Answer | None = None
        self._cold: tuple[int, int, int] | None = None
        self._warmed = False
        self._warming = False
        self._response_head: ResponseHead | None = None
        self._keep = True
        self.state = _HEAD
        self.bucket = -1
        self.deadline = front.header_timeout.deadline(self._head_started, 0)
        front.deadlines.note(self)
        self._events = READ
        front.poller.add(self._fd, self)

    @property
    def exchange(self) -> Exchange | None:
        """The request that is being answered."""
        return self._exchange

    @property
    def peer(self) -> str:
        """Who it is: address and port, or that it came by a Unix socket."""
        host, port = self._addresses[:2]
        return (f"[{host}]:{port}" if ":" in host else f"{host}:{port}") if host else "unix"

    def is_for(self, group: ProcessGroup) -> bool:
        """Whether a request of it is for a process group, and not yet answered."""
        return self.state in {State.BODY, State.ANSWER} and self._route.group is group

    # -- reading

    def _watch(self, events: int) -> None:
        if events != self._events:
            self._events = events
            self._front.poller.change(self._fd, events)

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
                head = self._front.known_heads.get(data)
                if head is not None and head.plain:
                    self._head = head
                    self._requests += 1
                    if self._front.sites is None:
                        self._submit(None)
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
            elif self._requests:
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
            self._keep = self._keep and bool(self._buffer)
            return
        if self.state is _BODY:
            logger.debug("a client ended its connection inside a request body")
        self.close()

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
        try:
            end = front.head_reader.find_end(buffer)
            if not end:
                if not buffer:
                    return False
                self._set_deadline(front.header_timeout.deadline(self._head_started, len(buffer)))
                return False
            if end == len(buffer):
                head_bytes, self._buffer = buffer, b""
            else:
                head_bytes, self._buffer = buffer[:end], buffer[end:]
            head = front.head_reader.read(head_bytes)
        except HttpError as error:
            self._refuse(error)
            return False
        self._head = head
        self._requests += 1
        if head.refusal:
            return self._answer_refusal(head)
        if head.path == b"*":
            # RFC 9110 section 9.3.7: about the server, not about a resource of the application.
            self._keep = self._keep and head.keep_alive and not head.has_body
            self._lingers = head.has_body
            self._answer_itself(options_response(), b"")
            return self.state is _HEAD
        if front.sites is not None:
            return self._find_route(head)
        if head.has_body:
            self._lingers = True
            return self._begin_body(head)
        self._submit(None)
        return True

    def _find_route(self, head: RequestHead) -> bool:
        """Have a request go where the configuration says; return whether the next may be read."""
        sites = self._front.sites
        assert sites is not None
        self._lingers = head.has_body
        return self._enter(sites.find(head, self._addresses), head)

    def _enter(self, route: Route, head: RequestHead) -> bool:
        """Take a route, once its scripts have been asked; return whether the next request may be read."""
        self._route = route
        if not route.asks:
            return self._follow(route, head)
        sites = self._front.sites
        assert sites is not None
        self.state = _ANSWER
        self.deadline = NEVER
        asks = Consultation(self._front, sites, route, head, self._environ, self.peer, self._take_judgement)
        self._consultation = asks
        asks.begin()
        return False

    def _take_judgement(self, judgement: Route | Denial) -> None:
        """Go on with a request about which scripts have been asked."""
        self._consultation = None
        head = self._head
        assert head is not None
        if isinstance(judgement, Denial):
            self._set_keep(head)
            self._answer_error(judgement.status, retry_after=judgement.retry_after)
            return
        self._route = judgement
        self.state = _HEAD
        if not self._events & READ and not self._half_closed:
            self._watch(self._events | READ)
        self._follow(judgement, head)
        if self._half_closed and self.state is _BODY:
            self.close()  # the rest of the request will never come

    def _set_keep(self, head: RequestHead) -> None:
        """Decide whether the connection goes on after this answer: not with bytes of a body that nobody reads."""
        self._keep = head.keep_alive and not self._lingers and not (self._half_closed and not self._buffer)

    def _follow(self, route: Route, head: RequestHead) -> bool:
        """Go where a route leads; return whether the next request may be read."""
        if not isinstance(route.decision, Script):
            self._answer_here(route, head)
            return self.state is _HEAD
        if route.is_internal:
            self._submit(None)
            return True
        if head.chunked and route.decision.common.context.settings.chunked_request is False:
            self._refuse(HttpError(411, "chunked request bodies are not taken here (WSGIChunkedRequest Off)"))
            return False
        if head.has_body:
            return self._begin_body(head)
        self._submit(None)
        return True

    def _answer_here(self, route: Route, head: RequestHead) -> None:
        """Answer what no daemon process answers."""
        self._set_keep(head)
        match route.decision:
            case Static():
                self._front.static_files.answer(self, route, route.decision)
            case Listing():
                self._front.static_files.list(self, route.decision)
            case Refusal(status=status, reason=reason, allow=allow):
                self._tell_refusal(status, reason)
                self._answer_error(status, allow=allow)
            case Redirection() | MethodList():
                self.respond(*local_answer(route.decision))
            case _:
                raise AssertionError("a decision that nobody answers")

    def _answer_refusal(self, head: RequestHead) -> bool:
        if head.has_body:
            # Not worth reading: the connection ends with the answer.
            self._keep = False
            self._lingers = True
        self._answer_error(head.refusal)
        return self.state is _HEAD

    # -- request bodies

    def _begin_body(self, head: RequestHead) -> bool:
        front = self._front
        try:
            self._body = body = BodyReader(front.options, head, self._route.limit_request_body)
        except HttpError as error:
            self._refuse(error)
            return False
        except SpoolError as error:
            self._fail_spool(error)
            return False
        if head.expects_continue and not self._buffer and not self._send_continue():
            return False
        self.state = _BODY
        self._set_deadline(front.body_timeout.deadline(body.started, 0))
        data, self._buffer = self._buffer, b""
        if data:
            self._take_body(body, data)
        return self.state is _HEAD

    def _send_continue(self) -> bool:
        try:
            sent = self._socket.send(CONTINUE)
        except OSError:
            sent = 0
        if sent != len(CONTINUE):
            self.lose()
            return False
        return True

    def _receive_long_body(self, body: BodyReader) -> None:
        try:
            if not body.receive(self._socket):
                self._take_end()
                return
        except SpoolError as error:
            self._fail_spool(error)
            return
        except OSError:
            self.lose()
            return
        self._go_on_with_body(body)

    def _take_body(self, body: BodyReader, data: bytes) -> None:
        try:
            self._buffer = body.feed(data)
        except HttpError as error:
            self._refuse(error)
            return
        except SpoolError as error:
            self._fail_spool(error)
            return
        self._go_on_with_body(body)

    def _go_on_with_body(self, body: BodyReader) -> None:
        if body.complete:
            self._body = None
            self._lingers = False
            self._submit(body.body)
        else:
            # Only ever moves away, so the buckets need not hear of it.
            self.deadline = self._front.body_timeout.deadline(body.started, body.received)

    def _fail_spool(self, error: SpoolError) -> None:
        extra = self._front.log_of(self._route)
        logger.error("a request's body cannot be kept: %s; answered with 503", error, extra=extra)
        self._keep = False
        self._lingers = True
        self._drop_body()
        self._answer_error(503, retry_after=10)

    def _drop_body(self) -> None:
        if self._body is not None:
            self._body.close()
            self._body = None

    # -- to the daemon processes

    def _submit(self, body: RequestBody | None) -> None:
        head = self._head
        assert head is not None
        self.state = _ANSWER
        self.deadline = NEVER
        self._keep = head.keep_alive and not self._lingers and not (self._half_closed and not self._buffer)
        front = self._front
        now = time.time()
        route = self._route
        exchange = Exchange(
            self,
            head,
            route,
            self._environ,
            route.environ or head.environ,
            body,
            next(front.request_ids),
            now if body is None else now - (time.monotonic() - self._head_started),
            now,
            NEVER,
        )
        self._exchange = exchange
        route.group.submit(exchange)

    # -- answers

    def _head_lines(self, head: ResponseHead) -> bytes:
        """Return the answer's head for the wire, up to and with its empty line."""
        request = self._head
        self._response_head = head
        if self._front.stopping:
            self._keep = False
        if not self._keep:
            return head.lines + self._front.server_lines + b"Connection: close\r\n\r\n"
        if request is not None and not request.minor:
            return head.lines + self._front.server_lines + b"Connection: keep-alive\r\n\r\n"
        return head.lines + self._front.server_lines + b"\r\n"

    def answer(self, exchange: Exchange, head: ResponseHead, body: Payload) -> None:
        """Write a complete answer."""
        if self._route.decision is not None:
            if head.sent_on is not None:
                self._send_on(head)
                return
            if self._overrides(head):
                self._answer_error(head.status)
                return
            head = edited(self._route, head, exchange.request_start, time.time())
        if head.bodiless or exchange.head.method == b"HEAD":
            body = b""
        elif head.content_length is None:
            head = head._replace(lines=b"%bContent-Length: %d\r\n" % (head.lines, len(body)), content_length=len(body))
        elif head.content_length != len(body):
            # A promise without its bytes; the head may go out, the end may not.
            self._keep = False
        lines = self._head_lines(head)
        data = lines + body if type(body) is bytes else b"".join((lines, body))
        self._body_bytes = len(body)
        try:
            sent = self._socket.send(data)
        except BlockingIOError:
            sent = 0
        except OSError:
            self.lose()
            return
        if sent == len(data):
            self._finish()
            return
        self._answer = answer = self._new_answer()
        answer.add_raw(data[sent:])
        answer.ended = True
        self._wait_to_write()

    def begin_answer(self, exchange: Exchange, head: ResponseHead) -> None:
        """Write the head of an answer whose body follows."""
        if self._route.decision is not None:
            if head.sent_on is not None or self._overrides(head):
                exchange.client = None
                exchange.channel.cancel(exchange)
                if head.sent_on is not None:
                    self._send_on(head)
                else:
                    self._answer_error(head.status)
                return
            head = edited(self._route, head, exchange.request_start, time.time())
        discard = head.bodiless or exchange.head.method == b"HEAD"
        left = None if discard else head.content_length
        chunked = left is None and not discard and exchange.head.minor > 0
        if chunked:
            head = head._replace(lines=head.lines + b"Transfer-Encoding: chunked\r\n")
        elif left is None and not discard:
            self._keep = False  # the end of the connection is the end of the body
        self._answer = answer = self._new_answer(chunked=chunked, discard=discard, left=left)
        answer.add_raw(self._head_lines(head))
        self._front.write_soon(self)

    def _new_answer(self, *, chunked: bool = False, discard: bool = False, left: int | None = None) -> Answer:
        memory = self._route.group.options.response_buffer_size
        spool = ResponseSpool(self._front.options.spool_directory, memory, _SPOOL_BOUND)
        return Answer(spool, memory, chunked=chunked, discard=discard, left=left)

    def add_body(self, data: bytes) -> None:
        """Write a piece of the body."""
        answer = self._answer
        assert answer is not None
        answer.add(data)
        self._front.write_soon(self)
        self._give_credit(answer)

    def add_file(self, descriptor: int, offset: int, count: int) -> None:
        """Write a range of a file as a piece of the body; the descriptor is ours."""
        assert self._answer is not None
        self._answer.add_file(descriptor, offset, count)
        self._front.write_soon(self)

    def end_answer(self) -> None:
        """The body is complete."""
        assert self._answer is not None
        self._answer.end()
        self._front.write_soon(self)

    def cut(self) -> None:
        """The body will never be complete: write what there is, then break the connection."""
        assert self._answer is not None
        self._answer.break_off()
        self._front.write_soon(self)

    def _give_credit(self, answer: Answer) -> None:
        exchange = self._exchange
        if exchange is not None and exchange.channel is not None and (credit := answer.take_credit()):
            exchange.channel.credit(exchange, credit)

    # -- writing

    def memory(self, data: bytes, *, more: bool) -> int:
        """Send bytes; -1 when the client takes none at the moment."""
        try:
            return self._socket.send(data, socket.MSG_MORE if more else 0)
        except BlockingIOError:
            return -1

    def file(self, descriptor: int, offset: int, count: int) -> int:
        """Send a range of a file; -1 when the client takes nothing at the moment, 0 at the file's early end."""
        if self._warmed:
            self._warmed = False  # once is enough: a disk that fails, or memory that is short, is sendfile's to report
        elif not is_cached(descriptor, offset, count):
            self._cold = (descriptor, offset, count)
            return -1
        try:
            return os.sendfile(self._fd, descriptor, offset, min(count, 0x7FFFF000))
        except BlockingIOError:
            return -1

    def write(self) -> None:
        """Write as much of the answer as the client takes."""
        answer = self._answer
        if answer is None or self._warming or self.state is State.CLOSED:
            return
        before = answer.waiting
        try:
            done = answer.send(self)
        except EOFError as error:
            logger.error("%s; the client's connection is cut", error)
            self._reset(answer)
            return
        except OSError:
            self.lose()
            return
        if done:
            self._watch(self._events & ~WRITE)
            self.deadline = NEVER
            if answer.ended:
                self._finish()
                return
        elif self._cold is not None:
            self._warm(*self._cold)
        elif answer.waiting != before or not self._events & WRITE:
            self._wait_to_write()
        self._give_credit(answer)

    def _warm(self, descriptor: int, offset: int, count: int) -> None:
        """Have a thread wait for the disk, so that the other clients need not."""
        self._cold = None
        self._warming = True
        self._watch(self._events & ~WRITE)
        self.deadline = NEVER  # it is not the client that is slow
        self._front.warm(descriptor, offset, count, self._on_warm)

    def _on_warm(self) -> None:
        self._warming = False
        self._warmed = True
        self.on_writable()

    def _wait_to_write(self) -> None:
        self._watch(self._events | WRITE)
        timeout = self._route.group.options.response_socket_timeout
        self._set_deadline(time.monotonic() + timeout if timeout else NEVER)

    def on_writable(self) -> None:
        """Go on writing."""
        try:
            self.write()
        except Exception:
            # A safety net: a bug in one connection must not stop the others.
            logger.exception("writing to a client failed")
            self.close()

    # -- ends

    def _finish(self) -> None:
        """An answer has been written whole: log it, and go on with the next request or close."""
        front = self._front
        exchange = self._exchange
        answer = self._answer
        cut = answer is not None and answer.cut
        if self._route.logs:
            self._log("X" if cut else "+" if self._keep else "-")
        if exchange is not None:
            self._exchange = None
            exchange.client = None
            if exchange.body is not None:
                exchange.body.close()
        self._response_head = None
        if answer is not None:
            self._answer = None
            answer.close()
            if cut:
                self._reset(answer)
                return
        if not self._keep or front.stopping:
            self._close_politely()
            return
        self._head = None
        self.state = _HEAD
        self._head_started = now = time.monotonic()
        if not self._events & READ and not self._half_closed:
            self._watch(self._events | READ)
        timeout = front.options.keep_alive_timeout
        self.deadline = now + timeout if timeout else now
        if self.bucket < 0 or self.bucket * GRAIN > self.deadline:
            front.deadlines.note(self)
        if self._buffer:
            # Not by recursion: a client may pipeline thousands.
            self._loop.call_soon(self._continue)

    def _continue(self) -> None:
        if self.state is _HEAD:
            self._advance()
            if self._half_closed and self.state in {_HEAD, _BODY}:
                self.close()  # the rest of the request will never come

    def _overrides(self, head: ResponseHead) -> bool:
        """Whether an answer of the application's gives way to the server's error page (WSGIErrorOverride)."""
        decision = self._route.decision
        return decision is not None and head.status >= 400 and bool(decision.common.context.settings.error_override)

    def _answer_error(self, status: int, *, retry_after: int = 0, allow: str | None = None) -> None:
        """Answer with the page that the configuration has for a status, or the server's own."""
        head = self._head
        if self._front.stopping or (head is not None and not head.keep_alive):
            self._keep = False
        response, body = error_response(status, retry_after=retry_after, allow=allow)
        sites, route = self._front.sites, self._route
        if sites is not None and head is not None and not route.document_of:
            document = sites.error_document(route, head, status)
            if isinstance(document, Route):
                self._drop_exchange()
                self._enter(document, head)
                return
            if document is not None:
                body = document.encode("utf-8", "surrogateescape")
                response = compose_head(status, [("Content-Type", "text/html; charset=utf-8")], len(body))
        self._answer_itself(edited(route, response, time.time(), time.time(), error_page=True), body)

    def _send_on(self, answer: ResponseHead) -> None:
        """Answer with the resource that the application has named by `Location`, in the place of its own answer."""
        sites, head, route = self._front.sites, self._head, self._route
        assert sites is not None
        assert head is not None
        assert answer.sent_on is not None
        self._drop_exchange()
        if route.redirects >= _MOST_REDIRECTS:
            logger.error("500: more than %d internal redirects: the applications' Location goes round", _MOST_REDIRECTS)
            self._answer_error(500)
            return
        self._enter(sites.redirected(route, head, answer), head)

    def _drop_exchange(self) -> None:
        """Have nothing to do any more with an exchange that has failed."""
        exchange = self._exchange
        if exchange is not None:
            self._exchange = None
            exchange.client = None
            if exchange.body is not None:
                exchange.body.close()

    def respond(self, response: ResponseHead, body: bytes) -> None:
        """Write an answer that the front gives, as the configuration changes it."""
        now = time.time()
        self._answer_itself(edited(self._route, response, now, now), body)

    def respond_file(self, response: ResponseHead, parts: Iterable[bytes | tuple[int, int, int]]) -> None:
        """Write an answer whose body is made of bytes and of ranges of files (descriptor, offset, count).

        The descriptors are ours; each is one of its own.
        """
        now = time.time()
        self.state = _ANSWER
        self.deadline = NEVER
        self._answer = answer = self._new_answer(left=response.content_length)
        answer.add_raw(self._head_lines(edited(self._route, response, now, now)))
        for part in parts:
            if isinstance(part, bytes):
                answer.add(part)
            else:
                answer.add_file(*part)
        answer.end()
        self.write()

    def refuse_file(self, status: int, reason: str) -> None:
        """Answer that a file cannot be had."""
        self._tell_refusal(status, reason)
        self._answer_error(status)

    def _tell_refusal(self, status: int, reason: str) -> None:
        """Say in the host's error log why a request is answered so."""
        head = self._head
        assert head is not None, "what has no head is refused by _refuse"
        # As httpd: that somebody may not see something should be looked at; that something is not there is daily life.
        level = logging.ERROR if status == _FORBIDDEN or status >= _SERVER_ERROR else logging.INFO
        logger.log(
            level,
            "%d to %s for %s %s: %s",
            status,
            self._peer,
            head.method.decode("latin-1"),
            head.target[:_TOLD].decode("latin-1"),
            reason,
            extra=self._front.log_of(self._route),
        )

    @property
    def _peer(self) -> str:
        """The client, in words."""
        return self._addresses[0] or "a Unix socket"

    def wait_for_file(self) -> None:
        """Have the request wait for a thread that asks the disk."""
        self.state = _ANSWER
        self.deadline = NEVER

    def resume_file(self, answer: Callable[[], None]) -> None:
        """Go on with what `wait_for_file` waited for, unless the client has gone."""
        if self.state is _ANSWER:
            answer()

    def _answer_itself(self, response: ResponseHead, body: bytes) -> None:
        """Write an answer that no application gave."""
        self.state = _ANSWER
        self.deadline = NEVER
        head = self._head
        if response.bodiless or (head is not None and head.method == b"HEAD"):
            body = b""
        elif response.content_length != len(body):
            self._keep = False
        self._answer = answer = self._new_answer()
        answer.add_raw(self._head_lines(response) + body)
        answer.body_bytes = len(body)
        answer.ended = True
        self.write()

    def _refuse(self, error: HttpError) -> None:
        """Answer a request that is not acceptable; nothing after it is read as a request."""
        extra = self._front.log_of(self._route)
        logger.info("refused a request from %s with %s", self._peer, error, extra=extra)
        self._keep = False
        self._lingers = True
        self._buffer = b""
        self._drop_body()
        self._answer_error(error.status)

    def settle(self, exchange: Exchange, outcome: Outcome) -> None:
        """End a request in the way that the table says."""
        if exchange is not self._exchange:
            return
        if outcome is Outcome.CUT:
            self.cut()
        elif outcome is Outcome.ANSWER_500:
            self._answer_error(500)
        elif outcome is Outcome.ANSWER_502:
            self._answer_error(502)
        elif outcome is Outcome.ANSWER_504:
            self._answer_error(504)

    def refuse(self, retry_after: int) -> None:
        """Answer 503: the request cannot even wait; after so many seconds the client may ask again."""
        self._answer_error(503, retry_after=retry_after)

    def expire(self) -> None:
        """The deadline has passed."""
        if self.state is _HEAD:
            if self._buffer:
                self._refuse(HttpError(408, "the request head did not arrive in time"))
            else:
                self.close()
        elif self.state is _BODY:
            self._refuse(HttpError(408, "the request body did not arrive in time"))
        elif self.state is _ANSWER:
            timeout = self._route.group.options.response_socket_timeout
            extra = self._front.log_of(self._route)
            logger.info(
                "a client has read nothing of its answer for %g s (response-socket-timeout)", timeout, extra=extra
            )
            self.lose()
        else:
            self.close()

    def lose(self) -> None:
        """The client has gone: forget its request, wherever it is."""
        exchange = self._exchange
        if exchange is not None:
            self._exchange = None
            self._body_bytes = 0
            if self._route.logs:
                self._log("X", exchange)
            outcome = exchange.fail(Failure.CLIENT_GONE)
            exchange.client = None
            self._front.abandon(exchange, outcome)
        self.close()

    def close_if_idle(self) -> None:
        """Close a connection that is between requests; the server is stopping."""
        if self.state is _HEAD and not self._buffer:
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

    def _reset(self, answer: Answer) -> None:
        """Break the connection in a way that cannot be taken for an end."""
        if self._socket.family != socket.AF_UNIX and not answer.self_delimiting:
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
        if self._consultation is not None:
            self._consultation.abandon()
            self._consultation = None
        exchange = self._exchange
        if exchange is not None:
            self._exchange = None
            outcome = exchange.fail(Failure.CLIENT_GONE)
            exchange.client = None
            self._front.abandon(exchange, outcome)
        self._front.poller.remove(self._fd)
        self._drop_body()
        if self._answer is not None:
            self._answer.close()
            self._answer = None
        self._front.deadlines.forget(self)
        self._socket.close()
        self._front.client_closed(self)

    def _set_deadline(self, deadline: float) -> None:
        self.deadline = deadline
        self._front.deadlines.note(self)

    def _log(self, connection_status: str, exchange: Exchange | None = None) -> None:
        exchange = exchange or self._exchange
        record = access_record(
            self._addresses,
            self._head,
            exchange,
            self._response_head,
            self._front.server_lines,
            body_bytes=self._body_bytes if self._answer is None else self._answer.body_bytes,
            requests=self._requests,
            connection_status=connection_status,
            decision=self._route.decision,
            document_of=self._route.document_of,
        )
        self._front.access_logs.add(self._route.logs, record)
