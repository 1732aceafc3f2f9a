"""The pid file: whose pid is in it, and whether that process still lives. *Shell.*

    start        a living process's file is refused; what a killed server has left is replaced
    serving      the file appears whole, under its name, by rename
    upgrade      the successor writes its own over its predecessor's
    end          removed by the process whose file it is, by nobody else

The server holds a lock on the file that it has written. The kernel drops the lock when the process ends, however it
ends, so a lock says what a number cannot: after a reboot, or in a container, any process may have the pid that a killed
server has left. Children hold no descriptor of it.

A file that nobody has locked may be another program's, named by mistake. Such a program has been there when the file
was written; a process that has begun later has its pid by chance.
"""

import contextlib
import fcntl
import logging
import os
import stat
from typing import Final

import psutil

from pydaemonwsgi.errors import StartError

__all__ = ["PidFile"]

logger = logging.getLogger(__name__)

# A pid and its line end; what is longer is no pid file.
_LONGEST: Final = 32
# The kernel tells a process's begin in hundredths of seconds since boot; the clock may have been set a little since.
_SLACK: Final = 2.0


class PidFile:
    """The file that a server's supervisor writes its pid to; see the module's docstring.

    Args:
        path: of the file; None for none, and then nothing happens.
        heir: this process is the successor of its parent, and may take over the parent's file.

    Raises:
        StartError: the file is another living process's or no pid file, or its directory cannot be written to.
    """

    def __init__(self, path: str | None, *, heir: bool = False) -> None:
        self._path = None if path is None else os.path.abspath(path)
        self._predecessor = os.getppid() if heir else 0
        self._descriptor = -1
        if self._path is None:
            return
        directory = os.path.dirname(self._path)
        if not os.path.isdir(directory):
            raise StartError(f"cannot write the pid file {self._path}: there is no directory {directory}; make it")
        if not os.access(directory, os.W_OK | os.X_OK):
            problem = f"no permission to write into {directory}"
            raise StartError(f"cannot write the pid file {self._path}: {problem}; choose another file")
        self._examine(self._path)

    def write(self) -> None:
        """Write the pid of this process; what cannot be done is logged, and the server serves nevertheless."""
        if self._path is None:
            return
        try:
            # Somebody may have come since the start.
            left = self._examine(self._path)
            self._descriptor = _put(self._path, f"{os.getpid()}\n".encode("ascii"))
        except (OSError, StartError) as error:
            reason = error.strerror if isinstance(error, OSError) else error
            logger.error("the pid file %s is not written: %s; the server serves nevertheless", self._path, reason)
            return
        if left:
            logger.info("the pid file %s has been replaced: %s", self._path, left)

    def remove(self) -> None:
        """Remove it, if it is still the one that this process has written."""
        if self._path is None or self._descriptor < 0:
            return
        try:
            if os.path.samestat(os.fstat(self._descriptor), os.lstat(self._path)):
                os.unlink(self._path)
        except FileNotFoundError:
            pass  # somebody has removed it already
        except OSError as error:
            logger.warning("cannot remove the pid file %s: %s", self._path, error.strerror)
        os.close(self._descriptor)
        self._descriptor = -1

    def _examine(self, path: str) -> str:
        """Refuse what must not be overwritten; return what a killed server has left there, in words."""
        try:
            descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
        except FileNotFoundError:
            return ""
        except OSError as error:
            reason = "it is a link" if os.path.islink(path) else error.strerror
            raise StartError(f"cannot write the pid file {path}: {reason}; choose another file") from error
        try:
            status = os.fstat(descriptor)
            content = os.read(descriptor, _LONGEST) if stat.S_ISREG(status.st_mode) else b"?"
            text = content.decode("ascii", "replace").strip()
            if text and not (text.isascii() and text.isdigit() and len(content) < _LONGEST):
                raise StartError(f"{path} is no pid file: it holds something else than a number; choose another file")
            pid = int(text or "0")
            if pid == self._predecessor != 0:
                return ""
            if _is_locked(descriptor):
                raise StartError(
                    f"another server, pid {pid}, has the pid file {path}; stop it, or give this one another"
                )
        finally:
            os.close(descriptor)
        name = _older_process(pid, status.st_mtime)
        if name is not None:
            raise StartError(
                f"the pid file {path} is that of {name}, pid {pid}, which runs; stop it, or choose another file"
            )
        return f"its process, pid {pid}, has gone" if pid else "it was empty"


def _put(path: str, content: bytes) -> int:
    """Put a file there whole, locked; return its descriptor.

    Raises:
        OSError: it cannot be.
    """
    beside = f"{path}.{os.getpid()}"
    with contextlib.suppress(FileNotFoundError):
        os.unlink(beside)  # left by a server that was killed just here and had this pid
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW
    descriptor = os.open(beside, flags, 0o644)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        os.fchmod(descriptor, 0o644)  # whoever watches over servers may read it, whatever the umask
        os.write(descriptor, content)
        os.rename(beside, path)
    except BaseException:
        os.close(descriptor)
        os.unlink(beside)
        raise
    return descriptor


def _is_locked(descriptor: int) -> bool:
    """Whether another process holds the lock of this file."""
    try:
        # Shared, because the descriptor is only for reading: NFS wants more for an exclusive one.
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    return False


def _older_process(pid: int, time: float) -> str | None:
    """Return the name of the process `pid` if it began before `time`, seconds since 1970; None if there is none."""
    if pid in {0, os.getpid()}:
        return None
    try:
        process = psutil.Process(pid)
        return process.name() if process.create_time() <= time + _SLACK else None
    except (psutil.Error, ValueError, OverflowError):
        return None
