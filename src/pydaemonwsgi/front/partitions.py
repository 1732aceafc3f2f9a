"""Which daemon processes take the requests of an application group: the front's half of partitions. Shell over a table.

The supervisor makes partitions, binds and drops them (`supervisor/partitions.py`); here requests wait until it has
answered. An application group that a request needs is one *want*:

| state | waiting | told | leave | crowded | empty |
|---|---|---|---|---|---|
| IDLE | WANTED, asked | SERVED | – | – | forgotten |
| WANTED | WANTED | SERVED | – | IDLE, 500 | – |
| SERVED | – | SERVED | IDLE; with requests waiting WANTED, asked | – | – |

`waiting`: a request has to wait in its queue. `empty`: no request waits, and no process has one any more. A want that
was not answered is asked for again, for a message may be lost; what was made for a front before this one is told by
the supervisor unasked.
"""

import logging
import time
from collections.abc import Callable, Mapping
from enum import Enum
from typing import Final

from pydaemonwsgi.channel.control import LONGEST_APPLICATION_GROUP
from pydaemonwsgi.config.model import partition_title
from pydaemonwsgi.front.exchange import Exchange
from pydaemonwsgi.front.groups import ProcessGroup
from pydaemonwsgi.front.options import GroupOptions

__all__ = ["Partitions", "State"]

logger = logging.getLogger(__name__)

# Seconds until the supervisor is asked again: only a supervisor that stands still has not answered by then.
_ASK_AGAIN: Final = 5.0
# Seconds for which what has been full is not asked again.
_FULL: Final = 1.0
# Seconds between two records of names that are too long: clients may choose them.
_QUIET: Final = 60.0
# Questions to the supervisor that may be unanswered: what else is said to it must find room.
_UNANSWERED: Final = 32
# Seconds after its last request from which a partition may make room for another.
_UNUSED: Final = 60.0


class State(Enum):
    """Whether an application group has processes."""

    IDLE = "idle"
    WANTED = "wanted"
    SERVED = "served"


class _Event(Enum):
    WAITING = "waiting"
    TOLD = "told"
    LEAVE = "leave"
    CROWDED = "crowded"


_TRANSITIONS: Final = {
    (State.IDLE, _Event.WAITING): State.WANTED,
    (State.IDLE, _Event.TOLD): State.SERVED,
    (State.WANTED, _Event.WAITING): State.WANTED,
    (State.WANTED, _Event.TOLD): State.SERVED,
    (State.WANTED, _Event.CROWDED): State.IDLE,
    (State.SERVED, _Event.TOLD): State.SERVED,
    (State.SERVED, _Event.LEAVE): State.IDLE,
}


class _Want:
    """One application group of one process group, as far as requests need it.

    Attributes:
        process_group: the process group's name.
        application_group: its own.
        group: has its queue and its channels.
        state: see the table.
        key: under which `group` is known; the supervisor's once it is served.
        asked_at: when it was last asked for, monotonic seconds.
        used_at: when it last had a request, as far as was looked.
    """

    __slots__ = ("_sent", "application_group", "asked_at", "group", "key", "process_group", "state", "used_at")

    def __init__(self, process_group: str, application_group: str, group: ProcessGroup, now: float) -> None:
        self.process_group = process_group
        self.application_group = application_group
        self.group = group
        self.state = State.IDLE
        # No key of the supervisor's begins so.
        self.key = f"?{process_group}|{application_group}"
        self.asked_at = 0.0
        self.used_at = now
        self._sent = 0

    def apply(self, event: _Event) -> None:
        """Take the state that follows.

        Raises:
            KeyError: it cannot happen in this state; a bug of ours.
        """
        self.state = _TRANSITIONS[self.state, event]

    @property
    def is_empty(self) -> bool:
        """Whether no request waits and no process has one."""
        return not self.group.queue and not self.group.in_flight

    def look(self, now: float) -> None:
        """Note whether it has been used since the last look."""
        if self.group.sent != self._sent or not self.is_empty:
            self._sent = self.group.sent
            self.used_at = now


class Partitions:
    """Finds the process group, and so the queue, of an application group.

    Args:
        groups: where every queue is kept by its key; the process groups' own are there already.
        ask: asks the supervisor: process group, application group, key of what may make room or "".
        fail: answers a request for which there is no room.
    """

    def __init__(
        self,
        groups: dict[str, ProcessGroup],
        ask: Callable[[str, str, str], None],
        fail: Callable[[Exchange], None],
    ) -> None:
        self._groups = groups
        self._options: dict[str, GroupOptions] = {name: group.options for name, group in groups.items()}
        self._ask = ask
        self._fail = fail
        self._wants: dict[tuple[str, str], _Want] = {}
        # Until when (monotonic) there is no room in a process group, unless something is unused.
        self._full_until: dict[str, float] = {}
        self._asked: set[_Want] = set()
        self._quiet_until = 0.0

    def renew(self, options: Mapping[str, GroupOptions]) -> None:
        """The configuration says something else; process groups that it does not have any more stay until `forget`."""
        for name, own in options.items():
            if name in self._groups:
                self._groups[name].renew(own)
            else:
                self._groups[name] = ProcessGroup(own)
            self._options[name] = own
        for want in self._wants.values():
            if want.process_group in options:
                want.group.renew(options[want.process_group])

    @property
    def process_groups(self) -> set[str]:
        """The names of all process groups, those that are to be forgotten as well."""
        return set(self._options)

    def parts(self, process_group: str) -> list[ProcessGroup]:
        """Return everything of a process group that has a queue."""
        own = [want.group for want in self._wants.values() if want.process_group == process_group]
        base = self._groups.get(process_group)
        return own if base is None or base in own else [*own, base]

    def forget(self, process_group: str) -> None:
        """A process group is none of the configuration's any more, and has nothing to do."""
        for key, want in [(key, want) for key, want in self._wants.items() if want.process_group == process_group]:
            del self._wants[key]
            self._asked.discard(want)
            self._groups.pop(want.key, None)
        self._groups.pop(process_group, None)
        del self._options[process_group]
        self._full_until.pop(process_group, None)

    def find(self, process_group: str, application_group: str) -> ProcessGroup:
        """Return where a request for an application group waits; the supervisor is asked once it has to."""
        want = self._wants.get((process_group, application_group))
        return (want or self._make(process_group, application_group)).group

    # -- what the supervisor says

    def note_told(self, process_group: str, application_group: str, key: str) -> None:
        """These processes are an application group's."""
        if process_group not in self._options:
            return
        want = self._wants.get((process_group, application_group)) or self._make(process_group, application_group)
        want.apply(_Event.TOLD)
        self._asked.discard(want)
        want.group.on_waiting = None
        if want.key == key:
            return
        del self._groups[want.key]
        unbound = self._groups.get(key)
        self._groups[key] = want.group
        want.key = key
        if unbound is not None:
            want.group.adopt(unbound)
        else:
            want.group.name = partition_title(process_group, application_group)

    def note_leave(self, key: str) -> None:
        """These processes are leaving: what waits needs others."""
        want = next((one for one in self._wants.values() if one.key == key and one.state is State.SERVED), None)
        if want is None:
            return
        want.apply(_Event.LEAVE)
        for channel in want.group.channels:
            channel.accepting = False
        # From now on nobody comes who goes by this key.
        del self._groups[key]
        want.key = f"?{key}"
        self._groups[want.key] = want.group
        want.group.on_waiting = self._note_waiting
        if want.group.queue:
            self._want(want)

    def note_crowded(self, process_group: str, application_group: str) -> None:
        """There is no room for an application group; there will not be any for another one in the next moment."""
        want = self._wants.get((process_group, application_group))
        if want is not None and want.state is State.WANTED:
            self._full_until[process_group] = time.monotonic() + _FULL
            self._fail_all(want)

    def _fail_all(self, want: _Want) -> None:
        want.apply(_Event.CROWDED)
        self._asked.discard(want)
        while (exchange := want.group.queue.take()) is not None:
            self._fail(exchange)
        self._forget_if_empty(want)

    # -- time

    def look(self, now: float) -> None:
        """Note what is in use, ask again, forget what is empty; called a few times a second."""
        for want in list(self._wants.values()):
            want.look(now)
            if want.state is State.WANTED and now - want.asked_at >= _ASK_AGAIN:
                self._want(want)
            elif want.state is State.IDLE:
                self._forget_if_empty(want)

    # -- one application group

    def _make(self, process_group: str, application_group: str) -> _Want:
        group = ProcessGroup(self._options[process_group])
        group.name = partition_title(process_group, application_group)
        group.application_group = application_group
        return self._keep(process_group, application_group, group)

    def _keep(self, process_group: str, application_group: str, group: ProcessGroup) -> _Want:
        want = _Want(process_group, application_group, group, time.monotonic())
        self._wants[process_group, application_group] = want
        self._groups[want.key] = group
        group.on_waiting = self._note_waiting
        return want

    def _note_waiting(self, group: ProcessGroup) -> None:
        key = group.options.name, group.application_group
        want = self._wants.get(key)
        if want is None:
            # It was forgotten while the body of this request was still coming.
            want = self._keep(*key, group)
        elif want.group is not group:
            while (exchange := group.queue.take()) is not None:
                exchange.route.group = want.group
                want.group.submit(exchange)
            return
        if want.state is State.IDLE:
            self._want(want)

    def _want(self, want: _Want) -> None:
        want.apply(_Event.WAITING)
        now = time.monotonic()
        if len(want.application_group) > LONGEST_APPLICATION_GROUP:
            # It would not travel, and the supervisor would say no.
            if now >= self._quiet_until:
                self._quiet_until = now + _QUIET
                logger.error(
                    "process group %s: an application group of %d characters: %s…; answered with 500",
                    want.process_group,
                    len(want.application_group),
                    want.group.name[:100],
                )
            self._fail_all(want)
            return
        spare = self._unused(want.process_group, now)
        if want.process_group not in self._options or (
            not spare and now < self._full_until.get(want.process_group, 0.0)
        ):
            # Clients may choose names: what each of them makes up must not keep the supervisor busy.
            self._fail_all(want)
        elif want in self._asked or len(self._asked) < _UNANSWERED:
            self._asked.add(want)
            want.asked_at = now
            self._ask(want.process_group, want.application_group, spare)

    def _unused(self, process_group: str, now: float) -> str:
        """Return the key of the partition that has been unused for longest, "" if all have been used of late."""
        unused = [
            one
            for one in self._wants.values()
            if one.process_group == process_group
            and one.state is State.SERVED
            and one.key != process_group
            and one.is_empty
            and now - one.used_at >= _UNUSED
        ]
        return min(unused, key=lambda one: one.used_at).key if unused else ""

    def _forget_if_empty(self, want: _Want) -> None:
        if want.state is State.IDLE and want.is_empty and not want.group.channels:
            del self._wants[want.process_group, want.application_group]
            del self._groups[want.key]
