"""What answers for a file or directory: a script, the file itself, an index, a listing. Sans-I/O."""

from functools import lru_cache
from typing import Final

from pydaemonwsgi.config.model import EMBEDDED, HeaderRule, ScriptAlias
from pydaemonwsgi.http.methods import METHODS
from pydaemonwsgi.routing.answers import Answered
from pydaemonwsgi.routing.decisions import Common, Decision, Listing, MethodList, Script, Static, Target
from pydaemonwsgi.routing.files import FileKind
from pydaemonwsgi.routing.groups import GroupTable, expand_callable, expand_group
from pydaemonwsgi.routing.headers import HeaderEdit, Occasion
from pydaemonwsgi.routing.media import read_media
from pydaemonwsgi.routing.paths import merge_slashes, script_part
from pydaemonwsgi.routing.request import Request

__all__ = ["MODULE", "STATIC_METHODS", "common_part", "decide_resource", "make_script", "named_handler"]

MODULE: Final = "module:"
STATIC_METHODS: Final = "GET,HEAD,OPTIONS,POST"
_WSGI_HANDLERS: Final = frozenset({"wsgi-script", "application/x-httpd-wsgi"})
_STATIC_HANDLERS: Final = frozenset({"default-handler", "httpd/unix-directory"})


def common_part(request: Request, *, adds_charset: bool = False) -> Common:
    """Return what the decision for a request has in common with others.

    Args:
        request: as far as it has come.
        adds_charset: whether AddDefaultCharset counts for whatever is answered.
    """
    context = request.context
    environment = request.environment | dict(context.variables)
    previous = request.previous
    if previous is not None:
        environment["REDIRECT_URL"] = previous.uri
        if previous.query_is_new and previous.query is not None:
            environment["REDIRECT_QUERY_STRING"] = previous.query
    edits = context.response_edits
    if request.vary:
        edits = (_vary(", ".join(request.vary)), *edits)
    charset = context.settings.default_charset
    if charset and adds_charset:
        edits = (*edits, _default_charset(charset))
    own = tuple(environment.items())
    return Common(
        site=request.site,
        context=context,
        environment=own,
        needs_remote_host="checked_host" in request.consulted or context.settings.hostname_lookups in {"on", "double"},
        first_environment=own if request.first_environment is None else request.first_environment,
        request_headers=_request_headers(request, environment),
        response_edits=tuple(edit for edit in edits if edit.applies(environment)),
        added_headers=tuple(request.added_headers),
        # Not written into the environment, or what is remembered would depend on the query.
        was_redirected=previous is not None and not previous.query_is_new,
    )


@lru_cache(maxsize=256)
def _vary(names: str) -> HeaderEdit:
    """Return what tells caches that conditions of rules have looked at headers."""
    return HeaderEdit(HeaderRule(of_request=False, action="merge", name="Vary", value=names))


@lru_cache(maxsize=256)
def _default_charset(charset: str) -> HeaderEdit:
    """Return what adds a charset to plain text and HTML that have none (httpd's ap_make_content_type)."""
    pattern = "(?i)^(?!.*charset=)(.*text/(?:plain|html).*)$"
    name = "Content-Type"
    return HeaderEdit(HeaderRule(False, "edit", name, pattern, f"$1; charset={charset.replace('%', '%%')}"))


def _request_headers(request: Request, environment: dict[str, str]) -> tuple[tuple[str, str | None], ...]:
    """Return how the application sees headers otherwise than they were sent."""
    changed: dict[str, str | None] = {}
    occasion = Occasion(environment, int(request.facts.now * 1_000_000))
    for edit in request.context.request_edits:
        if not edit.applies(environment):
            continue
        if edit.timed:
            request.consulted.add("now")
        lower = edit.name.lower()
        # A `set` does not look at what was sent, so the decision does not depend on it.
        sent = (
            None if edit.action in {"set", "unset"} else changed[lower] if lower in changed else request.header(lower)
        )
        after = edit.apply([] if sent is None else [(lower, sent)], occasion, {})
        values = [value for name, value in after if name.lower() == lower]
        changed[lower] = ", ".join(values) if values else None
    return tuple(changed.items())


def decide_resource(request: Request, groups: GroupTable) -> Decision:
    """Return the decision for a request whose file was found and which no rule has sent elsewhere.

    Raises:
        Answered: it is refused.
    """
    settings = request.context.settings
    alias = request.alias
    if alias is not None and not _is_taken_back(request):
        assert isinstance(alias.source, ScriptAlias)
        if request.found.kind is FileKind.MISSING and not alias.root.startswith(MODULE):
            raise Answered(404, f"the script {request.filename} does not exist")
        if request.found.kind is FileKind.DIRECTORY:
            raise Answered(403, f"{request.filename} is a directory, not a script")
        return make_script(request, groups, alias.source)
    handler = named_handler(request)
    if alias is not None and handler in _STATIC_HANDLERS:
        raise Answered(404, f"the script {request.filename} is not to be run here (SetHandler), and is never sent")
    if handler is not None and handler not in _STATIC_HANDLERS:
        handler_script = next((one for one in reversed(settings.handler_scripts) if one.name == handler), None)
        if handler_script is not None:
            return make_script(request, groups, None, handler=handler)
        if handler not in _WSGI_HANDLERS:
            raise Answered(500, f"there is no handler {handler!r}; a file is not sent in its place")
        if "execcgi" not in request.context.options:
            raise Answered(403, f"Options ExecCGI is off in this directory, so {request.filename} is not run")
        if request.found.kind is FileKind.MISSING:
            raise Answered(404, f"the script {request.filename} does not exist")
        if request.found.kind is FileKind.DIRECTORY:
            raise Answered(403, f"{request.filename} is a directory, not a script")
        return make_script(request, groups, None)
    return _static(request)


def _is_taken_back(request: Request) -> bool:
    """Whether a rule or `SetHandler` names another handler than scripts have; it counts for a script alias too."""
    handler = request.handler or request.context.settings.set_handler
    return bool(handler) and handler not in _WSGI_HANDLERS


def named_handler(request: Request) -> str | None:
    """Return the handler that a rule, `SetHandler` or an extension names; `SetHandler none` leaves the extension's.

    Where none of them does a media type that is the name of one counts, as in httpd.
    """
    settings = request.context.settings
    if request.handler is not None:
        return request.handler
    if settings.set_handler:
        return settings.set_handler
    media = read_media(request.filename[request.filename.rfind("/") + 1 :], request.context.extensions)
    if media.handler is not None:
        return media.handler
    named = request.content_type or settings.force_type or media.media_type
    if named in _WSGI_HANDLERS or any(one.name == named for one in settings.handler_scripts):
        return named
    return None


def make_script(
    request: Request, groups: GroupTable, alias: ScriptAlias | None, *, handler: str = "wsgi-script"
) -> Script:
    """Return the decision that a script answers.

    Raises:
        Answered: path info is not accepted, or the process group refused.
    """
    settings = request.context.settings
    if request.path_info and settings.accept_path_info == "off":
        raise Answered(404, "path info is not accepted here (AcceptPathInfo Off)")
    uri = request.uri
    path_info = merge_slashes(request.path_info)
    script_name = script_part(merge_slashes(uri), path_info)
    entry = next((one for one in reversed(settings.handler_scripts) if one.name == handler), None)
    own = alias if alias is not None else entry
    named = own.process_group if own is not None else None
    group = groups.choose(settings.process_group if named is None else named, request, script_name)
    named = own.application_group if own is not None else None
    named = settings.application_group if named is None else named
    application_group = expand_group("%{RESOURCE}" if named is None else named, request, script_name)
    target = Target(
        filename="" if request.filename.startswith(MODULE) else request.filename,
        module=request.filename.removeprefix(MODULE) if request.filename.startswith(MODULE) else None,
        process_group=group,
        application_group=application_group,
        callable_object=_callable(alias, request),
        pass_authorization=_first(own.pass_authorization if own is not None else None, settings.pass_authorization),
        handler=handler,
        handler_script=entry.path if entry is not None else None,
        dispatch_script=settings.dispatch_script,
        access_script=settings.access_script,
    )
    if settings.dispatch_script is None:
        problem = groups.refusal(group, settings, request.site.host.server_name)
        if problem is not None:
            raise Answered(500, problem)
    if request.trace is not None:
        request.trace.note(
            "group",
            f"process group {group or EMBEDDED!r}, application group {target.application_group or '%{GLOBAL}'!r}",
        )
    return Script(
        common_part(request, adds_charset=True),
        target,
        uri,
        script_name,
        path_info,
        (request.query or "") if request.query_is_new else None,
        request.context_prefix,
        request.context_document_root,
    )


def _last_segment(request: Request) -> str | None:
    """Return a negotiated file's name as the client's relative URL; with path info it has none."""
    return None if request.path_info else request.uri[request.uri.rfind("/") + 1 :]


def _callable(alias: ScriptAlias | None, request: Request) -> str:
    if alias is not None and alias.callable_object is not None:
        return alias.callable_object  # literally: no form is expanded here
    return expand_callable(request.context.settings.callable_object or "application", request)


def _first(own: bool | None, setting: bool | None) -> bool:
    return bool(setting) if own is None else own


def _static(request: Request) -> Decision:
    context, method = request.context, request.facts.method
    settings = context.settings
    if method == "OPTIONS":
        return MethodList(common_part(request), STATIC_METHODS)
    if method not in {"GET", "HEAD", "POST"}:
        raise Answered(405 if method in METHODS else 501, f"{method} is not for files")
    if request.path_info and settings.accept_path_info != "on":
        raise Answered(404, f"{request.filename} takes no path info")
    if request.found.kind is FileKind.DIRECTORY:
        if method == "POST":
            raise Answered(404, f"{request.filename} is a directory")
        if "indexes" in context.options:
            return Listing(common_part(request), request.filename, request.uri)
        raise Answered(403, f"{request.filename} has no index, and Options Indexes is off")
    if request.found.kind is not FileKind.FILE:
        raise Answered(404, f"{request.filename or request.uri} does not exist")
    media = read_media(request.filename[request.filename.rfind("/") + 1 :], context.extensions)
    media_type = request.content_type or settings.force_type or media.media_type
    charset = media.charset
    if charset is None and settings.default_charset and media_type in {"text/plain", "text/html"}:
        charset = settings.default_charset
    variant = request.variant
    return Static(
        common_part(request),
        request.filename,
        request.found,
        media_type,
        charset,
        media.encoding,
        media.languages,
        location=_last_segment(request) if variant is not None else None,
        vary=", ".join(variant) if variant is not None else None,
    )
