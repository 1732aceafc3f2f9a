"""FrameWriter: frames arrive whole and in order, whatever the daemon process, the kernel or the client does."""

import asyncio
import errno
import logging
import os
import socket
from collections.abc import Awaitable, Callable, Sequence
from types import SimpleNamespace
from typing import Any

import pytest

from pydaemonwsgi.front.frame_writer import FrameWriter
from pydaemonwsgi.front.spool import RequestBody
from pydaemonwsgi.system.sockets import receive_with_descriptors, send_with_descriptors

Scene = Callable[[FrameWriter, socket.socket], Awaitable[None]]


def play(scene: Scene) -> None:
    """Run a scene with a writer and the daemon process's end of its channel."""

    async def run() -> None:
        ours, theirs = socket.socketpair()
        with ours, theirs:
            ours.setblocking(False)
            theirs.setblocking(False)
            writer = FrameWriter(asyncio.get_running_loop(), ours)
            try:
                await scene(writer, theirs)
            finally:
                writer.close()

    asyncio.run(run())


async def read(sock: socket.socket, count: int) -> bytes:
    loop = asyncio.get_running_loop()
    data = b""
    while len(data) < count:
        data += await asyncio.wait_for(loop.sock_recv(sock, 1 << 20), 10)
    return data


def with_body(content: bytes) -> Any:
    """Return an exchange, as far as a writer looks at it, whose body is in a file."""
    body = RequestBody(None, 0)
    body.append(content)
    return SimpleNamespace(body=body)


def test_frames_of_one_turn_arrive_in_their_order() -> None:
    async def scene(writer: FrameWriter, theirs: socket.socket) -> None:
        for number in range(1000):
            writer.add(b"%04d" % number)
        assert await read(theirs, 4000) == b"".join(b"%04d" % number for number in range(1000))

    play(scene)


def test_what_a_slow_daemon_process_does_not_take_follows_when_it_does() -> None:
    async def scene(writer: FrameWriter, theirs: socket.socket) -> None:
        frames = [bytes([number]) * 100_000 for number in range(50)]
        for frame in frames:
            writer.add(frame)
        writer.flush()
        assert writer.waiting  # it does not fit
        assert await read(theirs, 5_000_000) == b"".join(frames)

    play(scene)


def test_a_body_goes_with_its_frame_between_those_before_and_behind() -> None:
    async def scene(writer: FrameWriter, theirs: socket.socket) -> None:
        writer.add(b"before")
        request = with_body(b"the body")
        writer.waiting.append((b"request", request))
        writer.add(b"behind")
        writer.flush()
        request.body.close()
        received, found = b"", []
        while len(received) < len(b"beforerequestbehind"):
            data, descriptors = receive_with_descriptors(theirs, 6 if not received else 100)
            received += data
            found += descriptors
        assert received == b"beforerequestbehind"
        assert [os.pread(descriptor, 100, 0) for descriptor in found] == [b"the body"]
        os.close(found[0])

    play(scene)


def test_a_request_whose_client_has_left_is_not_sent_but_said_to_be_unsent() -> None:
    async def scene(writer: FrameWriter, theirs: socket.socket) -> None:
        unsent: list[Any] = []
        left = with_body(b"the body")
        left.channel = SimpleNamespace(withdraw=unsent.append)
        writer.waiting.append((b"request", left))
        left.body.close()
        writer.add(b"behind")
        assert await read(theirs, 6) == b"behind"
        assert unsent == [left]

    play(scene)


@pytest.mark.parametrize("number", [errno.ETOOMANYREFS, errno.ENOBUFS])
def test_a_body_that_the_kernel_has_no_room_for_goes_later(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, number: int
) -> None:
    faults = [OSError(number, os.strerror(number))] * 2

    def send(sock: socket.socket, data: bytes, descriptors: Sequence[int]) -> int:
        if faults:
            raise faults.pop()
        return send_with_descriptors(sock, data, descriptors)

    monkeypatch.setattr("pydaemonwsgi.front.frame_writer.send_with_descriptors", send)

    async def scene(writer: FrameWriter, theirs: socket.socket) -> None:
        request = with_body(b"the body")
        writer.waiting.append((b"request", request))
        writer.add(b"behind")
        assert await read(theirs, 13) == b"requestbehind"
        request.body.close()

    with caplog.at_level(logging.WARNING):
        play(scene)
    assert not faults
    assert len(caplog.records) == 1
    assert ("LimitNOFILE" in caplog.text) == (number == errno.ETOOMANYREFS)


def test_frames_for_a_daemon_process_that_has_gone_are_dropped() -> None:
    async def scene(writer: FrameWriter, theirs: socket.socket) -> None:
        theirs.close()
        writer.add(b"frame")
        writer.flush()
        assert not writer.waiting

    play(scene)


def test_a_closed_writer_sends_nothing() -> None:
    async def scene(writer: FrameWriter, theirs: socket.socket) -> None:
        writer.add(b"frame")
        writer.close()
        writer.flush()
        with pytest.raises(BlockingIOError):
            theirs.recv(100)

    play(scene)
