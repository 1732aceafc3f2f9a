"""The router: from the facts of a request to a decision. Sans-I/O; the file system is asked through a protocol.

First the host, then the whole way through its configuration (`resolution`), unless it is known already.
Decisions are remembered for a second (`memory`), by method, path and those facts that decisions of the same host have
looked at (`Request.fact`). Script aliases are quicker still, if nothing before them applies to a path: where a mount
point leads has been found out once, and each path below it costs a comparison.
"""

from collections.abc import Mapping

from pydaemonwsgi.config.model import Script as ScriptFile
from pydaemonwsgi.config.model import Server
from pydaemonwsgi.errors import ConfigurationError, HttpError
from pydaemonwsgi.routing.aliases import AliasMatch
from pydaemonwsgi.routing.decisions import Common, Decision, Listing, Redirection, Refusal, Script
from pydaemonwsgi.routing.files import FileSystem
from pydaemonwsgi.routing.groups import GroupTable, expand_callable, expand_group
from pydaemonwsgi.routing.hosts import HostTable
from pydaemonwsgi.routing.maps import TextFile
from pydaemonwsgi.routing.memory import FRESH, Memory, Mount
from pydaemonwsgi.routing.paths import as_text, merge_slashes, read_uri
from pydaemonwsgi.routing.request import PERSONAL, Facts, Request
from pydaemonwsgi.routing.resolution import is_visible, resolve
from pydaemonwsgi.routing.resources import MODULE, common_part
from pydaemonwsgi.routing.site import Site
from pydaemonwsgi.routing.trace import Trace

__all__ = ["Router"]


class Router:
    """Decides for one server.

    Args:
        server: the configuration.
        files: answers about files.
        process_environment: of the front, for PassEnv and `%{ENV:NAME}`.

    Attributes:
        needs_remote_host: whether `Facts.remote_host` is of any use to some request.

    Raises:
        ConfigurationError: a regular expression, an address or a variable is wrong; the message begins with the
            place. `check_routing` finds all such errors, not only the first.
    """

    def __init__(self, server: Server, files: FileSystem, process_environment: Mapping[str, str] | None = None) -> None:
        self._files = files
        self._hosts = HostTable(server.hosts)
        environment = process_environment or {}
        case = server.python.case_sensitive
        texts: dict[str, TextFile] = {}
        self.sites = tuple(
            Site(
                number,
                host,
                environment,
                main_name=server.main.server_name,
                case_sensitive=case,
                texts=texts,
            )
            for number, host in enumerate(server.hosts)
        )
        self._memories = tuple(Memory() for _ in self.sites)
        self._groups = GroupTable(server.groups)
        self.needs_remote_host = any(site.needs_remote_host for site in self.sites)

    def site(self, facts: Facts) -> Site:
        """Return the host that a request is for."""
        return self.sites[self._hosts.find(facts.local_address, facts.local_port, facts.host)]

    def decide(self, facts: Facts) -> Decision:
        """Return what a request means; perhaps as it was decided within the last second."""
        return self.decide_for_all(facts)[0]

    def decide_for_all(self, facts: Facts) -> tuple[Decision, float]:
        """Return what a request means, and until when every request with the same head to the same address means it.

        Returns:
            The decision, and seconds since the epoch; 0.0 if it depends on who asks.
        """
        number = self._hosts.find(facts.local_address, facts.local_port, facts.host)
        memory = self._memories[number]
        now = facts.now
        found = memory.decisions.get(memory.key(facts))
        if found is not None and now < found[0]:
            return found[1], found[0] if memory.is_common else 0.0
        site = self.sites[number]
        if site.is_direct:
            direct = self._mounted(site, memory, facts)
            if direct is not None:
                return direct
        decision, consulted = self._decide(site, facts, None)
        memory.note(facts, consulted, decision, now)
        return decision, now + FRESH if consulted.isdisjoint(PERSONAL) else 0.0

    def explain(self, facts: Facts, trace: Trace) -> Decision:
        """Return what a request means, and note every step of the way there; nothing is remembered."""
        site = self.site(facts)
        aliases = " ".join(site.host.server_aliases)
        name = site.host.server_name or "without ServerName"
        where = " ".join(
            address.address if address.port is None else f"{address.address}:{address.port}"
            for address in site.host.addresses
        )
        trace.note(
            "host",
            f"{f'<VirtualHost {where}>' if where else 'the main server'} {name}{f' ({aliases})' if aliases else ''}",
            site.host.position,
        )
        return self._decide(site, facts, trace)[0]

    def forget(self) -> None:
        """Forget all decisions, after a change of files that must be seen at once."""
        for memory in self._memories:
            memory.decisions.clear()
            memory.mounts.clear()

    def dispatched(
        self,
        decision: Script,
        facts: Facts,
        process_group: str | None = None,
        application_group: str | None = None,
        callable_object: str | None = None,
    ) -> Script | Refusal:
        """Return a script's decision with what its dispatch script has said laid over it; None leaves what is there.

        The process group is checked only now, for `WSGIRestrictProcess` guards what dispatch scripts say.
        """
        request = Request(facts, decision.common.site, self._files, decision.uri, decision.query)
        request.environment = dict(decision.common.environment)
        target = decision.target
        if process_group is not None:
            target = target._replace(process_group=expand_group(process_group, request, decision.script_name))
        if application_group is not None:
            name = expand_group(application_group, request, decision.script_name)
            target = target._replace(application_group=name)
        if callable_object is not None:
            target = target._replace(callable_object=expand_callable(callable_object, request))
        settings = decision.common.context.settings
        problem = self._groups.refusal(target.process_group, settings, decision.common.site.host.server_name)
        if problem is not None:
            return Refusal(decision.common, 500, problem)
        return decision._replace(target=target._replace(dispatch_script=None))

    def error_document(self, facts: Facts, common: Common, status: int) -> Decision | str | None:
        """Return what is shown for an error: a decision for another path, a text, or None for the server's own page.

        The other path is decided as an internal redirect with method GET (RFC 9110 has no other way to show a page).
        """
        document = next(
            (one for one in reversed(common.context.settings.error_documents) if one.status == status), None
        )
        if document is None or document.kind == "default":
            return None
        if document.kind == "text":
            return document.value
        if document.kind == "url":
            return Redirection(common, 302, document.value)
        path, mark, query = document.value.partition("?")
        failed = Request(facts, common.site, self._files, *self._original(common.site, facts))
        failed.environment = dict(common.environment)
        failed.first_environment = common.first_environment
        shown = failed.successor(path, query if mark else None)
        shown.facts = facts if facts.method == "HEAD" else facts._replace(method="GET")
        shown.query_is_new = True  # the client's is REDIRECT_QUERY_STRING
        shown.added_headers = list(common.added_headers)  # cookies of rewrite rules
        shown.environment["REDIRECT_STATUS"] = str(status)
        shown.environment["REDIRECT_REQUEST_METHOD"] = facts.method
        decision = resolve(shown, self._groups)
        return None if isinstance(decision, Refusal) else decision

    def is_shown(self, facts: Facts, decision: Listing, name: str) -> bool:
        """Return whether a list of a directory tells the client of a file in it; asks for files, and may wait for them.

        Args:
            facts: of the request for the list.
            decision: the list.
            name: of the file, without its directory.
        """
        request = Request(facts._replace(method="GET"), decision.common.site, self._files, decision.uri + name, None)
        return is_visible(request)

    def redirected(self, facts: Facts, common: Common, location: bytes) -> Decision:
        """Return what an application's `Location: /path` with status 200 means: another resource, got for the client.

        Args:
            facts: of the request.
            common: of the decision by which the application was asked.
            location: path and perhaps query, as the application wrote them.
        """
        before = Request(facts, common.site, self._files, *self._original(common.site, facts))
        before.environment = dict(common.environment)
        before.first_environment = common.first_environment
        path, mark, query = location.partition(b"#")[0].partition(b"?")
        host = common.site.host
        try:
            uri, refusal = read_uri(path, merge=host.merge_slashes, encoded_slashes=host.allow_encoded_slashes)
        except HttpError as error:
            return Refusal(common, error.status, f"the application's Location: {error.reason}")
        if refusal:
            return Refusal(common, refusal, "a slash in the application's Location is encoded")
        shown = before.successor(uri, as_text(query) if mark else None)
        shown.facts = facts if facts.method == "HEAD" else facts._replace(method="GET")
        shown.query_is_new = True
        return resolve(shown, self._groups)

    def unrouted(self, facts: Facts) -> Refusal:
        """Return what holds for a request that is refused before anybody asks where it goes."""
        request = Request(facts, self.site(facts), self._files, "/", None)
        # Nobody will see the request's headers, so nobody need edit them.
        request.context = request.context._replace(request_edits=())
        return Refusal(common_part(request), 400, "")

    def server_address(self, facts: Facts, common: Common) -> tuple[str, int]:
        """Return name and port that the server has in a request's eyes, by UseCanonicalName."""
        request = Request(facts, common.site, self._files, "/", None)
        request.context = common.context
        return request.server_name(), request.server_port()

    def asked_in(self, facts: Facts, common: Common, script: ScriptFile) -> str:
        """Return the application group in which a script is asked for access or dispatch."""
        request = Request(facts, common.site, self._files, "/", None)
        request.environment = dict(common.environment)
        return expand_group(script.application_group, request, "")

    def _original(self, site: Site, facts: Facts) -> tuple[str, str | None]:
        try:
            uri, _ = read_uri(
                facts.path, merge=site.host.merge_slashes, encoded_slashes=site.host.allow_encoded_slashes
            )
        except HttpError:
            uri = "/"
        return uri, facts.query

    # -- the fast path

    def _mounted(self, site: Site, memory: Memory, facts: Facts) -> tuple[Script, float] | None:
        """Return the decision for a path below a mount point whose script has been found, and its end, or None."""
        try:
            uri, refusal = read_uri(
                facts.path, merge=site.host.merge_slashes, encoded_slashes=site.host.allow_encoded_slashes
            )
        except HttpError:
            return None
        if refusal:
            return None
        if (site.rewrite is not None and not site.rewrite.is_none_for(uri)) or site.aliases.find(uri) is not None:
            return None
        match = site.script_aliases.find(uri)
        if match is None:
            return None
        key = (match.root, match.prefix, facts.local_port, site.sections.of_location(uri))
        known = memory.mounts.get(key)
        if known is None or facts.now >= known.expires:
            known = self._find_mount(site, match, facts)
            memory.note_mount(key, known)
        if known.script is None:
            return None
        path_info = merge_slashes(match.rest)
        return known.script._replace(uri=match.prefix + path_info, path_info=path_info), known.expires

    def _find_mount(self, site: Site, match: AliasMatch, facts: Facts) -> Mount:
        """Return what every path below a mount point has in common; no script if that is not everything."""
        expires = facts.now + FRESH
        if not match.source.is_regex and (match.prefix + "/").startswith("/") and not match.prefix.endswith("/"):
            decision, consulted = self._decide(site, facts, None)
            if (
                isinstance(decision, Script)
                and decision.common.context.is_plain
                and consulted <= {"local_port"}
                and match.root in {decision.target.filename, MODULE + (decision.target.module or "")}
            ):
                return Mount(expires, decision)
        return Mount(expires, None)

    # -- the whole way

    def _decide(self, site: Site, facts: Facts, trace: Trace | None) -> tuple[Decision, set[str]]:
        try:
            uri, refusal = read_uri(
                facts.path, merge=site.host.merge_slashes, encoded_slashes=site.host.allow_encoded_slashes
            )
        except HttpError as error:
            request = Request(facts, site, self._files, "/", facts.query)
            return Refusal(common_part(request), error.status, error.reason), request.consulted
        request = Request(facts, site, self._files, uri, facts.query)
        request.trace = trace
        if refusal:
            reason = "a slash in the path is encoded (AllowEncodedSlashes Off)"
            return Refusal(common_part(request), refusal, reason), request.consulted
        try:
            return resolve(request, self._groups), request.consulted
        except ConfigurationError as error:
            # `check_routing` would have said so before; a request must not end the front.
            return Refusal(common_part(request), 500, str(error)), request.consulted
