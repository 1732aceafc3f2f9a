"""What the front goes by: its options and what they are compiled to; read again while requests go on. Shell."""

import asyncio
import gc
import itertools
import os
from collections.abc import Callable, Mapping
from concurrent.futures import Executor
from typing import Final

from pydaemonwsgi.config.model import EMBEDDED
from pydaemonwsgi.front.access_logs import AccessLog, AccessLogs, HostLogs
from pydaemonwsgi.front.groups import ProcessGroup
from pydaemonwsgi.front.hosts import host_rules
from pydaemonwsgi.front.options import FrontOptions, LogOptions
from pydaemonwsgi.front.partitions import Partitions
from pydaemonwsgi.front.product import product
from pydaemonwsgi.front.resolver import Resolver
from pydaemonwsgi.front.routes import Route
from pydaemonwsgi.front.sites import Sites
from pydaemonwsgi.front.timeouts import RateTimeout
from pydaemonwsgi.http.head import HeadReader, RequestHead
from pydaemonwsgi.logs import parse_level
from pydaemonwsgi.system.overtime import Overtime

__all__ = ["Configuration"]

# Seconds after a new configuration: most requests of the one before have been answered.
_TIDY_AFTER: Final = 2.0


def _forget_former_sites() -> None:
    """Free what a configuration that does not count any more has left: its parts refer to each other.

    It is frozen since the front began (`gc.freeze`), or so old that nothing would look at it for weeks; and its logs
    are open as long as it is there.
    """
    gc.unfreeze()
    gc.collect()
    gc.freeze()


class Configuration:
    """What counts at the moment.

    Args:
        options: see `FrontOptions`.
        groups: every process group by its key.
        partitions: find the group, and so the queue, of a request.
        access_logs: where hosts log.
        disk: threads that may take their time.
        is_awaited: whether a client waits for an answer of a process group.

    Attributes:
        options: as they were read last.
        product: what the Server header says.
        header_timeout: for request heads.
        body_timeout: for request bodies.
        sites: decide where requests go; None without a configuration file.
        route: where requests go without a configuration file, and those of which nothing is known yet.
        on_unused: called with the name of a process group that the options do not have any more and nobody waits for.
    """

    def __init__(
        self,
        options: FrontOptions,
        groups: Mapping[str, ProcessGroup],
        partitions: Partitions,
        access_logs: AccessLogs,
        disk: Executor,
        is_awaited: Callable[[ProcessGroup], bool],
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._groups = groups
        self._partitions = partitions
        self._access_logs = access_logs
        self._disk = disk
        self._is_awaited = is_awaited
        self._resolver = Resolver(self._loop)
        self._overtime = Overtime()
        self.on_unused: Callable[[str], None] | None = None
        self._renewal: asyncio.Future[Sites | None] | None = None
        self._tidying: asyncio.TimerHandle | None = None
        self._unwanted: set[str] = set()  # groups that the options do not have any more
        self._take(options)
        self.sites = self._make_sites(options)
        self.route = self._make_route()

    def __repr__(self) -> str:
        """Return what an operator would ask for."""
        hosts = "no configuration file" if self.options.site is None else f"{len(self.options.logs)} hosts"
        return f"<Configuration: {hosts}, {len(self.options.groups)} process groups>"

    def _take(self, options: FrontOptions) -> None:
        self.options = options
        self.product = product(options.site.server_tokens if options.site is not None else "prod")
        self.header_timeout = RateTimeout(options.header_timeout, options.header_max_timeout, options.header_min_rate)
        self.body_timeout = RateTimeout(options.body_timeout, options.body_max_timeout, options.body_min_rate)

    def _make_sites(self, options: FrontOptions) -> Sites | None:
        if options.site is None:
            return None
        hosts = host_rules(options, self._logs(options))
        environment = dict(os.environ)
        return Sites(options.site, self._find_group, hosts, environment, self._resolver, self.product, self._overtime)

    def _make_route(self) -> Route:
        host = host_rules(self.options, self._logs(self.options))[0] if self.sites is None else self.sites.main_host
        first = next(iter(self._groups.values()), ProcessGroup(self.options.fallback))
        return Route(first, self.options.limit_request_body, host)

    def _find_group(self, process_group: str, application_group: str) -> ProcessGroup:
        return self._partitions.find(process_group or EMBEDDED, application_group)

    def _logs(self, options: FrontOptions) -> list[HostLogs]:
        """Return the logs of each host; access logs that are alike are one."""
        opened: dict[LogOptions, AccessLog] = {}
        for log in (log for host in options.logs for log in host):
            if log not in opened:
                opened[log] = self._access_logs.log(log.descriptor, log.format, log.condition)
        errors = [self._access_logs.error_log(log.descriptor, parse_level(log.level)) for log in options.error_logs]
        return [
            HostLogs(tuple(opened[log] for log in host), error)
            for host, error in itertools.zip_longest(options.logs, errors)
        ]

    def start(self) -> None:
        """Begin to watch over patterns that take too long."""
        if self.sites is not None:
            self._overtime.start()

    def stop(self) -> None:
        """Watch no more: a tick while the loop is being closed would find only half of it."""
        self._overtime.stop()

    # -- who it is for

    def head_reader_for(self, addresses: tuple[str, int, str, int]) -> HeadReader:
        """Return what reads the heads of a connection."""
        return (self.route.host if self.sites is None else self.sites.first_host(addresses)).head_reader

    def unrouted(self, addresses: tuple[str, int, str, int], head: RequestHead | None) -> Route:
        """Return the route of a request that is answered before anybody asks where it goes.

        Args:
            addresses: of its connection.
            head: None if it could not be read.
        """
        return self.route if self.sites is None else self.sites.unrouted(addresses, head)

    # -- read again

    def renew(self, options: FrontOptions) -> None:
        """Be what the options say; requests that have come are answered as the ones before have said."""
        groups = {group.name: group for group in options.groups}
        self._partitions.renew(groups)
        self._unwanted -= groups.keys()
        self._take(options)
        # To compile a thousand hosts takes a while; meanwhile requests are answered as before.
        self._renewal = renewal = self._loop.run_in_executor(self._disk, self._make_sites, options)
        renewal.add_done_callback(self._on_renewed)

    def _on_renewed(self, renewal: "asyncio.Future[Sites | None]") -> None:
        if renewal is not self._renewal:
            return  # another one has come meanwhile
        self.sites = renewal.result()
        self.route = self._make_route()
        self._renewal = None
        wanted = {group.name for group in self.options.groups}
        self._unwanted = self._partitions.process_groups - wanted
        self.look()
        if self._tidying is not None:
            self._tidying.cancel()
        self._tidying = self._loop.call_later(_TIDY_AFTER, _forget_former_sites)

    def look(self) -> None:
        """Say which of the process groups that the options do not have any more nobody waits for."""
        for name in list(self._unwanted):
            parts = self._partitions.parts(name)
            if any(part.queue or self._is_awaited(part) for part in parts):
                continue
            if self.on_unused is not None:
                self.on_unused(name)
            if not any(part.channels for part in parts):
                self._unwanted.discard(name)
                self._partitions.forget(name)
