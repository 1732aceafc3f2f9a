"""The supervisor: one loop that hears signals and children, asks the planners, and has done what they say. Shell."""

import dataclasses
import functools
import logging
import os
import selectors
import signal
import socket
import time
from typing import Final

import setproctitle

from pydaemonwsgi.channel.control import Message, Word
from pydaemonwsgi.errors import PydaemonwsgiError
from pydaemonwsgi.supervisor.children import Child
from pydaemonwsgi.supervisor.commands import Commands
from pydaemonwsgi.supervisor.control import ControlServer
from pydaemonwsgi.supervisor.crash_report import Death
from pydaemonwsgi.supervisor.errands import Errands
from pydaemonwsgi.supervisor.fleet import Fleet
from pydaemonwsgi.supervisor.front import Front
from pydaemonwsgi.supervisor.herald import Figures, Herald, in_short
from pydaemonwsgi.supervisor.loop import turn
from pydaemonwsgi.supervisor.plan import Plan, Renewal
from pydaemonwsgi.supervisor.signals import SignalInbox
from pydaemonwsgi.supervisor.succession import Succession
from pydaemonwsgi.supervisor.surveys import Surveys
from pydaemonwsgi.system import sockets
from pydaemonwsgi.system.out_of_memory import OutOfMemoryWatch

__all__ = ["Supervisor"]

logger = logging.getLogger(__name__)

_RELOADING: Final = "replacing all daemon processes, one after the other"
# The supervisor looks around at least so often, in seconds.
_LONGEST_WAIT: Final = 5.0
# Fronts that may fail to start before the first has ever run, until the server gives up.
_START_ATTEMPTS: Final = 3


class Supervisor:
    """See the module's docstring."""

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
        self._fleet = Fleet(plan.groups, self._front, self._selector, self._errands)
        self._surveys = Surveys(lambda: self._fleet.every, self._front, self._errands)
        self._watch = OutOfMemoryWatch.of_this_process()
        self._herald = Herald(plan.notifier, lambda: self._front.say(Word.PING))
        self._succession = Succession(
            self._selector,
            plan.predecessor,
            plan.inherited,
            hand_over=self._hand_over,
            retire=self._begin_stop,
            take_over=self._take_over,
        )
        # Until the predecessor lets go: no client sees us before all has been loaded, and what it has is its own.
        self._front.held = self._succession.is_heir
        self._control = None if self._succession.is_heir else self._make_control()
        self._announced = False
        self._exit_status = 0
        self._stopping = False
        self._left: frozenset[str] | None = None
        self._queued = self._clients = 0

    def has_left(self, address: str) -> bool:
        """Whether somebody else listens at one of our addresses, and a socket's file is his, now that this server ends.

        One that ends without having been stopped leaves everything as it is.
        """
        return self._left is None or address in self._left

    def _make_control(self) -> ControlServer | None:
        if self._plan.control_socket is None:
            return None
        commands = Commands(
            self._fleet.groups,
            self._front,
            self._errands,
            lambda: self._plan.addresses,
            begin_stop=self._begin_stop,
            reload=self._reload,
            reopen_logs=self._reopen_logs,
        )
        return ControlServer(self._selector, self._plan.control_socket, time.monotonic, commands.obey)

    # -- the loop

    def run(self) -> int:
        """Supervise until told to stop; return the exit status."""
        setproctitle.setproctitle("pydaemonwsgi: supervisor")
        signals = SignalInbox(self._selector)
        while True:
            self._carry_out()
            if self._stopping and self._front.child is None and not self._fleet.children:
                self._fleet.end()
                self._close_control()
                self._end_logs(signals)
                return self._exit_status
            turn(self._selector, self._wait())
            if not self._handle(signals.take()):
                self._close_control()
                return 130

    def _end_logs(self, signals: SignalInbox) -> None:
        """Wait until what was logged has been written; an impatient user need not."""
        while not self._plan.logs.stop(time.monotonic()):
            self._plan.logs.carry_out(time.monotonic())
            deadline = self._plan.logs.next_deadline()
            turn(self._selector, max(0.0, (deadline or 0.0) - time.monotonic()))
            for number in signals.take():
                if number == signal.SIGCHLD:
                    self._reap()
                elif number == signal.SIGINT:
                    return

    def _wait(self) -> float:
        now = time.monotonic()
        times = [self._front.next_deadline(), self._fleet.next_deadline(now), self._surveys.next_deadline()]
        if self._control is not None:
            times.append(self._control.next_deadline())
        times += [self._succession.next_deadline(), self._herald.next_deadline(), self._plan.logs.next_deadline()]
        return max(0.0, min([now + _LONGEST_WAIT, *(at for at in times if at is not None)]) - now)

    def _carry_out(self) -> None:
        self._plan.logs.carry_out(time.monotonic())
        self._front.carry_out(time.monotonic())
        self._fleet.carry_out()
        now = time.monotonic()
        self._surveys.carry_out(now)
        if self._control is not None:
            self._control.carry_out(now)
        self._succession.carry_out(now)
        self._watch_start()
        self._watch_reload()
        self._herald.carry_out(now, self._figures)

    def _close_control(self) -> None:
        if self._control is not None:
            self._control.close()
        elif self._plan.control_socket is not None and self._succession.is_heir:
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
                self._succession.start(self._plan)
            elif number in {signal.SIGTTIN, signal.SIGTTOU}:
                self._fleet.change_size(1 if number == signal.SIGTTIN else -1)
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
        self._surveys.generations.begin(time.monotonic())
        if renewal.is_new:
            self._become(renewal)
        else:
            # Whoever reloads what has not changed wants new code.
            if self._plan.renew is not None:
                logger.info("the configuration is as it was: %s", _RELOADING)
            self._fleet.reload()
        self._succession.pass_on(signal.SIGHUP)
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
        renewal.leave()
        self._fleet.become(
            renewal.groups,
            renewal.changed,
            lambda: self._front.renew(self._kept_by_front(), renewal.orders, renewal.descriptors),
        )
        renewal.settle()

    def _kept_by_front(self) -> list[int]:
        """The descriptors that a front has from us."""
        return [*(sock.fileno() for sock in self._plan.listeners), *self._plan.logs.for_front]

    def _reopen_logs(self) -> str:
        """Open the logs anew and hand them to every child; return what went wrong, "" if nothing did."""
        logs = self._plan.logs.reopen()
        for numbers, descriptors in logs.batches():
            self._front.say(Word.LOGS, descriptors, logs=numbers)
        self._fleet.give_logs(logs.descriptors)
        logs.close()
        for problem in logs.problems:
            logger.error("a log is not opened anew: %s; it goes on as it is", problem)
        self._succession.pass_on(signal.SIGUSR1)
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
            if self._succession.bury(pid, status) or self._plan.logs.bury(pid, status, time.monotonic()):
                continue
            if self._front.child is not None and pid == self._front.child.pid:
                self._bury_front(status, self._front.child.bury(status, usage, self._watch))
                continue
            testify = functools.partial(Child.bury, status=status, usage=usage, watch=self._watch)
            group = self._fleet.reap(pid, status, testify)
            if group is not None and group.hopeless and not self._stopping and self._fleet.is_hopeless:
                self._give_up("no daemon process can be what it was told to be")

    def _bury_front(self, status: int, death: Death) -> None:
        now = time.monotonic()
        self._front.bury(status, now, death, running=sum(len(board.rows()) for board in self._fleet.scoreboards))
        if self._stopping:
            self._fleet.stop()
        else:
            self._fleet.on_front_lost()
        if not self._stopping and not self._announced and self._front.failures >= _START_ATTEMPTS:
            self._give_up("the front does not start")

    def _on_front_ready(self) -> None:
        self._herald.on_front_answer()
        self._fleet.on_front()
        if self._succession.is_heir:
            self._succession.say_ready([sockets.number(listener) for listener in self._plan.listeners])
        else:
            self._announce()

    def _announce(self) -> None:
        if not self._announced and not self._stopping:
            self._announced = True
            self._plan.on_ready()

    def _obey_front(self, message: Message) -> None:
        if self._fleet.obey_front(message):
            return
        if message.word is Word.PONG:
            self._queued, self._clients = message.number("queued"), message.number("clients")
            self._herald.on_front_answer()
        elif message.word is Word.REPORTED:
            self._errands.finish(message.number("token"))

    # -- the service manager

    def _watch_start(self) -> None:
        """Say that the server serves, once it does; let a front that is held start, or give up."""
        if self._stopping or self._herald.ready or not self._fleet.loaded:
            return
        if self._succession.is_heir:
            if self._fleet.failed:
                self._give_up("the script does not load in the new server")
            elif self._fleet.complete:
                self._front.held = False
                self._front.carry_out(time.monotonic())
        elif self._front.ready:
            self._herald.on_ready(self._plan.stored)

    def _watch_reload(self) -> None:
        errors = self._fleet.replacement_errors if self._herald.reloading else None
        if errors is not None:
            self._herald.on_reloaded("; ".join(map(in_short, errors)))

    def _figures(self) -> Figures:
        boards = self._fleet.scoreboards
        return Figures(
            busy=sum(len(board.rows()) for board in boards),
            threads=sum(board.threads for board in boards),
            queued=self._queued,
            clients=self._clients,
            requests=sum(board.requests for board in boards) + self._fleet.ended_before,
        )

    # -- upgrading

    def _hand_over(self, successor: int) -> None:
        """Another supervisor serves, whose pid this is: give up what only one of us may have."""
        self._herald.on_handed_over(successor)
        if self._control is not None:
            self._control.leave()
            self._control = None

    def _take_over(self) -> None:
        """This is the server now."""
        self._front.held = False
        if self._plan.control_socket is not None:
            self._plan.control_socket.claim()
            self._control = self._make_control()
        if self._front.ready:
            self._announce()

    # -- stopping

    def _give_up(self, why: str) -> None:
        """End with status 1: the server has never come up, and trying again would not help."""
        logger.critical("%s; see the messages above. The server ends", why)
        self._succession.say_failed(why)
        self._exit_status = 1
        self._begin_stop("start failed")

    def _begin_stop(self, why: str) -> None:
        if self._stopping:
            return
        self._stopping = True
        timeout = self._plan.graceful_timeout
        self._herald.on_stop(why)
        self._succession.stop()
        listeners = dict(zip(self._plan.addresses, self._plan.listeners, strict=True))
        left = {address: listener for address, listener in listeners.items() if self._leaves(listener)}
        self._left = frozenset(left)
        if left:
            self._front.say(Word.HAND_OVER, listeners=[sockets.number(listener) for listener in left.values()])
        logger.info("%s: stopping; requests in flight get %s", why, f"{timeout:g} s" if timeout else "all their time")
        for address, listener in listeners.items():
            if address not in left:
                sockets.withdraw(listener)
            listener.close()
        self._fleet.drain()
        if not self._front.stop(timeout, time.monotonic()):
            self._fleet.stop()
        # This may have been decided after the fleet had its turn, and the next event may be long to come.
        self._fleet.carry_out()

    def _leaves(self, listener: socket.socket) -> bool:
        """Whether somebody else has a listener when this server has gone: who waits in its backlog is his client."""
        if self._succession.owns_files:
            return listener.fileno() in self._plan.kept
        return self._succession.shares(sockets.number(listener))

    def _kill_all(self) -> None:
        children = [child for child in self._fleet.children if child.pid]
        if self._front.child is not None:
            children.append(self._front.child)
        for child in children:
            child.kill(signal.SIGKILL)
        for child in children:
            try:
                os.waitpid(child.pid, 0)
            except ChildProcessError:
                pass
