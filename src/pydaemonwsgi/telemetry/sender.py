"""Sends datagrams to the collector, and never waits for it. Shell over `outage`.

Every batch has a socket of its own, which costs some microseconds a second: nothing has to be connected again after
the collector was started anew, no process that the application forks inherits it, and no application that closes all
descriptors can take it away. What cannot be sent is dropped.
"""

import errno
import logging
import os
import pwd
import socket
from typing import Final

from pydaemonwsgi.telemetry.outage import Outage
from pydaemonwsgi.telemetry.settings import TelemetrySettings

__all__ = ["Sender", "explain"]

logger = logging.getLogger(__name__)

_FULL: Final = (errno.EAGAIN, errno.ENOBUFS, errno.ENOMEM)
# Seconds for which a full queue is nothing to speak of; `datagrams_dropped` counts.
_MOMENT: Final = 2.0


class Sender:
    """See the module's docstring; one thread uses it.

    Args:
        settings: where to.
        silent: whether nothing is logged: where another sender of the process says it already.

    Attributes:
        dropped: how many datagrams could not be sent so far.
    """

    def __init__(self, settings: TelemetrySettings, *, silent: bool = False) -> None:
        self._settings = settings
        self._silent = silent
        self._outage = Outage()
        self.dropped = 0

    def send(self, datagrams: list[bytes], now: float) -> None:
        """Send what the collector takes; raises nothing.

        Args:
            datagrams: in their order.
            now: monotonic seconds.
        """
        sent = 0
        failure: OSError | None = None
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK) as sock:
                for datagram in datagrams:
                    sock.sendto(datagram, self._settings.path)
                    sent += 1
        except OSError as error:
            # The others would fail as well; and a collector that is behind shall not get the last of a batch alone.
            failure = error
        lost = len(datagrams) - sent
        self.dropped += lost
        if not self._silent:
            self._tell(now, failure, lost)

    def _tell(self, now: float, failure: OSError | None, lost: int) -> None:
        settings = self._settings
        if failure is None:
            if again := self._outage.sent(now):
                logger.info("telemetry is sent to %s again %s", settings.path, again)
            return
        patience = _MOMENT if failure.errno in _FULL else 0.0
        if reason := self._outage.missed(now, explain(failure), lost, patience):
            logger.warning(
                "telemetry cannot be sent to %s (%s): %s; it is dropped until it can, requests are served as always",
                settings.path,
                settings.place,
                reason,
            )


def explain(error: OSError) -> str:
    """Return what keeps a datagram from a collector, and what to do about it."""
    number = error.errno
    if number in _FULL:
        return "the collector does not keep up, its queue is full"
    if number in {errno.EACCES, errno.EPERM}:
        return (
            f"{_user()} may not write to it; the socket must be writable for that user (chmod, chgrp), and every "
            "directory above it be open to that user"
        )
    if number == errno.ENOENT:
        return "there is no such socket; start the collector, or correct the path"
    if number in {errno.ECONNREFUSED, errno.ECONNRESET, errno.EPIPE}:
        return "nobody receives there; start the collector"
    if number == errno.EPROTOTYPE:
        return "it is no datagram socket (SOCK_DGRAM), so whoever listens there is no collector"
    return error.strerror or str(error)


def _user() -> str:
    uid = os.geteuid()
    try:
        return f"user {pwd.getpwuid(uid).pw_name}"
    except KeyError:
        return f"uid {uid}"
