"""The timers of a daemon process: what is due now. Sans-I/O.

`look` is told the time and what runs, and returns what to do about it, in mod_wsgi's order of evaluation: requests
first, then restart-interval, then inactivity-timeout, then the drain. (startup-timeout and deadlock-timeout are kept
by the supervisor: while they run out, this process cannot.) The first reason to be replaced counts; who carries the
actions out sees to that.

A request that runs for too long climbs a ladder:

    TIMELY ──request-timeout──▶ INTERRUPTED ──interrupt-timeout──▶ STUCK ──drained or graceful-timeout──▶ GIVEN_UP
       \\───request-timeout, where there is no interrupt-timeout───▶

On the first step one record says where it is. Interrupting it may end it; the process lives. Once it is stuck the
process asks to be replaced. It gets as long as the other requests need, so that it may still end well; but it holds
the drain of the process no longer, and its client gets an answer after graceful-timeout at the latest.
"""

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Final, NamedTuple

from pydaemonwsgi.vocabulary import ShutdownReason

__all__ = ["Action", "GiveUp", "Interrupt", "Limits", "Report", "Retire", "Running", "Timers", "request_limit"]

# Seconds between two looks at most, and between two while only stuck requests hold the drain.
_LOOK: Final = 1.0
_DRAINING_LOOK: Final = 0.05


def request_limit(timeout: float, threads: int, *, logarithmic: bool) -> float:
    """Return after how many seconds a request has been running for too long; 0 for never.

    Args:
        timeout: request-timeout in seconds.
        threads: worker threads of the process.
        logarithmic: scale it by 1 + ln(threads), as mod_wsgi does.
    """
    return timeout * (1.0 + math.log(threads)) if logarithmic else timeout


@dataclass(frozen=True, slots=True)
class Limits:
    """Seconds after which something is due; 0 for never.

    Attributes:
        request: that a request may run.
        interrupt: that a request may go on after it has been interrupted; 0: none is interrupted.
        stale: after which a request does not hold the drain; 0: after `request` and `interrupt`.
        inactivity: without a request.
        restart: that this process lives.
        graceful: that a stuck request may keep its client waiting.
    """

    request: float = 0.0
    interrupt: float = 0.0
    stale: float = 0.0
    inactivity: float = 0.0
    restart: float = 0.0
    graceful: float = 0.0


class Running(NamedTuple):
    """One request that is running.

    Attributes:
        stream: its number on the channel.
        started: since when, monotonic seconds.
        is_activity: whether it counts for inactivity-timeout (WSGIIgnoreActivity).
    """

    stream: int
    started: float
    is_activity: bool = True


@dataclass(frozen=True, slots=True)
class Report:
    """Say in the log where this request is."""

    stream: int


@dataclass(frozen=True, slots=True)
class Interrupt:
    """Have `RequestTimeout` raised in its thread."""

    stream: int


@dataclass(frozen=True, slots=True)
class Retire:
    """Ask for a successor."""

    reason: ShutdownReason


@dataclass(frozen=True, slots=True)
class GiveUp:
    """Answer for it: 504, or the end of a connection that is cut."""

    stream: int


Action = Report | Interrupt | Retire | GiveUp


class _Stage(Enum):
    INTERRUPTED = "interrupted"
    STUCK = "stuck"
    GIVEN_UP = "given up"


@dataclass(slots=True)
class _Late:
    """A request beyond its deadline: the step of the ladder that it is on, and since when."""

    stage: _Stage
    since: float


class Timers:
    """The timers of one process.

    Args:
        limits: see `Limits`.
        started: when the process began to serve, monotonic seconds.
    """

    def __init__(self, limits: Limits, started: float) -> None:
        self._limits = limits
        self._started = started
        self._late: dict[int, _Late] = {}
        self._active = 0
        self._idle_since = started
        self._draining = False
        self._due: list[float] = []
        # The order is mod_wsgi's.
        self._rules: Sequence[Callable[[float, Sequence[Running]], list[Action]]] = (
            self._requests,
            self._restart,
            self._inactivity,
            self._drain,
        )

    def look(
        self, now: float, running: Iterable[Running], active: int, *, draining: bool
    ) -> tuple[list[Action], float]:
        """Return what is due, and when to look again.

        Args:
            now: monotonic seconds.
            running: the requests that are running.
            active: how many requests have ended so far that were activity.
            draining: whether a successor has this process's place, or it must leave.
        """
        requests = sorted(running, key=lambda request: request.started)
        streams = {request.stream for request in requests}
        self._late = {stream: late for stream, late in self._late.items() if stream in streams}
        self._draining = draining
        if active != self._active:
            self._active = active
            self._idle_since = now
        self._due = [now + _LOOK]
        actions = [action for rule in self._rules for action in rule(now, requests)]
        return actions, max(now, min(self._due))

    def holds_drain(self, now: float, request: Running) -> bool:
        """Whether a process that leaves waits for this request: not if it is stuck (mod_wsgi: stale)."""
        late = self._late.get(request.stream)
        if late is not None and late.stage is not _Stage.INTERRUPTED:
            return False
        stale = self._limits.stale
        return not stale or now - request.started < stale

    # -- rules

    def _requests(self, now: float, requests: Sequence[Running]) -> list[Action]:
        if not self._limits.request:
            return []
        return [action for request in requests for action in self._climb(now, request)]

    def _climb(self, now: float, request: Running) -> list[Action]:
        limits = self._limits
        stream = request.stream
        late = self._late.get(stream)
        if late is None:
            if not self._is_due(request.started + limits.request, now):
                return []
            if limits.interrupt:
                self._late[stream] = _Late(_Stage.INTERRUPTED, now)
                self._due.append(now + limits.interrupt)
                return [Report(stream), Interrupt(stream)]
            self._late[stream] = _Late(_Stage.STUCK, now)
            return [Report(stream), Retire(ShutdownReason.REQUEST_TIMEOUT)]
        if late.stage is _Stage.INTERRUPTED:
            if not self._is_due(late.since + limits.interrupt, now):
                return []
            self._late[stream] = _Late(_Stage.STUCK, now)
            return [Retire(ShutdownReason.REQUEST_TIMEOUT)]
        if late.stage is _Stage.STUCK:
            # Again and again: the supervisor may have had us go on in between.
            actions: list[Action] = [Retire(ShutdownReason.REQUEST_TIMEOUT)]
            if limits.graceful and self._is_due(late.since + limits.graceful, now):
                late.stage = _Stage.GIVEN_UP
                actions.append(GiveUp(stream))
            return actions
        return [Retire(ShutdownReason.REQUEST_TIMEOUT)]

    def _restart(self, now: float, requests: Sequence[Running]) -> list[Action]:
        del requests
        if self._limits.restart and self._is_due(self._started + self._limits.restart, now):
            return [Retire(ShutdownReason.RESTART_INTERVAL)]
        return []

    def _inactivity(self, now: float, requests: Sequence[Running]) -> list[Action]:
        waited_for = [request for request in requests if self.holds_drain(now, request)]
        if any(request.is_activity for request in waited_for):
            self._idle_since = now
        # A process that has had no request has nothing to get rid of; one that runs what is no activity is not idle.
        if not self._limits.inactivity or not self._active or waited_for:
            return []
        if self._is_due(self._idle_since + self._limits.inactivity, now):
            return [Retire(ShutdownReason.INACTIVITY_TIMEOUT)]
        return []

    def _drain(self, now: float, requests: Sequence[Running]) -> list[Action]:
        if not self._draining or not requests:
            return []
        self._due.append(now + _DRAINING_LOOK)
        if any(self.holds_drain(now, request) for request in requests):
            return []
        actions: list[Action] = []
        for request in requests:
            late = self._late.setdefault(request.stream, _Late(_Stage.STUCK, now))
            if late.stage is not _Stage.GIVEN_UP:
                late.stage = _Stage.GIVEN_UP
                actions.append(GiveUp(request.stream))
        return actions

    def _is_due(self, at: float, now: float) -> bool:
        if at <= now:
            return True
        self._due.append(at)
        return False
