"""What the front and the daemon processes have to know, taken from the blueprint and the options. Sans-I/O.

A field there that has the name of an option is that option; the rest is said here.
"""

import dataclasses
import os
from typing import TYPE_CHECKING, Any

from pydaemonwsgi.config.chroot import seen_from_inside
from pydaemonwsgi.config.group_options import GroupOptions
from pydaemonwsgi.config.grouping import free_threading_of
from pydaemonwsgi.config.model import ProcessGroup, Server
from pydaemonwsgi.config.options import OPTIONS, ServeOptions
from pydaemonwsgi.config.values import GROUP_TITLE
from pydaemonwsgi.serve.blueprint import Blueprint
from pydaemonwsgi.serve.logs import OpenedLogs
from pydaemonwsgi.serve.preflight import Checked
from pydaemonwsgi.serve.telemetry import telemetry_settings
from pydaemonwsgi.system.identities import Identity, group_id, user_id

# Imported where it is used otherwise: the supervisor holds no HTTP code.
if TYPE_CHECKING:
    from pydaemonwsgi.daemon.settings import DaemonSettings
    from pydaemonwsgi.front.options import FrontOptions

__all__ = ["daemon_settings", "front_options", "settings_of_group"]


def front_options(blueprint: Blueprint, logs: OpenedLogs) -> "FrontOptions":
    """Return what the front has to know.

    Args:
        blueprint: the server.
        logs: its logs.
    """
    from pydaemonwsgi.front.options import ErrorLogOptions, FrontOptions, LogOptions  # noqa: PLC0415
    from pydaemonwsgi.front.options import GroupOptions as FrontGroup  # noqa: PLC0415
    from pydaemonwsgi.http.response import LONGEST_LINE  # noqa: PLC0415

    clients = blueprint.clients

    def bounds(name: str, options: GroupOptions) -> FrontGroup:
        own = {
            "name": name,
            "header_buffer_size": options.header_buffer_size or LONGEST_LINE,
            "response_socket_timeout": options.response_socket_timeout or options.socket_timeout,
        }
        return FrontGroup(**_same_named(FrontGroup, options) | own)

    own: dict[str, Any] = {
        "groups": tuple(bounds(group.name, group.options) for group in blueprint.groups),
        "fallback": bounds("", blueprint.fallback),
        "mount_point": blueprint.mount_point,
        "logs": tuple(
            tuple(LogOptions(logs.access[log.target], log.format, log.condition) for log in host)
            for host in blueprint.access_logs
        ),
        "error_logs": tuple(
            ErrorLogOptions(logs.of_host(host), dict(host.log_levels).get("", blueprint.log_level))
            for host in (blueprint.site.hosts if blueprint.site is not None else ())
        ),
        "site": blueprint.site,
    }
    if clients.spool_directory is not None:
        own["spool_directory"] = os.path.abspath(clients.spool_directory)  # the front leaves this directory
    return FrontOptions(**_same_named(FrontOptions, clients) | own)


def daemon_settings(options: ServeOptions, checked: Checked, model: Server) -> "DaemonSettings":
    """Return what a daemon process of a single script has to know; its paths are as it will see them.

    Args:
        options: of the command line.
        checked: what they came to.
        model: the same as a configuration.

    Raises:
        ConfigurationError: a path is outside of the chroot, or there is no such user or group.
    """
    from pydaemonwsgi.daemon.settings import PythonSettings  # noqa: PLC0415

    script = checked.script
    return _settings(
        options.group_name,
        options,
        checked.directory,
        checked.identity,
        application_groups="processes",  # one script has the main interpreter
        script=script.path and seen_from_inside(os.path.abspath(script.path), options.chroot, "the script"),
        module=script.module,
        callable_object=script.callable_object,
        python=PythonSettings(home=_inside(options.python_home, options, "--python-home")),
        telemetry=telemetry_settings(model, options.chroot),
        log_level=options.log_level,
        extended_status=options.server_metrics,
    )


def settings_of_group(
    group: ProcessGroup, server: Server, directory: str, identity: Identity | None, *, free_threaded: bool = False
) -> "DaemonSettings":
    """Return what a daemon process of a configured group has to know; its paths are as it will see them.

    Args:
        group: the group; what its application groups have for themselves is in `partitions`.
        server: the configuration.
        directory: where the processes run.
        identity: who they become.
        free_threaded: whether the build of its Python can go without a GIL.

    Raises:
        ConfigurationError: a path is outside of the chroot, or there is no such user or group.
    """
    from pydaemonwsgi.daemon.settings import PythonSettings  # noqa: PLC0415

    options = group.options
    python = server.python
    levels = dict(server.main.log_levels)
    return _settings(
        group.title,
        options,
        directory,
        identity,
        script=None,
        module=None,
        callable_object="application",
        python=PythonSettings(
            home=_inside(options.python_home, options, "python-home"),
            optimize=python.optimize,
            dont_write_bytecode=python.dont_write_bytecode,
            warnings=python.warnings,
            hash_seed=python.hash_seed,
            free_threading=_goes_without_gil(server, group.name) if free_threaded else None,
        ),
        destroy_interpreter=python.destroy_interpreter,
        telemetry=telemetry_settings(server, options.chroot),
        # Whoever may ask is told of the threads of every group.
        extended_status=any(other.options.server_metrics for other in server.groups),
        log_level=group.log_level or levels.get("wsgi") or levels.get("") or "info",
    )


def _goes_without_gil(server: Server, process_group: str) -> bool | None:
    """Whether a free-threaded Python goes without its GIL; None where PYTHON_GIL in our environment says so."""
    block = free_threading_of(server, process_group)
    if block is not None:
        return block.free_threading
    return None if "PYTHON_GIL" in os.environ else False


def _settings(
    name: str, options: GroupOptions, directory: str, identity: Identity | None, **own: Any
) -> "DaemonSettings":
    from pydaemonwsgi.daemon.settings import DaemonSettings  # noqa: PLC0415

    own |= {
        "group": name,
        "processes": options.process_count,
        "multiprocess": options.processes is not None,
        "python_path": tuple(str(_inside(entry, options, "python-path")) for entry in options.python_path),
        "python_eggs": _inside(options.python_eggs, options, "python-eggs"),
        "working_directory": _inside(directory, options, "the working directory"),
        "identity": identity,
        "script_user": None if options.script_user is None else user_id(options.script_user),
        "script_group": None if options.script_group is None else group_id(options.script_group),
        "reloading": not options.disable_reloading,
        "display_name": f"(wsgi:{name})" if options.display_name == GROUP_TITLE else options.display_name,
    }
    return DaemonSettings(**_same_named(DaemonSettings, options) | own)


def _inside(path: str | None, options: GroupOptions, what: str) -> str | None:
    return path and seen_from_inside(os.path.abspath(path), options.chroot, what)


def _same_named(kind: type[Any], options: object) -> dict[str, Any]:
    names = [field.name for field in dataclasses.fields(kind)]
    return {name: getattr(options, name) for name in names if name in OPTIONS and hasattr(options, name)}
