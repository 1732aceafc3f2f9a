"""Opening every log that a server writes to. Shell."""

from collections.abc import Mapping
from dataclasses import dataclass

from pydaemonwsgi.config.model import Host, LogTarget
from pydaemonwsgi.serve.blueprint import Blueprint, GroupBlueprint
from pydaemonwsgi.serve.refusals import Refusals
from pydaemonwsgi.supervisor.logs import SERVER_ERROR_LOG, Logs, Use

__all__ = ["OpenedLogs", "open_logs"]


@dataclass(frozen=True, slots=True)
class OpenedLogs:
    """The logs of a blueprint.

    Attributes:
        logs: all of them, for the supervisor.
        access: descriptors of the access logs.
        errors: descriptors of the error logs that are not the server's.
    """

    logs: Logs
    access: Mapping[LogTarget, int]
    errors: Mapping[LogTarget, int]

    @property
    def numbers(self) -> frozenset[int]:
        """The descriptors of all but the server's error log."""
        return frozenset((*self.access.values(), *self.errors.values()))

    def of_group(self, group: GroupBlueprint) -> int:
        """Return the descriptor of a process group's error log."""
        return SERVER_ERROR_LOG if group.error_log is None else self.errors.get(group.error_log, SERVER_ERROR_LOG)

    def of_host(self, host: Host) -> int:
        """Return the descriptor of a virtual host's error log."""
        return SERVER_ERROR_LOG if host.error_log is None else self.errors.get(host.error_log, SERVER_ERROR_LOG)


def open_logs(blueprint: Blueprint, directory: str, refusals: Refusals, logs: Logs | None = None) -> OpenedLogs:
    """Open them all; the server's error log is not yet descriptor 2.

    Args:
        blueprint: the server.
        directory: where a command whose name has a slash is looked for, if no ServerRoot says it.
        refusals: where those are noted that cannot be opened.
        logs: where those that are open already are; the server's error log is one of them.
    """
    site = blueprint.site
    if logs is None:
        root = site.server_root if site is not None else None
        logs = Logs(root or directory, blueprint.identity)
        if blueprint.error_log is not None:
            with refusals.noting(blueprint.error_log.position, "ErrorLog"):
                logs.open(blueprint.error_log, Use.SERVER_ERROR)
    return _open_all(blueprint, logs, refusals)


def _open_all(blueprint: Blueprint, logs: Logs, refusals: Refusals) -> OpenedLogs:
    hosts = blueprint.site.hosts if blueprint.site is not None else ()
    access: dict[LogTarget, int] = {}
    errors: dict[LogTarget, int] = {}
    for target, use in (
        *((host.error_log, Use.HOST_ERROR) for host in hosts),
        *((group.error_log, Use.GROUP_ERROR) for group in blueprint.groups),
    ):
        if target is not None and target != blueprint.error_log:
            with refusals.noting(target.position, "ErrorLog"):
                errors[target] = logs.open(target, use)
    for log in {log.target: log for host in blueprint.access_logs for log in host}.values():
        with refusals.noting(log.position, log.directive):
            access[log.target] = logs.open(log.target, Use.ACCESS)
    return OpenedLogs(logs, access, errors)
