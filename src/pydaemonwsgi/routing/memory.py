"""What a host has decided, and for how long and for whom that counts. Sans-I/O."""

from typing import Final, NamedTuple

from pydaemonwsgi.routing.decisions import Decision, Script
from pydaemonwsgi.routing.request import NEVER_REMEMBERED, PERSONAL, Facts, read_fact

__all__ = ["FRESH", "Memory", "Mount", "MountKey"]

FRESH: Final = 1.0
"""Seconds for which a decision, and what it knows of files, is believed. A new file is seen that late at most."""

# Decisions remembered for each host, and the longest path that is worth it.
_REMEMBERED: Final = 4096
_LONGEST_REMEMBERED: Final = 1024

MountKey = tuple[str, str, int, tuple[int, ...]]
"""Of a mount point: the script, where it is mounted, the port, which may be part of the application group's name, and
the `<Location>` sections that a path is in."""


class Mount(NamedTuple):
    """What is known of a mount point until `expires`; without a script each path is decided by itself."""

    expires: float
    script: Script | None


class Memory:
    """What one host has decided.

    Attributes:
        depends: names of the facts that its decisions have looked at so far.
        is_common: whether none of them is about who asks.
    """

    __slots__ = ("decisions", "depends", "is_common", "mounts")

    def __init__(self) -> None:
        self.depends: tuple[str, ...] = ()
        self.is_common = True
        self.decisions: dict[tuple[object, ...], tuple[float, Decision]] = {}
        self.mounts: dict[MountKey, Mount] = {}

    def key(self, facts: Facts) -> tuple[object, ...]:
        """Return what tells a request from others, as far as decisions have depended on it so far."""
        depends = self.depends
        if not depends:
            return facts.method, facts.path
        return facts.method, facts.path, *[read_fact(facts, name) for name in depends]

    def note_mount(self, key: MountKey, mount: Mount) -> None:
        """Keep what is known of a mount point."""
        if len(self.mounts) >= _REMEMBERED:
            self.mounts.clear()
        self.mounts[key] = mount

    def note(self, facts: Facts, consulted: set[str], decision: Decision, now: float) -> None:
        """Keep a decision that has looked at these facts."""
        if not consulted.issubset(self.depends):
            if consulted & NEVER_REMEMBERED:
                return
            self.depends = tuple(sorted(consulted.union(self.depends)))
            self.is_common = PERSONAL.isdisjoint(self.depends)
            self.decisions.clear()
        if len(facts.path) > _LONGEST_REMEMBERED:
            return
        if len(self.decisions) >= _REMEMBERED:
            self.decisions.clear()
        self.decisions[self.key(facts)] = (now + FRESH, decision)
