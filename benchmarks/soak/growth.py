"""What supervisor and front hold, before and after: descriptors, memory, threads, zombies, files. Shell."""

import os
from dataclasses import dataclass
from pathlib import Path

import psutil

__all__ = ["Census", "count", "describe_growth"]

# What may be more at the end: descriptors that come and go with connections, and memory that an allocator keeps.
_DESCRIPTORS = 4
_THREADS = 2
_MEMORY = 12_000_000


@dataclass(frozen=True)
class Census:
    """What there was at one moment; memory in bytes."""

    supervisor_descriptors: int
    front_descriptors: int
    supervisor_memory: int
    front_memory: int
    supervisor_threads: int
    front_threads: int
    zombies: int
    children: int
    files: int


def count(supervisor: int, directory: Path) -> Census:
    """Return what there is now.

    Args:
        supervisor: its pid.
        directory: where spool files, sockets and all else may be left behind.
    """
    parent = psutil.Process(supervisor)
    children = parent.children(recursive=True)
    front = next(child for child in children if _title(child).startswith("pydaemonwsgi: front"))
    zombies = sum(child.status() == psutil.STATUS_ZOMBIE for child in children)
    return Census(
        parent.num_fds(),
        front.num_fds(),
        parent.memory_info().rss,
        front.memory_info().rss,
        parent.num_threads(),
        front.num_threads(),
        zombies,
        len(children),
        sum(len(files) for _, _, files in os.walk(directory)),
    )


def describe_growth(before: Census, after: Census, *, front_replaced: bool) -> list[str]:
    """Return what has grown, as sentences; a front that has been replaced is measured by its own size only."""
    bounds = {
        "supervisor_descriptors": _DESCRIPTORS,
        "front_descriptors": _DESCRIPTORS,
        "supervisor_memory": _MEMORY // 4,
        "front_memory": _MEMORY,
        "supervisor_threads": 0,
        "front_threads": _THREADS,
        "zombies": 0,
        "children": 0,
        "files": 0,
    }
    found = []
    for name, bound in bounds.items():
        if front_replaced and name in {"front_memory", "front_threads"}:
            continue
        old, new = getattr(before, name), getattr(after, name)
        if new > old + bound:
            found.append(f"{name.replace('_', ' ')} grew from {old} to {new}")
    return found


def _title(process: psutil.Process) -> str:
    try:
        return " ".join(process.cmdline())
    except psutil.Error:
        return ""
