"""Tells the collector what the process does, and what becomes of it (WSGITelemetryService). Shell.

The monitor's thread reports every `interval` seconds; sending never waits, so nobody needs a thread for it. Requests
are measured by a recorder of our own, so that an application's `request_metrics()` has its own samples, and only from
here on: in a process that was forked, not in the one that it was forked from.

In a process with sub-interpreters each tells of its own requests, and the main one of the process.
"""

import gc
import logging
import os
import random
import sys
import time
from collections.abc import Callable
from typing import Any, Final

from pydaemonwsgi import __version__
from pydaemonwsgi.daemon.applications import Applications
from pydaemonwsgi.daemon.events import Events
from pydaemonwsgi.daemon.exchange import Exchange
from pydaemonwsgi.daemon.recorder import Recorder
from pydaemonwsgi.daemon.requests import RunningRequests
from pydaemonwsgi.daemon.settings import DaemonSettings
from pydaemonwsgi.telemetry.datagrams import VERSION, encode
from pydaemonwsgi.telemetry.requests import MOST_RUNNING, SlowRequests, described, measured
from pydaemonwsgi.telemetry.sender import Sender
from pydaemonwsgi.telemetry.settings import TelemetrySettings

__all__ = ["Telemetry", "telemetry_for"]

logger = logging.getLogger(__name__)

# mod_wsgi's former names of figures that have others now; and what every datagram has.
_NOT_TOLD: Final = frozenset({"request_threads_buckets", "cpu_user_time", "cpu_system_time", "cpu_time", "pid"})

_Record = tuple[str, dict[str, Any]]


def telemetry_for(
    settings: DaemonSettings, applications: Applications, events: Events, requests: RunningRequests, *, is_main: bool
) -> "Telemetry | None":
    """Return who tells the collector; None where there is none.

    Args:
        settings: the process's orders.
        applications: say what application group the process turns out to be for.
        events: says when a request has ended.
        requests: knows what is running.
        is_main: whether this is the main interpreter.
    """
    if settings.telemetry is None:
        return None
    telemetry = Telemetry(settings, settings.telemetry, events, requests, is_main=is_main)
    if (tell := applications.on_first) is not None:

        def bind(application_group: str) -> None:
            telemetry.application_group = application_group
            tell(application_group)

        applications.on_first = bind
    return telemetry


class Telemetry:
    """See the module's docstring. The monitor's thread calls everything but `_take`.

    Args:
        settings: the process's orders.
        telemetry: where to, and how often.
        events: says when a request has ended.
        requests: knows what is running.
        is_main: whether this is the main interpreter.

    Attributes:
        application_group: whose applications it runs; "" is the main interpreter's, or not known yet.
    """

    def __init__(
        self,
        settings: DaemonSettings,
        telemetry: TelemetrySettings,
        events: Events,
        requests: RunningRequests,
        *,
        is_main: bool,
    ) -> None:
        self.application_group = settings.application_group or ""
        self._settings = settings
        self._telemetry = telemetry
        self._requests = requests
        self._is_main = is_main
        self._sender = Sender(telemetry, silent=not is_main)
        self._sequence = 0
        self._slow = SlowRequests()
        self._recorder = Recorder(events, requests, settings.threads)
        self._recorder.start_recording_metrics()
        self._reason = ""
        self._failed = False
        if settings.slow_requests:
            events.record(self._take)

    # -- what the monitor calls

    def started(self) -> float:
        """Say that the process serves; return when to report first, of `time.perf_counter`."""
        self._attempt(lambda: [*self._started(), *self._process()])
        # Processes that were started together report one after the other: the collector's queue is short.
        return time.perf_counter() + self._telemetry.interval * random.random()  # noqa: S311 - jitter

    def report(self) -> float:
        """Say what has happened since the last report; return when to report again."""
        self._attempt(self._report)
        return time.perf_counter() + self._telemetry.interval

    def stopping(self, reason: str) -> None:
        """Say that the process is about to end, and why (`ShutdownReason`)."""
        self._reason = reason
        self._attempt(lambda: self._main("process_stopping", self._life()))

    def stopped(self, status: int) -> None:
        """Say that it has come to its end: the last that is sent."""

        def gather() -> list[_Record]:
            life = self._life()
            end = {**life, "status": status, "drained": not life["active_requests"]}
            return [*self._report(), *self._main("process_stopped", end)]

        self._attempt(gather)

    def _attempt(self, gather: Callable[[], list[_Record]]) -> None:
        """Send what can be gathered; raises nothing."""
        try:
            self._send(gather())
        except Exception:
            # A safety net: the thread that watches over the requests must not end because a figure is missing.
            if not self._failed:
                logger.exception("telemetry of this process could not be gathered; this is said once")
            self._failed = True

    # -- requests

    def _take(self, payload: dict[str, Any]) -> None:
        """Note a slow request that has just ended, in its own thread."""
        seconds = payload["application_finish"] - payload["queue_start"]
        if seconds < self._settings.slow_requests:
            return
        for exchange in self._requests.exchanges():
            if exchange.thread_id == payload["thread_id"]:
                self._slow.add({**self._slow_request(exchange, "ended", seconds), **measured(payload)})
                return

    def _running(self) -> list[_Record]:
        """Requests that are slow already and have not ended, the slowest first."""
        limit = self._settings.slow_requests
        if not limit:
            return []
        now = time.time()
        running = sorted(self._requests.exchanges(), key=lambda exchange: exchange.request.queue_start)
        return [
            ("slow_request", self._slow_request(exchange, "running", now - exchange.request.queue_start))
            for exchange in running[:MOST_RUNNING]
            if now - exchange.request.queue_start >= limit
        ]

    def _slow_request(self, exchange: Exchange, state: str, seconds: float) -> dict[str, Any]:
        request = exchange.request
        variables = {"SCRIPT_FILENAME": self._settings.script or self._settings.module or ""}
        for encoded in (request.connection, request.head):
            items = encoded.decode("latin-1").split("\0")
            variables |= zip(items[::2], items[1::2], strict=False)
        return {
            "request_id": str(exchange.errors.request_id),
            "state": state,
            "duration": seconds,
            "request_start": request.request_start,
            "queue_start": request.queue_start,
            "thread_id": exchange.thread_id,
            **described(variables, user_agent=self._telemetry.user_agent),
            "active_requests": len(self._requests),
        }

    # -- the records

    def _started(self) -> list[_Record]:
        settings = self._settings
        record = {
            "script": settings.script or settings.module or "",
            "processes": settings.processes,
            "threads": settings.threads,
        }
        return self._main("process_started", record)

    def _report(self) -> list[_Record]:
        figures = self._recorder.request_metrics() or {}
        return [
            # A collector that is nearly full takes only the first: what is never told again comes before what is.
            ("request", {name: value for name, value in figures.items() if name not in _NOT_TOLD}),
            *(("slow_request", record) for record in self._slow.take()),
            *self._running(),
            *self._process(),
            ("gc", {"generations": gc.get_stats(), "thresholds": list(gc.get_threshold())}),
        ]

    def _process(self) -> list[_Record]:
        """What the process as a whole has used."""
        figures = self._recorder.process_metrics() or {}
        return self._main(
            "process",
            {
                **{name: value for name, value in figures.items() if name not in {"threads", "pid"}},
                "server_version": __version__,
                "python_version": ".".join(map(str, sys.version_info[:3])),
                "uid": os.geteuid(),
                "supervisor_pid": os.getppid(),
                "switch_interval": sys.getswitchinterval(),
                "datagrams_dropped": self._sender.dropped,
                "slow_requests_left_out": self._slow.left_out,
            },
        )

    def _main(self, kind: str, record: dict[str, Any]) -> list[_Record]:
        """A record that the main interpreter alone sends, for all."""
        return [(kind, record)] if self._is_main else []

    def _life(self) -> dict[str, Any]:
        figures = self._recorder.process_metrics() or {}
        told = ("running_time", "request_count", "active_requests")
        return {"reason": self._reason, **{name: figures[name] for name in told}}

    def _send(self, records: list[_Record]) -> None:
        settings = self._settings
        datagrams = []
        for kind, record in records:
            self._sequence += 1
            head = {
                "version": VERSION,
                "kind": kind,
                "time": time.time(),
                "sequence": self._sequence,
                "pid": os.getpid(),
                "process_group": settings.group,
                "application_group": self.application_group,
            }
            datagrams.append(encode(head, record))
        if datagrams:
            self._sender.send(datagrams, time.monotonic())
