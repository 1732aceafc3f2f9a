"""One request's answer on its way to the front: `start_response`, `write`, body, end. Shell over a `Link`.

PEP 3333, sections The start_response() Callable and Handling the Content-Length Header. Heads are lazy: nothing is
sent before the first byte of body, or the end.
"""

import logging
import os
import threading
from collections.abc import Callable
from typing import Any, Final

from pydaemonwsgi.channel.frames import (
    ERROR_PAGE,
    HEADER,
    RAN_INLINE,
    TIMED_OUT,
    Kind,
    RequestPayload,
    encode,
    encode_file,
    encode_response,
    split_data,
)
from pydaemonwsgi.daemon.interruption import Interruption
from pydaemonwsgi.daemon.link import Link
from pydaemonwsgi.daemon.output import ErrorStream
from pydaemonwsgi.daemon.response import Head, encode_head

__all__ = ["ClientGone", "Exchange"]

logger = logging.getLogger(__name__)

# Bytes of DATA that may be on their way without the front having said that it took them.
WINDOW: Final = 1024 * 1024
# A body that is ready and at least this long goes as a descriptor of memory instead of through the channel.
BY_DESCRIPTOR: Final = 256 * 1024

_HEADS: dict[tuple[Any, ...], Head] = {}
_MAXIMUM_HEADS: Final = 1024
_LONGEST_CACHED_HEAD: Final = 2048
_EMPTY_HEAD: Final = Head(b"", 0, None, False)

# Wakes threads that wait for credit. One for the process: waiting is rare, and each looks at its own numbers.
_credit = threading.Condition()


class ClientGone(OSError):
    """The client has gone; raised by `write()` into the application."""


class Exchange:
    """The answer to one request.

    Attributes:
        head_sent: whether the head is on its way, so that the status cannot change any more.
        cancelled: whether the front said that the client has gone.
        ended: whether the end of the answer is on its way; nothing may follow it.
        overfull: whether the application has given more than its Content-Length.
        given_up: whether nobody waits for the end of this request any more, although it may be running.
        status: the last status code that the application gave, 0 before.
        request: what the front sent.
        thread_id: of the worker that runs it, counting from 1.
        started: when it began, of `time.perf_counter`.
        interruption: where its thread may be interrupted; None where that is not asked for.
    """

    __slots__ = (
        "_data",
        "_discard",
        "_flags",
        "_head",
        "_left",
        "_link",
        "_method",
        "_unacknowledged",
        "cancelled",
        "ended",
        "errors",
        "given_up",
        "head_sent",
        "interruption",
        "overfull",
        "prompt",
        "request",
        "started",
        "stream",
        "thread_id",
    )

    def __init__(
        self,
        link: Link,
        stream: int,
        method: str,
        errors: ErrorStream,
        inline: bool,
        request: RequestPayload,
        thread_id: int,
        started: float,
        interruption: Interruption | None = None,
    ) -> None:
        self._link = link
        self._method = method
        self._head = _EMPTY_HEAD
        self._left: int | None = None
        self.overfull = False
        self._discard = False
        self._unacknowledged = 0
        self._flags = RAN_INLINE if inline else 0
        self.stream = stream
        self.errors = errors
        self.head_sent = False
        self.cancelled = False
        self.ended = False
        self.given_up = False
        self._data: dict[str, Any] | None = None
        self.request = request
        self.thread_id = thread_id
        self.started = started
        self.interruption = interruption
        # An inline request's frames may wait for the leader's flush; the monitor sees to it that they do not wait long.
        self.prompt = not inline

    @property
    def data(self) -> dict[str, Any]:
        """A dictionary of the application's own, for as long as the request runs."""
        if self._data is None:
            self._data = {}
        return self._data

    @property
    def status(self) -> int:
        """The status code that the application gave last; 0 before."""
        return self._head.status

    # -- what the application calls

    def start_response(
        self, status: str, headers: list[tuple[str, str]], exc_info: Any = None, /
    ) -> Callable[[bytes], None]:
        """Take status and headers; see PEP 3333."""
        if exc_info is not None:
            if not isinstance(exc_info, tuple) or len(exc_info) != 3:
                raise RuntimeError("exc_info must be a tuple of three, as sys.exc_info() returns it")
            if self.head_sent:
                try:
                    raise exc_info[1].with_traceback(exc_info[2])
                finally:
                    exc_info = None
        elif self.head_sent:
            raise RuntimeError("start_response was called again after the response had begun")
        if (self.ended and not self.given_up) or self.errors.ended:
            raise RuntimeError("start_response was called after its response had ended")
        try:
            key = (status, *headers)
            head = _HEADS.get(key) if type(headers) is list else None
        except TypeError:  # not iterable or not hashable; the checks below say what is wrong
            key, head = (), None
        if head is None:
            head = encode_head(status, headers)
            if key and len(head.encoded) <= _LONGEST_CACHED_HEAD:
                if len(_HEADS) >= _MAXIMUM_HEADS:
                    _HEADS.clear()
                _HEADS[key] = head
        self._head = head
        return self.write

    def write(self, data: bytes, /) -> None:
        """Send `data` now; the imperative way to give a body.

        Raises:
            ClientGone: nobody is there to read it.
        """
        if (self.ended and not self.given_up) or self.errors.ended:
            raise RuntimeError("write was called after its response had ended")
        interruption = self.interruption
        if interruption is None:
            self.send(data)
        else:
            interruption.leave()
            try:
                self.send(data)
            finally:
                interruption.enter()
        if self.cancelled or self._link.broken:
            raise ClientGone("the client has closed its connection")

    # -- what the adapter calls

    def complete(self, body: bytes) -> None:
        """Send the whole answer; nothing may have been sent before."""
        head = self._checked_head()
        if self._discard:
            encoded = head.encoded
            if head.content_length is None and body and not head.forbids_body:
                encoded = head.with_content_length(len(body))
            self._post_response(encoded, b"")
            self.head_sent = True
            return
        length = head.content_length
        if length is None:
            encoded = head.with_content_length(len(body))
        else:
            encoded = head.encoded
            if length != len(body):
                if length > len(body):
                    self.send(body)
                    self.end()
                    return
                body = body[:length]
                self._say_too_long()
        if len(body) < BY_DESCRIPTOR:
            self._post_response(encoded, body)
            self.head_sent = True
            return
        self._complete_by_descriptor(encoded, body)

    def _complete_by_descriptor(self, encoded: bytes, body: bytes) -> None:
        try:
            descriptor = os.memfd_create("response", os.MFD_CLOEXEC)
        except OSError:
            self._post(encode(Kind.HEAD, self.stream, encoded))
            self.head_sent = True
            self._send_pieces(body)
            self._post_end()
            return
        try:
            view = memoryview(body)
            while view:
                view = view[os.write(descriptor, view) :]
            self.send_file(descriptor, 0, len(body), encoded)
        finally:
            os.close(descriptor)

    def send_file(self, descriptor: int, offset: int, count: int, encoded: bytes | None = None) -> None:
        """Send the whole answer, its body being a range of a regular file; the descriptor stays the caller's."""
        head = self._checked_head()
        if encoded is None:
            length = head.content_length
            encoded = head.with_content_length(count) if length is None else head.encoded
            if length is not None and length < count:
                count = length
            elif length is not None and length > count and not self._discard:
                self._say_too_short(length - count)
        self._post(encode(Kind.HEAD, self.stream, encoded))
        self.head_sent = True
        if count and not self._discard:
            self._link.send_descriptors(encode_file(self.stream, offset, count), [descriptor], self._is_over)
        self._post_end()

    def send(self, data: bytes) -> None:
        """Send a piece of the body, and the head before the first."""
        if type(data) is not bytes and not isinstance(data, bytes):
            raise TypeError(f"the body must be of bytes, not {type(data).__name__}")
        if not data:
            return
        if not self.head_sent:
            self._send_head()
        if self._discard:
            return
        left = self._left
        if left is not None:
            if len(data) > left:
                data = data[:left]
                self._left = 0
                if not self.overfull:
                    self.overfull = True
                    self._say_too_long()
                if not data:
                    return
            else:
                self._left = left - len(data)
        self._send_pieces(data)

    def _send_pieces(self, data: bytes) -> None:
        for frame in split_data(self.stream, data):
            if self.cancelled or self._link.broken:
                return
            self._post(frame)
            self._unacknowledged += len(frame) - HEADER.size
            if self._unacknowledged > WINDOW:
                self._wait_for_credit()

    def _wait_for_credit(self) -> None:
        self._link.flush()
        with _credit:
            while self._unacknowledged > WINDOW and not self.cancelled and not self._link.broken:
                if self.interruption is not None:
                    self.interruption.check()
                # The time-out is for a channel that breaks without anybody reading it.
                _credit.wait(1.0)

    def end(self) -> None:
        """Say that the body is complete; send the head if there was no body."""
        if not self.head_sent:
            self._send_head(no_body=True)
        if self._left and not self._discard:
            self._say_too_short(self._left)
            self.abort("fewer bytes than Content-Length")
            return
        self._post_end()

    def end_cancelled(self) -> None:
        """Say that nothing more comes for a request that the front has given up."""
        self.abort("the client has gone")

    def flush(self) -> None:
        """Send what is waiting for the leader's flush."""
        self._link.flush()

    def _post_end(self) -> None:
        self._post(encode(Kind.END, self.stream, flags=self._flags), last=True)

    def abort(self, why: str, *, flags: int = 0) -> None:
        """Say that the body will never be complete, so that the client's connection is cut."""
        self._post(encode(Kind.ABORT, self.stream, why.encode("utf-8", "replace")[:4096], flags=flags), last=True)

    def answer_error(self, status: str, page: bytes, *, replaceable: bool) -> None:
        """Send a complete error page; the head must not have been sent.

        Args:
            replaceable: the front may show another one that the configuration has for this error.
        """
        if replaceable:
            self._flags |= ERROR_PAGE
        self._head = encode_head(status, [("Content-Type", "text/html; charset=utf-8")])
        self._discard = False
        self.complete(page)

    def _checked_head(self) -> Head:
        head = self._head
        if not head.status:
            raise RuntimeError("the application did not call start_response before its body")
        if head.content_length == -1:
            raise ValueError("the application's Content-Length is not a length")
        if self._method == "HEAD" or head.forbids_body:
            self._discard = True
        return head

    def _send_head(self, *, no_body: bool = False) -> None:
        head = self._checked_head()
        self._left = head.content_length
        encoded = head.encoded
        if no_body and head.content_length is None and not self._discard:
            encoded = head.with_content_length(0)
        self._post(encode(Kind.HEAD, self.stream, encoded))
        self.head_sent = True

    def _is_over(self) -> bool:
        return self.ended

    def _post(self, frames: bytes, *, last: bool = False) -> None:
        link = self._link
        # The monitor may give the request up at any time; nothing may follow the end that it has posted.
        with link.posting:
            if self.ended:
                return
            self.ended = last
            link.post(frames)
        # Looked at after posting: the monitor may have made us prompt, and flushed, in between.
        if self.prompt:
            link.flush()

    def _post_response(self, encoded: bytes, body: bytes) -> None:
        link = self._link
        pieces = encode_response(self.stream, encoded, body, flags=self._flags)
        with link.posting:
            if self.ended:
                return
            self.ended = True
            link.post_pieces(pieces)
        if self.prompt:
            link.flush()

    def _say_too_long(self) -> None:
        logger.error(
            "the application gave more bytes than its Content-Length; the rest is cut off",
            extra={"request_id": self.errors.request_id},
        )

    def _say_too_short(self, missing: int) -> None:
        logger.error(
            "the application gave %d bytes fewer than its Content-Length; the connection is closed",
            missing,
            extra={"request_id": self.errors.request_id},
        )

    # -- what the monitor calls

    def interrupt(self) -> None:
        """Have `RequestTimeout` raised where the request's thread is, if it is in the application or waits."""
        if self.interruption is not None:
            self.interruption.request()
            with _credit:
                _credit.notify_all()

    def give_up(self) -> None:
        """Answer for a request that is stuck: 504 where nothing was sent, else the client's connection is cut."""
        self.given_up = True
        self.abort("request-timeout", flags=TIMED_OUT)
        self.cancel()  # what it still sends goes nowhere

    # -- what the reader of the channel calls

    def cancel(self) -> None:
        """Note that the client has gone."""
        with _credit:
            self.cancelled = True
            _credit.notify_all()

    def credit(self, count: int) -> None:
        """Note that the front has taken `count` bytes of DATA frames."""
        with _credit:
            self._unacknowledged -= count
            _credit.notify_all()
