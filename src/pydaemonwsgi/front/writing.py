"""Getting the bytes of an answer to a client: at once, or as the client and the disk allow. Shell over `answer`."""

import logging
import socket
import time
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Final

from pydaemonwsgi.front.answer import Answer
from pydaemonwsgi.front.connection import Connection, State
from pydaemonwsgi.front.poller import WRITE
from pydaemonwsgi.front.sending import ClientSender
from pydaemonwsgi.front.spool import ResponseSpool
from pydaemonwsgi.front.timeouts import NEVER

if TYPE_CHECKING:
    from pydaemonwsgi.front.server import FrontServer

__all__ = ["Writing"]

logger = logging.getLogger(__name__)

# One answer's bytes on disk at most; beyond it the daemon process's thread waits for the client.
_SPOOL_BOUND: Final = 1024 * 1024 * 1024


class Writing(Connection, ABC):
    """A connection that an answer's bytes are written on, whoever gave them.

    Attributes:
        route: where the request goes.
    """

    __slots__ = ("_answer", "_body_bytes", "_sender", "_warming", "route")

    def __init__(self, front: "FrontServer", sock: socket.socket, addresses: tuple[str, int, str, int]) -> None:
        super().__init__(front, sock, addresses)
        self._answer: Answer | None = None
        self._body_bytes = 0
        self._sender: ClientSender | None = None  # made for the first answer that does not go out at once
        self._warming = False
        self.route = front.configuration.route

    def _send_whole(self, data: bytes, body_bytes: int) -> None:
        """Write an answer that is here whole; at once, if the client takes it."""
        self._body_bytes = body_bytes
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
            self._send_rest(data[sent:], body_bytes)

    def _send_rest(self, data: bytes, body_bytes: int) -> None:
        self._answer = answer = self._new_answer()
        answer.add_raw(data)
        answer.body_bytes = body_bytes
        answer.ended = True
        self._wait_to_write()

    def _new_answer(self, *, chunked: bool = False, discard: bool = False, left: int | None = None) -> Answer:
        memory = self.route.group.options.response_buffer_size
        spool = ResponseSpool(self._front.configuration.options.spool_directory, memory, _SPOOL_BOUND)
        return Answer(spool, memory, chunked=chunked, discard=discard, left=left)

    def write(self) -> None:
        """Write as much of the answer as the client takes."""
        answer = self._answer
        if answer is None or self._warming or self.state is State.CLOSED:
            return
        sender = self._sender
        if sender is None:
            sender = self._sender = ClientSender(self._socket)
        before = answer.waiting
        try:
            done = answer.send(sender)
        except EOFError as error:
            logger.error("%s; the client's connection is cut", error, extra=self._front.log_of(self.route))
            self._break_off(answer)
            return
        except OSError:
            self.lose()
            return
        if done:
            sender.flush()
            self._watch(self._events & ~WRITE)
            self.deadline = NEVER
            if answer.ended:
                self._finish()
                return
        elif sender.cold is not None:
            self._warm(sender)
        elif answer.waiting != before or not self._events & WRITE:
            self._wait_to_write()
        self._give_credit(answer)

    def _warm(self, sender: ClientSender) -> None:
        """Have a thread wait for the disk, so that the other clients need not."""
        assert sender.cold is not None
        wanted, sender.cold = sender.cold, None
        self._warming = True
        self._watch(self._events & ~WRITE)
        self.deadline = NEVER  # it is not the client that is slow

        def go_on() -> None:
            self._warming = False
            sender.is_warmed = True
            self.on_writable()

        self._front.warm(*wanted, go_on)

    def _wait_to_write(self) -> None:
        self._watch(self._events | WRITE)
        timeout = self.route.group.options.response_socket_timeout
        self._set_deadline(time.monotonic() + timeout if timeout else NEVER)

    def on_writable(self) -> None:
        """Go on writing."""
        try:
            self.write()
        except Exception:
            # A safety net: a bug in one connection must not stop the others.
            logger.exception("writing to a client failed")
            self.close()

    def _break_off(self, answer: Answer) -> None:
        """End the connection in the middle of an answer, so that the client can tell."""
        if answer.self_delimiting:
            self.close()
        else:
            self._reset()

    def _give_back(self) -> None:
        if self._answer is not None:
            self._answer.close()
            self._answer = None

    # -- what is above: whose answer it is

    @abstractmethod
    def _give_credit(self, answer: Answer) -> None:
        """The client has taken bytes: whoever makes the answer may make more."""

    @abstractmethod
    def _finish(self) -> None:
        """An answer has been written whole."""

    @abstractmethod
    def lose(self) -> None:
        """The client has gone."""
