"""memory: shared by descriptor, zero at first, and of a size that nobody can change."""

import fcntl
import os

import pytest

from pydaemonwsgi.system.memory import create_shared, create_unsealed, map_shared, read_text, seal

SIZE = 8192


def test_memory_is_zero_and_shared() -> None:
    """Two mappings of one descriptor show each other's writes, also after the descriptor was closed."""
    descriptor = create_shared("test", SIZE)
    first, second = map_shared(descriptor, SIZE), map_shared(descriptor, SIZE)
    os.close(descriptor)

    assert bytes(first) == bytes(SIZE)
    first[100:105] = b"hello"
    assert bytes(second[100:105]) == b"hello"


def test_memory_is_shared_with_a_forked_child() -> None:
    """What a child writes, its parent reads."""
    descriptor = create_shared("test", SIZE)
    memory = map_shared(descriptor, SIZE)
    os.close(descriptor)
    child = os.fork()
    if child == 0:
        memory[0] = 42
        os._exit(0)
    os.waitpid(child, 0)

    assert memory[0] == 42


@pytest.mark.parametrize("size", [0, SIZE - 1, SIZE + 1, 10 * SIZE])
def test_the_size_cannot_be_changed(size: int) -> None:
    """Shrinking would kill whoever has it mapped, by SIGBUS; growing would use up memory: both fail."""
    descriptor = create_shared("test", SIZE)
    try:
        with pytest.raises(PermissionError):
            os.ftruncate(descriptor, size)
        assert os.fstat(descriptor).st_size == SIZE
    finally:
        os.close(descriptor)


def test_sealed_memory_is_only_read() -> None:
    """Through no descriptor can anybody write to it or map it for that, and what was written is read to its end."""
    descriptor = create_unsealed("test", SIZE)
    os.pwrite(descriptor, b"told", 0)
    seal(descriptor)
    again = os.open(f"/proc/self/fd/{descriptor}", os.O_RDWR)
    try:
        assert read_text(descriptor) == read_text(again) == b"told"
        with pytest.raises(PermissionError):
            os.pwrite(again, b"lies", 0)
        with pytest.raises(PermissionError):
            map_shared(again, SIZE)
        with pytest.raises(PermissionError):
            os.ftruncate(again, 0)
    finally:
        os.close(again)
        os.close(descriptor)


def test_memory_that_somebody_writes_to_is_not_sealed() -> None:
    """It would go on to change under its readers."""
    descriptor = create_unsealed("test", SIZE)
    kept = map_shared(descriptor, SIZE)
    with pytest.raises(OSError, match="busy"):
        seal(descriptor)
    kept[0] = 1
    os.close(descriptor)


def test_the_seals_cannot_be_lifted() -> None:
    """No seal can be added or taken away afterwards, through any descriptor of the memory."""
    descriptor = create_shared("test", SIZE)
    again = os.open(f"/proc/self/fd/{descriptor}", os.O_RDWR)
    try:
        with pytest.raises(PermissionError):
            fcntl.fcntl(again, 1033, 0x0008)  # F_ADD_SEALS, F_SEAL_WRITE
        with pytest.raises(PermissionError):
            os.ftruncate(again, 0)
    finally:
        os.close(again)
        os.close(descriptor)


def test_the_descriptor_is_not_inherited() -> None:
    """A program that is executed does not get the memory by accident."""
    descriptor = create_shared("test", SIZE)
    try:
        assert not os.get_inheritable(descriptor)
    finally:
        os.close(descriptor)


def test_memory_that_is_too_small_is_refused() -> None:
    """Mapping more than there is raises, instead of dying at the first access."""
    descriptor = create_shared("test", SIZE)
    try:
        with pytest.raises(OSError, match=f"{SIZE} bytes where {SIZE + 1} are needed"):
            map_shared(descriptor, SIZE + 1)
    finally:
        os.close(descriptor)


def test_what_is_no_memory_is_refused() -> None:
    """A pipe's end cannot pass for shared memory."""
    reader, writer = os.pipe()
    try:
        with pytest.raises(OSError, match="0 bytes where"):
            map_shared(reader, SIZE)
    finally:
        os.close(reader)
        os.close(writer)
