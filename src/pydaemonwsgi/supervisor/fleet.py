"""Every process group of the server: those that are wanted, and those that nobody wants any more. Shell.

A process group that the configuration does not have any more is *unwanted*: it serves until the front says that no
request is for it, and then it *leaves*: its processes finish what they have. One that is wanted otherwise than its
processes can become leaves at once, and another one of its name begins beside it.
"""

import itertools
import logging
import selectors
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final

from pydaemonwsgi.channel.control import Message, Word
from pydaemonwsgi.metrics.scoreboard import Scoreboard
from pydaemonwsgi.supervisor.children import Child
from pydaemonwsgi.supervisor.crash_report import Death
from pydaemonwsgi.supervisor.divisions import Divisions
from pydaemonwsgi.supervisor.errands import Errands
from pydaemonwsgi.supervisor.front import Front
from pydaemonwsgi.supervisor.groups import ProcessGroup
from pydaemonwsgi.supervisor.hosting import HostingProcessGroup
from pydaemonwsgi.supervisor.logs import SERVER_ERROR_LOG
from pydaemonwsgi.supervisor.plan import GroupPlan
from pydaemonwsgi.supervisor.preloaded import PreloadedProcessGroup
from pydaemonwsgi.supervisor.preloading import PreloadedGroup
from pydaemonwsgi.supervisor.replacement import Progress, Replacement

__all__ = ["Fleet"]

logger = logging.getLogger(__name__)

# What the front says of process groups and their processes.
_WORDS: Final = frozenset((Word.LOST, Word.UNUSED, Word.DETACHED, Word.WANT))


class Fleet:
    """See the module's docstring.

    Args:
        plans: of the process groups.
        front: whom their processes are connected with.
        selector: the loop's.
        errands: what processes have been asked.

    Attributes:
        groups: those that are not to leave; a process group that is divided by application groups has several.
    """

    def __init__(
        self, plans: Iterable[GroupPlan], front: Front, selector: selectors.BaseSelector, errands: Errands
    ) -> None:
        self._front = front
        self._selector = selector
        self._errands = errands
        self._numbers = itertools.count(1)
        self.groups = [self._make(plan) for plan in plans]
        self._divisions = Divisions(self.groups, front, self._make)
        self._leaving: list[ProcessGroup] = []
        self._unwanted: set[str] = set()
        self._ended_before = 0  # by processes of groups that have left

    def _make(self, plan: GroupPlan, key: str = "") -> ProcessGroup:
        kind = PreloadedProcessGroup if isinstance(plan.planner, PreloadedGroup) else ProcessGroup
        if plan.division is not None and plan.division.together:
            kind = HostingProcessGroup
        return kind(plan, self._front, self._selector, self._numbers, self._errands, key)

    # -- what there is

    @property
    def every(self) -> list[ProcessGroup]:
        """All groups that have processes, those that are to leave as well."""
        return [*self.groups, *self._leaving]

    @property
    def children(self) -> list[Child]:
        """The living children of every group."""
        return [child for group in self.every for child in group.children]

    @property
    def scoreboards(self) -> list[Scoreboard]:
        """Those of the living daemon processes."""
        return [one.scoreboard for group in self.every for one in group.served_by]

    @property
    def ended_before(self) -> int:
        """Requests ended by processes that are gone."""
        return self._ended_before + self._divisions.ended_before + sum(group.ended_before for group in self.every)

    @property
    def loaded(self) -> bool:
        """Whether each group has come so far as to load its script."""
        return all(group.loaded for group in self.groups)

    @property
    def is_hopeless(self) -> bool:
        """Whether no group can have processes, and none ever had."""
        return bool(self.groups) and all(group.hopeless and not group.loaded for group in self.groups)

    @property
    def failed(self) -> bool:
        """Whether a group's script does not load."""
        return any(group.failed for group in self.groups)

    @property
    def complete(self) -> bool:
        """Whether as many processes of each group serve as should."""
        return all(group.complete for group in self.groups)

    @property
    def replacement_errors(self) -> list[str] | None:
        """What has gone wrong with the last replacements; None while one is underway."""
        replacements: list[Replacement] = [
            group.planner.replacement for group in self.groups if group.planner.replacement is not None
        ]
        if any(replacement.progress is Progress.UNDERWAY for replacement in replacements):
            return None
        return [replacement.error for replacement in replacements if replacement.error]

    # -- carrying out

    def carry_out(self) -> None:
        """Have every group do what its planner wants, and forget those that have left."""
        for group in [group for group in self._leaving if group.is_empty]:
            group.end()
            self._ended_before += group.ended_before
            self._leaving.remove(group)
        for group in self.every:
            group.carry_out()
        self._divisions.carry_out()

    def next_deadline(self, now: float) -> float | None:
        """Return the monotonic time at which `carry_out` has something to do without any event, or None."""
        times = [group.next_deadline(now) for group in self.every]
        return min((at for at in times if at is not None), default=None)

    # -- what is asked of it

    def reload(self) -> None:
        """Replace every process."""
        for group in self.groups:
            group.planner.on_reload(time.monotonic())

    def change_size(self, by: int) -> None:
        """Have more or fewer processes in each group."""
        for group in self.groups:
            group.planner.on_scale(group.planner.size + by)

    def drain(self) -> None:
        """Have the requests that are stuck given up: the server stops."""
        for group in self.every:
            group.drain()

    def stop(self) -> None:
        """Stop every process; no other is started."""
        now = time.monotonic()
        for group in self.every:
            group.planner.stop(now)

    def end(self) -> None:
        """The supervisor ends: say what there is to say."""
        for group in self.every:
            group.end()

    def give_logs(self, descriptors: Mapping[int, int]) -> None:
        """Have every process take the error log that has been opened anew in the place of its own."""
        for group in self.every:
            # The log of a group that leaves may be closed here, and its number another log's.
            is_known = group not in self._leaving or group.plan.error_log == SERVER_ERROR_LOG
            if is_known and group.plan.error_log in descriptors:
                for child in group.children:
                    child.say(Word.LOGS, (descriptors[group.plan.error_log],), logs=[SERVER_ERROR_LOG])

    # -- another configuration

    def become(self, plans: Sequence[GroupPlan], changed: frozenset[str], tell_front: Callable[[], None]) -> None:
        """Be what another configuration says: each group as its processes are ready.

        Args:
            plans: of every process group that there is to be.
            changed: the names of those whose processes have to be replaced.
            tell_front: gives the front its orders.
        """
        here = {group.name: group for group in self.groups if group.plan.division is not None}
        wanted = {plan.name: plan for plan in plans}
        # One that comes back may have been another when it went.
        changed = frozenset((changed | self._unwanted) & here.keys() & wanted.keys())
        replaced = {name for name in changed if not self._divisions.can_become(here[name], wanted[name])}
        for name in sorted(replaced):
            for key in [key for part in self._let_go(here[name]) for key in part.keys]:
                self._front.say(Word.LEAVE, key=key)
        tell_front()
        for name in sorted(changed - replaced):
            self._divisions.become(here[name], wanted[name])
        for plan in plans:
            if plan.name not in here or plan.name in replaced:
                self._add(plan)
            elif plan.name not in changed and here[plan.name].planner.trouble.fatal:
                here[plan.name].planner.on_reload(time.monotonic())  # perhaps it has been mended meanwhile
        self._unwanted = here.keys() - wanted.keys()
        for name in sorted(self._unwanted):
            logger.info("process group %s: it is not in the configuration any more", name)
        if self._front.child is None:
            self._drop_unwanted(self._unwanted)
        logger.info(
            "the configuration has been read again: of %d process groups %d are new and %d changed",
            len(wanted),
            len(wanted.keys() - here.keys()),
            len(changed),
        )

    def _add(self, plan: GroupPlan) -> None:
        group = self._make(plan)
        self.groups.append(group)
        if plan.division is not None:
            self._divisions.add(group, plan.division)

    def _let_go(self, base: ProcessGroup) -> list[ProcessGroup]:
        """Have a process group leave; return all that has processes of it."""
        parts = self._divisions.remove(base)
        for part in parts:
            part.planner.leave(time.monotonic())
        self._leaving += parts
        return parts

    def _drop_unwanted(self, names: Iterable[str]) -> None:
        """No request is for these process groups, unless the configuration has brought them back."""
        for name in self._unwanted.intersection(names):
            self._let_go(next(group for group in self.groups if group.key == name))
        self._unwanted = self._unwanted.difference(names)

    # -- what happens

    def reap(self, pid: int, status: int, testify: Callable[[Child], Death]) -> ProcessGroup | None:
        """Bury the child that had this pid; return its group, None if it is none of ours.

        The arguments are those of `ProcessGroup.reap`.
        """
        return next((group for group in self.every if group.reap(pid, status, testify)), None)

    def on_front(self) -> None:
        """A front is there that knows nothing."""
        self._divisions.on_front()
        for group in self.every:
            group.planner.on_front()

    def on_front_lost(self) -> None:
        """The front has died, and every channel with it; the next one knows nothing of what is not wanted."""
        now = time.monotonic()
        for group in self.every:
            group.planner.on_front_lost(now)
        self._drop_unwanted(self._unwanted)

    def obey_front(self, message: Message) -> bool:
        """Do what the front says, if it says it of process groups; return whether it does."""
        if message.word not in _WORDS:
            return False
        if message.word is Word.LOST:
            for group in self.every:
                group.note_lost(message.number("process"), message.text("requests"))
        elif message.word is Word.UNUSED:
            self._drop_unwanted([message.text("group")])
        elif message.word is Word.DETACHED:
            number = message.number("process")
            for group in self.every:
                group.note_detached(number)
        else:
            # Also while the server stops: the front finishes what has come, and this is a part of it.
            self._divisions.want(message)
        return True
