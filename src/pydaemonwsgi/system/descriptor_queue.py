"""The descriptors that came over a channel, in order, until the frames that they belong to take them. Shell.

Standard library only: daemon processes use it too.
"""

from collections import deque
from collections.abc import Iterable

from pydaemonwsgi.errors import ChannelError
from pydaemonwsgi.system.sockets import close_received

__all__ = ["DescriptorQueue"]

# Descriptors that may have come before their frames; the kernel gives them with the first byte of a frame.
_UNCLAIMED = 16


class DescriptorQueue:
    """First in, first out. Not synchronised: only the thread that receives uses it."""

    __slots__ = ("_waiting",)

    def __init__(self) -> None:
        self._waiting: deque[int] = deque()

    def extend(self, descriptors: Iterable[int]) -> None:
        """Add what has been received; it belongs to the queue until it is taken."""
        self._waiting.extend(descriptors)

    def take(self, announced: int) -> int:
        """Return the next one; it belongs to the caller.

        `LOST_DESCRIPTOR` says that this process may not have any more and so has not received it.

        Args:
            announced: how many the frame says that it has; one, if it is as it should be.

        Raises:
            ChannelError: the frame announces none, or one that did not come.
        """
        if not announced or not self._waiting:
            raise ChannelError("a frame came without its descriptor")
        return self._waiting.popleft()

    def check(self, frames: int) -> None:
        """Look whether each has a frame that may claim it, but for a few that may be ahead of theirs.

        Args:
            frames: how many have been received and not been looked at yet.

        Raises:
            ChannelError: they belong to no frame.
        """
        if len(self._waiting) > frames + _UNCLAIMED:
            raise ChannelError("descriptors that belong to no frame")

    def close(self) -> None:
        """Close what was not taken."""
        close_received(self._waiting)
        self._waiting.clear()
