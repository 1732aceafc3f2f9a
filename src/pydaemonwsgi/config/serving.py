"""A command line as a configuration: `pydaemonwsgi serve SCRIPT` is one host with one process group. Sans-I/O."""

import posixpath
from dataclasses import fields
from typing import Any

from pydaemonwsgi.config.client_options import ClientOptions
from pydaemonwsgi.config.group_options import GroupOptions
from pydaemonwsgi.config.log_targets import read_log_target
from pydaemonwsgi.config.model import (
    AccessLog,
    Host,
    ImportScript,
    Listener,
    LogTarget,
    LogTargetKind,
    ProcessGroup,
    ScriptAlias,
    Server,
    Settings,
    Telemetry,
)
from pydaemonwsgi.config.options import OPTIONS, ServeOptions
from pydaemonwsgi.config.script import ScriptSpec
from pydaemonwsgi.config.telemetry import captured
from pydaemonwsgi.config.values import BadValueError, ListenAddress
from pydaemonwsgi.errors import ConfigurationError

__all__ = ["model_of"]

# These are the hosts' and listeners' in the model.
_ELSEWHERE = frozenset({"host", "port", "listen", "access_log", "access_log_format", "limit_request_body"})
# Names of files, which count from where the command was given.
_FILES = frozenset({"home", "python_home", "chroot", "python_eggs", "spool_directory"})


def model_of(options: ServeOptions, script: ScriptSpec, *, cwd: str) -> Server:
    """What a command line asks for.

    Args:
        options: validated.
        script: what SCRIPT names.
        cwd: the absolute directory in which the command was given; all file names become absolute.
    """
    target = script.path if script.path is not None else f"module:{script.module}"
    name = options.group_name
    alias = ScriptAlias(
        options.mount_point,
        target,
        process_group=name,
        application_group="",
        callable_object=script.callable_object,
    )
    host = Host(
        error_log=None if options.error_log is None else _log("error-log", options.error_log, cwd),
        log_levels=(("", options.log_level),),
        access_logs=()
        if options.access_log is None
        else (AccessLog(_log("access-log", options.access_log, cwd), options.access_log_format),),
        script_aliases=(alias,),
        settings=Settings(limit_request_body=options.limit_request_body),
    )
    return Server(
        listeners=tuple(Listener(_absolute_address(address, cwd)) for address in options.listeners),
        clients=ClientOptions(**_fields(options, ClientOptions, cwd, without=_ELSEWHERE)),
        main=host,
        groups=(ProcessGroup(name, _group_options(options, cwd)),),
        import_scripts=(ImportScript(target, name, ""),),
        server_root=cwd,
        pid_file=None if options.pid_file is None else _absolute(options.pid_file, cwd),
        user=options.user,
        group=options.group,
        **_telemetry(options, cwd),
    )


def _telemetry(options: ServeOptions, cwd: str) -> dict[str, Any]:
    found: dict[str, Any] = {}
    if options.telemetry_service is not None:
        # Completed, it may have become too long.
        path = OPTIONS["telemetry_service"].parse(f"unix:{_absolute(options.telemetry_service, cwd)}")
        found["telemetry"] = Telemetry(path, options.telemetry_interval)
    if options.telemetry_options:
        try:
            found["telemetry_captures"] = captured((), options.telemetry_options)
        except BadValueError as error:
            raise ConfigurationError(f"--telemetry-options: {error}") from None
    return found


def _group_options(options: ServeOptions, cwd: str) -> GroupOptions:
    values = _fields(options, GroupOptions, cwd)
    values["python_path"] = tuple(_absolute(entry, cwd) for entry in options.python_path)
    if options.working_directory is not None:
        values["home"] = _absolute(options.working_directory, cwd)
    elif options.home is None and options.chroot is None:
        # The command line's default is where it was given; a configuration's is mod_wsgi's.
        values["home"] = cwd
    return GroupOptions(**values)


def _fields(options: ServeOptions, kind: type, cwd: str, *, without: frozenset[str] = frozenset()) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for row in fields(kind):
        value = getattr(options, row.name)
        if row.name not in without:
            values[row.name] = _absolute(value, cwd) if row.name in _FILES and value is not None else value
    return values


def _absolute(path: str, cwd: str) -> str:
    return posixpath.normpath(posixpath.join(cwd, path))


def _absolute_address(address: ListenAddress, cwd: str) -> ListenAddress:
    return address if address.path is None else ListenAddress("", 0, _absolute(address.path, cwd))


def _log(option: str, name: str, cwd: str) -> LogTarget:
    """What `--access-log` or `--error-log` names; `-` is standard output.

    Raises:
        ConfigurationError: it means nothing.
    """
    if name == "-":
        return LogTarget(LogTargetKind.STREAM, "stdout")
    try:
        return read_log_target(name, lambda path: _absolute(path, cwd))
    except BadValueError as error:
        raise ConfigurationError(f"--{option}: {error}") from None
