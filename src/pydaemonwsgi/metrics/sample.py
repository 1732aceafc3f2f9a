"""The requests of one process between two moments, counted and measured. Sans-I/O."""

from __future__ import annotations

import operator
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

from pydaemonwsgi.metrics.durations import Durations

__all__ = ["Machine", "Running", "Sample"]

_PHASES: Final = (
    *("server_time", "queue_time", "daemon_time", "application_time", "request_time"),
    *("input_read_time", "output_write_time", "gil_wait_time"),
)
_SUMS: Final = {
    "input_bytes": "input_length",
    "input_reads": "input_reads",
    "output_bytes": "output_length",
    "output_writes": "output_writes",
    "gil_wait_count": "gil_wait_count",
}
_CLASSES: Final = ("1xx", "2xx", "3xx", "4xx", "5xx")

# Requests are noted as they are told, and counted so many at a time: 2.4 µs for each instead of 5.5.
_BATCH: Final = 64
_TIMES: Final = ("request_start", "queue_start", "daemon_start", "application_time", "application_finish")
_WAITS: Final = ("input_time", "output_time", "gil_wait_time")
_told = operator.itemgetter(*_TIMES, *_WAITS, *_SUMS.values(), "status", "thread_id", "cpu_time")


class Machine(NamedTuple):
    """What the process has taken of the machine.

    Attributes:
        user: seconds of processor time in its own code.
        system: seconds of processor time in the kernel.
        rss: bytes of memory that are resident.
        max_rss: the most that they were.
    """

    user: float
    system: float
    rss: int
    max_rss: int


class Running(NamedTuple):
    """A request that has not ended.

    Attributes:
        thread: number of its thread, counting from 1.
        elapsed: seconds since it began.
    """

    thread: int
    elapsed: float


class Sample:
    """What happened since `begin`.

    Args:
        threads: how many worker threads the process has.
        begin: seconds since the epoch.
        machine: what the process had taken by then.
    """

    def __init__(self, threads: int, begin: float, machine: Machine) -> None:
        self._threads = threads
        self._begin = begin
        self._machine = machine
        self._phases = {name: Durations() for name in _PHASES}
        self._sums = dict.fromkeys(_SUMS, 0)
        self._statuses = dict.fromkeys(_CLASSES, 0)
        self._rows: list[tuple[Any, ...]] = []
        self._completed = [0] * threads
        self._busy = [0.0] * threads
        self._cpu = [0.0] * threads
        self._longest = [0.0] * threads

    def add(self, finished: Mapping[str, Any]) -> None:
        """Note a request that has ended.

        Args:
            finished: what the event `request_finished` says.
        """
        self._rows.append(_told(finished))
        if len(self._rows) >= _BATCH:
            self._count()

    def _count(self) -> None:
        """Count what has been noted."""
        if not self._rows:
            return
        received, queued, taken, durations, ends, *rest = zip(*self._rows, strict=True)
        self._rows = []
        begins = list(map(operator.sub, ends, durations))
        waits, sums, (statuses, threads, cpu) = rest[: len(_WAITS)], rest[len(_WAITS) : -3], rest[-3:]
        times: tuple[Sequence[float], ...] = (
            list(map(operator.sub, queued, received)),
            list(map(operator.sub, taken, queued)),
            list(map(operator.sub, begins, taken)),
            durations,
            list(map(operator.sub, ends, received)),
            *waits,
        )
        for phase, seconds in zip(self._phases.values(), times, strict=True):
            phase.add_all(seconds)
        for name, numbers in zip(_SUMS, sums, strict=True):
            self._sums[name] += sum(numbers)
        for status, count in Counter(statuses).items():
            number = status // 100
            self._statuses[f"{number}xx" if 1 <= number <= len(_CLASSES) else "5xx"] += count
        for thread, begin, end, duration, used in zip(threads, begins, ends, durations, cpu, strict=True):
            slot = thread - 1
            self._completed[slot] += 1
            self._busy[slot] += max(0.0, end - max(begin, self._begin))
            self._cpu[slot] += used
            self._longest[slot] = max(self._longest[slot], duration)

    def end(self, now: float, machine: Machine, running: list[Running]) -> dict[str, Any]:
        """Return the figures, with mod_wsgi's names.

        Args:
            now: seconds since the epoch.
            machine: what the process has taken by now.
            running: the requests that have not ended.
        """
        self._count()
        period = max(now - self._begin, 1e-6)
        elapsed = [0.0] * self._threads
        busy = self._busy.copy()
        for request in running:
            elapsed[request.thread - 1] = request.elapsed
            busy[request.thread - 1] += min(request.elapsed, period)
        count = sum(self._completed)
        user = (machine.user - self._machine.user) / period
        system = (machine.system - self._machine.system) / period
        figures = {
            "start_time": self._begin,
            "stop_time": now,
            "sample_period": period,
            "request_count": count,
            "request_throughput": count / period,
            **{f"status_{name}": number for name, number in self._statuses.items()},
            "capacity_utilization": sum(busy) / (self._threads * period),
            "request_threads_maximum": self._threads,
            "request_threads_started": self._threads,
            "request_threads_active": len(running),
            "request_threads_completed": self._completed,
            "request_threads_buckets": self._completed,
            "request_threads_busy_time": busy,
            "request_threads_cpu_time": self._cpu,
            "request_threads_current_elapsed": elapsed,
            "request_threads_max_duration": self._longest,
            **self._sums,
            "memory_rss": machine.rss,
            "memory_max_rss": machine.max_rss,
        }
        for name, share in (("user_", user), ("system_", system), ("", user + system)):
            # The second names are what mod_wsgi called them before.
            figures[f"cpu_{name}utilization"] = figures[f"cpu_{name}time"] = share
        for name, durations in self._phases.items():
            figures |= durations.summary(name)
        return figures
