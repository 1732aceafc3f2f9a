"""The configured hosts: finds what is to be done with each request. Shell over `routing`."""

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Final

from pydaemonwsgi.config.model import Script as ScriptFile
from pydaemonwsgi.config.model import Server
from pydaemonwsgi.front.access_logs import HostLogs
from pydaemonwsgi.front.files import LocalFiles
from pydaemonwsgi.front.groups import ProcessGroup
from pydaemonwsgi.front.routes import Route
from pydaemonwsgi.front.site_environ import Addresses, ScriptEnvirons, access_environ, asked, read_facts
from pydaemonwsgi.http.head import RequestHead
from pydaemonwsgi.http.response import ResponseHead
from pydaemonwsgi.routing.decisions import Decision, Redirection, Refusal, Script, Target
from pydaemonwsgi.routing.paths import as_text
from pydaemonwsgi.routing.request import Facts
from pydaemonwsgi.routing.router import Router

__all__ = ["Sites"]

# Refusals by httpd's handlers: access has been checked by then.
_AFTER_ACCESS: Final = frozenset({404, 405})
_REMEMBERED: Final = 1024


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
        logs: Sequence[HostLogs],
        process_environment: Mapping[str, str],
    ) -> None:
        self._router = Router(server, LocalFiles(), process_environment)
        self._find_group = find_group
        self._fallback = fallback
        self._logs = logs
        self._environs = ScriptEnvirons()
        self._targets: dict[Target, Target] = {}

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
        return self._route(found, head, route.facts, document_of=status, internal=True)

    def redirected(self, route: Route, head: RequestHead, answer: ResponseHead) -> Route:
        """Return what is done when an application answers with status 200 and `Location: /path`.

        The cookies that it sets go with the answer, as under httpd; its other headers are dropped.
        """
        assert route.decision is not None
        assert route.facts is not None
        assert answer.sent_on is not None
        found = self._router.redirected(route.facts, route.decision.common, answer.sent_on)
        cookies = tuple(("Set-Cookie", as_text(value)) for value in answer.values(b"set-cookie"))
        if cookies:
            common = found.common
            found = found._replace(common=common._replace(added_headers=(*common.added_headers, *cookies)))
        after = self._route(found, head, route.facts, internal=True)
        after.redirects = route.redirects + 1
        return after

    # -- scripts that are asked

    def access_script(self, route: Route) -> ScriptFile | None:
        """Return the script that is asked whether the client may; None if there is none, or nothing to ask for.

        As under httpd it is asked for files as well, and for what does not exist; not where the client has been sent
        elsewhere or refused before.
        """
        decision = route.decision
        if decision is None or isinstance(decision, Redirection):
            return None
        if isinstance(decision, Refusal) and decision.status not in _AFTER_ACCESS:
            return None
        return decision.common.context.settings.access_script

    def access_question(self, route: Route, head: RequestHead) -> tuple[ProcessGroup, bytes]:
        """Return whom to ask whether the client may, and the question."""
        decision, facts, script = route.decision, route.facts, self.access_script(route)
        assert decision is not None
        assert facts is not None
        assert script is not None
        group = self._find_group("", self._router.asked_in(facts, decision.common, script))
        return group, asked(access_environ(head, decision, facts), "access", script.path)

    def dispatch_question(self, route: Route, head: RequestHead, decision: Script) -> tuple[ProcessGroup, bytes]:
        """Return whom to ask where a request goes, and the question."""
        facts, script = route.facts, decision.target.dispatch_script
        assert facts is not None
        assert script is not None
        group = self._find_group("", self._router.asked_in(facts, decision.common, script))
        return group, asked(self._environs.make(head, decision, facts), "dispatch", script.path)

    def dispatched(self, route: Route, head: RequestHead, decision: Script, *names: str | None) -> Route:
        """Return where a request goes by what its dispatch script has said: process group, application group, name."""
        assert route.facts is not None
        found = self._router.dispatched(decision, route.facts, *names)
        if isinstance(found, Script):
            # The same object for the same names: what is remembered of a target goes by its identity.
            if len(self._targets) >= _REMEMBERED:
                self._targets.clear()
            found = found._replace(target=self._targets.setdefault(found.target, found.target))
        after = self._route(found, head, route.facts, document_of=route.document_of, internal=route.is_internal)
        after.asks = False
        after.redirects = route.redirects
        return after

    def _route(
        self, decision: Decision, head: RequestHead, facts: Facts, *, document_of: int = 0, internal: bool = False
    ) -> Route:
        common = decision.common
        settings = common.context.settings
        group, environ, asks = self._fallback, head.environ, settings.access_script is not None
        if isinstance(decision, Script):
            if decision.target.dispatch_script is not None:
                asks = True  # who answers is not known yet, and the one that is configured may not exist
            else:
                group = self._find_group(decision.target.process_group, decision.target.application_group)
            environ = self._environs.make(head, decision, facts, internal=internal)
        logs = self._logs[common.site.number]
        return Route(
            group,
            settings.limit_request_body or 0,
            logs.access,
            environ,
            decision,
            facts,
            document_of,
            asks,
            error_log=logs.error,
        )
