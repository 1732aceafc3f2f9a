"""The whole of what a configuration asks for: the one input of the server. Sans-I/O."""

from dataclasses import dataclass, field

from pydaemonwsgi.config.client_options import ClientOptions
from pydaemonwsgi.config.group_options import GroupOptions
from pydaemonwsgi.config.model.hosts import Host, LogTarget
from pydaemonwsgi.config.model.position import NOWHERE, Position
from pydaemonwsgi.config.values import ListenAddress

__all__ = [
    "EMBEDDED",
    "ImportScript",
    "InterpreterOptions",
    "Listener",
    "ProcessGroup",
    "Python",
    "Server",
    "Telemetry",
    "partition_title",
]

EMBEDDED = "embedded"
"""What the group is called that stands in for mod_wsgi's embedded mode."""


def partition_title(group: str, application_group: str) -> str:
    """Return how people call what runs an application group of a process group apart from its others."""
    text = application_group or "%{GLOBAL}"
    return f"{group}|{''.join(char if char.isprintable() else '?' for char in text)}"


@dataclass(frozen=True, slots=True)
class Listener:
    """`Listen`."""

    address: ListenAddress
    position: Position = field(default=NOWHERE, compare=False)


@dataclass(frozen=True, slots=True)
class ProcessGroup:
    """`WSGIDaemonProcess`, or the group that stands in for mod_wsgi's embedded mode.

    Attributes:
        name: "" for the group in which scripts run that mod_wsgi would run inside Apache's children; it exists only
            if something can be sent there.
        options: user and group are those of `User` and `Group` where the group names none.
        server_name: of the virtual host that declares it; only hosts of the same name may use it. None: every host.
        error_log: of the virtual host that declares it; None is the server's.
        log_level: of the virtual host that declares it.
    """

    name: str
    options: GroupOptions
    server_name: str | None = None
    error_log: LogTarget | None = None
    log_level: str | None = None
    position: Position = field(default=NOWHERE, compare=False)

    @property
    def title(self) -> str:
        """How messages call it."""
        return self.name or EMBEDDED


@dataclass(frozen=True, slots=True)
class ImportScript:
    """A script that is loaded before the first request: `WSGIImportScript`, or an alias that names both groups."""

    path: str
    process_group: str
    application_group: str
    position: Position = field(default=NOWHERE, compare=False)


@dataclass(frozen=True, slots=True)
class InterpreterOptions:
    """What holds for the interpreters of some groups; a block that names more of the two wins, then the later one.

    Attributes:
        process_group: None is every one.
        application_group: None is every one; "" is the main interpreter.
        free_threading: whether a free-threaded Python goes without its GIL; it is the process's, so never for an
            application group.
        free_threading_position: where that is written.
    """

    process_group: str | None = None
    application_group: str | None = None
    python_path: tuple[str, ...] = ()
    switch_interval: float | None = None  # seconds
    per_interpreter_gil: bool | None = None
    restrict_stdin: bool | None = None
    restrict_stdout: bool | None = None
    restrict_signal: bool | None = None
    free_threading: bool | None = None
    free_threading_position: Position = field(default=NOWHERE, compare=False)
    position: Position = field(default=NOWHERE, compare=False)

    @property
    def selectors(self) -> int:
        """How many of the two it names; the more, the later it counts."""
        return (self.process_group is not None) + (self.application_group is not None)


@dataclass(frozen=True, slots=True)
class Python:
    """The `WSGIPython…` directives, for every daemon process; None is Python's own default."""

    home: str | None = None  # for groups without python-home
    optimize: int | None = None  # 0, 1 or 2
    dont_write_bytecode: bool = False
    warnings: tuple[str, ...] = ()  # as for -W
    hash_seed: str | None = None  # "random" or a number
    destroy_interpreter: bool = True
    case_sensitive: bool = True


@dataclass(frozen=True)
class Telemetry:
    """`WSGITelemetryService`: the path of the collector's socket, and how often it is told, in seconds."""

    path: str
    interval: float = 1.0
    position: Position = field(default=NOWHERE, compare=False)


@dataclass(frozen=True, slots=True)
class Server:
    """Everything that the server is to do.

    Attributes:
        listeners: where to accept connections.
        clients: what the front allows clients. Its `host`, `port` and `listen` are `listeners` here, its logs and its
            `limit_request_body` are the hosts'; they have their defaults.
        main: the main server: the host of requests to an address that no virtual host has.
        virtual_hosts: in the order of the file; the first for an address is that address's default.
        groups: every process group, each name once.
        import_scripts: in the order of the file.
        interpreters: in the order of the file; what stands in no block comes first, if there is any.
        user: as whom the front runs, if started as root; None where the file does not say.
        group: `Group`, the same.
        slow_requests: of groups without slow-requests; 0.0 for not at all.
        telemetry: the collector; None where nobody collects.
        telemetry_captures: what it may be told of clients (`WSGITelemetryOptions`), sorted.
        server_metrics: whether every group has server-metrics.
        server_tokens: what the `Server` header says: `full`, `major`, `minor`, `minimal`, `os`, `prod`, `productonly`.
    """

    listeners: tuple[Listener, ...] = ()
    clients: ClientOptions = field(default_factory=ClientOptions)
    main: Host = field(default_factory=Host)
    virtual_hosts: tuple[Host, ...] = ()
    groups: tuple[ProcessGroup, ...] = ()
    import_scripts: tuple[ImportScript, ...] = ()
    interpreters: tuple[InterpreterOptions, ...] = ()
    python: Python = field(default_factory=Python)
    server_root: str | None = None
    pid_file: str | None = None
    user: str | None = None
    group: str | None = None
    slow_requests: float = 0.0
    telemetry: Telemetry | None = None
    telemetry_captures: tuple[str, ...] = ()
    server_metrics: bool = False
    server_tokens: str = "prod"

    @property
    def hosts(self) -> tuple[Host, ...]:
        """The main server and every virtual host."""
        return (self.main, *self.virtual_hosts)
