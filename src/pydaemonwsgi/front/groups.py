"""A process group as the front has it: its daemon processes' channels, and the queue before them. Shell."""

import math
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from pydaemonwsgi.front.dispatch import Dispatcher, choose
from pydaemonwsgi.front.exchange import Exchange, Failure

if TYPE_CHECKING:
    from pydaemonwsgi.front.channels import Channel
    from pydaemonwsgi.front.options import GroupOptions

__all__ = ["ProcessGroup"]


class ProcessGroup:
    """Gives requests to the daemon processes of one group.

    Args:
        options: see `GroupOptions`.

    Attributes:
        name: what people call it; with the application group, where it is one of several that have processes.
        channels: to the daemon processes that have been attached.
        queue: the requests that wait.
        queue_timeout: seconds that one may wait; 0 for ever.
        slow_requests: seconds from which on a request is logged as slow; 0 for never.
        options: what else holds for its requests.
        deserted_since: since when (monotonic) there is no daemon process; None while there is one.
        application_group: whose requests these are; "" where they are not told apart.
        on_waiting: called when a request has to wait, while it is not sure that there will be processes at all.
    """

    __slots__ = (
        "_stream",
        "application_group",
        "channels",
        "deserted_since",
        "name",
        "on_waiting",
        "options",
        "queue",
        "queue_timeout",
        "slow_requests",
    )

    def __init__(self, options: "GroupOptions") -> None:
        self.name = options.name
        self.channels: list[Channel] = []
        self.queue = Dispatcher(options.queue_size)
        self.queue_timeout = options.queue_timeout
        self.slow_requests = options.slow_requests
        self.options = options
        self.deserted_since: float | None = time.monotonic()
        self.application_group = ""
        self.on_waiting: Callable[[ProcessGroup], None] | None = None
        # Streams begin above whatever an earlier front of this supervisor can have used, because a daemon process
        # outlives a front.
        self._stream = time.monotonic_ns() // 1000

    def __repr__(self) -> str:
        """Return what an operator would ask for."""
        return (
            f"<ProcessGroup {self.name}: {len(self.queue)} queued, {self.in_flight} in flight, "
            f"{len(self.channels)} channels>"
        )

    def renew(self, options: "GroupOptions") -> None:
        """Have other bounds from here on."""
        self.options = options
        self.queue_timeout = options.queue_timeout
        self.slow_requests = options.slow_requests
        self.queue.bound = options.queue_size
        if options.queue_timeout:
            self.queue.hasten(time.monotonic() + options.queue_timeout)

    def submit(self, exchange: Exchange) -> None:
        """Have a request run, now or when a daemon process has room."""
        if self.queue_timeout:
            # Also for a request that need not wait now: it may be handed back, and its waiting began here.
            exchange.queue_deadline = time.monotonic() + self.queue_timeout
        queue = self.queue
        if not queue.waiting:
            channel = choose(self.channels)
            if channel is not None:
                self._stream += 1
                channel.run(exchange, self._stream)
                return
        seconds = queue.refusal(time.monotonic())
        if seconds is None:
            exchange.waiting_since = time.monotonic()
            queue.add(exchange)
            if self.on_waiting is not None:
                self.on_waiting(self)
        else:
            exchange.client.refuse(seconds)

    def queue_again(self, exchange: Exchange) -> None:
        """Take back a request that a daemon process has not run."""
        exchange.channel = None
        if self.queue.refuses:
            self._refuse([exchange])
        else:
            self.queue.add_again(exchange)
            if self.on_waiting is not None:
                self.on_waiting(self)

    def refuse(self, seconds: float) -> None:
        """No daemon process will run a request for so many seconds: answer those that wait."""
        self._refuse(self.queue.refuse(time.monotonic() + seconds))

    def attach(self, channel: "Channel") -> None:
        """Take up a daemon process."""
        self.channels.append(channel)
        self.deserted_since = None
        self.dispatch()

    def adopt(self, other: "ProcessGroup") -> None:
        """Take over the daemon processes of a group that has never had a request, and the name they go by."""
        self.name = other.name
        self.deserted_since = other.deserted_since
        self._refuse(self.queue.refuse_as(other.queue))
        for channel in other.channels:
            channel.group = self
        self.channels += other.channels
        other.channels.clear()
        self.dispatch()

    @property
    def in_flight(self) -> int:
        """How many requests daemon processes have."""
        return sum(channel.in_flight for channel in self.channels)

    @property
    def sent(self) -> int:
        """A number that grows with each request that is sent."""
        return self._stream

    def forget(self, channel: "Channel") -> None:
        """A daemon process has gone."""
        self.channels.remove(channel)
        if not self.channels:
            self.deserted_since = time.monotonic()

    def refuse_unserved(self, now: float) -> int:
        """Answer those that have found no daemon process at all for too long; return how many there were."""
        timeout = self.options.connect_timeout
        if not timeout or self.deserted_since is None:
            return 0
        count = 0
        for exchange in self.queue.unserved(now - timeout, self.deserted_since):
            exchange.queue_time = time.time() - exchange.queue_start
            exchange.fail(Failure.NO_PROCESS)
            exchange.client.refuse(math.ceil(timeout))
            count += 1
        return count

    def _refuse(self, exchanges: list[Exchange]) -> None:
        seconds = self.queue.refusal(time.monotonic())
        for exchange in exchanges:
            assert seconds is not None
            exchange.queue_time = time.time() - exchange.queue_start
            exchange.fail(Failure.NO_PROCESS)
            exchange.client.refuse(seconds)

    def dispatch(self) -> None:
        """Give waiting requests to the processes that have room."""
        queue = self.queue
        while queue.waiting:
            channel = choose(self.channels)
            if channel is None:
                return
            exchange = queue.take()
            assert exchange is not None
            self._stream += 1
            exchange.queue_time = time.time() - exchange.queue_start
            channel.run(exchange, self._stream)
