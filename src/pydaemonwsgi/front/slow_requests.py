"""Requests that take long are logged (slow-requests, WSGISlowRequests). Shell."""

import logging
import time
from typing import TYPE_CHECKING

from pydaemonwsgi.front.exchange import Exchange

if TYPE_CHECKING:
    from pydaemonwsgi.front.channels import Channel
    from pydaemonwsgi.front.server import FrontServer

__all__ = ["log_if_slow"]

logger = logging.getLogger(__name__)


def log_if_slow(front: "FrontServer", channel: "Channel", exchange: Exchange) -> None:
    """Log a request whose answer has just ended, if it took long from when it was complete until now.

    How fast the client sends and reads does not count.
    """
    group = channel.group
    seconds = time.time() - exchange.queue_start
    if seconds >= group.slow_requests:
        head = exchange.head
        logger.warning(
            "process group %s: %s %s took %.3f s in pid %d, of which %.3f s in the queue (slow-requests is %g s)",
            group.name,
            head.method.decode("latin-1"),
            head.path.decode("latin-1"),
            seconds,
            channel.pid,
            exchange.queue_time,
            group.slow_requests,
            extra=front.log_of(exchange.route, exchange),
        )
