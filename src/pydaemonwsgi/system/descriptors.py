"""File descriptors: listing and closing them, logs, the standard three, limits, memory files. *Shell.*"""

from __future__ import annotations

import errno
import fcntl
import os
import resource
import stat
import struct
import termios
from collections.abc import Iterable

from pydaemonwsgi.errors import ConfigurationError, StartError

__all__ = [
    "close_all_except",
    "log_pipe",
    "make_nonblocking",
    "memfd",
    "open_descriptors",
    "open_log",
    "raise_descriptor_limit",
    "redirect_standard_streams",
    "replace_error_log",
    "set_nonblocking",
    "unread_bytes",
]

# Bytes that the kernel keeps of a log for its reader. More would take more memory for each log, and what exceeds the
# kernel's allowance for one user (64 MiB) makes each further pipe of his as small as a page or two.
_LOG_PIPE = 256 * 1024
# Opening these anew fails for a socket (a journal: ENXIO) and for another user's pipe (a container: EACCES).
_STANDARD_PATHS = {"/dev/stdout": 1, "/dev/stderr": 2}


def open_descriptors() -> set[int]:
    """Every descriptor that this process has open.

    Raises:
        StartError: there is no /proc to ask.
    """
    try:
        names = os.listdir("/proc/self/fd")
    except OSError as error:
        raise StartError(f"cannot list the open descriptors: /proc/self/fd: {error.strerror}") from error
    return {number for number in map(int, names) if _is_open(number)}  # without the one that listed


def close_all_except(keep: Iterable[int]) -> list[int]:
    """Close every descriptor from 3 up that is not kept; say which, sorted.

    For a child just after fork. Python objects that own one of them must not be used or closed any more: end
    the child with os._exit or exec, or detach them first.
    """
    closed = sorted(number for number in open_descriptors() - set(keep) if number >= 3)
    for number in closed:
        try:
            os.close(number)
        except OSError:  # EIO of an earlier write: on Linux it is closed nevertheless
            pass
    return closed


def open_log(path: str) -> int:
    """Open a log for appending, never as descriptor 0, 1 or 2; a new one gets mode 0640 less the umask.

    Raises:
        ConfigurationError: it cannot be opened.
    """
    try:
        if path in _STANDARD_PATHS:
            return fcntl.fcntl(_STANDARD_PATHS[path], fcntl.F_DUPFD_CLOEXEC, 3)
        # A named pipe must hold up nobody, neither here nor when it is full; files do not know O_NONBLOCK.
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NOCTTY | os.O_NONBLOCK
        descriptor = os.open(path, flags, 0o640)
        if descriptor >= 3:
            return descriptor
        higher = fcntl.fcntl(descriptor, fcntl.F_DUPFD_CLOEXEC, 3)  # started with a standard stream closed
        os.close(descriptor)
        return higher
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        if isinstance(error, OSError) and error.errno == errno.ENXIO:
            reason = "nobody reads this pipe, or it is a socket"
        raise ConfigurationError(f"cannot open the log {path}: {reason}") from error


def log_pipe() -> tuple[int, int]:
    """A pipe for a log: the end to read, and the end to write, which never waits; neither is descriptor 0, 1 or 2.

    Raises:
        OSError: there are no descriptors left.
    """
    ends = []
    for descriptor in os.pipe2(os.O_CLOEXEC):
        ends.append(descriptor if descriptor >= 3 else fcntl.fcntl(descriptor, fcntl.F_DUPFD_CLOEXEC, 3))
        if descriptor < 3:
            os.close(descriptor)
    os.set_blocking(ends[1], False)
    try:
        fcntl.fcntl(ends[1], fcntl.F_SETPIPE_SZ, _LOG_PIPE)
    except OSError:  # EPERM: this user has as many pages in pipes as he may
        pass
    return ends[0], ends[1]


def make_nonblocking(descriptor: int) -> None:
    """Have writes to a pipe or terminal never wait, in this program only: who else has it open is not concerned.

    Where that is not possible it stays as it is.
    """
    kind = os.fstat(descriptor).st_mode
    if not stat.S_ISFIFO(kind) and not os.isatty(descriptor):
        return
    flags = os.O_WRONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY
    try:
        own = os.open(f"/proc/self/fd/{descriptor}", flags)
    except OSError:  # another user's, as in some containers
        return
    os.dup2(own, descriptor, inheritable=False)
    os.close(own)


def unread_bytes(descriptor: int) -> int:
    """How many bytes of a pipe wait to be read."""
    return int(struct.unpack("i", fcntl.ioctl(descriptor, termios.FIONREAD, b"\0\0\0\0"))[0])


def redirect_standard_streams(error_fd: int) -> None:
    """Read standard input from /dev/null and send standard error to a log; both survive exec.

    Standard output stays where it is; a closed one goes to the log too, or the next socket would become it.
    """
    null = os.open("/dev/null", os.O_RDONLY | os.O_CLOEXEC)
    os.dup2(null, 0, inheritable=True)
    os.set_inheritable(0, True)  # dup2 onto itself changes nothing
    if null > 2:
        os.close(null)
    os.dup2(error_fd, 2, inheritable=True)
    os.set_inheritable(2, True)
    if not _is_open(1) or null == 1:
        os.dup2(2, 1, inheritable=True)


def replace_error_log(descriptor: int) -> None:
    """Have descriptor 2 be another file; standard output goes with it where it was the same file."""
    try:
        shared = os.path.sameopenfile(1, 2)
    except OSError:
        shared = False
    os.dup2(descriptor, 2, inheritable=True)
    if shared:
        os.dup2(descriptor, 1, inheritable=True)


def set_nonblocking(descriptor: int) -> None:
    """Make reads and writes say EAGAIN instead of waiting, for all processes that share the open file."""
    os.set_blocking(descriptor, False)


def raise_descriptor_limit() -> int:
    """Raise the soft limit of open descriptors to the hard one; the soft limit that now holds."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        except (OSError, ValueError):  # a sandbox forbids it: the old limit still works
            return soft
    return hard


def memfd(name: str) -> int:
    """A new file that lives in memory and ends with its last descriptor; the name only shows in /proc."""
    return os.memfd_create(name, os.MFD_CLOEXEC)


def _is_open(descriptor: int) -> bool:
    try:
        fcntl.fcntl(descriptor, fcntl.F_GETFD)
    except OSError:
        return False
    return True
