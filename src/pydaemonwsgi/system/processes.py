"""What a process can ask the kernel about its relatives. No policy. Standard library only."""

import ctypes
import os
from typing import Final

__all__ = ["die_with_parent"]

_PR_SET_PDEATHSIG: Final = 1
_LIBC: Final = ctypes.CDLL(None, use_errno=True)


def die_with_parent(parent: int, number: int) -> None:
    """Have the kernel send this process signal `number` when its parent dies; 0 for nothing any more.

    The kernel forgets it when the process changes its user, so it is called after that.

    Args:
        parent: pid of the parent; if that has died already, the signal is sent at once.
        number: the signal.
    """
    _LIBC.prctl(_PR_SET_PDEATHSIG, number, 0, 0, 0)
    if number and os.getppid() != parent:
        os.kill(os.getpid(), number)
