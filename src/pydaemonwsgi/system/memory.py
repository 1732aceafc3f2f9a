"""Anonymous memory that processes share by passing a descriptor. No policy. Standard library only."""

import fcntl
import mmap
import os
from typing import Final

__all__ = ["create_shared", "map_shared"]

# F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW: a process that runs user code must not be able to shrink memory that
# others have mapped, for they would die of SIGBUS.
_SEALS: Final = 0x0001 | 0x0002 | 0x0004
_F_ADD_SEALS: Final = 1033


def create_shared(name: str, size: int) -> int:
    """Return a descriptor of `size` zero bytes of memory; `name` shows in /proc only."""
    descriptor = os.memfd_create(name, os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    os.ftruncate(descriptor, size)
    fcntl.fcntl(descriptor, _F_ADD_SEALS, _SEALS)
    return descriptor


def map_shared(descriptor: int, size: int) -> memoryview:
    """Return the memory behind `descriptor` as a writable view; the descriptor may be closed afterwards.

    Raises:
        OSError: the descriptor is no memory of at least `size` bytes.
    """
    if os.fstat(descriptor).st_size < size:
        raise OSError(f"shared memory of {os.fstat(descriptor).st_size} bytes where {size} are needed")
    return memoryview(mmap.mmap(descriptor, size))
