"""The daemon processes of one process group: does what the group's planner wants. Shell."""

import dataclasses
import logging
import os
import selectors
import signal
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Final

from pydaemonwsgi.channel.control import Message, Word
from pydaemonwsgi.metrics.scoreboard import Scoreboard, scoreboard_size
from pydaemonwsgi.supervisor.actions import (
    Action,
    Admit,
    Attach,
    Detach,
    Dump,
    Keep,
    Kill,
    NumberedAction,
    Refuse,
    Resume,
    Spawn,
    SpawnParent,
    Stop,
)
from pydaemonwsgi.supervisor.children import Child, fork_child, hear_all, stop_hearing
from pydaemonwsgi.supervisor.crash_report import Death
from pydaemonwsgi.supervisor.daemons import Daemon, Interpreter
from pydaemonwsgi.supervisor.dump import dump
from pydaemonwsgi.supervisor.errands import Errands
from pydaemonwsgi.supervisor.exits import Exit
from pydaemonwsgi.supervisor.front import Front
from pydaemonwsgi.supervisor.lifecycle import Process
from pydaemonwsgi.supervisor.memory_limit import MemoryLimit
from pydaemonwsgi.supervisor.obituaries import Obituaries
from pydaemonwsgi.supervisor.plan import GroupPlan
from pydaemonwsgi.supervisor.scripts import ScriptsInUse
from pydaemonwsgi.system.memory import create_shared, map_shared
from pydaemonwsgi.system.usage import usage_of
from pydaemonwsgi.vocabulary import ShutdownReason

__all__ = ["ProcessGroup"]

logger = logging.getLogger(__name__)

_LEVELS: Final = {"info": logging.INFO, "warning": logging.WARNING, "error": logging.ERROR}


class ProcessGroup:
    """The children of one process group.

    Args:
        plan: what they are to be.
        front: whom they are connected with.
        selector: the loop's.
        numbers: where the next process gets its number from; all groups of a server share it.
        errands: what processes have been asked.
        key: what the front calls it; "" for its name.

    Attributes:
        plan: what whoever is started from now on is to be.
        planner: decides.
        daemons: the living processes by number.
        loaded: whether any has come so far as to load its script.
        failed: whether the last that did could not.
        ended_before: requests ended by processes that are gone.
        hopeless: whether one could not even try, because the machine does not let it, before any had `loaded`.
        key: what the front calls it.
    """

    def __init__(
        self,
        plan: GroupPlan,
        front: Front,
        selector: selectors.BaseSelector,
        numbers: Iterator[int],
        errands: Errands,
        key: str = "",
    ) -> None:
        self.plan = plan
        self.key = key or plan.name
        self._front = front
        self._selector = selector
        self._numbers = numbers
        self._errands = errands
        self._scripts = ScriptsInUse()
        self.planner = plan.planner
        self.daemons: dict[int, Daemon] = {}
        self.loaded = False
        self.failed = False
        self.ended_before = 0
        self.hopeless = False
        self._obituaries = Obituaries()
        self._memory = MemoryLimit(plan.maximum_memory)

    @property
    def name(self) -> str:
        """The group's name."""
        return self.plan.name

    def holds(self, name: str) -> bool:
        """Whether people mean an application group by a name that has no processes of its own, but runs in these."""
        del name
        return False

    @property
    def keys(self) -> list[str]:
        """What the front calls those whose requests these processes take."""
        return [self.key]

    def bind(self, plan: GroupPlan) -> None:
        """Have whoever is started from now on be what another plan for the same processes says."""
        self.plan = dataclasses.replace(plan, planner=self.planner, division=self.plan.division)

    @property
    def is_empty(self) -> bool:
        """Whether nothing of it lives or waits to be told any more."""
        return not self.children and not self._obituaries

    @property
    def complete(self) -> bool:
        """Whether as many processes serve as should."""
        serving = sum(process.serves_this_code for process in self.planner.processes.values())
        return serving >= self.planner.size

    # -- the configuration

    def can_become(self, plan: GroupPlan) -> bool:
        """Whether its processes can be replaced, one after the other, by those of a plan."""
        return type(plan.planner) is type(self.planner)

    def become(self, plan: GroupPlan) -> None:
        """Have every process replaced by one of another plan."""
        self.plan = dataclasses.replace(plan, planner=self.planner)
        self._memory = MemoryLimit(plan.maximum_memory)
        self.planner.on_renewal(plan.planner, time.monotonic())

    # -- carrying out

    def carry_out(self) -> None:
        """Do what the planner wants until it wants nothing more, and say what it says."""
        now = time.monotonic()
        for daemon in self.daemons.values():
            daemon.child.look(now)
            self.planner.on_heartbeat(daemon.number, self._last_beat(daemon), now)
        self._publish(now)
        if self._memory.is_due(now):
            self._look_at_memory(self.planner.processes.values(), now)
        if self.planner.is_waiting(now):
            self.planner.on_version(self.plan.script_version())
        while actions := self.planner.plan(time.monotonic()):
            for action in actions:
                self._act(action)
        self._log_messages()

    def _last_beat(self, daemon: Daemon) -> float:
        """Return a process's last sign of life, by its own clock."""
        return daemon.scoreboard.heartbeat.last

    def next_deadline(self, now: float) -> float | None:
        """Return the monotonic time at which `carry_out` has something to do without any event, or None."""
        times = [self._obituaries.next_deadline(), self.planner.next_deadline(now)]
        if self.daemons:
            times.append(self._memory.next_look())
        return min((at for at in times if at is not None), default=None)

    def _log_messages(self) -> None:
        self._log(self.planner.take_messages())

    @staticmethod
    def _log(messages: Iterable[tuple[str, str]]) -> None:
        for level, text in messages:
            logger.log(_LEVELS[level], "%s", text)

    def _look_at_memory(self, processes: Iterable[Process], now: float) -> None:
        for process, text, replace in self._memory.look(processes, usage_of, now):
            logger.warning("process group %s: %s has %s", self.name, process.name, text)
            if replace:
                self.planner.on_retire(process.number, ShutdownReason.MAXIMUM_MEMORY)

    def _act(self, action: Action) -> None:
        match action:
            case Spawn():
                self._start()
            case Refuse(seconds):
                for key in self.keys:
                    self._front.say(Word.REFUSE, group=key, seconds=seconds)
            case Admit():
                for key in self.keys:
                    self._front.say(Word.ADMIT, group=key)
            case SpawnParent():
                raise AssertionError("a group without preload has no parents")
            case _:
                self._act_on(action)

    def _act_on(self, action: NumberedAction) -> None:
        daemon = self.daemons.get(action.number)
        if daemon is None:
            return
        child = daemon.child
        match action:
            case Attach():
                self._attach(daemon, self.key)
            case Stop() if not self.plan.threads:
                child.kill(signal.SIGTERM)  # a service script listens to nobody
            case Detach(number):
                child.say(Word.DRAIN)
                if not self._front.detach(daemon):
                    self.planner.on_detached(number, time.monotonic())
            case Stop(_, timeout):
                child.say(Word.STOP, timeout=float(timeout))
            case Kill():
                child.kill(signal.SIGKILL)
            case Dump():
                self._log_messages()  # they say why
                dump(child.pid)
            case Keep(_, versions):
                child.say(Word.KEEP, versions=versions)
            case Resume(number):
                self._front.say(Word.RESUME, process=number)

    def _start(self) -> None:
        plan = self.plan
        now = time.monotonic()
        process = self.planner.on_spawned(next(self._numbers), now, plan.script_version())
        size = scoreboard_size(plan.threads)
        board = -1
        try:
            board = create_shared("scoreboard", size)
            memory = map_shared(board, size)
            child = self._fork(process, board)
        except OSError as error:
            if board >= 0:
                os.close(board)
            self._note_unstarted(process, error)
            return
        daemon = Daemon(child, process.number, board, Scoreboard(memory, plan.threads))
        process.pid = child.pid
        self.daemons[process.number] = daemon
        self._selector.register(child.control, selectors.EVENT_READ, lambda: self._hear(daemon))
        child.say(Word.LOAD, scripts=self._scripts)
        logger.debug("process group %s: started process %d as pid %d", self.name, process.number, child.pid)

    def _fork(self, process: Process, board: int) -> Child:
        """Fork a daemon process, or have it forked.

        Raises:
            OSError: there is none.
        """
        del process
        return fork_child(lambda control: self.plan.run_daemon(control, board), (board,), self.plan.error_log)

    def _note_unstarted(self, process: Process, error: OSError) -> None:
        self.planner.on_exit(process.number, time.monotonic(), Exit(f"could not be started ({error.strerror})"))

    def _attach(self, daemon: Daemon, key: str) -> None:
        """Connect a process, or an interpreter of it, with the front, for the requests that go by a key."""
        self._front.attach(daemon, key, self.plan.channel_buffers)

    def drain(self) -> None:
        """Have the requests that are stuck given up: the server stops, and does not wait for them."""
        for daemon in self.daemons.values() if self.plan.threads else ():
            daemon.child.say(Word.DRAIN)

    # -- what happens to them

    @property
    def served_by(self) -> list[Daemon]:
        """Everything that has a channel: the processes, and their interpreters."""
        return list(self.daemons.values())

    @property
    def interpreters(self) -> list[Interpreter]:
        """The sub-interpreters of the processes."""
        return []

    def scoreboards_of(self, daemon: Daemon) -> list[Scoreboard]:
        """Return what all the interpreters of a process note what they run in."""
        return [daemon.scoreboard]

    @property
    def children(self) -> list[Child]:
        """The living children, whatever they are."""
        return [daemon.child for daemon in self.daemons.values()]

    def reap(self, pid: int, status: int, testify: Callable[[Child], Death]) -> bool:
        """Bury the child that had this pid, if it is one of ours; return whether it is.

        Args:
            pid: of a process that has been reaped.
            status: its wait status.
            testify: says what else is known of a child's death.
        """
        daemon = next((daemon for daemon in self.daemons.values() if daemon.child.pid == pid), None)
        if daemon is not None:
            self._bury(daemon, status, testify(daemon.child))
        return daemon is not None

    def _bury(self, daemon: Daemon, status: int, death: Death) -> None:
        # What it said last may still be unread, its reason to leave for one.
        self._hear(daemon)
        stop_hearing(daemon.child, self._selector)
        daemon.child.close()
        os.close(daemon.board)
        del self.daemons[daemon.number]
        self._memory.forget(daemon.number)
        self._front.forget(daemon)
        requests = sum(board.requests for board in self.scoreboards_of(daemon))
        self.ended_before += requests
        ended = Exit.of(daemon.child.pid, status, daemon.child.sent, f"after {requests} requests")
        self._log_messages()
        self.planner.on_exit(daemon.number, time.monotonic(), ended)
        self._write_obituary(daemon, death)
        self.hopeless = self.hopeless or (ended.hopeless and not self.loaded)

    def _write_obituary(self, daemon: Daemon, death: Death) -> None:
        """Make one record of what the planner says of an exit and of what is known; the front may still add to it."""
        now = time.monotonic()
        rest = self._obituaries.write(
            daemon.number,
            self.planner.take_messages(),
            death,
            [row for board in self.scoreboards_of(daemon) for row in board.rows()],
            self._lost_with(daemon),
            cpu_time=self.plan.cpu_time,
            front_knows=self._front.knows(daemon),
            now=now,
            wall=time.time(),
        )
        self._publish(now)
        self._log(rest)

    def _lost_with(self, daemon: Daemon) -> str | None:
        """Return what the front says a process was running when it died; None until it does."""
        return daemon.lost

    def note_lost(self, number: int, requests: str) -> None:
        """The front says what a process was running when its channel ended; it has died, or is about to."""
        if self._obituaries.note_lost(number, requests):
            self._publish(time.monotonic())
        elif number in self.daemons:
            self.daemons[number].lost = requests

    def note_detached(self, number: int) -> None:
        """The front has closed the channel of a process; what it has not said was lost by now was not."""
        daemon = self.daemons.get(number)
        if daemon is None:
            self.note_lost(number, "")
            return
        if daemon.lost is None:
            daemon.lost = ""
        self.planner.on_detached(number, time.monotonic())

    def _publish(self, now: float) -> None:
        self._log(self._obituaries.take(now))

    def end(self) -> None:
        """The supervisor ends: say what there is to say."""
        self._publish(float("inf"))

    def _hear(self, daemon: Daemon) -> None:
        try:
            hear_all(daemon.child, lambda message: self._obey(daemon, message))
        except EOFError:
            # Nearly always because it has exited, which SIGCHLD says too. User code can close the connection as
            # well; then the process cannot be told anything any more, and is replaced.
            stop_hearing(daemon.child, self._selector)
            if not self._front.stopping:
                self._front.detach(daemon)
            self.planner.on_detached(daemon.number, time.monotonic())

    def _obey(self, daemon: Daemon, message: Message) -> None:
        if message.word is Word.LOADING:
            self.planner.on_loading(daemon.number, message.numbers("versions"))
        elif message.word is Word.LOADED:
            self._note_loaded(daemon, message.numbers("failed"), message.text("error"))
        elif message.word is Word.DUMPED:
            self._errands.finish(message.number("token"))
        elif message.word is Word.SCRIPT:
            self._scripts.note(message.text("path"), message.text("callable_object"))
        elif message.word is Word.KEPT:
            self.planner.on_kept(daemon.number)
        elif message.word is Word.RETIRE:
            self.planner.on_retire(daemon.number, ShutdownReason(message.text("reason")))
        elif message.word is Word.SURVEY:
            self._note_survey(daemon, message)

    def _note_survey(self, daemon: Daemon, message: Message) -> None:
        """A process, or an interpreter of it, wants to know what all processes do."""
        if self.plan.server_metrics:
            self._errands.surveys[daemon.child] = message.number("token")

    def _note_loaded(self, daemon: Daemon, failed: Mapping[str, int], error: str) -> None:
        """A process has loaded its scripts but for those that `failed`, with their versions."""
        self.loaded = True
        self.failed = bool(failed)
        self.planner.on_loaded(daemon.number, time.monotonic(), failed=failed, error=error)
        if daemon.number in self.planner.processes:
            # What it has before its first request is what the next one would begin with.
            self._look_at_memory([self.planner.processes[daemon.number]], time.monotonic())
