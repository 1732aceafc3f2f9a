"""Whether a file's bytes are in memory."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from pydaemonwsgi.system.page_cache import is_cached, warm

SIZE = 4 * 1024 * 1024


@pytest.fixture
def cold(tmp_path: Path) -> Iterator[int]:
    """The descriptor of a file whose bytes are on disk only."""
    path = tmp_path / "file"
    path.write_bytes(os.urandom(SIZE))
    descriptor = os.open(path, os.O_RDONLY)
    os.fsync(descriptor)
    os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
    if is_cached(descriptor, 0, SIZE):
        pytest.skip("this file system keeps everything in memory")
    yield descriptor
    os.close(descriptor)


def test_a_file_that_was_read_is_in_memory(cold: int) -> None:
    """Warming does what it says."""
    warm(cold, 0, SIZE)
    assert is_cached(cold, 0, SIZE)


def test_a_gap_in_the_middle_is_seen(cold: int) -> None:
    """What lies between two parts in memory is looked at too."""
    os.pread(cold, 1, 0)
    os.pread(cold, 1, SIZE - 1)
    assert not is_cached(cold, 0, SIZE)


def test_a_range_beyond_the_end_is_no_reason_to_wait(tmp_path: Path) -> None:
    """A file that became shorter is found out by whoever sends it."""
    path = tmp_path / "short"
    path.write_bytes(b"x")
    with path.open("rb") as file:
        assert is_cached(file.fileno(), 0, 100)
        warm(file.fileno(), 0, 100)


def test_what_is_no_file_is_no_reason_to_wait() -> None:
    """Sending it fails with a better message."""
    reader, writer = os.pipe()
    assert is_cached(reader, 0, 1)
    os.close(reader)
    os.close(writer)
