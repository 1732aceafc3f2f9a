"""`wsgi.file_wrapper`: a file as response body. PEP 3333, section Optional Platform-Specific File Handling."""

import fcntl
import io
import os
import stat
from collections.abc import Iterator
from typing import Any

__all__ = ["FileWrapper", "sendable_range"]


class FileWrapper:
    """Wraps a file-like object; the server sends it by descriptor where it can, and block by block otherwise.

    Args:
        filelike: has `read()`, perhaps `fileno()`, `tell()` and `close()`.
        blksize: bytes per block when it is iterated over.
    """

    def __init__(self, filelike: Any, blksize: int = 8192) -> None:
        if blksize < 0:
            raise ValueError("the block size must not be negative")
        self.filelike = filelike
        self.blksize = blksize
        if hasattr(filelike, "close"):
            self.close = filelike.close

    def __iter__(self) -> Iterator[bytes]:
        """Iterate over the blocks."""
        return self

    def __next__(self) -> bytes:
        """Return the next block."""
        data = self.filelike.read(self.blksize)
        if not isinstance(data, bytes):
            raise TypeError(f"read() of the wrapped file must return bytes, not {type(data).__name__}")
        if data:
            return data
        raise StopIteration


def sendable_range(wrapper: FileWrapper) -> tuple[int, int, int] | None:
    """Return descriptor, offset and count of what is left of a regular file, or None if it is not one."""
    filelike = wrapper.filelike
    if isinstance(filelike, io.BufferedIOBase) and not isinstance(filelike, (io.BufferedReader, io.BufferedRandom)):
        # gzip, bz2, lzma: what they read is not what is in the file whose descriptor they tell.
        return None
    try:
        descriptor = filelike.fileno()
        offset = filelike.tell()
        status = os.fstat(descriptor)
        access = fcntl.fcntl(descriptor, fcntl.F_GETFL) & os.O_ACCMODE
    except (AttributeError, OSError, ValueError, TypeError):
        # Not a real file (BytesIO raises UnsupportedOperation, an OSError): iterate over it instead.
        return None
    if not isinstance(descriptor, int) or not isinstance(offset, int) or access == os.O_WRONLY:
        return None
    if not stat.S_ISREG(status.st_mode) or not status.st_size:
        return None  # files of /proc say that they are empty, and are not
    return descriptor, offset, max(0, status.st_size - offset)
