"""Does what the timers want: reports, interrupts and gives up requests, asks for a successor. Shell over `timers`."""

import logging
import time

from pydaemonwsgi.daemon.exchange import Exchange
from pydaemonwsgi.daemon.frames import current_frames
from pydaemonwsgi.daemon.ledger import Ledger
from pydaemonwsgi.daemon.pool import Pool
from pydaemonwsgi.daemon.retirement import Retirement
from pydaemonwsgi.daemon.stacks import cpu_time, describe, phase_of, stack_of
from pydaemonwsgi.daemon.timers import GiveUp, Interrupt, Report, Retire, Running, Timers
from pydaemonwsgi.vocabulary import ShutdownReason

__all__ = ["Timekeeper"]

logger = logging.getLogger(__name__)


class Timekeeper:
    """Keeps the timers of one process; every call is made by the monitor's thread.

    Args:
        pool: runs the requests.
        timers: decide.
        retirement: asks for a successor.
        ledger: what the other interpreters of the process do; None where there are none.
        inactivity: seconds without a request of any of them after which the process is replaced; 0 for never.
    """

    def __init__(
        self,
        pool: Pool,
        timers: Timers,
        retirement: Retirement,
        ledger: Ledger | None = None,
        inactivity: float = 0.0,
    ) -> None:
        self._pool = pool
        self._timers = timers
        self._retirement = retirement
        self._ledger = ledger
        self._inactivity = inactivity
        self._activity = 0
        # Processor time of a request's thread when it was first seen running: within a second of its beginning.
        self._cpu_before: dict[int, float] = {}

    def look(self, *, draining: bool) -> float:
        """Do what is due; return when to look again, of `time.perf_counter`."""
        now = time.perf_counter()
        exchanges = {exchange.stream: exchange for exchange in self._pool.running}
        self._note_cpu(exchanges)
        inactive = self._pool.inactive
        running = [Running(stream, exchange.started, stream not in inactive) for stream, exchange in exchanges.items()]
        self._note_activity(now, running)
        actions, again = self._timers.look(now, running, self._pool.activity, draining=draining)
        for action in actions:
            match action:
                case Report(stream):
                    self._report(exchanges[stream], now)
                case Interrupt(stream):
                    exchanges[stream].interrupt()
                case Retire(reason):
                    if reason is not ShutdownReason.INACTIVITY_TIMEOUT or self._all_are_inactive(now):
                        self._retirement.ask(reason)
                case GiveUp(stream):
                    self._give_up(exchanges[stream], now)
        return again

    def _note_activity(self, now: float, running: list[Running]) -> None:
        if self._ledger is None:
            return
        if self._pool.activity != self._activity or any(request.is_activity for request in running):
            self._activity = self._pool.activity
            self._ledger.note_active(now)

    def _all_are_inactive(self, now: float) -> bool:
        """Whether no other interpreter of the process has had a request for inactivity-timeout either."""
        return self._ledger is None or now - self._ledger.last_active >= self._inactivity

    @property
    def waited_for(self) -> int:
        """How many requests a process that leaves waits for."""
        return sum(not exchange.given_up for exchange in self._pool.running)

    def _note_cpu(self, exchanges: dict[int, Exchange]) -> None:
        before = self._cpu_before
        self._cpu_before = {
            stream: before[stream] if stream in before else cpu_time(self._pool.thread_of(exchange))
            for stream, exchange in exchanges.items()
        }

    def _report(self, exchange: Exchange, now: float) -> None:
        thread = self._pool.thread_of(exchange)
        frame = current_frames().get(thread)
        logger.error(
            "request-timeout: %s has been running for %.1f s, %s; thread %d has used %.2f s of processor time for it, "
            "and is here:\n%s",
            describe(exchange),
            now - exchange.started,
            phase_of(frame),
            exchange.thread_id,
            cpu_time(thread) - self._cpu_before[exchange.stream],
            stack_of(frame),
            extra={"request_id": exchange.errors.request_id},
        )

    def _give_up(self, exchange: Exchange, now: float) -> None:
        logger.error(
            "request-timeout: %s does not end after %.1f s; %s",
            describe(exchange),
            now - exchange.started,
            "its answer is cut off" if exchange.head_sent else "it is answered with 504",
            extra={"request_id": exchange.errors.request_id},
        )
        exchange.give_up()
        exchange.flush()
