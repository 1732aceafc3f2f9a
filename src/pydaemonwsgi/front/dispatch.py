"""The queue, and which daemon process takes which request. Sans-I/O.

A request waits here, not in a process: so a process may come and go without a request noticing; but where the
supervisor knows that none will come soon, waiting is refused, with the time after which it is worth while. The process
with the fewest requests wins; each has at most `threads` of them, and a few more while its requests are short, so that
it always finds a batch when it reads its channel.
"""

import math
from collections import deque
from collections.abc import Iterable, Iterator
from typing import Final, Protocol, TypeVar

from pydaemonwsgi.front.exchange import Exchange

__all__ = ["BATCH", "Dispatcher", "Taker", "choose"]

# Requests beyond its threads that a process gets while it runs them inline.
BATCH: Final = 8


class Taker(Protocol):
    """A daemon process, as far as dispatch goes.

    Attributes:
        threads: its worker threads.
        in_flight: requests it has.
        short: whether its last answer was run inline.
        accepting: whether it may be given requests.
    """

    threads: int
    in_flight: int
    short: bool
    accepting: bool


TakerType = TypeVar("TakerType", bound=Taker)


class Dispatcher:
    """Keeps the queue of one process group.

    Args:
        bound: how many requests may wait.

    Attributes:
        bound: how many may wait from here on.
        waiting: the requests that wait, the one that has waited longest first.
    """

    def __init__(self, bound: int) -> None:
        self.bound = bound
        self._refused_until: float | None = None
        self.waiting: deque[Exchange] = deque()

    def __len__(self) -> int:
        """Return how many requests wait."""
        return len(self.waiting)

    def refuse(self, until: float) -> list[Exchange]:
        """Let no request wait until `admit`, for none will be run before `until` (monotonic); return those that do."""
        self._refused_until = until
        waiting = list(self.waiting)
        self.waiting.clear()
        return waiting

    def admit(self) -> None:
        """Let requests wait again."""
        self._refused_until = None

    def refuse_as(self, other: "Dispatcher") -> list[Exchange]:
        """Let requests wait, or not, as another queue does; return those that do and may not any more."""
        if other._refused_until is not None:  # noqa: SLF001 - of the same class
            return self.refuse(other._refused_until)  # noqa: SLF001
        self.admit()
        return []

    @property
    def refuses(self) -> bool:
        """Whether no request may wait, because no process will run it."""
        return self._refused_until is not None

    def refusal(self, now: float) -> int | None:
        """Return after how many seconds a client may ask again, or None if its request may wait."""
        if self._refused_until is not None:
            return max(1, math.ceil(self._refused_until - now))
        return 1 if len(self.waiting) >= self.bound else None

    def add(self, exchange: Exchange) -> None:
        """Put a request at the end of the queue."""
        self.waiting.append(exchange)

    def add_again(self, exchange: Exchange) -> None:
        """Put a request that a process handed back before those that came after it; the bound does not count."""
        queue = self.waiting
        if not queue or exchange.request_id < queue[0].request_id:
            queue.appendleft(exchange)
            return
        for position, other in enumerate(queue):
            if other.request_id > exchange.request_id:
                queue.insert(position, exchange)
                return
        queue.append(exchange)

    def remove(self, exchange: Exchange) -> None:
        """Take a request out of the queue, wherever it is."""
        self.waiting.remove(exchange)

    def take(self) -> Exchange | None:
        """Return the request that has waited longest, or None."""
        return self.waiting.popleft() if self.waiting else None

    def unserved(self, since: float, deserted: float) -> Iterator[Exchange]:
        """Take out and yield the requests that have waited since `since` or longer while there was no process.

        Args:
            since: monotonic; who came later may go on waiting.
            deserted: since when there is no process; waiting for one that was there does not count.
        """
        queue = self.waiting
        while queue and max(queue[0].waiting_since, deserted) <= since:
            yield queue.popleft()

    def hasten(self, deadline: float) -> None:
        """Let no request that waits now wait beyond `deadline` (monotonic)."""
        for exchange in self.waiting:
            exchange.queue_deadline = min(exchange.queue_deadline, deadline)

    def expired(self, now: float) -> Iterator[Exchange]:
        """Take out and yield the requests whose deadline has passed; all have waited equally long at most."""
        queue = self.waiting
        while queue and queue[0].queue_deadline <= now:
            yield queue.popleft()


def choose(takers: Iterable[TakerType]) -> TakerType | None:
    """Return the process that should take the next request, or None when none has room."""
    best = None
    fewest = 1 << 30
    for taker in takers:
        load = taker.in_flight
        if (
            load < fewest
            and taker.accepting
            and (load < taker.threads or (taker.short and load < taker.threads + BATCH))
        ):
            if not load:
                return taker
            best = taker
            fewest = load
    return best
