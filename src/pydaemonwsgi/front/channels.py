"""The front's end of one daemon process's channel. Shell over `exchange` and `dispatch`."""

import asyncio
import logging
import os
import socket
import stat
import time
from typing import TYPE_CHECKING, Final

from pydaemonwsgi.channel.frames import (
    ERROR_PAGE,
    RAN_INLINE,
    TIMED_OUT,
    Frame,
    Kind,
    Payload,
    RejectReason,
    decode_file,
    decode_response,
    encode,
    encode_request,
)
from pydaemonwsgi.errors import ChannelError, ResponseError
from pydaemonwsgi.front.casualties import describe_casualties
from pydaemonwsgi.front.exchange import OUTCOMES, Exchange, Failure, Phase
from pydaemonwsgi.front.frame_reader import FrameReader
from pydaemonwsgi.front.frame_writer import FrameWriter
from pydaemonwsgi.front.slow_requests import log_if_slow
from pydaemonwsgi.http.response import read_response_head
from pydaemonwsgi.metrics.scoreboard import Scoreboard
from pydaemonwsgi.system.sockets import LOST_DESCRIPTOR

if TYPE_CHECKING:
    from pydaemonwsgi.front.clients import Client
    from pydaemonwsgi.front.groups import ProcessGroup
    from pydaemonwsgi.front.server import FrontServer

__all__ = ["Channel"]

logger = logging.getLogger(__name__)

# Looking a member up in its enumeration costs five times as much as a global; these are read for every request.
_RESPONSE: Final = int(Kind.RESPONSE)
_SENT: Final = Phase.SENT
_ENDED: Final = Phase.ENDED

# Requests with which a process that runs them one after the other may begin, while the front reads more.
_ENOUGH: Final = 6
_CREDIT_BYTES: Final = 8
_LARGEST_OFFSET: Final = 2**63 - 1


class Channel:
    """A daemon process as the front sees it.

    Args:
        front: the front it serves.
        group: the process group that the daemon process belongs to.
        sock: this end of the channel.
        process: the supervisor's number for the process.
        pid: its pid.
        threads: its worker threads.
        scoreboard: where it notes which streams it has started.
    """

    def __init__(
        self,
        front: "FrontServer",
        group: "ProcessGroup",
        sock: socket.socket,
        process: int,
        pid: int,
        threads: int,
        scoreboard: Scoreboard,
    ) -> None:
        sock.setblocking(False)
        self._front = front
        self.group = group
        self._longest_line = group.options.header_buffer_size
        self._loop = asyncio.get_running_loop()
        self._socket = sock
        self._fd = sock.fileno()
        self._reader = FrameReader(sock)
        self._writer = FrameWriter(self._loop, sock)
        self._streams: dict[int, Exchange] = {}
        self._scoreboard = scoreboard
        self.process = process
        self.pid = pid
        self.threads = threads
        self.in_flight = 0
        self.short = False
        self.accepting = True
        self.detached = False
        self.closed = False
        self._loop.add_reader(self._fd, self._on_readable)

    def __repr__(self) -> str:
        """Return what an operator would ask for."""
        state = "accepting" if self.accepting else "not accepting"
        return f"<Channel to pid {self.pid}: {self.in_flight} in flight, {state}>"

    @property
    def streams(self) -> dict[int, Exchange]:
        """The requests that the process has, by stream."""
        return self._streams

    @property
    def scoreboard(self) -> Scoreboard:
        """Where the process notes what it runs."""
        return self._scoreboard

    # -- towards the daemon process

    def run(self, exchange: Exchange, stream: int) -> None:
        """Send a request: at once, or, where the process runs them inline, with all others of this turn of the loop."""
        exchange.phase = _SENT
        exchange.stream = stream
        exchange.channel = self
        self._streams[stream] = exchange
        self.in_flight += 1
        body = exchange.body
        spooled = body is not None and body.descriptor >= 0
        frame = encode_request(
            stream,
            exchange.request_start,
            exchange.queue_start,
            exchange.request_id,
            exchange.connection,
            exchange.environ,
            b"" if body is None or spooled else body.content,
            body.length if body is not None and spooled else None,
        )
        writer = self._writer
        writer.waiting.append((frame, exchange) if spooled else frame)
        if not writer.scheduled:
            if self.short:
                writer.schedule()
            else:
                # Each wakes a thread of its own there. One by one they do not wait for each other.
                writer.flush()
        elif len(writer.waiting) >= _ENOUGH:
            writer.flush()

    def cancel(self, exchange: Exchange) -> None:
        """Tell the process that nobody waits for this request any more."""
        self._writer.add(encode(Kind.CANCEL, exchange.stream))

    def credit(self, exchange: Exchange, count: int) -> None:
        """Tell the process that `count` bytes of the answer have been taken."""
        self._writer.add(encode(Kind.CREDIT, exchange.stream, count.to_bytes(_CREDIT_BYTES, "little")))

    def withdraw(self, exchange: Exchange) -> None:
        """A request is not sent after all: there is room for another, or nothing left to wait for."""
        if self._streams.pop(exchange.stream, None) is not None:
            self.in_flight -= 1
            self._loop.call_soon(self._go_on)

    def _go_on(self) -> None:
        self.group.dispatch()
        if self.detached and not self.in_flight:
            self.close()

    # -- from the daemon process

    def _on_readable(self) -> None:
        if self._receive():
            self._go_on()

    def _receive(self) -> bool:
        """Take what has come; return whether there was something and the channel goes on."""
        try:
            try:
                frames = self._reader.receive()
            except BlockingIOError:
                return False
            if frames is not None:
                self._take(frames)
                self._reader.descriptors.check(0)
        except ChannelError as error:
            logger.error("pid %d broke the protocol: %s; its channel is closed", self.pid, error)
            self._lose("broke the protocol", logging.WARNING)
            return False
        except Exception:
            # A safety net: a bug of ours must not leave requests that nobody answers any more.
            logger.exception("reading from pid %d failed; its channel is closed", self.pid)
            self._lose("is given up", logging.WARNING)
            return False
        if frames is None:
            self._lose("closed its channel")
        return frames is not None

    def _take(self, frames: list[Frame]) -> None:
        streams = self._streams
        for kind, flags, descriptors, stream, payload in frames:
            if kind == _RESPONSE:
                exchange = streams.pop(stream, None)
                if exchange is None:
                    raise ChannelError(f"an answer to stream {stream}, which is not running")
                self.in_flight -= 1
                self.short = bool(flags & RAN_INLINE)
                if self.group.slow_requests:
                    log_if_slow(self._front, self, exchange)
                self._take_response(exchange, payload, flags)
                continue
            exchange = streams.get(stream)
            if exchange is None:
                raise ChannelError(f"a {Kind(kind).name} frame for stream {stream}, which is not running")
            if kind == Kind.DATA:
                self._take_data(exchange, payload)
            elif kind == Kind.HEAD:
                self._take_head(exchange, payload)
            elif kind == Kind.FILE:
                descriptor = self._reader.descriptors.take(descriptors)
                if descriptor == LOST_DESCRIPTOR:
                    self._lose_file(exchange)
                else:
                    self._take_file(exchange, payload, descriptor)
            else:
                del streams[stream]
                self.in_flight -= 1
                if self.group.slow_requests and kind != Kind.REJECT:
                    log_if_slow(self._front, self, exchange)
                if kind == Kind.END:
                    self.short = bool(flags & RAN_INLINE)
                    self._take_end(exchange)
                elif kind == Kind.ABORT:
                    self.short = False
                    self._fail(exchange, Failure.TIMED_OUT if flags & TIMED_OUT else Failure.ABORTED)
                else:
                    self._take_reject(exchange, flags)

    def _take_response(self, exchange: Exchange, payload: Payload, flags: int) -> None:
        client: Client | None = exchange.client
        encoded, body = decode_response(payload)
        if client is None:
            return
        if exchange.phase is not _SENT:
            raise ChannelError("a second answer to one request")
        try:
            head = read_response_head(encoded, self._longest_line)
            if head.content_length != len(body) and body and head.content_length is not None:
                raise ResponseError("Content-Length is not the body's")
        except ResponseError as error:
            self._refuse_head(exchange, error)
            return
        if flags & ERROR_PAGE:
            head = head._replace(failed=True)
        exchange.phase = _ENDED
        client.answer(exchange, head, body)

    def _take_head(self, exchange: Exchange, payload: Payload) -> None:
        client: Client | None = exchange.client
        if client is None:
            return
        if exchange.phase is not Phase.SENT:
            raise ChannelError("a second head for one request")
        try:
            head = read_response_head(bytes(payload), self._longest_line)
        except ResponseError as error:
            self._refuse_head(exchange, error)
            return
        exchange.phase = Phase.BODY
        client.begin_answer(exchange, head)

    def _refuse_head(self, exchange: Exchange, error: ResponseError) -> None:
        logger.error(
            "the answer of pid %d cannot be passed on: %s",
            self.pid,
            error,
            extra=self._front.log_of(exchange.route, exchange),
        )
        # Its body may be waiting for credit that nobody gives any more.
        self.cancel(exchange)
        self._fail(exchange, Failure.BAD_HEAD)

    def _take_data(self, exchange: Exchange, payload: Payload) -> None:
        client: Client | None = exchange.client
        if client is None:
            return
        if exchange.phase is Phase.ENDED:
            return  # its head was refused
        if exchange.phase is not Phase.BODY:
            raise ChannelError("a body before its head")
        client.add_body(bytes(payload))

    def _take_file(self, exchange: Exchange, payload: Payload, descriptor: int) -> None:
        client: Client | None = exchange.client
        offset, count = decode_file(payload)
        status = os.fstat(descriptor)
        sendable = stat.S_ISREG(status.st_mode) and offset + count <= _LARGEST_OFFSET
        if client is None or not sendable or exchange.phase is not Phase.BODY:
            os.close(descriptor)
            if client is not None and exchange.phase is not Phase.ENDED:
                raise ChannelError("a FILE frame whose descriptor is no regular file, or before its head")
            return
        client.add_file(descriptor, offset, count)

    def _lose_file(self, exchange: Exchange) -> None:
        """This process may not have the descriptor that an answer's body is in: that answer fails, and no other."""
        logger.error(
            "out of descriptors: an answer of pid %d cannot be received; raise LimitNOFILE or ulimit -n",
            self.pid,
            extra=self._front.log_of(exchange.route, exchange),
        )
        if exchange.client is not None and exchange.phase is Phase.SENT:
            raise ChannelError("a FILE frame before its head")
        self._fail(exchange, Failure.ABORTED)

    def _take_end(self, exchange: Exchange) -> None:
        client: Client | None = exchange.client
        if client is None:
            return
        if exchange.phase is Phase.ENDED:
            return
        if exchange.phase is not Phase.BODY:
            raise ChannelError("an end before its head")
        exchange.phase = Phase.ENDED
        client.end_answer()

    def _take_reject(self, exchange: Exchange, flags: int) -> None:
        if flags == RejectReason.BUSY:
            self.short = False
        else:
            self.accepting = False
        if exchange.client is not None:
            self._fail(exchange, Failure.REJECTED)

    def _fail(self, exchange: Exchange, failure: Failure) -> None:
        if exchange.client is None or exchange.phase is Phase.ENDED:
            return
        if (exchange.phase, failure) not in OUTCOMES:
            raise ChannelError(f"a request in phase {exchange.phase.value}: {failure.value}")
        self._front.settle(exchange, exchange.fail(failure))

    # -- end

    def detach(self) -> None:
        """Give the process no more requests; close the channel once the last has ended."""
        self.accepting = False
        self.detached = True
        if not self.in_flight:
            self.close()

    def note_death(self) -> None:
        """The process has exited: read what it still managed to send, then settle what is left.

        The end of file says so too, unless a process that the application forked holds the channel open.
        """
        while not self.closed and self._receive():
            pass
        if not self.closed:
            self._lose("has exited")

    def _lose(self, how: str, level: int = logging.DEBUG) -> None:
        """The process is gone, or treated so: settle each of its requests.

        What it was running is told to the supervisor before the channel's end is: it makes one record of all.
        """
        # First of all: what is answered here may ask for more at once, an error document for example.
        self.accepting = False
        lost, self._streams = self._streams, {}
        self.in_flight = 0
        logger.log(level, "pid %d %s with %d requests in flight", self.pid, how, len(lost))
        waited_for = [lost[stream] for stream in sorted(lost) if lost[stream].client is not None]
        started = [exchange for exchange in waited_for if self._has_started(exchange)]
        self._front.report_lost(self.process, describe_casualties(started, self._scoreboard.rows(), time.time()))
        for exchange in waited_for:
            failure = Failure.LOST_STARTED if self._has_started(exchange) else Failure.LOST_UNSTARTED
            self._front.settle(exchange, exchange.fail(failure))
        self.close()
        self.group.dispatch()

    def _has_started(self, exchange: Exchange) -> bool:
        return exchange.phase is Phase.BODY or self._scoreboard.has_started(exchange.stream)

    def close(self) -> None:
        """End the channel; the daemon process leaves when it sees that."""
        if self.closed:
            return
        self.closed = True
        self.accepting = False
        self._loop.remove_reader(self._fd)
        self._writer.close()
        self._reader.descriptors.close()
        self._socket.close()
        self._front.forget(self)
