"""The option table: every option of `pydaemonwsgi serve`, once. Sans-I/O.

A field of `ServeOptions` is an option. The flag, `--help`, the default, the validation and the reference page
all derive from it, so a new option is one field here and the module that obeys it. Names and defaults are
mod_wsgi-express's where it has the option; a comment says why where the default differs.
"""

import re
from collections.abc import Mapping
from dataclasses import KW_ONLY, MISSING, dataclass, field, fields
from pathlib import PurePosixPath
from types import MappingProxyType
from typing import Any, TypeVar

from pydaemonwsgi.config import values
from pydaemonwsgi.config.values import BadValueError, ListenAddress, ValueKind
from pydaemonwsgi.errors import ConfigurationError

__all__ = ["OPTIONS", "Option", "ServeOptions", "option", "validate"]

Default = TypeVar("Default")

KIB = 1 << 10
MIB = 1 << 20
LARGEST_SIZE = (1 << 63) - 1


def option(
    default: Default,
    meaning: str,
    kind: ValueKind[Any] | None = None,
    *,
    heading: str,
    unit: str = "",
    zero: str = "",
    unset: str = "",
    metavar: str | None = None,
    repeatable: bool = False,
    flag: str | None = None,
) -> Default:
    """A dataclass field that is an option; the arguments are the attributes of `Option`."""
    metadata = {
        "meaning": meaning,
        "kind": kind,
        "heading": heading,
        "unit": unit,
        "zero": zero,
        "unset": unset,
        "metavar": metavar or (kind.metavar if kind is not None else ""),
        "repeatable": repeatable,
        "own_flag": flag,
    }
    return field(default=default, metadata=metadata)


def timeout(default: float, meaning: str) -> float:
    """An option that bounds a wait."""
    return option(default, meaning, values.duration(), heading="Timeouts", zero="no timeout")


@dataclass(frozen=True, slots=True)
class ServeOptions:
    """What the user asked `pydaemonwsgi serve` for; build it by hand or with `parse_serve`."""

    script: str = field(
        metadata={
            "meaning": "The WSGI script to serve: a file of any name, or package.module:callable.",
            "kind": values.file_name("a file, or a module such as package.module:application", metavar="SCRIPT"),
            "heading": "Application",
            "metavar": "SCRIPT",
            "own_flag": "SCRIPT",
        }
    )
    _: KW_ONLY

    # --- Application
    callable_object: str = option(
        "application", "Name of the application in the script.", values.callable_name(), heading="Application"
    )
    mount_point: str = option(
        "/", "URL path under which the application is found.", values.mount_point(), heading="Application"
    )
    working_directory: str | None = option(
        None,
        "Directory in which the daemon processes run; it also comes first in sys.path.",
        values.file_name("a directory", metavar="DIRECTORY"),
        heading="Application",
        unset="the current directory",
    )
    python_path: tuple[str, ...] = option(
        (),
        "Directory to search for modules before the others.",
        values.directories(),
        heading="Application",
        unset="none",
        repeatable=True,
    )
    debug: bool = option(
        False,
        "Show tracebacks of the application in the browser; for development only.",
        heading="Application",
    )

    # --- Network
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
    maximum_connections: int = option(
        10000,
        "Client connections that are open at the same time.",
        values.whole_number(1),
        heading="Network",
        unit="connections",
    )

    # --- Processes
    processes: int | None = option(
        None,
        "Daemon processes in the process group; if given, even as 1, wsgi.multiprocess is true.",
        values.whole_number(1),
        heading="Processes",
        unset="1, and wsgi.multiprocess is false",
    )
    # mod_wsgi's own default; mod_wsgi-express has 5.
    threads: int = option(
        15, "Worker threads in each daemon process.", values.whole_number(1, 65534), heading="Processes"
    )
    process_group: str | None = option(
        None,
        "Name of the process group in process titles and logs.",
        values.group_title(),
        heading="Processes",
        unset="the script's name without its extension",
    )
    queue_size: int = option(
        1000,
        "Requests that wait for a worker thread at the same time; more are answered with 503.",
        values.whole_number(1),
        heading="Processes",
        unit="requests",
    )
    maximum_requests: int = option(
        0,
        "Requests after which a daemon process is replaced by a fresh one.",
        values.whole_number(0),
        heading="Processes",
        unit="requests",
        zero="never",
    )

    # --- Identity
    user: str | None = option(
        None,
        "User as whom the daemon processes run, when started as root.",
        values.account_name(),
        heading="Identity",
        unset="the user who starts the server",
    )
    group: str | None = option(
        None,
        "Group as which the daemon processes run, when started as root.",
        values.account_name(),
        heading="Identity",
        unset="the user's own group",
    )
    supplementary_groups: tuple[str, ...] | None = option(
        None,
        "The only further groups of the daemon processes, when started as root.",
        values.account_names(),
        heading="Identity",
        unset="those of the user",
    )
    umask: int | None = option(
        None,
        "Permissions that files created by the application do not get, in octal.",
        values.octal_mask(),
        heading="Identity",
        unset="inherited",
    )

    # --- Reloading
    reload_on_changes: bool = option(
        False, "Load the application anew when any module of it has changed.", heading="Reloading"
    )
    disable_reloading: bool = option(
        False, "Do not look whether the script has changed before each request.", heading="Reloading"
    )

    # --- Logs
    log_level: str = option(
        "info", "Least severity of what is written to the error log.", values.log_level(), heading="Logs"
    )
    error_log: str | None = option(
        None,
        "File that the error log is appended to.",
        values.file_name("a file; leave the option out for standard error", standard_stream=False),
        heading="Logs",
        unset="standard error",
    )
    access_log: str | None = option(
        None,
        "File that the access log is appended to, or - for standard output.",
        values.file_name("a file, or - for standard output"),
        heading="Logs",
        unset="no access log",
    )
    access_log_format: str = option(
        "common", "Format of a line in the access log.", values.access_log_format(), heading="Logs"
    )

    # --- Limits: Apache's, except for the head as a whole, which Apache does not bound.
    limit_request_body: int = option(
        10 * MIB,
        "Largest request body; a larger one is answered with 413.",
        values.size(0, LARGEST_SIZE),
        heading="Limits",
        zero="no limit",
    )
    # 16 bytes hold the shortest useful request line, "GET / HTTP/1.1".
    limit_request_line: int = option(8190, "Longest request line.", values.size(16, MIB), heading="Limits")
    limit_request_field_size: int = option(
        8190,
        "Longest header field of a request, name and value together.",
        values.size(16, MIB),
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
        64 * KIB,
        "Largest request head: the request line and all header fields together.",
        values.size(64, MIB),
        heading="Limits",
    )

    # --- Timeouts
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
    socket_timeout: float = timeout(60.0, "Time for which a client may take nothing of its response.")
    queue_timeout: float = timeout(45.0, "Time for which a request may wait for a worker thread before it is refused.")
    graceful_timeout: float = timeout(15.0, "Time for running requests to end before a daemon process is told to stop.")
    shutdown_timeout: float = timeout(5.0, "Time for a daemon process to stop before it is killed.")
    # 15 s in mod_wsgi-express; large applications on a cold disk need more.
    startup_timeout: float = timeout(60.0, "Time for a daemon process to load the script.")

    # --- Buffers
    request_buffer_size: int = option(
        64 * KIB,
        "Part of a request body that is kept in memory; a larger body goes to a spool file.",
        # Head and body in memory travel in one frame, which is bounded (channel.frames.MAXIMUM_PAYLOAD).
        values.size(1, MIB),
        heading="Buffers",
    )
    response_buffer_size: int = option(
        MIB,
        "Part of a response that is kept in memory for a slow client; a larger one goes to a spool file.",
        values.size(1, LARGEST_SIZE),
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

    @property
    def process_count(self) -> int:
        """How many daemon processes to run; whether the number was given is `processes is not None`."""
        return self.processes or 1

    @property
    def group_name(self) -> str:
        """The process group's name: the given one, or the script's without directory, extension, callable."""
        if self.process_group is not None:
            return self.process_group
        script = re.sub(r":[^/:]*$", "", self.script)
        is_path = "/" in script or script.endswith((".py", ".wsgi")) or "." not in script
        return re.sub(r"[^\w.@+-]", "_", PurePosixPath(script).stem if is_path else script) or "wsgi"


@dataclass(frozen=True, slots=True)
class Option:
    """One row of the table: a field of `ServeOptions` and what derives from it.

    Attributes:
        name: the field's name.
        default: the field's default; MISSING for SCRIPT.
        meaning: one plain sentence for --help and the reference page.
        kind: how a value is read and written; None for an option that is only on or off.
        heading: the heading under which --help and the reference page show it.
        unit: what a plain number counts.
        zero: what 0 means, where that is not simply none.
        unset: what a default that is no value stands for.
        metavar: what stands for the value in --help.
        repeatable: given again, it adds to what was given before; `kind` then reads and writes tuples.
        own_flag: the flag, where it does not derive from the name.
    """

    name: str
    default: object
    meaning: str
    kind: ValueKind[Any] | None
    heading: str
    unit: str = ""
    zero: str = ""
    unset: str = ""
    metavar: str = ""
    repeatable: bool = False
    own_flag: str | None = None

    @property
    def flag(self) -> str:
        """What the user writes: `--queue-timeout`; SCRIPT for the positional argument."""
        return self.own_flag or f"--{self.name.replace('_', '-')}"

    @property
    def is_positional(self) -> bool:
        """Whether it is written without a flag."""
        return not self.flag.startswith("-")

    @property
    def default_text(self) -> str:
        """The default in words."""
        if self.kind is None:
            return "off"
        if self.default is None or self.default == ():
            return self.unset
        if self.default == 0:
            return f"0: {self.zero}"
        return " ".join(filter(None, (self.kind.render(self.default), self.unit)))

    def parse(self, text: str) -> Any:
        """The value that a text means; for a repeatable option, a tuple of them.

        Raises:
            ConfigurationError: naming the option, the text and what to give instead.
        """
        assert self.kind is not None, "an option that is only on or off has no text"
        try:
            return self.kind.parse(text)
        except BadValueError as error:
            line = f"{self.flag}: {text!r} {error}; give {self.kind.accepted}"
            raise ConfigurationError(line) from None

    def render(self, value: Any) -> tuple[str, ...]:
        """The texts that mean a value: one, or one per entry if the option is repeatable."""
        assert self.kind is not None, "an option that is only on or off has no text"
        if self.repeatable:
            return tuple(self.kind.render((entry,)) for entry in value)
        return (self.kind.render(value),)


OPTIONS: Mapping[str, Option] = MappingProxyType(
    {row.name: Option(row.name, row.default, **row.metadata) for row in fields(ServeOptions)}
)
"""The table: field name to row, in the order of --help."""


def validate(options: ServeOptions) -> None:
    """Check every value by its own rule, and what only several of them together get wrong.

    Raises:
        ConfigurationError: for the first thing that cannot be meant.
    """
    for row in OPTIONS.values():
        value = getattr(options, row.name)
        if row.kind is not None and (row.default is MISSING or value != row.default):
            for text in row.render(value):
                row.parse(text)
    if options.reload_on_changes and options.disable_reloading:
        raise ConfigurationError("--reload-on-changes and --disable-reloading contradict each other; give one")
    _validate_listeners(options)
    for part in ("header", "body"):
        first = getattr(options, f"{part}_timeout")
        longest = getattr(options, f"{part}_max_timeout")
        if longest and first > longest:
            raise ConfigurationError(
                f"--{part}-timeout ({first:g} s) is longer than --{part}-max-timeout ({longest:g} s); "
                f"raise --{part}-max-timeout, or give 0 for none"
            )


def _validate_listeners(options: ServeOptions) -> None:
    if not options.listen:
        return
    for name in ("host", "port"):
        row = OPTIONS[name]
        if getattr(options, name) != row.default:
            raise ConfigurationError(
                f"{row.flag} is without effect beside --listen; "
                f"give --listen {ListenAddress(options.host, options.port)} as well, or leave {row.flag} out"
            )
    for place, address in enumerate(options.listen):
        if address in options.listen[:place] and (address.port or address.path):
            raise ConfigurationError(f"--listen {address} is given twice; leave one out")
