"""Which application groups a configuration makes, and what each would run as. Sans-I/O.

`%{GLOBAL}` is the main interpreter of the group's processes. Every other application group has processes of its own,
or a sub-interpreter in each of the process group's.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from pydaemonwsgi.config.checking.machine import Machine
from pydaemonwsgi.config.checking.row import Check, Finding
from pydaemonwsgi.config.grouping import WSGI_HANDLERS, group_of, has_own_gil, settings_at
from pydaemonwsgi.config.model import Host, Position, ProcessGroup, ScriptAlias, Server, merge_settings
from pydaemonwsgi.config.problems import Severity
from pydaemonwsgi.config.values import INTERPRETERS

__all__ = ["CHECKS", "ApplicationGroup", "application_groups", "runs_as"]

_MANY = "each script"
# A Unix socket has port 0, and is as good as 80.
_STANDARD_PORTS = frozenset({0, 80, 443})


@dataclass(frozen=True, slots=True)
class ApplicationGroup:
    """One application group of one process group.

    Attributes:
        name: as mod_wsgi would name it: "" for the main interpreter; a form if a request decides.
        runs_as: a phrase.
        script: that says so.
    """

    process_group: str
    name: str
    runs_as: str
    script: str
    position: Position

    def __str__(self) -> str:
        group = self.process_group or "(embedded)"
        return f"{group}: application group {self.name or '%{GLOBAL}'}: {self.runs_as}"


def application_groups(server: Server) -> list[ApplicationGroup]:
    """Those that aliases, handlers and import scripts name; each once, in the order of the file."""
    groups = {group.name: group for group in server.groups}
    found: dict[tuple[str, str], ApplicationGroup] = {}
    for process_group, name, script, position in _named(server):
        key = (process_group, name)
        if key not in found:
            runs = _runs_as(name, groups.get(process_group), server)
            found[key] = ApplicationGroup(process_group, name, runs, script, position)
    return list(found.values())


def runs_as(server: Server, process_group: str, application_group: str) -> str:
    """Return what an application group runs as, as a phrase."""
    groups = {group.name: group for group in server.groups}
    return _runs_as(application_group, groups.get(process_group), server)


def _named(server: Server) -> Iterator[tuple[str, str, str, Position]]:
    for host in server.hosts:
        for alias in host.script_aliases:
            for name in _alias_names(server, host, alias):
                yield group_of(host, alias), name, alias.target, alias.position
        for section in (None, *host.sections):
            own = host.settings if section is None else section.settings
            settings = host.settings if section is None else merge_settings(host.settings, section.settings)
            for rule in own.extensions:
                if rule.attribute == "handler" and rule.value in WSGI_HANDLERS:
                    for name in _expanded(server, host, settings.application_group, _MANY):
                        yield settings.process_group or "", name, f"*.{rule.extension}", rule.position
    for script in server.import_scripts:
        yield script.process_group, script.application_group, script.path, script.position


def _alias_names(server: Server, host: Host, alias: ScriptAlias) -> list[str]:
    form = alias.application_group
    if form is None:
        url = None if alias.is_regex else alias.url
        form = settings_at(host, url, alias.target).application_group
    return _expanded(server, host, form, _MANY if alias.is_regex else alias.url.rstrip("/"))


def _expanded(server: Server, host: Host, form: str | None, resource: str) -> list[str]:
    """The form as far as it can be expanded without a request: a name for each port that the host is reached by."""
    if form not in {None, "%{SERVER}", "%{RESOURCE}"}:
        return [form or ""]
    name = host.server_name or "localhost"
    servers = dict.fromkeys(name if port in _STANDARD_PORTS else f"{name}:{port}" for port in _ports(server, host))
    return list(servers) if form == "%{SERVER}" else [f"{one}|{resource}" for one in servers]


def _ports(server: Server, host: Host) -> list[int]:
    """The ports in the host's names: that of ServerName, else those of the listeners that it is reached by."""
    if host.server_port is not None:
        return [host.server_port]
    listening = [one.address.port for one in server.listeners]
    own = [address.port for address in host.addresses]
    return [port for port in listening if not own or None in own or port in own] or listening


def _runs_as(name: str, group: ProcessGroup | None, server: Server) -> str:
    if name == "":
        return "the main interpreter of its processes"
    if group is None:
        return "processes of its own"
    count, threads = group.options.process_count, group.options.threads
    noun = "process" if count == 1 else "processes"
    each = f" with {threads} threads" if threads else ""
    if threads and group.options.application_groups == INTERPRETERS:
        gil = "a GIL of its own" if has_own_gil(server, group.name, name) else "the GIL of the main one"
        where = "its process" if count == 1 else f"each of its {count} processes"
        return f"a sub-interpreter in {where}, with {threads} threads and {gil}"
    whose = "for each" if name.endswith(f"|{_MANY}") or name.startswith("%{") else "of its own"
    return f"{count} {noun}{each} {whose}"


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
