"""Processes that may open nothing more."""

import contextlib
import itertools
import os
import resource
from collections.abc import Iterator


@contextlib.contextmanager
def exhausted(pid: int, left: int = 0) -> Iterator[None]:
    """Let a process open no more descriptors than are `left`, for the length of a `with` block."""
    soft, hard = resource.prlimit(pid, resource.RLIMIT_NOFILE)
    directory = f"/proc/{pid}/fd"
    # Looked at twice: the first look has a descriptor of its own.
    taken = {int(name) for name in os.listdir(directory) if os.path.lexists(f"{directory}/{name}")}
    free = [number for number in itertools.islice(itertools.count(), len(taken) + left + 1) if number not in taken]
    resource.prlimit(pid, resource.RLIMIT_NOFILE, (free[left], hard))
    try:
        yield
    finally:
        resource.prlimit(pid, resource.RLIMIT_NOFILE, (soft, hard))
