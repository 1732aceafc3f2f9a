"""The front as the supervisor has it: started, replaced when it dies, told things. Shell."""

import logging
import mmap
import selectors
import signal
import socket
import time
from collections.abc import Callable, Iterable, Sequence
from typing import Final

from pydaemonwsgi.channel.control import Message, Word
from pydaemonwsgi.metrics.heartbeat import HEARTBEAT_SIZE, Heartbeat
from pydaemonwsgi.supervisor.children import Child, fork_child, hear_all, stop_hearing
from pydaemonwsgi.supervisor.crash_report import Death, describe_death
from pydaemonwsgi.supervisor.daemons import Daemon
from pydaemonwsgi.supervisor.dump import dump
from pydaemonwsgi.supervisor.exits import describe_exit
from pydaemonwsgi.supervisor.lifecycle import Backoff
from pydaemonwsgi.supervisor.pulse import Pulse
from pydaemonwsgi.system.descriptors import memfd
from pydaemonwsgi.system.sockets import stream_pair

__all__ = ["Front"]

logger = logging.getLogger(__name__)

# Seconds beyond the graceful time-out before the front is killed.
_MARGIN: Final = 2.0
# Seconds for a front that is to be killed to say where it is.
_DUMP: Final = 0.3
# Seconds for a front to read what it was told. A new one hears of every daemon process and application group at once,
# more than the kernel holds for it, and takes clients meanwhile.
_PATIENCE: Final = 2.0
# Seconds until a process is connected again that could not be; doubled each time.
_AGAIN: Final = 1.0
# A front that lives this long, in seconds, has started well.
_START_SECONDS: Final = 1.0


class Front:
    """The front and the connection to it.

    Args:
        selector: the loop's.
        run: be the front, in the child; the memory is for its signs of life.
        timeout: seconds that it may give none before it is replaced; 0 for any time.
        keep: descriptors that the front keeps.
        obey: takes what it says, but for READY.
        on_ready: called when a front accepts clients.

    Attributes:
        child: the living front; None while there is none. Each front is another child, and knows nothing of what
            was told to the one before.
        started: when it was forked, monotonic seconds.
        ready: whether it accepts clients.
        stopping: whether it has been told to end; no other is started.
        held: whether it must not be started yet.
        failures: fronts that ended in a row right after their start.
    """

    def __init__(
        self,
        selector: selectors.BaseSelector,
        run: Callable[[socket.socket, memoryview], int],
        timeout: float,
        keep: Iterable[int],
        obey: Callable[[Message], None],
        on_ready: Callable[[], None],
    ) -> None:
        self._selector = selector
        self._run = run
        self._timeout = timeout
        self._heartbeat = Heartbeat(memoryview(bytearray(HEARTBEAT_SIZE)))
        self._pulse = Pulse(0.0, 0.0)
        self._keep = tuple(keep)
        self._obey_rest = obey
        self._on_ready = on_ready
        self._backoff = Backoff()
        self.started = 0.0
        self._unattached: dict[int, tuple[Daemon, str, tuple[int, int]]] = {}  # by number; what `attach` needs
        self._connecting = Backoff(_AGAIN)
        self._kill_at: float | None = None
        self._late = False
        self.child: Child | None = None
        self.ready = False
        self.stopping = False
        self.held = False

    @property
    def failures(self) -> int:
        """How many fronts in a row ended right after their start."""
        return self._backoff.failures

    @property
    def state(self) -> str:
        """Its state in supervisord's words."""
        if self.stopping:
            return "STOPPING"
        if self.child is None:
            return "BACKOFF"
        return "RUNNING" if self.ready else "STARTING"

    # -- life

    def carry_out(self, now: float) -> None:
        """Start it if it is missing and its time has come; kill it if it stays too long."""
        if self.child is None and not self.stopping and not self.held and now >= self._backoff.until:
            self._start(now)
        if self.child is not None:
            self.child.look(now)
            self._feel_pulse(self.child, now)
        if self._unattached and now >= self._connecting.until:
            self._connect_rest(now)
        if self._kill_at is not None and now >= self._kill_at:
            self._kill_at = None
            if self.child is not None:
                if self.stopping:
                    logger.warning("the front does not leave; it is killed")
                self.child.kill(signal.SIGKILL)

    def _feel_pulse(self, child: Child, now: float) -> None:
        if self._kill_at is not None or not self._pulse.look(self._heartbeat.last, now):
            return
        logger.error(
            "the front (pid %d) has given no sign of life for %.1f s (front-timeout); it is killed once it has said "
            "where it is",
            child.pid,
            self._pulse.silence,
        )
        dump(child.pid)
        self._late = True
        self._pulse = Pulse(0.0, now)
        self._kill_at = now + _DUMP

    def next_deadline(self) -> float | None:
        """Return the monotonic time at which `carry_out` has something to do, or None."""
        if self._kill_at is not None:
            return self._kill_at
        if self.child is None:
            return None if self.stopping or self.held else self._backoff.until
        times = [self._pulse.next_look(), self._connecting.until if self._unattached else None]
        return min((at for at in times if at is not None), default=None)

    def _start(self, now: float) -> None:
        try:
            # Anonymous memory that a fork shares: it needs no descriptor.
            memory = memoryview(mmap.mmap(-1, HEARTBEAT_SIZE))
            child = fork_child(lambda control: self._run(control, memory), self._keep)
        except OSError as error:
            delay = self._backoff.fail(now)
            logger.error("cannot start the front: %s; trying again in %.1f s", error.strerror, delay)
            return
        child.patience = _PATIENCE
        self.child = child
        self.ready = False
        self.started = now
        self._heartbeat = Heartbeat(memory)
        self._pulse = Pulse(self._timeout, now)
        self._selector.register(child.control, selectors.EVENT_READ, self._hear)

    def bury(self, status: int, now: float, death: Death, running: int) -> None:
        """It has been reaped; `running` requests that it had given to daemon processes have no client any more."""
        assert self.child is not None
        pid = self.child.pid
        stop_hearing(self.child, self._selector)
        self.child.close()
        self.child = None
        self.ready = False
        self._unattached.clear()
        self._kill_at = None
        late, self._late = self._late, False
        if self.stopping:
            return
        facts = "".join(f"\n  {fact}" for fact in describe_death(death))
        facts += f"\n  {running} requests were running in daemon processes" if running else ""
        if now - self.started >= _START_SECONDS:
            self._backoff.succeed()
            self._backoff.until = now
            why = "front-timeout" if late else "unasked"
            logger.error("the front (pid %d) %s: %s; it is replaced at once%s", pid, describe_exit(status), why, facts)
        else:
            delay = self._backoff.fail(now)
            logger.error("the front (pid %d) %s; starting again in %.1f s%s", pid, describe_exit(status), delay, facts)

    def stop(self, timeout: float, now: float) -> bool:
        """Have it finish its requests within `timeout` seconds, 0 for all their time; False if there is none."""
        self.stopping = True
        if not self.say(Word.STOP, timeout=float(timeout)):
            if self.child is not None:
                self.child.kill(signal.SIGKILL)  # one that lives would not know that it should end
            return False
        if timeout:
            self._kill_at = now + timeout + _MARGIN
        return True

    def renew(self, keep: Iterable[int], orders: bytes, descriptors: Sequence[int]) -> None:
        """Have the front be what the configuration says now; one that is started later is so from its beginning.

        Args:
            keep: descriptors that a front keeps.
            orders: for a front that runs.
            descriptors: travel with them.
        """
        self._keep = tuple(keep)
        if self.child is None:
            return
        try:
            with open(memfd("orders"), "wb", buffering=0) as file:
                file.write(orders)
                self.say(Word.CONFIGURE, (file.fileno(), *descriptors))
        except OSError as error:
            logger.error("the front cannot be given the new configuration: %s; it is replaced", error.strerror)
            self.child.kill(signal.SIGKILL)

    # -- the processes that it gives requests to

    def knows(self, daemon: Daemon) -> bool:
        """Whether a process, or an interpreter of one, has a channel to the front that lives."""
        return self.child is not None and daemon.attached_to is self.child

    def attach(self, daemon: Daemon, key: str, buffers: tuple[int, int]) -> None:
        """Connect a process, or an interpreter of it, for the requests that go by a key; later, if not now.

        Args:
            daemon: whom.
            key: what the front calls the processes of its application group.
            buffers: bytes of the kernel's buffers of the channel, sending and receiving; 0 for roomy ones.
        """
        if not self.ready or self.knows(daemon):
            return  # the planner asks again once the front is ready
        problem = ""
        try:
            self._connect(daemon, key, buffers)
        except OSError as error:
            problem = error.strerror or str(error)
        if self.knows(daemon):
            return
        self._unattached[daemon.number] = daemon, key, buffers
        now = time.monotonic()
        if now < self._connecting.until:
            return  # the same happens to all of them
        delay = self._connecting.fail(now)
        if problem:
            text = "pid %d cannot be connected with the front: %s; trying again in %.0f s"
            logger.error(text, daemon.child.pid, problem, delay)

    def _connect(self, daemon: Daemon, key: str, buffers: tuple[int, int]) -> None:
        """Give a channel to a process and to the front.

        Raises:
            OSError: there are no descriptors for it.
        """
        for_front, for_daemon = stream_pair(*buffers)
        with for_front, for_daemon:
            if daemon.child.say(Word.CHANNEL, (for_daemon.fileno(),)) and self.say(
                Word.ATTACH,
                (for_front.fileno(), daemon.board),
                process=daemon.number,
                pid=daemon.child.pid,
                threads=daemon.scoreboard.threads,
                group=key,
            ):
                daemon.attached_to = self.child

    def _connect_rest(self, now: float) -> None:
        """Connect those that could not be."""
        unattached, self._unattached = self._unattached, {}
        for daemon, key, buffers in unattached.values():
            self.attach(daemon, key, buffers)
        if now >= self._connecting.until:
            self._connecting.succeed()

    def detach(self, daemon: Daemon) -> bool:
        """Give it no more requests; return whether the front will say when the last one has ended.

        A front that does not know it, because it is new, never would.
        """
        self._unattached.pop(daemon.number, None)
        return self.knows(daemon) and self.say(Word.DETACH, process=daemon.number)

    def forget(self, daemon: Daemon) -> None:
        """It has died, even if somebody holds its end of the channel open."""
        self._unattached.pop(daemon.number, None)
        self.say(Word.DIED, process=daemon.number)

    # -- talking

    def say(self, word: Word, descriptors: Sequence[int] = (), **fields: object) -> bool:
        """Send it a message; return False when there is nobody to take it."""
        return self.child is not None and self.child.say(word, descriptors, **fields)

    def _hear(self) -> None:
        child = self.child
        assert child is not None
        try:
            hear_all(child, self._obey)
        except EOFError:
            # Nearly always because it has exited, which SIGCHLD says too. One that lives on hears nothing any more.
            stop_hearing(child, self._selector)
            child.kill(signal.SIGKILL)

    def _obey(self, message: Message) -> None:
        if message.word is Word.READY:
            self.ready = True
            self._on_ready()
        else:
            self._obey_rest(message)
