"""Where bodies wait: memory first, then an unlinked file. Shell."""

import errno
import logging
import os
import tempfile
from concurrent.futures import ThreadPoolExecutor
from typing import Final, Protocol

__all__ = ["RequestBody", "ResponseSpool", "SpoolError", "open_spool_file"]

logger = logging.getLogger(__name__)

# Bytes of files sent to one client in one turn of the loop: 0.3 to 0.8 ms, in which all others wait.
_AT_ONCE: Final = 2 * 1024 * 1024
# Bytes from which on a file is closed by a thread, so that the loop does not wait for it.
_CLOSED_HERE: Final = 4 * 1024 * 1024
_closer: Final = ThreadPoolExecutor(1, "spool-closer")


class SpoolError(Exception):
    """A spool file could not be written; the message names directory and cause."""


def open_spool_file(directory: str | None) -> int:
    """Return the descriptor of a new file that has no name.

    Raises:
        SpoolError: the directory has no room or no rights for one.
    """
    directory = directory or tempfile.gettempdir()
    try:
        return os.open(directory, os.O_TMPFILE | os.O_RDWR | os.O_CLOEXEC, 0o600)
    except OSError as error:
        if error.errno not in {errno.EOPNOTSUPP, errno.EISDIR, errno.ENOENT, errno.EINVAL}:
            raise SpoolError(f"cannot create a file in {directory}: {error.strerror}") from error
    try:
        descriptor, path = tempfile.mkstemp(prefix="pydaemonwsgi-", dir=directory)
        os.unlink(path)
    except OSError as error:
        raise SpoolError(f"cannot create a file in {directory}: {error.strerror}") from error
    return descriptor


def close_spool_file(descriptor: int, size: int) -> None:
    """Close the descriptor of a spool file; elsewhere if it is long, for giving 100 MB back takes 10 ms."""
    if size < _CLOSED_HERE:
        os.close(descriptor)
    else:
        _closer.submit(os.close, descriptor)


def _write_all(descriptor: int, data: "bytes | memoryview", offset: int, directory: str | None) -> None:
    view = memoryview(data)
    try:
        while view:
            written = os.pwrite(descriptor, view, offset)
            view = view[written:]
            offset += written
    except OSError as error:
        raise SpoolError(f"cannot write to a file in {directory or tempfile.gettempdir()}: {error.strerror}") from error


class RequestBody:
    """A request's body while it arrives and until it is handed over.

    Args:
        directory: of the spool file; None for the system's.
        threshold: bytes kept in memory.
    """

    __slots__ = ("_chunks", "_directory", "_threshold", "descriptor", "length")

    def __init__(self, directory: str | None, threshold: int) -> None:
        self._directory = directory
        self._threshold = threshold
        self._chunks: list[bytes] = []
        self.descriptor = -1
        self.length = 0

    def append(self, data: "bytes | memoryview") -> None:
        """Add `data` to the end.

        Raises:
            SpoolError: there is no room for it.
        """
        if self.descriptor >= 0:
            _write_all(self.descriptor, data, self.length, self._directory)
            self.length += len(data)
            return
        if self.length + len(data) > self._threshold:
            self.spill()
            self.append(data)
            return
        self._chunks.append(bytes(data))
        self.length += len(data)

    def spill(self) -> None:
        """Move what is in memory into a file; called at once when the body is known to be long."""
        self.descriptor = open_spool_file(self._directory)
        kept = b"".join(self._chunks)
        self._chunks.clear()
        _write_all(self.descriptor, kept, 0, self._directory)

    @property
    def content(self) -> bytes:
        """The whole body, where it stayed in memory."""
        return b"".join(self._chunks)

    def close(self) -> None:
        """Give memory and file back."""
        self._chunks.clear()
        if self.descriptor >= 0:
            close_spool_file(self.descriptor, self.length)
            self.descriptor = -1


class ResponseSpool:
    """What a client has not read yet of an answer: bytes in memory, ranges of files.

    Memory holds `threshold` bytes; what comes beyond goes to a file. Once the file cannot grow (a full disk, its
    own bound) `saturated` says so, and whoever feeds it should wait until `size` has become smaller.

    Args:
        directory: of the spool file; None for the system's.
        threshold: bytes kept in memory.
        bound: bytes in the file at most.
    """

    __slots__ = (
        "_bound",
        "_directory",
        "_file",
        "_file_end",
        "_segments",
        "_threshold",
        "memory",
        "saturated",
        "size",
    )

    def __init__(self, directory: str | None, threshold: int, bound: int) -> None:
        self._directory = directory
        self._threshold = threshold
        self._bound = bound
        self._segments: list[bytes | list[int]] = []
        self._file = -1
        self._file_end = 0
        self.memory = 0
        self.size = 0
        self.saturated = False

    def __bool__(self) -> bool:
        """Whether anything waits."""
        return bool(self._segments)

    def add(self, data: bytes) -> None:
        """Add bytes to the end."""
        self.size += len(data)
        if self.memory + len(data) > self._threshold and not self.saturated and self._add_to_file(data):
            return
        self._segments.append(data)
        self.memory += len(data)

    def _add_to_file(self, data: bytes) -> bool:
        if self._file_end + len(data) > self._bound:
            self.saturated = True
            return False
        try:
            if self._file < 0:
                self._file = open_spool_file(self._directory)
            _write_all(self._file, data, self._file_end, self._directory)
        except SpoolError as error:
            logger.warning("%s; answers wait in their daemon processes instead", error)
            self.saturated = True
            return False
        last = self._segments[-1] if self._segments else None
        if isinstance(last, list) and last[0] == self._file:
            last[2] += len(data)
        else:
            self._segments.append([self._file, self._file_end, len(data), 0])
        self._file_end += len(data)
        return True

    def add_file(self, descriptor: int, offset: int, count: int, *, last: bool = True) -> None:
        """Add a range of a file; the descriptor is closed when the last of its ranges has been sent."""
        self._segments.append([descriptor, offset, count, last])
        self.size += count

    def send(self, send: "Sender") -> bool:
        """Send as much as the client takes, within bounds; return whether everything has been sent.

        A client that reads as fast as we send would otherwise keep the loop to itself for a whole file.

        Raises:
            OSError: the client has gone.
            EOFError: a file is shorter than it was said to be.
        """
        segments = self._segments
        budget = _AT_ONCE
        while segments:
            if budget <= 0:
                return False
            first = segments[0]
            if isinstance(first, bytes):
                if not self._send_memory(send):
                    return False
            else:
                descriptor, offset, count, ours = first
                asked = min(count, budget)
                sent = send.file(descriptor, offset, asked)
                if sent < 0:
                    return False
                if sent == 0 and count:
                    raise EOFError(f"a file of the answer is {count} bytes shorter than it was")
                self.size -= sent
                budget -= sent
                first[1] += sent
                first[2] -= sent
                if sent < asked:
                    return False  # the client's buffer is full
                if first[2]:
                    continue
                del segments[0]
                if ours:
                    os.close(descriptor)
        self._reset_file()
        return True

    def _send_memory(self, send: "Sender") -> bool:
        """Send the leading segments of memory in one system call; return whether to go on."""
        segments = self._segments
        run: list[bytes] = []
        total = 0
        for segment in segments:
            if not isinstance(segment, bytes) or total > 256 * 1024:
                break
            run.append(segment)
            total += len(segment)
        more = len(run) < len(segments)
        data = run[0] if len(run) == 1 else b"".join(run)
        sent = send.memory(data, more=more)
        if sent < 0:
            return False
        self.size -= sent
        self.memory -= sent
        del segments[: len(run)]
        if sent < len(data):
            segments.insert(0, data[sent:])
            return False
        return True

    def _reset_file(self) -> None:
        if self._file >= 0 and self._file_end:
            try:
                os.ftruncate(self._file, 0)
            except OSError:
                os.close(self._file)
                self._file = -1
            self._file_end = 0
            self.saturated = False

    def close(self) -> None:
        """Give memory and files back."""
        for segment in self._segments:
            if isinstance(segment, list) and segment[3]:
                os.close(segment[0])
        self._segments.clear()
        if self._file >= 0:
            close_spool_file(self._file, self._file_end)
            self._file = -1
        self.size = self.memory = 0


class Sender(Protocol):
    """How bytes reach a client; -1 means that it takes no more at the moment."""

    def memory(self, data: bytes, *, more: bool) -> int:
        """Send bytes; `more` says that something follows at once."""
        ...

    def file(self, descriptor: int, offset: int, count: int) -> int:
        """Send a range of a file; 0 means that the file ended early."""
        ...
