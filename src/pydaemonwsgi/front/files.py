"""The local file system, for the router's questions. Shell."""

import errno
import logging
import os
import stat
from collections.abc import Sequence
from typing import Final

from pydaemonwsgi.routing.files import FORBIDDEN, MISSING, FileFacts, FileKind

__all__ = ["LocalFiles", "facts_of"]

logger = logging.getLogger(__name__)

# No file has a name that is too long; a token in a URL often is, and goes to the application.
_ABSENT: Final = frozenset((errno.ENOENT, errno.ENOTDIR, errno.ENAMETOOLONG))


def facts_of(found: os.stat_result) -> FileFacts:
    """Return what the router knows of a file."""
    mode = found.st_mode
    if stat.S_ISREG(mode):
        kind = FileKind.FILE
    elif stat.S_ISDIR(mode):
        kind = FileKind.DIRECTORY
    elif stat.S_ISLNK(mode):
        kind = FileKind.LINK
    else:
        kind = FileKind.OTHER
    return FileFacts(
        kind, found.st_size, found.st_mtime_ns, found.st_dev, found.st_ino, found.st_uid, stat.S_IMODE(mode)
    )


class LocalFiles:
    """Asks the kernel; blocks as long as the disk does."""

    def stat(self, path: str) -> FileFacts:
        """Return what `path` leads to."""
        try:
            return facts_of(os.stat(_encoded(path)))
        except OSError as error:
            return MISSING if error.errno in _ABSENT else FORBIDDEN
        except ValueError:
            return MISSING  # a NUL

    def lstat(self, path: str) -> FileFacts:
        """Return what `path` is."""
        try:
            return facts_of(os.lstat(_encoded(path)))
        except OSError as error:
            return MISSING if error.errno in _ABSENT else FORBIDDEN
        except ValueError:
            return MISSING

    def listdir(self, path: str) -> Sequence[str]:
        """Return the names in a directory, none if it cannot be read."""
        try:
            return [name.decode("utf-8", "surrogateescape") for name in os.listdir(_encoded(path))]
        except (OSError, ValueError):
            return ()

    def read(self, path: str) -> bytes | None:
        """Return what is in a file; that it cannot be read is logged, for the configuration names it."""
        try:
            # Not to wait for the far side of a pipe.
            descriptor = os.open(_encoded(path), os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY)
            try:
                if stat.S_ISREG(os.fstat(descriptor).st_mode):
                    with open(descriptor, "rb", closefd=False) as file:
                        return file.read()
                problem = "it is no file"
            finally:
                os.close(descriptor)
        except OSError as error:
            problem = error.strerror or str(error)
        logger.error("%s cannot be read: %s", path, problem)
        return None


def _encoded(path: str) -> bytes:
    # As bytes: the router's text is UTF-8 with surrogateescape whatever the locale is.
    return path.encode("utf-8", "surrogateescape")
