"""What all processes of the server do, for those of them that may ask (`mod_wsgi.server_metrics()`). Shell.

Theory of operation. A survey is the supervisor's own part, from its planners and the scoreboards, and the front's,
which knows the clients; both are memory that nobody can write to any more when it is given away. Who asks hurts nobody:

    - One survey answers all that have asked before it began, and the next one begins a while later.
    - A front that does not answer in time is left out, and asked again only once it has read what it was asked.
    - A process that has not read what we said last is told nothing: so there is one answer on its way to each at most,
      and its connection cannot fill up.
"""

import bisect
import json
import os
import time
from collections import deque
from collections.abc import Callable, Iterable
from typing import Any, Final

from pydaemonwsgi.channel.control import Word
from pydaemonwsgi.supervisor.children import Child
from pydaemonwsgi.supervisor.daemons import Daemon, Interpreter
from pydaemonwsgi.supervisor.errands import Errands
from pydaemonwsgi.supervisor.front import Front
from pydaemonwsgi.supervisor.groups import ProcessGroup
from pydaemonwsgi.supervisor.lifecycle import Process, State
from pydaemonwsgi.system.memory import create_unsealed, seal
from pydaemonwsgi.system.sockets import has_unread

__all__ = ["Generations", "Surveys", "describe_processes"]

# Seconds from the end of one survey to the next: a page that shows one is made anew once a second at most. Thousands of
# requests take the front some ten milliseconds; so the pause is many times as long as the survey took, up to a limit.
_PAUSE: Final = 0.2
_PAUSES: Final = 10
_LONGEST_PAUSE: Final = 2.0
# Seconds for the front to write its part.
_FRONT_TIME: Final = 1.0
# Bytes for it; some thousand requests. Memory that nobody writes costs nothing.
_FRONT_SIZE: Final = 2 * 1024 * 1024
# Reloads that are remembered; a process that is older than all of them counts as one of the first.
_REMEMBERED: Final = 1000
_LEAVING: Final = frozenset((State.DRAINING, State.STOPPING))


class Generations:
    """How often the server has been reloaded, and of which generation a process is, by when it was started.

    Attributes:
        running: the number of reloads.
    """

    __slots__ = ("_begins", "running")

    def __init__(self) -> None:
        self.running = 0
        self._begins: deque[float] = deque(maxlen=_REMEMBERED)

    def begin(self, now: float) -> None:
        """The server is reloaded at `now`, monotonic seconds."""
        self.running += 1
        self._begins.append(now)

    def of(self, started: float) -> int:
        """Return the generation of a process that was started at `started`, monotonic seconds."""
        return self.running - len(self._begins) + bisect.bisect_right(self._begins, started)


class Surveys:
    """See the module's docstring.

    Args:
        groups: returns every process group, those that leave as well.
        front: the front.
        errands: where questions are noted, from children and to them.

    Attributes:
        generations: is told of reloads.
    """

    def __init__(self, groups: Callable[[], Iterable[ProcessGroup]], front: Front, errands: Errands) -> None:
        self._groups = groups
        self._front = front
        self._errands = errands
        self.generations = Generations()
        self._started = time.time()
        self._not_before = 0.0
        self._survey: _Survey | None = None
        self._front_is_late = False

    def carry_out(self, now: float) -> None:
        """Begin the survey that is asked for; finish the one underway, if it is complete or its time is over."""
        if self._survey is None and self._errands.surveys and now >= self._not_before:
            self._begin(now)
        if self._survey is not None and (self._survey.is_complete or now >= self._survey.until):
            survey, self._survey = self._survey, None
            took = now - survey.began
            self._not_before = now + max(_PAUSE, min(_PAUSES * took, _LONGEST_PAUSE))
            if survey.asked:
                self._front_is_late = survey.front_is_late
            survey.tell(self._report())

    def _begin(self, now: float) -> None:
        """Begin a survey for those who can be told; the others are looked at again later."""
        surveys = self._errands.surveys
        able = {child: token for child, token in surveys.items() if _listens(child)}
        self._errands.surveys = {
            child: token for child, token in surveys.items() if child not in able and child.control.fileno() >= 0
        }
        child = self._front.child
        asks_front = self._front.ready and child is not None and not (self._front_is_late and has_unread(child.control))
        if able:
            self._survey = _Survey(able, self._front if asks_front else None, self._errands, now)
        else:
            self._not_before = now + _PAUSE

    def next_deadline(self) -> float | None:
        """Return the monotonic time at which `carry_out` has something to do without any event, or None."""
        if self._survey is not None:
            return self._survey.until
        return self._not_before if self._errands.surveys else None

    def _report(self) -> dict[str, Any]:
        return {
            "generation": self.generations.running,
            "started": self._started,
            "processes": [one for group in self._groups() for one in describe_processes(group, self.generations)],
        }


class _Survey:
    """One survey: asks the front, then tells those that have asked."""

    def __init__(self, asking: dict[Child, int], front: Front | None, errands: Errands, now: float) -> None:
        self.began = now
        self.until = now + _FRONT_TIME
        self._asking = asking
        self._errands = errands
        self._token = errands.begin()
        self._memory = -1
        self.asked = False
        if front is not None:
            try:
                self._memory = create_unsealed("requests", _FRONT_SIZE)
                self.asked = front.say(Word.REPORT, (self._memory,), token=self._token, requests=True)
            except OSError:
                pass  # out of descriptors; what the front knows is left out

    @property
    def is_complete(self) -> bool:
        """Whether nothing is waited for."""
        return not self.front_is_late

    @property
    def front_is_late(self) -> bool:
        """Whether the front has been asked and has not answered."""
        return self.asked and self._errands.is_open(self._token)

    def tell(self, report: dict[str, Any]) -> None:
        """Send everything to everybody."""
        has_answered = self.asked and not self._errands.is_open(self._token)
        self._errands.abandon(self._token)
        memories = []
        try:
            memories.append(_written(json.dumps(report, separators=(",", ":")).encode("ascii")))
            if has_answered:
                seal(self._memory)
                memories.append(self._memory)
            for child, token in self._asking.items():
                if _listens(child):
                    child.say(Word.SURVEYED, memories, token=token)
                else:
                    self._errands.surveys.setdefault(child, token)
        except OSError:
            pass  # out of descriptors or memory; they do not wait for long
        finally:
            for memory in {*memories, self._memory} - {-1}:
                os.close(memory)


def _listens(child: Child) -> bool:
    """Whether a child has read everything that it was told."""
    return child.control.fileno() >= 0 and not has_unread(child.control)


def _written(data: bytes) -> int:
    """Return a descriptor of memory that holds `data`, for ever.

    Raises:
        OSError: none is to be had.
    """
    memory = create_unsealed("processes", len(data))
    try:
        os.pwrite(memory, data, 0)
        seal(memory)
    except OSError:
        os.close(memory)
        raise
    return memory


def describe_processes(group: ProcessGroup, generations: Generations) -> list[dict[str, Any]]:
    """Return what the supervisor knows of a group's processes, as `metrics.server` takes it."""
    interpreters: dict[int, list[Daemon]] = {}
    for daemon in group.served_by:
        interpreters.setdefault(daemon.process, []).append(daemon)
    return [
        _describe(group, process, interpreters.get(number, []), generations)
        for number, process in group.planner.processes.items()
        if process.pid  # else it is being forked
    ]


def _describe(
    group: ProcessGroup, process: Process, interpreters: list[Daemon], generations: Generations
) -> dict[str, Any]:
    return {
        "number": process.number,
        "pid": process.pid,
        "generation": generations.of(process.started),
        "starting": process.state is State.STARTING,
        "quiescing": process.state in _LEAVING,
        "process_group": group.plan.belongs_to,
        "interpreters": [
            {
                "number": one.number,
                "application_group": one.application_group
                if isinstance(one, Interpreter)
                else group.plan.application_group or "",
                "threads": one.scoreboard.records(),
            }
            for one in interpreters
        ],
    }
