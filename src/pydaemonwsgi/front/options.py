"""What the front has to know. Sans-I/O."""

from dataclasses import dataclass

from pydaemonwsgi.config.model import Server

__all__ = ["ErrorLogOptions", "FrontOptions", "GroupOptions", "LogOptions"]


@dataclass(frozen=True, slots=True)
class GroupOptions:
    """What the front has to know of one process group.

    Attributes:
        name: the group's.
        queue_size: requests that may wait.
        queue_timeout: seconds that one may wait; 0 for ever.
        connect_timeout: seconds that one may wait while there is no daemon process at all; 0 for ever.
        header_buffer_size: longest header line of an answer, in bytes.
        response_buffer_size: bytes of an answer that are kept in memory for a slow client.
        response_socket_timeout: seconds for which a client may take nothing of its answer; 0 for ever.
        slow_requests: seconds from which on a request is logged as slow; 0 for never.
    """

    name: str
    queue_size: int
    queue_timeout: float
    connect_timeout: float
    header_buffer_size: int
    response_buffer_size: int
    response_socket_timeout: float
    slow_requests: float


@dataclass(frozen=True, slots=True)
class LogOptions:
    """One access log: the descriptor that it is written to, httpd's format, and the `NAME` or `!NAME` of `env=`."""

    descriptor: int
    format: str
    condition: str | None = None


@dataclass(frozen=True, slots=True)
class ErrorLogOptions:
    """A host's error log: its descriptor, and the level from which on it is written."""

    descriptor: int
    level: str


@dataclass(frozen=True, slots=True)
class FrontOptions:
    """What the front has to know; durations in seconds, sizes in bytes, as in the option table.

    Attributes:
        groups: the process groups.
        logs: the access logs of each host, in the order of `site.hosts`; without a configuration of the only one.
        error_logs: of each host, in the order of `site.hosts`.
        fallback: whose bounds count for what no process group answers.
        site: the configuration; None where every request goes to one script.
        limit_request_body: where no configuration says it.
    """

    groups: tuple[GroupOptions, ...]
    fallback: GroupOptions
    logs: tuple[tuple[LogOptions, ...], ...]
    mount_point: str
    limit_request_body: int
    limit_request_line: int
    limit_request_field_size: int
    limit_request_fields: int
    limit_request_head: int
    keep_alive_timeout: float
    header_timeout: float
    header_max_timeout: float
    header_min_rate: int
    body_timeout: float
    body_max_timeout: float
    body_min_rate: int
    maximum_connections: int
    request_buffer_size: int
    spool_directory: str | None
    site: Server | None = None
    error_logs: tuple[ErrorLogOptions, ...] = ()
