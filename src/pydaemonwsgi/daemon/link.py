"""The daemon process's end of a channel. Shell.

Any thread may send; only the thread that leads may receive. What is queued with `post` goes out with the next
`flush` of whichever thread, so that the answers of many short requests share one system call.
"""

import errno
import select
import socket
import threading
from collections import deque
from collections.abc import Callable, Sequence

from pydaemonwsgi.channel.frames import Frame, FrameDecoder, Side
from pydaemonwsgi.errors import ChannelError
from pydaemonwsgi.system.descriptor_queue import DescriptorQueue
from pydaemonwsgi.system.sockets import receive_with_descriptors, send_with_descriptors

__all__ = ["Link"]

_RECEIVE = 128 * 1024
# One that another thread has closed; more on their way than this user may have.
_DESCRIPTORS_FAULT = frozenset((errno.EBADF, errno.ETOOMANYREFS))


class Link:
    """A blocking channel socket with its decoder and its queue of frames to send.

    Attributes:
        descriptors: those that have come and that no frame has claimed yet; for the thread that leads.
        posting: held by whoever posts frames of a stream that another thread might end meanwhile.
        broken: whether the channel has ended.
    """

    def __init__(self, sock: socket.socket) -> None:
        sock.setblocking(True)
        self._socket = sock
        # Whoever waits in a receive is woken as well whenever the front takes what was sent to it, for nothing.
        readable = select.poll()
        readable.register(sock, select.POLLIN)
        self._wait = readable.poll
        self._decoder = FrameDecoder(Side.FRONT)
        self.descriptors = DescriptorQueue()
        self._posted: deque[bytes] = deque()
        self._sending = threading.Lock()
        self.posting = threading.Lock()
        self.broken = False

    def post(self, frames: bytes) -> None:
        """Queue frames for the next flush. Never blocks."""
        self._posted.append(frames)

    def post_pieces(self, pieces: tuple[bytes, bytes]) -> None:
        """Queue one frame that is in two pieces."""
        # One call, which the interpreter does not interrupt: no other thread's frame can come in between.
        self._posted.extend(pieces)

    def flush(self) -> None:
        """Have all that is queued sent, by this thread or by the one that is sending already.

        Blocks while the front is behind. Without effect on a broken channel.
        """
        # Whoever finds the lock taken may go: its holder looks at the queue again after it has let go. So answers
        # that end together share a system call, and no thread waits for another's.
        while self._posted and self._sending.acquire(blocking=False):
            try:
                self._drain()
            finally:
                self._sending.release()

    def flush_all(self) -> None:
        """Return once all that is queued has been sent; the process is about to end."""
        with self._sending:
            self._drain()

    def send_descriptors(self, frame: bytes, descriptors: Sequence[int], is_over: Callable[[], bool]) -> None:
        """Send one frame with descriptors, after what is queued; or not, if its stream is over by then.

        Raises:
            OSError: the kernel does not take the descriptors; nothing of the frame has been sent.
        """
        with self._sending:
            self._drain()
            if self.broken or is_over():
                return
            try:
                sent = send_with_descriptors(self._socket, frame, descriptors)
                if sent < len(frame):
                    self._socket.sendall(frame[sent:])
            except OSError as error:
                if error.errno in _DESCRIPTORS_FAULT and not self.broken:
                    raise
                self.shut()

    def _drain(self) -> None:
        assert self._sending.locked()
        posted = self._posted
        chunks = []
        try:
            while True:
                chunks.append(posted.popleft())
        except IndexError:
            pass
        if not chunks or self.broken:
            return
        try:
            self._socket.sendall(chunks[0] if len(chunks) == 1 else b"".join(chunks))
        except OSError:
            # The front has gone. Whoever leads reads the end of file and reports it; answers have no receiver now.
            self.shut()

    def receive(self, *, wait: bool = True) -> list[Frame] | None:
        """Return frames as soon as there is one, or None at the end of the channel.

        Args:
            wait: whether to block; without, an empty list means that nothing is there.

        Raises:
            ChannelError: the front sent something that is not in the protocol.
        """
        while True:
            try:
                if wait:
                    self._wait()
                    data, descriptors = receive_with_descriptors(self._socket, _RECEIVE)
                else:
                    if not self._readable():
                        return []
                    data, descriptors = receive_with_descriptors(self._socket, _RECEIVE)
            except OSError:
                return None
            self.descriptors.extend(descriptors)
            if not data:
                if self._decoder.incomplete:
                    raise ChannelError("the channel ended inside a frame")
                return None
            frames = self._decoder.feed(data)
            self.descriptors.check(len(frames))
            if frames or not wait:
                return frames

    def _readable(self) -> bool:
        try:
            self._socket.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT)
        except BlockingIOError:
            return False
        return True

    def close(self) -> None:
        """Close the socket and whatever descriptors were not taken."""
        self.broken = True
        self.descriptors.close()
        self._socket.close()

    def abandon(self) -> None:
        """Give up this process's copy of the channel without ending it for others; used after a fork."""
        self.broken = True
        self._posted.clear()
        # Their holders, if any, were left behind by the fork.
        self._sending = threading.Lock()
        self.posting = threading.Lock()
        self._socket.close()

    def shut(self) -> None:
        """End the channel for both sides, waking a thread that waits in `receive`."""
        self.broken = True
        try:
            self._socket.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
