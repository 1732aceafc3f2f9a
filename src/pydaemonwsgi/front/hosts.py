"""What a host allows its clients, as the front needs it for each connection and each request."""

import dataclasses
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, TypeVar

from pydaemonwsgi.config.model import Connection
from pydaemonwsgi.front.access_logs import AccessLog, HostLogs
from pydaemonwsgi.front.groups import ProcessGroup
from pydaemonwsgi.front.options import FrontOptions
from pydaemonwsgi.http.head import HeadReader, Limits
from pydaemonwsgi.logs import HostLog

__all__ = ["NO_HOST", "HostRules", "host_rules"]

Number = TypeVar("Number", int, float)


@dataclass(frozen=True, slots=True, eq=False)
class HostRules:
    """What a host allows its clients.

    Attributes:
        logs: where its requests are logged.
        error_log: its own; None for the server's.
        keep_alive_timeout: seconds that a connection may be idle between two requests.
        most_requests: on one connection; the last one ends it.
        head_reader: has the limits of heads. A head is read before anybody knows which name it has, so that of the
            first host for an address counts for all, as under httpd.
        fallback: whose time-outs and buffers count for what no process group answers.
    """

    logs: tuple[AccessLog, ...]
    error_log: HostLog | None
    keep_alive_timeout: float
    most_requests: int
    head_reader: HeadReader
    fallback: ProcessGroup | None


NO_HOST: Final = HostRules((), None, 0.0, sys.maxsize, HeadReader(Limits()), None)
"""For requests of the front's own."""


def host_rules(options: FrontOptions, logs: Sequence[HostLogs]) -> tuple[HostRules, ...]:
    """Return the rules of each host, in the order of the configuration; without one those of the only host.

    Args:
        options: of the front; what a host does not say is there.
        logs: of each host.
    """
    connections = [Connection()] if options.site is None else [host.connection for host in options.site.hosts]
    readers: dict[Limits, HeadReader] = {}
    fallbacks: dict[float, ProcessGroup] = {}
    rules = []
    for own, connection in zip(logs, connections, strict=False):
        limits = _limits(options, connection)
        if limits not in readers:
            readers[limits] = HeadReader(limits, options.mount_point, routed=options.site is not None)
        timeout = _first(connection.timeout, options.fallback.response_socket_timeout)
        if timeout not in fallbacks:
            fallbacks[timeout] = ProcessGroup(dataclasses.replace(options.fallback, response_socket_timeout=timeout))
        most = 1 if connection.keep_alive is False else connection.max_keep_alive_requests
        rules.append(
            HostRules(
                own.access,
                own.error,
                _first(connection.keep_alive_timeout, options.keep_alive_timeout),
                most or sys.maxsize,
                readers[limits],
                fallbacks[timeout],
            )
        )
    return tuple(rules)


def _limits(options: FrontOptions, connection: Connection) -> Limits:
    return Limits(
        _first(connection.limit_request_line, options.limit_request_line),
        _first(connection.limit_request_field_size, options.limit_request_field_size),
        _first(connection.limit_request_fields, options.limit_request_fields) or sys.maxsize,
        options.limit_request_head,
    )


def _first(written: Number | None, otherwise: Number) -> Number:
    return otherwise if written is None else written
