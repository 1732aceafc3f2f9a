"""Access logs: records of finished requests, written together at the end of a turn of the loop. Shell."""

import asyncio
import logging
import os
import time
from collections.abc import Iterable
from typing import Final

from pydaemonwsgi.front.access_log import AccessRecord, compile_format
from pydaemonwsgi.front.exchange import Exchange
from pydaemonwsgi.http.head import RequestHead
from pydaemonwsgi.http.response import ResponseHead

__all__ = ["AccessLog", "AccessLogs", "access_record"]

logger = logging.getLogger(__name__)

# What the access log says of a request whose client went away before there was an answer; nginx's number.
_CLIENT_GONE: Final = 499


class AccessLog:
    """One log.

    Args:
        descriptor: to write to; it may be made to lead to another file at any time.
        format_text: see `access_log.compile_format`.
    """

    __slots__ = ("_descriptor", "_lines", "render")

    def __init__(self, descriptor: int, format_text: str) -> None:
        self._descriptor = descriptor
        self._lines: list[bytes] = []
        self.render = compile_format(format_text)

    def add(self, record: AccessRecord) -> None:
        """Keep a record until `write`."""
        self._lines.append(self.render(record))

    def write(self) -> None:
        """Write what was added."""
        lines, self._lines = self._lines, []
        try:
            os.write(self._descriptor, b"".join(lines))
        except OSError as error:
            # A full disk must not stop the service; the error log, perhaps elsewhere, says what is missing.
            logger.error("%d access records are lost: %s", len(lines), error.strerror)


class AccessLogs:
    """The logs that have something to write."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._waiting: dict[AccessLog, None] = {}

    def add(self, logs: Iterable[AccessLog], record: AccessRecord) -> None:
        """Have a record written to each of `logs` at the end of this turn of the loop."""
        if not self._waiting:
            self._loop.call_soon(self._write)
        for log in logs:
            log.add(record)
            self._waiting[log] = None

    def _write(self) -> None:
        waiting, self._waiting = self._waiting, {}
        for log in waiting:
            log.write()


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
    """
    now = time.time()
    started = exchange.request_start if exchange is not None else now
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
        process_group=exchange.route.group.name if exchange is not None else "",
    )
