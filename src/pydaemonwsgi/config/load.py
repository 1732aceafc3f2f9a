"""Reads a configuration file and makes the model of it. Sans-I/O."""

import posixpath
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from pydaemonwsgi.config.apache.files import FileSystem
from pydaemonwsgi.config.apache.reader import Reader
from pydaemonwsgi.config.builder import build
from pydaemonwsgi.config.directives.table import knows
from pydaemonwsgi.config.model import Host, Position, Server
from pydaemonwsgi.config.problems import Problem, Problems, Severity
from pydaemonwsgi.errors import ConfigurationError

__all__ = ["Loaded", "in_order", "load"]

_LISTENERS = frozenset({"Listen", "<VirtualHost>"})


@dataclass(frozen=True, slots=True)
class Loaded:
    """What a configuration file says.

    Attributes:
        server: None if an error may have left something out of it; without a listener it is whole.
        problems: everything that was found, by file and line.
        draft: the model as far as it could be made, for those who look for more errors; None if nothing was read.
    """

    server: Server | None
    problems: tuple[Problem, ...]
    draft: Server | None = None

    def of(self, severity: Severity) -> list[Problem]:
        """The problems of one severity."""
        return [problem for problem in self.problems if problem.severity is severity]

    def required(self) -> Server:
        """The model.

        Raises:
            ConfigurationError: with a line for every error.
        """
        errors = self.of(Severity.ERROR)
        if self.server is None or errors:
            count = "1 error" if len(errors) == 1 else f"{len(errors)} errors"
            raise ConfigurationError("\n".join([f"the configuration has {count}", *map(str, errors)]))
        return self.server


def load(
    path: str,
    files: FileSystem,
    *,
    defined: Iterable[str] = (),
    environment: Mapping[str, str] | None = None,
    lookup: Callable[[str], Sequence[str]] | None = None,
    variables: Iterable[str] | None = None,
) -> Loaded:
    """Read a configuration; nothing is raised for what is wrong in it.

    Args:
        path: absolute name of the file; its directory is the ServerRoot until the file names another.
        files: where it and what it includes is read.
        defined: names that `<IfDefine>` finds.
        environment: what `${NAME}` means where the file does not define it.
        lookup: the addresses of a host name in `<VirtualHost>`.
        variables: what `%{NAME}` may name in rules and their conditions; whoever reads the rules refuses others.
    """
    problems = Problems()
    reader = Reader(
        files,
        problems,
        server_root=posixpath.dirname(path),
        defined=defined,
        environment=environment,
        knows=knows,
    )
    nodes = reader.read(path)
    server = build(
        nodes,
        problems,
        server_root=reader.server_root,
        place=Position(path, 1),
        lookup=lookup,
        variables=None if variables is None else frozenset(variables),
    )
    if reader.passed_over and server is not None and not any(map(_answers, server.hosts)):
        text = "nothing is left to serve, so every request gets 404"
        problems.warning(reader.passed_over[0], "<IfModule>", text)
    errors = problems.of(Severity.ERROR)
    # What is wrong already may have been the listener.
    if server is not None and not server.listeners and not any(error.directive in _LISTENERS for error in errors):
        text = "there is none, and no <VirtualHost> names a port; write Listen 8000"
        problems.error(server.main.position, "Listen", text)
    return Loaded(None if errors else server, in_order(problems.found), server)


def _answers(host: Host) -> bool:
    """Whether anything is written that could answer a request."""
    settings = (host.settings, *(section.settings for section in host.sections))
    return bool(
        host.script_aliases
        or host.aliases
        or host.redirects
        or host.document_root
        or host.rewrite
        or any(one.set_handler or one.redirects or one.rewrite for one in settings)
    )


def in_order(found: Sequence[Problem]) -> tuple[Problem, ...]:
    """By file, in the order in which the files were read, then by line: what is found late is read early."""
    files = {name: place for place, name in enumerate(dict.fromkeys(problem.position.file for problem in found))}
    return tuple(sorted(found, key=lambda problem: (files[problem.position.file], problem.position.line)))
