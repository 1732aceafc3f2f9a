"""What is answered to a client: a daemon process's answers and the front's own, whole or piece by piece. Shell."""

import logging
import os
import socket
import time
from abc import abstractmethod
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Final

from pydaemonwsgi.channel.frames import Payload
from pydaemonwsgi.errors import OvertimeError
from pydaemonwsgi.front.access_logs import access_record
from pydaemonwsgi.front.answer import Answer
from pydaemonwsgi.front.connection import State
from pydaemonwsgi.front.exchange import Exchange, Failure, Outcome
from pydaemonwsgi.front.local_answers import edited, without_patterns_of
from pydaemonwsgi.front.routes import Route
from pydaemonwsgi.front.timeouts import NEVER
from pydaemonwsgi.front.writing import Writing
from pydaemonwsgi.http.head import RequestHead
from pydaemonwsgi.http.ranges import ByteRange
from pydaemonwsgi.http.response import ResponseHead

if TYPE_CHECKING:
    from pydaemonwsgi.front.groups import ProcessGroup
    from pydaemonwsgi.front.server import FrontServer

__all__ = ["Answering"]

logger = logging.getLogger(__name__)

# From here on an answer is an error, which the configuration may replace.
_FIRST_ERROR: Final = 400
_NO_ROOM: Final = 503

# Looking a member up in its enumeration costs five times as much as a global; this is read for every request.
_ANSWER: Final = State.ANSWER


class Answering(Writing):
    """A connection on which answers are written.

    Attributes:
        began: when the head of a request for a configured site had been read, seconds since the epoch; 0 for others.
        exchange: the request that a daemon process has; None if the front answers itself, or nobody does.
        head: of the request; None between requests and for one that could not be read.
        keep: whether the connection goes on after this answer.
        refused_line: the first line of a head that was refused, as it came; the connection ends with its answer.
        requests: that have come, with the one that is being answered.
    """

    __slots__ = (
        "_response_head",
        "began",
        "exchange",
        "head",
        "keep",
        "refused_line",
        "requests",
    )

    def __init__(self, front: "FrontServer", sock: socket.socket, addresses: tuple[str, int, str, int]) -> None:
        super().__init__(front, sock, addresses)
        self._response_head: ResponseHead | None = None
        self.began = 0.0
        self.exchange: Exchange | None = None
        self.head: RequestHead | None = None
        self.keep = True
        self.refused_line = b""
        self.requests = 0

    def is_for(self, group: "ProcessGroup") -> bool:
        """Whether a request of it is for a process group, and not yet answered."""
        return self.state in {State.BODY, State.ANSWER} and self.route.group is group

    # -- what a daemon process answers

    def answer(self, exchange: Exchange, head: ResponseHead, body: Payload) -> None:
        """Write a complete answer."""
        decision = self.route.decision
        if decision is not None:
            if head.sent_on is not None or (
                head.status >= _FIRST_ERROR and (head.failed or decision.common.context.settings.error_override)
            ):
                self._front.own_answers.replace(self, head)
                return
            try:
                head = edited(self.route, head, exchange.request_start, time.time())
            except OvertimeError as error:
                self._give_up(error)
                return
        if head.bodiless or exchange.head.method == b"HEAD":
            body = b""
        elif head.content_length is None:
            head = head._replace(lines=b"%bContent-Length: %d\r\n" % (head.lines, len(body)), content_length=len(body))
        elif head.content_length != len(body):
            # A promise without its bytes; the head may go out, the end may not.
            self.keep = False
        lines = self._head_lines(head)
        data = lines + body if type(body) is bytes else b"".join((lines, body))
        self._body_bytes = len(body)
        # As _send_whole; a call less, for every request.
        try:
            sent = self._socket.send(data)
        except BlockingIOError:
            sent = 0
        except OSError:
            self.lose()
            return
        if sent == len(data):
            self._finish()
        else:
            self._send_rest(data[sent:], len(body))

    def begin_answer(self, exchange: Exchange, head: ResponseHead) -> None:
        """Write the head of an answer whose body follows."""
        decision = self.route.decision
        if decision is not None:
            if head.sent_on is not None or (
                head.status >= _FIRST_ERROR and (head.failed or decision.common.context.settings.error_override)
            ):
                exchange.client = None
                exchange.channel.cancel(exchange)
                self._front.own_answers.replace(self, head)
                return
            try:
                head = edited(self.route, head, exchange.request_start, time.time())
            except OvertimeError as error:
                exchange.client = None
                exchange.channel.cancel(exchange)
                self._give_up(error)
                return
        discard = head.bodiless or exchange.head.method == b"HEAD"
        left = None if discard else head.content_length
        chunked = left is None and not discard and exchange.head.minor > 0
        if chunked:
            head = head._replace(lines=head.lines + b"Transfer-Encoding: chunked\r\n")
        elif left is None and not discard:
            self.keep = False  # the end of the connection is the end of the body
        self._answer = answer = self._new_answer(chunked=chunked, discard=discard, left=left)
        answer.add_raw(self._head_lines(head))
        self._front.write_soon(self)

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

    def settle(self, exchange: Exchange, outcome: Outcome) -> None:
        """End a request in the way that the table says."""
        if exchange is not self.exchange:
            return
        if outcome is Outcome.CUT:
            self.cut()
        elif outcome is Outcome.ANSWER_500:
            self._front.own_answers.error(self, 500)
        elif outcome is Outcome.ANSWER_502:
            self._front.own_answers.error(self, 502)
        elif outcome is Outcome.ANSWER_504:
            self._front.own_answers.error(self, 504)

    def refuse(self, retry_after: int) -> None:
        """Answer 503: the request cannot even wait; after so many seconds the client may ask again."""
        self._front.own_answers.error(self, 503, retry_after=retry_after)

    def _give_up(self, error: OvertimeError) -> None:
        """Answer 500: a pattern that is to change the answer takes too long."""
        self.route = without_patterns_of(self.route)
        self._front.own_answers.refuse(self, 500, str(error))

    def _give_credit(self, answer: Answer) -> None:
        exchange = self.exchange
        if exchange is not None and exchange.channel is not None and (credit := answer.take_credit()):
            exchange.channel.credit(exchange, credit)

    def drop_exchange(self) -> None:
        """Have nothing to do any more with an exchange whose answer is not the client's."""
        exchange = self.exchange
        if exchange is not None:
            self.exchange = None
            exchange.client = None
            if exchange.body is not None:
                exchange.body.close()

    # -- what the front answers itself

    def respond(self, response: ResponseHead, body: bytes, *, is_error: bool = False) -> None:
        """Write an answer that no application gave, as the configuration changes its head."""
        now = time.time()
        try:
            response = edited(self.route, response, self.began or now, now, error_page=is_error)
        except OvertimeError as error:
            self._give_up(error)
            return
        self.state = _ANSWER
        self.deadline = NEVER
        head = self.head
        if response.bodiless or (head is not None and head.method == b"HEAD"):
            body = b""
        elif response.content_length != len(body):
            self.keep = False
        self._send_whole(self._head_lines(response) + body, len(body))

    def respond_file(self, response: ResponseHead, descriptor: int, parts: Sequence[bytes | ByteRange]) -> None:
        """Write an answer whose body is made of bytes and of ranges of a file.

        The descriptor is ours, and closed when nobody needs it any more.
        """
        now = time.time()
        try:
            response = edited(self.route, response, self.began or now, now)
        except OvertimeError as error:
            os.close(descriptor)
            self._give_up(error)
            return
        self.state = _ANSWER
        self.deadline = NEVER
        self._answer = answer = self._new_answer(left=response.content_length)
        answer.add_raw(self._head_lines(response))
        last = max(number for number, part in enumerate(parts) if isinstance(part, ByteRange))
        for number, part in enumerate(parts):
            if isinstance(part, ByteRange):
                answer.add_file(descriptor, part.start, part.length, last=number == last)
            else:
                answer.add(part)
        answer.end()
        self.write()

    @property
    def takes_whole(self) -> bool:
        """Whether the request asks for the whole of a resource, whatever the client has already."""
        return self.head is not None and not self.head.is_conditional

    def deny(self, status: int, reason: str, *headers: tuple[str, str]) -> None:
        """Answer with an error that the log gives the reason for; whom there is no room for may ask again soon."""
        retry_after = int(status == _NO_ROOM)
        self._front.own_answers.refuse(self, status, reason, retry_after=retry_after, headers=headers)

    def wait(self) -> None:
        """Have the request wait for what is neither the client's nor a daemon process's: a disk, a script's opinion."""
        self.state = _ANSWER
        self.deadline = NEVER

    def resume(self, go_on: Callable[[], None]) -> None:
        """Go on with what `wait` waited for, unless the client has gone."""
        if self.state is not _ANSWER:
            return
        try:
            go_on()
        except Exception:
            # A safety net: nothing else would ever end this request.
            logger.exception("a request that waited cannot go on")
            self.close()

    def _head_lines(self, head: ResponseHead) -> bytes:
        """Return the answer's head for the wire, up to and with its empty line."""
        request = self.head
        self._response_head = head
        if self._front.stopping:
            self.keep = False
        if not self.keep:
            return head.lines + self._front.server_lines + b"Connection: close\r\n\r\n"
        if request is not None and not request.minor:
            return head.lines + self._front.server_lines + b"Connection: keep-alive\r\n\r\n"
        return head.lines + self._front.server_lines + b"\r\n"

    # -- what is above: reading requests

    @abstractmethod
    def enter(self, route: Route) -> bool:
        """Take a route; return whether the next request may be read."""

    @abstractmethod
    def look_again(self) -> bool:
        """Have it decided anew where the request goes, for a file is not what it was; return whether that helps."""

    @abstractmethod
    def _begin_next(self) -> None:
        """Wait for the next request."""

    # -- ends

    def _finish(self) -> None:
        """An answer has been written whole: log it, and go on with the next request or close."""
        exchange = self.exchange
        answer = self._answer
        cut = answer is not None and answer.cut
        if self.route.host.logs:
            self._log("X" if cut else "+" if self.keep else "-")
        if exchange is not None:
            self.exchange = None
            exchange.client = None
            if exchange.body is not None:
                exchange.body.close()
        self._response_head = None
        if answer is not None:
            self._answer = None
            answer.close()
            if cut:
                self._break_off(answer)
                return
        if self.keep and not self._front.stopping:
            self._begin_next()
        else:
            self._close_politely()

    def lose(self) -> None:
        """The client has gone: forget its request, wherever it is."""
        exchange = self.exchange
        self.exchange = None
        self._body_bytes = 0
        if (self.state is _ANSWER or self.state is State.BODY) and self.route.host.logs:
            self._log("X", exchange)
        if exchange is not None:
            self._abandon(exchange)
        self.close()

    def _abandon(self, exchange: Exchange) -> None:
        outcome = exchange.fail(Failure.CLIENT_GONE)
        exchange.client = None
        self._front.abandon(exchange, outcome)

    def _give_back(self) -> None:
        exchange = self.exchange
        if exchange is not None:
            self.exchange = None
            self._abandon(exchange)
        super()._give_back()

    def _log(self, connection_status: str, exchange: Exchange | None = None) -> None:
        route, answer = self.route, self._answer
        record = access_record(
            self.addresses,
            self.head,
            exchange or self.exchange,
            self._response_head,
            self._front.server_lines,
            body_bytes=self._body_bytes if answer is None else max(0, answer.body_bytes - answer.waiting),
            requests=self.requests,
            connection_status=connection_status,
            decision=route.decision,
            document_of=route.document_of,
            refused_line=self.refused_line,
            began=self.began,
            remote_host="" if route.facts is None else route.facts.remote_host,
        )
        self._front.access_logs.add(route.host.logs, record)
