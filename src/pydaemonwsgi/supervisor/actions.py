"""What the planner of a process group wants done; `groups` and `preloaded` carry it out. Sans-I/O."""

from collections.abc import Mapping
from dataclasses import dataclass

__all__ = [
    "Action",
    "Admit",
    "Attach",
    "Detach",
    "Dump",
    "Keep",
    "Kill",
    "NumberedAction",
    "Refuse",
    "Resume",
    "Spawn",
    "SpawnParent",
    "Stop",
]


@dataclass(frozen=True, slots=True)
class Spawn:
    """Fork a daemon process; `parent` is the number of the preload parent that does it, 0 for the supervisor itself."""

    parent: int = 0


@dataclass(frozen=True, slots=True)
class SpawnParent:
    """Fork a preload parent, which loads the script and then forks daemon processes."""


@dataclass(frozen=True, slots=True)
class Attach:
    """Connect a daemon process with the front: it gets requests from now on."""

    number: int


@dataclass(frozen=True, slots=True)
class Detach:
    """Have the front give it no more requests and close its channel after the last answer."""

    number: int


@dataclass(frozen=True, slots=True)
class Stop:
    """Ask a daemon process to leave; its running requests get `timeout` seconds."""

    number: int
    timeout: float


@dataclass(frozen=True, slots=True)
class Kill:
    """SIGKILL."""

    number: int


@dataclass(frozen=True, slots=True)
class Dump:
    """Have it write the stacks of its threads to the error log, even if nothing else works in it."""

    number: int


@dataclass(frozen=True, slots=True)
class Keep:
    """Tell a daemon process that these versions of scripts do not load, so that it goes on with its own."""

    number: int
    versions: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Resume:
    """Have the front give it requests again."""

    number: int


@dataclass(frozen=True, slots=True)
class Refuse:
    """Have the front answer requests of the group with 503: no process will run them before `seconds` have passed."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Admit:
    """Have the front let requests of the group wait again."""


NumberedAction = Attach | Detach | Stop | Kill | Dump | Keep | Resume
Action = Spawn | SpawnParent | NumberedAction | Refuse | Admit
