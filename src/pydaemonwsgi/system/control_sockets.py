"""Control sockets: the directories in which they are, their locks, who is at the other end. *Shell.*"""

import contextlib
import fcntl
import os
import socket
import stat
import struct
import tempfile
from collections.abc import Mapping
from typing import Final

from pydaemonwsgi.errors import StartError
from pydaemonwsgi.system.sockets import bind_unix

__all__ = ["SUFFIX", "ControlSocket", "directories", "in_directory", "make_private", "open_control_socket", "peer_of"]

SUFFIX: Final = ".sock"
_LOCK_SUFFIX: Final = ".lock"
_NAME: Final = "pydaemonwsgi"
_BACKLOG: Final = 128
_CREDENTIALS: Final = struct.Struct("3i")


class ControlSocket:
    """A listening control socket and the lock that makes it the only one.

    Attributes:
        listener: non-blocking.
        path: where it is.
    """

    __slots__ = ("_lock", "listener", "path")

    def __init__(self, listener: socket.socket, path: str, lock: int) -> None:
        self.listener = listener
        self.path = path
        self._lock = lock

    @classmethod
    def inherited(cls, descriptor: int, lock: int) -> "ControlSocket":
        """Return the control socket whose descriptors another process of this server has passed on."""
        listener = socket.socket(fileno=descriptor)
        listener.setblocking(False)
        return cls(listener, os.fsdecode(listener.getsockname()), lock)

    @property
    def descriptors(self) -> tuple[int, int]:
        """The listener's and the lock's, to be passed on."""
        return self.listener.fileno(), self._lock

    def claim(self) -> None:
        """Write into the lock that it is this process's now."""
        _write_pid(self._lock)

    def leave(self) -> None:
        """Give it up to another process that has it as well: its files stay."""
        self.listener.close()
        os.close(self._lock)

    def close(self) -> None:
        """Give it up; its files go, unless somebody has put others in their place."""
        self.listener.close()
        for path in (self.path, self.path + _LOCK_SUFFIX):
            try:
                os.unlink(path)
            except OSError:
                pass  # removed already; nothing to be done in any case
        os.close(self._lock)


def directories(environ: Mapping[str, str], uid: int) -> list[str]:
    """Return where the control sockets of a user's servers may be, best first.

    Args:
        environ: the process's environment.
        uid: the user.
    """
    found = []
    # What systemd made for the service (RuntimeDirectory=).
    if runtime := environ.get("RUNTIME_DIRECTORY", "").partition(":")[0]:
        found.append(runtime)
    found.append(f"/run/{_NAME}")
    if xdg := environ.get("XDG_RUNTIME_DIR"):
        found.append(os.path.join(xdg, _NAME))
    try:
        found.append(os.path.join(tempfile.gettempdir(), f"{_NAME}-{uid}"))
    except FileNotFoundError:
        pass  # none that can be written to, as in a container whose file system is read-only
    return [path for path in dict.fromkeys(found) if os.path.isabs(path)]


def in_directory(path: str) -> list[str]:
    """Return the paths of the control sockets in a directory: those beside which there is a lock.

    Listeners for clients may be there as well, and have none.
    """
    try:
        names = set(os.listdir(path))
    except OSError:
        return []
    return sorted(os.path.join(path, name) for name in names if name.endswith(SUFFIX) and name + _LOCK_SUFFIX in names)


def make_private(path: str) -> None:
    """Make sure that `path` is a directory of ours, with mode 0700 if it is new.

    Raises:
        OSError: it cannot be made, is somebody else's, or others may write into it.
    """
    try:
        os.mkdir(path, 0o700)
    except FileExistsError:
        pass
    status = os.lstat(path)
    if not stat.S_ISDIR(status.st_mode):
        raise NotADirectoryError(0, "is no directory", path)
    if status.st_uid != os.geteuid():
        raise PermissionError(0, f"belongs to uid {status.st_uid}", path)
    if status.st_mode & 0o022:
        raise PermissionError(0, f"has mode {stat.S_IMODE(status.st_mode):03o}: others may write into it", path)


def open_control_socket(path: str) -> ControlSocket:
    """Listen at `path`; what a killed server has left there is replaced.

    Raises:
        StartError: another server has it, or it cannot be made; the message says which and what to do.
    """
    lock = _lock(path + _LOCK_SUFFIX, path)
    mask = os.umask(0o177)
    try:
        listener = bind_unix(path, _BACKLOG, mode=0o600)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(path + _LOCK_SUFFIX)
        os.close(lock)
        raise
    finally:
        os.umask(mask)
    return ControlSocket(listener, path, lock)


def _lock(lock_path: str, path: str) -> int:
    while True:
        try:
            lock = os.open(lock_path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        except OSError as error:
            raise StartError(
                f"cannot make the control socket {path}: {(error.strerror or str(error)).lower()}; "
                "give another --control-socket"
            ) from error
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            owner = os.pread(lock, 20, 0).decode("ascii", "replace").strip()
            os.close(lock)
            raise StartError(
                f"another server{f', pid {owner},' if owner.isdecimal() else ''} has the control socket {path}; "
                "stop it, or give this one another --control-socket"
            ) from None
        # Whoever held it before may have removed the file after we had opened it.
        try:
            same = os.path.samestat(os.fstat(lock), os.lstat(lock_path))
        except FileNotFoundError:
            same = False
        if same:
            _write_pid(lock)
            return lock
        os.close(lock)


def _write_pid(lock: int) -> None:
    """Write whose a lock is, for the message to whoever wants it too; a full disk is no reason not to have it."""
    with contextlib.suppress(OSError):
        os.ftruncate(lock, 0)
        os.pwrite(lock, f"{os.getpid()}\n".encode("ascii"), 0)


def peer_of(sock: socket.socket) -> tuple[int, int]:
    """Return pid and uid of the process that connected this Unix socket."""
    pid, uid, _ = _CREDENTIALS.unpack(sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size))
    return pid, uid
