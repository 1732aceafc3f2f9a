"""What decisions need to know of files, asked through a protocol: a cache, a thread or a test may answer. Sans-I/O."""

from collections.abc import Sequence
from enum import Enum
from typing import Final, NamedTuple, Protocol

__all__ = ["FORBIDDEN", "MISSING", "FileFacts", "FileKind", "FileSystem"]


class FileKind(Enum):
    """What is at a path."""

    FILE = "file"
    DIRECTORY = "directory"
    LINK = "symbolic link"  # of `lstat` only
    OTHER = "neither file nor directory"
    MISSING = "missing"  # ENOENT, ENOTDIR
    FORBIDDEN = "unreachable"  # EACCES, ELOOP, ENAMETOOLONG and what else the kernel says


class FileFacts(NamedTuple):
    """What `stat` says of a path.

    Attributes:
        size: bytes.
        modified: nanoseconds since the epoch.
        owner: the user id.
        mode: permission bits.
    """

    kind: FileKind
    size: int = 0
    modified: int = 0
    device: int = 0
    inode: int = 0
    owner: int = 0
    mode: int = 0


MISSING: Final = FileFacts(FileKind.MISSING)
FORBIDDEN: Final = FileFacts(FileKind.FORBIDDEN)


class FileSystem(Protocol):
    """Answers about files; never raises `OSError`."""

    def stat(self, path: str) -> FileFacts:
        """Return the facts of what `path` leads to, through links."""

    def lstat(self, path: str) -> FileFacts:
        """Return the facts of `path` itself."""

    def listdir(self, path: str) -> Sequence[str]:
        """Return the names in a directory, `()` if it cannot be read."""

    def read(self, path: str) -> bytes | None:
        """Return what is in a file that the configuration names, None if it cannot be read."""
