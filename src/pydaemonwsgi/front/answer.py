"""An answer on its way to a client, where it does not go out in one piece: framing, spool, credit. Shell."""

import os
from typing import Final

from pydaemonwsgi.front.spool import ResponseSpool, Sender

__all__ = ["Answer"]

# Bytes taken from a daemon process before it is told so.
_CREDIT_STEP: Final = 128 * 1024


class Answer:
    """What is written of one answer.

    Args:
        spool: where bytes wait for the client.
        threshold: bytes in memory from which on a daemon process is not asked for more, once the disk is full.
        chunked: whether the body goes out in chunks (RFC 9112 section 7.1).
        discard: whether the body does not go out at all: HEAD, 204, 304.
        left: bytes that the head has promised, or None.

    Attributes:
        body_bytes: of the body, passed on so far.
        ended: whether nothing is added any more.
        cut: whether it ended before it was complete, so that the connection must break.
    """

    __slots__ = ("_chunked", "_discard", "_left", "_spool", "_threshold", "_uncredited", "body_bytes", "cut", "ended")

    def __init__(
        self,
        spool: ResponseSpool,
        threshold: int,
        *,
        chunked: bool = False,
        discard: bool = False,
        left: int | None = None,
    ) -> None:
        self._spool = spool
        self._threshold = threshold
        self._chunked = chunked
        self._discard = discard
        self._left = left
        self._uncredited = 0
        self.body_bytes = 0
        self.ended = False
        self.cut = False

    @property
    def self_delimiting(self) -> bool:
        """Whether a client that gets only a part of the body can tell."""
        return self._chunked or self._left is not None

    @property
    def waiting(self) -> int:
        """Bytes that the client has not taken yet."""
        return self._spool.size

    def add_raw(self, data: bytes) -> None:
        """Add bytes for the wire: a head, or a complete answer."""
        self._spool.add(data)

    def add(self, data: bytes) -> None:
        """Add a piece of the body."""
        self._uncredited += len(data)
        if self._discard or self.cut:
            return
        if self._left is not None:
            data = data[: self._left]
            self._left -= len(data)
        if data:
            self.body_bytes += len(data)
            self._spool.add(b"%x\r\n%b\r\n" % (len(data), data) if self._chunked else data)

    def add_file(self, descriptor: int, offset: int, count: int, *, last: bool = True) -> None:
        """Add a range of a file as a piece of the body; the descriptor is ours, and closed after its last range."""
        if self._left is not None:
            count = min(count, self._left)
            self._left -= count
        if self._discard or self.cut or not count:
            if last:
                os.close(descriptor)
            return
        self.body_bytes += count
        if self._chunked:
            self._spool.add(b"%x\r\n" % count)
        self._spool.add_file(descriptor, offset, count, last=last)
        if self._chunked:
            self._spool.add(b"\r\n")

    def end(self) -> None:
        """The body is complete; or, if bytes are missing that the head promised, never will be."""
        if self._left and not self._discard:
            self.break_off()
            return
        if self._chunked:
            self._spool.add(b"0\r\n\r\n")
        self.ended = True

    def break_off(self) -> None:
        """The body will never be complete."""
        self.cut = True
        self.ended = True

    def send(self, sender: Sender) -> bool:
        """Send as much as the client takes; return whether nothing waits any more.

        Raises:
            OSError: the client has gone.
            EOFError: a file is shorter than it was said to be.
        """
        return self._spool.send(sender)

    def take_credit(self) -> int:
        """Return for how many bytes the daemon process should be given credit now; 0 for not yet."""
        spool = self._spool
        if self._uncredited < _CREDIT_STEP or self.ended or (spool.saturated and spool.memory >= self._threshold):
            return 0
        credit, self._uncredited = self._uncredited, 0
        return credit

    def close(self) -> None:
        """Give memory and files back."""
        self._spool.close()
