"""The router: from the facts of a request to a decision. Sans-I/O; the file system is asked through a protocol.

The order is httpd's: host, server-context variables and rewriting, redirects and aliases, the walk along the file's
path with its sections, access, negotiation, rewriting in directory context (which may begin the whole anew, ten
times at most), directory slash and index, and at last what answers.

Decisions are remembered for a second (`memory`), by method, path and those facts that decisions of the same host have
looked at (`Request.fact`). Script aliases are quicker still, if nothing before them applies to a path: where a mount
point leads has been found out once, and each path below it costs a comparison.
"""

from collections.abc import Mapping
from typing import Final

from pydaemonwsgi.config.model import EMBEDDED, Matching, Server
from pydaemonwsgi.config.model import Script as ScriptFile
from pydaemonwsgi.errors import ConfigurationError, HttpError
from pydaemonwsgi.routing.aliases import AliasMatch
from pydaemonwsgi.routing.answers import Answered
from pydaemonwsgi.routing.decisions import (
    Common,
    Decision,
    Listing,
    MethodList,
    Redirection,
    Refusal,
    Script,
    Static,
)
from pydaemonwsgi.routing.files import FileKind, FileSystem
from pydaemonwsgi.routing.fixups import fix_up
from pydaemonwsgi.routing.groups import GroupTable, expand_callable, expand_group
from pydaemonwsgi.routing.hosts import HostTable
from pydaemonwsgi.routing.memory import FRESH, Memory, Mount
from pydaemonwsgi.routing.mistakes import MistakeError
from pydaemonwsgi.routing.negotiation import choose_variant, negotiate
from pydaemonwsgi.routing.paths import as_text, merge_slashes, read_uri
from pydaemonwsgi.routing.request import PERSONAL, Facts, Request
from pydaemonwsgi.routing.resources import MODULE, STATIC_METHODS, common_part, decide_resource, named_handler
from pydaemonwsgi.routing.site import Site
from pydaemonwsgi.routing.trace import Trace
from pydaemonwsgi.routing.translation import translate
from pydaemonwsgi.routing.walk import walk

__all__ = ["Router", "check_routing"]

# LimitInternalRecursion of httpd.
_MOST_REDIRECTS: Final = 10
_NEGOTIATED: Final = ("accept", "accept-language", "accept-charset", "accept-encoding")


class Router:
    """Decides for one server.

    Args:
        server: the configuration.
        files: answers about files.
        process_environment: of the front, for PassEnv and `%{ENV:NAME}`.

    Attributes:
        needs_remote_host: whether `Facts.remote_host` is of any use.

    Raises:
        ConfigurationError: a regular expression, an address or a variable is wrong; the message begins with the
            place. `check_routing` finds all such errors, not only the first.
    """

    def __init__(self, server: Server, files: FileSystem, process_environment: Mapping[str, str] | None = None) -> None:
        self._files = files
        self._hosts = HostTable(server.hosts)
        environment = process_environment or {}
        case = server.python.case_sensitive
        self.sites = tuple(
            Site(number, host, environment, case_sensitive=case) for number, host in enumerate(server.hosts)
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
        shown = failed.successor(path, query if mark else None)
        shown.facts = facts if facts.method == "HEAD" else facts._replace(method="GET")
        shown.query_is_new = True  # the client's is REDIRECT_QUERY_STRING
        shown.environment["REDIRECT_STATUS"] = str(status)
        shown.environment["REDIRECT_REQUEST_METHOD"] = facts.method
        decision = self._resolve(shown)
        return None if isinstance(decision, Refusal) else decision

    def redirected(self, facts: Facts, common: Common, location: bytes) -> Decision:
        """Return what an application's `Location: /path` with status 200 means: another resource, got for the client.

        Args:
            facts: of the request.
            common: of the decision by which the application was asked.
            location: path and perhaps query, as the application wrote them.
        """
        before = Request(facts, common.site, self._files, *self._original(common.site, facts))
        before.environment = dict(common.environment)
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
        return self._resolve(shown)

    def unrouted(self, facts: Facts) -> Refusal:
        """Return what holds for a request that is refused before anybody asks where it goes."""
        return Refusal(common_part(Request(facts, self.site(facts), self._files, "/", None)), 400, "")

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
            return self._resolve(request), request.consulted
        except ConfigurationError as error:
            # `check_routing` would have said so before; a request must not end the front.
            return Refusal(common_part(request), 500, str(error)), request.consulted

    def _resolve(self, request: Request) -> Decision:
        """Return the decision, following internal redirects."""
        current = request
        for depth in range(_MOST_REDIRECTS + 1):
            if current.trace is not None:
                current.trace.depth = depth
            try:
                step = self._run(current)
                if step is None:
                    decision = decide_resource(current, self._groups)
                    if current.trace is not None:
                        current.trace.note("answer", _describe(decision))
                    return decision
                current = step
            except Answered as answer:
                return _answer(current, answer)
        return _answer(current, Answered(500, "more than 10 internal redirects: the rewrite rules go round in circles"))

    def _run(self, request: Request) -> Request | None:
        """Take a request to where it can be answered, or return the one that it is redirected to.

        Raises:
            Answered: it has been answered on the way.
        """
        site = request.site
        sections = site.sections
        request.context = sections.context(sections.of_location(request.uri))
        for test in site.tests:
            test.apply(request)
        translate(request)
        alias = request.alias
        if alias is not None and alias.root.startswith(MODULE):
            request.filename, request.path_info = alias.root, alias.rest
            numbers: tuple[int, ...] = ()
        else:
            numbers = walk(request) if request.filename else ()
        numbers = sections.of_file(numbers, request.filename) + sections.of_location(request.uri)
        context = request.context = sections.context(numbers)
        if request.trace is not None:
            _trace_sections(request, numbers)
        for test in context.tests:
            test.apply(request)
        if context.access is not None and not context.access(request):
            raise Answered(403, "access is denied by Require, Allow or Deny")
        if request.found.kind is FileKind.MISSING and "multiviews" in context.options and request.filename:
            variant = _negotiated(request)
            if variant is not None:
                return self._promote(request, variant)
        successor = fix_up(request)
        if successor is not None:
            return successor
        if request.found.kind is FileKind.DIRECTORY and not request.path_info:
            return self._index(request)
        if request.found.kind is FileKind.MISSING and request.alias is None:
            return self._fallback(request)
        return None

    def _promote(self, request: Request, chosen: Request) -> Request | None:
        """Go on with another request in place of this one; its variables keep their names (httpd's fast redirect)."""
        chosen.query, chosen.query_is_new = request.query, request.query_is_new
        chosen.is_subrequest = False
        chosen.added_headers = request.added_headers
        return chosen

    def _index(self, request: Request) -> Request | None:
        """Return the request for a directory's index, or None if there is none.

        Raises:
            Answered: an index is there but may not be had; then no listing may be shown either.
        """
        refused: Answered | None = None
        for name in request.context.settings.directory_index or ():
            asked = request.subrequest(name if name.startswith("/") else request.uri + name)
            asked.query, asked.query_is_new = request.query, request.query_is_new
            try:
                successor = self._run(asked)
            except Answered as answer:
                if answer.location is not None:
                    raise
                if answer.status != 404:
                    refused = answer
                continue
            if asked.found.kind is FileKind.FILE or (successor is not None and successor.found.kind is FileKind.FILE):
                if request.trace is not None:
                    request.trace.note("type", f"DirectoryIndex: {asked.uri}")
                return self._promote(request, asked)
        if refused is not None:
            raise refused
        return self._fallback(request)

    def _fallback(self, request: Request) -> Request | None:
        """Return the request for FallbackResource, where neither file nor index is there."""
        fallback = request.context.settings.fallback_resource
        if not fallback or request.uri == fallback or request.filename.startswith(MODULE):
            return None
        if request.found.kind is FileKind.MISSING and named_handler(request) is not None:
            return None
        if request.trace is not None:
            request.trace.note("alias", f"FallbackResource {fallback}")
        return self._promote(request, request.subrequest(fallback))


def _negotiated(request: Request) -> Request | None:
    """Return the request for the variant that MultiViews chooses, or None if there is none.

    Raises:
        Answered: 406, none is acceptable.
    """
    directory, _, name = request.filename.rpartition("/")
    context = request.context
    candidates = negotiate(
        name, request.files.listdir(directory or "/"), context.extensions, context.settings.multiviews_match
    )
    if not name or not candidates:
        return None
    headers = {header: request.header(header) for header in _NEGOTIATED}
    sized = [(one, media, request.stat(f"{directory}/{one}").size) for one, media in candidates]
    chosen = choose_variant(sized, headers)
    if chosen.name is None:
        raise Answered(406, f"no variant of {request.uri} is acceptable to the client")
    uri = request.uri.removesuffix(request.path_info) if request.path_info else request.uri
    variant = request.subrequest(uri[: uri.rfind("/") + 1] + chosen.name + request.path_info)
    variant.variant = chosen.vary
    if request.trace is not None:
        request.trace.note("type", f"MultiViews chooses {chosen.name}")
    return variant


def _trace_sections(request: Request, numbers: tuple[int, ...]) -> None:
    trace = request.trace
    assert trace is not None
    for number in numbers:
        section = request.site.sections.section(number)
        matching = "~ " if section.matching is Matching.REGEX else ""
        trace.note("section", f"<{section.kind.value} {matching}{section.pattern}>", section.position)
    rest = f", path info {request.path_info!r}" if request.path_info else ""
    trace.note("file", f"{request.filename}: {request.found.kind.value}{rest}")


def _answer(request: Request, answer: Answered) -> Decision:
    if request.trace is not None:
        request.trace.note("answer", f"{answer.status} {answer.location or answer.reason}")
    common = common_part(request)
    if answer.location is not None:
        return Redirection(common, answer.status, answer.location)
    return Refusal(common, answer.status, answer.reason, STATIC_METHODS if answer.status == 405 else None)


def _describe(decision: Decision) -> str:
    match decision:
        case Script():
            target = decision.target
            return (
                f"script {target.filename or target.module}, SCRIPT_NAME {decision.script_name!r}, "
                f"PATH_INFO {decision.path_info!r}, process group {target.process_group or EMBEDDED!r}"
            )
        case Static():
            return f"file {decision.filename}, {decision.media_type or 'of no known type'}"
        case Listing():
            return f"list of {decision.directory}"
        case MethodList():
            return f"200 with Allow: {decision.allow}"
        case _:
            return f"{decision.status}"


def check_routing(server: Server) -> list[MistakeError]:
    """Return everything that is wrong with a server's patterns, rules and addresses."""
    problems: list[MistakeError] = []
    seen: set[str] = set()
    for number, host in enumerate(server.hosts):
        try:
            found = Site(number, host, {}).check()
        except MistakeError as error:
            found = [error]
        for problem in found:
            if str(problem) not in seen:  # a host inherits the main server's mistakes
                seen.add(str(problem))
                problems.append(problem)
    return problems
