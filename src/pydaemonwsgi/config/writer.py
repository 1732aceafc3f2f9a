"""Writes the configuration that is equal to a command line. Sans-I/O.

What it writes is read back as an equal model; the tests try it. It knows what `config.serving` makes, and says so when
it is given more.
"""

from collections.abc import Iterator

from pydaemonwsgi.config.apache.words import quote
from pydaemonwsgi.config.directives.connections import CLIENT_DIRECTIVES, SERVE_OPTIONS
from pydaemonwsgi.config.directives.processes import DAEMON_OPTIONS
from pydaemonwsgi.config.log_targets import write_log_target
from pydaemonwsgi.config.model import Host, ProcessGroup, ScriptAlias, Server, Settings
from pydaemonwsgi.config.option import Option
from pydaemonwsgi.config.values import ListenAddress
from pydaemonwsgi.errors import ConfigurationError

__all__ = ["write_configuration"]

# httpd's words for our log levels.
_LEVELS = {"warning": "warn", "critical": "crit"}


def write_configuration(server: Server) -> str:
    """The text of a configuration; ends in a newline.

    Raises:
        ConfigurationError: a value cannot be written in a configuration file.
    """
    if server.virtual_hosts or server.main.sections or len(server.groups) != 1:
        raise ConfigurationError("only what a command line can ask for is written as a configuration")
    try:
        text = "\n\n".join("\n".join(part) for part in map(list, _parts(server)) if part) + "\n"
    except ValueError as error:
        raise ConfigurationError(f"a value of the command line cannot be written: {error}") from None
    if "${" in text:
        raise ConfigurationError("a value of the command line holds ${, which a configuration file would expand")
    return text


def _parts(server: Server) -> Iterator[Iterator[str]]:
    yield _server(server)
    yield _logs(server.main)
    yield _clients(server)
    yield _groups(server)


def _server(server: Server) -> Iterator[str]:
    if server.server_root is not None:
        yield _line("ServerRoot", server.server_root)
    if server.pid_file is not None:
        yield _line("PidFile", server.pid_file)
    for listener in server.listeners:
        yield _line("Listen", _address(listener.address))
    if server.user is not None:
        yield _line("User", server.user)
    if server.group is not None:
        yield _line("Group", server.group)
    if server.telemetry is not None:
        yield _line("WSGITelemetryService", f"unix:{server.telemetry.path}", str(server.telemetry.interval))
    if server.telemetry_captures:
        yield _line("WSGITelemetryOptions", *server.telemetry_captures)


def _address(address: ListenAddress) -> str:
    return str(address) if address.path is not None or address.host else str(address.port)


def _logs(host: Host) -> Iterator[str]:
    if host.error_log is not None:
        yield _line("ErrorLog", write_log_target(host.error_log))
    levels = [_LEVELS.get(level, level) for _, level in host.log_levels]
    if levels:
        yield _line("LogLevel", *levels)
    for log in host.access_logs:
        yield _line("CustomLog", write_log_target(log.target), log.format)


def _clients(server: Server) -> Iterator[str]:
    written = {
        option.name: _values(option, getattr(server.clients, option.name))
        for option in SERVE_OPTIONS.values()
        if getattr(server.clients, option.name) != option.default
    }
    for name, directive in CLIENT_DIRECTIVES.items():
        if name in written:
            yield _line(directive, written.pop(name))
    if server.main.settings != Settings():
        yield _line("LimitRequestBody", str(server.main.settings.limit_request_body))
    if written:
        yield "<IfModule pydaemonwsgi>"
        for name, value in written.items():
            yield "    " + _line("ServeOption", name.replace("_", "-"), value)
        yield "</IfModule>"


def _groups(server: Server) -> Iterator[str]:
    for group in server.groups:
        yield from _group(group, server)
    for alias in server.main.script_aliases:
        yield _alias(alias)


def _group(group: ProcessGroup, server: Server) -> Iterator[str]:
    inherited = {"user": server.user, "group": server.group}
    options = []
    for name, option in DAEMON_OPTIONS.items():
        value = getattr(group.options, option.name)
        # `User` and `Group` say it already; without a user, Group counts too.
        if value != option.default and not (option.name in inherited and value == inherited[option.name]):
            options.append(f"{name}={quote(_values(option, value))}")
    yield " \\\n    ".join([_line("WSGIDaemonProcess", group.name), *options])


def _values(option: Option, value: object) -> str:
    if option.kind is None:
        return "On" if value else "Off"
    return option.kind.render(value)


def _alias(alias: ScriptAlias) -> str:
    words = [_line("WSGIScriptAlias", alias.url, alias.target)]
    for name, value in (("process-group", alias.process_group), ("application-group", alias.application_group)):
        if value is not None:
            words.append(f"{name}={quote(value or '%{GLOBAL}')}")
    if alias.callable_object is not None:
        words.append(f"callable-object={quote(alias.callable_object)}")
    return " \\\n    ".join(words)


def _line(name: str, *words: str) -> str:
    return " ".join([name, *map(quote, words)])
