"""file_wrapper: an iterator over blocks for everybody, and what can go by descriptor is recognised."""

import bz2
import gzip
import io
import lzma
import os
from pathlib import Path
from typing import Any

import pytest

from pydaemonwsgi.daemon.file_wrapper import FileWrapper, sendable_range


class Filelike:
    """Has `read` and nothing else."""

    def __init__(self, *blocks: Any) -> None:
        self.blocks = list(blocks)
        self.asked: list[int] = []

    def read(self, size: int) -> Any:
        """Return the next block."""
        self.asked.append(size)
        return self.blocks.pop(0) if self.blocks else b""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A file of 20,000 bytes."""
    found = tmp_path / "file"
    found.write_bytes(bytes(range(200)) * 100)
    return found


# -- the iterator


def test_it_iterates_in_blocks(path: Path) -> None:
    """The blocks are of the given size and add up to the file."""
    with path.open("rb") as file:
        blocks = list(FileWrapper(file, 6000))
    assert [len(block) for block in blocks] == [6000, 6000, 6000, 2000]
    assert b"".join(blocks) == path.read_bytes()


def test_default_block_size() -> None:
    """Without a size, blocks are of 8 KiB, as PEP 3333's example has them."""
    filelike = Filelike(b"x")
    assert list(FileWrapper(filelike)) == [b"x"]
    assert filelike.asked == [8192, 8192]


def test_it_stops_at_the_first_empty_block() -> None:
    """An empty read is the end of the file."""
    filelike = Filelike(b"a", b"", b"b")
    wrapper = FileWrapper(filelike)
    assert list(wrapper) == [b"a"]


def test_a_block_size_of_nothing_yields_nothing(path: Path) -> None:
    """As under mod_wsgi, 0 is allowed and gives an empty body."""
    with path.open("rb") as file:
        assert list(FileWrapper(file, 0)) == []


def test_a_negative_block_size_is_refused() -> None:
    """A negative size would read everything at once; it is a ValueError."""
    with pytest.raises(ValueError, match="negative"):
        FileWrapper(io.BytesIO(), -1)


@pytest.mark.parametrize("block", ["text", 1, None, bytearray(b"x")], ids=["str", "int", "None", "bytearray"])
def test_reads_must_give_bytes(block: object) -> None:
    """A file opened as text is the application's mistake and said so."""
    with pytest.raises(TypeError, match="must return bytes"):
        list(FileWrapper(Filelike(block)))


def test_close_closes_the_file(path: Path) -> None:
    """The server calls close() of the wrapper; the file is closed by it."""
    with path.open("rb") as file:
        FileWrapper(file).close()
        assert file.closed


def test_no_close_without_the_file_s_own() -> None:
    """A file-like without close() gives a wrapper without one."""
    assert not hasattr(FileWrapper(Filelike()), "close")


# -- by descriptor


def test_a_regular_file_is_sendable_from_its_position(path: Path) -> None:
    """What is left of the file from where the application has read to."""
    with path.open("rb") as file:
        file.read(123)
        assert sendable_range(FileWrapper(file)) == (file.fileno(), 123, 20_000 - 123)


def test_a_position_behind_the_end_leaves_nothing(path: Path) -> None:
    """Nothing is left there, rather than less than nothing."""
    with path.open("rb") as file:
        file.seek(30_000)
        assert sendable_range(FileWrapper(file)) == (file.fileno(), 30_000, 0)


def test_an_unbuffered_file_is_sendable(path: Path) -> None:
    """A raw file counts like a buffered one."""
    with path.open("rb", buffering=0) as file:
        assert sendable_range(FileWrapper(file)) == (file.fileno(), 0, 20_000)


class Odd:
    """Looks like a file."""

    def __init__(self, fileno: object, tell: object) -> None:
        self._fileno, self._tell = fileno, tell

    def read(self, size: int) -> bytes:
        """Return nothing."""
        return b""

    def fileno(self) -> object:
        """Say what it was told to."""
        return self._fileno

    def tell(self) -> object:
        """Say what it was told to."""
        return self._tell


@pytest.mark.parametrize(
    "filelike",
    [io.BytesIO(b"x"), Filelike(b"x"), Odd("x", 0), Odd(None, 0), Odd(-1, 0), Odd(10**6, 0)],
    ids=["BytesIO", "read only", "text as descriptor", "no descriptor", "negative descriptor", "closed descriptor"],
)
def test_what_is_no_file_is_iterated(filelike: Any) -> None:
    """Anything without a usable descriptor is not sendable, and asking does not raise."""
    assert sendable_range(FileWrapper(filelike)) is None


def test_odd_positions_are_not_sendable(path: Path) -> None:
    """A position that is no number cannot be where to start."""
    with path.open("rb") as file:
        assert sendable_range(FileWrapper(Odd(file.fileno(), "0"))) is None


def test_a_closed_file_is_not_sendable(path: Path) -> None:
    """A file that the application closed too early fails where it is read, not here."""
    with path.open("rb") as file:
        wrapper = FileWrapper(file)
    assert sendable_range(wrapper) is None


def test_a_pipe_is_not_sendable() -> None:
    """Only regular files have a size and can be read without moving a shared position."""
    reader, writer = os.pipe()
    os.close(writer)
    with os.fdopen(reader, "rb") as file:
        assert sendable_range(FileWrapper(file)) is None


def test_a_directory_is_not_sendable(tmp_path: Path) -> None:
    """A descriptor of a directory is no file."""
    descriptor = os.open(tmp_path, os.O_RDONLY)
    try:
        assert sendable_range(FileWrapper(Odd(descriptor, 0))) is None
    finally:
        os.close(descriptor)


@pytest.mark.parametrize("compressed", [gzip.GzipFile, bz2.BZ2File, lzma.LZMAFile])
def test_what_is_decompressed_while_it_is_read_is_read(tmp_path: Path, compressed: Any) -> None:
    """PEP 3333: a wrapped file is what its `read` gives; the descriptor behind it leads to something else."""
    with compressed(tmp_path / "file", "wb") as file:
        file.write(b"content")
    with compressed(tmp_path / "file", "rb") as file:
        assert sendable_range(FileWrapper(file)) is None
        assert b"".join(FileWrapper(file)) == b"content"
