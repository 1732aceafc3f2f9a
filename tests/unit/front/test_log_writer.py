"""log_writer: records go to a pipe whole and in order, or are counted; nobody waits."""

import asyncio
import errno
import os
from collections.abc import Awaitable, Callable, Iterator

import pytest

from pydaemonwsgi.front.log_writer import LogWriter
from pydaemonwsgi.system.descriptors import log_pipe

RECORD = b"x" * 999 + b"\n"


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    """The ends of a log's pipe; the writer closes its own."""
    reading, writing = log_pipe()
    os.set_blocking(reading, False)
    yield reading, writing
    os.close(reading)


def read(descriptor: int) -> bytes:
    data = b""
    try:
        while part := os.read(descriptor, 65536):
            data += part
    except BlockingIOError:
        pass
    return data


def run(descriptor: int, test: Callable[[LogWriter], Awaitable[None]]) -> None:
    async def main() -> None:
        await test(LogWriter(asyncio.get_running_loop(), descriptor))

    asyncio.run(main())


async def everything(reading: int, size: int) -> bytes:
    """Read until there is so much."""
    data = b""
    for _ in range(3000):
        data += read(reading)
        if len(data) >= size:
            return data
        await asyncio.sleep(0.001)
    raise AssertionError(f"{len(data)} bytes of {size}")


def test_what_a_full_pipe_does_not_take_follows_when_there_is_room(pipe: tuple[int, int]) -> None:
    """Everything arrives in order, in however many pieces."""
    records = [b"%06d %s" % (number, RECORD) for number in range(800)]

    async def test(writer: LogWriter) -> None:
        for start in range(0, 800, 7):
            writer.write(records[start : start + 7])
        assert await everything(pipe[0], sum(map(len, records))) == b"".join(records)
        writer.write([b"next\n"])
        assert await everything(pipe[0], 5) == b"next\n"
        assert writer.lost == 0

    run(pipe[1], test)


def test_what_exceeds_the_bound_is_counted_and_told(pipe: tuple[int, int], caplog: pytest.LogCaptureFixture) -> None:
    """The log says when it begins and how many records it was; those that are kept are whole."""
    count = 3000

    async def test(writer: LogWriter) -> None:
        for _ in range(count):
            writer.write([RECORD])
        lost = writer.lost
        assert 0 < lost < count
        data = await everything(pipe[0], (count - lost) * len(RECORD))
        assert data == RECORD * (count - lost)
        await asyncio.sleep(0.01)
        assert [record.getMessage() for record in caplog.records] == [
            "an access log takes no more records: its reader does not read; they are lost",
            f"records of an access log that are lost: {lost}; it is written again",
        ]
        assert writer.lost == 0

    run(pipe[1], test)


def test_a_log_that_is_replaced_gets_what_waits(pipe: tuple[int, int]) -> None:
    """What has begun in the old place ends there or is counted; the new place begins with a whole record."""
    other_reading, other_writing = log_pipe()
    os.set_blocking(other_reading, False)

    async def test(writer: LogWriter) -> None:
        for _ in range(400):
            writer.write([RECORD])
        writer.replace(other_writing)
        old = read(pipe[0])
        new = await everything(other_reading, (400 - len(old) // len(RECORD) - 1) * len(RECORD))
        assert new == RECORD * (len(new) // len(RECORD))
        missing = 400 - old.count(b"\n") - new.count(b"\n")
        assert missing in {0, 1}
        writer.write([b"next\n"])
        assert (await everything(other_reading, 5)).endswith(b"next\n")

    run(pipe[1], test)
    os.close(other_reading)
    os.close(other_writing)


def test_an_end_waits_a_little_for_a_late_reader(pipe: tuple[int, int], caplog: pytest.LogCaptureFixture) -> None:
    """What cannot be written by then is counted and told."""

    async def test(writer: LogWriter) -> None:
        for _ in range(400):
            writer.write([RECORD])
        writer.finish(0.0)
        kept = read(pipe[0]).count(b"\n")
        assert 0 < kept < 400
        assert f"records of an access log that are lost: {400 - kept};" in caplog.text

    run(pipe[1], test)


def test_more_than_the_bound_may_be_written_at_once(pipe: tuple[int, int], monkeypatch: pytest.MonkeyPatch) -> None:
    """Only what does not go out has to fit."""
    records, sizes, rest = [RECORD] * 3000, [2_900_500], b""

    def write(descriptor: int, data: bytes) -> int:
        nonlocal rest
        del descriptor
        if sizes:
            return sizes.pop()
        rest += data
        return len(data)

    monkeypatch.setattr(os, "write", write)

    async def test(writer: LogWriter) -> None:
        writer.write(records)
        assert writer.lost == 0
        assert rest == RECORD[500:] + RECORD * 99

    run(pipe[1], test)


def test_a_full_disk_costs_records_and_cuts_no_line(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is written when there is room again begins a line, whatever of the last record was written."""
    room = 5
    written = b""

    def write(descriptor: int, data: bytes) -> int:
        nonlocal room, written
        del descriptor
        if not room:
            raise OSError(errno.ENOSPC, "No space left on device")
        taken = data[:room]
        room -= len(taken)
        written += taken
        return len(taken)

    monkeypatch.setattr(os, "write", write)

    async def test(writer: LogWriter) -> None:
        nonlocal room
        writer.write([b"one\n", b"two\n", b"three\n"])
        writer.write([b"four\n"])
        assert writer.lost == 3
        room = 100
        writer.write([b"five\n"])
        assert writer.lost == 0
        assert written == b"one\nt\nfive\n"

    run(os.open(os.devnull, os.O_WRONLY), test)
