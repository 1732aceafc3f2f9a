"""The thread pool of a daemon process: leader and followers on one channel. Shell over `policy`.

Theory of operation. `threads` workers share one channel. The **leader** reads it, queues the requests that came and
runs them one after the other, posting their answers, which are flushed when the queue is empty or a little time has
passed. Before a request that is expected to be slow (`PoolPolicy`) it makes a **follower** leader and runs the
request beside it. Otherwise it runs it inline; then the monitor (`PoolWatch`) watches, and makes a follower leader if
the request has not returned within a tick. The leader finds out when it comes back, under the lock under which it was
deposed.

When no follower is idle the lead is **vacant**. The next worker that gets free takes it. Meanwhile the monitor reads
the channel itself, to hand requests back (REJECT) so that another process can run them, and to hear CANCEL and CREDIT.

What the lock guards: `_leader`, `_idle`, `Worker.inline_since`, the counters, what the policy has learned. What
belongs to the leader, whoever it is: the `Intake`, its queue and receiving. What belongs to nobody: `Link` has its own
locks.

Requests start in the order in which they were received: the leader alone takes them off the queue and notes each in
the scoreboard before anything else happens to it. So "every stream up to N has started" is one number.
"""

import logging
import os
import threading
import time
from collections.abc import Callable

from pydaemonwsgi.channel.frames import RejectReason
from pydaemonwsgi.daemon.adapter import Adapter, Job
from pydaemonwsgi.daemon.ending import end_for_lack_of_memory
from pydaemonwsgi.daemon.exchange import Exchange
from pydaemonwsgi.daemon.intake import Intake
from pydaemonwsgi.daemon.link import Link
from pydaemonwsgi.daemon.policy import FLUSH_AFTER, PoolPolicy
from pydaemonwsgi.daemon.recycling import RequestLimit
from pydaemonwsgi.daemon.routes import Route
from pydaemonwsgi.daemon.thread_usage import thread_usage
from pydaemonwsgi.daemon.worker import Worker
from pydaemonwsgi.metrics.scoreboard import Scoreboard
from pydaemonwsgi.vocabulary import ShutdownReason

__all__ = ["Pool"]

logger = logging.getLogger(__name__)


class Pool:
    """See the module's docstring.

    Args:
        threads: how many workers.
        adapter: runs a job.
        scoreboard: where started requests are noted.
        limit: counts ended requests.
        outdated: asked for each request, with its route and the time when it was received, before it begins; True
            means that only newer code may answer it.
        retire: called, from any thread, when this process should be replaced.
        link_lost: called when the channel has ended; the leader then waits for `attach`.
        wake_monitor: makes the main thread look soon.
        strict_limit: start no request beyond the limit (`wsgi.run_once`).

    Attributes:
        policy: when requests run inline.
        reject_reason: why requests are handed back; None while they are run.
        activity: how many requests have ended that count for inactivity-timeout.
        inactive: streams that are running and do not (WSGIIgnoreActivity).
        inline_runs: how many requests have been begun inline.
        watch_is_asleep: whether the monitor has to be woken before a request runs inline.
    """

    def __init__(
        self,
        *,
        threads: int,
        adapter: Adapter,
        scoreboard: Scoreboard,
        limit: RequestLimit,
        outdated: Callable[[Route, float], bool],
        retire: Callable[[ShutdownReason], None],
        link_lost: Callable[[], None],
        wake_monitor: Callable[[], None],
        strict_limit: bool = False,
    ) -> None:
        self._adapter = adapter
        self._scoreboard = scoreboard
        self._limit = limit
        self._outdated = outdated
        self._retire = retire
        self._wake_monitor = wake_monitor
        self._strict_limit = strict_limit
        self.policy = PoolPolicy(threads)
        self._lock = threading.Lock()
        self._leader: Worker | None = None
        self._idle: list[Worker] = []
        self._active: dict[int, Exchange] = {}
        self._intake = Intake(self._active, link_lost)
        self._monitor = Worker(-1)
        self.watch_is_asleep = False
        self.inline_runs = 0
        self.activity = 0
        self.inactive: set[int] = set()
        self._forked = False
        self.reject_reason: RejectReason | None = None
        self._workers = [Worker(index) for index in range(threads)]

    def start(self) -> None:
        """Start the worker threads."""
        for worker in self._workers:
            threading.Thread(
                target=self._serve, args=(worker,), name=f"wsgi-worker-{worker.index + 1}", daemon=True
            ).start()

    def attach(self, link: Link) -> None:
        """Serve requests from `link`; the one before, if any, ends."""
        self._intake.attach(link)

    def note_fork(self) -> None:
        """Called in a child that the application forked: the channel is its parent's."""
        self._forked = True
        link = self._intake.link
        if link is not None:
            link.abandon()

    @property
    def attached(self) -> bool:
        """Whether there is a channel."""
        return self._intake.link is not None

    @property
    def leader(self) -> Worker | None:
        """Who leads; None while nobody does."""
        return self._leader

    @property
    def busy(self) -> int:
        """How many requests are running."""
        return len(self._active)

    @property
    def ended(self) -> int:
        """How many requests have ended."""
        return self._limit.ended

    @property
    def running(self) -> list[Exchange]:
        """The requests that are running."""
        return list(self._active.values())

    def thread_of(self, exchange: Exchange) -> int:
        """Return the ident of the thread that runs a request."""
        return self._workers[exchange.thread_id - 1].ident

    def flush(self) -> None:
        """Return once every answer that was given is on its way."""
        link = self._intake.link
        if link is not None:
            link.flush_all()

    def __repr__(self) -> str:
        """Return the numbers that an operator would ask for."""
        return (
            f"<Pool {len(self._workers)} threads, {self.busy} busy, {len(self._intake.queue)} queued, "
            f"average {self.policy.average * 1000:.2f} ms, {self._limit.ended} ended>"
        )

    # -- workers

    def _serve(self, worker: Worker) -> None:
        """A worker's life: become leader at once, or wait to be made leader; lead; again."""
        worker.begin()
        while True:
            with self._lock:
                lead = self._leader is None
                if lead:
                    self._leader = worker
                else:
                    self._idle.append(worker)
            if not lead:
                worker.wake.acquire()
            given, worker.job = worker.job, None
            try:
                if given is None:
                    self._lead(worker)
                else:
                    self._run_beside(worker, *given)
            except MemoryError:
                # Not the application's, which is a 500, but ours: nothing can be received or sent any more.
                end_for_lack_of_memory()
            except BaseException:
                # This branch should never run. It keeps a bug in the pool from silently costing a thread.
                logger.exception("worker thread %d failed", worker.index + 1)
                with self._lock:
                    if self._leader is worker:
                        self._leader = None

    def _lead(self, worker: Worker) -> None:
        """Read and run until the lead has passed to another; then return."""
        intake = self._intake
        queue = intake.queue
        flushed = 0.0
        while True:
            if not queue:
                link = intake.current()
                link.flush()
                intake.receive(link, wait=True)
                flushed = time.perf_counter()
                continue
            job = queue.popleft()
            if self._is_for_others(job):
                self._intake.hand_back(job, self.reject_reason or RejectReason.BUSY)
                continue
            route = job.route
            path = route.path
            # What has to be loaded first will take its time.
            if route.application.call is None or self.policy.hand_over_first(path):
                if queue and self._give_away(job, path):
                    continue
                job.link.flush()
                exchange = self._begin(worker, job, inline=False)
                self._pass_lead(worker)
                self._run_beside(worker, job, exchange, path)
                return
            if not worker.batch:
                # It is woken again and again by the front, which has more to do than to wake it.
                worker.set_batch(True)
            exchange = self._begin(worker, job, inline=True)
            worker.inline_since = exchange.started
            self.inline_runs += 1
            if self.watch_is_asleep:
                self._wake_monitor()
            now = self._run(worker, job, exchange, path)
            if self._leader is not worker:
                # Deposed by the monitor. It cannot happen after `_run` has returned: nothing runs inline then.
                job.link.flush()
                return
            if now - flushed > FLUSH_AFTER:
                job.link.flush()
                flushed = now

    def _begin(self, worker: Worker, job: Job, *, inline: bool) -> Exchange:
        """Note that a job begins on `worker`; called by the leader.

        Before anything else happens to it: from here on it may have run, whatever becomes of us. And before the lead
        passes on: the next leader must find it when it reads CANCEL.
        """
        self._scoreboard.begin(worker.index, job.stream, job.received)
        exchange = self._adapter.begin(job, worker.index + 1, inline=inline)
        if job.route.ignores_activity:
            self.inactive.add(job.stream)
        self._active[job.stream] = worker.exchange = exchange
        return exchange

    def _run_beside(self, worker: Worker, job: Job, exchange: Exchange, path: str) -> None:
        """Run one job while another worker leads."""
        if worker.batch:
            worker.set_batch(False)
        self._run(worker, job, exchange, path)

    def _run(self, worker: Worker, job: Job, exchange: Exchange, path: str) -> float:
        """Run one job; return the time (perf_counter) when it ended."""
        started = exchange.started
        policy = self.policy
        before = thread_usage() if worker.inline_since and policy.wants_measured(path) else None
        try:
            self._adapter.run(job, exchange)
        finally:
            if self._forked:
                # A child of the application returned from its call. The request is its parent's to answer.
                os._exit(0)
            own = None if before is None else thread_usage().since(before)
            busy = len(self._active)
            del self._active[job.stream]
            ended = time.perf_counter()
            with self._lock:
                worker.inline_since = 0.0
                limit = self._limit
                reason = limit.count()
                if job.route.ignores_activity:
                    self.inactive.discard(job.stream)
                else:
                    self.activity += 1
                self._scoreboard.end(worker.index, limit.ended)
                policy.observe(path, ended - started, busy, own)
        if reason is not None:
            if self._strict_limit:
                self.reject_reason = RejectReason.LEAVING
            self._retire(reason)
        return ended

    def go_on(self) -> None:
        """Take requests again, as the supervisor wants; a limit that has been reached is still one."""
        self.reject_reason = None
        if self._limit.reached:
            if self._strict_limit:
                self.reject_reason = RejectReason.LEAVING
            self._retire(ShutdownReason.MAXIMUM_REQUESTS)

    def _give_away(self, job: Job, path: str) -> bool:
        """Have an idle worker run a job, because more wait behind it; return whether there was one.

        Waking all that are needed one after the other is faster than having each wake the next.
        """
        with self._lock:
            if not self._idle:
                return False
            follower = self._idle.pop()
        follower.job = (job, self._begin(follower, job, inline=False), path)
        follower.wake.release()
        return True

    def _pass_lead(self, worker: Worker) -> None:
        with self._lock:
            assert self._leader is worker
            self._promote()

    def _promote(self) -> None:
        assert self._lock.locked()
        if self._idle:
            # Last in, first out: the follower whose caches are warm.
            follower = self._idle.pop()
            self._leader = follower
            follower.wake.release()
        else:
            self._leader = None
            if self.watch_is_asleep:
                self._wake_monitor()

    # -- requests that others are to run

    def _is_for_others(self, job: Job) -> bool:
        """Whether a job is to be handed back, for `reject_reason`; it is prepared if not."""
        if self.reject_reason is None:
            if not self._outdated(self._adapter.prepare(job), job.received):
                return False
            self.reject_reason = RejectReason.RELOAD
            self._retire(ShutdownReason.SCRIPT_RELOAD)
        return True

    # -- what the monitor does

    def depose(self, leader: Worker, since: float) -> None:
        """Take the lead from a worker, if it still leads and runs the request that it began inline at `since`."""
        with self._lock:
            if self._leader is not leader or leader.inline_since != since:
                return
            if leader.exchange is not None:
                # Nobody flushes for it any more.
                leader.exchange.prompt = True
            self._promote()
        if self._leader is None:
            self.stand_in()

    def stand_in(self) -> None:
        """Lead for a moment while no worker can: hand requests back, hear CANCEL and CREDIT."""
        with self._lock:
            if self._leader is not None:
                return
            self._leader = self._monitor
        intake = self._intake
        link = intake.link
        if link is not None:
            intake.receive(link, wait=False)
            while intake.queue:
                job = intake.queue.popleft()
                self._is_for_others(job)
                intake.hand_back(job, self.reject_reason or RejectReason.BUSY)
            link.flush()
        with self._lock:
            self._promote()
