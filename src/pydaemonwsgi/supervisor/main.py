"""The supervisor: one loop that hears signals and children, asks the planner, and carries out what it says. Shell."""

import logging
import os
import selectors
import signal
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass
from types import FrameType
from typing import Final

import setproctitle

from pydaemonwsgi.channel.control import Message, Word
from pydaemonwsgi.errors import ChannelError
from pydaemonwsgi.metrics.scoreboard import Scoreboard, scoreboard_size
from pydaemonwsgi.supervisor.actions import Action, Attach, Detach, Keep, Kill, Resume, Spawn, Stop
from pydaemonwsgi.supervisor.children import Child, describe_exit, fork_child
from pydaemonwsgi.supervisor.lifecycle import Backoff
from pydaemonwsgi.supervisor.rollover import Group
from pydaemonwsgi.system.memory import create_shared, map_shared
from pydaemonwsgi.system.sockets import stream_pair
from pydaemonwsgi.vocabulary import ShutdownReason

__all__ = ["Plan", "Supervisor"]

logger = logging.getLogger(__name__)

_LEVELS: Final = {"info": logging.INFO, "warning": logging.WARNING, "error": logging.ERROR}
_SIGNALS: Final = (
    signal.SIGTERM,
    signal.SIGINT,
    signal.SIGHUP,
    signal.SIGUSR1,
    signal.SIGUSR2,
    signal.SIGCHLD,
)
# Seconds beyond the graceful time-out before the front is killed.
_FRONT_MARGIN: Final = 2.0
# The supervisor looks around at least so often, in seconds.
_LONGEST_WAIT: Final = 5.0
# Fronts that may fail to start before the first has ever run, until the server gives up.
_START_ATTEMPTS: Final = 3
# Exit statuses of daemon processes that say that the machine does not let them: no such user right, no such directory.
_HOPELESS: Final = frozenset((os.EX_NOPERM, os.EX_CONFIG))
# Messages heard from one child before the others have their turn; user code may talk without end.
_MESSAGES: Final = 64


@dataclass(frozen=True, slots=True)
class Plan:
    """What to supervise.

    Attributes:
        group: planner of the process group.
        threads: worker threads of each daemon process.
        listeners: listening sockets, for the front.
        front_descriptors: other descriptors that the front keeps (its logs).
        run_front: be the front, in the child.
        run_daemon: be a daemon process, in the child: control connection and scoreboard memory.
        graceful_timeout: seconds for running requests when the server stops.
        on_ready: called once, when the front accepts clients; their requests wait until a daemon process is ready.
        script_version: looks at the script's file: its modification time in nanoseconds, 0 where there is none.
    """

    group: Group
    threads: int
    listeners: list[socket.socket]
    front_descriptors: tuple[int, ...]
    run_front: Callable[[socket.socket], int]
    run_daemon: Callable[[socket.socket, memoryview], int]
    graceful_timeout: float
    on_ready: Callable[[], None]
    script_version: Callable[[], int]


class _Daemon:
    """A daemon process: the child and what it shares."""

    __slots__ = ("attached_to", "board", "child", "number", "scoreboard")

    def __init__(self, child: Child, number: int, board: int, scoreboard: Scoreboard) -> None:
        self.child = child
        self.number = number
        self.board = board
        self.scoreboard = scoreboard
        self.attached_to: Child | None = None


class Supervisor:
    """See the module's docstring."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._group = plan.group
        self._selector = selectors.DefaultSelector()
        self._signals: list[int] = []
        self._front: Child | None = None
        self._front_ready = False
        self._front_backoff = Backoff()
        self._front_started = 0.0
        self._daemons: dict[int, _Daemon] = {}
        self._announced = False
        self._loaded = False
        self._exit_status = 0
        self._stopping = False
        self._stop_deadline: float | None = None
        self._waker_in, self._waker_out = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)

    # -- the loop

    def run(self) -> int:
        """Supervise until told to stop; return the exit status."""
        setproctitle.setproctitle("pydaemonwsgi: supervisor")
        signal.set_wakeup_fd(self._waker_out, warn_on_full_buffer=False)
        for number in _SIGNALS:
            signal.signal(number, self._note_signal)
        self._selector.register(self._waker_in, selectors.EVENT_READ, None)
        self._start_front()
        while True:
            self._carry_out()
            if self._stopping and self._front is None and not self._daemons:
                return self._exit_status
            for key, _ in self._selector.select(self._wait()):
                if key.data is None:
                    self._drain_waker()
                else:
                    self._hear(key.data)
            if not self._handle_signals():
                return 130

    def _note_signal(self, number: int, frame: FrameType | None) -> None:
        del frame
        self._signals.append(number)

    def _drain_waker(self) -> None:
        try:
            os.read(self._waker_in, 4096)
        except BlockingIOError:
            pass

    def _wait(self) -> float:
        now = time.monotonic()
        times = [now + _LONGEST_WAIT]
        deadline = self._group.next_deadline(now)
        if deadline is not None:
            times.append(deadline)
        if self._stop_deadline is not None:
            times.append(self._stop_deadline)
        if self._front is None and not self._stopping:
            times.append(self._front_backoff.until)
        return max(0.0, min(times) - now)

    def _handle_signals(self) -> bool:
        """Do what the signals say; return False when everything must end at once."""
        signals, self._signals = self._signals, []
        for number in signals:
            if number == signal.SIGCHLD:
                self._reap()
            elif number == signal.SIGHUP:
                if not self._stopping:
                    logger.info("SIGHUP: replacing all daemon processes, one after the other")
                    self._group.on_reload(time.monotonic())
            elif number in {signal.SIGTERM, signal.SIGINT}:
                if self._stopping and number == signal.SIGINT:
                    logger.warning("interrupted again: ending at once")
                    self._kill_all()
                    return False
                self._begin_stop(signal.Signals(number).name)
        return True

    # -- children

    def _start_front(self) -> None:
        plan = self._plan
        try:
            child = fork_child(plan.run_front, (*(sock.fileno() for sock in plan.listeners), *plan.front_descriptors))
        except OSError as error:
            delay = self._front_backoff.fail(time.monotonic())
            logger.error("cannot fork the front: %s; trying again in %.1f s", error.strerror, delay)
            return
        self._front = child
        self._front_ready = False
        self._front_started = time.monotonic()
        self._selector.register(child.control, selectors.EVENT_READ, child)

    def _start_daemon(self) -> None:
        now = time.monotonic()
        process = self._group.on_spawned(now, self._plan.script_version())
        size = scoreboard_size(self._plan.threads)
        board = -1
        try:
            board = create_shared("scoreboard", size)
            memory = map_shared(board, size)
            child = fork_child(lambda control: self._plan.run_daemon(control, memory), ())
        except OSError as error:
            if board >= 0:
                os.close(board)
            self._group.on_exit(process.number, now, f"could not be started ({error.strerror})")
            return
        daemon = _Daemon(child, process.number, board, Scoreboard(memory, self._plan.threads))
        process.pid = child.pid
        self._daemons[process.number] = daemon
        self._selector.register(child.control, selectors.EVENT_READ, daemon)
        logger.debug("started daemon process %d as pid %d", process.number, child.pid)

    def _reap(self) -> None:
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if not pid:
                return
            if self._front is not None and pid == self._front.pid:
                self._bury_front(status)
                continue
            for daemon in self._daemons.values():
                if daemon.child.pid == pid:
                    self._bury(daemon, status)
                    break

    def _bury_front(self, status: int) -> None:
        assert self._front is not None
        self._forget_control(self._front)
        self._front.close()
        self._front = None
        self._front_ready = False
        if self._stopping:
            self._group.stop(time.monotonic())
            return
        now = time.monotonic()
        self._group.on_front_lost(now)
        if now - self._front_started >= 1.0:
            self._front_backoff.succeed()
            self._front_backoff.until = now
            logger.error("the front %s unasked; it is replaced at once", describe_exit(status))
        else:
            delay = self._front_backoff.fail(now)
            logger.error("the front %s; starting again in %.1f s", describe_exit(status), delay)
            if not self._announced and self._front_backoff.failures >= _START_ATTEMPTS:
                self._give_up("the front does not start")

    def _give_up(self, why: str) -> None:
        """End with status 1: the server has never come up, and trying again would not help."""
        logger.critical("%s; see the messages above. The server ends", why)
        self._exit_status = 1
        self._begin_stop("start failed")

    def _bury(self, daemon: _Daemon, status: int) -> None:
        # What it said last may still be unread, its reason to leave for one.
        self._hear(daemon)
        self._forget_control(daemon.child)
        daemon.child.close()
        os.close(daemon.board)
        del self._daemons[daemon.number]
        if self._front is not None:
            self._front.say(Word.DIED, process=daemon.number)
        how = f"(pid {daemon.child.pid}) {describe_exit(status)} after {daemon.scoreboard.requests} requests"
        self._group.on_exit(daemon.number, time.monotonic(), how)
        if not self._loaded and not self._stopping and os.WIFEXITED(status) and os.WEXITSTATUS(status) in _HOPELESS:
            self._give_up("no daemon process can be what it was told to be")

    def _hear(self, source: object) -> None:
        try:
            if isinstance(source, _Daemon):
                self._hear_all(source.child, lambda message: self._obey_daemon(source, message))
            elif isinstance(source, Child):
                self._hear_all(source, self._obey_front)
        except EOFError:
            self._lose_touch(source)

    def _lose_touch(self, source: object) -> None:
        """A child has closed its connection: nearly always because it has exited, which SIGCHLD says too.

        User code can close it as well. Then the process cannot be told anything any more, and is replaced.
        """
        if isinstance(source, _Daemon):
            self._forget_control(source.child)
            if self._front is not None and not self._stopping:
                self._front.say(Word.DETACH, process=source.number)
            self._group.on_detached(source.number, time.monotonic())
        elif isinstance(source, Child):
            self._forget_control(source)
            source.kill(signal.SIGKILL)

    def _forget_control(self, child: Child) -> None:
        try:
            self._selector.unregister(child.control)
        except KeyError:
            pass  # forgotten already

    @staticmethod
    def _hear_all(child: Child, obey: Callable[[Message], None]) -> None:
        try:
            for _ in range(_MESSAGES):
                message = child.hear()
                if message is None:
                    return
                obey(message)
        except (ChannelError, ValueError) as error:
            logger.error("pid %d said something that means nothing: %s; it is killed", child.pid, error)
            child.kill(signal.SIGKILL)

    def _obey_front(self, message: Message) -> None:
        if message.word is Word.READY:
            self._front_ready = True
            self._group.on_front()
            self._announce()
        elif message.word is Word.DETACHED:
            self._group.on_detached(message.number("process"), time.monotonic())

    def _obey_daemon(self, daemon: _Daemon, message: Message) -> None:
        if message.word is Word.LOADED:
            self._loaded = True
            self._group.on_loaded(
                daemon.number,
                time.monotonic(),
                failed=bool(message.fields["failed"]),
                version=message.number("version"),
            )
        elif message.word is Word.KEPT:
            self._group.on_kept(daemon.number)
        elif message.word is Word.RETIRE:
            self._group.on_retire(daemon.number, ShutdownReason(message.text("reason")))

    # -- carrying out

    def _carry_out(self) -> None:
        now = time.monotonic()
        if self._front is None and not self._stopping and now >= self._front_backoff.until:
            self._start_front()
        if self._stop_deadline is not None and now >= self._stop_deadline:
            self._stop_deadline = None
            if self._front is not None:
                logger.warning("the front does not leave; it is killed")
                self._front.kill(signal.SIGKILL)
        while actions := self._group.plan(time.monotonic()):
            for action in actions:
                self._act(action)
        for level, text in self._group.take_messages():
            logger.log(_LEVELS[level], "%s", text)

    def _act(self, action: Action) -> None:
        if isinstance(action, Spawn):
            self._start_daemon()
            return
        daemon = self._daemons.get(action.number)
        if daemon is None:
            return
        child = daemon.child
        match action:
            case Attach():
                self._attach(daemon)
            case Detach(number):
                front = self._front
                # A front that does not know it, because it is new, would never say that the last request has ended.
                if front is None or daemon.attached_to is not front or not front.say(Word.DETACH, process=number):
                    self._group.on_detached(number, time.monotonic())
            case Stop(_, timeout):
                child.say(Word.STOP, timeout=float(timeout))
            case Kill():
                child.kill(signal.SIGKILL)
            case Keep(_, version):
                child.say(Word.KEEP, version=version)
            case Resume(number):
                if self._front is not None:
                    self._front.say(Word.RESUME, process=number)

    def _attach(self, daemon: _Daemon) -> None:
        front = self._front
        if front is None or not self._front_ready:
            return  # `on_front` asks again
        if daemon.attached_to is front:
            return
        daemon.attached_to = front
        for_front, for_daemon = stream_pair()
        with for_front, for_daemon:
            if daemon.child.say(Word.CHANNEL, (for_daemon.fileno(),)):
                front.say(
                    Word.ATTACH,
                    (for_front.fileno(), daemon.board),
                    process=daemon.number,
                    pid=daemon.child.pid,
                    threads=self._plan.threads,
                    group=self._group.name,
                )
        self._announce()

    def _announce(self) -> None:
        if not self._announced and self._front_ready and not self._stopping:
            self._announced = True
            self._plan.on_ready()

    # -- stopping

    def _begin_stop(self, why: str) -> None:
        if self._stopping:
            return
        self._stopping = True
        timeout = self._plan.graceful_timeout
        logger.info("%s: stopping; requests in flight get %s", why, f"{timeout:g} s" if timeout else "all their time")
        now = time.monotonic()
        for listener in self._plan.listeners:
            listener.close()
        if self._front is None or not self._front.say(Word.STOP, timeout=float(timeout)):
            self._group.stop(now)
        elif timeout:
            self._stop_deadline = now + timeout + _FRONT_MARGIN

    def _kill_all(self) -> None:
        children = [daemon.child for daemon in self._daemons.values()]
        if self._front is not None:
            children.append(self._front)
        for child in children:
            child.kill(signal.SIGKILL)
        for child in children:
            try:
                os.waitpid(child.pid, 0)
            except ChildProcessError:
                pass
