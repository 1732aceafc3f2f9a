"""Writing records to one descriptor without ever waiting for whoever reads it. Shell.

A file takes everything at once. A pipe may be full: then records wait here, up to a bound, and go on when there is
room; beyond the bound they are lost and counted. The error log says when that begins and how many it were.
"""

import asyncio
import logging
import os
import select
import time
from collections import deque
from collections.abc import Sequence
from typing import Final

__all__ = ["LogWriter"]

logger = logging.getLogger(__name__)

# Bytes that wait for one reader, besides those in the pipe: some seconds of a busy server.
_MOST: Final = 1 << 20
# Bytes of waiting records that are written at once.
_CHUNK: Final = 1 << 16


class LogWriter:
    """The records of one descriptor.

    Args:
        loop: says when a full pipe has room again.
        descriptor: to write to; it may be made to lead elsewhere by `replace`.

    Attributes:
        lost: records lost since it last could write.
    """

    __slots__ = ("_begun", "_cut", "_descriptor", "_loop", "_waiting", "_waiting_bytes", "_watched", "lost")

    def __init__(self, loop: asyncio.AbstractEventLoop, descriptor: int) -> None:
        self._loop = loop
        self._descriptor = descriptor
        self._waiting: deque[bytes] = deque()
        self._waiting_bytes = 0
        self._begun = False  # the first that waits has been written in part
        self._cut = False  # the log ends inside a record whose rest is lost
        self._watched = False
        self.lost = 0

    @property
    def descriptor(self) -> int:
        """What it writes to."""
        return self._descriptor

    def __del__(self) -> None:
        self.finish(0.0)
        os.close(self._descriptor)

    def write(self, records: Sequence[bytes]) -> None:
        """Write records, each a whole line, or have them wait."""
        if self._waiting or self.lost or self._cut:
            self._wait(records)
            if not self._watched:
                self._go_on()
            return
        data = b"".join(records)
        try:
            written = os.write(self._descriptor, data)
        except BlockingIOError:
            written = 0
        except OSError as error:
            self._lose(len(records), error)
            return
        if written < len(data):
            rest = []
            for record in records:
                if written < len(record):
                    rest.append(record[written:])
                    self._begun = self._begun or written > 0
                written = max(0, written - len(record))
            self._wait(rest)
            self._go_on()

    def replace(self, descriptor: int) -> None:
        """Have the descriptor lead to where another one does; what waits goes there."""
        self._unwatch()
        if self._begun and self._waiting:
            # Its beginning is in the old place; so is its end, if there is room.
            rest = self._waiting.popleft()
            self._waiting_bytes -= len(rest)
            try:
                whole = os.write(self._descriptor, rest) == len(rest)
            except OSError:
                whole = False
            self.lost += not whole
        self._begun = self._cut = False
        os.dup2(descriptor, self._descriptor, inheritable=False)
        if self._waiting or self.lost:
            self._go_on()

    def finish(self, deadline: float) -> None:
        """Write what waits, until the monotonic time `deadline`: the process ends."""
        self._unwatch()
        poller = select.poll()
        poller.register(self._descriptor, select.POLLOUT)
        while self._waiting and (left := deadline - time.monotonic()) > 0 and poller.poll(left * 1000):
            self._go_on()
            self._unwatch()
        self.lost += len(self._waiting)
        self._waiting.clear()
        self._tell()

    # -- what waits

    def _wait(self, records: Sequence[bytes]) -> None:
        for number, record in enumerate(records):
            if self._waiting_bytes + len(record) > _MOST:
                if not self.lost:
                    logger.error("an access log takes no more records: its reader does not read; they are lost")
                self.lost += len(records) - number
                return
            self._waiting.append(record)
            self._waiting_bytes += len(record)

    def _drop(self, written: int) -> None:
        """The first bytes of what waits have been written."""
        if self._cut and written:
            written -= 1
            self._cut = False
        self._waiting_bytes -= written
        while written:
            record = self._waiting.popleft()
            self._begun = written < len(record)
            if self._begun:
                self._waiting.appendleft(record[written:])
            written -= min(written, len(record))

    def _go_on(self) -> None:
        """Write what waits, as far as there is room."""
        try:
            while self._waiting:
                self._drop(os.write(self._descriptor, self._chunk()))
        except BlockingIOError:
            if not self._watched:
                self._watched = True
                self._loop.add_writer(self._descriptor, self._go_on)
            return
        except OSError as error:
            lost = len(self._waiting)
            self._waiting.clear()
            self._waiting_bytes = 0
            self._lose(lost, error)
        else:
            self._tell()
        self._unwatch()

    def _chunk(self) -> bytes:
        records, size = [b"\n" * self._cut], 0
        for record in self._waiting:
            records.append(record)
            size += len(record)
            if size >= _CHUNK:
                break
        return b"".join(records)

    def _unwatch(self) -> None:
        if self._watched:
            self._watched = False
            self._loop.remove_writer(self._descriptor)

    # -- what is lost

    def _lose(self, count: int, error: OSError) -> None:
        if not self.lost:
            # A full disk must not stop the service; the error log, perhaps elsewhere, says what is missing.
            logger.error("an access log cannot be written: %s; its records are lost", error.strerror)
        self.lost += count
        self._cut = self._cut or self._begun
        self._begun = False

    def _tell(self) -> None:
        if self.lost:
            logger.error("records of an access log that are lost: %d; it is written again", self.lost)
            self.lost = 0
