"""A process group whose processes run each application group in a sub-interpreter: does what its planner wants. Shell.

Theory of operation. The planner knows processes, and nothing of interpreters: the process is what is started, replaced
and killed (mod_wsgi's semantics). To the front, each (process, application group) is what a daemon process is
elsewhere, with a number, a channel and a scoreboard of its own; the main interpreter has the process's own number.

    - An application group that is wanted is opened in every process that takes requests or will; whoever is started
      later is told of it at once. `_open_missing` compares, so that nothing is lost where something fails.
    - A process counts as loaded when all its interpreters are; then all its channels are given to the front. Where an
      interpreter is opened in a process that serves already, its channel follows when it is loaded.
    - An interpreter that never comes to serve concerns its application group only: it is opened again later, and while
      there is none in any process, requests for it are refused.
    - What the planner wants of a process, all its interpreters are told. It has drained when the last channel has
      ended; a channel that ends unasked, or an interpreter that fails later, makes the process one to be replaced.
    - A sign of life is the oldest of all interpreters': one that is stuck counts, though the others go on.
"""

import contextlib
import logging
import selectors
import signal
import socket
import time
from collections.abc import Iterator, Mapping
from typing import Final

from pydaemonwsgi.channel.control import Message, Word
from pydaemonwsgi.config.model import partition_title
from pydaemonwsgi.metrics.scoreboard import Scoreboard
from pydaemonwsgi.supervisor.actions import Action, Admit, Attach, Detach, Dump, Keep, NumberedAction, Stop
from pydaemonwsgi.supervisor.children import Child, hear_all, stop_hearing
from pydaemonwsgi.supervisor.crash_report import Death, LastWords
from pydaemonwsgi.supervisor.daemons import Daemon, Interpreter
from pydaemonwsgi.supervisor.dump import dump
from pydaemonwsgi.supervisor.errands import Errands
from pydaemonwsgi.supervisor.front import Front
from pydaemonwsgi.supervisor.groups import ProcessGroup
from pydaemonwsgi.supervisor.interpreters import Host, Interpreters, Tenant
from pydaemonwsgi.supervisor.lifecycle import State
from pydaemonwsgi.supervisor.plan import GroupPlan

__all__ = ["HostingProcessGroup"]

logger = logging.getLogger(__name__)

# States of processes in which an interpreter is opened.
_OPEN: Final = frozenset((State.STARTING, State.RUNNING))
# Seconds from one interpreter's stacks to the next one's, so that they are legible; in all they must not take long.
_BETWEEN: Final = 0.02
_DUMPED: Final = 8


class HostingProcessGroup(ProcessGroup):
    """See the module's docstring; the arguments are those of `ProcessGroup`."""

    def __init__(
        self,
        plan: GroupPlan,
        front: Front,
        selector: selectors.BaseSelector,
        numbers: Iterator[int],
        errands: Errands,
        key: str = "",
    ) -> None:
        super().__init__(plan, front, selector, numbers, errands, key)
        self._interpreters = Interpreters(numbers)
        self._last_words: dict[int, LastWords] = {}  # of processes that have died, while the front may still speak

    # -- application groups

    def open(self, plan: GroupPlan, key: str) -> None:
        """Have each process run an application group, in an interpreter of its own.

        Args:
            plan: what the interpreters are to be; the rest of it is the process group's.
            key: what the front calls it.
        """
        self._interpreters.tenants[key] = Tenant(plan)
        self._open_missing()

    def change(self, plan: GroupPlan, key: str) -> None:
        """Have the interpreters that are opened from now on be what another plan says."""
        tenant = self._interpreters.tenants[key]
        tenant.plan = plan
        tenant.backoff.succeed()

    def holds(self, name: str) -> bool:
        """See `ProcessGroup.holds`."""
        tenants = self._interpreters.tenants.values()
        return name in {partition_title(self.plan.belongs_to, tenant.name) for tenant in tenants}

    @property
    def keys(self) -> list[str]:
        """See `ProcessGroup.keys`."""
        return [self.key, *self._interpreters.tenants]

    @property
    def served_by(self) -> list[Daemon]:
        """See `ProcessGroup.served_by`."""
        return [*super().served_by, *self._interpreters]

    @property
    def interpreters(self) -> list[Interpreter]:
        """See `ProcessGroup.interpreters`."""
        return list(self._interpreters)

    def scoreboards_of(self, daemon: Daemon) -> list[Scoreboard]:
        """See `ProcessGroup.scoreboards_of`."""
        return [one.scoreboard for one in self._interpreters.host(daemon).parts]

    def _open_missing(self) -> None:
        now = time.monotonic()
        for daemon in self.daemons.values():
            process = self.planner.processes.get(daemon.number)
            if process is None or process.state not in _OPEN or process.cut_off:
                continue
            for key in self._interpreters.missing(daemon, now):
                try:
                    interpreter = self._interpreters.open(daemon, key)
                except OSError as error:
                    self._note_unopened(key, f": {error.strerror}")
                else:
                    self._listen(interpreter)

    def _listen(self, interpreter: Interpreter) -> None:
        self._selector.register(
            interpreter.child.control, selectors.EVENT_READ, lambda: self._hear_interpreter(interpreter)
        )

    # -- carrying out

    def carry_out(self) -> None:
        """See `ProcessGroup.carry_out`."""
        self._open_missing()
        super().carry_out()
        self._last_words = {host: words for host, words in self._last_words.items() if host in self._obituaries}

    def next_deadline(self, now: float) -> float | None:
        """See `ProcessGroup.next_deadline`."""
        times = [super().next_deadline(now), self._interpreters.next_attempt(now)]
        return min((at for at in times if at is not None), default=None)

    def _last_beat(self, daemon: Daemon) -> float:
        beats = [super()._last_beat(daemon)]
        # 0.0 is one that has not begun to beat: what it loads may take its time.
        beats += [beat for one in self._interpreters.of(daemon) if (beat := one.scoreboard.heartbeat.last)]
        return min(beats)

    def _start(self) -> None:
        super()._start()
        self._open_missing()

    def _act_on(self, action: NumberedAction) -> None:
        daemon = self.daemons.get(action.number)
        if daemon is None:
            return
        host = self._interpreters.host(daemon)
        if isinstance(action, Detach):
            self._detach(host)
            return
        if isinstance(action, Dump):
            self._dump(host)
            return
        super()._act_on(action)
        if isinstance(action, Attach):
            self._refuse()  # the front may be another one
        for one in host.interpreters.values():
            match action:
                case Attach() if one.loaded:
                    self._attach(one, one.key)
                case Stop(_, timeout):
                    one.child.say(Word.STOP, timeout=float(timeout))
                case Keep(_, versions):
                    one.child.say(Word.KEEP, versions=versions)

    def _act(self, action: Action) -> None:
        super()._act(action)
        if isinstance(action, Admit):
            self._refuse()

    def _refuse(self) -> None:
        """Have the front refuse the requests of those that have no interpreter in any process."""
        for key, tenant in self._interpreters.tenants.items():
            if tenant.refused:
                seconds = max(0.0, tenant.backoff.until - time.monotonic())
                self._front.say(Word.REFUSE, group=key, seconds=seconds)

    def _detach(self, host: Host) -> None:
        """Have the front give a process no more requests."""
        host.ended = set()
        for one in host.parts:
            one.child.say(Word.DRAIN)
            if not self._front.detach(one):
                host.ended.add(one.number)
        self._look_whether_drained(host)

    def _look_whether_drained(self, host: Host) -> None:
        if host.has_drained:
            host.ended = None
            self.planner.on_detached(host.daemon.number, time.monotonic())

    def _dump(self, host: Host) -> None:
        """Have those write their stacks that give no sign of life, in C; one after the other, to be legible."""
        self._log_messages()
        silent = time.monotonic() - self.planner.timeouts.deadlock / 2
        if host.daemon.scoreboard.heartbeat.last < silent:
            dump(host.daemon.child.pid)
        for one in list(host.interpreters.values())[:_DUMPED]:
            if one.thread and 0.0 < one.scoreboard.heartbeat.last < silent:
                time.sleep(_BETWEEN)
                dump(one.child.pid, one.thread, one.application_group)

    def drain(self) -> None:
        """See `ProcessGroup.drain`."""
        super().drain()
        for one in self._interpreters:
            one.child.say(Word.DRAIN)

    # -- what happens to them

    def _obey(self, daemon: Daemon, message: Message) -> None:
        if message.word is Word.LOADING:
            self._note_loading(daemon.number, message.numbers("versions"))
        elif message.word is Word.LOADED:
            self.loaded = True
            self._interpreters.host(daemon).main = message.numbers("failed"), message.text("error")
            self._look_whether_loaded(daemon)
        else:
            super()._obey(daemon, message)

    def _hear_interpreter(self, interpreter: Interpreter) -> None:
        daemon = self.daemons.get(interpreter.host)
        if daemon is None:
            return
        try:
            self._read(daemon, interpreter)
        except EOFError:
            # Nearly always because the process has died, or ends as it was asked to. If not, the log says why.
            stop_hearing(interpreter.child, self._selector)
            if interpreter.loaded:
                self._note_failure(daemon)
            elif not _has_ended(daemon.child):
                self._give_up(daemon, interpreter)

    def _read(self, daemon: Daemon, interpreter: Interpreter) -> None:
        """Hear an interpreter.

        Raises:
            EOFError: it will never say anything again.
        """
        hear_all(interpreter.child, lambda message: self._obey_interpreter(daemon, interpreter, message))

    def _note_failure(self, daemon: Daemon) -> None:
        """An interpreter of a process is of no use any more, and so the process is not."""
        process = self.planner.processes.get(daemon.number)
        if process is None or process.state not in _OPEN:
            return
        if process.state is State.STARTING:
            daemon.child.kill(signal.SIGKILL)
            return
        if not self._front.stopping:
            for one in self._interpreters.host(daemon).parts:
                self._front.detach(one)
        self.planner.on_detached(daemon.number, time.monotonic())

    def _give_up(self, daemon: Daemon, interpreter: Interpreter) -> None:
        """An interpreter has never come to serve: the process goes on without it, and it is tried again later."""
        self._interpreters.give_up(interpreter)
        process = self.planner.processes.get(daemon.number)
        if process is not None and process.state in _OPEN:
            self._note_unopened(interpreter.key, f" in {process.name}, as it says itself")
            self._look_whether_loaded(daemon)

    def _note_unopened(self, key: str, why: str) -> None:
        """An application group has no interpreter in some process; if it has none at all, its requests are refused."""
        tenant = self._interpreters.tenants[key]
        now = time.monotonic()
        if now < tenant.backoff.until:
            return  # the same happens in every process
        delay = tenant.backoff.fail(now)
        logger.error(
            "process group %s: no interpreter can be opened for the application group %r%s; trying again in %.0f s",
            self.name,
            tenant.name,
            why,
            delay,
        )
        if not self._interpreters.serves(key):
            tenant.refused = True
            self._refuse()

    def _obey_interpreter(self, daemon: Daemon, interpreter: Interpreter, message: Message) -> None:
        if message.word is Word.OPENED:
            interpreter.thread = message.number("thread")
        elif message.word is Word.LOADING:
            self._note_loading(daemon.number, message.numbers("versions"))
        elif message.word is Word.LOADED:
            interpreter.loaded = True
            interpreter.failed, interpreter.error = message.numbers("failed"), message.text("error")
            tenant = self._interpreters.tenants[interpreter.key]
            tenant.backoff.succeed()
            if tenant.refused:
                tenant.refused = False
                self._front.say(Word.ADMIT, group=interpreter.key)
            self._look_whether_loaded(daemon)
        elif message.word is Word.SCRIPT:
            scripts = self._interpreters.tenants[interpreter.key].scripts
            scripts.note(message.text("path"), message.text("callable_object"))
        elif message.word is Word.KEPT:
            process = self.planner.processes.get(daemon.number)
            if process is not None and process.state is State.RUNNING:
                self._front.say(Word.RESUME, process=interpreter.number)
        elif message.word is Word.SURVEY:
            self._note_survey(interpreter, message)
        else:
            super()._obey(daemon, message)

    def _note_loading(self, host: int, versions: Mapping[str, int]) -> None:
        process = self.planner.processes.get(host)
        if process is not None:
            self.planner.on_loading(host, {**process.versions, **versions})

    def _look_whether_loaded(self, daemon: Daemon) -> None:
        """Go on once every interpreter of a process has loaded what it is to load."""
        process = self.planner.processes.get(daemon.number)
        if process is None:
            return
        self._open_missing()  # not all can be opened at once
        host = self._interpreters.host(daemon)
        if process.state is State.RUNNING:
            for one in host.interpreters.values():
                if one.loaded:
                    self._attach(one, one.key)
        elif (outcome := host.loaded) is not None:
            host.main = None  # said once
            self._note_loaded(daemon, *outcome)

    def note_detached(self, number: int) -> None:
        """See `ProcessGroup.note_detached`; of a process that is drained the last channel counts."""
        one = self._interpreters.get(number) or self.daemons.get(number)
        if one is None:
            self.note_lost(number, "")
            return
        if one.lost is None:
            one.lost = ""
        daemon = self.daemons.get(one.process)
        host = None if daemon is None else self._interpreters.host(daemon)
        if host is not None and host.ended is not None:
            host.ended.add(number)
            self._look_whether_drained(host)
        else:
            self.planner.on_detached(one.process, time.monotonic())

    # -- their death

    def _bury(self, daemon: Daemon, status: int, death: Death) -> None:
        interpreters = self._interpreters.of(daemon)
        for one in interpreters:
            with contextlib.suppress(EOFError):
                self._read(daemon, one)  # its reason to leave, for one
            stop_hearing(one.child, self._selector)
        super()._bury(daemon, status, death)
        for one in interpreters:
            self._front.forget(one)
        self._interpreters.forget(daemon)

    def _lost_with(self, daemon: Daemon) -> str | None:
        parts = self._interpreters.host(daemon).parts
        words = LastWords({one.number: _label(one) for one in parts})
        for one in parts:
            if one.lost is not None or not self._front.knows(one):
                words.told[one.number] = one.lost or ""
        if not words.is_complete:
            self._last_words[daemon.number] = words
            return None
        return words.text()

    def note_lost(self, number: int, requests: str) -> None:
        """See `ProcessGroup.note_lost`; a record of a death waits for what was running in any interpreter."""
        one = self._interpreters.get(number) or self.daemons.get(number)
        if one is not None:
            one.lost = requests
            return
        for host, words in list(self._last_words.items()):
            if number in words.labels:
                words.told.setdefault(number, requests)
                if words.is_complete:
                    del self._last_words[host]
                    super().note_lost(host, words.text())


def _has_ended(child: Child) -> bool:
    """Whether a process has closed its connection, as it does at its end before those of its interpreters."""
    try:
        return not child.control.recv(1, socket.MSG_PEEK)
    except BlockingIOError:
        return False
    except OSError:
        return True


def _label(one: Daemon) -> str:
    return one.application_group if isinstance(one, Interpreter) else "%{GLOBAL}"
