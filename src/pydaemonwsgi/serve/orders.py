"""What the front and the daemon processes have to know, taken from the options. Sans-I/O.

A field there that has the name of an option is that option; the rest is said here.
"""

import dataclasses
import os
from typing import TYPE_CHECKING, Any

from pydaemonwsgi.config.chroot import seen_from_inside
from pydaemonwsgi.config.options import OPTIONS, ServeOptions
from pydaemonwsgi.config.values import GROUP_TITLE
from pydaemonwsgi.serve.preflight import Checked
from pydaemonwsgi.system.identities import group_id, user_id

# Imported where it is used otherwise: the supervisor holds no HTTP code.
if TYPE_CHECKING:
    from pydaemonwsgi.daemon.settings import DaemonSettings
    from pydaemonwsgi.front.options import FrontOptions

__all__ = ["daemon_settings", "front_options"]


def front_options(options: ServeOptions) -> "FrontOptions":
    """Return what the front has to know."""
    from pydaemonwsgi.front.options import FrontOptions, GroupOptions  # noqa: PLC0415
    from pydaemonwsgi.http.response import LONGEST_LINE  # noqa: PLC0415

    taken = _same_named(FrontOptions, options)
    if options.spool_directory is not None:
        taken["spool_directory"] = os.path.abspath(options.spool_directory)  # the front leaves this directory
    group = GroupOptions(
        **_same_named(GroupOptions, options)
        | {
            "name": options.group_name,
            "header_buffer_size": options.header_buffer_size or LONGEST_LINE,
            "response_socket_timeout": options.response_socket_timeout or options.socket_timeout,
        }
    )
    return FrontOptions(groups=(group,), **taken)


def daemon_settings(options: ServeOptions, checked: Checked) -> "DaemonSettings":
    """Return what a daemon process has to know; its paths are as it will see them.

    Raises:
        ConfigurationError: a path is outside of the chroot, or there is no such user or group.
    """
    from pydaemonwsgi.daemon.settings import DaemonSettings, PythonSettings  # noqa: PLC0415

    def inside(path: str, what: str) -> str:
        return seen_from_inside(os.path.abspath(path), options.chroot, what)

    script = checked.script
    own: dict[str, Any] = {
        "group": options.group_name,
        "script": script.path and inside(script.path, "the script"),
        "module": script.module,
        "callable_object": script.callable_object,
        "processes": options.process_count,
        "multiprocess": options.processes is not None,
        "python_path": tuple(inside(entry, "--python-path") for entry in options.python_path),
        "python_eggs": options.python_eggs and inside(options.python_eggs, "--python-eggs"),
        "working_directory": inside(checked.directory, "the working directory"),
        "identity": checked.identity,
        "script_user": None if options.script_user is None else user_id(options.script_user),
        "script_group": None if options.script_group is None else group_id(options.script_group),
        "reloading": not options.disable_reloading,
        "display_name": _title(options),
        "python": PythonSettings(home=options.python_home and inside(options.python_home, "--python-home")),
    }
    return DaemonSettings(**_same_named(DaemonSettings, options) | own)


def _title(options: ServeOptions) -> str:
    return f"(wsgi:{options.group_name})" if options.display_name == GROUP_TITLE else options.display_name


def _same_named(kind: type[Any], options: ServeOptions) -> dict[str, Any]:
    names = [field.name for field in dataclasses.fields(kind)]
    return {name: getattr(options, name) for name in names if name in OPTIONS}
