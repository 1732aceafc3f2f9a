"""Channel: when a daemon process gets the requests that the front has for it."""

import asyncio
import socket
from types import SimpleNamespace
from typing import Any

import pytest

from pydaemonwsgi.channel.frames import FrameDecoder, Side
from pydaemonwsgi.front.channels import Channel
from pydaemonwsgi.front.groups import ProcessGroup
from pydaemonwsgi.front.options import GroupOptions
from pydaemonwsgi.metrics.scoreboard import Scoreboard, scoreboard_size


def request() -> Any:
    """Return a request as far as a channel looks at it."""
    return SimpleNamespace(
        body=None, request_start=0.0, queue_start=0.0, request_id=1, connection=b"", environ=b"PATH_INFO\0/"
    )


@pytest.mark.parametrize(("short", "requests", "sent"), [(True, 5, 0), (True, 6, 6), (True, 13, 12), (False, 3, 3)])
def test_what_is_sent_before_the_turn_of_the_loop_ends(short: bool, requests: int, sent: int) -> None:
    """A process that runs requests one after the other gets a few at once, so that it can begin meanwhile.

    Others get each at once. What is left follows at the turn's end.
    """

    async def run() -> None:
        ours, theirs = socket.socketpair()
        with theirs:
            theirs.setblocking(False)
            group = ProcessGroup(GroupOptions("g", 10, 0.0, 0.0, 1000, 1000, 0.0, 0.0))
            front: Any = SimpleNamespace(forget=lambda _: None)
            board = Scoreboard(memoryview(bytearray(scoreboard_size(25))), 25)
            channel = Channel(front, group, ours, 1, 2, 25, board)
            channel.short = short
            decoder = FrameDecoder(Side.FRONT)

            def arrived() -> int:
                try:
                    return len(decoder.feed(theirs.recv(1 << 16)))
                except BlockingIOError:
                    return 0

            for stream in range(1, requests + 1):
                channel.run(request(), stream)
            assert arrived() == sent
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            assert arrived() == requests - sent
            channel.close()

    asyncio.run(run())
