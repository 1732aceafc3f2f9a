"""The main thread of a daemon process: watches the pool and the script, hears signals and the supervisor. Shell."""

import fcntl
import logging
import math
import os
import select
import signal
import socket
import threading
import time
from typing import Final

from pydaemonwsgi.channel.control import Message, Word
from pydaemonwsgi.channel.frames import RejectReason
from pydaemonwsgi.daemon.control import ControlConnection
from pydaemonwsgi.daemon.events import Events, SignalDispatcher
from pydaemonwsgi.daemon.hosting import Hosting
from pydaemonwsgi.daemon.inquiry import Inquiry
from pydaemonwsgi.daemon.link import Link
from pydaemonwsgi.daemon.pool import Pool
from pydaemonwsgi.daemon.pool_watch import PoolWatch
from pydaemonwsgi.daemon.reloading import Reloading
from pydaemonwsgi.daemon.retirement import Retirement
from pydaemonwsgi.daemon.settings import DaemonSettings
from pydaemonwsgi.daemon.signals import Signals
from pydaemonwsgi.daemon.stacks import dump_threads
from pydaemonwsgi.daemon.telemetry import Telemetry
from pydaemonwsgi.daemon.timekeeper import Timekeeper
from pydaemonwsgi.daemon.waker import Waker
from pydaemonwsgi.errors import ChannelError
from pydaemonwsgi.metrics.heartbeat import Heartbeat, beat_interval
from pydaemonwsgi.system.descriptors import replace_error_log
from pydaemonwsgi.system.sockets import LOST_DESCRIPTOR
from pydaemonwsgi.vocabulary import ShutdownReason

__all__ = ["Monitor"]

logger = logging.getLogger(__name__)

# Seconds between two looks at the script.
_LOOK: Final = 1.0
# Seconds that a process whose supervisor has died waits for the front to finish.
_ORPHANED: Final = 20.0
# Seconds between two looks whether the last request has ended.
_LEAVING_TICK: Final = 0.01


class Monitor:
    """See the module's docstring.

    Args:
        settings: the process's orders.
        supervisor: connection to it.
        waker: ends our wait.
        signals: what came.
        pool: runs the requests.
        reloading: knows whether the code is out of date.
        retirement: asks for a successor.
        timekeeper: keeps the timers.
        heartbeat: our sign of life.
        events: knows who wants to hear of signals and of our end.
        inquiry: is told what it has asked about the whole server.
        hosting: has the sub-interpreters of the process; None where there can be none.
        telemetry: tells the collector; None where there is none.
    """

    def __init__(
        self,
        settings: DaemonSettings,
        supervisor: ControlConnection,
        waker: Waker,
        signals: Signals,
        pool: Pool,
        reloading: Reloading,
        retirement: Retirement,
        timekeeper: Timekeeper,
        heartbeat: Heartbeat,
        events: Events,
        inquiry: Inquiry,
        hosting: Hosting | None = None,
        telemetry: Telemetry | None = None,
    ) -> None:
        self._settings = settings
        self._supervisor = supervisor
        self._waker = waker
        self._signals = signals
        self._pool = pool
        self._watch = PoolWatch(pool)
        self._reloading = reloading
        self._retirement = retirement
        self._timekeeper = timekeeper
        self._heartbeat = heartbeat
        self._events = events
        self._inquiry = inquiry
        self._hosting = hosting
        self._telemetry = telemetry
        self._dispatcher = SignalDispatcher(events)
        self._poller = select.poll()
        self._orphaned = False
        self._term_signals = 0
        self._draining = False
        self._stop_at: float | None = None
        self._look_at_timers = 0.0

    def run(self) -> int:
        """Watch until the process is to leave; return its exit status."""
        pool, supervisor = self._pool, self._supervisor
        self._poller.register(supervisor.fileno(), select.POLLIN)
        self._poller.register(self._waker.source, select.POLLIN)
        next_look = time.monotonic() + _LOOK
        beat = beat_interval(self._settings.deadlock_timeout)
        report_at = math.inf if self._telemetry is None else self._telemetry.started()
        while True:
            now = time.monotonic()
            if now >= next_look:
                next_look = now + _LOOK
                self._look()
            supervisor.flush()
            self._heartbeat.beat(now)
            ticked = time.perf_counter()
            wait = self._watch.tick(ticked)
            if ticked >= self._look_at_timers:
                self._look_at_timers = self._timekeeper.look(draining=self._draining)
            if self._telemetry is not None and ticked >= report_at:
                report_at = self._telemetry.report()
            wait = min(wait, self._look_at_timers - ticked, report_at - ticked, beat)
            if supervisor.unsent or self._stop_at is not None:
                wait = min(wait, _LEAVING_TICK)
            milliseconds = math.ceil(max(1.0, min(wait, next_look - now) * 1000))
            asleep = time.perf_counter()
            heard = self._poller.poll(milliseconds)
            if not heard:
                pool.policy.note_lateness(time.perf_counter() - asleep - milliseconds / 1000)
            for descriptor, _ in heard:
                if descriptor == self._waker.source:
                    self._waker.drain()
                else:
                    self._hear()
            for number in self._signals.take():
                self._obey_signal(number)
            if self._orphaned and not pool.attached:
                if self._stop_at is None:
                    self._publish_stopping()
                return 0
            if self._stop_at is not None:
                if not self._timekeeper.waited_for:
                    pool.flush()
                    return 0
                if time.monotonic() >= self._stop_at:
                    logger.warning("leaving with %d requests still running: their time is over", pool.busy)
                    return 1

    def _look(self) -> None:
        self._reloading.refresh()
        if self._pool.reject_reason is None and self._reloading.has_changed():
            self.note_changed()
        if self._reloading.is_overdue(self._settings.startup_timeout):
            self._retirement.ask(ShutdownReason.STARTUP_TIMEOUT)

    def note_changed(self) -> None:
        """The code is out of date: only newer code may answer from here on. From any thread."""
        pool = self._pool
        if pool.reject_reason is None:
            pool.reject_reason = RejectReason.RELOAD
            self._retirement.ask(ShutdownReason.SCRIPT_RELOAD)

    # -- signals

    def _obey_signal(self, number: signal.Signals) -> None:
        if self._hosting is not None:
            self._hosting.pass_on(number)
        if number in {signal.SIGTERM, signal.SIGINT}:
            self._term_signals += 1
            self._retirement.ask(ShutdownReason.SHUTDOWN_SIGNAL)
            if self._term_signals > 1:
                self._stop(self._settings.shutdown_timeout)
        elif number is signal.SIGUSR1:
            evicted = self._settings.eviction_timeout > 0
            self._retirement.ask(ShutdownReason.EVICTION_SIGNAL if evicted else ShutdownReason.GRACEFUL_SIGNAL)
        elif number is signal.SIGXCPU:
            self._retirement.ask(ShutdownReason.CPU_TIME_LIMIT)
        else:
            self._dispatcher.dispatch(number)

    # -- the supervisor

    def _hear(self) -> None:
        try:
            received = self._supervisor.receive()
        except EOFError:
            self._become_orphan()
            return
        if received is not None:
            self._obey(*received)

    def _become_orphan(self) -> None:
        logger.warning("the supervisor has gone; leaving when the front has")
        self._orphaned = True
        self._poller.unregister(self._supervisor.fileno())
        if self._pool.attached:
            reaper = threading.Timer(_ORPHANED, os._exit, (1,))
            reaper.daemon = True
            reaper.start()

    def _obey(self, message: Message, descriptors: list[int]) -> None:
        pool = self._pool
        if message.word is Word.CHANNEL:
            if len(descriptors) != 1 or descriptors[0] == LOST_DESCRIPTOR:
                raise ChannelError("a channel message without its descriptor; perhaps this process is out of them")
            # Above the standard streams: an application that closed one of those would print into the channel.
            channel = fcntl.fcntl(descriptors[0], fcntl.F_DUPFD_CLOEXEC, 3)
            os.close(descriptors[0])
            pool.attach(Link(socket.socket(fileno=channel)))
        elif message.word is Word.KEEP:
            self._reloading.keep(message.numbers("versions"))
            self._retirement.forget()
            pool.go_on()
            # Only now may the front give us requests again: one that came before would have been handed back.
            self._supervisor.say(Word.KEPT)
        elif message.word is Word.DRAIN:
            self._drain()
        elif message.word is Word.DUMP:
            self._dump(message.number("token"), descriptors)
        elif message.word is Word.OPEN and self._hosting is not None:
            self._hosting.open(descriptors)
        elif message.word is Word.SURVEYED:
            self._inquiry.take(message.number("token"), descriptors)
        elif message.word is Word.LOGS:
            self._take_log(descriptors)
        elif message.word is Word.STOP:
            self._stop(message.seconds("timeout"))

    def _dump(self, token: int, descriptors: list[int]) -> None:
        """Write the stacks of all threads into memory of a fixed size."""
        if len(descriptors) != 1 or descriptors[0] == LOST_DESCRIPTOR:
            logger.error("out of descriptors: the stacks of the threads cannot be told")
            return
        stacks = dump_threads(self._pool, time.perf_counter()).encode("utf-8", "backslashreplace")
        os.pwrite(descriptors[0], stacks[: os.fstat(descriptors[0]).st_size], 0)
        os.close(descriptors[0])
        self._supervisor.say(Word.DUMPED, token=token)

    def _take_log(self, descriptors: list[int]) -> None:
        """Write to the error log that has been opened anew; everything looks descriptor 2 up at each write."""
        if len(descriptors) != 1 or descriptors[0] == LOST_DESCRIPTOR:
            logger.error("out of descriptors: the error log goes on in the old file")
            return
        replace_error_log(descriptors[0])
        os.close(descriptors[0])

    def _drain(self) -> None:
        self._draining = True
        self._look_at_timers = 0.0

    def _stop(self, timeout: float) -> None:
        self._pool.reject_reason = RejectReason.LEAVING
        self._drain()
        if self._stop_at is None:
            # A time-out of 0 means, as with mod_wsgi, that nobody hurries the requests.
            self._stop_at = time.monotonic() + timeout if timeout else float("inf")
            self._publish_stopping()

    def _publish_stopping(self) -> None:
        """Tell the application, once; what its subscribers take comes off the time that is left."""
        self._dispatcher.stop()
        reason = self._retirement.reason or ShutdownReason.SHUTDOWN_SIGNAL
        if self._telemetry is not None:
            self._telemetry.stopping(reason.value)
        self._events.publish_stopping(reason.value)
