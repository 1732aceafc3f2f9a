"""The process groups that are divided by application groups: does what their tables say. Shell."""

import functools
import itertools
import logging
import time
from collections.abc import Callable
from typing import Final

from pydaemonwsgi.channel.control import Message, Word
from pydaemonwsgi.supervisor.front import Front
from pydaemonwsgi.supervisor.groups import ProcessGroup
from pydaemonwsgi.supervisor.hosting import HostingProcessGroup
from pydaemonwsgi.supervisor.partitions import (
    Bind,
    Leave,
    Make,
    Partition,
    PartitionAction,
    PartitionTable,
    Refuse,
    Tell,
)
from pydaemonwsgi.supervisor.plan import Division, GroupPlan

__all__ = ["Divisions"]

logger = logging.getLogger(__name__)

# For keys: no two partitions of a server's life have the same.
_numbers: Final = itertools.count(1)


class _Divided:
    """A process group that is divided.

    Attributes:
        base: its own processes.
        division: how.
        table: decides.
    """

    def __init__(self, base: ProcessGroup, division: Division) -> None:
        self.base = base
        self.division = division
        self.table = PartitionTable(
            base.name,
            base=division.base,
            early=division.early,
            limit=division.limit,
            fits=division.fits,
            new_key=functools.partial(_new_key, base.name),
            serves=bool(base.plan.threads),
            together=division.together,
        )


class Divisions:
    """See the module's docstring.

    Args:
        groups: everything that has processes; partitions are put in, and taken out when they have ended.
        front: is told where requests go.
        make: makes the processes of a partition, of its plan and its key.

    Attributes:
        ended_before: requests ended by processes of partitions that have made room.
    """

    def __init__(
        self, groups: list[ProcessGroup], front: Front, make: Callable[[GroupPlan, str], ProcessGroup]
    ) -> None:
        self._groups = groups
        self._front = front
        self._make = make
        self._divided: dict[str, _Divided] = {}
        self._leaving: dict[str, ProcessGroup] = {}
        self.ended_before = 0
        for group in list(groups):
            if group.plan.division is not None:
                self.add(group, group.plan.division)

    def add(self, base: ProcessGroup, division: Division) -> None:
        """Divide a process group, and start what is there from the start."""
        divided = self._divided[base.name] = _Divided(base, division)
        self._do(divided, divided.table.start())

    def can_become(self, base: ProcessGroup, plan: GroupPlan) -> bool:
        """Whether the processes of a process group can be replaced one after the other by those of a plan."""
        divided = self._divided[base.name]
        return (
            plan.division is not None
            and plan.division.base == divided.division.base
            and plan.division.together == divided.division.together
            and all(one.can_become(plan) for one in self._parts(divided))
        )

    def become(self, base: ProcessGroup, plan: GroupPlan) -> None:
        """Have every process of a process group replaced by one of another plan."""
        divided = self._divided[base.name]
        division = plan.division
        assert division is not None
        divided.division = division
        owner = divided.table.owner_of_base
        base.become(plan)
        if owner is not None and division.base is None:
            base.bind(division.bound(owner))
        for partition in divided.table.serving:
            if partition.key == base.key or partition.application_group is None:
                continue
            own = division.plan(partition.application_group)
            if isinstance(base, HostingProcessGroup):
                base.change(own, partition.key)
            else:
                self._part(partition.key).become(own)
        self._do(divided, divided.table.renew(early=division.early, limit=division.limit, fits=division.fits))

    def remove(self, base: ProcessGroup) -> list[ProcessGroup]:
        """Forget a process group; return all that has processes of it."""
        divided = self._divided.pop(base.name)
        parts = self._parts(divided)
        for part in parts:
            self._groups.remove(part)
            self._leaving.pop(part.key, None)
        return parts

    def _parts(self, divided: _Divided) -> list[ProcessGroup]:
        return [group for group in self._groups if group.plan.belongs_to == divided.base.name]

    def _part(self, key: str) -> ProcessGroup:
        return next(group for group in self._groups if group.key == key)

    def on_front(self) -> None:
        """A front is there that knows nothing: tell it where requests go."""
        for divided in self._divided.values():
            for partition in divided.table.serving:
                self._tell(divided, partition)

    def want(self, message: Message) -> None:
        """The front needs an application group."""
        divided = self._divided.get(message.text("group"))
        if divided is None:
            logger.error("the front wants a part of %r, which is no process group", message.text("group")[:80])
            return
        actions = divided.table.want(message.text("application_group"), message.text("spare"), time.monotonic())
        self._do(divided, actions)

    def carry_out(self) -> None:
        """Forget the partitions whose last process has ended."""
        for key, group in list(self._leaving.items()):
            if group.is_empty:
                self.ended_before += group.ended_before
                del self._leaving[key]
                self._groups.remove(group)
                self._divided[group.plan.belongs_to].table.on_ended(key)

    def _do(self, divided: _Divided, actions: list[PartitionAction]) -> None:
        for action in actions:
            match action:
                case Make(partition):
                    self._start(divided, partition)
                case Bind(partition):
                    assert partition.application_group is not None
                    logger.info(
                        "process group %s: its processes are for the application group %r, which is wanted first",
                        divided.base.name,
                        partition.application_group,
                    )
                    divided.base.bind(divided.division.bound(partition.application_group))
                case Tell(partition):
                    self._tell(divided, partition)
                case Leave(partition):
                    self._leave(partition)
                case Refuse(application_group, text):
                    self._refuse(divided, application_group, text)

    def _start(self, divided: _Divided, partition: Partition) -> None:
        assert partition.application_group is not None
        plan = divided.division.plan(partition.application_group)
        if isinstance(divided.base, HostingProcessGroup):
            logger.info(
                "process group %s: the application group %r gets an interpreter in each of its processes",
                divided.base.name,
                partition.application_group,
            )
            divided.base.open(plan, partition.key)
            return
        base = divided.base.planner
        # What was asked for with `scale` holds for all of the process group.
        if plan.planner.size != base.size:
            plan.planner.size = base.size
        logger.info(
            "process group %s: wanted for the first time; starting %d of its processes", plan.name, plan.planner.size
        )
        self._groups.append(self._make(plan, partition.key))

    def _tell(self, divided: _Divided, partition: Partition) -> None:
        self._front.say(
            Word.PARTITION,
            group=divided.base.name,
            application_group=partition.application_group,
            key=partition.key,
        )

    def _leave(self, partition: Partition) -> None:
        group = self._part(partition.key)
        logger.info("process group %s: unused for a while; its processes make room for others", group.name)
        self._front.say(Word.LEAVE, key=partition.key)
        group.planner.leave(time.monotonic())
        self._leaving[partition.key] = group

    def _refuse(self, divided: _Divided, application_group: str, text: str) -> None:
        if text:
            logger.error("%s", text)
        self._front.say(Word.CROWDED, group=divided.base.name, application_group=application_group)


def _new_key(group: str) -> str:
    return f"{group}|{next(_numbers)}"
