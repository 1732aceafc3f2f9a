"""What a process can ask the kernel about itself and its relatives. No policy. Standard library only."""

import ctypes
import os
from typing import Final

__all__ = [
    "adopt_orphans",
    "die_with_parent",
    "directory_as_called",
    "is_child",
    "process_state",
    "resident_bytes",
    "set_title",
    "signal_thread",
]

_PR_SET_PDEATHSIG: Final = 1
_PR_SET_NAME: Final = 15
_PR_SET_CHILD_SUBREAPER: Final = 36
_PAGE: Final = os.sysconf("SC_PAGE_SIZE")
_LIBC: Final = ctypes.CDLL(None, use_errno=True)
# Where /proc/PID/stat says that the arguments lie in memory (arg_start, arg_end), counted from the state, its third.
_ARGUMENTS_BEGIN: Final = 48 - 3
_ARGUMENTS_END: Final = 49 - 3


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


def process_state(pid: int) -> str:
    """Return the letter for what a process does (`R`, `S`, `D`, `T`, `Z`; proc(5)), or `?` where nobody knows."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            return file.read().rpartition(b") ")[2][:1].decode("ascii", "replace") or "?"
    except OSError:
        return "?"


def signal_thread(pid: int, thread: int, number: int) -> None:
    """Send a signal to one thread of a process (tgkill); without effect where the C library cannot (musl).

    Raises:
        ProcessLookupError: the process has no such thread.
    """
    send = getattr(_LIBC, "tgkill", None)
    if send is not None and send(pid, thread, number):
        raise ProcessLookupError(ctypes.get_errno(), f"pid {pid} has no thread {thread} that a signal can be sent to")


def adopt_orphans() -> None:
    """Become the parent of descendants whose own parent dies, instead of process 1 (PR_SET_CHILD_SUBREAPER)."""
    if _LIBC.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0):
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


def is_child(pid: int) -> bool:
    """Whether this process is the one that waits for `pid`."""
    try:
        os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    except ChildProcessError:
        return False
    return True


def set_title(title: str) -> None:
    """Have `ps` show `title` instead of the command line; without setproctitle it is cut where that ended."""
    try:
        import setproctitle  # noqa: PLC0415 - a process group's own environment need not have it
    except ImportError:
        _overwrite_arguments(os.fsencode(title))
    else:
        setproctitle.setproctitle(title)


def _overwrite_arguments(title: bytes) -> None:
    """Write over the memory in which the kernel left the arguments; Python has copied them long ago."""
    _LIBC.prctl(_PR_SET_NAME, ctypes.c_char_p(title[:15]), 0, 0, 0)
    try:
        with open("/proc/self/stat", "rb") as file:
            fields = file.read().rpartition(b") ")[2].split()
        begin, end = int(fields[_ARGUMENTS_BEGIN]), int(fields[_ARGUMENTS_END])
    except (OSError, ValueError, IndexError):
        return
    if 0 < begin < end:
        # The last byte stays NUL: to the kernel anything else means that the title goes on in the environment.
        size = end - begin
        ctypes.memmove(begin, title[: size - 1].ljust(size, b"\0"), size)


def resident_bytes(pid: int) -> int | None:
    """Return the bytes of memory of a process that are resident, shared ones included; None if it has gone."""
    try:
        with open(f"/proc/{pid}/statm", encoding="ascii") as file:
            pages = int(file.read().split()[1])
    except (OSError, ValueError, IndexError):
        return None
    return pages * _PAGE if pages else None


def directory_as_called() -> str:
    """Return the current directory as the user calls it, which may be through a link; otherwise as the kernel does."""
    called = os.environ.get("PWD", "")
    try:
        if os.path.isabs(called) and os.path.samefile(called, "."):
            return called
        return os.getcwd()
    except OSError:
        return "/"
