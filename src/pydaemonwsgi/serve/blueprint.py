"""What is to be served, looked at and found possible; nothing of it has been started. Sans-I/O."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from pydaemonwsgi.config.client_options import ClientOptions
from pydaemonwsgi.config.group_options import GroupOptions
from pydaemonwsgi.config.model import NOWHERE, AccessLog, InterpreterOptions, LogTarget, Position, Server
from pydaemonwsgi.config.values import ListenAddress
from pydaemonwsgi.system.identities import Identity

# Imported where it is used otherwise: the supervisor holds no HTTP code.
if TYPE_CHECKING:
    from pydaemonwsgi.daemon.settings import DaemonSettings

__all__ = ["Blueprint", "Division", "GroupBlueprint"]


@dataclass(frozen=True, slots=True)
class Division:
    """By what the application groups of a process group are told apart.

    Attributes:
        base: the application group of the processes that are started in any case; None: the first that is wanted.
        imports: application groups and what is loaded early in each: a path as its processes see it, or `module:NAME`.
        interpreters: the blocks that may hold for the process group, in the order of the file.
        limit: application groups at the same time.
        together: they share the processes: the base's is the main interpreter, each other has sub-interpreters.
    """

    base: str | None
    imports: tuple[tuple[str, str], ...]
    interpreters: tuple[InterpreterOptions, ...]
    limit: int
    together: bool = False

    @property
    def early(self) -> tuple[str, ...]:
        """The application groups besides the base that are there from the start, because something is loaded there."""
        return tuple(name for name in dict.fromkeys(name for name, _ in self.imports) if name != self.base)


@dataclass(frozen=True, slots=True)
class GroupBlueprint:
    """One process group. Two that are equal have the same processes.

    Attributes:
        name: no two of a server have the same.
        options: what was asked for.
        settings: the orders of its daemon processes.
        scripts: files whose change is looked at while no process can be started.
        error_log: its own, if it is not the server's.
        division: by application groups; None: all that is sent to it runs in the same interpreter.
    """

    name: str
    options: GroupOptions
    settings: "DaemonSettings"
    scripts: tuple[str, ...]
    error_log: LogTarget | None = None
    division: Division | None = None


@dataclass(frozen=True, slots=True)
class Blueprint:
    """A server.

    Attributes:
        subject: what is served, for people.
        name: what the server is called, where nothing else says it.
        listen: where to listen.
        listens_by_default: nobody has said where, so a `.socket` unit may.
        clients: what the front allows clients.
        mount_point: where the one application is; "/" with a configuration.
        identity: who the front becomes; None to stay who started it.
        groups: the process groups, in their order.
        fallback: whose bounds count for what no process group answers.
        error_log: None is standard error.
        log_level: of the supervisor and the front.
        pid_file: where the supervisor's pid is written; None for nowhere.
        access_logs: of each host, in the order of `site.hosts`; of the only host without a configuration.
        site: the configuration; None where every request goes to one script.
        examined: the interpreters that have been looked at, and as whom; with each, why it cannot go without a GIL,
            None if it can.
        unusable: the interpreters that cannot be used, and as whom.
        notes: what the operator may want to know.
        warnings: what the operator should read.
    """

    subject: str
    name: str
    listen: tuple[ListenAddress, ...]
    listens_by_default: bool
    clients: ClientOptions
    mount_point: str
    identity: Identity | None
    groups: tuple[GroupBlueprint, ...]
    fallback: GroupOptions
    error_log: LogTarget | None
    log_level: str
    pid_file: str | None
    access_logs: tuple[tuple[AccessLog, ...], ...]
    site: Server | None = None
    examined: Mapping[object, str | None] = field(default_factory=dict, compare=False)
    unusable: frozenset[object] = field(default=frozenset(), compare=False)
    notes: Sequence[str] = field(default=(), compare=False)
    warnings: Sequence[str] = field(default=(), compare=False)

    @property
    def places(self) -> Mapping[ListenAddress, Position]:
        """Where it is written that each address is listened on."""
        if self.site is None:
            return dict.fromkeys(self.listen, NOWHERE)
        return {listener.address: listener.position for listener in reversed(self.site.listeners)}
