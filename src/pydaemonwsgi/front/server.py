"""The front: accepts clients, queues their requests, gives them to daemon processes, keeps the time. Shell."""

import asyncio
import itertools
import logging
import os
import random
import socket
import time
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Final

from pydaemonwsgi.front.acceptor import Acceptor
from pydaemonwsgi.front.access_logs import AccessLogs
from pydaemonwsgi.front.answering import Answering
from pydaemonwsgi.front.channels import Channel
from pydaemonwsgi.front.clients import Client
from pydaemonwsgi.front.configuration import Configuration
from pydaemonwsgi.front.connection import State
from pydaemonwsgi.front.connection_environ import UNIX_ADDRESSES, connection_environ, tcp_addresses
from pydaemonwsgi.front.exchange import Exchange, Failure, Outcome
from pydaemonwsgi.front.groups import ProcessGroup
from pydaemonwsgi.front.options import FrontOptions
from pydaemonwsgi.front.own_answers import OwnAnswers
from pydaemonwsgi.front.partitions import Partitions
from pydaemonwsgi.front.poller import ClientPoller
from pydaemonwsgi.front.report import encode_report, report
from pydaemonwsgi.front.routes import Route
from pydaemonwsgi.front.static_files import StaticFiles
from pydaemonwsgi.front.timeouts import GRAIN, DeadlineBuckets
from pydaemonwsgi.http.response import server_lines
from pydaemonwsgi.metrics.scoreboard import Scoreboard
from pydaemonwsgi.system import page_cache

__all__ = ["FrontServer"]

logger = logging.getLogger(__name__)

# Seconds that idle clients are kept when another server takes the listeners over.
_IDLE_PATIENCE: Final = 2.0
# Seconds until the supervisor hears that a daemon process is nobody's.
_REFUSED: Final = 1.0
_DISK_THREADS: Final = 8


class FrontServer:
    """Everything in the front that is not one client or one channel.

    Args:
        options: see `FrontOptions`.
        listeners: listening sockets by name, non-blocking.
    """

    def __init__(self, options: FrontOptions, listeners: Mapping[str, socket.socket]) -> None:
        self.loop = asyncio.get_running_loop()
        self.deadlines = DeadlineBuckets()
        self.poller = ClientPoller(self.loop)
        self.access_logs = AccessLogs(self.loop)
        self._clients: set[Client] = set()
        self.acceptor = Acceptor(self.loop, listeners, self._room, self._welcome)
        self._groups = {group.name: ProcessGroup(group) for group in options.groups}
        self._to_write: dict[Answering, None] = {}
        # Request ids begin anywhere, so that those of two runs differ.
        self.request_ids = itertools.count(random.getrandbits(40) << 20)
        self.stopping = False
        self._left: frozenset[int] = frozenset()
        # Threads that wait for disks.
        self._disk = ThreadPoolExecutor(_DISK_THREADS, "disk")
        self.own_answers = OwnAnswers(self, StaticFiles(self.loop, self._disk))
        self.partitions = Partitions(self._groups, self._ask_for, self._fail_crowded)
        self.configuration = Configuration(
            options, self._groups, self.partitions, self.access_logs, self._disk, self._is_awaited
        )
        self.server_lines = server_lines(time.time(), self.configuration.product)
        self.on_idle: Callable[[], None] | None = None
        self.on_channel_closed: Callable[[int], None] | None = None
        self.on_lost: Callable[[int, str], None] | None = None
        self.on_want: Callable[[str, str, str], None] | None = None
        self._connection_number = 0

    def __repr__(self) -> str:
        """Return what an operator would ask for."""
        return f"<FrontServer {len(self._clients)} clients, {list(self._groups.values())}>"

    # -- process groups

    def _ask_for(self, process_group: str, application_group: str, spare: str) -> None:
        if self.on_want is not None:
            self.on_want(process_group, application_group, spare)

    def _fail_crowded(self, exchange: Exchange) -> None:
        exchange.queue_time = time.time() - exchange.queue_start
        self.settle(exchange, exchange.fail(Failure.CROWDED))

    def log_of(self, route: Route, exchange: Exchange | None = None) -> dict[str, object]:
        """Return the `extra` of a log record about a request: whose error log it is for, and the request's id."""
        extra: dict[str, object] = {}
        if route.host.error_log is not None:
            extra["log"] = route.host.error_log
        if exchange is not None:
            extra["request_id"] = f"{exchange.request_id:016x}"
        return extra

    def start(self) -> None:
        """Begin to accept clients and to keep the time."""
        self.configuration.start()
        self.acceptor.open()
        self._tick()

    # -- clients

    def _room(self) -> int:
        return self.configuration.options.maximum_connections - len(self._clients)

    def _welcome(self, sock: socket.socket, address: object) -> None:
        self._connection_number += 1
        addresses = UNIX_ADDRESSES
        if sock.family != socket.AF_UNIX:
            assert isinstance(address, tuple)
            try:
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                addresses = tcp_addresses(address[:2], sock.getsockname()[:2])
            except OSError:  # gone already
                sock.close()
                return
        environ = connection_environ(addresses, self._connection_number, self.configuration.product)
        self._clients.add(Client(self, sock, environ, addresses))

    def _is_awaited(self, group: ProcessGroup) -> bool:
        return any(client.is_for(group) for client in self._clients)

    def client_closed(self, client: Client) -> None:
        """A connection has ended."""
        self._clients.discard(client)
        self._to_write.pop(client, None)
        if len(self._clients) < self.configuration.options.maximum_connections:
            self.acceptor.open()
        if self.stopping:
            self._look_idle()

    def write_soon(self, client: Answering) -> None:
        """Have a client write at the end of this turn of the loop."""
        if not self._to_write:
            self.loop.call_soon(self._write_all)
        self._to_write[client] = None

    def _write_all(self) -> None:
        clients, self._to_write = self._to_write, {}
        for client in clients:
            client.on_writable()

    def warm(self, descriptor: int, offset: int, count: int, then: Callable[[], None]) -> None:
        """Have a thread wait until a range of a file is in memory; call `then` in the loop afterwards."""
        own = os.dup(descriptor)  # the client may go away, and its descriptor's number to another file

        def wait() -> None:
            try:
                page_cache.warm(own, offset, count)
            except OSError as error:
                logger.error("cannot read a file that is to be sent: %s", error.strerror)
            finally:
                os.close(own)
                self.loop.call_soon_threadsafe(then)

        self._disk.submit(wait)

    # -- requests

    def settle(self, exchange: Exchange, outcome: Outcome) -> None:
        """Do what the table says about a request that did not go well."""
        if outcome is Outcome.QUEUE_AGAIN:
            exchange.route.group.queue_again(exchange)
        elif exchange.client is not None:
            exchange.client.settle(exchange, outcome)

    def abandon(self, exchange: Exchange, outcome: Outcome) -> None:
        """The client of a request has gone."""
        if outcome is Outcome.CANCEL:
            if exchange.channel is not None and not exchange.channel.closed:
                exchange.channel.cancel(exchange)
        elif exchange.channel is None:
            try:
                exchange.route.group.queue.remove(exchange)
            except ValueError:
                pass
        if exchange.body is not None:
            exchange.body.close()

    # -- daemon processes

    def attach(
        self, group: str, sock: socket.socket, process: int, pid: int, threads: int, scoreboard: Scoreboard
    ) -> None:
        """Take up a daemon process that is ready."""
        found = self._groups.get(group)
        if found is None:
            # It is leaving by now. The supervisor hears that nobody has its channel; not at once, or it would at once
            # start the next one, if it thought otherwise.
            sock.close()
            if self.on_channel_closed is not None:
                self.loop.call_later(_REFUSED, self.on_channel_closed, process)
            return
        found.attach(Channel(self, found, sock, process, pid, threads, scoreboard))

    def report(self, limit: int, *, requests: bool) -> bytes:
        """Return what there is at the moment as JSON of at most `limit` bytes; `requests` tells each of them."""
        told = report(self._clients, self._groups.values(), time.time(), requests=requests)
        return encode_report(told, limit)

    def group(self, key: str) -> ProcessGroup | None:
        """Return a process group, or what an application group has of it, by its key; None if it has left."""
        return self._groups.get(key)

    def channel(self, process: int) -> Channel | None:
        """Return the channel of a daemon process by the supervisor's number."""
        for group in self._groups.values():
            for channel in group.channels:
                if channel.process == process:
                    return channel
        return None

    def resume(self, process: int) -> None:
        """Give a process requests again: the newer code that it waited for cannot be loaded."""
        channel = self.channel(process)
        if channel is not None and not channel.detached:
            channel.accepting = True
            channel.group.dispatch()

    def report_lost(self, process: int, requests: str) -> None:
        """A daemon process has died, or is treated so; `requests` says what it was running, a line each."""
        if self.on_lost is not None:
            self.on_lost(process, requests)

    def forget(self, channel: Channel) -> None:
        """A channel has ended."""
        channel.group.forget(channel)
        if self.on_channel_closed is not None:
            self.on_channel_closed(channel.process)

    # -- time

    def _tick(self) -> None:
        self.loop.call_later(GRAIN, self._tick)
        now = time.monotonic()
        self.server_lines = server_lines(time.time(), self.configuration.product)
        for client in self.deadlines.expired(now):
            assert isinstance(client, Client)
            client.expire()
        self.partitions.look(now)
        self.configuration.look()
        for group in self._groups.values():
            if unserved := group.refuse_unserved(now):
                logger.error(
                    "process group %s: no daemon process for %g s (connect-timeout); %d requests answered with 503",
                    group.name,
                    group.options.connect_timeout,
                    unserved,
                )
            for exchange in list(group.queue.expired(now)):
                logger.warning(
                    "process group %s: a request waited %g s and no daemon process took it; answered with 504",
                    group.name,
                    group.queue_timeout,
                    extra=self.log_of(exchange.route, exchange),
                )
                exchange.queue_time = time.time() - exchange.queue_start
                self.settle(exchange, exchange.fail(Failure.QUEUE_TIMEOUT))

    # -- stopping

    def finish(self) -> None:
        """The process ends: write to the access logs what there is."""
        self.access_logs.finish()
        self.configuration.stop()

    def leave(self, listeners: Iterable[int]) -> None:
        """Others have the listeners of these numbers: who waits there is left to them when this one stops."""
        self._left = frozenset(listeners)

    def stop(self) -> None:
        """Accept nobody any more; finish what has begun; then call `on_idle`."""
        if self.stopping:
            return
        self.acceptor.close(self._left)
        self.stopping = True
        if self._left:
            # The next request of an idle client may be on its way, and its answer will say that the connection ends.
            self.loop.call_later(_IDLE_PATIENCE, self._close_idle)
            self._look_idle()  # without any client there is nobody to wait for
        else:
            self._close_idle()

    def _close_idle(self) -> None:
        for client in list(self._clients):
            client.close_if_idle()
        self._look_idle()

    def _look_idle(self) -> None:
        if self.on_idle is not None and not any(client.state is not State.LINGER for client in self._clients):
            self.on_idle()

    @property
    def queued(self) -> int:
        """How many requests wait for a daemon process."""
        return sum(len(group.queue) for group in self._groups.values())

    @property
    def connected(self) -> int:
        """How many clients are connected."""
        return len(self._clients)

    @property
    def unanswered(self) -> int:
        """How many clients wait for an answer or are sending a request."""
        return sum(client.state in {State.ANSWER, State.BODY} for client in self._clients)
