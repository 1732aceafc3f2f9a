"""What a client does on a raw connection, and what it makes of the bytes that come back."""

import contextlib
import fcntl
import select
import socket
import struct
import termios

from tests.helpers.server import PATIENCE, Answer, read_all, wait_for


class Reader:
    """Takes responses one by one from a connection, by the framing that each declares.

    Args:
        sock: the connection.
    """

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self._buffer = b""

    def _more(self) -> bool:
        try:
            data = self._sock.recv(65536)
        except ConnectionError:
            return False
        self._buffer += data
        return bool(data)

    def _until(self, mark: bytes) -> int:
        while (position := self._buffer.find(mark)) < 0:
            assert self._more(), f"the connection ended before {mark!r}: {self._buffer[-200:]!r}"
        return position + len(mark)

    def _take(self, count: int) -> bytes:
        while len(self._buffer) < count:
            assert self._more(), f"the connection ended {count - len(self._buffer)} bytes early"
        data, self._buffer = self._buffer[:count], self._buffer[count:]
        return data

    def head(self) -> Answer:
        """The next head; what follows it stays."""
        answer = Answer(self._take(self._until(b"\r\n\r\n")))
        assert answer.raw.startswith(b"HTTP/1.1 "), answer.raw
        return answer

    def response(self, method: str = "GET") -> Answer:
        """The next response to a request with this method."""
        head = self.head()
        if method == "HEAD" or head.status in {204, 304} or head.status < 200:
            return head
        body = b""
        length = head.header("Content-Length")
        if (head.header("Transfer-Encoding") or "").lower() == "chunked":
            assert length is None, "two framings"
            while size := int(line := self._take(self._until(b"\r\n")), 16):
                body += line + self._take(size + 2)
            body += line + self._take(2)
        elif length is not None:
            body = self._take(int(length))
        else:
            body = self.rest()
        return Answer(head.raw + body)

    def rest(self) -> bytes:
        """Everything until the server closes."""
        data, self._buffer = self._buffer, b""
        return data + read_all(self._sock)

    def at_least(self, count: int) -> bytes:
        """The next `count` bytes."""
        return self._take(count)


def send(sock: socket.socket, data: bytes) -> None:
    """Send bytes to a server that may have had enough of them already."""
    with contextlib.suppress(ConnectionError):
        sock.sendall(data)


def send_byte_by_byte(sock: socket.socket, data: bytes) -> None:
    """Send each byte in a packet of its own."""
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    for position in range(len(data)):
        send(sock, data[position : position + 1])


def send_until_answered(sock: socket.socket, piece: bytes) -> None:
    """Send the same bytes again and again until something comes back."""
    sock.setblocking(False)
    while True:
        readable, writable, _ = select.select([sock], [sock], [], PATIENCE)
        assert readable or writable, "the server neither reads nor answers"
        if readable:
            break
        with contextlib.suppress(BlockingIOError, ConnectionError):
            sock.send(piece)
    sock.settimeout(PATIENCE)


# enum in linux/tcp_states.h
_CLOSED = 7


def is_still_read(sock: socket.socket, data: bytes) -> bool:
    """Whether bytes that are sent now are taken by the server's kernel; False if they are answered by a reset."""
    sock.sendall(data)

    def is_reset() -> bool:
        return sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1)[0] == _CLOSED

    def unacknowledged() -> int:
        number: int = struct.unpack("i", fcntl.ioctl(sock, termios.TIOCOUTQ, bytes(4)))[0]
        return number

    wait_for(lambda: is_reset() or not unacknowledged(), "an acknowledgement or a reset")
    return not is_reset()


def closed(sock: socket.socket) -> bool:
    """Whether the server closes the connection without another byte."""
    try:
        return sock.recv(1) == b""
    except ConnectionError:
        return True
