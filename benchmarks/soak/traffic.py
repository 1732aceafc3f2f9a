"""What the load asks for and whether an answer is the right one. Sans-I/O."""

import hashlib
import random
from dataclasses import dataclass, field
from typing import Final

__all__ = ["KINDS", "Answer", "BrokenAnswerError", "Kind", "Request", "expected_text"]


@dataclass(frozen=True)
class Kind:
    """One kind of request.

    Attributes:
        name: in the account.
        weight: how often, relative to the others.
        how: what the application does.
        length: bytes of the answer.
        body: bytes of the request's body; 0 for a GET.
        closing: whether it asks for the end of its connection.
        pieces: in how many pieces the client sends it, a moment apart; 1 for at once.
        sips: whether the client reads a little at a time.
    """

    name: str
    weight: int
    how: str = "plain"
    length: int = 500
    body: int = 0
    closing: bool = False
    pieces: int = 1
    sips: bool = False


# Bodies beyond 64 KiB are spooled, answers beyond 256 KiB travel as memory files.
KINDS: Final = (
    Kind("get", 30),
    Kind("close", 10, closing=True),
    Kind("wait", 15, how="wait"),
    Kind("post", 25, how="digest", body=200),
    Kind("ponder", 10, how="ponder", body=200),
    Kind("upload", 5, how="digest", body=200_000),
    Kind("stream", 5, how="stream", length=20_000),
    Kind("large", 4, length=600_000),
    Kind("trickle", 3, how="digest", body=400, pieces=12),
    Kind("sip", 3, how="stream", length=400_000, sips=True),
)


def expected_text(identity: int, length: int) -> bytes:
    """Return the answer's body, as the application makes it."""
    line = b"id=%d;" % identity
    return (line * (length // len(line) + 1))[:length]


@dataclass(slots=True)
class Request:
    """One request and what became of it.

    Attributes:
        identity: its number, which the application records.
        kind: see `Kind`.
        sent_at: when its first byte was due, monotonic seconds.
        ended_at: when its outcome was known.
        outcome: `ok`, a status, or how it was lost; empty while it runs.
        detail: for the reader.
    """

    identity: int
    kind: Kind
    sent_at: float
    ended_at: float = 0.0
    outcome: str = ""
    detail: str = ""

    def encode(self) -> bytes:
        """Return the bytes of the request."""
        kind = self.kind
        target = f"/{self.identity}/{kind.length}/{kind.how}"
        lines = [f"{'POST' if kind.body else 'GET'} {target} HTTP/1.1", "Host: soak"]
        if kind.closing:
            lines.append("Connection: close")
        if kind.body:
            lines.append(f"Content-Length: {kind.body}")
        return "\r\n".join([*lines, "", ""]).encode() + self.body()

    def body(self) -> bytes:
        """Return the request's body, which its number decides."""
        return random.Random(self.identity).randbytes(self.kind.body)

    def judge(self, answer: "Answer") -> tuple[str, str]:
        """Return outcome and detail of a complete answer."""
        if answer.status != 200:
            return str(answer.status), ""
        body = bytes(answer.body)
        if body != expected_text(self.identity, self.kind.length):
            return "wrong", f"{len(body)} bytes that begin with {body[:40]!r}"
        if self.kind.body and answer.headers.get("x-digest") != hashlib.sha256(self.body()).hexdigest():
            return "wrong", "the application read another body"
        return "ok", ""


class BrokenAnswerError(Exception):
    """Bytes that are no HTTP answer."""


@dataclass(slots=True)
class Answer:
    """An answer while it arrives, by Content-Length or in chunks.

    Attributes:
        status: 0 until the head is complete.
        body: what has come of the body.
        complete: whether all of it is there.
        rest: what came after its end.
    """

    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    body: bytearray = field(default_factory=bytearray)
    complete: bool = False
    rest: bytes = b""
    _pending: bytes = b""

    def feed(self, data: bytes) -> None:
        """Take bytes.

        Raises:
            BrokenAnswerError: they are no answer.
        """
        self._pending += data
        if not self.status and not self._read_head():
            return
        length = self.headers.get("content-length")
        if length is not None:
            missing = int(length) - len(self.body)
            self.body += self._pending[:missing]
            self._pending = self._pending[missing:]
            if len(self.body) == int(length):
                self._end()
        elif self.headers.get("transfer-encoding") == "chunked":
            self._read_chunks()
        else:
            raise BrokenAnswerError(f"status {self.status} with neither length nor chunks")

    def _read_head(self) -> bool:
        head, separator, rest = self._pending.partition(b"\r\n\r\n")
        if not separator:
            return False
        lines = head.decode("latin-1").split("\r\n")
        if not lines[0].startswith("HTTP/1.1 "):
            raise BrokenAnswerError(f"an answer that begins with {lines[0][:40]!r}")
        self.status = int(lines[0][9:12])
        self.headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines[1:])}
        self._pending = rest
        return True

    def _read_chunks(self) -> None:
        while True:
            size, separator, rest = self._pending.partition(b"\r\n")
            if not separator:
                return
            try:
                length = int(size, 16)
            except ValueError:
                raise BrokenAnswerError(f"a chunk that begins with {size[:40]!r}") from None
            if len(rest) < length + 2:
                return
            self.body += rest[:length]
            self._pending = rest[length + 2 :]
            if not length:
                self._end()
                return

    def _end(self) -> None:
        self.complete = True
        self.rest, self._pending = self._pending, b""
