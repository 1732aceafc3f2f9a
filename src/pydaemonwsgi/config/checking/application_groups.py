"""Application groups that will be regretted. Sans-I/O."""

from collections.abc import Iterator

from pydaemonwsgi.config.application_groups import ApplicationGroup, application_groups
from pydaemonwsgi.config.checking.machine import Machine
from pydaemonwsgi.config.checking.row import Check, Finding
from pydaemonwsgi.config.model import Server
from pydaemonwsgi.config.problems import Severity
from pydaemonwsgi.config.values import INTERPRETERS

__all__ = ["CHECKS"]


def _too_many(server: Server, machine: Machine) -> Iterator[Finding]:
    del machine
    named: dict[str, list[ApplicationGroup]] = {}
    for one in application_groups(server):
        named.setdefault(one.process_group, []).append(one)
    for group in server.groups:
        limit = group.options.maximum_application_groups
        several = named.get(group.name, [])
        if len(several) > limit:
            yield Finding(
                several[limit].position,
                "WSGIApplicationGroup",
                f"the process group {group.title!r} may have {limit} application groups (maximum-application-groups), "
                f"and here are {len(several)}: requests for those that come last get 500; let applications share an "
                "interpreter (WSGIApplicationGroup %{GLOBAL}, or one name for several), or raise the limit",
            )


def _without_subinterpreters(server: Server, machine: Machine) -> Iterator[Finding]:
    for group in server.groups:
        if not group.options.threads or group.options.application_groups != INTERPRETERS:
            continue
        if (why := machine.lacks_subinterpreters(group.options)) is not None:
            text = f"the process group {group.title!r}: {why}"
            yield Finding(group.position, "WSGIDaemonProcess", text, Severity.ERROR)


CHECKS = (
    Check("more application groups than a process group may have", _too_many),
    Check("sub-interpreters for a Python that has none", _without_subinterpreters),
)
