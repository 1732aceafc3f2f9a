"""`RewriteMap`: functions and tables in which the texts of rules look things up. Sans-I/O; files through a protocol.

A table is a text file of keys and values, a line for each. It is searched as it is, as httpd does it, and not made a
dictionary of: a file of a million lines (20 MB) that has changed would keep the front busy for a second. To find that a
key is not in it takes 10 ms.
"""

import random
from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType
from typing import Final, Protocol
from urllib.parse import unquote_to_bytes

from pydaemonwsgi.config.model import RewriteMap
from pydaemonwsgi.routing.files import FileFacts
from pydaemonwsgi.routing.paths import as_bytes, as_text, escape_path
from pydaemonwsgi.routing.request import Request

__all__ = ["NO_MAPS", "Lookup", "Maps", "TextFile", "compile_maps"]

# Keys of a table whose values are remembered.
_REMEMBERED: Final = 1024
_TO_BLANKS: Final = bytes.maketrans(b"\t\v\f\r", b"    ")


class Lookup(Protocol):
    """One map.

    Attributes:
        decodes: what it returns may be what a client has encoded.
    """

    @property
    def decodes(self) -> bool: ...

    def __call__(self, key: str, request: Request) -> str | None:
        """Return what a key stands for, None for nothing."""


Maps = Mapping[str, Lookup]
"""The maps of a host by their names."""

NO_MAPS: Final[Maps] = MappingProxyType({})


def _lower(text: str) -> str:
    return as_text(as_bytes(text).lower())  # of ASCII only


def _upper(text: str) -> str:
    return as_text(as_bytes(text).upper())


def _unescape(text: str) -> str:
    # What is no escape stays; C ends a text at a NUL.
    return as_text(unquote_to_bytes(as_bytes(text)).partition(b"\0")[0])


_FUNCTIONS: Final[Mapping[str, Callable[[str], str]]] = {
    "tolower": _lower,
    "toupper": _upper,
    "escape": escape_path,
    "unescape": _unescape,
}


class _Function:
    """`int:NAME`."""

    __slots__ = ("_call", "decodes")

    def __init__(self, name: str) -> None:
        self._call = _FUNCTIONS[name]
        self.decodes = name == "unescape"

    def __call__(self, key: str, request: Request) -> str:
        """Return what the function makes of the key."""
        del request
        return self._call(key)


class TextFile:
    """A file of keys and values, read again when it has changed."""

    __slots__ = ("_content", "_facts", "_known", "_path")

    def __init__(self, path: str) -> None:
        self._path = path
        self._facts: FileFacts | None = None
        self._content = b""
        self._known: dict[str, str | None] = {}

    def find(self, key: str, request: Request) -> str | None:
        """Return the first word behind a key, None if there is no such line, or no file."""
        facts = request.stat(self._path)
        if facts != self._facts:
            content = request.files.read(self._path)
            # In front of each line there is an end of one now, and behind each key a blank: one search finds it.
            self._content = b"\n" + content.translate(_TO_BLANKS) if content is not None else b""
            self._facts = facts
            self._known.clear()
        try:
            return self._known[key]
        except KeyError:
            found = self._search(as_bytes(key))
        if len(self._known) >= _REMEMBERED:
            self._known.clear()
        self._known[key] = value = None if found is None else as_text(found)
        return value

    def _search(self, key: bytes) -> bytes | None:
        content = self._content
        if not key or key.startswith(b"#") or key.split() != [key]:
            return None  # a comment, or nothing that is one word
        wanted = b"\n%b " % key
        position = content.find(wanted)
        while position >= 0:
            begin = position + len(wanted)
            end = content.find(b"\n", begin)
            words = content[begin : end if end >= 0 else len(content)].split(None, 1)
            if words:
                return words[0]
            position = content.find(wanted, begin)  # a key without a value is none
        return None


class _Table:
    """`txt:FILE`, and `rnd:FILE`, whose values are alternatives."""

    __slots__ = ("_file", "_is_random")

    decodes = False

    def __init__(self, file: TextFile, *, is_random: bool) -> None:
        self._file = file
        self._is_random = is_random

    def __call__(self, key: str, request: Request) -> str | None:
        """Return the value of a key."""
        found = self._file.find(key, request)
        if found is None or not self._is_random:
            return found
        request.consulted.add("now")  # another time it is another one
        return random.choice(found.split("|"))  # noqa: S311 - to spread load


def compile_maps(maps: Iterable[RewriteMap], texts: dict[str, TextFile]) -> Maps:
    """Return the maps of a host by name; the first of a name counts.

    Args:
        maps: as they were written, the host's own before those of the main server.
        texts: the files by their paths, which hosts share; what is missing is added.
    """
    found: dict[str, Lookup] = {}
    for one in maps:
        if one.name in found:
            continue
        if one.kind == "int":
            found[one.name] = _Function(one.source)
        else:
            file = texts.setdefault(one.source, TextFile(one.source))
            found[one.name] = _Table(file, is_random=one.kind == "rnd")
    return found
