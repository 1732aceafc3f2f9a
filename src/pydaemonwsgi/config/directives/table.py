"""The table of directives: every one that is known, once. Sans-I/O.

To add a directive, add a row in the module of its subject; the reader, the messages, the reference page and
`<IfDirective>` derive from it.
"""

from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType

from pydaemonwsgi.config.directives import (
    access,
    cgi,
    connections,
    elsewhere,
    expiry,
    files,
    hosts,
    logging,
    processes,
    requests,
    rewriting,
    telemetry,
    wsgi,
)
from pydaemonwsgi.config.directives.row import ANYWHERE, Row

__all__ = ["DIRECTIVES", "find_row", "knows"]

_ONCE = ANYWHERE

_READER = (
    Row("Include", _ONCE, "FILE", "Reads a file, all files of a directory, or all that fit a pattern."),
    Row("IncludeOptional", _ONCE, "FILE", "Include that does not mind if there is none."),
    Row("Define", _ONCE, "NAME [VALUE]", "Defines `${NAME}`, and NAME for `<IfDefine>`, from here on."),
    Row("UnDefine", _ONCE, "NAME", "Takes Define back."),
    Row("<Macro>", _ONCE, "NAME [$PARAMETER ...]", "Lines that are read where `Use` names them, and not here."),
    Row("Use", _ONCE, "NAME [VALUE ...]", "Reads a macro's lines, with a value in the place of each parameter's name."),
    Row("UndefMacro", _ONCE, "NAME", "Takes a macro back."),
    Row("<IfModule>", _ONCE, "[!]NAME", "What stands in it counts if the module is there; `pydaemonwsgi` is one."),
    Row("<IfDefine>", _ONCE, "[!]NAME", "What stands in it counts if NAME is defined."),
    Row("<IfVersion>", _ONCE, "[OPERATOR] VERSION", "What stands in it counts for these versions of httpd."),
    Row("<IfFile>", _ONCE, "[!]FILE", "What stands in it counts if there is such a file."),
    Row("<IfDirective>", _ONCE, "[!]NAME", "What stands in it counts if the directive is known."),
    Row("<IfSection>", _ONCE, "[!]NAME", "What stands in it counts if the section is known."),
    Row("Error", _ONCE, "MESSAGE", "Refuses the configuration with a message of one's own."),
)

_SUBJECTS: tuple[tuple[str, tuple[Row, ...]], ...] = (
    ("Server and hosts", hosts.ROWS),
    ("Process groups and Python", (*processes.ROWS, *telemetry.ROWS)),
    ("Scripts", wsgi.ROWS),
    ("Files and URLs", (*files.ROWS, *cgi.ROWS)),
    ("Rewriting", rewriting.ROWS),
    ("Access", access.ROWS),
    ("Requests and answers", (*requests.ROWS, *expiry.ROWS)),
    ("Connections and limits", connections.ROWS),
    ("Logs", logging.ROWS),
    ("Reading", _READER),
    ("Known, and not obeyed", elsewhere.ROWS),
)


def _table() -> dict[str, Row]:
    table: dict[str, Row] = {}
    for heading, rows in _SUBJECTS:
        for row in rows:
            key = row.name.lower()
            assert key not in table, f"{row.name} has two rows"
            table[key] = replace(row, heading=heading)
    return table


DIRECTIVES: Mapping[str, Row] = MappingProxyType(_table())
"""Every row by its name in lower case, `<directory>` for a section; in the order of the reference page."""


# The longest first: the nearest family of two.
_FAMILIES = tuple(
    sorted(((key[:-1], row) for key, row in DIRECTIVES.items() if key.endswith("*")), key=lambda one: -len(one[0]))
)


def find_row(name: str, *, is_section: bool) -> Row | None:
    """The row of a directive as it is written, without brackets; its own, or that of all that begin like it."""
    key = f"<{name.lower()}>" if is_section else name.lower()
    if key in DIRECTIVES or is_section:
        return DIRECTIVES.get(key)
    return next((replace(row, name=name) for beginning, row in _FAMILIES if key.startswith(beginning)), None)


def knows(name: str) -> bool:
    """Whether `<IfDirective NAME>` is true; `<IfSection>` asks with brackets."""
    return name.lower() in DIRECTIVES
