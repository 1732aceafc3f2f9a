"""What a daemon process was running when it died, in words. Sans-I/O."""

from collections.abc import Mapping, Sequence
from typing import Final

from pydaemonwsgi.front.exchange import Exchange, Phase
from pydaemonwsgi.metrics.scoreboard import Row

__all__ = ["describe_casualties"]

# Lines at most, and characters of a request's target: the message to the supervisor is bounded.
_LINES: Final = 30
_TARGET: Final = 300


def describe_casualties(started: Sequence[Exchange], rows: Sequence[Row], now: float) -> str:
    """Return a line for each request that was lost.

    Args:
        started: the requests.
        rows: what the threads were running, from the scoreboard.
        now: seconds since the epoch.
    """
    by_stream = {row.stream: row for row in rows}
    lines = [_describe(exchange, by_stream, now) for exchange in started[:_LINES]]
    if len(started) > _LINES:
        lines.append(f"and {len(started) - _LINES} more")
    return "\n".join(lines)


def _describe(exchange: Exchange, rows: Mapping[int, Row], now: float) -> str:
    row = rows.get(exchange.stream)
    target = exchange.head.target.decode("ascii", "backslashreplace")
    if len(target) > _TARGET:
        target = f"{target[:_TARGET]}…"
    method = exchange.head.method.decode("ascii", "backslashreplace")
    # A row may have been written for another request by the time it is read; then the front's own time is used.
    since = row.started if row is not None else exchange.queue_start + exchange.queue_time
    if row is not None:
        where = f"in thread {row.thread + 1}"
    elif exchange.phase is Phase.BODY:
        where = "by no thread any more"
    else:
        where = "by no thread any more, its answer not sent"
    begun = ", its answer begun" if exchange.phase is Phase.BODY else ""
    return f"request {exchange.request_id:016x}: {method} {target} for {max(0.0, now - since):.3f} s {where}{begun}"
