"""Virtual hosts: what each is called, where it is reached, and what it does with its requests. Sans-I/O."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum

from pydaemonwsgi.config.model.position import NOWHERE, Position
from pydaemonwsgi.config.model.rewriting import Rewrite, RewriteMap
from pydaemonwsgi.config.model.settings import Redirect, Settings

__all__ = [
    "AccessLog",
    "Alias",
    "Connection",
    "Host",
    "HostAddress",
    "LogFormat",
    "LogTarget",
    "LogTargetKind",
    "Matching",
    "ScriptAlias",
    "Section",
    "SectionKind",
]


class SectionKind(Enum):
    """What a section's pattern is compared with; the value is httpd's word."""

    DIRECTORY = "Directory"
    FILES = "Files"
    LOCATION = "Location"


class Matching(Enum):
    """How a section's pattern is read."""

    LITERAL = "literal"
    GLOB = "glob"
    REGEX = "regex"


@dataclass(frozen=True, slots=True)
class Section:
    """`<Directory>`, `<DirectoryMatch>`, `<Files>`, `<FilesMatch>`, `<Location>`, `<LocationMatch>`.

    Attributes:
        kind: which of the three; `<DirectoryMatch X>` and `<Directory ~ X>` are DIRECTORY with REGEX.
        pattern: a directory without its last slash (but "/"), a file name, an URL path, a glob, or a regular
            expression as text.
        settings: what stands in it.
        sections: `<Files>` inside a `<Directory>` or a `<Location>`.
    """

    kind: SectionKind
    matching: Matching
    pattern: str
    settings: Settings
    sections: "tuple[Section, ...]" = ()
    position: Position = field(default=NOWHERE, compare=False)


@dataclass(frozen=True, slots=True)
class Alias:
    """`Alias` and `AliasMatch`.

    Attributes:
        url: an URL path with its slashes as written, or a regular expression if `is_regex`.
        target: the file or directory, with `$1` in it if `is_regex`; absolute.
    """

    url: str
    target: str
    is_regex: bool = False
    position: Position = field(default=NOWHERE, compare=False)


@dataclass(frozen=True, slots=True)
class ScriptAlias:
    """`WSGIScriptAlias` and `WSGIScriptAliasMatch`; None means the setting of the context.

    Attributes:
        url: an URL path with its slashes as written, or a regular expression if `is_regex`.
        target: the script or a directory of scripts, with `$1` in it if `is_regex`; absolute. For a module
            `module:package.name`, as SCRIPT on the command line may be one.
    """

    url: str
    target: str
    is_regex: bool = False
    process_group: str | None = None
    application_group: str | None = None
    callable_object: str | None = None
    pass_authorization: bool | None = None
    position: Position = field(default=NOWHERE, compare=False)


class LogTargetKind(Enum):
    """Where a log goes."""

    FILE = "file"
    PIPE = "pipe"
    SYSLOG = "syslog"
    STREAM = "stream"


@dataclass(frozen=True, slots=True)
class LogTarget:
    """Where a log goes.

    Attributes:
        value: an absolute path; a command line; `facility[:tag]` (or ""); `stdout` or `stderr`.
        shell: the command is run by the shell (`|$command`).
        position: of the `ErrorLog` that names it.
    """

    kind: LogTargetKind
    value: str
    shell: bool = False
    position: Position = field(default=NOWHERE, compare=False)


@dataclass(frozen=True, slots=True)
class AccessLog:
    """`CustomLog`, `TransferLog` and `GlobalLog`.

    Attributes:
        format: httpd's format string; nicknames are resolved, but for `common`, `combined` and `vhost_combined`
            where no LogFormat defines them.
        condition: the variable of `env=NAME`, with a `!` before it if it must not be set; None for always.
        is_global: hosts with logs of their own write to it, too.
        directive: which of the three it was.
    """

    target: LogTarget
    format: str
    condition: str | None = None
    is_global: bool = False
    directive: str = field(default="CustomLog", compare=False)
    position: Position = field(default=NOWHERE, compare=False)


@dataclass(frozen=True, slots=True)
class LogFormat:
    """A `LogFormat` as it was written, whether a log uses it or not."""

    text: str
    position: Position = field(default=NOWHERE, compare=False)


@dataclass(frozen=True, slots=True)
class HostAddress:
    """One address of `<VirtualHost>`: `*` or an IP address (IPv6 without brackets); port None is any port."""

    address: str
    port: int | None

    @property
    def is_everywhere(self) -> bool:
        """Whether it is every address of the machine; as in httpd those are, too, that mean every interface."""
        return self.address in {"*", "_default_", "", "0.0.0.0", "::"}


@dataclass(frozen=True, slots=True)
class Connection:
    """What a host says about its connections; None is the server's value. Durations are in seconds, sizes in bytes."""

    timeout: float | None = None
    keep_alive: bool | None = None
    keep_alive_timeout: float | None = None
    max_keep_alive_requests: int | None = None  # 0 is no limit
    limit_request_line: int | None = None
    limit_request_field_size: int | None = None
    limit_request_fields: int | None = None  # 0 is no limit


@dataclass(frozen=True, slots=True)
class Host:
    """A virtual host, or the main server. What it inherits from the main server is in it already.

    Attributes:
        addresses: of `<VirtualHost>`; () for the main server, which is every address that no virtual host has.
        server_name: in lower case, without scheme and port; None if none was written.
        server_port: of `ServerName`; None if none was written.
        scheme: of `ServerName`; None if none was written.
        server_aliases: in lower case; `*` and `?` are wildcards.
        log_formats: the host's own; what of them counts is in `access_logs`.
        log_levels: module (`""` for the whole, `wsgi`, `rewrite` …) and level of `config.values.LOG_LEVELS`.
        aliases: the host's own before those of the main server; the first that fits counts.
        rewrite_maps: the host's own before those of the main server; the first of a name counts.
        rewrite: rules in server context; those in a section are in its settings.
        redirects: in server context; asked before the aliases.
        settings: the main server's, with the host's laid over them. No defaults in them.
        sections: the main server's before the host's, each in the order of the file.
        origins: where the directives were written that stand in no section of the host, by name; the last of each.
    """

    addresses: tuple[HostAddress, ...] = ()
    server_name: str | None = None
    server_port: int | None = None
    scheme: str | None = None
    server_aliases: tuple[str, ...] = ()
    server_admin: str | None = None
    document_root: str | None = None
    error_log: LogTarget | None = None
    access_logs: tuple[AccessLog, ...] = ()
    log_formats: tuple[LogFormat, ...] = ()
    log_levels: tuple[tuple[str, str], ...] = ()
    allow_encoded_slashes: str = "off"  # "on", "off", "nodecode"
    merge_slashes: bool = True
    connection: Connection = field(default_factory=Connection)
    aliases: tuple[Alias, ...] = ()
    script_aliases: tuple[ScriptAlias, ...] = ()
    rewrite_maps: tuple[RewriteMap, ...] = ()
    redirects: tuple[Redirect, ...] = ()
    rewrite: Rewrite | None = None
    settings: Settings = field(default_factory=Settings)
    sections: tuple[Section, ...] = ()
    position: Position = field(default=NOWHERE, compare=False)
    origins: Mapping[str, Position] = field(default_factory=dict, compare=False)

    def where(self, directive: str) -> Position:
        """Return where a directive was written; where it was not, the host's own place."""
        return self.origins.get(directive, self.position)
