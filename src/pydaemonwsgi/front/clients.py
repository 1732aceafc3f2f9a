"""One client connection: reading requests, writing answers, keeping alive. Shell over `http` and `spool`."""

import asyncio
import errno
import logging
import os
import re
import socket
import struct
import time
from enum import Enum
from typing import TYPE_CHECKING, Final

from pydaemonwsgi.channel.frames import Payload
from pydaemonwsgi.errors import HttpError
from pydaemonwsgi.front.exchange import Exchange, Failure, Outcome
from pydaemonwsgi.front.poller import READ, WRITE
from pydaemonwsgi.front.spool import RequestBody, ResponseSpool, SpoolError
from pydaemonwsgi.front.timeouts import GRAIN, NEVER
from pydaemonwsgi.http.body import ChunkedBody
from pydaemonwsgi.http.head import RequestHead
from pydaemonwsgi.http.response import CONTINUE, ResponseHead, error_response, options_response

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
_RETRY_AFTER: Final = 1
# Bytes of an answer taken from a daemon process before it is told so.
_CREDIT_STEP: Final = 128 * 1024
# One answer's bytes on disk at most; beyond it the daemon process's thread waits for the client.
_SPOOL_BOUND: Final = 1024 * 1024 * 1024

# Where the body of a long request is received into; the loop is single-threaded.
_body_buffer = memoryview(bytearray(1024 * 1024))


_EMPTY_LINES: Final = re.compile(rb"(?:\r\n)*")


class State(Enum):
    """What a connection is doing."""

    HEAD = "waiting for or reading a request head"
    BODY = "reading a request body"
    ANSWER = "its request is being answered"
    LINGER = "closing, reading what is left"
    CLOSED = "closed"


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
        "_body",
        "_body_bytes",
        "_body_left",
        "_body_started",
        "_buffer",
        "_chunked_answer",
        "_cutting",
        "_decoder",
        "_discard_answer",
        "_ended",
        "_environ",
        "_events",
        "_exchange",
        "_fd",
        "_front",
        "_half_closed",
        "_head",
        "_head_started",
        "_keep",
        "_left",
        "_lingers",
        "_loop",
        "_requests",
        "_response_head",
        "_socket",
        "_spool",
        "_uncredited",
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
        self._body: RequestBody | None = None
        self._body_left = 0
        self._body_started = 0.0
        self._body_bytes = 0
        self._decoder: ChunkedBody | None = None
        self._exchange: Exchange | None = None
        self._requests = 0
        self._half_closed = False
        self._lingers = False
        self._spool: ResponseSpool | None = None
        self._response_head: ResponseHead | None = None
        self._keep = True
        self._left: int | None = None
        self._chunked_answer = False
        self._discard_answer = False
        self._ended = False
        self._cutting = False
        self._uncredited = 0
        self.state = State.HEAD
        self.bucket = -1
        self.deadline = front.header_timeout.deadline(self._head_started, 0)
        front.deadlines.note(self)
        self._events = READ
        front.poller.add(self._fd, self)

    # -- reading

    def _watch(self, events: int) -> None:
        if events != self._events:
            self._events = events
            self._front.poller.change(self._fd, events)

    def on_readable(self) -> None:
        """Take what the client sent."""
        try:
            if self.state is State.BODY and self._decoder is None and self._body_left > _RECEIVE:
                self._receive_long_body()
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
            if self.state is State.HEAD and not self._buffer:
                # The same bytes were one whole head before, and every check has been passed: the hot path.
                head = self._front.known_heads.get(data)
                if head is not None and head.plain:
                    self._head = head
                    self._requests += 1
                    self._submit(None)
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
        if state is State.HEAD:
            if self._buffer:
                data = self._buffer + data
            elif self._requests:
                self._head_started = time.monotonic()
            self._buffer = data
            self._advance()
        elif state is State.BODY:
            self._take_body(data)
        elif state is State.ANSWER:
            self._buffer += data
            if len(self._buffer) > _READ_AHEAD:
                self._watch(self._events & ~READ)

    def _take_end(self) -> None:
        if self.state is State.ANSWER:
            # The client has sent all that it wants to; it still reads (CVE-2024-49769: stop polling for reading).
            self._half_closed = True
            self._watch(self._events & ~READ)
            # What it sent before is still answered.
            self._keep = self._keep and bool(self._buffer)
            return
        if self.state is State.BODY:
            logger.debug("a client ended its connection inside a request body")
        self.close()

    def _advance(self) -> None:
        """Read as many requests from the buffer as can be answered at once, and pass on the next."""
        while self.state is State.HEAD and self._buffer:
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
            return self.state is State.HEAD
        if head.has_body:
            return self._begin_body(head)
        self._submit(None)
        return True

    def _answer_refusal(self, head: RequestHead) -> bool:
        if head.has_body:
            # Not worth reading: the connection ends with the answer.
            self._keep = False
            self._lingers = True
        self._answer_error(head.refusal)
        return self.state is State.HEAD

    # -- request bodies

    def _begin_body(self, head: RequestHead) -> bool:
        front = self._front
        limit = front.options.limit_request_body
        length = head.content_length
        if length is not None and limit and length > limit:
            self._refuse(HttpError(413, "the body is longer than the limit"))
            return False
        if head.expects_continue and not self._buffer and not self._send_continue():
            return False
        self._body = RequestBody(front.options.spool_directory, front.options.request_buffer_size)
        self._body_started = time.monotonic()
        self._decoder = ChunkedBody(front.options.limit_request_field_size) if head.chunked else None
        self._body_left = length or 0
        self._body_bytes = 0
        self.state = State.BODY
        try:
            if length is not None and length > front.options.request_buffer_size:
                self._body.spill()
        except SpoolError as error:
            self._fail_spool(error)
            return False
        self._set_deadline(front.body_timeout.deadline(self._body_started, 0))
        data, self._buffer = self._buffer, b""
        if data:
            self._take_body(data)
        return self.state is State.HEAD

    def _send_continue(self) -> bool:
        try:
            sent = self._socket.send(CONTINUE)
        except OSError:
            sent = 0
        if sent != len(CONTINUE):
            self.lose()
            return False
        return True

    def _receive_long_body(self) -> None:
        """Move the bytes of a body of known length to its file, without making objects of them."""
        body = self._body
        assert body is not None
        for _ in range(4):
            try:
                size = self._socket.recv_into(_body_buffer, min(len(_body_buffer), self._body_left))
            except BlockingIOError:
                break
            except OSError:
                self.lose()
                return
            if not size:
                self._take_end()
                return
            try:
                body.append(_body_buffer[:size])
            except SpoolError as error:
                self._fail_spool(error)
                return
            self._body_left -= size
            if self._body_left <= _RECEIVE:
                break
        if not self._body_left:
            self._submit(body)
        else:
            self.deadline = self._front.body_timeout.deadline(self._body_started, body.length)

    def _take_body(self, data: bytes) -> None:
        body = self._body
        assert body is not None
        try:
            if self._decoder is None:
                piece = data[: self._body_left]
                body.append(piece)
                self._body_left -= len(piece)
                self._buffer = data[len(piece) :]
                complete = not self._body_left
            else:
                pieces, rest = self._decoder.feed(data)
                limit = self._front.options.limit_request_body
                if pieces:
                    body.append(pieces[0] if len(pieces) == 1 else b"".join(pieces))
                if limit and body.length > limit:
                    raise HttpError(413, "the body is longer than the limit")
                complete = self._decoder.complete
                self._buffer = rest
        except HttpError as error:
            self._refuse(error)
            return
        except SpoolError as error:
            self._fail_spool(error)
            return
        self._body_bytes += len(data)
        if complete:
            self._submit(body)
        else:
            # Only ever moves away, so the buckets need not hear of it.
            self.deadline = self._front.body_timeout.deadline(self._body_started, self._body_bytes)

    def _fail_spool(self, error: SpoolError) -> None:
        logger.error("a request's body cannot be kept: %s; answered with 503", error)
        self._keep = False
        self._lingers = True
        self._drop_body()
        self._answer_error(503, retry_after=10)

    def _drop_body(self) -> None:
        if self._body is not None:
            self._body.close()
            self._body = None
        self._decoder = None

    # -- to the daemon processes

    def _submit(self, body: RequestBody | None) -> None:
        head = self._head
        assert head is not None
        self._body = None
        self._decoder = None
        self.state = State.ANSWER
        self.deadline = NEVER
        self._keep = head.keep_alive and not (self._half_closed and not self._buffer)
        front = self._front
        now = time.time()
        exchange = Exchange(
            self,
            head,
            self._environ,
            body,
            front.next_request_id(),
            now if body is None else now - (time.monotonic() - self._head_started),
            now,
            NEVER,
        )
        self._exchange = exchange
        front.submit(exchange)

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
        self._ended = True
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
        self._make_spool().add(data[sent:])
        self._wait_to_write()

    def begin_answer(self, exchange: Exchange, head: ResponseHead) -> None:
        """Write the head of an answer whose body follows."""
        discard = head.bodiless or exchange.head.method == b"HEAD"
        self._discard_answer = discard
        self._chunked_answer = False
        self._left = None
        self._ended = False
        self._cutting = False
        self._body_bytes = 0
        if not discard:
            self._left = head.content_length
            if head.content_length is None:
                if exchange.head.minor:
                    self._chunked_answer = True
                    head = head._replace(lines=head.lines + b"Transfer-Encoding: chunked\r\n")
                else:
                    self._keep = False  # the end of the connection is the end of the body
        self._make_spool().add(self._head_lines(head))
        self._front.write_soon(self)

    def _make_spool(self) -> ResponseSpool:
        spool = self._spool
        if spool is None:
            options = self._front.options
            spool = self._spool = ResponseSpool(options.spool_directory, options.response_buffer_size, _SPOOL_BOUND)
        return spool

    def add_body(self, data: bytes) -> None:
        """Write a piece of the body."""
        self._uncredited += len(data)
        if not self._discard_answer and not self._cutting:
            spool = self._spool
            assert spool is not None
            if self._left is not None:
                data = data[: self._left]
                self._left -= len(data)
            if data:
                self._body_bytes += len(data)
                if self._chunked_answer:
                    data = b"%x\r\n%b\r\n" % (len(data), data)
                spool.add(data)
        self._front.write_soon(self)
        self._give_credit()

    def add_file(self, descriptor: int, offset: int, count: int) -> None:
        """Write a range of a file as a piece of the body; the descriptor is ours."""
        if self._left is not None:
            count = min(count, self._left)
            self._left -= count
        if self._discard_answer or self._cutting or not count:
            os.close(descriptor)
            return
        spool = self._spool
        assert spool is not None
        self._body_bytes += count
        if self._chunked_answer:
            spool.add(b"%x\r\n" % count)
        spool.add_file(descriptor, offset, count)
        if self._chunked_answer:
            spool.add(b"\r\n")
        self._front.write_soon(self)

    def end_answer(self) -> None:
        """The body is complete."""
        spool = self._spool
        assert spool is not None
        if self._left and not self._discard_answer:
            self.cut()
            return
        if self._chunked_answer:
            spool.add(b"0\r\n\r\n")
        self._ended = True
        self._front.write_soon(self)

    def cut(self) -> None:
        """The body will never be complete: write what there is, then break the connection."""
        self._cutting = True
        self._ended = True
        self._keep = False
        self._front.write_soon(self)

    def _give_credit(self) -> None:
        spool = self._spool
        exchange = self._exchange
        if (
            self._uncredited >= _CREDIT_STEP
            and exchange is not None
            and exchange.channel is not None
            and not self._ended
            and (spool is None or not spool.saturated or spool.memory < self._front.options.response_buffer_size)
        ):
            exchange.channel.credit(exchange, self._uncredited)
            self._uncredited = 0

    # -- writing

    def memory(self, data: bytes, *, more: bool) -> int:
        """Send bytes; -1 when the client takes none at the moment."""
        try:
            return self._socket.send(data, socket.MSG_MORE if more else 0)
        except BlockingIOError:
            return -1

    def file(self, descriptor: int, offset: int, count: int) -> int:
        """Send a range of a file; -1 when the client takes nothing at the moment, 0 at the file's early end."""
        try:
            return os.sendfile(self._fd, descriptor, offset, min(count, 0x7FFFF000))
        except BlockingIOError:
            return -1

    def write(self) -> None:
        """Write as much of the answer as the client takes."""
        spool = self._spool
        if spool is None or self.state is State.CLOSED:
            return
        before = spool.size
        try:
            done = spool.send(self)
        except EOFError as error:
            logger.error("%s; the client's connection is cut", error)
            self._reset()
            return
        except OSError:
            self.lose()
            return
        if done:
            self._watch(self._events & ~WRITE)
            self.deadline = NEVER
            if self._ended:
                self._finish()
                return
        elif spool.size != before or not self._events & WRITE:
            self._wait_to_write()
        if self._uncredited:
            self._give_credit()

    def _wait_to_write(self) -> None:
        self._watch(self._events | WRITE)
        timeout = self._front.options.socket_timeout
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
        if front.access_log is not None:
            self._log("X" if self._cutting else "+" if self._keep else "-")
        if exchange is not None:
            self._exchange = None
            exchange.client = None
            if exchange.body is not None:
                exchange.body.close()
        spool = self._spool
        if spool is not None:
            spool.close()
            self._spool = None
        self._uncredited = 0
        self._response_head = None
        if self._cutting:
            self._cutting = False
            self._reset()
            return
        if not self._keep or front.stopping:
            self._close_politely()
            return
        self._head = None
        self.state = State.HEAD
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
        if self.state is State.HEAD:
            self._advance()
            if self._half_closed and self.state in {State.HEAD, State.BODY}:
                self.close()  # the rest of the request will never come

    def _answer_error(self, status: int, *, retry_after: int = 0) -> None:
        """Answer with the server's own page."""
        head = self._head
        if self._front.stopping or (head is not None and not head.keep_alive):
            self._keep = False
        response, body = error_response(status, retry_after=retry_after)
        self._answer_itself(response, body)

    def _answer_itself(self, response: ResponseHead, body: bytes) -> None:
        """Write an answer that no application gave."""
        self.state = State.ANSWER
        self.deadline = NEVER
        head = self._head
        if head is not None and head.method == b"HEAD":
            body = b""
        data = self._head_lines(response) + body
        self._body_bytes = len(body)
        self._chunked_answer = False
        self._ended = True
        self._make_spool().add(data)
        self.write()

    def _refuse(self, error: HttpError) -> None:
        """Answer a request that is not acceptable; nothing after it is read as a request."""
        logger.info("refused a request from %s with %s", self._addresses[0] or "a Unix socket", error)
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

    def refuse_for_load(self) -> None:
        """Answer 503: too many requests wait already."""
        self._answer_error(503, retry_after=_RETRY_AFTER)

    def expire(self) -> None:
        """The deadline has passed."""
        if self.state is State.HEAD:
            if self._buffer:
                self._refuse(HttpError(408, "the request head did not arrive in time"))
            else:
                self.close()
        elif self.state is State.BODY:
            self._refuse(HttpError(408, "the request body did not arrive in time"))
        elif self.state is State.ANSWER:
            logger.info("a client has read nothing of its answer for %g s", self._front.options.socket_timeout)
            self.lose()
        else:
            self.close()

    def lose(self) -> None:
        """The client has gone: forget its request, wherever it is."""
        exchange = self._exchange
        if exchange is not None:
            self._exchange = None
            if self._front.access_log is not None:
                self._log("X", exchange)
            outcome = exchange.fail(Failure.CLIENT_GONE)
            exchange.client = None
            self._front.abandon(exchange, outcome)
        self.close()

    def close_if_idle(self) -> None:
        """Close a connection that is between requests; the server is stopping."""
        if self.state is State.HEAD and not self._buffer:
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
        if self._socket.family != socket.AF_UNIX and not self._chunked_answer and self._left is None:
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
        exchange = self._exchange
        if exchange is not None:
            self._exchange = None
            outcome = exchange.fail(Failure.CLIENT_GONE)
            exchange.client = None
            self._front.abandon(exchange, outcome)
        self._front.poller.remove(self._fd)
        self._drop_body()
        if self._spool is not None:
            self._spool.close()
            self._spool = None
        self._front.deadlines.forget(self)
        self._socket.close()
        self._front.client_closed(self)

    def _set_deadline(self, deadline: float) -> None:
        self.deadline = deadline
        self._front.deadlines.note(self)

    def _log(self, connection_status: str, exchange: Exchange | None = None) -> None:
        exchange = exchange or self._exchange
        self._front.log_access(
            self._addresses,
            self._head,
            exchange,
            self._response_head,
            body_bytes=self._body_bytes,
            requests=self._requests,
            connection_status=connection_status,
        )
