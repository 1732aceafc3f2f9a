"""What to supervise: the front, and each process group. Sans-I/O."""

import socket
from collections.abc import Callable
from dataclasses import dataclass, field

from pydaemonwsgi.config.model import partition_title
from pydaemonwsgi.supervisor.logs import SERVER_ERROR_LOG, Logs
from pydaemonwsgi.supervisor.rollover import Group
from pydaemonwsgi.supervisor.upgrade import FOREIGN, LISTENER
from pydaemonwsgi.system.control_sockets import ControlSocket
from pydaemonwsgi.system.notify import Notifier

__all__ = ["Division", "GroupPlan", "Plan", "Renewal"]


@dataclass(frozen=True, slots=True)
class Division:
    """How a process group is divided by application groups; see `partitions`.

    Attributes:
        base: the application group of the group's own processes; None: the first that is wanted.
        early: the others that have processes from the start.
        limit: how many there may be.
        fits: whether processes that were started for nobody in particular may be an application group's.
        plan: makes the plan of an application group's own processes.
        bound: makes the plan of the base's processes, once they are an application group's.
        together: whether the others run in the base's processes, each in a sub-interpreter of every one.
    """

    base: str | None
    early: tuple[str, ...]
    limit: int
    fits: Callable[[str], bool]
    plan: "Callable[[str], GroupPlan]"
    bound: "Callable[[str], GroupPlan]"
    together: bool = False


@dataclass(frozen=True, slots=True)
class GroupPlan:
    """One process group.

    Attributes:
        planner: decides about its processes; has the group's name, size and time-outs.
        threads: worker threads of each daemon process; 0 if it runs a service script and takes no requests.
        run_daemon: be a daemon process, in the child: control connection and descriptor of the scoreboard's memory.
        script_version: looks at the script's file: its modification time in nanoseconds, 0 where there is none.
        channel_buffers: bytes of the kernel's buffers of a channel, sending and receiving; 0 for roomy ones.
        maximum_memory: bytes of resident memory beyond which a process is replaced; 0 for no such limit.
        cpu_time: seconds on a processor at which the kernel kills a process; 0 for never.
        run_parent: be a preload parent, in the child: control connection; for a `PreloadedGroup`, which needs it.
        error_log: descriptor of the group's error log, which its processes have as descriptor 2.
        server_metrics: whether its processes may ask what all processes of the server do.
        process_group: name of the process group; "" if it is the name that people see.
        application_group: whose processes they are, "" is the main interpreter's; None: the first's that is wanted.
        division: of the process group; None where these are not its own processes, or where it is not divided.
        interpreter: the orders of a sub-interpreter, where an application group has one in each process.
    """

    planner: Group
    threads: int
    run_daemon: Callable[[socket.socket, int], int]
    script_version: Callable[[], int]
    channel_buffers: tuple[int, int] = (0, 0)
    maximum_memory: int = 0
    cpu_time: float = 0.0
    run_parent: Callable[[socket.socket], int] | None = None
    error_log: int = SERVER_ERROR_LOG
    server_metrics: bool = False
    process_group: str = ""
    application_group: str | None = ""
    division: Division | None = None
    interpreter: bytes = b""

    @property
    def name(self) -> str:
        """The group's name."""
        return self.planner.name

    @property
    def belongs_to(self) -> str:
        """The name of the process group that these processes belong to, whatever application group they are for."""
        return self.process_group or self.name

    def is_called(self, name: str) -> bool:
        """Whether people mean these processes, among others, by a name.

        A process group's name means all of them, whatever application groups they are for; `GROUP|APPLICATION-GROUP`
        means one application group's.
        """
        own = self.application_group
        return name == self.belongs_to or (own is not None and name == partition_title(self.belongs_to, own))


@dataclass(frozen=True, slots=True)
class Plan:
    """The whole server.

    Attributes:
        groups: the process groups; their names differ.
        listeners: listening sockets, for the front.
        addresses: what they listen on, in words.
        logs: the logs, all open.
        control_socket: where commands come from; None for none.
        run_front: be the front, in the child; the memory is for its signs of life.
        front_timeout: seconds that it may give none before it is replaced; 0 for any time.
        graceful_timeout: seconds for running requests when the server stops.
        notifier: the way to the service manager.
        predecessor: connection to the supervisor that this one is to replace; None where it replaces nobody.
        inherited: the numbers of its listeners (`sockets.number`).
        heirlooms: what a successor is given, by name.
        directory: where this command was started, as the user called it.
        upgrade_timeout: seconds that a successor has to become ready.
        renew: reads the configuration again; None where there is none to be read.
        on_ready: called once, when the front accepts clients; their requests wait until a daemon process is ready.
    """

    groups: tuple[GroupPlan, ...]
    listeners: tuple[socket.socket, ...]
    addresses: tuple[str, ...]
    logs: Logs
    control_socket: ControlSocket | None
    run_front: Callable[[socket.socket, memoryview], int]
    front_timeout: float
    graceful_timeout: float
    on_ready: Callable[[], None]
    notifier: Notifier = field(default_factory=lambda: Notifier(None))
    predecessor: socket.socket | None = None
    inherited: frozenset[int] = frozenset()
    heirlooms: tuple[tuple[str, int], ...] = ()
    directory: str = "/"
    upgrade_timeout: float = 60.0
    renew: "Callable[[], Renewal] | None" = None

    @property
    def stored(self) -> tuple[int, ...]:
        """Descriptors of the listeners that the service manager is to keep for whoever comes after us: our own."""
        return tuple(number for name, number in self.heirlooms if name == LISTENER) if self.notifier else ()

    @property
    def kept(self) -> frozenset[int]:
        """Descriptors of the listeners that the service manager has when this server has gone: its own and `stored`."""
        return frozenset(self.stored).union(number for name, number in self.heirlooms if name == FOREIGN)


@dataclass(frozen=True, slots=True)
class Renewal:
    """What a configuration that has been read again asks for.

    Attributes:
        is_new: whether it asks for anything else than before; only then the rest is said.
        groups: every process group that there is to be.
        changed: the names of those whose processes have to be replaced.
        orders: for a front that runs.
        descriptors: what travels with them.
        listeners: all listening sockets.
        addresses: what they listen on, in words.
        heirlooms: what a successor is given, by name.
        leave: withdraws and closes the listeners that are gone; to be called before the front is told, which accepts
            whoever comes by them still.
        settle: gives up what else nobody uses any more; to be called once the front has been told.
        warnings: what the operator should read.
    """

    is_new: bool
    groups: tuple[GroupPlan, ...] = ()
    changed: frozenset[str] = frozenset()
    orders: bytes = b""
    descriptors: tuple[int, ...] = ()
    listeners: tuple[socket.socket, ...] = ()
    addresses: tuple[str, ...] = ()
    heirlooms: tuple[tuple[str, int], ...] = ()
    leave: Callable[[], None] = lambda: None
    settle: Callable[[], None] = lambda: None
    warnings: tuple[str, ...] = ()
