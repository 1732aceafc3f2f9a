"""From URL path to file name: rewriting in server context, redirects, aliases, document root. Sans-I/O.

httpd's order of hooks: mod_rewrite, mod_alias (redirects, then aliases), mod_wsgi, the core. Whoever maps the path
ends it, so a rewritten path reaches the aliases only with flag PT.
"""

from pydaemonwsgi.config.model import NOWHERE, ScriptAlias
from pydaemonwsgi.routing.aliases import AliasMatch
from pydaemonwsgi.routing.answers import Answered
from pydaemonwsgi.routing.files import FileKind
from pydaemonwsgi.routing.paths import escape_path, escape_url
from pydaemonwsgi.routing.request import Request
from pydaemonwsgi.routing.rewrite import Rewritten

__all__ = ["redirect_location", "translate"]


def translate(request: Request) -> None:
    """Set the request's filename, and its alias if one applies.

    Raises:
        Answered: rewriting or a redirect has answered it.
    """
    site = request.site
    request.filename = request.uri
    if site.rewrite is not None and not request.ended:
        rewritten = site.rewrite.run(request, directory_context=False)
        if rewritten is not None and _rewritten(request, rewritten):
            return
    if site.redirects:
        redirection = site.redirects.find(request)
        if redirection is not None:
            if request.trace is not None:
                request.trace.note("redirect", f"to {redirection.location}", redirection.source.position)
            raise Answered(redirection.status, "Redirect", redirection.location)
    alias = site.aliases.find(request.uri)
    if alias is None:
        alias = site.script_aliases.find(request.uri)
    if alias is not None:
        _use(alias, request)
        return
    request.filename = site.document_root + request.uri if site.document_root else ""
    if request.trace is not None:
        text = f"DocumentRoot: {request.filename}" if site.document_root else "there is no DocumentRoot"
        request.trace.note("alias", text, site.host.where("DocumentRoot"))


def _use(alias: AliasMatch, request: Request) -> None:
    source = alias.source
    request.filename = alias.filename
    if isinstance(source, ScriptAlias):
        request.alias = alias
    else:
        request.context_prefix = alias.prefix
        request.context_document_root = alias.root
    if request.trace is not None:
        kind = "WSGIScriptAlias" if isinstance(source, ScriptAlias) else "Alias"
        request.trace.note("alias", f"{kind} {source.url} → {alias.filename}", source.position)


def _rewritten(request: Request, rewritten: Rewritten) -> bool:
    """Take over what the host's rules made of the path; return whether the file name is final."""
    if rewritten.redirects:
        raise Answered(rewritten.status, rewritten.reason, redirect_location(request, rewritten))
    if rewritten.status:
        raise Answered(rewritten.status, rewritten.reason)
    path = rewritten.path
    if rewritten.passed_through:
        request.uri = path
        return False
    if not path.startswith("/"):
        raise Answered(400, f"a RewriteRule made {path!r} of the path, which does not begin with a slash")
    # A path whose first directory exists in the file system is a file's, any other an URL's (httpd's prefix_stat).
    first = path[: path.find("/", 1)] if path.find("/", 1) > 0 else path
    if rewritten.may_be_file and len(first) > 1 and request.stat(first).kind is not FileKind.MISSING:
        request.filename = path
    else:
        request.filename = request.site.document_root + path
    if request.trace is not None:
        request.trace.note("alias", f"rewritten to the file {request.filename}", NOWHERE)
    return True


def redirect_location(request: Request, rewritten: Rewritten) -> str:
    """Return the Location of a redirect by rewriting."""
    location = escape_url(rewritten.path) if rewritten.escapes else rewritten.path
    query = request.query_string()
    if query is not None:
        # The client's own query is escaped already.
        fresh = rewritten.escapes and query != request.facts.query
        location += "?" + (escape_path(query) if fresh else query)
    return location
