"""What the user wants to know first. Sans-I/O, but for the pid."""

import os
import shlex
from typing import Final
from urllib.parse import quote

from pydaemonwsgi import __version__
from pydaemonwsgi.config.log_targets import write_log_target
from pydaemonwsgi.config.model import AccessLog, LogTarget, LogTargetKind
from pydaemonwsgi.config.values import ListenAddress
from pydaemonwsgi.serve.blueprint import Blueprint, GroupBlueprint

__all__ = ["banner"]

# Process groups and logs that are named one by one.
_MOST: Final = 8


def banner(blueprint: Blueprint, addresses: list[ListenAddress], control_socket: str | None) -> str:
    """Return what the user wants to know first."""
    lines = [f"pydaemonwsgi {__version__} serves {shlex.quote(blueprint.subject)}"]
    lines += [f"  listening on  {_url(address, blueprint.mount_point)}" for address in addresses]
    user = blueprint.identity.user_name if blueprint.identity is not None else "root"
    groups = blueprint.groups
    for number, group in enumerate(groups[:_MOST]):
        lines.append(f"  {'' if number else 'processes':<13} {_size(group)}{_user(group, user)}")
    if len(groups) > _MOST:
        lines.append(f"  {'':<13} and {len(groups) - _MOST} more groups")
    lines += [
        f"  user          {user}",
        f"  supervisor    pid {os.getpid()} (Ctrl-C or SIGTERM stops, SIGHUP reloads)",
        f"  control       {control_socket or 'none'}",
        f"  error log     {'standard error' if blueprint.error_log is None else _target(blueprint.error_log)}",
        f"  access log    {_access_logs(blueprint)}",
    ]
    return "\n".join(lines) + "\n"


def _url(address: ListenAddress, mount_point: str) -> str:
    if address.path is not None:
        return f"unix:{address.path}"
    host = address.host or "localhost"
    host = f"[{host}]" if ":" in host else host
    mount = "/" if mount_point == "/" else f"{quote(mount_point)}/"
    return f"http://{host}:{address.port}{mount}"


def _size(group: GroupBlueprint) -> str:
    options = group.options
    kind = f"{options.threads} threads" if options.threads else "a service script"
    return f"{options.process_count} × {kind}, group {group.name}"


def _user(group: GroupBlueprint, front: str) -> str:
    """Return who runs it, where that is somebody else than the front."""
    identity = group.settings.identity
    user = "root" if identity is None else identity.user_name
    return "" if user == front else f", user {user}"


def _target(target: LogTarget) -> str:
    if target.kind is LogTargetKind.STREAM:
        return "standard output" if target.value == "stdout" else "standard error"
    return write_log_target(target)


def _access_logs(blueprint: Blueprint) -> str:
    logs: dict[str, AccessLog] = {_target(log.target): log for host in blueprint.access_logs for log in host}
    names = list(logs)
    more = f" and {len(names) - _MOST} more" if len(names) > _MOST else ""
    return ", ".join(names[:_MOST]) + more if names else "off"
