"""What a text on the command line means: durations, sizes, addresses, names. Sans-I/O.

A parser raises `BadValueError` with the end of the sentence "'<text>' ..."; whoever knows the option's name
puts the rest around it. Every `render` writes a text that its `parse` reads back.
"""

import ipaddress
import keyword
import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

__all__ = [
    "GROUP_TITLE",
    "LOG_LEVELS",
    "BadValueError",
    "ListenAddress",
    "ValueKind",
    "absolute_directory",
    "access_log_format",
    "account_name",
    "account_names",
    "callable_name",
    "directories",
    "duration",
    "file_name",
    "group_title",
    "host_name",
    "is_callable_name",
    "listen_address",
    "locale_name",
    "log_level",
    "mount_point",
    "octal_mask",
    "process_title",
    "server_name",
    "size",
    "whole_number",
]

Value = TypeVar("Value")

# A wait must fit epoll's milliseconds (24 days); a week is far beyond any timeout that does its work.
LONGEST_DURATION = 7 * 24 * 3600.0
# sun_path on Linux holds 108 bytes, the last one a NUL.
LONGEST_SOCKET_PATH = 107

LOG_LEVELS = ("debug", "info", "notice", "warning", "error", "critical")
"""The levels that `log_level` gives, least severe first; `logs.parse_level` knows their numbers."""

GROUP_TITLE = "%{GROUP}"
"""As a process title: `(wsgi:NAME)`."""

HTTPD_LOG_LEVELS = {"warn": "warning", "crit": "critical", "alert": "critical", "emerg": "critical"} | {
    f"trace{depth}": "debug" for depth in range(1, 9)
}


class BadValueError(Exception):
    """A text does not name a value of its kind; the message ends the sentence "'<text>' ..."."""


@dataclass(frozen=True, slots=True)
class ValueKind(Generic[Value]):
    """One kind of value.

    Attributes:
        metavar: what stands for the value in `--help`.
        accepted: what may be given; ends the sentence "give ...".
        parse: reads a text; raises BadValueError.
        render: writes a text that `parse` reads back.
    """

    metavar: str
    accepted: str
    parse: Callable[[str], Value]
    render: Callable[[Value], str]


@dataclass(frozen=True, slots=True)
class ListenAddress:
    """Where to accept connections: a TCP address, or a Unix socket when `path` is set.

    An empty host means every interface; port 0 means any free port.
    """

    host: str
    port: int
    path: str | None = None

    def __str__(self) -> str:
        if self.path is not None:
            return f"unix:{self.path}"
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"


def whole_number(minimum: int, maximum: int | None = None, *, metavar: str = "N") -> ValueKind[int]:
    """A whole number within bounds, both included."""

    def parse(text: str) -> int:
        if not re.fullmatch(r"-?[0-9]+", text):
            raise BadValueError("is not a whole number")
        if len(text) > 19:  # int() itself refuses texts of some thousand digits
            raise BadValueError("has too many digits")
        return _within(int(text), minimum, maximum)

    return ValueKind(metavar, _bounds(minimum, maximum, str), parse, str)


def duration(*, shortest: float = 0.0, whole: bool = False) -> ValueKind[float]:
    """Seconds, also written with a unit: 250ms, 30s, 5m, 1h.

    Args:
        shortest: in seconds.
        whole: whether there is nothing finer than a second.
    """
    units = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, None: 1.0}

    def parse(text: str) -> float:
        match = re.fullmatch(r"([0-9]+(?:\.[0-9]+)?|\.[0-9]+)(ms|s|m|h)?", text)
        if match is None:
            raise BadValueError("is not a duration")
        # Division keeps 250ms exactly 0.25 where multiplication by 0.001 may not.
        number = float(match[1])
        seconds = number / 1000 if match[2] == "ms" else number * units[match[2]]
        if whole and not seconds.is_integer():
            raise BadValueError("is not a whole number of seconds")
        return _within(seconds, shortest, LONGEST_DURATION)

    longest = _render_duration(LONGEST_DURATION)
    limits = f"{_render_duration(shortest)} to {longest}" if shortest else f"up to {longest}"
    such_as = "s, m or h such as 30s or 5m" if whole else "ms, s, m or h such as 250ms or 5m"
    accepted = f"{'whole ' if whole else ''}seconds, or a number with {such_as}, {limits}"
    return ValueKind("TIME", accepted, parse, _render_duration)


def size(minimum: int, maximum: int | None = None, *, or_zero: bool = False) -> ValueKind[int]:
    """Bytes, also written with a unit of 1024: 10k, 512M, 1GiB; with `or_zero` also 0, whatever the minimum."""

    def parse(text: str) -> int:
        match = re.fullmatch(r"([0-9]+)(?:([kmgt])(?:i?b)?|b)?", text, re.IGNORECASE | re.ASCII)
        if match is None:
            raise BadValueError("is not a size")
        if len(match[1]) > 19:
            raise BadValueError("has too many digits")
        unit = (match[2] or "").lower()
        count = int(match[1]) << {"": 0, "k": 10, "m": 20, "g": 30, "t": 40}[unit]
        return count if or_zero and not count else _within(count, minimum, maximum)

    # What no machine has is no bound that anybody wants to read.
    told = None if maximum is not None and maximum >= 1 << 60 else maximum
    bounds = ("0, or " if or_zero else "") + _bounds(minimum, told, _render_size)
    accepted = f"bytes, or a number with k, M or G such as 512M: {bounds}"
    return ValueKind("SIZE", accepted, parse, _render_size)


def octal_mask() -> ValueKind[int]:
    """A file mode creation mask in octal digits only."""

    def parse(text: str) -> int:
        if not re.fullmatch(r"[0-7]{1,4}", text):
            raise BadValueError("is not an octal mask")
        return _within(int(text, 8), 0, 0o777)

    return ValueKind("MASK", "octal digits from 000 to 777, such as 022", parse, lambda mask: f"{mask:03o}")


def host_name() -> ValueKind[str]:
    """A host name or a literal address; an IPv6 address may stand in brackets."""
    return ValueKind("HOST", "a host name or an IP address; 0.0.0.0 or :: for every interface", _parse_host, str)


def listen_address() -> ValueKind[tuple[ListenAddress, ...]]:
    """One listener; a tuple, because the option that holds it is repeatable."""

    def parse(text: str) -> tuple[ListenAddress, ...]:
        return (_parse_listen_address(text),)

    accepted = "HOST:PORT, [IPV6-ADDRESS]:PORT, :PORT for every interface, or unix:PATH"
    return ValueKind("ADDRESS", accepted, parse, lambda addresses: ",".join(map(str, addresses)))


def log_level() -> ValueKind[str]:
    """One of `LOG_LEVELS`; httpd's other words are translated."""

    def parse(text: str) -> str:
        word = HTTPD_LOG_LEVELS.get(text.lower(), text.lower())
        if word not in LOG_LEVELS:
            raise BadValueError("is not a log level")
        return word

    *names, last = LOG_LEVELS
    return ValueKind("LEVEL", f"{', '.join(names)} or {last}, or httpd's word for it", parse, str)


def choice(*words: str) -> ValueKind[str]:
    """One of a few words."""

    def parse(text: str) -> str:
        if text not in words:
            raise BadValueError("is not one of these")
        return text

    *names, last = words
    return ValueKind("WORD", f"{', '.join(names)} or {last}", parse, str)


def access_log_format() -> ValueKind[str]:
    """`common`, `combined`, `vhost_combined` or a format string."""

    def parse(text: str) -> str:
        if _has_control(text):
            raise BadValueError("holds a control character")
        if text not in ("common", "combined", "vhost_combined") and "%" not in text:
            raise BadValueError("is neither a known format nor a format string with % directives")
        return text

    return ValueKind("FORMAT", "common, combined or a format string such as '%h %r %s'", parse, str)


def server_name() -> ValueKind[str]:
    """A name of a server, or with a slash in it the path of its control socket."""

    def parse(text: str) -> str:
        if _has_control(text):
            raise BadValueError("holds a control character")
        if "/" in text:
            if len(os.fsencode(text)) > LONGEST_SOCKET_PATH:
                raise BadValueError(f"is longer than a socket's path can be ({LONGEST_SOCKET_PATH} bytes)")
            if text.endswith("/"):
                raise BadValueError("is a directory")
        elif not re.fullmatch(r"[\w@+-][\w.@+-]{0,63}", text):
            raise BadValueError("is not a name")
        return text

    return ValueKind("NAME", "letters, digits and -_.@+, or a path with a slash in it", parse, str)


def account_name() -> ValueKind[str]:
    """A user or a group: its name, or `#` and its number."""
    return ValueKind("NAME", "a name, or # and a number such as #1000", _parse_account, str)


def account_names() -> ValueKind[tuple[str, ...]]:
    """Names of groups with commas between them; an empty text is the empty list."""

    def parse(text: str) -> tuple[str, ...]:
        return tuple(_parse_account(name.strip()) for name in text.split(",")) if text else ()

    return ValueKind("NAME,...", "names, or # and a number, with commas between them", parse, ",".join)


def group_title() -> ValueKind[str]:
    """The name of a process group: it stands in process titles and log lines."""

    def parse(text: str) -> str:
        if not re.fullmatch(r"[\w.:@+-]+", text):
            raise BadValueError("is not a name for a process group")
        return text

    return ValueKind("NAME", "letters, digits and . : @ + - _", parse, str)


def callable_name() -> ValueKind[str]:
    """A Python name, possibly with dots."""

    def parse(text: str) -> str:
        if not is_callable_name(text):
            raise BadValueError("is not a Python name")
        return text

    return ValueKind("NAME", "the name of an object in the script, such as application", parse, str)


def is_callable_name(text: str) -> bool:
    """Whether every part between the dots could be a name in Python source."""
    return all(part.isidentifier() and not keyword.iskeyword(part) for part in text.split("."))


def mount_point() -> ValueKind[str]:
    """A URL path; trailing slashes are dropped, except for the root itself."""

    def parse(text: str) -> str:
        if not text.startswith("/"):
            raise BadValueError("does not begin with /")
        if _has_control(text) or re.search(r"[\s?#]", text):
            raise BadValueError("is not a URL path")
        return text.rstrip("/") or "/"

    return ValueKind("PATH", "a URL path such as / or /app", parse, str)


def file_name(accepted: str, *, metavar: str = "FILE", standard_stream: bool = True) -> ValueKind[str]:
    """A file or directory name, kept as written; `-` only where it means a standard stream."""

    def parse(text: str) -> str:
        if text == "-" and not standard_stream:
            raise BadValueError("is not a file name")
        return _parse_path(text)

    return ValueKind(metavar, accepted, parse, str)


def absolute_directory() -> ValueKind[str]:
    """A directory whose name begins at the root."""

    def parse(text: str) -> str:
        if not text.startswith("/"):
            raise BadValueError("does not begin with /")
        return _parse_path(text)

    return ValueKind("DIRECTORY", "the absolute path of a directory", parse, str)


def process_title() -> ValueKind[str]:
    """What `ps` shows; `%{GROUP}` alone stands for `(wsgi:` and the name of the process group."""

    def parse(text: str) -> str:
        if not text or _has_control(text):
            raise BadValueError("holds a control character" if text else "is empty")
        if "%{" in text and text != GROUP_TITLE:
            raise BadValueError(f"holds a part that is not replaced: {GROUP_TITLE} must stand alone")
        return text

    return ValueKind("TITLE", f"text without control characters, or {GROUP_TITLE} alone", parse, str)


def locale_name() -> ValueKind[str]:
    """The name of a locale, as `locale -a` has it; whether the machine has it is not known here."""

    def parse(text: str) -> str:
        if not re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9_.@+-]*", text):
            raise BadValueError("is not the name of a locale")
        return text

    return ValueKind("LOCALE", "the name of a locale such as C.UTF-8 or de_DE.UTF-8", parse, str)


def directories() -> ValueKind[tuple[str, ...]]:
    """Directories with colons between them."""

    def parse(text: str) -> tuple[str, ...]:
        parts = text.split(":")
        if len(parts) > 1 and not all(parts):
            raise BadValueError("holds an empty entry")
        return tuple(map(_parse_path, parts))

    return ValueKind("DIRECTORY", "a directory, or several with : between them", parse, ":".join)


Number = TypeVar("Number", int, float)


def _within(value: Number, minimum: Number, maximum: Number | None) -> Number:
    if value < minimum:
        raise BadValueError("is too small")
    if maximum is not None and value > maximum:
        raise BadValueError("is too large")
    return value


def _bounds(minimum: int, maximum: int | None, render: Callable[[int], str]) -> str:
    return f"{render(minimum)} or more" if maximum is None else f"{render(minimum)} to {render(maximum)}"


def _render_duration(seconds: float) -> str:
    seconds = float(seconds)
    if seconds >= 3600 and seconds % 3600 == 0:
        return f"{seconds / 3600:.0f}h"
    if seconds.is_integer():
        return f"{seconds:.0f}s"
    if 0 < seconds < 1 and (seconds * 1000).is_integer():
        return f"{seconds * 1000:.0f}ms"
    text = repr(seconds)
    return f"{seconds:.12f}s" if "e" in text else f"{text}s"


def _render_size(count: int) -> str:
    for unit, shift in (("G", 30), ("M", 20), ("k", 10)):
        if count >> shift and count % (1 << shift) == 0:
            return f"{count >> shift}{unit}"
    return str(count)


def _has_control(text: str) -> bool:
    return any(ord(character) < 32 or ord(character) == 127 for character in text)


def _parse_path(text: str) -> str:
    if not text:
        raise BadValueError("is empty")
    if "\0" in text:
        raise BadValueError("holds a NUL character")
    return text


def _parse_account(text: str) -> str:
    if not re.fullmatch(r"#[0-9]{1,10}|[^\s\x00-\x1f\x7f#:,/-][^\s\x00-\x1f\x7f#:,/]*", text):
        raise BadValueError("is not a name" if "," not in text else "is more than one name")
    return text


def _parse_host(text: str) -> str:
    bare = text[1:-1] if text.startswith("[") and text.endswith("]") else text
    if ":" in bare or bare != text:
        try:
            ipaddress.IPv6Address(bare)
        except ValueError:
            raise BadValueError("is not an IPv6 address") from None
    elif not re.fullmatch(r"[A-Za-z0-9._-]+", bare):
        raise BadValueError("is not a host")
    return bare


def _parse_listen_address(text: str) -> ListenAddress:
    if text.startswith("unix:"):
        path = text.removeprefix("unix:")
        if not path or "\0" in path:
            raise BadValueError("names no socket file")
        if len(path.encode("utf-8", "surrogateescape")) > LONGEST_SOCKET_PATH:
            raise BadValueError(f"is longer than a socket's path may be ({LONGEST_SOCKET_PATH} bytes)")
        return ListenAddress("", 0, path)
    host, colon, port = text.rpartition(":")
    if not colon or text.endswith("]"):
        raise BadValueError("names no port")
    if not re.fullmatch(r"[0-9]{1,5}", port) or int(port) > 65535:
        raise BadValueError("has a port that is not a number from 0 to 65535")
    if ":" in host and not host.startswith("["):
        raise BadValueError("holds an IPv6 address without brackets")
    return ListenAddress("" if host in ("", "*") else _parse_host(host), int(port))
