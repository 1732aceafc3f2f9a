"""Access logs: records of finished requests, written together at the end of a turn of the loop. Shell."""

import asyncio
import time
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from pydaemonwsgi.front.access_log import AccessRecord, compile_condition, compile_format
from pydaemonwsgi.front.exchange import Exchange
from pydaemonwsgi.front.log_writer import LogWriter
from pydaemonwsgi.http.head import RequestHead
from pydaemonwsgi.http.response import ResponseHead
from pydaemonwsgi.logs import ERROR_LOG, HostLog
from pydaemonwsgi.routing.decisions import Decision

__all__ = ["AccessLog", "AccessLogs", "HostLogs", "access_record"]

# What the access log says of a request whose client went away before there was an answer; nginx's number.
_CLIENT_GONE: Final = 499
# Seconds that all logs together get for what waits, when the front ends.
_PATIENCE: Final = 2.0


class AccessLog:
    """One log.

    Args:
        writer: whom its records are given to.
        format_text: see `access_log.compile_format`.
        condition: of `env=NAME`, with a `!` before it; None for every request.
    """

    __slots__ = ("render", "wants", "writer")

    def __init__(self, writer: LogWriter, format_text: str, condition: str | None = None) -> None:
        self.writer = writer
        self.render = compile_format(format_text)
        self.wants = None if condition is None else compile_condition(condition)


@dataclass(frozen=True, slots=True)
class HostLogs:
    """The logs of a host: those of its requests, and its error log, None where it has none of its own."""

    access: tuple[AccessLog, ...]
    error: HostLog | None


class AccessLogs:
    """All logs: what they have to write waits for the end of a turn of the loop.

    Each is known by the number that the supervisor has given it: the descriptor that it had when the first front began.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._writers: dict[int, LogWriter] = {}
        self._waiting: dict[LogWriter, list[bytes]] = {}

    def log(self, number: int, format_text: str, condition: str | None = None) -> AccessLog:
        """Return a log that writes to where a number stands for."""
        return AccessLog(self._writer(number), format_text, condition)

    def error_log(self, number: int, level: int) -> HostLog:
        """Return a host's error log, which is open as long as this is known."""
        if number == ERROR_LOG:
            return HostLog(number, level)
        writer = self._writer(number)
        return HostLog(writer.descriptor, level, writer)

    def add(self, logs: Iterable[AccessLog], record: AccessRecord) -> None:
        """Have a record written to each of `logs` that wants it."""
        waiting = self._waiting
        if not waiting:
            self._loop.call_soon(self._write)
        for log in logs:
            if log.wants is None or log.wants(record):
                lines = waiting.get(log.writer)
                if lines is None:
                    waiting[log.writer] = [log.render(record)]
                else:
                    lines.append(log.render(record))

    def _write(self) -> None:
        waiting, self._waiting = self._waiting, {}
        for writer, lines in waiting.items():
            writer.write(lines)

    def _writer(self, number: int) -> LogWriter:
        writer = self._writers.get(number)
        if writer is None:
            writer = self._writers[number] = LogWriter(self._loop, number)
        return writer

    def open(self, number: int, descriptor: int) -> None:
        """A log is new, and ours as `descriptor`. What has had its number is closed once no request needs it."""
        self._writers[number] = LogWriter(self._loop, descriptor)

    def forget(self, number: int) -> None:
        """Nobody uses a log any more but the requests that have begun."""
        self._writers.pop(number, None)

    def replace(self, number: int, descriptor: int) -> None:
        """A log has been opened anew: its number leads to where `descriptor` does from here on."""
        self._writer(number).replace(descriptor)

    def finish(self) -> None:
        """Write what there is, and wait a little for readers that are slow: the process ends."""
        self._write()
        deadline = time.monotonic() + _PATIENCE
        for writer in self._writers.values():
            writer.finish(deadline)


def access_record(
    addresses: tuple[str, int, str, int],
    head: RequestHead | None,
    exchange: Exchange | None,
    response: ResponseHead | None,
    server_lines: bytes,
    *,
    body_bytes: int,
    requests: int,
    connection_status: str,
    decision: Decision | None = None,
    document_of: int = 0,
    refused_line: bytes = b"",
    began: float = 0.0,
    remote_host: str = "",
) -> AccessRecord:
    """Return what there is to say about a request.

    Args:
        addresses: peer address and port, local address and port.
        head: the request's head, None if it never came.
        exchange: None if the request never got so far.
        response: None if there was none.
        server_lines: what was added to the response's head.
        body_bytes: of the response.
        requests: of this connection.
        connection_status: "X" aborted, "+" kept alive, "-" closed.
        decision: of the configuration, if there is one.
        document_of: the status of the error that is shown so, 0 for what the client asked for.
        refused_line: the first line of a head that was refused, as it came.
        began: when a request began that no daemon process has answered, seconds since the epoch; 0 for now.
        remote_host: the client's name, "" if nobody knows it.
    """
    now = time.time()
    started = exchange.request_start if exchange is not None else began or now
    lines = response.lines + server_lines if response is not None else b""
    return AccessRecord(
        remote_addr=addresses[0],
        remote_port=addresses[1],
        local_addr=addresses[2],
        local_port=addresses[3],
        time=started,
        method=head.method.decode("latin-1") if head is not None else "",
        target=head.target.decode("latin-1") if head is not None else "",
        protocol=f"HTTP/1.{head.minor}" if head is not None else "",
        status=response.status if response is not None else _CLIENT_GONE,
        body_bytes=body_bytes,
        bytes_in=0
        if head is None
        else len(head.block) + len(head.method) + len(head.target) + 12 + (head.content_length or 0),
        bytes_out=body_bytes + len(lines),
        duration=now - started,
        headers=head.block if head is not None else b"",
        response_headers=lines.partition(b"\r\n")[2],
        request_id=f"{exchange.request_id:016x}" if exchange is not None else "-",
        connection_requests=max(0, requests - 1),
        connection_status=connection_status,
        daemon_pid=exchange.channel.pid if exchange is not None and exchange.channel is not None else 0,
        queue_time=exchange.queue_time if exchange is not None else 0.0,
        host=head.host.decode("latin-1") if head is not None else "",
        process_group=exchange.route.group.options.name if exchange is not None else "",
        decision=decision,
        document_of=document_of,
        refused_line=refused_line.decode("latin-1"),
        remote_host=remote_host,
    )
