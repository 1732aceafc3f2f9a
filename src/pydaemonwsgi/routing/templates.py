"""Texts with `%{VARIABLE}`, `$N` and `%N` in them, as RewriteCond and RewriteRule have them. Sans-I/O.

A template is read once into literal texts and functions; an unknown variable is an error then, not at a request.
"""

import re
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Final

from pydaemonwsgi.config.problems import nearest
from pydaemonwsgi.errors import ConfigurationError
from pydaemonwsgi.routing.maps import NO_MAPS, Maps
from pydaemonwsgi.routing.request import Request

__all__ = ["RewriteState", "Template", "variable_names"]


class RewriteState:
    """What templates and conditions see while rules are applied.

    Attributes:
        filename: the path as rewritten so far; in directory context a file's path, without `path_info`.
        rule_match, condition_match: what `$N` and `%N` refer to.
        escape_reference: how flag B escapes back references; None without it.
        has_decoded: a map has decoded what becomes a separator: a question mark where there was none before.
    """

    __slots__ = ("condition_match", "escape_reference", "filename", "has_decoded", "request", "rule_match")

    def __init__(self, request: Request, filename: str) -> None:
        self.request = request
        self.filename = filename
        self.rule_match: re.Match[str] | None = None
        self.condition_match: re.Match[str] | None = None
        self.escape_reference: Callable[[str], str] | None = None
        self.has_decoded = False

    def read_query(self) -> str | None:
        """Return the query as rewritten so far."""
        return self.request.query_string()


Variable = Callable[[RewriteState], str]

_PIECE: Final = re.compile(
    r"\\(?P<escaped>.)|\$(?P<rule>[0-9])|%(?P<condition>[0-9])|%\{(?P<variable>[^{}]*)\}|(?P<map>\$\{)",
    re.DOTALL,
)


def _time(form: str) -> Variable:
    def read(state: RewriteState) -> str:
        state.request.consulted.add("now")
        return datetime.fromtimestamp(state.request.facts.now, UTC).astimezone().strftime(form)

    return read


def _header(name: str) -> Variable:
    lower = name.lower()
    return lambda state: state.request.header(lower) or ""


def _fact(name: str) -> Variable:
    return lambda state: state.request.fact(name)


def _request_line(state: RewriteState) -> str:
    facts = state.request.facts
    state.request.consulted.update(("query", "protocol"))
    query = "" if facts.query is None else "?" + facts.query
    return f"{facts.method} {facts.path.decode('utf-8', 'surrogateescape')}{query} {facts.protocol}"


def _is_https(state: RewriteState) -> str:
    return "on" if state.request.fact("scheme") == "https" else "off"


def _is_ipv6(state: RewriteState) -> str:
    return "on" if ":" in state.request.fact("remote_address") else "off"


def _nothing(_: RewriteState) -> str:
    return ""


_HEADERS: Final = {
    f"HTTP_{name.upper().replace('-', '_')}": name
    for name in ("User-Agent", "Referer", "Cookie", "Forwarded", "Host", "Proxy-Connection", "Accept")
}
_VARIABLES: Final[dict[str, Variable]] = {
    # Of the request's head.
    **{variable: _header(name) for variable, name in _HEADERS.items()},
    "REQUEST_METHOD": lambda state: state.request.facts.method,
    "REQUEST_SCHEME": _fact("scheme"),
    "REQUEST_URI": lambda state: state.request.uri,
    "QUERY_STRING": lambda state: state.read_query() or "",
    "THE_REQUEST": _request_line,
    "SERVER_PROTOCOL": _fact("protocol"),
    "HTTPS": _is_https,
    # Of the connection.
    "REMOTE_ADDR": _fact("remote_address"),
    "CONN_REMOTE_ADDR": _fact("remote_address"),
    "REMOTE_HOST": lambda state: state.request.fact("remote_host") or state.request.fact("remote_address"),
    "REMOTE_PORT": _fact("remote_port"),
    "SERVER_ADDR": _fact("local_address"),
    "IPV6": _is_ipv6,
    # Of the server.
    "SERVER_NAME": lambda state: state.request.server_name(),
    "SERVER_PORT": lambda state: str(state.request.server_port()),
    "SERVER_ADMIN": lambda state: state.request.site.host.server_admin or "",
    "SERVER_SOFTWARE": lambda _: "pydaemonwsgi",
    "DOCUMENT_ROOT": lambda state: state.request.site.document_root,
    "CONTEXT_DOCUMENT_ROOT": lambda state: state.request.context_document_root,
    "CONTEXT_PREFIX": lambda state: state.request.context_prefix,
    "API_VERSION": lambda _: "20120211:0",
    # Of its way through this server.
    "REQUEST_FILENAME": lambda state: state.filename,
    "SCRIPT_FILENAME": lambda state: state.filename,
    "PATH_INFO": lambda state: state.request.path_info,
    "HANDLER": lambda state: state.request.handler or "",
    "IS_SUBREQ": lambda state: "true" if state.request.is_subrequest else "false",
    # There is no authentication here.
    "REMOTE_USER": _nothing,
    "REMOTE_IDENT": _nothing,
    "AUTH_TYPE": _nothing,
    "TIME": _time("%Y%m%d%H%M%S"),
    "TIME_YEAR": _time("%Y"),
    "TIME_MON": _time("%m"),
    "TIME_DAY": _time("%d"),
    "TIME_HOUR": _time("%H"),
    "TIME_MIN": _time("%M"),
    "TIME_SEC": _time("%S"),
    "TIME_WDAY": _time("%w"),
}


def variable_names() -> list[str]:
    """Return the names of all server variables, for messages and documentation."""
    return sorted(_VARIABLES)


def _environment(name: str) -> Variable:
    return lambda state: state.request.environment.get(name, "")


def _variable(text: str) -> Variable:
    upper = text.upper()
    if upper.startswith("HTTP:"):
        return _header(text[5:].strip())
    if upper.startswith("ENV:"):
        return _environment(text[4:])
    if upper.startswith(("LA-U:", "LA-F:")):
        raise ConfigurationError(
            f"%{{{text}}} looks ahead, which is not offered here; "
            "use %{DOCUMENT_ROOT}%{REQUEST_URI}, or rules inside <Directory>, where the file is known"
        )
    if upper.startswith("SSL:"):
        raise ConfigurationError(f"%{{{text}}}: there is no TLS here; %{{HTTPS}} and %{{REQUEST_SCHEME}} are known")
    found = _VARIABLES.get(upper)
    if found is None:
        raise ConfigurationError(
            f"there is no server variable %{{{text}}}"
            + (
                nearest(text, _VARIABLES)
                or "; for a header write %{HTTP:Name}, for an environment variable %{ENV:NAME}"
            )
        )
    return found


def _header_of(text: str) -> str | None:
    """Return the name of the header that a variable is, or None."""
    return text[5:].strip() if text.upper().startswith("HTTP:") else _HEADERS.get(text.upper())


def _find_outside(text: str, wanted: str, position: int = 0) -> int:
    """Return where a character stands outside of braces, from a position on; -1 for nowhere."""
    depth = 0
    while position < len(text):
        character = text[position]
        if character == wanted and not depth:
            return position
        depth += (character == "{") - (character == "}")
        position += 2 if character == "\\" else 1
    return -1


def _map(text: str, maps: Maps, *, in_query: bool) -> tuple[Variable, tuple[str, ...]]:
    """Return what `${NAME:KEY|DEFAULT}` means, and the names of the headers that it looks at."""
    colon = _find_outside(text, ":")
    if colon < 0:
        raise ConfigurationError(f"${{{text}}}: there is no such variable (Define), and a map is written ${{NAME:KEY}}")
    name, rest = text[:colon], text[colon + 1 :]
    lookup = maps.get(name)
    if lookup is None:
        hint = nearest(name, maps) or f"; write RewriteMap {name} txt:FILE"
        raise ConfigurationError(f"${{{text}}}: there is no RewriteMap {name!r}{hint}")
    bar = _find_outside(rest, "|")
    key = Template(rest if bar < 0 else rest[:bar], maps)
    default = Template("" if bar < 0 else rest[bar + 1 :], maps)

    def look_up(state: RewriteState) -> str:
        wanted = key.expand(state)
        found = lookup(wanted, state.request)
        if state.request.trace is not None:
            state.request.trace.note("rewrite", f"RewriteMap {name}: {wanted!r} is {found!r}")
        if found is None:
            return default.expand(state)
        if "?" in found and "?" not in wanted and lookup.decodes and not in_query:
            state.has_decoded = True
        return found

    return look_up, (*key.headers, *default.headers)


def _rule_group(number: int) -> Variable:
    def read(state: RewriteState) -> str:
        match = state.rule_match
        if match is None or number > match.re.groups:
            return ""
        text = match.group(number) or ""
        return state.escape_reference(text) if state.escape_reference is not None else text

    return read


def _condition_group(number: int) -> Variable:
    def read(state: RewriteState) -> str:
        match = state.condition_match
        if match is None or number > match.re.groups:
            return ""
        text = match.group(number) or ""
        return state.escape_reference(text) if state.escape_reference is not None else text

    return read


class Template:
    """A text that is completed for each request.

    Args:
        text: as written.
        maps: that it may look things up in.

    Attributes:
        constant: the text, if nothing in it changes; None otherwise.
        headers: names of the request's headers that it looks at.

    Raises:
        ConfigurationError: a variable or map is unknown.
    """

    __slots__ = ("_parts", "constant", "headers")

    def __init__(self, text: str, maps: Maps = NO_MAPS) -> None:
        parts: list[str | Variable] = []
        headers: list[str] = []
        position = 0
        while (piece := _PIECE.search(text, position)) is not None:
            parts.append(text[position : piece.start()])
            position = piece.end()
            if piece["escaped"] is not None:
                parts.append(piece["escaped"])
            elif piece["rule"] is not None:
                parts.append(_rule_group(int(piece["rule"])))
            elif piece["condition"] is not None:
                parts.append(_condition_group(int(piece["condition"])))
            elif piece["map"] is not None:
                end = _find_outside(text, "}", position)
                if end < 0:
                    parts.append("${")  # as httpd
                    continue
                found, used = _map(text[position:end], maps, in_query="?" in text[: piece.start()])
                parts.append(found)
                headers += used
                position = end + 1
            else:
                parts.append(_variable(piece["variable"]))
                if (header := _header_of(piece["variable"])) is not None:
                    headers.append(header)
        parts.append(text[position:])
        joined: list[str | Variable] = []
        for part in parts:
            if isinstance(part, str) and joined and isinstance(joined[-1], str):
                joined[-1] += part
            elif part != "":
                joined.append(part)
        self._parts = tuple(joined)
        self.headers = tuple(headers)
        self.constant: str | None = None
        if not joined:
            self.constant = ""
        elif len(joined) == 1 and isinstance(joined[0], str):
            self.constant = joined[0]

    def expand(self, state: RewriteState) -> str:
        """Return the completed text."""
        if self.constant is not None:
            return self.constant
        return "".join([part if isinstance(part, str) else part(state) for part in self._parts])
