"""Paths: of files, of directories, of URLs. Sans-I/O."""

import re
from urllib.parse import unquote

from pydaemonwsgi.config.values.kinds import BadValueError, ValueKind, has_control, parse_path

__all__ = ["absolute_directory", "directories", "file_name", "mount_point"]


def mount_point() -> ValueKind[str]:
    """A URL path, as clients write it or decoded; trailing slashes are dropped, except for the root itself."""

    def parse(text: str) -> str:
        if not text.startswith("/"):
            raise BadValueError("does not begin with /")
        try:
            decoded = unquote(text, errors="strict")
        except UnicodeDecodeError:
            raise BadValueError("is not UTF-8 when it is decoded") from None
        if has_control(decoded) or re.search("[?#]", text):
            raise BadValueError("is not a URL path")
        path = decoded.rstrip("/") or "/"
        if re.search(r"//|/\.{1,2}(/|$)", path):
            raise BadValueError("is no path that a request has: there //, /./ and /../ are resolved")
        return path

    return ValueKind("PATH", "a URL path such as / or /app", parse, str)


def file_name(accepted: str, *, metavar: str = "FILE", standard_stream: bool = True) -> ValueKind[str]:
    """A file or directory name, kept as written; `-` only where it means a standard stream."""

    def parse(text: str) -> str:
        if text == "-" and not standard_stream:
            raise BadValueError("is not a file name")
        return parse_path(text)

    return ValueKind(metavar, accepted, parse, str)


def absolute_directory() -> ValueKind[str]:
    """A directory whose name begins at the root."""

    def parse(text: str) -> str:
        if not text.startswith("/"):
            raise BadValueError("does not begin with /")
        return parse_path(text)

    return ValueKind("DIRECTORY", "the absolute path of a directory", parse, str)


def directories() -> ValueKind[tuple[str, ...]]:
    """Directories with colons between them."""

    def parse(text: str) -> tuple[str, ...]:
        parts = text.split(":")
        if len(parts) > 1 and not all(parts):
            raise BadValueError("holds an empty entry")
        return tuple(map(parse_path, parts))

    return ValueKind("DIRECTORY", "a directory, or several with : between them", parse, ":".join)
