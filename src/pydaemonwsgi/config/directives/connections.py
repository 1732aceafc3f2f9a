"""Directives about connections, and what clients may send. Sans-I/O."""

import re
from collections.abc import Callable
from typing import Any

from pydaemonwsgi.config import values
from pydaemonwsgi.config.directives.kinds import flag
from pydaemonwsgi.config.directives.row import ANYWHERE, HOSTS, SERVER, Line, Row, parsed, setting
from pydaemonwsgi.config.option import Scope
from pydaemonwsgi.config.options import OPTIONS
from pydaemonwsgi.config.problems import nearest
from pydaemonwsgi.config.values import BadValueError, ValueKind

__all__ = ["CLIENT_DIRECTIVES", "ROWS", "SERVE_OPTIONS"]


SERVE_OPTIONS = {
    row.flag.removeprefix("--"): row
    for row in OPTIONS.values()
    if row.scope is Scope.FRONT
    and row.name not in ("host", "port", "listen", "access_log", "access_log_format", "limit_request_body")
}
"""What `ServeOption` takes: the front's options, without those that belong to a host here."""

CLIENT_DIRECTIVES = {
    "listen_backlog": "ListenBacklog",
    "keep_alive_timeout": "KeepAliveTimeout",
    "limit_request_line": "LimitRequestLine",
    "limit_request_field_size": "LimitRequestFieldSize",
    "limit_request_fields": "LimitRequestFields",
}
"""The front's options that have a directive of their own."""


def _connection(field: str, kind: ValueKind[Any]) -> Callable[[Line], None]:
    """Into the host's `Connection`; in the server's own context into `ClientOptions`, if it has such a field."""

    def apply(line: Line) -> None:
        value = line.value(kind, line.words[0])
        if line.place.is_server and field in OPTIONS:
            line.draft.clients[field] = value
        else:
            line.place.host.connection[field] = value

    return apply


def _client(field: str) -> Callable[[Line], None]:
    kind = OPTIONS[field].kind
    assert kind is not None, "every option here takes a value"

    def apply(line: Line) -> None:
        line.draft.clients[field] = parsed(kind, line.words[0])

    return apply


def _request_read_timeout(line: Line) -> None:
    for word in line.words:
        match = re.fullmatch(
            r"(handshake|header|body)=([0-9]+)(?:-([0-9]+))?(?:,minrate=([0-9]+))?", word, re.IGNORECASE
        )
        if match is None or len(word) > 80:
            raise BadValueError(f"{word!r} is not like header=15-30,MinRate=500 or body=15,MinRate=500")
        part = match[1].lower()
        if part == "handshake":
            line.info("handshake= is ignored: there is no TLS here")
            continue
        first, longest = float(match[2]), float(match[3] or 0)
        if longest and longest <= first:
            raise BadValueError(f"{word!r}: the second time must be longer than the first")
        line.draft.clients[f"{part}_timeout"] = line.value(values.duration(), match[2], f"{part}=")
        line.draft.clients[f"{part}_max_timeout"] = line.value(values.duration(), match[3] or "0")
        line.draft.clients[f"{part}_min_rate"] = int(match[4] or 0)


def _serve_option(line: Line) -> None:
    name, value = line.words
    option = SERVE_OPTIONS.get(name.removeprefix("--").replace("_", "-"))
    if option is None:
        raise BadValueError(
            f"there is no option {name!r}{nearest(name, SERVE_OPTIONS) or '; see docs/reference/options.md'}"
        )
    line.draft.clients[option.name] = parsed(option.kind or flag(), value)
    line.place.host.origins[f"ServeOption {option.name.replace('_', '-')}"] = line.position


ROWS = (
    Row(
        "Timeout",
        HOSTS,
        "TIME",
        "Time for which a client may take nothing of its response; also socket-timeout of process groups without one.",
        _connection("timeout", values.duration()),
        "60s",
    ),
    Row(
        "KeepAlive",
        HOSTS,
        "On|Off",
        "Whether connections stay open for further requests.",
        _connection("keep_alive", flag()),
        "On",
    ),
    Row(
        "KeepAliveTimeout",
        HOSTS,
        "TIME",
        "Time that an idle connection stays open for its next request.",
        _connection("keep_alive_timeout", values.duration()),
        OPTIONS["keep_alive_timeout"].default_text,
    ),
    Row(
        "MaxKeepAliveRequests",
        HOSTS,
        "N",
        "Requests on one connection before it is closed; 0: no limit.",
        _connection("max_keep_alive_requests", values.whole_number(0)),
        "0",
    ),
    Row(
        "LimitRequestLine",
        HOSTS,
        "SIZE",
        "Longest request line; for a virtual host, if it is the first of its address.",
        _connection("limit_request_line", values.size(16, 1 << 20)),
        OPTIONS["limit_request_line"].default_text,
    ),
    Row(
        "LimitRequestFieldSize",
        HOSTS,
        "SIZE",
        "Longest header field; for a virtual host, if it is the first of its address.",
        _connection("limit_request_field_size", values.size(16, 1 << 20)),
        OPTIONS["limit_request_field_size"].default_text,
    ),
    Row(
        "LimitRequestFields",
        HOSTS,
        "N",
        "Most header fields; for a virtual host, if it is the first of its address.",
        _connection("limit_request_fields", values.whole_number(1, 32767)),
        OPTIONS["limit_request_fields"].default_text,
    ),
    setting(
        "LimitRequestBody",
        ANYWHERE,
        "limit_request_body",
        values.size(0),
        "Largest request body; a larger one is answered with 413. 0: no limit.",
        default="1G",
    ),
    Row(
        "RequestReadTimeout",
        SERVER,
        "header=T[-MAX][,MinRate=N] [body=T[-MAX][,MinRate=N]] ...",
        "Time for a request's head and body to arrive; each MinRate bytes buy a second more.",
        _request_read_timeout,
        "header=15-30,MinRate=500 body=15,MinRate=500",
    ),
    Row(
        "ListenBacklog",
        SERVER,
        "N",
        "Connections that the kernel holds for each listener until they are accepted.",
        _client("listen_backlog"),
        OPTIONS["listen_backlog"].default_text,
    ),
    Row(
        "ServeOption",
        SERVER,
        "NAME VALUE",
        "An option of `pydaemonwsgi serve` for which httpd has no directive, such as maximum-connections; "
        "write it inside `<IfModule pydaemonwsgi>` if httpd is to read the file too.",
        _serve_option,
    ),
)
