"""writing: nobody waits for a reader that has stopped, and one that is only slow gets everything."""

import os
import socket
import stat
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from pydaemonwsgi.system.writing import write_within

PATIENCE = 30.0


@pytest.fixture(params=["pipe", "socket"])
def ends(request: pytest.FixtureRequest) -> Iterator[tuple[int, int]]:
    """Where to read and where to write; blocking."""
    if request.param == "pipe":
        reading, writing_end = os.pipe()
    else:
        reading, writing_end = (sock.detach() for sock in socket.socketpair())
    yield reading, writing_end
    os.close(reading)
    os.close(writing_end)


@pytest.fixture(
    params=[None, OSError(95, "Operation not supported"), NotImplementedError("pwritev2")],
    ids=["told not to wait", "old kernel", "old build"],
)
def _told(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """With a kernel that can be told not to wait, with one that cannot, and with a Python that does not know how."""
    if request.param is not None:

        def refuse(*_: object) -> int:
            raise request.param

        monkeypatch.setattr(os, "pwritev", refuse)


def fill(descriptor: int) -> int:
    """Write until nothing more is taken; return how much that was."""
    taken = 0
    while more := write_within(descriptor, bytes(4096), 0.0):
        taken += more
    return taken


@pytest.mark.usefixtures("_told")
def test_what_nobody_reads_is_not_waited_for(ends: tuple[int, int]) -> None:
    """It returns, with nothing taken; what was taken before is all there."""
    reading, there = ends
    taken = fill(there)
    assert write_within(there, b"more", 0.01) == 0
    received = 0
    while received < taken:
        received += len(os.read(reading, 1 << 20))
    assert received == taken


@pytest.mark.usefixtures("_told")
def test_a_slow_reader_gets_everything(ends: tuple[int, int]) -> None:
    """More than there is room for, in order."""
    reading, there = ends
    fill(there)
    os.set_blocking(reading, False)
    while True:
        try:
            os.read(reading, 1 << 20)
        except BlockingIOError:
            break
    os.set_blocking(reading, True)
    data = os.urandom(1 << 20)
    received = bytearray()

    def read() -> None:
        while len(received) < len(data):
            received.extend(os.read(reading, 5000))

    reader = threading.Thread(target=read)
    reader.start()
    assert write_within(there, data, PATIENCE) == len(data)
    reader.join(PATIENCE)
    assert received == data


def test_others_who_share_the_descriptor_may_go_on_to_wait(ends: tuple[int, int]) -> None:
    """It is as blocking as it was."""
    _, there = ends
    assert write_within(there, b"x", 0.0) == 1
    assert os.get_blocking(there)


def test_an_end_without_a_reader_is_an_error() -> None:
    """As for write(2)."""
    reading, there = os.pipe()
    os.close(reading)
    with pytest.raises(BrokenPipeError):
        write_within(there, b"x", PATIENCE)
    os.close(there)


def test_a_file_takes_what_it_is_given(tmp_path: Path) -> None:
    """With one write."""
    with (tmp_path / "log").open("wb", buffering=0) as file:
        assert stat.S_ISREG(os.fstat(file.fileno()).st_mode)
        assert write_within(file.fileno(), b"line\n", 0.0) == 5
    assert (tmp_path / "log").read_bytes() == b"line\n"
