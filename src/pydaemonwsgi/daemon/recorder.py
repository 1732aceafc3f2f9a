"""The metrics that an application can ask for: `request_metrics()` and `process_metrics()` of mod_wsgi. Shell.

Nothing is measured before `start_recording_metrics()`; from then on each request is, as for a subscriber to events.
"""

import os
import resource
import threading
import time
from typing import Any

from pydaemonwsgi.daemon.events import Events
from pydaemonwsgi.daemon.requests import RunningRequests
from pydaemonwsgi.metrics.sample import Machine, Running, Sample
from pydaemonwsgi.system.processes import resident_bytes

__all__ = ["Recorder"]


class Recorder:
    """Measures the requests of one process for whoever asks in it.

    Args:
        events: says when a request has ended.
        requests: knows what is running.
        threads: worker threads of the process.
    """

    def __init__(self, events: Events, requests: RunningRequests, threads: int) -> None:
        self._events = events
        self._requests = requests
        self._threads = threads
        self._lock = threading.Lock()
        self._recording = False
        self._begin()
        # A script that a parent has loaded may have begun to record there; what counts is what happens here.
        os.register_at_fork(after_in_child=self._begin)

    def _begin(self) -> None:
        self._lock = threading.Lock()
        self._started = time.time()
        self._sample = Sample(self._threads, self._started, _machine())
        self._busy = 0.0
        self._ended = [0] * self._threads

    # The application calls these.

    def start_recording_metrics(self) -> None:
        """Have requests measured from here on; once is enough."""
        with self._lock:
            if self._recording:
                return
            self._recording = True
            self._sample = Sample(self._threads, time.time(), _machine())
        self._events.record(self._take)

    def request_metrics(self) -> dict[str, Any] | None:
        """Return the figures of all requests since the last call; None while nothing is recorded."""
        if not self._recording:
            return None
        now, machine, running = time.time(), _machine(), self._running()
        with self._lock:
            sample, self._sample = self._sample, Sample(self._threads, now, machine)
        return {"pid": os.getpid(), **sample.end(now, machine, running)}

    def process_metrics(self) -> dict[str, Any] | None:
        """Return the figures of the process since its start; None while nothing is recorded."""
        if not self._recording:
            return None
        now, machine, running = time.time(), _machine(), self._running()
        with self._lock:
            ended, busy = self._ended.copy(), self._busy
        return {
            "pid": os.getpid(),
            "restart_time": self._started,
            "current_time": now,
            "running_time": now - self._started,
            "request_count": self._requests.ended,
            "request_busy_time": busy + sum(request.elapsed for request in running),
            "request_threads": self._threads,
            "active_requests": len(running),
            "cpu_user_time": machine.user,
            "cpu_system_time": machine.system,
            "cpu_time": machine.user + machine.system,
            "memory_rss": machine.rss,
            "memory_max_rss": machine.max_rss,
            "threads": [{"thread_id": slot + 1, "request_count": count} for slot, count in enumerate(ended)],
        }

    def _take(self, payload: dict[str, Any]) -> None:
        with self._lock:
            self._sample.add(payload)
            self._busy += payload["application_time"]
            self._ended[payload["thread_id"] - 1] += 1

    def _running(self) -> list[Running]:
        now = time.perf_counter()
        return [Running(one.thread_id, max(0.0, now - one.started)) for one in self._requests.exchanges()]


def _machine() -> Machine:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    max_rss = usage.ru_maxrss * 1024
    rss = resident_bytes(os.getpid()) or max_rss  # there may be no /proc
    return Machine(usage.ru_utime, usage.ru_stime, rss, max(rss, max_rss))  # the kernel is exact about neither
