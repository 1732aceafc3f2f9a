"""The option table: every option of `pydaemonwsgi serve`, once. Sans-I/O.

A field of an options class is an option: of `GroupOptions` what a process group may be told, of `ClientOptions`
what the front may be told, of `ServeOptions` itself what is left. The flag, `--help`, the default, the validation and
the reference page all derive from it, so a new option is one field and the module that obeys it.
"""

import re
from collections.abc import Mapping
from dataclasses import KW_ONLY, dataclass, field
from pathlib import PurePosixPath
from types import MappingProxyType

from pydaemonwsgi.config import values
from pydaemonwsgi.config.client_options import ClientOptions
from pydaemonwsgi.config.group_options import GroupOptions
from pydaemonwsgi.config.option import Option, Scope, option, rows, timeout
from pydaemonwsgi.config.telemetry import telemetry_interval, telemetry_option, telemetry_target

__all__ = ["BESIDE_CONFIGURATION", "OPTIONS", "ServeOptions"]

BESIDE_CONFIGURATION = frozenset({"config", "define", "control_socket", "front_timeout", "pid_file"})
"""Options that may be given together with a configuration, because no directive says the same."""

_HEADINGS = (
    "Application",
    "Network",
    "Processes",
    "Identity",
    "Environment",
    "Resources",
    "Reloading",
    "Control",
    "Logs",
    "Telemetry",
    "Limits",
    "Timeouts",
    "Buffers",
)


@dataclass(frozen=True)
class ServeOptions(GroupOptions, ClientOptions):
    """What the user asked `pydaemonwsgi serve` for; build it by hand or with `parse_serve`."""

    script: str = field(
        metadata={
            "meaning": "The WSGI script to serve: a file of any name, or package.module:callable.",
            "kind": values.file_name("a file, or a module such as package.module:application", metavar="SCRIPT"),
            "heading": "Application",
            "metavar": "SCRIPT",
            "own_flag": "SCRIPT",
            "scope": Scope.APPLICATION,
        }
    )
    _: KW_ONLY

    config: str | None = option(
        None,
        "Configuration file that says what to serve and how, in the place of SCRIPT and the other options.",
        values.file_name("the file of a configuration", standard_stream=False),
        heading="Application",
        unset="none: SCRIPT and options say it",
        scope=Scope.SERVER,
    )
    define: tuple[str, ...] = option(
        (),
        "Name that <IfDefine> finds in the configuration.",
        values.defined_names(),
        heading="Application",
        unset="none",
        repeatable=True,
        scope=Scope.SERVER,
    )
    callable_object: str = option(
        "application",
        "Name of the application in the script.",
        values.callable_name(),
        heading="Application",
        scope=Scope.APPLICATION,
    )
    mount_point: str = option(
        "/",
        "URL path under which the application is found.",
        values.mount_point(),
        heading="Application",
        scope=Scope.APPLICATION,
    )
    working_directory: str | None = option(
        None,
        "As --home, but may be relative; it is what --home is where that is not given.",
        values.file_name("a directory", metavar="DIRECTORY"),
        heading="Application",
        unset="the current directory",
        scope=Scope.APPLICATION,
    )
    process_group: str | None = option(
        None,
        "Name of the process group in process titles and logs.",
        values.group_title(),
        heading="Processes",
        unset="the script's name without its extension",
        scope=Scope.APPLICATION,
    )
    control_socket: str | None = option(
        None,
        "Name or path of the socket by which pydaemonwsgi status, reload and the other commands find this server; "
        "off for none.",
        values.server_name(),
        heading="Control",
        unset="the process group's name and the port",
    )
    pid_file: str | None = option(
        None,
        "File that holds the supervisor's pid from when the server accepts clients until it ends.",
        values.file_name("a file", standard_stream=False),
        heading="Control",
        unset="none is written",
    )
    # mod_wsgi's front is Apache, which has no such thing. While the front does nothing, nobody gets an answer.
    front_timeout: float = timeout(
        30.0, "Time for which the front may give no sign of life before it is killed and replaced."
    )
    log_level: str = option(
        "info", "Least severity of what is written to the error log.", values.log_level(), heading="Logs"
    )
    error_log: str | None = option(
        None,
        "Where the error log goes: a file, a command that reads it (|COMMAND), or syslog[:FACILITY[:TAG]].",
        values.file_name(
            "a file, |COMMAND or syslog; leave the option out for standard error",
            metavar="TARGET",
            standard_stream=False,
        ),
        heading="Logs",
        unset="standard error",
    )
    telemetry_service: str | None = option(
        None,
        "Datagram socket of a collector that the daemon processes report to.",
        telemetry_target(),
        heading="Telemetry",
        unset="none",
    )
    telemetry_interval: float = option(
        1.0, "Time between two reports to the collector.", telemetry_interval(), heading="Telemetry"
    )
    telemetry_options: tuple[str, ...] = option(
        (),
        "What slow requests are reported with.",
        telemetry_option(),
        heading="Telemetry",
        unset="None",
        repeatable=True,
    )

    @property
    def group_name(self) -> str:
        """The process group's name: the given one, or the script's without directory, extension, callable.

        With a configuration, which names its process groups itself, it is what the server is called.
        """
        if self.process_group is not None:
            return self.process_group
        if self.config is not None:
            return PurePosixPath(self.config).stem
        script = re.sub(r":[^/:]*$", "", self.script)
        is_path = "/" in script or script.endswith((".py", ".wsgi")) or "." not in script
        return re.sub(r"[^\w.@+-]", "_", PurePosixPath(script).stem if is_path else script) or "wsgi"


def _table() -> dict[str, Option]:
    every = [
        *rows(ServeOptions, Scope.SERVER),
        *rows(GroupOptions, Scope.GROUP),
        *rows(ClientOptions, Scope.FRONT),
    ]
    return {row.name: row for heading in _HEADINGS for row in every if row.heading == heading}


OPTIONS: Mapping[str, Option] = MappingProxyType(_table())
"""The table: field name to row, in the order of --help."""
