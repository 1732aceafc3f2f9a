"""Process group, application group and callable object of a request: mod_wsgi's names and forms. Sans-I/O.

A form such as `%{ENV:NAME}` is a whole value or none. What cannot be resolved stays as it is written, and then is
the name of a group that does not exist: a request is never sent to a group that nobody named.
"""

from collections.abc import Mapping
from typing import Final

from pydaemonwsgi.config.model import EMBEDDED, ProcessGroup, Settings
from pydaemonwsgi.routing.request import Request

__all__ = ["GroupTable", "expand_callable", "expand_group"]

# A client that comes by a Unix socket has come to port 0, and is told 80.
_STANDARD_PORTS: Final = frozenset({0, 80, 443})


def _port(request: Request) -> str:
    # Not the Host header's port, as mod_wsgi: clients could choose application groups by it.
    port = request.site.host.server_port or int(request.fact("local_port"))
    return "" if port in _STANDARD_PORTS else f":{port}"


def _server(request: Request) -> str:
    return (request.site.server_name or "localhost") + _port(request)


def _variable(name: str, request: Request) -> str | None:
    """Return a variable: of SetEnvIf or a rule, of SetEnv, of the process, whoever has it first (mod_wsgi's order)."""
    value = request.environment.get(name)
    if value is None:
        value = dict(request.context.variables).get(name)
    return request.site.process_environment.get(name) if value is None else value


def expand_group(value: str, request: Request, script_name: str) -> str:
    """Return a group's name; the empty name is the main interpreter or the group for scripts without one."""
    if not value.startswith("%{"):
        return value
    if value.startswith("%{ENV:") and value.endswith("}"):
        found = _variable(value[6:-1], request)
        if found is None:
            return value
        if not found.startswith("%{") or found.startswith("%{ENV:"):
            return found
        value = found
    match value:
        case "%{GLOBAL}":
            return ""
        case "%{SERVER}":
            return _server(request)
        case "%{HOST}":
            return (request.fact("host") or request.site.server_name or "localhost") + _port(request)
        case "%{RESOURCE}":
            name = f"{_server(request)}|{script_name}"
            return name if request.site.case_sensitive else name.lower()
    return value


def expand_callable(value: str, request: Request) -> str:
    """Return the name of the application; only `%{ENV:NAME}` is a form here."""
    if not value.startswith("%"):
        return value
    if value.startswith("%{ENV:") and value.endswith("}"):
        return _variable(value[6:-1], request) or "application"
    return "application"


class GroupTable:
    """The process groups of a server."""

    def __init__(self, groups: tuple[ProcessGroup, ...]) -> None:
        self._groups: Mapping[str, ProcessGroup] = {group.name: group for group in groups}
        names = list(self._groups)
        # Where nobody names a group: mod_wsgi's embedded mode, or else the only group that there is.
        self._default = names[0] if len(names) == 1 else ""

    def choose(self, written: str | None, request: Request, script_name: str) -> str:
        """Return the name of the group that `written` stands for."""
        if written is None:
            return self._default
        return expand_group(written, request, script_name)

    def refusal(self, name: str, settings: Settings, server_name: str | None) -> str | None:
        """Return why a request may not be given to a group, or None: mod_wsgi's checks in their order."""
        restricted = settings.restrict_process
        if restricted is not None and name not in restricted:
            return f"process group {_title(name)} is not among those that WSGIRestrictProcess allows here"
        group = self._groups.get(name)
        if group is None:
            known = ", ".join(sorted(map(_title, self._groups))) or "none"
            return f"there is no process group {_title(name)}; there are {known}"
        if group.server_name is not None and group.server_name != server_name:
            return f"process group {name!r} belongs to the host {group.server_name}, not to {server_name}"
        return None


def _title(name: str) -> str:
    return repr(name) if name else f"{EMBEDDED!r} (%{{GLOBAL}})"
