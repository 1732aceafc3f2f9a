"""The configured hosts: finds what is to be done with each request. Shell over `routing`."""

import time
from collections.abc import Callable, Mapping, Sequence

from pydaemonwsgi.config.model import Server
from pydaemonwsgi.front.access_logs import AccessLog
from pydaemonwsgi.front.files import LocalFiles
from pydaemonwsgi.front.groups import ProcessGroup
from pydaemonwsgi.front.routes import Route
from pydaemonwsgi.front.site_environ import Addresses, ScriptEnvirons, read_facts
from pydaemonwsgi.http.head import RequestHead
from pydaemonwsgi.routing.decisions import Decision, Script
from pydaemonwsgi.routing.request import Facts
from pydaemonwsgi.routing.router import Router

__all__ = ["Sites"]


class Sites:
    """Routes requests by the configuration.

    Args:
        server: the configuration.
        find_group: the process group for a process group's and an application group's name.
        fallback: whose time-outs and buffers count for what no process group answers.
        logs: of each host, in the order of `server.hosts`.
        process_environment: for PassEnv and `%{ENV:NAME}`.
    """

    def __init__(
        self,
        server: Server,
        find_group: Callable[[str, str], ProcessGroup],
        fallback: ProcessGroup,
        logs: Sequence[tuple[AccessLog, ...]],
        process_environment: Mapping[str, str],
    ) -> None:
        self._router = Router(server, LocalFiles(), process_environment)
        self._find_group = find_group
        self._fallback = fallback
        self._logs = logs
        self._environs = ScriptEnvirons()

    def find(self, head: RequestHead, addresses: Addresses) -> Route:
        """Return what is to be done with a request."""
        facts = read_facts(head, addresses, time.time())
        return self._route(self._router.decide(facts), head, facts)

    def error_document(self, route: Route, head: RequestHead, status: int) -> "Route | str | None":
        """Return what is shown for an error: a route, a text, or None for the server's own page."""
        if route.facts is None or route.decision is None:
            return None
        found = self._router.error_document(route.facts, route.decision.common, status)
        if found is None or isinstance(found, str):
            return found
        return self._route(found, head, route.facts, document_of=status)

    def _route(self, decision: Decision, head: RequestHead, facts: Facts, *, document_of: int = 0) -> Route:
        common = decision.common
        group, environ = self._fallback, head.environ
        if isinstance(decision, Script):
            group = self._find_group(decision.target.process_group, decision.target.application_group)
            environ = self._environs.make(head, decision, facts, document=bool(document_of))
        return Route(
            group,
            common.context.settings.limit_request_body or 0,
            self._logs[common.site.number],
            environ,
            decision,
            facts,
            document_of,
        )
