"""`wsgi.input`: the request's body, complete before the application runs. PEP 3333, section Input and Error Streams."""

import io
from collections.abc import Iterator
from typing import Final

__all__ = ["NO_BODY", "RequestInput"]

# What a request without a body reads from; shared, for most requests have none.
NO_BODY: Final = io.BytesIO()


class RequestInput:
    """The body as a file; reading past its end gives `b""`, reading after the request raises RuntimeError.

    Args:
        file: where the bytes are: memory, or a file positioned at its beginning.
        length: how many bytes the body has.
    """

    __slots__ = ("_file", "_left")

    def __init__(self, file: io.BufferedIOBase, length: int) -> None:
        self._file: io.BufferedIOBase | None = file
        self._left = length

    def _open(self) -> io.BufferedIOBase:
        if self._file is None:
            raise RuntimeError("wsgi.input was used after its request had ended")
        return self._file

    def _account(self, data: bytes, wanted: int) -> bytes:
        self._left -= len(data)
        if not data and wanted and self._left > 0:
            # The front promised more than the spool file holds; never pretend that the body is whole.
            raise OSError(f"the request's body is truncated: {self._left} bytes are missing")
        return data

    def read(self, size: int | None = -1, /) -> bytes:
        """Return up to `size` bytes, or all that is left; fewer only at the end."""
        file = self._open()
        if size is None or size < 0 or size > self._left:
            size = self._left
        if not size:
            return b""
        data = file.read(size)
        return self._account(data, size) if len(data) == size else self._short(data)

    def _short(self, data: bytes) -> bytes:
        self._account(data, 1)
        raise OSError(f"the request's body is truncated: {self._left} bytes are missing")

    def readline(self, size: int | None = -1, /) -> bytes:
        """Return the next line with its end, at most `size` bytes of it."""
        file = self._open()
        if size is None or size < 0 or size > self._left:
            size = self._left
        if not size:
            return b""
        return self._account(file.readline(size), size)

    def readlines(self, hint: int | None = -1, /) -> list[bytes]:
        """Return the remaining lines; no more lines are read once `hint` bytes have been."""
        lines = []
        total = 0
        for line in self:
            lines.append(line)
            total += len(line)
            if hint is not None and 0 < hint <= total:
                break
        return lines

    def __iter__(self) -> Iterator[bytes]:
        """Iterate over the remaining lines."""
        return self

    def __next__(self) -> bytes:
        """Return the next line."""
        if line := self.readline():
            return line
        raise StopIteration

    def close(self) -> None:
        """Do nothing: the stream belongs to the server."""

    def end(self) -> None:
        """Close the stream for good; called by the server when the request is over."""
        file, self._file = self._file, None
        if file is not None and file is not NO_BODY:
            file.close()
