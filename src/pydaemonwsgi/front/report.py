"""What the front has at the moment, for `pydaemonwsgi status` and `ps`. Sans-I/O.

It is made only when somebody asks: nothing is counted for it while requests run. Ids, streams and times are there
anyway; which thread runs a request is in the daemon process's scoreboard.
"""

import json
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any, Final

from pydaemonwsgi.front.clients import Client
from pydaemonwsgi.front.connection import State
from pydaemonwsgi.front.exchange import Exchange, Phase

if TYPE_CHECKING:
    from pydaemonwsgi.front.channels import Channel
    from pydaemonwsgi.front.groups import ProcessGroup

__all__ = ["encode_report", "report"]

# Bytes of a URL that are told.
_LONGEST_TARGET: Final = 500
# Bytes of a host's name, which may be the client's word.
_LONGEST_NAME: Final = 255
_ACTIVITIES: Final = {State.HEAD: "idle", State.BODY: "receiving", State.ANSWER: "answering"}


def report(
    clients: Iterable[Client], groups: Iterable["ProcessGroup"], now: float, *, requests: bool
) -> dict[str, Any]:
    """Return the report, as JSON has it.

    Args:
        clients: the connections.
        groups: the process groups.
        now: seconds since the epoch.
        requests: whether each request is told, the oldest first.
    """
    clients = list(clients)
    groups = list(groups)
    activities = dict.fromkeys((*_ACTIVITIES.values(), "closing"), 0)
    for client in clients:
        activities[_ACTIVITIES.get(client.state, "closing")] += 1
    told: dict[str, Any] = {
        "clients": len(clients),
        **activities,
        "groups": {
            group.name: {
                "queued": len(group.queue),
                "in_flight": sum(channel.in_flight for channel in group.channels),
                "refused": group.queue.refuses,
            }
            for group in groups
        },
    }
    if requests:
        rows = [*_unfinished(groups, now), *_still_written(clients, now)]
        rows.sort(key=lambda row: -row["age"])
        told["requests"] = rows
        told["left_out"] = 0
    return told


def encode_report(told: dict[str, Any], limit: int) -> bytes:
    """Return the report as JSON of at most `limit` bytes: the youngest requests are left out if need be."""
    encoded = json.dumps(told, separators=(",", ":")).encode("ascii")
    while len(encoded) > limit and told.get("requests"):
        rows = told["requests"]
        keep = len(rows) * limit // len(encoded) * 9 // 10
        told["left_out"] += len(rows) - keep
        told["requests"] = rows[:keep]
        encoded = json.dumps(told, separators=(",", ":")).encode("ascii")
    return encoded[:limit]


def _unfinished(groups: Iterable["ProcessGroup"], now: float) -> Iterator[dict[str, Any]]:
    for group in groups:
        for exchange in group.queue.waiting:
            yield _row(exchange, "queued", now)
        for channel in group.channels:
            running = {row.stream: row for row in channel.scoreboard.rows()}
            for stream, exchange in channel.streams.items():
                row = running.get(stream)
                yield _row(exchange, _phase(exchange, channel, stream, runs=row is not None), now, channel) | {
                    "thread": row.thread + 1 if row is not None else None,
                    "running": now - row.started if row is not None else None,
                }


def _still_written(clients: Iterable[Client], now: float) -> Iterator[dict[str, Any]]:
    """Yield the requests that no daemon process has any more, but whose client has not yet taken the answer."""
    for client in clients:
        exchange = client.exchange
        if exchange is not None and exchange.phase is Phase.ENDED:
            yield _row(exchange, "writing", now, exchange.channel)


def _phase(exchange: Exchange, channel: "Channel", stream: int, *, runs: bool) -> str:
    if exchange.client is None:
        return "abandoned"
    if exchange.phase is Phase.BODY:
        return "answering"
    # The scoreboard may be a moment ahead or behind: what has begun and is in no row has just ended.
    return "running" if runs or channel.scoreboard.has_started(stream) else "sent"


def _row(exchange: Exchange, phase: str, now: float, channel: "Channel | None" = None) -> dict[str, Any]:
    return {
        "id": f"{exchange.request_id:016x}",
        "group": exchange.route.group.name,
        "age": max(0.0, now - exchange.request_start),
        "phase": phase,
        "process": channel.process if channel is not None else None,
        "stream": exchange.stream,
        "pid": channel.pid if channel is not None else None,
        "thread": None,
        "running": None,
        "client": exchange.client.peer if exchange.client is not None else None,
        "method": exchange.head.method.decode("latin-1"),
        "url": exchange.head.target[:_LONGEST_TARGET].decode("latin-1"),
        "protocol": f"HTTP/1.{exchange.head.minor}",
        "host": _host(exchange),
    }


def _host(exchange: Exchange) -> str:
    """Return the host that a request is for, by the configured name or else the client's, and the port it came by."""
    variables: dict[bytes, bytes] = {}
    for encoded in (exchange.connection, exchange.environ):
        pieces = encoded.split(b"\0")
        variables.update(zip(pieces[::2], pieces[1::2], strict=False))
    decision = exchange.route.decision
    name = None if decision is None else decision.common.site.host.server_name
    name = name or variables.get(b"SERVER_NAME", b"")[:_LONGEST_NAME].decode("latin-1")
    port = variables.get(b"mod_wsgi.listener_port") or variables.get(b"SERVER_PORT", b"")
    return f"{name}:{port.decode('latin-1')}"
