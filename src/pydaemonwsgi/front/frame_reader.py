"""What the front receives from one daemon process: frames, and the descriptors that come with them. Shell."""

import socket
from typing import Final

from pydaemonwsgi.channel.frames import Frame, FrameDecoder, Side
from pydaemonwsgi.system.descriptor_queue import DescriptorQueue
from pydaemonwsgi.system.sockets import receive_into_with_descriptors

__all__ = ["FrameReader"]

# What is received into; the loop is single-threaded, and nothing stays in it.
_buffer: Final = memoryview(bytearray(256 * 1024))
# Bytes from which on it costs more to copy them than to slice a view of them.
_MUCH: Final = 32 * 1024


class FrameReader:
    """Receives frames.

    Args:
        sock: this end of the channel, non-blocking.

    Attributes:
        descriptors: those that have come and that no frame has claimed yet.
    """

    __slots__ = ("_decoder", "_socket", "descriptors")

    def __init__(self, sock: socket.socket) -> None:
        self._socket = sock
        self._decoder = FrameDecoder(Side.DAEMON)
        self.descriptors = DescriptorQueue()

    def receive(self) -> list[Frame] | None:
        """Return the frames that have come, None at the channel's end.

        Long payloads are views of memory that the next call, of any reader, uses again.

        Raises:
            BlockingIOError: nothing has come.
            ChannelError: what has come is not of the protocol.
        """
        try:
            size, descriptors = receive_into_with_descriptors(self._socket, _buffer)
        except BlockingIOError:
            raise
        except OSError:
            return None
        if descriptors:
            self.descriptors.extend(descriptors)
        if not size:
            return None
        received = _buffer[:size]
        return self._decoder.feed(received if size > _MUCH else bytes(received))
