"""Receiving the body of a client's request, whole, before a daemon process hears of it. Shell over `bodies`."""

import logging
import socket
from abc import abstractmethod
from typing import TYPE_CHECKING

from pydaemonwsgi.errors import HttpError
from pydaemonwsgi.front.answering import Answering
from pydaemonwsgi.front.bodies import BodyReader
from pydaemonwsgi.front.connection import State
from pydaemonwsgi.front.poller import READ
from pydaemonwsgi.front.spool import RequestBody, SpoolError
from pydaemonwsgi.http.head import RequestHead
from pydaemonwsgi.http.response import CONTINUE

if TYPE_CHECKING:
    from pydaemonwsgi.front.server import FrontServer

__all__ = ["Receiving"]

logger = logging.getLogger(__name__)


class Receiving(Answering):
    """A connection on which request bodies are received."""

    __slots__ = ("_body",)

    def __init__(self, front: "FrontServer", sock: socket.socket, addresses: tuple[str, int, str, int]) -> None:
        super().__init__(front, sock, addresses)
        self._body: BodyReader | None = None

    def _begin_body(self, head: RequestHead) -> bool:
        front = self._front
        try:
            self._body = body = BodyReader(front.configuration.options, head, self.route.limit_request_body)
        except HttpError as error:
            self._refuse(error)
            return False
        except SpoolError as error:
            self._fail_spool(error)
            return False
        if head.expects_continue and not self._buffer and not self._send_continue():
            return False
        self.state = State.BODY
        self._set_deadline(front.configuration.body_timeout.deadline(body.started, 0))
        data, self._buffer = self._buffer, b""
        if data:
            self._take_body(body, data)
        if self.state is State.BODY:
            if self._half_closed:
                self.close()  # the rest of the body will never come
            elif not self._events & READ:
                self._watch(self._events | READ)
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
            assert self.head is not None
            self._submit(self.head, body.body)
        else:
            # Only ever moves away, so the buckets need not hear of it.
            self.deadline = self._front.configuration.body_timeout.deadline(body.started, body.received)

    def _fail_spool(self, error: SpoolError) -> None:
        logger.error(
            "a request's body cannot be kept: %s; answered with 503", error, extra=self._front.log_of(self.route)
        )
        self.keep = False
        self._lingers = True
        self._drop_body()
        self._front.own_answers.error(self, 503, retry_after=10)

    def _drop_body(self) -> None:
        if self._body is not None:
            self._body.close()
            self._body = None

    def _give_back(self) -> None:
        self._drop_body()
        super()._give_back()

    # -- what is above: reading heads

    @abstractmethod
    def _submit(self, head: RequestHead, body: RequestBody | None) -> None:
        """Give a request to its process group."""

    @abstractmethod
    def _refuse(self, error: HttpError) -> None:
        """Answer a request that is not acceptable; nothing after it is read as a request."""

    @abstractmethod
    def _take_end(self) -> None:
        """The client sends nothing any more."""
