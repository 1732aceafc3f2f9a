"""Request bodies in chunks: RFC 9112 section 7.1, strictly. Sans-I/O."""

import re
from enum import Enum
from typing import Final

from pydaemonwsgi.errors import HttpError

__all__ = ["ChunkedBody"]

_SIZE_LINE: Final = re.compile(rb"([0-9A-Fa-f]{1,16})((?:;[\t\x20-\x7e\x80-\xff]*)?)")
_TRAILER: Final = re.compile(rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+:[\t\x20-\x7e\x80-\xff]*")
# A chunk's size and extensions; longer ones have no honest use (CVE-2023-39326 and its kin).
_LONGEST_SIZE_LINE: Final = 4096
# Bytes of extensions of all chunks of a body: nobody reads them, and they would pass by every limit of a body.
_MOST_EXTENSIONS: Final = 16 * 1024


class _Phase(Enum):
    SIZE = "size line"
    DATA = "chunk data"
    DATA_END = "line end after chunk data"
    TRAILERS = "trailers"
    DONE = "done"


# Sizes of small chunks by how they are written; 0 is not among them, for it is the last chunk.
_SIZES: Final = {form % size: size for size in range(1, 4097) for form in (b"%x", b"%X")}


def _take_whole_chunks(data: bytes, position: int, pieces: list[bytes]) -> int:
    """Append small chunks that are whole and plain, and return where the first other one begins.

    Nothing is decided here: what is not as plain as can be is left to the state machine. It is there because a
    client may send its body in chunks of a byte, and the time that it takes is other clients' time.
    """
    sizes = _SIZES
    find = data.find
    while True:
        end = find(b"\r\n", position, position + 6)
        if end < 0:
            return position
        size = sizes.get(data[position:end])
        if size is None:
            return position
        end += 2
        after = end + size
        if data[after : after + 2] != b"\r\n":
            return position
        pieces.append(data[end:after])
        position = after + 2


class ChunkedBody:
    """Decodes one body.

    Args:
        trailer_limit: bytes of trailers; beyond it 431. Trailers are checked and dropped.
        most_trailers: how many there may be; beyond it 431.
    """

    __slots__ = (
        "_extensions",
        "_left",
        "_most_trailers",
        "_pending",
        "_phase",
        "_trailer_limit",
        "_trailer_number",
        "_trailers",
    )

    def __init__(self, trailer_limit: int = 8190, most_trailers: int = 100) -> None:
        self._phase = _Phase.SIZE
        self._pending = b""
        self._left = 0
        self._extensions = 0
        self._trailers = 0
        self._trailer_number = 0
        self._trailer_limit = trailer_limit
        self._most_trailers = most_trailers

    @property
    def complete(self) -> bool:
        """Whether the last chunk, the trailers and the final line end have been read."""
        return self._phase is _Phase.DONE

    @property
    def announced(self) -> int:
        """How many bytes of the chunk that has begun have not come yet."""
        return self._left if self._phase is _Phase.DATA else 0

    def feed(self, data: bytes) -> tuple[list[bytes], bytes]:
        """Return the pieces of body that `data` completes, and what follows the body in `data`.

        Raises:
            HttpError: 400 or 431; the connection must be closed.
        """
        if self._pending:
            data = self._pending + data
            self._pending = b""
        pieces: list[bytes] = []
        position = 0
        while position < len(data) or self._phase is _Phase.DONE:
            if self._phase is _Phase.DONE:
                return pieces, data[position:]
            if self._phase is _Phase.DATA:
                piece = data[position : position + self._left]
                pieces.append(piece)
                position += len(piece)
                self._left -= len(piece)
                if not self._left:
                    self._phase = _Phase.DATA_END
                continue
            if self._phase is _Phase.DATA_END:
                ending = data[position : position + 2]
                if not b"\r\n".startswith(ending):
                    raise HttpError(400, "chunk data is not followed by CRLF")
                if len(ending) < 2:
                    break
                position += 2
                self._phase = _Phase.SIZE
                continue
            if self._phase is _Phase.SIZE:
                position = _take_whole_chunks(data, position, pieces)
            line, position = self._line(data, position)
            if line is None:
                break
            if self._phase is _Phase.SIZE:
                self._begin_chunk(line)
            else:
                self._take_trailer(line)
        self._pending = data[position:]
        return pieces, b""

    def _line(self, data: bytes, position: int) -> tuple[bytes | None, int]:
        end = data.find(b"\n", position)
        limit = _LONGEST_SIZE_LINE if self._phase is _Phase.SIZE else self._trailer_limit
        length = (end if end >= 0 else len(data)) - position
        if length > limit + 1:
            if self._phase is _Phase.SIZE:
                raise HttpError(400, "a chunk's size line is too long")
            raise HttpError(431, "the trailers are longer than the limit")
        if end < 0:
            return None, position
        if end == position or data[end - 1] != 13:
            raise HttpError(400, "a line of the chunked body ends in a bare LF")
        return data[position : end - 1], end + 1

    def _begin_chunk(self, line: bytes) -> None:
        match = _SIZE_LINE.fullmatch(line)
        if match is None:
            raise HttpError(400, "a chunk's size is malformed")
        self._extensions += len(match.group(2))
        if self._extensions > _MOST_EXTENSIONS:
            raise HttpError(400, "the chunk extensions of a body are too long")
        self._left = int(match.group(1), 16)
        self._phase = _Phase.DATA if self._left else _Phase.TRAILERS

    def _take_trailer(self, line: bytes) -> None:
        if not line:
            self._phase = _Phase.DONE
            return
        self._trailers += len(line)
        if self._trailers > self._trailer_limit:
            raise HttpError(431, "the trailers are longer than the limit")
        self._trailer_number += 1
        if self._trailer_number > self._most_trailers:
            raise HttpError(431, "there are more trailers than the limit")
        if not _TRAILER.fullmatch(line):
            raise HttpError(400, "a trailer field is malformed")
