"""What the front may be told: where to listen, and what clients may do. Sans-I/O.

Names are mod_wsgi-express's, limits are Apache's; a comment says why where the default differs.
"""

from dataclasses import dataclass

from pydaemonwsgi.config import values
from pydaemonwsgi.config.option import option, timeout
from pydaemonwsgi.config.values import ListenAddress

__all__ = ["ClientOptions"]

_KIB = 1 << 10
_MIB = 1 << 20
_LARGEST_SIZE = (1 << 63) - 1


@dataclass(frozen=True, kw_only=True)
class ClientOptions:
    """How the front deals with clients."""

    # All interfaces in mod_wsgi-express; a server on a developer's machine should not be public unasked.
    host: str = option("127.0.0.1", "Host name or address to listen on.", values.host_name(), heading="Network")
    port: int = option(
        8000,
        "Port to listen on.",
        values.whole_number(0, 65535, metavar="PORT"),
        heading="Network",
        zero="any free port",
    )
    listen: tuple[ListenAddress, ...] = option(
        (),
        "Address to listen on, instead of --host and --port.",
        values.listen_address(),
        heading="Network",
        unset="--host and --port",
        repeatable=True,
    )
    # 511 to 1024 in the peers; the kernel clips it to somaxconn.
    listen_backlog: int = option(
        1024,
        "Connections that the kernel holds for each listener until they are accepted.",
        values.whole_number(1, 65535),
        heading="Network",
        unit="connections",
    )
    socket_user: str | None = option(
        None,
        "Owner of the Unix sockets that are listened on, when started as root.",
        values.account_name(),
        heading="Network",
        unset="that of --user",
    )
    maximum_connections: int = option(
        10000,
        "Client connections that are open at the same time.",
        values.whole_number(1),
        heading="Network",
        unit="connections",
    )
    access_log: str | None = option(
        None,
        "Where the access log goes: a file, a command that reads it (|COMMAND), syslog[:FACILITY[:TAG]], "
        "or - for standard output.",
        values.file_name("a file, |COMMAND, syslog, or - for standard output", metavar="TARGET"),
        heading="Logs",
        unset="no access log",
    )
    access_log_format: str = option(
        "common", "Format of a line in the access log.", values.access_log_format(), heading="Logs"
    )
    limit_request_body: int = option(
        10 * _MIB,
        "Largest request body; a larger one is answered with 413.",
        values.size(0, _LARGEST_SIZE),
        heading="Limits",
        zero="no limit",
    )
    # 16 bytes hold the shortest useful request line, "GET / HTTP/1.1".
    limit_request_line: int = option(8190, "Longest request line.", values.size(16, _MIB), heading="Limits")
    limit_request_field_size: int = option(
        8190,
        "Longest header field of a request, name and value together.",
        values.size(16, _MIB),
        heading="Limits",
    )
    limit_request_fields: int = option(
        100,
        "Most header fields in a request.",
        values.whole_number(1, 32767),
        heading="Limits",
        unit="fields",
    )
    limit_request_head: int = option(
        64 * _KIB,
        "Largest request head: the request line and all header fields together.",
        values.size(64, _MIB),
        heading="Limits",
    )
    # 2 s in mod_wsgi-express; load balancers keep idle connections for 60 s and must not find them closed.
    keep_alive_timeout: float = timeout(75.0, "Time that an idle connection stays open for its next request.")
    header_timeout: float = timeout(15.0, "Time for a request's head to arrive; it grows with --header-min-rate.")
    header_max_timeout: float = timeout(30.0, "Longest time for a request's head to arrive, however fast it comes.")
    header_min_rate: int = option(
        500,
        "Bytes of a request's head that buy one second more.",
        values.whole_number(0),
        heading="Timeouts",
        unit="bytes per second",
        zero="the time never grows",
    )
    body_timeout: float = timeout(15.0, "Time for a request's body to arrive; it grows with --body-min-rate.")
    body_max_timeout: float = timeout(0.0, "Longest time for a request's body to arrive, however fast it comes.")
    body_min_rate: int = option(
        500,
        "Bytes of a request's body that buy one second more.",
        values.whole_number(0),
        heading="Timeouts",
        unit="bytes per second",
        zero="the time never grows",
    )
    request_buffer_size: int = option(
        64 * _KIB,
        "Part of a request body that is kept in memory; a larger body goes to a spool file.",
        # Head and body in memory travel in one frame, which is bounded (channel.frames.MAXIMUM_PAYLOAD).
        values.size(1, _MIB),
        heading="Buffers",
    )
    spool_directory: str | None = option(
        None,
        "Directory for the spool files.",
        values.file_name("a directory", metavar="DIRECTORY"),
        heading="Buffers",
        unset="the system's temporary directory",
    )

    @property
    def listeners(self) -> tuple[ListenAddress, ...]:
        """Every address to listen on: those of --listen, or else the one of --host and --port."""
        return self.listen or (ListenAddress(self.host, self.port),)
