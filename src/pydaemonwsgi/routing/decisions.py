"""What a request means: the results of this room. Sans-I/O.

Each has a `common` part, which many decisions share, and what is its own.
"""

from typing import NamedTuple

from pydaemonwsgi.config.model import Script as ScriptFile
from pydaemonwsgi.routing.files import FileFacts
from pydaemonwsgi.routing.headers import ResponseEdits
from pydaemonwsgi.routing.sections import Context
from pydaemonwsgi.routing.site import Site

__all__ = ["Common", "Decision", "Listing", "MethodList", "Redirection", "Refusal", "Script", "Static", "Target"]


class Common(NamedTuple):
    """What every decision says.

    Attributes:
        site: the host.
        context: what counts for this resource after all merging: `context.settings` has the limits, logs, documents.
        environment: the request's variables, for the application.
        needs_remote_host: access depends on the client's name, or it is to be known (HostnameLookups).
        first_environment: those that the client's request had before it was redirected, for conditions of the log.
        request_headers: headers that the application sees otherwise than sent: name in lower case and value, or None
            if it does not see them.
        response_edits: to be applied by `headers.apply_edits`; conditions have been evaluated.
        added_headers: of the response, by rewriting (Set-Cookie).
        was_redirected: by rules of a directory while the query was the client's: it is REDIRECT_QUERY_STRING as well.
    """

    site: Site
    context: Context
    environment: tuple[tuple[str, str], ...] = ()
    request_headers: tuple[tuple[str, str | None], ...] = ()
    response_edits: ResponseEdits = ()
    added_headers: tuple[tuple[str, str], ...] = ()
    was_redirected: bool = False
    first_environment: tuple[tuple[str, str], ...] = ()
    needs_remote_host: bool = False


class Target(NamedTuple):
    """A script and who runs it.

    Attributes:
        filename: the script; the resource of a handler script; "" for a module.
        module: of a `module:` target, or None.
        handler: `wsgi-script`, or the name of the handler script.
        handler_script: the file of `WSGIHandlerScript`, whose `handle_request` is called; None for a script.
        dispatch_script: to be asked for groups before anything else; see `Router.dispatched`.
        access_script: to be asked whether the client may at all.
    """

    filename: str
    process_group: str
    application_group: str
    callable_object: str
    pass_authorization: bool
    handler: str = "wsgi-script"
    module: str | None = None
    handler_script: str | None = None
    dispatch_script: ScriptFile | None = None
    access_script: ScriptFile | None = None


class Script(NamedTuple):
    """A daemon process answers.

    Attributes:
        uri: the path as rewritten.
        query: None: the client's own; otherwise what rewriting made of it.
        context_prefix: the part of the URL that an alias stands for.
        context_document_root: what it stands for.
    """

    common: Common
    target: Target
    uri: str
    script_name: str
    path_info: str
    query: str | None = None
    context_prefix: str = ""
    context_document_root: str = ""


class Static(NamedTuple):
    """A file is sent.

    Attributes:
        media_type: None if it is unknown; nothing is made up.
        charset: to be added to a text type, or None.
        encoding: `Content-Encoding`, or None.
        languages: `Content-Language`, or ().
        location: `Content-Location` and `Vary` of a negotiated resource, or None.
    """

    common: Common
    filename: str
    facts: FileFacts
    media_type: str | None
    charset: str | None = None
    encoding: str | None = None
    languages: tuple[str, ...] = ()
    location: str | None = None
    vary: str | None = None


class Listing(NamedTuple):
    """A page that lists a directory is sent.

    Attributes:
        uri: of the directory, decoded, with a slash at its end.
    """

    common: Common
    directory: str
    uri: str


class MethodList(NamedTuple):
    """`OPTIONS` for something that is not an application: 200 with an Allow header."""

    common: Common
    allow: str


class Redirection(NamedTuple):
    """The client is sent elsewhere."""

    common: Common
    status: int
    location: str


class Refusal(NamedTuple):
    """An error, or another status without a page of its own.

    Attributes:
        reason: one sentence for the log.
        allow: of 405.
    """

    common: Common
    status: int
    reason: str
    allow: str | None = None


Decision = Script | Static | Listing | MethodList | Redirection | Refusal
