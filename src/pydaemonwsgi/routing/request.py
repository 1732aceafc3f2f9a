"""A request on its way to a decision: the facts it came with and what has become of it. Sans-I/O.

Whatever a decision reads of the facts beyond method and path goes through `Request.fact` and is noted in `consulted`.
The router remembers decisions by exactly the facts that were consulted, so a decision that nobody foresaw to depend
on, say, `User-Agent` is still never given to a client with another one.
"""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Final, NamedTuple

from pydaemonwsgi.routing.files import MISSING, FileFacts, FileSystem
from pydaemonwsgi.routing.trace import Trace

if TYPE_CHECKING:
    from pydaemonwsgi.routing.aliases import AliasMatch
    from pydaemonwsgi.routing.sections import Context
    from pydaemonwsgi.routing.site import Site

__all__ = ["NEVER_REMEMBERED", "PERSONAL", "Facts", "Request", "read_fact"]


class Facts(NamedTuple):
    """A request as it was received.

    Attributes:
        method: as sent.
        path: the target's path as sent, undecoded, beginning with a slash.
        query: what follows the question mark; None if there is none.
        host: the Host header's (or the target's) host in lower case, without port; "" if there is none.
        port: the Host header's port, or None.
        headers: names in lower case; repeated ones joined with ", ".
        remote_address: of the client's end of the connection, "" for a Unix socket.
        remote_host: the client's name as checked forwards and backwards; "" if unknown. Looked up only where
            `Router.needs_remote_host`. As the fact "checked_host" it is one that the decision has to know.
        now: seconds since the epoch.
    """

    method: str
    path: bytes
    query: str | None = None
    protocol: str = "HTTP/1.1"
    host: str = ""
    port: int | None = None
    headers: Mapping[str, str] = {}
    remote_address: str = ""
    remote_port: int = 0
    remote_host: str = ""
    local_address: str = ""
    local_port: int = 80
    scheme: str = "http"
    now: float = 0.0


# By name; headers are "HTTP:" and their name in lower case. What changes all the time is among NEVER_REMEMBERED.
_FACTS: Final[dict[str, Callable[[Facts], str]]] = {
    "query": lambda facts: "\0" if facts.query is None else facts.query,
    "protocol": lambda facts: facts.protocol,
    "host": lambda facts: facts.host,
    "port": lambda facts: "" if facts.port is None else str(facts.port),
    "remote_address": lambda facts: facts.remote_address,
    "remote_host": lambda facts: facts.remote_host,
    "checked_host": lambda facts: facts.remote_host,
    "local_address": lambda facts: facts.local_address,
    "local_port": lambda facts: str(facts.local_port),
    "scheme": lambda facts: facts.scheme,
    "remote_port": lambda facts: str(facts.remote_port),
    "now": lambda facts: str(facts.now),
    "all_headers": lambda facts: repr(sorted(facts.headers.items())),
}
NEVER_REMEMBERED: Final = frozenset({"remote_port", "now", "all_headers"})
# What two requests with the same head to the same address may differ in.
PERSONAL: Final = NEVER_REMEMBERED | {"remote_address", "remote_host", "checked_host"}


def read_fact(facts: Facts, name: str) -> str:
    """Return a fact by its name; an absent header is "\\0", which no header can be."""
    if name.startswith("HTTP:"):
        return facts.headers.get(name[5:], "\0")
    return _FACTS[name](facts)


class Request:
    """What a request is at one moment of its way; an internal redirect makes a new one.

    Attributes:
        uri: the decoded path; changed by rewriting and by negotiation.
        query: the query in force; None if there is none.
        query_is_new: rewriting has set it; otherwise it is the client's.
        filename: where it was mapped, "" until then. After the walk it names the first file on the way.
        path_info: what follows the file in the path.
        found: what is at `filename`.
        environment: variables of SetEnvIf, SetEnv, rewriting.
        previous: the request that was redirected to this one.
        first_environment: the variables that the client's request had; None while this is that.
        is_subrequest: it is a question that another request asks.
        vary: headers that conditions of rules have looked at; for the Vary of the answer.
        ended: flag END was met: per-directory rules are passed over.
    """

    __slots__ = (
        "added_headers",
        "alias",
        "consulted",
        "content_type",
        "context",
        "context_document_root",
        "context_prefix",
        "ended",
        "environment",
        "facts",
        "filename",
        "files",
        "first_environment",
        "found",
        "handler",
        "is_subrequest",
        "path_info",
        "previous",
        "query",
        "query_is_new",
        "site",
        "trace",
        "uri",
        "variant",
        "vary",
    )

    def __init__(self, facts: Facts, site: "Site", files: FileSystem, uri: str, query: str | None) -> None:
        self.facts: Facts = facts
        self.site: Site = site
        self.files: FileSystem = files
        self.uri: str = uri
        self.query = query
        self.query_is_new = False
        self.filename: str = ""
        self.path_info: str = ""
        self.found: FileFacts = MISSING
        self.environment: dict[str, str] = {}
        self.context: Context = site.base
        self.context_prefix: str = ""
        self.context_document_root: str = site.document_root
        self.alias: AliasMatch | None = None
        self.handler: str | None = None
        self.content_type: str | None = None
        self.variant: tuple[str, ...] | None = None
        self.added_headers: list[tuple[str, str]] = []
        self.vary: list[str] = []
        self.previous: Request | None = None
        self.first_environment: tuple[tuple[str, str], ...] | None = None
        self.is_subrequest: bool = False
        self.ended = False
        self.consulted: set[str] = set()
        self.trace: Trace | None = None

    def successor(self, uri: str, query: str | None) -> "Request":
        """Return the request that this one becomes by an internal redirect; its variables get a prefix (httpd)."""
        after = Request(self.facts, self.site, self.files, uri, query)
        after.first_environment = self.first_environment
        if after.first_environment is None:
            after.first_environment = tuple((self.environment | dict(self.context.variables)).items())
        after.environment = {"REDIRECT_" + name: value for name, value in self.environment.items()}
        after.environment["REDIRECT_STATUS"] = "200"
        after.previous = self
        after.consulted = self.consulted
        after.query_is_new = self.query_is_new
        after.trace = self.trace
        after.ended = self.ended
        after.added_headers = self.added_headers
        after.vary = self.vary
        return after

    def subrequest(self, uri: str) -> "Request":
        """Return a question about another path of the same host."""
        asked = Request(self.facts, self.site, self.files, uri, None)
        asked.environment = dict(self.environment)
        asked.previous = self.previous
        asked.first_environment = self.first_environment
        asked.consulted = self.consulted
        asked.is_subrequest = True
        asked.trace = self.trace
        asked.ended = self.ended
        return asked

    def fact(self, name: str) -> str:
        """Return a fact and note that the decision depends on it; "" for an absent header."""
        self.consulted.add(name)
        value = read_fact(self.facts, name)
        return "" if value == "\0" else value

    def header(self, name: str) -> str | None:
        """Return a header's value by its name in lower case, or None."""
        self.consulted.add("HTTP:" + name)
        return self.facts.headers.get(name)

    def query_string(self) -> str | None:
        """Return the query in force; the decision depends on it."""
        self.consulted.add("query")
        return self.query

    def stat(self, path: str) -> FileFacts:
        """Return what is at `path`; a path with NUL is nowhere."""
        return MISSING if "\0" in path else self.files.stat(path)

    def lstat(self, path: str) -> FileFacts:
        """Return what `path` itself is."""
        return MISSING if "\0" in path else self.files.lstat(path)

    def server_name(self) -> str:
        """Return the name that URLs of this server have, by UseCanonicalName."""
        if self.context.settings.use_canonical_name != "on":
            named = self.fact("host")
            if named:
                return named
        return self.site.server_name or self.fact("local_address") or "localhost"

    def server_port(self) -> int:
        """Return the port that URLs of this server have, by UseCanonicalName."""
        if self.context.settings.use_canonical_name != "on":
            port = self.fact("port")
            if port:
                return int(port)
        return self.site.port or (443 if (self.site.host.scheme or self.fact("scheme")) == "https" else 80)

    def url(self, path: str) -> str:
        """Return the absolute URL of an escaped path of this server."""
        scheme, port = self.site.host.scheme or self.fact("scheme"), self.server_port()
        default = 443 if scheme == "https" else 80
        return f"{scheme}://{self.server_name()}{'' if port == default else f':{port}'}{path}"
