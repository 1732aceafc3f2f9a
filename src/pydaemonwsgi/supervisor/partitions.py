"""Which processes an application group runs in: the partitions of one process group. Sans-I/O.

Theory of operation. The application groups of a process group are kept apart: each has daemon processes of its own, a
**partition**. The first partition is the **base**: its processes are started with the server. Where the configuration
does not say whose it is, it is unbound: its processes have loaded nothing, so the first application group that a
request wants gets them. Every other partition is made when a request first wants it, or at the start if scripts are
loaded early there.

The front asks (WANT) and is told (PARTITION); until then its requests wait. It asks again what was not answered, so
every event here may come twice. Names may be chosen by clients (`%{HOST}`), so there is a limit. When it is reached,
the front names, with what it wants, the partition that has been unused for longest, and that one makes room: the front
gives it nothing any more, and its processes leave as those of a replaced generation do.

A key names a partition between supervisor and front. No two partitions of a server's life have the same, so that what
is said of one that has left does not count for its successor of the same name.

| standing | wanted | crowded out | ended |
|---|---|---|---|
| (none) | SERVING, made; UNBOUND base: SERVING, bound | – | – |
| UNBOUND | SERVING | – | – |
| SERVING | SERVING, told again | LEAVING | – |
| LEAVING | (another is made) | – | gone |
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import Enum
from typing import Final

from pydaemonwsgi.channel.control import LONGEST_APPLICATION_GROUP

__all__ = ["Bind", "Leave", "Make", "Partition", "PartitionAction", "PartitionTable", "Refuse", "Standing", "Tell"]

_TOO_LONG: Final = f"its name has more than {LONGEST_APPLICATION_GROUP} characters"
_SERVICE: Final = "service scripts (threads=0) take none; send them to another process group"
_FULL: Final = (
    "there are {} already, {}; let applications share an interpreter "
    "(WSGIApplicationGroup %{{GLOBAL}}, or one name for several), or raise the limit"
)
_USED: Final = "all in use (maximum-application-groups)"
_STAY: Final = "and their interpreters stay (maximum-application-groups, application-groups=interpreters)"
# Seconds between two records of the same refusal.
_QUIET: Final = 60.0


class Standing(Enum):
    """Where a partition is in its life."""

    UNBOUND = "unbound"
    SERVING = "serving"
    LEAVING = "leaving"


class _Event(Enum):
    WANTED = "wanted"
    CROWDED_OUT = "crowded out"


_TRANSITIONS: Final = {
    (Standing.UNBOUND, _Event.WANTED): Standing.SERVING,
    (Standing.SERVING, _Event.WANTED): Standing.SERVING,
    (Standing.SERVING, _Event.CROWDED_OUT): Standing.LEAVING,
}


@dataclass(slots=True)
class Partition:
    """One partition.

    Attributes:
        key: what front and supervisor call it.
        application_group: whose it is; None while it is unbound.
        standing: see the table.
        lasts: it never makes room: the base, and where scripts are loaded early.
    """

    key: str
    application_group: str | None
    standing: Standing
    lasts: bool


@dataclass(frozen=True, slots=True)
class Make:
    """Start the processes of a partition."""

    partition: Partition


@dataclass(frozen=True, slots=True)
class Bind:
    """Start the base's processes for its application group from now on; those that run become its own."""

    partition: Partition


@dataclass(frozen=True, slots=True)
class Tell:
    """Tell the front that an application group is this partition's."""

    partition: Partition


@dataclass(frozen=True, slots=True)
class Leave:
    """Tell the front to forget a partition, and have its processes leave once they have answered."""

    partition: Partition


@dataclass(frozen=True, slots=True)
class Refuse:
    """Tell the front that there is no room for an application group.

    Attributes:
        text: for the log; "" if it was said a moment ago.
    """

    application_group: str
    text: str


PartitionAction = Make | Bind | Tell | Leave | Refuse


class PartitionTable:
    """The partitions of one process group.

    Args:
        group: its name, which is the base's key.
        base: whose the base is; None: the first application group's that is wanted.
        early: others that are there from the start.
        limit: how many there may be.
        fits: whether processes that were started for nobody in particular may be an application group's.
        new_key: makes a key that no partition has had.
        serves: whether its processes take requests; those that run service scripts do not.
        together: the others run in the base's processes, in sub-interpreters; those cannot be taken down, so nobody
            makes room.
    """

    def __init__(
        self,
        group: str,
        *,
        base: str | None,
        early: Iterable[str],
        limit: int,
        fits: Callable[[str], bool],
        new_key: Callable[[], str],
        serves: bool = True,
        together: bool = False,
    ) -> None:
        self.group = group
        self.limit = limit
        self._fits = fits
        self._new_key = new_key
        self._serves = serves
        self._together = together
        self._quiet_until = 0.0
        self._base = Partition(group, base, Standing.UNBOUND if base is None else Standing.SERVING, lasts=True)
        self._partitions = {group: self._base}
        self._early = tuple(early)

    def __repr__(self) -> str:
        """Return what an operator would ask for."""
        return f"<PartitionTable {self.group}: {', '.join(map(str, self._partitions.values()))}>"

    @property
    def serving(self) -> list[Partition]:
        """What a front has to know: the partitions that have an application group and go on."""
        return [one for one in self._partitions.values() if one.standing is Standing.SERVING]

    @property
    def owner_of_base(self) -> str | None:
        """The application group whose the base is; None while it is nobody's."""
        return self._base.application_group

    def renew(self, *, early: Iterable[str], limit: int, fits: Callable[[str], bool]) -> list[PartitionAction]:
        """The configuration says something else; return what is to be made. The arguments are those of the table."""
        self.limit, self._fits = limit, fits
        wanted = set(early)
        for partition in self.serving:
            partition.lasts = self._together or partition is self._base or partition.application_group in wanted
            if partition.application_group is not None:
                wanted.discard(partition.application_group)
        return self._make_early(sorted(wanted))

    def start(self) -> list[PartitionAction]:
        """Return what is to be made at once."""
        return self._make_early(self._early)

    def want(self, application_group: str, spare: str, now: float) -> list[PartitionAction]:
        """A request needs an application group; return what is to be done.

        Args:
            application_group: its name.
            spare: key of the partition that has been unused for longest, "" if all are in use.
            now: monotonic seconds.
        """
        found = self._find(application_group)
        if found is not None:
            return [Tell(found)]
        if len(application_group) > LONGEST_APPLICATION_GROUP:
            return [self._refuse(application_group, _TOO_LONG, now)]
        if not self._serves:
            return [self._refuse(application_group, _SERVICE, now)]
        if self._base.standing is Standing.UNBOUND and self._fits(application_group):
            self._base.application_group = application_group
            self._apply(self._base, _Event.WANTED)
            return [Bind(self._base), Tell(self._base)]
        actions: list[PartitionAction] = []
        if self._count >= self.limit:
            unused = self._partitions.get(spare)
            if unused is None or unused.lasts or unused.standing is not Standing.SERVING:
                return [
                    self._refuse(application_group, _FULL.format(self.limit, _STAY if self._together else _USED), now)
                ]
            self._apply(unused, _Event.CROWDED_OUT)
            actions.append(Leave(unused))
        made = self._make(application_group, lasts=self._together)
        return [*actions, Make(made), Tell(made)]

    def on_ended(self, key: str) -> None:
        """The last process of a partition that was to leave has ended."""
        partition = self._partitions.get(key)
        if partition is not None and partition.standing is Standing.LEAVING:
            del self._partitions[key]

    @property
    def _count(self) -> int:
        """How many there are; the main interpreter is there in any case where the others are sub-interpreters."""
        living = [one for one in self._partitions.values() if one.standing is not Standing.LEAVING]
        return len(living) - self._together

    def _find(self, application_group: str) -> Partition | None:
        return next((one for one in self.serving if one.application_group == application_group), None)

    def _make_early(self, names: Iterable[str]) -> list[PartitionAction]:
        made = [self._make(name, lasts=True) for name in names]
        # A front that is there already has to know them, too: it refuses processes of nobody.
        return [action for partition in made for action in (Make(partition), Tell(partition))]

    def _make(self, application_group: str, *, lasts: bool) -> Partition:
        partition = Partition(self._new_key(), application_group, Standing.SERVING, lasts)
        self._partitions[partition.key] = partition
        return partition

    @staticmethod
    def _apply(partition: Partition, event: _Event) -> None:
        partition.standing = _TRANSITIONS[partition.standing, event]

    def _refuse(self, application_group: str, why: str, now: float) -> Refuse:
        text = ""
        if now >= self._quiet_until:
            # Clients may choose the names: one record a minute says it.
            self._quiet_until = now + _QUIET
            text = (
                f"process group {self.group}: the application group {application_group[:200]!r} gets no processes, and "
                f"its requests are answered with 500, because {why}"
            )
        return Refuse(application_group, text)
