"""Reading a configuration of this machine, and everything that is wrong with it. Shell."""

import os
import socket
from collections.abc import Sequence
from dataclasses import replace

from pydaemonwsgi.config.application_groups import settled
from pydaemonwsgi.config.load import Loaded, in_order, load
from pydaemonwsgi.config.model import Server
from pydaemonwsgi.config.problems import Problem, Severity
from pydaemonwsgi.errors import ConfigurationError
from pydaemonwsgi.front.access_log import compile_format
from pydaemonwsgi.inspection.machine import LocalMachine
from pydaemonwsgi.routing.checking import check_routing
from pydaemonwsgi.routing.templates import variable_names
from pydaemonwsgi.system.files import LocalFiles

__all__ = ["read_configuration"]


def read_configuration(path: str, defined: Sequence[str] = (), machine: LocalMachine | None = None) -> Loaded:
    """Read a configuration of this machine, with its environment and its names of hosts.

    Args:
        path: of the file; relative to the current directory.
        defined: names for `<IfDefine>`.
        machine: knows what it has looked at already; None for one that knows nothing.
    """
    machine = machine or LocalMachine()
    loaded = load(
        os.path.abspath(path),
        LocalFiles(),
        defined=defined,
        environment=os.environ,
        lookup=_lookup,
        variables=variable_names(),
    )
    if loaded.draft is None:
        return loaded
    mistakes = [*check_routing(loaded.draft), *_wrong_formats(loaded.draft)]
    # What the reader has found wrong of a line is not said again in other words.
    known = {problem.position for problem in loaded.of(Severity.ERROR)}
    mistakes = [mistake for mistake in mistakes if mistake.position not in known]
    if mistakes:
        return Loaded(None, in_order((*loaded.problems, *mistakes)))
    if loaded.server is None:
        return loaded
    return replace(loaded, server=settled(loaded.server, machine.has_subinterpreters))


def _wrong_formats(server: Server) -> list[Problem]:
    """What is wrong with the formats of access logs, where each is defined."""
    written = [(one.text, one.position, "LogFormat") for host in server.hosts for one in host.log_formats]
    named = {text for text, _, _ in written}
    # Hosts inherit logs, so each is looked at once.
    logs = {log.position: log for host in server.hosts for log in host.access_logs}.values()
    written += [(log.format, log.position, log.directive) for log in logs if log.format not in named]
    problems = []
    for text, position, directive in written:
        try:
            compile_format(text)
        except ConfigurationError as error:
            problems.append(Problem(Severity.ERROR, position, directive, str(error)))
    return problems


def _lookup(name: str) -> list[str]:
    try:
        found = socket.getaddrinfo(name, None, type=socket.SOCK_STREAM)
    except OSError as error:
        raise OSError(f"there is no address for the host name {name!r} ({error.strerror})") from error
    return [str(entry[4][0]) for entry in found]
