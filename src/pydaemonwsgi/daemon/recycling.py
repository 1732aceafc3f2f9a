"""When a daemon process should be replaced by a fresh one. Sans-I/O."""

import random
from collections.abc import Callable

from pydaemonwsgi.vocabulary import ShutdownReason

__all__ = ["RequestLimit", "jittered_interval", "jittered_limit"]


def jittered_limit(maximum_requests: int, chance: random.Random) -> int:
    """Return this process's own limit: up to a tenth below, so that a group does not recycle at once.

    0 means no limit and stays 0.
    """
    if maximum_requests <= 0:
        return 0
    return maximum_requests - chance.randint(0, maximum_requests // 10)


def jittered_interval(interval: float, chance: random.Random) -> float:
    """Return this process's own restart-interval in seconds: up to a tenth below; 0 means never and stays 0."""
    return interval * (1.0 - chance.random() / 10)


class RequestLimit:
    """Counts finished requests and says once when the limit is reached.

    Args:
        limit: requests after which the process should be replaced; 0 for never.
        share: told how many have ended here, returns how many have in the whole process; None where that is the same.

    Attributes:
        ended: requests that have ended here.
    """

    __slots__ = ("_limit", "_said", "_share", "_total", "ended")

    def __init__(self, limit: int, share: Callable[[int], int] | None = None) -> None:
        self._limit = limit
        self._share = share
        self._total = 0
        self._said = False
        self.ended = 0

    @property
    def reached(self) -> bool:
        """Whether that many requests have ended."""
        return 0 < self._limit <= self._total

    def count(self) -> ShutdownReason | None:
        """Count one finished request; return the reason to leave, at the one request that gives it."""
        self.ended += 1
        if not self._limit:
            return None
        self._total = self.ended if self._share is None else self._share(self.ended)
        if self._said or self._total < self._limit:
            return None
        self._said = True
        return ShutdownReason.MAXIMUM_REQUESTS
