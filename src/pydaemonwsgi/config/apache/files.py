"""How the reader and the checks see the file system. Sans-I/O: `system.files` has the real one."""

from collections.abc import Mapping
from typing import Protocol

__all__ = ["FileSystem", "FilesInMemory"]


class FileSystem(Protocol):
    """Absolute names only."""

    def read(self, path: str) -> bytes:
        """The content of a regular file; OSError says why not."""

    def names(self, path: str) -> list[str]:
        """The names in a directory, without "." and ".."; OSError says why not."""

    def is_directory(self, path: str) -> bool:
        """Whether there is a directory of this name."""

    def exists(self, path: str) -> bool:
        """Whether there is anything of this name."""


class FilesInMemory:
    """A file system that is a mapping from absolute names to contents: for tests, and for text that is no file."""

    def __init__(self, contents: Mapping[str, bytes | str]) -> None:
        self._contents = {
            path: content.encode("utf-8", "surrogateescape") if isinstance(content, str) else content
            for path, content in contents.items()
        }

    def read(self, path: str) -> bytes:
        """The content of a file."""
        if path not in self._contents:
            if self.is_directory(path):
                raise IsADirectoryError(21, "Is a directory", path)
            raise FileNotFoundError(2, "No such file or directory", path)
        return self._contents[path]

    def names(self, path: str) -> list[str]:
        """The names in a directory."""
        beginning = path.rstrip("/") + "/"
        found = {name[len(beginning) :].partition("/")[0] for name in self._contents if name.startswith(beginning)}
        if not found:
            raise FileNotFoundError(2, "No such file or directory", path)
        return sorted(found)

    def is_directory(self, path: str) -> bool:
        """Whether any file lies below."""
        beginning = path.rstrip("/") + "/"
        return any(name.startswith(beginning) for name in self._contents)

    def exists(self, path: str) -> bool:
        """Whether there is such a file, or any below."""
        return path in self._contents or self.is_directory(path)
