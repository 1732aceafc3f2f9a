"""What each application group will run as. Sans-I/O.

`%{GLOBAL}` is the main interpreter of the group's processes. Any other application group is kept apart from the rest:
in a sub-interpreter of the same process from Python 3.13 on, in processes of its own before that.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from pydaemonwsgi.config.checking.machine import Machine
from pydaemonwsgi.config.grouping import WSGI_HANDLERS, group_of, settings_at
from pydaemonwsgi.config.model import Host, Position, ScriptAlias, Server, merge_settings

__all__ = ["FIRST_WITH_SUB_INTERPRETERS", "ApplicationGroup", "application_groups"]

FIRST_WITH_SUB_INTERPRETERS = (3, 13)


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


def application_groups(server: Server, machine: Machine) -> list[ApplicationGroup]:
    """Those that aliases and import scripts name; each once, in the order of the file."""
    versions = {group.name: machine.python_version(group.options) for group in server.groups}
    found: dict[tuple[str, str], ApplicationGroup] = {}
    for process_group, name, script, position in _named(server):
        key = (process_group, name)
        if key not in found:
            version = versions.get(process_group)
            found[key] = ApplicationGroup(process_group, name, _runs_as(name, version), script, position)
    return list(found.values())


def _named(server: Server) -> Iterator[tuple[str, str, str, Position]]:
    for host in server.hosts:
        for alias in host.script_aliases:
            yield group_of(host, alias), _alias_name(host, alias), alias.target, alias.position
        for section in (None, *host.sections):
            own = host.settings if section is None else section.settings
            settings = host.settings if section is None else merge_settings(host.settings, section.settings)
            for rule in own.extensions:
                if rule.attribute == "handler" and rule.value in WSGI_HANDLERS:
                    name = _expanded(host, settings.application_group, "each script")
                    yield settings.process_group or "", name, f"*.{rule.extension}", rule.position
    for script in server.import_scripts:
        yield script.process_group, script.application_group, script.path, script.position


def _alias_name(host: Host, alias: ScriptAlias) -> str:
    form = alias.application_group
    if form is None:
        url = None if alias.is_regex else alias.url
        form = settings_at(host, url, alias.target).application_group
    return _expanded(host, form, "each script" if alias.is_regex else alias.url.rstrip("/"))


def _expanded(host: Host, form: str | None, resource: str) -> str:
    """The form as far as it can be expanded without a request."""
    server = host.server_name or "%{SERVER}"
    if host.server_name and host.server_port not in (None, 80, 443):
        server += f":{host.server_port}"
    if form == "%{SERVER}":
        return server
    if form is None or form == "%{RESOURCE}":
        return f"{server}|{resource}"
    return form


def _runs_as(name: str, version: tuple[int, int] | None) -> str:
    if name == "":
        return "the main interpreter of its processes"
    if version is None:
        return "a sub-interpreter if its Python is 3.13 or later, else processes of its own"
    text = ".".join(map(str, version))
    if version >= FIRST_WITH_SUB_INTERPRETERS:
        return f"a sub-interpreter of its processes (Python {text})"
    return f"processes of its own (sub-interpreters need Python 3.13, this is {text})"
