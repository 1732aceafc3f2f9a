"""A request as routing sees it, and the CGI variables that a decision adds to it. Sans-I/O.

Routing's text is UTF-8 with surrogateescape; what travels to the daemon process is bytes, so whatever a client sent
arrives there as it was.
"""

from collections.abc import Iterator, Mapping
from typing import Final, NamedTuple

from pydaemonwsgi.errors import HttpError
from pydaemonwsgi.http.head import RequestHead
from pydaemonwsgi.routing.decisions import Common, Decision, Script, Static, Target
from pydaemonwsgi.routing.paths import as_bytes, as_text, read_uri
from pydaemonwsgi.routing.request import Facts

__all__ = ["ScriptEnvirons", "access_environ", "asked", "read_facts"]

Addresses = tuple[str, int, str, int]

# Variables of the connection, which travel apart, and lose against what is said here; and what only a trusted proxy
# and HTTPS may say.
_RESERVED: Final = frozenset(
    (
        "REMOTE_ADDR REMOTE_PORT SERVER_ADDR SERVER_NAME SERVER_PORT SERVER_SOFTWARE REQUEST_SCHEME "
        "wsgi.url_scheme mod_wsgi.script_name"
    ).split()
)
_STANDARD_PORTS: Final = {"http": 80, "https": 443}
_REMEMBERED: Final = 1024


class _Headers(Mapping[str, str]):
    """A request's headers; read only if a decision asks for one."""

    __slots__ = ("_block", "_found")

    def __init__(self, block: bytes) -> None:
        self._block = block
        self._found: dict[str, str] | None = None

    def _read(self) -> dict[str, str]:
        found: dict[str, str] = {}
        for line in self._block.split(b"\r\n"):
            name, colon, value = line.partition(b":")
            if colon:
                lower, text = as_text(name.lower()), as_text(value.strip(b" \t"))
                found[lower] = f"{found[lower]}, {text}" if lower in found else text
        self._found = found
        return found

    def __getitem__(self, name: str) -> str:
        return (self._found or self._read())[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._found or self._read())

    def __len__(self) -> int:
        return len(self._found or self._read())


def read_facts(head: RequestHead, addresses: Addresses, now: float, name: str = "") -> Facts:
    """Return what routing has to know of a request.

    Args:
        head: of the request.
        addresses: peer address and port, local address and port.
        now: seconds since the epoch.
        name: of the client, "" if it is not known.
    """
    return Facts(
        head.method.decode("ascii"),
        head.raw_path,
        None if head.query is None else as_text(head.query),
        "HTTP/1.1" if head.minor else "HTTP/1.0",
        as_text(head.host),
        head.port,
        _Headers(head.block),
        addresses[0],
        addresses[1],
        name,
        addresses[2],
        addresses[3],
        "http",
        now,
    )


class _Frame(NamedTuple):
    """What the requests for one target have in common.

    Attributes:
        before: variables that lose against the request's.
        after: variables that win.
        passes_all: whether every header is passed on as it was sent; None for all but Authorization.
        port: the server's in the eyes of a client that names a host without one; None is 80.
        rewrites: the host has mod_rewrite tell where a client wanted to go.
        was_redirected: internally, for whatever reason.
    """

    target: Target
    common: Common
    before: bytes
    after: bytes
    passes_all: bool | None
    port: bytes | None
    rewrites: bool
    was_redirected: bool


class ScriptEnvirons:
    """Makes the CGI variables of requests for scripts."""

    def __init__(self) -> None:
        # Contexts by identity, which is quick; the frame holds them, so that their identities stay theirs.
        self._frames: dict[tuple[object, ...], _Frame] = {}

    def make(self, head: RequestHead, decision: Script, facts: Facts, *, internal: bool = False) -> bytes:
        """Return the CGI variables of a request, as `KEY\\0VALUE\\0…`.

        Args:
            head: of the request.
            decision: that the script answers.
            facts: by which it was decided.
            internal: the script answers in the place of another resource; the request's body is not for it.
        """
        common = decision.common
        key = (decision.target, id(common.context), id(common.site), common.environment, common.request_headers)
        frame = self._frames.get(key)
        if frame is None:
            frame = _frame(decision)
            if len(self._frames) >= _REMEMBERED:
                self._frames.clear()
            self._frames[key] = frame
        path = b"SCRIPT_NAME\0%b\0PATH_INFO\0%b\0" % (as_bytes(decision.script_name), as_bytes(decision.path_info))
        if decision.query is not None:
            path += b"QUERY_STRING\0%b\0" % as_bytes(decision.query)
        path += b"CONTEXT_PREFIX\0%b\0CONTEXT_DOCUMENT_ROOT\0%b\0" % (
            as_bytes(decision.context_prefix),
            as_bytes(decision.context_document_root),
        )
        if frame.port is not None and head.port is None:
            path += b"SERVER_PORT\0%b\0" % frame.port
        if frame.rewrites:
            path += _before_rewriting(head, frame, facts)
        if facts.remote_host:
            path += b"REMOTE_HOST\0%b\0" % as_bytes(facts.remote_host)
        if decision.common.was_redirected and head.query is not None:
            path += b"REDIRECT_QUERY_STRING\0%b\0" % head.query
        if not internal and (
            frame.passes_all or (frame.passes_all is None and b"HTTP_AUTHORIZATION\0" not in head.environ)
        ):
            return frame.before + head.environ + frame.after + path
        return _edited(frame.before + head.environ + frame.after + path, decision, facts, internal=internal)


def access_environ(head: RequestHead, decision: Decision, facts: Facts) -> bytes:
    """Return the CGI variables of a request as an access script sees them: neither SetEnv's nor Authorization."""
    if not isinstance(decision, Script):
        filename = decision.filename if isinstance(decision, Static) else ""
        decision = Script(decision.common, Target(filename, "", "", "", False), "", as_text(head.path), "")
    common = decision.common._replace(environment=())
    asked = decision._replace(common=common, target=decision.target._replace(pass_authorization=False))
    return ScriptEnvirons().make(head, asked, facts)


def asked(environ: bytes, hook: str, script: str) -> bytes:
    """Return the CGI variables of a request with the question that a script is asked about it."""
    question = b"mod_wsgi.x-hook\0%b\0mod_wsgi.x-script\0%b\0mod_wsgi.x-reload\0module\0"
    return environ + question % (hook.encode("ascii"), as_bytes(script))


def _frame(decision: Script) -> _Frame:
    target, common = decision.target, decision.common
    settings, host = common.context.settings, common.site.host
    before: dict[str, str] = {}
    named = common.site.server_name
    if named is not None:
        before["SERVER_NAME"] = named  # for a client that names no host
    before |= {name: value for name, value in common.environment if name not in _RESERVED and "\0" not in value}
    after = {
        "DOCUMENT_ROOT": common.site.document_root,
        "mod_wsgi.process_group": target.process_group,
        "mod_wsgi.application_group": target.application_group,
        "mod_wsgi.callable_object": target.callable_object if target.handler_script is None else "handle_request",
        "mod_wsgi.request_handler": target.handler,
        "mod_wsgi.handler_script": target.handler_script or "",
        "mod_wsgi.x-reload": (settings.reload_mechanism or "process") if settings.script_reloading else "off",
        "mod_wsgi.x-map-head": "1" if settings.map_head_to_get == "on" else "0",
        "mod_wsgi.x-ignore-activity": "1" if settings.ignore_activity else "0",
    }
    if target.module is not None:
        after["mod_wsgi.x-script"] = f"module:{target.module}"
    else:
        after["SCRIPT_FILENAME"] = target.filename
    if before.pop("HTTPS", "").lower() in {"on", "1"}:
        after["wsgi.url_scheme"] = "https"
    if host.server_admin is not None:
        after["SERVER_ADMIN"] = host.server_admin
    own_port = common.site.port
    if settings.use_canonical_name == "on" and named is not None:
        after["SERVER_NAME"] = named
        after["SERVER_PORT"] = str(own_port or _STANDARD_PORTS[host.scheme or "http"])
        own_port = None
    edits = bool(common.request_headers) or common.context.proxies is not None
    passes_all = False if edits else target.pass_authorization or None
    return _Frame(
        target,
        common,
        _encode(before),
        _encode(after),
        passes_all,
        None if own_port is None else b"%d" % own_port,
        host.rewrite is not None and bool(host.rewrite.engine),
        "REDIRECT_STATUS" in before,
    )


def _before_rewriting(head: RequestHead, frame: _Frame, facts: Facts) -> bytes:
    """Return mod_rewrite's variables of what the client asked for; frameworks tell by them where they are mounted."""
    common = frame.common
    host = common.site.host
    scheme = host.scheme or "http"
    name, port = head.host, head.port
    if common.context.settings.use_canonical_name == "on" or not name:
        name, port = as_bytes(common.site.server_name or facts.local_address), None
    port = port or common.site.port or _STANDARD_PORTS[scheme]
    try:
        uri = read_uri(facts.path, merge=host.merge_slashes, encoded_slashes=host.allow_encoded_slashes)[0]
    except HttpError:
        uri = "/"  # who reads it has been asked for an error's page
    url = as_bytes(uri)
    origin = b"%b://%b" % (scheme.encode("ascii"), name)
    if port != _STANDARD_PORTS[scheme]:
        origin += b":%d" % port
    variables = b"SCRIPT_URL\0%b\0SCRIPT_URI\0%b%b\0" % (url, origin, url)
    if frame.was_redirected:
        variables += b"REDIRECT_SCRIPT_URL\0%b\0REDIRECT_SCRIPT_URI\0%b%b\0" % (url, origin, url)
    return variables


def _edited(encoded: bytes, decision: Script, facts: Facts, *, internal: bool) -> bytes:
    """Return variables without what the application must not see, and with what is changed."""
    target, common = decision.target, decision.common
    items = encoded.split(b"\0")
    variables = dict(zip(items[::2], items[1::2], strict=False))
    if internal:
        variables.pop(b"CONTENT_LENGTH", None)
        variables.pop(b"CONTENT_TYPE", None)
        if variables[b"REQUEST_METHOD"] == b"HEAD":
            variables[b"mod_wsgi.x-map-head"] = b"1"  # it is asked for with GET, and nobody sees the page
        else:
            variables[b"REQUEST_METHOD"] = b"GET"
    for name, value in common.request_headers:
        if value is None:
            variables.pop(_header_key(name), None)
        else:
            variables[_header_key(name)] = as_bytes(value).replace(b"\0", b"")
    if not target.pass_authorization:
        variables.pop(b"HTTP_AUTHORIZATION", None)
    proxies = common.context.proxies
    if proxies is not None:
        changes = proxies.changes(
            facts.remote_address, {as_text(name): as_text(value) for name, value in variables.items()}
        )
        for name in changes.removed:
            variables.pop(as_bytes(name), None)
        if "SCRIPT_NAME" in changes.values:
            variables[b"mod_wsgi.script_name"] = variables[b"SCRIPT_NAME"]
        for name, value in changes.values.items():
            variables[as_bytes(name)] = as_bytes(value).replace(b"\0", b"")
    return b"".join([b"%b\0%b\0" % item for item in variables.items()])


def _encode(variables: Mapping[str, str]) -> bytes:
    return b"".join([b"%b\0%b\0" % (as_bytes(name), as_bytes(value)) for name, value in variables.items()])


def _header_key(name: str) -> bytes:
    key = as_bytes(name.upper().replace("-", "_"))
    return key if key in {b"CONTENT_TYPE", b"CONTENT_LENGTH"} else b"HTTP_" + key
