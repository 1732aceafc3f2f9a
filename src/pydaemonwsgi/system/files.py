"""The file system as the configuration reader sees it. Shell."""

import os
import stat

__all__ = ["LocalFiles"]

_LARGEST_READ = 128 << 20


class LocalFiles:
    """The machine's own files; `config.apache.files.FileSystem` says what is promised."""

    def read(self, path: str) -> bytes:
        """The content of a regular file; devices, pipes and directories are refused instead of waited for."""
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY)
        with open(descriptor, "rb") as file:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                raise OSError(22, "not a regular file", path)
            return file.read(_LARGEST_READ)

    def names(self, path: str) -> list[str]:
        """The names in a directory."""
        return os.listdir(path)

    def is_directory(self, path: str) -> bool:
        """Whether there is a directory of this name."""
        return os.path.isdir(path)

    def exists(self, path: str) -> bool:
        """Whether there is anything of this name."""
        return os.path.exists(path)
