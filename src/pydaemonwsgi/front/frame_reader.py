"""What the front receives from one daemon process: frames, and the descriptors that come with them. Shell."""

import os
import socket
from collections import deque
from typing import Final

from pydaemonwsgi.channel.frames import Frame, FrameDecoder, Side
from pydaemonwsgi.errors import ChannelError
from pydaemonwsgi.system.sockets import LOST_DESCRIPTOR, receive_into_with_descriptors

__all__ = ["FrameReader"]

# What is received into; the loop is single-threaded, and nothing stays in it.
_buffer: Final = memoryview(bytearray(256 * 1024))
# Bytes from which on it costs more to copy them than to slice a view of them.
_MUCH: Final = 32 * 1024
# Descriptors that may have come before their frames; the kernel gives them with the first byte of a frame.
_UNCLAIMED: Final = 16


class FrameReader:
    """Receives frames.

    Args:
        sock: this end of the channel, non-blocking.
    """

    __slots__ = ("_decoder", "_descriptors", "_socket")

    def __init__(self, sock: socket.socket) -> None:
        self._socket = sock
        self._decoder = FrameDecoder(Side.DAEMON)
        self._descriptors: deque[int] = deque()

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
            self._descriptors.extend(descriptors)
        if not size:
            return None
        received = _buffer[:size]
        return self._decoder.feed(received if size > _MUCH else bytes(received))

    def take_descriptor(self) -> int:
        """Return the next descriptor that was sent; it belongs to the caller.

        `LOST_DESCRIPTOR` says that this process may not have any more and so has not received it.

        Raises:
            ChannelError: the frame promised one that did not come.
        """
        if not self._descriptors:
            raise ChannelError("a FILE frame without its descriptor")
        return self._descriptors.popleft()

    def check_descriptors(self) -> None:
        """Look whether all descriptors, but for a few that may be ahead of their frames, have been taken.

        Raises:
            ChannelError: they belong to no frame.
        """
        if len(self._descriptors) > _UNCLAIMED:
            raise ChannelError("descriptors that belong to no frame")

    def close(self) -> None:
        """Close what was not taken."""
        while self._descriptors:
            descriptor = self._descriptors.popleft()
            if descriptor != LOST_DESCRIPTOR:
                os.close(descriptor)
