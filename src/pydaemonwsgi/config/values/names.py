"""Names: of accounts, groups, objects, locales, servers; titles; a few words to choose from. Sans-I/O."""

import keyword
import os
import re

from pydaemonwsgi.config.values.addresses import LONGEST_SOCKET_PATH
from pydaemonwsgi.config.values.kinds import BadValueError, ValueKind, has_control

__all__ = [
    "GROUP_TITLE",
    "INTERPRETERS",
    "account_name",
    "account_names",
    "callable_name",
    "choice",
    "defined_names",
    "group_title",
    "is_callable_name",
    "locale_name",
    "process_title",
    "server_name",
]


GROUP_TITLE = "%{GROUP}"
# Of application-groups.
AUTO = "auto"
PROCESSES = "processes"
INTERPRETERS = "interpreters"
"""As a process title: `(wsgi:NAME)`."""


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


def defined_names() -> ValueKind[tuple[str, ...]]:
    """A name for `<IfDefine>`."""

    def parse(text: str) -> tuple[str, ...]:
        if not re.fullmatch(r"\w+", text):
            raise BadValueError("is not a name")
        return (text,)

    return ValueKind("NAME", "letters, digits and _", parse, ",".join)


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


def server_name() -> ValueKind[str]:
    """A name of a server, or with a slash in it the path of its control socket."""

    def parse(text: str) -> str:
        if has_control(text):
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


def process_title() -> ValueKind[str]:
    """What `ps` shows; `%{GROUP}` alone stands for `(wsgi:` and the name of the process group."""

    def parse(text: str) -> str:
        if not text or has_control(text):
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


def choice(*words: str) -> ValueKind[str]:
    """One of a few words."""

    def parse(text: str) -> str:
        if text not in words:
            raise BadValueError("is not one of these")
        return text

    *names, last = words
    return ValueKind("WORD", f"{', '.join(names)} or {last}", parse, str)


def _parse_account(text: str) -> str:
    if not re.fullmatch(r"#[0-9]{1,10}|[^\s\x00-\x1f\x7f#:,/-][^\s\x00-\x1f\x7f#:,/]*", text):
        raise BadValueError("is not a name" if "," not in text else "is more than one name")
    return text
