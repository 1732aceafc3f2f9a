"""What happens between the access check and the answer: rewriting in directory context, redirects of sections,
the slash behind a directory's name. Sans-I/O.
"""

from pydaemonwsgi.routing.answers import Answered
from pydaemonwsgi.routing.files import FileKind
from pydaemonwsgi.routing.paths import escape_path, normal_path, unescape
from pydaemonwsgi.routing.request import Request
from pydaemonwsgi.routing.rewrite import Program, Rewritten
from pydaemonwsgi.routing.translation import redirect_location

__all__ = ["fix_up"]


def fix_up(request: Request) -> Request | None:
    """Return the request that this one is redirected to internally, or None.

    Raises:
        Answered: a rule or a redirect has answered it.
    """
    context = request.context
    successor = None
    if context.rewrite is not None and not request.ended:
        successor = _rewrite(request, context.rewrite)
    if context.redirects:
        redirection = context.redirects.find(request)
        if redirection is not None:
            if request.trace is not None:
                request.trace.note("redirect", f"to {redirection.location}", redirection.source.position)
            raise Answered(redirection.status, "Redirect", redirection.location)
    # mod_dir comes after mod_rewrite and does not ask whether the path was rewritten (DirectoryCheckHandler Off).
    if (
        request.found.kind is FileKind.DIRECTORY
        and not request.path_info
        and not request.uri.endswith("/")
        and context.settings.directory_slash is not False
    ):
        query = request.query_string()
        location = request.url(escape_path(request.uri) + "/") + ("" if query is None else "?" + query)
        raise Answered(301, "a directory's name ends in a slash", location)
    return successor


def _rewrite(request: Request, program: Program) -> Request | None:
    if program.prefix is not None and request.filename + "/" == program.prefix:
        return None  # the directory itself, without its slash: that comes first
    if not request.context.options & {"followsymlinks", "symlinksifownermatch"}:
        raise Answered(
            403, "Options FollowSymLinks and SymLinksIfOwnerMatch are both off, so rewriting is forbidden as well"
        )
    before = request.filename
    rewritten = program.run(request, directory_context=True)
    if rewritten is None:
        return None
    if rewritten.redirects:
        raise Answered(rewritten.status, rewritten.reason, redirect_location(request, _rebased(rewritten, program)))
    if rewritten.status:
        raise Answered(rewritten.status, rewritten.reason)
    path = rewritten.path
    if not path.startswith("/"):
        raise Answered(400, f"a RewriteRule made {path!r} of the path, which does not begin with a slash")
    if path == before:
        return None  # rewriting to itself would go on for ever
    url = _uri(path, program, request)
    if rewritten.escaped:
        # What flag B has escaped is an URL again, as in httpd; without B a path is not decoded twice.
        decoded = unescape(url)
        if decoded is None:
            raise Answered(400, f"a RewriteRule made {url!r} of the path, in which an escape is wrong")
        url = decoded
    uri = normal_path(url, merge=request.site.host.merge_slashes)
    if uri is None:
        raise Answered(400, f"a RewriteRule made {path!r} of the path, which leads above the root")
    if request.trace is not None:
        request.trace.note("rewrite", f"internal redirect to {uri}", program.position)
    request.environment.update(request.context.variables)
    after = request.successor(uri, request.query)
    # httpd forgets these on the way, and sends the source of the script that a rule has named a handler for.
    after.handler, after.content_type = request.handler, request.content_type
    return after


def _with_slash(path: str) -> str:
    return path if path.endswith("/") else path + "/"


def _exchanged(path: str, prefix: str, other: str) -> str:
    """Return `path` with `other` in place of `prefix`, if it begins with that."""
    prefix = _with_slash(prefix)
    return _with_slash(other) + path[len(prefix) :] if path.startswith(prefix) else path


def _uri(path: str, program: Program, request: Request) -> str:
    """Return the URL path of a file: the base, or what remains without document root or alias."""
    if program.base is not None:
        return path if program.prefix is None else _exchanged(path, program.prefix, program.base)
    root = request.site.document_root
    if root and path.startswith(root + "/"):
        return path[len(root) :]
    if request.context_prefix:
        return _exchanged(path, request.context_document_root, request.context_prefix)
    return path


def _rebased(rewritten: Rewritten, program: Program) -> Rewritten:
    """Return a redirect with the base in place of the directory, if it leads into that."""
    if program.base is None or program.prefix is None:
        return rewritten
    begin = rewritten.path.find("://")
    slash = rewritten.path.find("/", begin + 3) if begin >= 0 else -1
    if slash < 0:
        return rewritten
    path = _exchanged(rewritten.path[slash:], program.prefix, program.base)
    return Rewritten(rewritten.path[:slash] + path, rewritten.status, redirects=True, escapes=rewritten.escapes)
