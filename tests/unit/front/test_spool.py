"""spool: bodies in memory and in files, what a full disk means, and that every descriptor is given back."""

import errno
import os
import random
import resource
import signal
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pydaemonwsgi.front.spool import RequestBody, ResponseSpool, Sender, SpoolError, open_spool_file

MIB = 1 << 20


class Client(Sender):
    """A client that takes `appetite` bytes at each call; None for all that there is."""

    def __init__(self, appetite: int | None = None, budget: int | None = None) -> None:
        self.appetite = appetite
        self.budget = budget
        self.got = b""

    def _take(self, data: bytes) -> int:
        if self.budget is not None:
            data = data[: self.budget - len(self.got)]
            if not data:
                return -1
        data = data[: self.appetite]
        self.got += data
        return len(data)

    def memory(self, data: bytes, *, more: bool) -> int:
        return self._take(data)

    def file(self, descriptor: int, offset: int, count: int) -> int:
        data = os.pread(descriptor, min(count, MIB), offset)
        return self._take(data) if data or not count else 0


def open_descriptors() -> set[int]:
    return {int(name) for name in os.listdir("/proc/self/fd") if os.path.exists(f"/proc/self/fd/{name}")}


@pytest.fixture(autouse=True)
def _descriptors_are_given_back() -> Iterator[None]:
    """Every test here ends with the descriptors that it began with."""
    before = open_descriptors()
    yield
    assert open_descriptors() == before


@contextmanager
def files_of_at_most(size: int) -> Iterator[None]:
    """A disk that is full after `size` bytes of one file: writing more fails with EFBIG."""
    old = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, old[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, old)
        signal.signal(signal.SIGXFSZ, handler)


# -- files


def test_a_spool_file_has_no_name(tmp_path: Path) -> None:
    """The file can be written and read, closes on exec, and leaves nothing in the directory."""
    descriptor = open_spool_file(str(tmp_path))
    try:
        os.pwrite(descriptor, b"abc", 5)
        assert os.pread(descriptor, 10, 0) == b"\0\0\0\0\0abc"
        assert not os.get_inheritable(descriptor)
        assert os.fstat(descriptor).st_mode & 0o777 == 0o600
        assert list(tmp_path.iterdir()) == []
    finally:
        os.close(descriptor)


def test_a_spool_file_where_the_file_system_has_no_nameless_ones(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where O_TMPFILE is not supported the file is made and unlinked."""
    real = os.open

    def refusing(path: str, flags: int, mode: int = 0o777) -> int:
        if flags & os.O_TMPFILE == os.O_TMPFILE:
            raise OSError(errno.EOPNOTSUPP, "Operation not supported")
        return real(path, flags, mode)

    monkeypatch.setattr(os, "open", refusing)
    descriptor = open_spool_file(str(tmp_path))
    os.close(descriptor)
    assert list(tmp_path.iterdir()) == []


def test_a_spool_file_in_a_directory_that_is_not_there(tmp_path: Path) -> None:
    """The error names the directory and the cause."""
    with pytest.raises(SpoolError, match=rf"cannot create a file in {tmp_path}/gone: No such file"):
        open_spool_file(f"{tmp_path}/gone")


# -- request bodies


def test_a_short_request_body_stays_in_memory(tmp_path: Path) -> None:
    """Up to the threshold no file is opened, and the content is what came."""
    body = RequestBody(str(tmp_path), 10)
    for part in (b"12345", memoryview(b"67890")):
        body.append(part)
    assert (body.descriptor, body.length, body.content) == (-1, 10, b"1234567890")
    body.close()


def test_a_long_request_body_goes_to_a_file(tmp_path: Path) -> None:
    """Beyond the threshold everything is in the file, from its beginning, in order."""
    body = RequestBody(str(tmp_path), 10)
    for part in (b"12345", b"67890", b"x", memoryview(b"yz")):
        body.append(part)
    assert body.descriptor >= 0
    assert body.length == 13
    assert os.pread(body.descriptor, 100, 0) == b"1234567890xyz"
    assert list(tmp_path.iterdir()) == []
    body.close()
    assert body.descriptor == -1


def test_a_request_body_known_to_be_long_is_spilled_at_once(tmp_path: Path) -> None:
    """After `spill` even a first byte is in the file."""
    body = RequestBody(str(tmp_path), 10)
    body.spill()
    body.append(b"a")
    assert os.pread(body.descriptor, 100, 0) == b"a"
    body.close()


def test_an_empty_request_body_may_be_closed_twice(tmp_path: Path) -> None:
    """Closing gives back what there is, however often."""
    body = RequestBody(str(tmp_path), 10)
    body.spill()
    body.close()
    body.close()
    assert body.length == 0


def test_a_request_body_on_a_full_disk_says_so(tmp_path: Path) -> None:
    """A file that cannot grow raises SpoolError that names the directory and the cause."""
    body = RequestBody(str(tmp_path), 10)
    for _ in range(10):
        body.append(b"0123456789")
    with files_of_at_most(100), pytest.raises(SpoolError, match=rf"cannot write to a file in {tmp_path}: File too"):
        body.append(b"0")
    body.close()


def test_a_request_body_without_a_directory_says_so(tmp_path: Path) -> None:
    """A body that outgrows memory where no file can be made raises SpoolError."""
    body = RequestBody(f"{tmp_path}/gone", 10)
    with pytest.raises(SpoolError, match="gone"):
        body.append(b"0123456789x")
    body.close()


# -- responses


def test_a_response_in_memory_comes_out_as_it_went_in(tmp_path: Path) -> None:
    """What stays below the threshold is sent without a file."""
    spool = ResponseSpool(str(tmp_path), 10, MIB)
    spool.add(b"12345")
    spool.add(b"67890")
    assert (bool(spool), spool.size, spool.memory) == (True, 10, 10)
    client = Client()
    assert spool.send(client)
    assert client.got == b"1234567890"
    assert (bool(spool), spool.size, spool.memory) == (False, 0, 0)
    spool.close()


def test_a_response_beyond_memory_waits_in_a_file(tmp_path: Path) -> None:
    """What exceeds the threshold goes to the file; memory stays below its bound and the order is kept."""
    spool = ResponseSpool(str(tmp_path), 10, MIB)
    parts = [bytes([65 + place]) * 7 for place in range(20)]
    for part in parts:
        spool.add(part)
        assert spool.memory <= 10
    assert spool.size == 140
    assert not spool.saturated
    client = Client(appetite=3)
    while not spool.send(client):
        pass
    assert client.got == b"".join(parts)
    assert spool.size == 0
    spool.close()


def test_a_client_that_takes_nothing_leaves_everything(tmp_path: Path) -> None:
    """`send` returns False and keeps what was not taken."""
    spool = ResponseSpool(str(tmp_path), 5, MIB)
    spool.add(b"12345")
    spool.add(b"67890")
    client = Client(budget=3)
    assert not spool.send(client)
    assert spool.size == 7
    client.budget = 8
    assert not spool.send(client)
    assert spool.size == 2
    client.budget = None
    assert spool.send(client)
    assert client.got == b"1234567890"
    spool.close()


def test_a_spool_whose_bound_is_reached_is_saturated_until_it_is_empty(tmp_path: Path) -> None:
    """Beyond its bound the file does not grow, nothing is lost, and an empty spool may grow again."""
    spool = ResponseSpool(str(tmp_path), 10, 50)
    for _ in range(12):
        spool.add(b"0123456789")
    assert spool.saturated
    client = Client()
    assert spool.send(client)
    assert client.got == b"0123456789" * 12
    assert not spool.saturated
    spool.add(b"0123456789")
    spool.add(b"x")
    assert spool.memory == 10
    assert spool.send(client)
    spool.close()


def test_a_full_disk_saturates(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """When the file cannot be written the spool is saturated, says why once, and loses nothing."""
    spool = ResponseSpool(str(tmp_path), 10, MIB)
    with files_of_at_most(25):
        for _ in range(6):
            spool.add(b"0123456789")
    assert spool.saturated
    [record] = caplog.records
    assert f"cannot write to a file in {tmp_path}: File too large" in record.getMessage()
    client = Client()
    assert spool.send(client)
    assert client.got == b"0123456789" * 6
    spool.close()


def test_a_directory_that_is_not_there_saturates(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Without a place for files answers wait in memory and in the daemon processes."""
    spool = ResponseSpool(f"{tmp_path}/gone", 10, MIB)
    spool.add(b"0123456789")
    spool.add(b"x")
    assert spool.saturated
    assert "gone" in caplog.text
    client = Client()
    assert spool.send(client)
    assert client.got == b"0123456789x"
    spool.close()


def given_file(tmp_path: Path, content: bytes) -> int:
    path = tmp_path / "given"
    path.write_bytes(content)
    return os.open(path, os.O_RDONLY)


def test_a_range_of_a_given_file_is_sent_between_other_parts(tmp_path: Path) -> None:
    """A file keeps its place among bytes, exactly its range is sent, and its descriptor is closed."""
    spool = ResponseSpool(str(tmp_path), 100, MIB)
    descriptor = given_file(tmp_path, b"0123456789")
    spool.add(b"<")
    spool.add_file(descriptor, 2, 5)
    spool.add(b">")
    assert (spool.size, spool.memory) == (7, 2)
    client = Client(appetite=2)
    while not spool.send(client):
        pass
    assert client.got == b"<23456>"
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(descriptor)
    spool.close()


def test_an_empty_range_sends_nothing(tmp_path: Path) -> None:
    """A range of no bytes is done at once and its descriptor closed."""
    spool = ResponseSpool(str(tmp_path), 100, MIB)
    spool.add_file(given_file(tmp_path, b""), 0, 0)
    client = Client()
    assert spool.send(client)
    assert client.got == b""
    spool.close()


def test_a_file_shorter_than_its_range_is_an_error(tmp_path: Path) -> None:
    """A file that ends early raises EOFError with what is missing, and is closed with the spool."""
    spool = ResponseSpool(str(tmp_path), 100, MIB)
    spool.add_file(given_file(tmp_path, b"01234"), 0, 8)
    client = Client()
    assert not spool.send(client)
    assert client.got == b"01234"
    with pytest.raises(EOFError, match="3 bytes shorter"):
        spool.send(client)
    spool.close()


def test_closing_gives_back_files_that_were_not_sent(tmp_path: Path) -> None:
    """A client that goes away leaves no descriptor open, neither given ones nor our own."""
    spool = ResponseSpool(str(tmp_path), 5, MIB)
    spool.add(b"12345")
    spool.add(b"67890")
    for _ in range(3):
        spool.add_file(given_file(tmp_path, b"01234"), 0, 5)
    spool.close()
    spool.close()
    assert (bool(spool), spool.size) == (False, 0)


@settings(max_examples=150, deadline=None)
@given(
    threshold=st.integers(1, 40),
    bound=st.integers(0, 100),
    appetite=st.integers(1, 50),
    count=st.integers(0, 40),
    chance=st.randoms(use_true_random=False),
)
def test_whatever_goes_in_comes_out(
    tmp_path_factory: pytest.TempPathFactory,
    threshold: int,
    bound: int,
    appetite: int,
    count: int,
    chance: random.Random,
) -> None:
    """In any order of adding and sending, with any sizes, the client gets every byte once and in order."""
    directory = str(tmp_path_factory.getbasetemp())
    with closing(ResponseSpool(directory, threshold, bound)) as spool:
        client = Client(appetite=appetite, budget=0)
        wanted = b""
        for place in range(count):
            # Chance may end the example at any draw, so all are drawn before a descriptor is open.
            part = bytes([place]) * chance.randint(1, 30)
            as_file = chance.random() < 0.2
            grown = chance.randint(0, 30)
            wanted += part
            if as_file:
                descriptor = open_spool_file(directory)
                os.pwrite(descriptor, b"xx" + part, 0)
                spool.add_file(descriptor, 2, len(part))
            else:
                spool.add(part)
            assert client.budget is not None
            client.budget += grown
            spool.send(client)
            assert len(client.got) + spool.size == len(wanted)
        client.budget = None
        while not spool.send(client):
            pass
    assert client.got == wanted
