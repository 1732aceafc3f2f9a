"""What one request read, wrote and used, for those who subscribe to events. Shell.

Only a request that begins while somebody is subscribed has an account; the others are not measured.
"""

import resource
import time
from collections.abc import Callable
from typing import Any

from pydaemonwsgi.daemon.events import Events
from pydaemonwsgi.daemon.exchange import Exchange
from pydaemonwsgi.daemon.input import RequestInput

__all__ = ["Account", "MeasuredExchange", "MeasuredInput"]


class Account:
    """Counts and seconds of one request; all of it happens in the request's thread."""

    __slots__ = (
        "input_length",
        "input_reads",
        "input_time",
        "output_length",
        "output_time",
        "output_writes",
        "started",
        "usage",
    )

    def __init__(self) -> None:
        self.input_reads = 0
        self.input_length = 0
        self.input_time = 0.0
        self.output_writes = 0
        self.output_length = 0
        self.output_time = 0.0
        self.started = time.time()
        self.usage = resource.getrusage(resource.RUSAGE_THREAD)

    def close(self) -> dict[str, Any]:
        """Return the figures, with mod_wsgi's names."""
        finished = time.time()
        before, after = self.usage, resource.getrusage(resource.RUSAGE_THREAD)
        user, system = after.ru_utime - before.ru_utime, after.ru_stime - before.ru_stime
        return {
            "application_finish": finished,
            "application_time": finished - self.started,
            "input_reads": self.input_reads,
            "input_length": self.input_length,
            "input_time": self.input_time,
            "output_writes": self.output_writes,
            "output_length": self.output_length,
            "output_time": self.output_time,
            "cpu_user_time": user,
            "cpu_system_time": system,
            "cpu_time": user + system,
            # Python does not say how long a thread waited for the interpreter lock.
            "gil_wait_time": 0.0,
            "gil_wait_count": 0,
        }


class MeasuredInput(RequestInput):
    """`wsgi.input` that is measured."""

    __slots__ = ("account",)

    account: Account

    def _measured(self, read: Callable[[int | None], bytes], size: int | None) -> bytes:
        started = time.perf_counter()
        try:
            data = read(size)
        finally:
            self.account.input_time += time.perf_counter() - started
        self.account.input_reads += 1
        self.account.input_length += len(data)
        return data

    def read(self, size: int | None = -1, /) -> bytes:
        """Return up to `size` bytes, or all that is left; fewer only at the end."""
        return self._measured(super().read, size)

    def readline(self, size: int | None = -1, /) -> bytes:
        """Return the next line with its end, at most `size` bytes of it."""
        return self._measured(super().readline, size)


class MeasuredExchange(Exchange):
    """An exchange whose answer is measured, and whose head is an event."""

    __slots__ = ("account", "announced", "events", "server_pid")

    account: Account
    announced: bool
    events: Events
    server_pid: int

    def start_response(
        self, status: str, headers: list[tuple[str, str]], exc_info: Any = None, /
    ) -> Callable[[bytes], None]:
        """Take status and headers; see PEP 3333."""
        write = super().start_response(status, headers, exc_info)
        if not self.events.only_recorded:
            self.events.publish(
                "response_started",
                {
                    "request_id": self.errors.request_id,
                    "response_status": status,
                    "response_headers": headers,
                    "exception_info": exc_info,
                    "request_data": self.data,
                },
            )
        return write

    def _measured(self, length: int, send: Callable[..., None], *arguments: Any) -> None:
        account = self.account
        before = account.output_writes
        started = time.perf_counter()
        try:
            send(*arguments)
        finally:
            if account.output_writes == before:  # else it was sent by one of the others, and counted there
                account.output_writes += 1
                account.output_length += length
                account.output_time += time.perf_counter() - started

    def complete(self, body: bytes) -> None:
        """Send the whole answer."""
        self._measured(len(body), super().complete, body)

    def send(self, data: bytes) -> None:
        """Send a piece of the body."""
        self._measured(len(data), super().send, data)

    def send_file(self, descriptor: int, offset: int, count: int, encoded: bytes | None = None) -> None:
        """Send the whole answer, its body being a range of a file."""
        self._measured(count, super().send_file, descriptor, offset, count, encoded)
