"""The configured hosts: finds what is to be done with each request. Shell over `routing`."""

import dataclasses
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Final, NamedTuple

from pydaemonwsgi.config.model import Script as ScriptFile
from pydaemonwsgi.config.model import Server
from pydaemonwsgi.errors import OvertimeError
from pydaemonwsgi.front.files import LocalFiles
from pydaemonwsgi.front.groups import ProcessGroup
from pydaemonwsgi.front.hosts import HostRules
from pydaemonwsgi.front.resolver import Resolver
from pydaemonwsgi.front.routes import Route
from pydaemonwsgi.front.site_environ import Addresses, ScriptEnvirons, access_environ, asked, read_facts
from pydaemonwsgi.http.head import RequestHead
from pydaemonwsgi.routing.decisions import Decision, Listing, Redirection, Refusal, Script
from pydaemonwsgi.routing.environment import may_set
from pydaemonwsgi.routing.request import Facts
from pydaemonwsgi.routing.router import Router
from pydaemonwsgi.system.overtime import Overtime

__all__ = ["Sites"]

# Refusals by httpd's handlers: access has been checked by then.
_AFTER_ACCESS: Final = frozenset({404, 405, 501})
# The variable by which a request ends its connection, as under httpd.
_NO_KEEP_ALIVE: Final = "nokeepalive"
_REMEMBERED: Final = 1024
_SERVER_ERROR: Final = 500

Headers = tuple[tuple[str, str], ...]


class _Known(NamedTuple):
    """What is done until `expires` with requests that have this head and came to this address.

    Attributes:
        names: of process group and application group, if a daemon process answers.
    """

    head: RequestHead
    address: str
    port: int
    expires: float
    names: tuple[str, str] | None
    route: Route


class Sites:
    """Routes requests by the configuration.

    Args:
        server: the configuration.
        find_group: the process group for a process group's and an application group's name.
        hosts: the rules of each, in the order of `server.hosts`.
        process_environment: for PassEnv and `%{ENV:NAME}`.
        resolver: finds the names of clients.
        product: what the server calls itself.
        overtime: ends decisions that take too long: there are patterns that hostile paths keep busy for years.

    Attributes:
        overtime: ends computations that take too long.
        needs_names: whether `find` must be told the name of the client, for some hosts at least.
    """

    def __init__(
        self,
        server: Server,
        find_group: Callable[[str, str], ProcessGroup],
        hosts: Sequence[HostRules],
        process_environment: Mapping[str, str],
        resolver: Resolver,
        product: str,
        overtime: Overtime,
    ) -> None:
        self._router = Router(server, LocalFiles(), process_environment)
        self._find_group = find_group
        self._hosts = hosts
        # The rules of those hosts some of whose requests end their connections, for such a request.
        self._closing = {
            number: dataclasses.replace(hosts[number], most_requests=1)
            for number, host in enumerate(server.hosts)
            if may_set(host, _NO_KEEP_ALIVE)
        }
        self._resolver = resolver
        self._product = product
        self.overtime = overtime
        self.needs_names = self._router.needs_remote_host
        self._environs = ScriptEnvirons()
        self._known: dict[int, _Known] = {}

    def name_of(self, head: RequestHead, addresses: Addresses, then: Callable[[str], None]) -> None:
        """Call `then` with the name of a client, "" if it has none or nobody wants it; at once if it is known."""
        facts = read_facts(head, addresses, time.time())
        # What comes without the name is the decision, unless that has looked at the name.
        if (
            addresses[0]
            and self._router.site(facts).needs_remote_host
            and self._decide(facts)[0].common.needs_remote_host
        ):
            self._resolver.find(addresses[0], then)
        else:
            then("")

    def find(self, head: RequestHead, addresses: Addresses, name: str = "") -> Route:
        """Return what is to be done with a request, `name` being the client's.

        The route may be another request's as well, whose head was the same; then its facts are those of either.
        """
        now = time.time()
        known = self._known.get(id(head))
        if (
            known is not None
            and not name
            and known.head is head
            and now < known.expires
            and known.port == addresses[3]
            and known.address == addresses[2]
            and (known.names is None or self._find_group(*known.names) is known.route.group)
        ):
            return known.route
        facts = read_facts(head, addresses, now, name)
        decision, expires = self._decide(facts)
        route = self._route(decision, head, facts)
        if expires and not route.asks and decision.common.context.proxies is None and not name:
            route.is_shared = True
            self._remember(head, facts, expires, route)
        return route

    def find_anew(self, route: Route, head: RequestHead, addresses: Addresses) -> Route:
        """Return what is to be done with a request by the files as they are now."""
        self._router.forget()
        self._known.clear()
        facts = self.own(route, head, addresses).facts
        assert facts is not None
        facts = facts._replace(now=time.time())
        found = self._route(self._decide(facts)[0], head, facts)
        found.is_renewed = True
        return found

    def _decide(self, facts: Facts) -> tuple[Decision, float]:
        self.overtime.begin()
        try:
            return self._router.decide_for_all(facts)
        except OvertimeError as error:
            # Not as if the pattern did not match, as httpd would: it may be the one that keeps somebody out.
            return self._router.unrouted(facts)._replace(status=_SERVER_ERROR, reason=str(error)), 0.0
        finally:
            self.overtime.end()

    def _remember(self, head: RequestHead, facts: Facts, expires: float, route: Route) -> None:
        decision = route.decision
        names = None
        if isinstance(decision, Script):
            names = decision.target.process_group, decision.target.application_group
        if len(self._known) >= _REMEMBERED:
            self._known.clear()
        # By identity: heads that come again are the same object, and one that is kept here keeps its identity.
        self._known[id(head)] = _Known(head, facts.local_address, facts.local_port, expires, names, route)

    def own(self, route: Route, head: RequestHead | None, addresses: Addresses) -> Route:
        """Return a route whose facts are those of the request itself, and of no other with the same head."""
        if not route.is_shared or head is None:
            return route
        return dataclasses.replace(route, facts=read_facts(head, addresses, time.time()), is_shared=False)

    @property
    def main_host(self) -> HostRules:
        """The rules of the main server."""
        return self._hosts[0]

    def first_host(self, addresses: Addresses) -> HostRules:
        """Return the rules that count for a connection before anybody has named a host."""
        return self._hosts[self._router.site(_no_facts(addresses)).number]

    def unrouted(self, addresses: Addresses, head: RequestHead | None) -> Route:
        """Return the route of a request that is answered before it is asked where it goes, or could not be read."""
        facts = _no_facts(addresses) if head is None else read_facts(head, addresses, time.time())
        decision = self._router.unrouted(facts)
        return self._route(decision, head, facts)

    def signature(self, route: Route) -> str:
        """Return what ServerSignature puts under error pages: server, administrator, host and port; "" for nothing."""
        if route.decision is None or route.facts is None:
            return ""
        common = route.decision.common
        if common.context.settings.server_signature not in {"on", "email"}:
            return ""
        name, port = self._router.server_address(route.facts, common)
        admin = common.site.host.server_admin if common.context.settings.server_signature == "email" else None
        return f"{self._product}\n{admin or ''}\n{name}\n{port}"

    def error_document(
        self, route: Route, head: RequestHead | None, status: int, headers: Headers
    ) -> "Route | str | None":
        """Return what is shown for an error: a route, a text, or None for the server's own page.

        Args:
            route: of the request.
            head: None if it could not be read; then no script can be asked.
            status: the error.
            headers: go with whatever is shown.
        """
        if route.facts is None or route.decision is None:
            return None
        self.overtime.begin()
        try:
            found = self._router.error_document(route.facts, route.decision.common, status)
        except OvertimeError:
            return None
        finally:
            self.overtime.end()
        if found is None or isinstance(found, str):
            return found
        if head is None and isinstance(found, Script):
            return None
        found = _with_headers(found, headers)
        return self._route(found, head, route.facts, document_of=status, internal=True)

    def shown_in(self, route: Route, decision: Listing) -> Callable[[str], bool]:
        """Return what says whether the list of a directory has a name for this client; for another thread."""
        facts = route.facts
        assert facts is not None
        return lambda name: self._router.is_shown(facts, decision, name)

    def redirected(self, route: Route, head: RequestHead, location: bytes, headers: Headers) -> Route:
        """Return what is done when an application answers with status 200 and `Location: /path`.

        Args:
            route: by which the application was asked.
            head: of the request.
            location: the path.
            headers: go with whatever is answered.
        """
        assert route.decision is not None
        assert route.facts is not None
        common = route.decision.common
        self.overtime.begin()
        try:
            decision = self._router.redirected(route.facts, common, location)
        except OvertimeError as error:
            decision = Refusal(common, _SERVER_ERROR, str(error))
        finally:
            self.overtime.end()
        found = _with_headers(decision, headers)
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
        after = self._route(found, head, route.facts, document_of=route.document_of, internal=route.is_internal)
        after.asks = False
        after.redirects = route.redirects
        return after

    def _route(
        self,
        decision: Decision,
        head: RequestHead | None,
        facts: Facts,
        *,
        document_of: int = 0,
        internal: bool = False,
    ) -> Route:
        common = decision.common
        settings = common.context.settings
        rules = self._hosts[common.site.number]
        if self._closing and any(name == _NO_KEEP_ALIVE for name, _ in common.environment):
            rules = self._closing.get(common.site.number, rules)
        group, environ, asks = rules.fallback, None, settings.access_script is not None
        assert group is not None
        if isinstance(decision, Script):
            assert head is not None
            if decision.target.dispatch_script is not None:
                asks = True  # who answers is not known yet, and the one that is configured may not exist
            else:
                try:
                    group = self._find_group(decision.target.process_group, decision.target.application_group)
                except KeyError:
                    return self._route(_gone(decision), head, facts, document_of=document_of, internal=internal)
            environ = self._environs.make(head, decision, facts, internal=internal)
        limit = settings.limit_request_body or 0
        return Route(group, limit, rules, environ, decision, facts, document_of, asks, sites=self)


def _gone(decision: Script) -> Refusal:
    """Return what a request gets whose process group has gone with a configuration that was in force when it came."""
    reason = f"the process group {decision.target.process_group!r} has gone with the configuration that had it"
    return Refusal(decision.common, 503, reason)


def _no_facts(addresses: Addresses) -> Facts:
    """Return what is known of a request before it has come."""
    return Facts(
        "GET",
        b"/",
        remote_address=addresses[0],
        remote_port=addresses[1],
        local_address=addresses[2],
        local_port=addresses[3],
        now=time.time(),
    )


def _with_headers(decision: Decision, headers: Headers) -> Decision:
    if not headers:
        return decision
    common = decision.common
    return decision._replace(common=common._replace(added_headers=(*common.added_headers, *headers)))
