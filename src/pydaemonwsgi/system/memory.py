"""Anonymous memory that processes share by passing a descriptor. No policy. Standard library only."""

import fcntl
import mmap
import os
from typing import Final

__all__ = ["create_shared", "create_unsealed", "map_shared", "read_text", "seal"]

_F_ADD_SEALS: Final = 1033
_F_SEAL_SEAL: Final = 0x0001
# A process that runs user code must not be able to shrink memory that others have mapped, for they would die of SIGBUS.
_F_SEAL_SIZE: Final = 0x0002 | 0x0004
_F_SEAL_WRITE: Final = 0x0008


def create_shared(name: str, size: int) -> int:
    """Return a descriptor of `size` zero bytes of memory; `name` shows in /proc only."""
    descriptor = create_unsealed(name, size)
    fcntl.fcntl(descriptor, _F_ADD_SEALS, _F_SEAL_SEAL)
    return descriptor


def create_unsealed(name: str, size: int) -> int:
    """As `create_shared`, for what is to be sealed once it has been written."""
    descriptor = os.memfd_create(name, os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    try:
        os.ftruncate(descriptor, size)
        fcntl.fcntl(descriptor, _F_ADD_SEALS, _F_SEAL_SIZE)
    except OSError:
        os.close(descriptor)
        raise
    return descriptor


def seal(descriptor: int) -> None:
    """Have nobody write to memory any more, so that several who do not believe each other may read it.

    Raises:
        OSError: somebody has mapped it to write to it.
    """
    fcntl.fcntl(descriptor, _F_ADD_SEALS, _F_SEAL_WRITE | _F_SEAL_SEAL)


def read_text(descriptor: int) -> bytes:
    """Return what has been written to memory of a fixed size from its beginning on; the rest of it is zeros."""
    return os.pread(descriptor, os.fstat(descriptor).st_size, 0).rstrip(b"\0")


def map_shared(descriptor: int, size: int) -> memoryview:
    """Return the memory behind `descriptor` as a writable view; the descriptor may be closed afterwards.

    Raises:
        OSError: the descriptor is no memory of at least `size` bytes.
    """
    if os.fstat(descriptor).st_size < size:
        raise OSError(f"shared memory of {os.fstat(descriptor).st_size} bytes where {size} are needed")
    return memoryview(mmap.mmap(descriptor, size))
