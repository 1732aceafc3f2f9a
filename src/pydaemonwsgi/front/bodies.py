"""Collecting one request's body, before a thread is taken for it. Shell over `http.body` and `spool`."""

import socket
import sys
import time
from typing import Final

from pydaemonwsgi.errors import HttpError
from pydaemonwsgi.front.options import FrontOptions
from pydaemonwsgi.front.spool import RequestBody
from pydaemonwsgi.http.body import ChunkedBody
from pydaemonwsgi.http.head import RequestHead

__all__ = ["BodyReader"]

# From so many bytes on, the rest of a body of known length is worth receiving without making objects of it.
_LONG: Final = 16 * 1024
# Receives of a long body in one turn of the loop, so that one client does not keep it.
_AT_ONCE: Final = 4
# Where the body of a long request is received into; the loop is single-threaded.
_buffer: Final = memoryview(bytearray(1024 * 1024))


class BodyReader:
    """Takes a body's bytes as they arrive, by Content-Length or in chunks.

    Args:
        options: limits, and where the bytes go.
        head: of the request; it says that there is a body.
        limit: of the body, in bytes; 0 for none.

    Raises:
        HttpError: 413, the body is longer than the limit.
        SpoolError: there is no file for a body that needs one.

    Attributes:
        body: what has arrived.
        complete: whether that is all.
        received: bytes from the wire so far.
        started: when the body began to be waited for (monotonic).
    """

    __slots__ = ("_decoder", "_left", "_limit", "body", "complete", "received", "started")

    def __init__(self, options: FrontOptions, head: RequestHead, limit: int) -> None:
        self._limit = limit
        length = head.content_length or 0
        if self._limit and length > self._limit:
            raise HttpError(413, "the body is longer than the limit")
        self._left = length
        self._decoder = _chunked_body(options) if head.chunked else None
        self.body = RequestBody(options.spool_directory, options.request_buffer_size)
        self.complete = False
        self.received = 0
        self.started = time.monotonic()
        if length > options.request_buffer_size:
            self.body.spill()

    @property
    def long(self) -> bool:
        """Whether what is still missing should be taken by `receive`."""
        return self._decoder is None and self._left > _LONG

    def feed(self, data: bytes) -> bytes:
        """Take bytes from the wire; return what follows the body.

        Raises:
            HttpError: 400, the chunks are malformed; 413, the body is longer than the limit.
            SpoolError: there is no room for them.
        """
        self.received += len(data)
        if self._decoder is None:
            piece = data[: self._left]
            self.body.append(piece)
            self._left -= len(piece)
            self.complete = not self._left
            return data[len(piece) :]
        pieces, rest = self._decoder.feed(data)
        if pieces:
            self.body.append(pieces[0] if len(pieces) == 1 else b"".join(pieces))
        if self._limit and self.body.length + self._decoder.announced > self._limit:
            raise HttpError(413, "the body is longer than the limit")
        self.complete = self._decoder.complete
        return rest

    def receive(self, sock: socket.socket) -> bool:
        """Move bytes of a long body from the socket to its file; return False when the client has sent its last.

        Raises:
            OSError: the client has gone.
            SpoolError: there is no room for them.
        """
        for _ in range(_AT_ONCE):
            try:
                size = sock.recv_into(_buffer, min(len(_buffer), self._left))
            except BlockingIOError:
                break
            if not size:
                return False
            self.body.append(_buffer[:size])
            self.received += size
            self._left -= size
            if self._left <= _LONG:
                break
        self.complete = not self._left
        return True

    def close(self) -> None:
        """Give back what has arrived."""
        self.body.close()


def _chunked_body(options: FrontOptions) -> ChunkedBody:
    return ChunkedBody(options.limit_request_field_size, options.limit_request_fields or sys.maxsize)
