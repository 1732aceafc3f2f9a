"""The whole way of one request: from its path to what answers it, internal redirects included. Sans-I/O.

The order is httpd's: server-context variables and rewriting, redirects and aliases, the walk along the file's path
with its sections, access, negotiation, rewriting in directory context (which may begin the whole anew, ten times at
most), directory slash and index, and at last what answers.
"""

from typing import Final

from pydaemonwsgi.config.model import EMBEDDED, Matching
from pydaemonwsgi.routing.answers import Answered
from pydaemonwsgi.routing.decisions import Decision, Listing, MethodList, Redirection, Refusal, Script, Static
from pydaemonwsgi.routing.files import FileKind
from pydaemonwsgi.routing.fixups import fix_up
from pydaemonwsgi.routing.groups import GroupTable
from pydaemonwsgi.routing.negotiation import choose_variant, negotiate
from pydaemonwsgi.routing.request import Request
from pydaemonwsgi.routing.resources import MODULE, STATIC_METHODS, common_part, decide_resource, named_handler
from pydaemonwsgi.routing.translation import translate
from pydaemonwsgi.routing.walk import walk

__all__ = ["is_visible", "resolve"]

# LimitInternalRecursion of httpd.
_MOST_REDIRECTS: Final = 10
_NEGOTIATED: Final = ("accept", "accept-language", "accept-charset", "accept-encoding")


def resolve(request: Request, groups: GroupTable) -> Decision:
    """Return the decision, following internal redirects."""
    current = request
    for depth in range(_MOST_REDIRECTS + 1):
        if current.trace is not None:
            current.trace.depth = depth
        try:
            step = _run(current)
            if step is None:
                decision = decide_resource(current, groups)
                if current.trace is not None:
                    current.trace.note("answer", _describe(decision))
                return decision
            current = step
        except Answered as answer:
            return _answer(current, answer)
    return _answer(current, Answered(500, "more than 10 internal redirects: the rewrite rules go round in circles"))


def is_visible(request: Request) -> bool:
    """Whether a list may tell the client that a file or directory is there: it could be had, as far as access goes."""
    try:
        _enter(request)
    except Answered as answer:
        return answer.location is not None
    return request.found.kind in {FileKind.FILE, FileKind.DIRECTORY}


def _enter(request: Request) -> None:
    """Find what a request means, with which settings, and whether the client may.

    Raises:
        Answered: it has been answered on the way.
    """
    site = request.site
    sections = site.sections
    locations = sections.of_location(request.uri)
    request.context = sections.context(locations)
    if sections.named:
        request.environment |= sections.captured(locations, request.uri, "")
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
    if sections.named:
        request.environment |= sections.captured(numbers, request.uri, request.filename)
    if request.trace is not None:
        _trace_sections(request, numbers)
    for test in context.tests:
        test.apply(request)
    if context.access is not None and not context.access(request):
        raise Answered(403, "access is denied by Require, Allow or Deny")


def _run(request: Request) -> Request | None:
    """Take a request to where it can be answered, or return the one that it is redirected to.

    Raises:
        Answered: it has been answered on the way.
    """
    _enter(request)
    context = request.context
    if request.found.kind is FileKind.MISSING and "multiviews" in context.options and request.filename:
        variant = _negotiated(request)
        if variant is not None:
            return _promote(request, variant)
    successor = fix_up(request)
    if successor is not None:
        return successor
    if request.found.kind is FileKind.DIRECTORY and not request.path_info:
        return _index(request)
    if request.found.kind is FileKind.MISSING and request.alias is None:
        return _fallback(request)
    return None


def _promote(request: Request, chosen: Request) -> Request | None:
    """Go on with another request in place of this one; its variables keep their names (httpd's fast redirect)."""
    chosen.query, chosen.query_is_new = request.query, request.query_is_new
    chosen.is_subrequest = False
    chosen.added_headers = request.added_headers
    chosen.vary = request.vary
    return chosen


def _index(request: Request) -> Request | None:
    """Return the request for a directory's index, or None if there is none.

    Raises:
        Answered: an index is there but may not be had; then no listing may be shown either.
    """
    refused: Answered | None = None
    names = request.context.settings.directory_index
    if not names:
        return None  # DirectoryIndex disabled: nothing stands in for a directory, FallbackResource neither
    for name in names:
        asked = request.subrequest(name if name.startswith("/") else request.uri + name)
        asked.query, asked.query_is_new = request.query, request.query_is_new
        try:
            successor = _run(asked)
        except Answered as answer:
            if answer.location is not None:
                raise
            if answer.status != 404:
                refused = answer
            continue
        if asked.found.kind is FileKind.FILE or (successor is not None and successor.found.kind is FileKind.FILE):
            if request.trace is not None:
                request.trace.note("type", f"DirectoryIndex: {asked.uri}")
            return _promote(request, asked)
    if refused is not None:
        raise refused
    return _fallback(request)


def _fallback(request: Request) -> Request | None:
    """Return the request for FallbackResource, where neither file nor index is there."""
    fallback = request.context.settings.fallback_resource
    if not fallback or request.uri == fallback or request.filename.startswith(MODULE):
        return None
    if request.found.kind is FileKind.MISSING and named_handler(request) is not None:
        return None
    if request.trace is not None:
        request.trace.note("alias", f"FallbackResource {fallback}")
    return _promote(request, request.subrequest(fallback))


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
    settings = context.settings
    chosen = choose_variant(
        sized, headers, settings.language_priority or (), settings.force_language_priority or frozenset()
    )
    if chosen.name is None:
        request.added_headers.append(("Vary", ", ".join(chosen.vary)))
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
