"""Which application groups a configuration makes, and what each would run as. Sans-I/O.

`%{GLOBAL}` is the main interpreter of the group's processes. Every other application group has processes of its own,
or a sub-interpreter in each of the process group's: `application-groups=` says which, or `settled` decides.
"""

import dataclasses
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from pydaemonwsgi.config.group_options import GroupOptions
from pydaemonwsgi.config.grouping import WSGI_HANDLERS, free_threading_of, group_of, has_own_gil, settings_at
from pydaemonwsgi.config.model import Host, Position, ProcessGroup, ScriptAlias, Server, merge_settings
from pydaemonwsgi.config.values import AUTO, INTERPRETERS, PROCESSES

__all__ = ["ApplicationGroup", "application_groups", "runs_as", "settled"]

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


def settled(server: Server, has_subinterpreters: Callable[[GroupOptions], bool]) -> Server:
    """Return the configuration with `application-groups=auto` decided for every process group.

    As under mod_wsgi they are sub-interpreters, where the group's Python has them and there can be several: one alone
    has the main interpreter of processes that nobody else uses, which is better in every respect. Names that clients
    choose (`%{HOST}`) get processes: those are dropped when there are too many, and sub-interpreters cannot be.

    Args:
        server: the configuration.
        has_subinterpreters: whether the Python of a process group has them; asked only where it matters.
    """
    names: dict[str, set[str]] | None = None
    groups = []
    for group in server.groups:
        options = group.options
        if options.application_groups != AUTO:
            groups.append(group)
            continue
        choice = PROCESSES
        if _may_have_subinterpreters(group) and (options.python_home is not None or has_subinterpreters(options)):
            if names is None:
                names = _names(server)
            if _are_several(names.get(group.name, set())) and has_subinterpreters(options):
                choice = INTERPRETERS
        decided = dataclasses.replace(options, application_groups=choice)
        groups.append(dataclasses.replace(group, options=decided))
    return dataclasses.replace(server, groups=tuple(groups))


def _may_have_subinterpreters(group: ProcessGroup) -> bool:
    """Whether nothing that the group is told speaks against them."""
    options = group.options
    return (
        group.name != ""  # embedded mode's group has no options by which to choose otherwise
        and options.threads > 0
        and not options.preload  # what is preloaded is forked, and sub-interpreters do not outlive that
        and options.chroot is None
    )


def _names(server: Server) -> dict[str, set[str]]:
    names: dict[str, set[str]] = {}
    for one in application_groups(server):
        names.setdefault(one.process_group, set()).add(one.name)
    return names


def _are_several(names: set[str]) -> bool:
    """Whether a group can have more than one application group, and their number is not up to clients."""
    several = len(names) > 1 or any(name.endswith(f"|{_MANY}") for name in names)
    return several and not any(name.startswith("%{") for name in names)


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
    inherits = any(address.is_everywhere for address in host.addresses)
    name = host.server_name or (server.main.server_name if inherits else None) or "localhost"
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
        free = free_threading_of(server, group.name)
        gil = "a GIL of its own" if has_own_gil(server, group.name, name) else "the GIL of the main one"
        if free is not None and free.free_threading:
            gil = "no GIL (WSGIFreeThreading)"
        where = "its process" if count == 1 else f"each of its {count} processes"
        return f"a sub-interpreter in {where}, with {threads} threads and {gil}"
    whose = "for each" if name.endswith(f"|{_MANY}") or name.startswith("%{") else "of its own"
    return f"{count} {noun}{each} {whose}"
