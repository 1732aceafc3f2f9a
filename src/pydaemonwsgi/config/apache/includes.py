"""Which files an `Include` means: a file, all below a directory, all that fit a pattern. Sans-I/O."""

import fnmatch
import posixpath
import re
from typing import Final

from pydaemonwsgi.config.apache.files import FileSystem

__all__ = ["included"]

_DEEPEST_DIRECTORY: Final = 64
_GLOB: Final = re.compile(r"[*?\[]")


def included(files: FileSystem, wanted: str, *, optional: bool) -> list[str]:
    """Return the files that an absolute name or pattern means, sorted by name.

    Args:
        files: where they are looked for.
        wanted: as it is written, made absolute.
        optional: whether there may be none.

    Raises:
        OSError: there is none, or a directory cannot be read; its file name says which.
    """
    if _GLOB.search(wanted):
        found = _glob(files, wanted)
        if not found and not optional:
            raise FileNotFoundError(2, "nothing matches this pattern; use IncludeOptional if that is right", wanted)
    elif files.is_directory(wanted):
        found = [wanted]
    elif optional and not files.exists(wanted):
        found = []
    else:
        return [wanted]
    return [file for path in found for file in _below(files, path, 0)]


def _below(files: FileSystem, path: str, depth: int) -> list[str]:
    if not files.is_directory(path):
        return [path]
    if depth > _DEEPEST_DIRECTORY:
        raise OSError(40, "the directories are nested too deeply", path)
    names = sorted(files.names(path))
    return [file for name in names for file in _below(files, posixpath.join(path, name), depth + 1)]


def _glob(files: FileSystem, pattern: str) -> list[str]:
    paths = ["/"]
    for part in filter(None, pattern.split("/")):
        if not _GLOB.search(part):
            paths = [posixpath.join(path, part) for path in paths]
            continue
        found = []
        for path in paths:
            if not files.is_directory(path):
                continue
            # As with a shell's, a pattern finds names with a dot in front only if it has one itself.
            found += [
                posixpath.join(path, name)
                for name in sorted(files.names(path))
                if fnmatch.fnmatchcase(name, part) and name.startswith(".") == part.startswith(".")
            ]
        paths = found
    return [path for path in paths if files.exists(path)]
