"""What the kernel lets this process use: priority, CPU time, memory, and which tree of files. No policy.

Standard library only: daemon processes use it. Every function raises OSError where the kernel refuses.
"""

import errno
import math
import os
import resource

__all__ = [
    "cpu_limits",
    "enter_root",
    "limit_address_space",
    "limit_cpu_time",
    "limit_data",
    "set_priority",
]


def set_priority(nice: int) -> None:
    """Set the nice value of this process: -20 is served first, 19 last. Below what it has needs a privilege."""
    os.setpriority(os.PRIO_PROCESS, 0, nice)


def enter_root(directory: str) -> None:
    """Make `directory` the root of the tree of files that this process sees, and go there; needs root."""
    os.chroot(directory)
    os.chdir("/")


def cpu_limits(limit: float, grace: float) -> tuple[int, int]:
    """Return what `limit_cpu_time` takes for a process that has `grace` seconds to go; zeros for no limit.

    The soft limit asks for a replacement; the hard one is for a process that cannot hear.
    """
    if not limit:
        return 0, 0
    soft = math.ceil(limit)
    return soft, soft + 1 + math.ceil(grace)


def limit_cpu_time(soft: int, hard: int) -> None:
    """Send this process SIGXCPU after `soft` seconds of CPU time, and each second after; SIGKILL after `hard`."""
    _set_limit(resource.RLIMIT_CPU, soft, hard)


def limit_data(size: int) -> None:
    """Let this process have `size` bytes of private memory: heap and anonymous mappings (Linux 4.7)."""
    _set_limit(resource.RLIMIT_DATA, size, size)


def limit_address_space(size: int) -> None:
    """Let this process have `size` bytes of addresses: everything mapped, whether it is used or not."""
    _set_limit(resource.RLIMIT_AS, size, size)


def _set_limit(kind: int, soft: int, hard: int) -> None:
    try:
        resource.setrlimit(kind, (soft, hard))
    except ValueError as error:
        # What the module makes of EPERM and EINVAL: above the hard limit, or more than the kernel can count.
        most = resource.getrlimit(kind)[1]
        text = f"{os.strerror(errno.EPERM)}; {most} is the most that this process may ask for"
        raise PermissionError(errno.EPERM, text) from error
