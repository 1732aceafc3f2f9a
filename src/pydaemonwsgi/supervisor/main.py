"""The supervisor: one loop that hears signals and children, asks the planners, and has done what they say. Shell."""

import dataclasses
import functools
import itertools
import logging
import os
import selectors
import signal
import time
from collections.abc import Iterable
from typing import Final

import setproctitle

from pydaemonwsgi.channel.control import Message, Word
from pydaemonwsgi.errors import PydaemonwsgiError
from pydaemonwsgi.supervisor.children import Child
from pydaemonwsgi.supervisor.commands import Commands
from pydaemonwsgi.supervisor.control import ControlServer
from pydaemonwsgi.supervisor.crash_report import Death
from pydaemonwsgi.supervisor.divisions import Divisions
from pydaemonwsgi.supervisor.errands import Errands
from pydaemonwsgi.supervisor.front import Front
from pydaemonwsgi.supervisor.groups import ProcessGroup
from pydaemonwsgi.supervisor.herald import Figures, Herald, in_short
from pydaemonwsgi.supervisor.logs import SERVER_ERROR_LOG
from pydaemonwsgi.supervisor.plan import GroupPlan, Plan, Renewal
from pydaemonwsgi.supervisor.preloaded import PreloadedProcessGroup
from pydaemonwsgi.supervisor.preloading import PreloadedGroup
from pydaemonwsgi.supervisor.replacement import Progress
from pydaemonwsgi.supervisor.signals import SignalInbox
from pydaemonwsgi.supervisor.upgrade import CONTROL, CONTROL_LOCK, FOREIGN, Predecessor, Successor, start_successor
from pydaemonwsgi.system.out_of_memory import OutOfMemoryWatch

__all__ = ["Supervisor"]

logger = logging.getLogger(__name__)

_SIGNALS: Final = (
    signal.SIGTERM,
    signal.SIGINT,
    signal.SIGHUP,
    signal.SIGUSR1,
    signal.SIGUSR2,
    signal.SIGTTIN,
    signal.SIGTTOU,
    signal.SIGCHLD,
)
_RELOADING: Final = "replacing all daemon processes, one after the other"
# The supervisor looks around at least so often, in seconds.
_LONGEST_WAIT: Final = 5.0
# Fronts that may fail to start before the first has ever run, until the server gives up.
_START_ATTEMPTS: Final = 3


class Supervisor:
    """See the module's docstring.

    Attributes:
        owns_files: whether the files of its sockets are its own to remove: not while it has a predecessor, nor once a
            successor has taken over.
    """

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._selector = selectors.DefaultSelector()
        self._front = Front(
            self._selector,
            plan.run_front,
            plan.front_timeout,
            self._kept_by_front(),
            self._obey_front,
            self._on_front_ready,
        )
        self._errands = Errands()
        self._numbers = itertools.count(1)
        self._groups = [self._make_group(group) for group in plan.groups]
        self._divisions = Divisions(self._groups, self._front, self._make_group)
        self._leaving: list[ProcessGroup] = []  # that nobody wants any more
        self._unwanted: set[str] = set()  # process groups that the configuration does not have any more
        self._watch = OutOfMemoryWatch.of_this_process()
        self._herald = Herald(plan.notifier, lambda: self._front.say(Word.PING))
        self._predecessor: Predecessor | None = None
        self._successor: Successor | None = None
        if plan.predecessor is not None:
            # Until it lets go: no client sees us before all has been loaded, and what it has is its own.
            self._predecessor = Predecessor(plan.predecessor, self._selector, self._take_over)
            self._front.held = True
        self._control = self._make_control() if self._predecessor is None else None
        self._announced = False
        self._exit_status = 0
        self._stopping = False
        self._queued = self._clients = 0
        self.owns_files = self._predecessor is None

    def _make_control(self) -> ControlServer | None:
        if self._plan.control_socket is None:
            return None
        commands = Commands(
            self._groups,
            self._front,
            self._errands,
            lambda: self._plan.addresses,
            begin_stop=self._begin_stop,
            reload=self._reload,
            reopen_logs=self._reopen_logs,
        )
        return ControlServer(self._selector, self._plan.control_socket, time.monotonic, commands.obey)

    def _make_group(self, plan: GroupPlan, key: str = "") -> ProcessGroup:
        kind = PreloadedProcessGroup if isinstance(plan.planner, PreloadedGroup) else ProcessGroup
        return kind(plan, self._front, self._selector, self._numbers, self._errands, key)

    # -- the loop

    def run(self) -> int:
        """Supervise until told to stop; return the exit status."""
        setproctitle.setproctitle("pydaemonwsgi: supervisor")
        signals = SignalInbox(self._selector, _SIGNALS)
        while True:
            self._carry_out()
            if self._stopping and self._front.child is None and not any(group.children for group in self._every_group):
                for group in self._every_group:
                    group.end()
                self._close_control()
                self._end_logs(signals)
                return self._exit_status
            for key, _ in self._selector.select(self._wait()):
                key.data()
            if not self._handle(signals.take()):
                self._close_control()
                return 130

    def _end_logs(self, signals: SignalInbox) -> None:
        """Wait until what was logged has been written; an impatient user need not."""
        while not self._plan.logs.stop(time.monotonic()):
            self._plan.logs.carry_out(time.monotonic())
            deadline = self._plan.logs.next_deadline()
            for key, _ in self._selector.select(max(0.0, (deadline or 0.0) - time.monotonic())):
                key.data()
            for number in signals.take():
                if number == signal.SIGCHLD:
                    self._reap()
                elif number == signal.SIGINT:
                    return

    def _wait(self) -> float:
        now = time.monotonic()
        times = [self._front.next_deadline(), *(group.next_deadline(now) for group in self._every_group)]
        if self._control is not None:
            times.append(self._control.next_deadline())
        if self._successor is not None:
            times.append(self._successor.next_deadline())
        times += [self._herald.next_deadline(), self._plan.logs.next_deadline()]
        return max(0.0, min([now + _LONGEST_WAIT, *(at for at in times if at is not None)]) - now)

    def _carry_out(self) -> None:
        self._plan.logs.carry_out(time.monotonic())
        self._front.carry_out(time.monotonic())
        for group in [group for group in self._leaving if group.is_empty]:
            group.end()
            self._leaving.remove(group)
        for group in self._every_group:
            group.carry_out()
        now = time.monotonic()
        self._divisions.carry_out()
        if self._control is not None:
            self._control.carry_out(now)
        if self._successor is not None:
            self._successor.carry_out(now)
        self._watch_start()
        self._watch_reload()
        self._herald.carry_out(now, self._figures)

    def _close_control(self) -> None:
        if self._control is not None:
            self._control.close()
        elif self._plan.control_socket is not None and self._predecessor is not None:
            self._plan.control_socket.leave()

    def _handle(self, signals: list[signal.Signals]) -> bool:
        """Do what the signals say; return False when everything must end at once."""
        for number in signals:
            if number == signal.SIGCHLD:
                self._reap()
            elif number == signal.SIGHUP:
                if not self._stopping:
                    logger.info("SIGHUP: %s", _RELOADING if self._plan.renew is None else "reading the configuration")
                    self._reload()
            elif number == signal.SIGUSR1:
                self._reopen_logs()
            elif number == signal.SIGUSR2:
                self._upgrade()
            elif number in {signal.SIGTTIN, signal.SIGTTOU}:
                self._change_size(1 if number == signal.SIGTTIN else -1)
            elif number in {signal.SIGTERM, signal.SIGINT}:
                if self._stopping and number == signal.SIGINT:
                    logger.warning("interrupted again: ending at once")
                    self._kill_all()
                    return False
                self._begin_stop(number.name)
        return True

    def _reload(self) -> str:
        """Read the configuration again, and replace what is out of date; return what went wrong, "" if nothing did."""
        self._herald.on_reload()
        renewal = Renewal(is_new=False)
        if self._plan.renew is not None:
            try:
                renewal = self._plan.renew()
            except (PydaemonwsgiError, OSError) as error:
                logger.error("%s; the server goes on as it was", error)
                self._herald.on_reloaded(in_short(str(error)))
                return str(error)
        if renewal.is_new:
            self._become(renewal)
        else:
            # Whoever reloads what has not changed wants new code.
            if self._plan.renew is not None:
                logger.info("the configuration is as it was: %s", _RELOADING)
            for group in self._groups:
                group.planner.on_reload(time.monotonic())
        return ""

    def _become(self, renewal: Renewal) -> None:
        """Serve what a new configuration says: the front at once, each process group as its processes are ready."""
        for text in renewal.warnings:
            logger.warning("%s", text)
        stored = self._plan.stored
        self._plan = dataclasses.replace(
            self._plan,
            listeners=renewal.listeners,
            addresses=renewal.addresses,
            heirlooms=renewal.heirlooms,
        )
        if self._plan.stored != stored:
            self._herald.on_listeners(self._plan.stored)
        bases = {group.name: group for group in self._groups if group.division is not None}
        plans = {plan.name: plan for plan in renewal.groups}
        changed = (renewal.changed | self._unwanted) & bases.keys() & plans.keys()
        replaced = {name for name in changed if not self._divisions.can_become(bases[name], plans[name])}
        for name in replaced:
            self._let_go(bases[name], tell_front=True)
        self._front.renew(self._kept_by_front(), renewal.orders, renewal.descriptors)
        for name in changed - replaced:
            self._divisions.become(bases[name], plans[name])
        new = [plan for name, plan in plans.items() if name not in bases or name in replaced]
        for plan in new:
            group = self._make_group(plan)
            self._groups.append(group)
            if plan.division is not None:
                self._divisions.add(group, plan.division)
        self._unwanted = bases.keys() - plans.keys()
        for name in sorted(self._unwanted):
            logger.info("process group %s: it is not in the configuration any more", name)
        logger.info(
            "the configuration has been read again: of %d process groups %d are new and %d changed",
            len(plans),
            len(plans.keys() - bases.keys()),
            len(changed),
        )
        if self._front.child is None:
            self._drop_unwanted(self._unwanted)
        renewal.settle()

    def _let_go(self, base: ProcessGroup, *, tell_front: bool = False) -> None:
        """A process group is wanted no more, or not so: its processes finish what they have."""
        now = time.monotonic()
        for part in self._divisions.remove(base):
            if tell_front:
                self._front.say(Word.LEAVE, key=part.key)
            part.planner.leave(now)
            self._leaving.append(part)

    def _drop_unwanted(self, names: Iterable[str]) -> None:
        """No request is for these process groups any more, if the configuration has not brought them back."""
        for name in self._unwanted.intersection(names):
            self._let_go(next(group for group in self._groups if group.key == name))
        self._unwanted = self._unwanted.difference(names)

    @property
    def _every_group(self) -> list[ProcessGroup]:
        """Those of the configuration and those that leave."""
        return [*self._groups, *self._leaving]

    def _kept_by_front(self) -> list[int]:
        """The descriptors that a front has from us."""
        return [*(sock.fileno() for sock in self._plan.listeners), *self._plan.logs.for_front]

    def _change_size(self, by: int) -> None:
        for group in self._groups:
            group.planner.on_scale(group.planner.size + by)

    def _reopen_logs(self) -> str:
        """Open the logs anew and hand them to every child; return what went wrong, "" if nothing did."""
        logs = self._plan.logs.reopen()
        for numbers, descriptors in logs.batches():
            self._front.say(Word.LOGS, descriptors, logs=numbers)
        for group in self._every_group:
            # The log of a group that leaves may be closed here, and its number another log's.
            is_known = group not in self._leaving or group.error_log == SERVER_ERROR_LOG
            if is_known and group.error_log in logs.descriptors:
                for child in group.children:
                    child.say(Word.LOGS, (logs.descriptors[group.error_log],), logs=[SERVER_ERROR_LOG])
        logs.close()
        for problem in logs.problems:
            logger.error("a log is not opened anew: %s; it goes on as it is", problem)
        opened = bool(logs.descriptors)
        logger.info("the logs have been opened anew" if opened else "no log is one that could be opened anew")
        return "; ".join(logs.problems)

    # -- children

    def _reap(self) -> None:
        while True:
            try:
                pid, status, usage = os.wait4(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if not pid:
                return
            if self._successor is not None and pid == self._successor.pid:
                self._successor.bury(status)
                self._successor = None
                continue
            if self._plan.logs.bury(pid, status, time.monotonic()):
                continue
            if self._front.child is not None and pid == self._front.child.pid:
                self._bury_front(status, self._front.child.death(status, usage, self._watch))
                continue
            testify = functools.partial(Child.death, status=status, usage=usage, watch=self._watch)
            for group in self._every_group:
                if group.reap(pid, status, testify):
                    if group.hopeless and not self._stopping and not any(other.loaded for other in self._groups):
                        self._give_up("no daemon process can be what it was told to be")
                    break

    def _bury_front(self, status: int, death: Death) -> None:
        now = time.monotonic()
        running = sum(len(daemon.scoreboard.rows()) for group in self._every_group for daemon in group.daemons.values())
        self._front.bury(status, now, death, running)
        for group in self._every_group:
            if self._stopping:
                group.planner.stop(now)
            else:
                group.planner.on_front_lost(now)
        if not self._stopping:
            self._drop_unwanted(self._unwanted)  # the next front knows nothing of them
        if not self._stopping and not self._announced and self._front.failures >= _START_ATTEMPTS:
            self._give_up("the front does not start")

    def _on_front_ready(self) -> None:
        self._herald.on_front_answer()
        self._divisions.on_front()
        for group in self._every_group:
            group.planner.on_front()
        if self._predecessor is not None:
            self._predecessor.say_ready()
        else:
            self._announce()

    def _announce(self) -> None:
        if not self._announced and not self._stopping:
            self._announced = True
            self._plan.on_ready()

    def _obey_front(self, message: Message) -> None:
        if message.word is Word.LOST:
            for group in self._every_group:
                group.note_lost(message.number("process"), message.text("requests"))
        elif message.word is Word.UNUSED:
            self._drop_unwanted([message.text("group")])
        elif message.word is Word.DETACHED:
            number = message.number("process")
            for group in self._every_group:
                if number in group.daemons:
                    group.planner.on_detached(number, time.monotonic())
        elif message.word is Word.WANT:
            if not self._stopping:
                self._divisions.want(message)
        elif message.word is Word.PONG:
            self._queued, self._clients = message.number("queued"), message.number("clients")
            self._herald.on_front_answer()
        elif message.word is Word.REPORTED:
            self._errands.finish(message.number("token"))

    # -- the service manager

    def _watch_start(self) -> None:
        """Say that the server serves, once it does; let a front that is held start, or give up."""
        if self._stopping or self._herald.ready or not all(group.loaded for group in self._groups):
            return
        if self._predecessor is not None:
            if any(group.failed for group in self._groups):
                self._give_up("the script does not load in the new server")
            elif all(group.complete for group in self._groups):
                self._front.held = False
                self._front.carry_out(time.monotonic())
        elif self._front.ready:
            self._herald.on_ready(self._plan.stored)

    def _watch_reload(self) -> None:
        if not self._herald.reloading:
            return
        replacements = [group.planner.replacement for group in self._groups if group.planner.replacement is not None]
        if all(replacement.progress is not Progress.UNDERWAY for replacement in replacements):
            self._herald.on_reloaded("; ".join(in_short(one.error) for one in replacements if one.error))

    def _figures(self) -> Figures:
        boards = [daemon.scoreboard for group in self._every_group for daemon in group.daemons.values()]
        return Figures(
            busy=sum(len(board.rows()) for board in boards),
            threads=sum(board.threads for board in boards),
            queued=self._queued,
            clients=self._clients,
            requests=sum(board.requests for board in boards) + sum(group.ended_before for group in self._every_group),
        )

    # -- upgrading

    def _upgrade(self) -> None:
        """Start a supervisor from the code that is installed now; see `upgrade`."""
        if self._stopping or self._successor is not None or self._predecessor is not None:
            logger.warning("SIGUSR2: not now: the server stops, or another supervisor is about to take over")
            return
        plan = self._plan
        heirlooms = list(plan.heirlooms)
        if plan.control_socket is not None:
            heirlooms += zip((CONTROL, CONTROL_LOCK), plan.control_socket.descriptors, strict=True)
        try:
            self._successor = start_successor(
                heirlooms,
                plan.notifier.environment,
                plan.directory,
                patience=plan.upgrade_timeout,
                selector=self._selector,
                on_ready=self._hand_over,
                stderr=plan.logs.console,
            )
        except OSError as error:
            logger.error("SIGUSR2: the new supervisor cannot be started: %s; this one goes on", error.strerror)
            return
        logger.info(
            "SIGUSR2: starting a new supervisor, pid %d; it has %g s to become ready",
            self._successor.pid,
            plan.upgrade_timeout,
        )

    def _hand_over(self) -> None:
        """The successor serves: leave everything to it."""
        successor = self._successor
        assert successor is not None
        if self._stopping:
            successor.give_up("this server stops")
            return
        self.owns_files = False
        self._herald.on_handed_over(successor.pid)
        if self._control is not None:
            self._control.leave()
            self._control = None
        successor.release()
        self._begin_stop(f"the new supervisor, pid {successor.pid}, has taken over")

    def _take_over(self) -> None:
        """The predecessor has let go, or has died: this is the server now."""
        self._predecessor = None
        if self._stopping:
            return
        self.owns_files = True
        self._front.held = False
        if self._plan.control_socket is not None:
            self._plan.control_socket.claim()
            self._control = self._make_control()
        logger.info("pid %d is the server now", os.getpid())
        if self._front.ready:
            self._announce()

    # -- stopping

    def _give_up(self, why: str) -> None:
        """End with status 1: the server has never come up, and trying again would not help."""
        logger.critical("%s; see the messages above. The server ends", why)
        self._exit_status = 1
        self._begin_stop("start failed")

    def _begin_stop(self, why: str) -> None:
        if self._stopping:
            return
        self._stopping = True
        timeout = self._plan.graceful_timeout
        self._herald.on_stop(why)
        if self._successor is not None and not self._successor.ready:
            self._successor.give_up("this server stops")
        foreign = any(name == FOREIGN for name, _ in self._plan.heirlooms)
        if self._plan.stored or foreign or not self.owns_files:
            # Somebody else has the listeners: who waits in their backlog is not refused.
            self._front.say(Word.HAND_OVER)
        logger.info("%s: stopping; requests in flight get %s", why, f"{timeout:g} s" if timeout else "all their time")
        for listener in self._plan.listeners:
            listener.close()
        for group in self._every_group:
            group.drain()
        now = time.monotonic()
        if not self._front.stop(timeout, now):
            for group in self._every_group:
                group.planner.stop(now)

    def _kill_all(self) -> None:
        children = [child for group in self._every_group for child in group.children if child.pid]
        if self._front.child is not None:
            children.append(self._front.child)
        for child in children:
            child.kill(signal.SIGKILL)
        for child in children:
            try:
                os.waitpid(child.pid, 0)
            except ChildProcessError:
                pass
