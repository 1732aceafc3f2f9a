"""A router for a configuration in httpd's syntax and a file system that is a dictionary."""

from collections.abc import Mapping, Sequence

from pydaemonwsgi.config.apache.files import FilesInMemory
from pydaemonwsgi.config.load import load
from pydaemonwsgi.config.model import Server
from pydaemonwsgi.routing.decisions import Decision, Listing, MethodList, Redirection, Refusal, Script, Static
from pydaemonwsgi.routing.files import MISSING, FileFacts, FileKind
from pydaemonwsgi.routing.request import Facts
from pydaemonwsgi.routing.router import Router

__all__ = ["FILES", "FakeFiles", "ask", "asked", "facts", "router", "server", "summary"]


class FakeFiles:
    """Files by path: text, None for a directory, "-> target" (or "-> target owner") for a link.

    Attributes:
        questions: what was asked for, in order.
    """

    def __init__(self, files: Mapping[str, str | None]) -> None:
        self.files = dict(files)
        self.questions: list[str] = []
        for path in list(files):
            parent = path.rpartition("/")[0]
            while parent:
                self.files.setdefault(parent, None)
                parent = parent.rpartition("/")[0]
        self.files["/"] = None

    def _resolved(self, path: str) -> str:
        """Return `path` with links on the way replaced."""
        resolved = ""
        for component in path.rstrip("/").split("/")[1:]:
            resolved += "/" + component
            content = self.files.get(resolved)
            if content is not None and content.startswith("-> "):
                resolved = self._resolved(content.split(" ")[1])
        return resolved or "/"

    def stat(self, path: str) -> FileFacts:
        self.questions.append(path)
        resolved = self._resolved(path)
        if resolved not in self.files:
            return MISSING
        content = self.files[resolved]
        if content is None:
            return FileFacts(FileKind.DIRECTORY, mode=0o755)
        if path.endswith("/"):
            return MISSING
        return FileFacts(FileKind.FILE, len(content), 1_000_000_000, 1, hash(resolved) & 0xFFFF, 1000, 0o644)

    def lstat(self, path: str) -> FileFacts:
        parent, _, name = path.rstrip("/").rpartition("/")
        resolved = self._resolved(parent).rstrip("/") + "/" + name
        content = self.files.get(resolved)
        if content is not None and content.startswith("-> "):
            owner = content.split(" ")[2:]
            return FileFacts(FileKind.LINK, owner=int(owner[0]) if owner else 1000)
        return self.stat(path)

    def listdir(self, path: str) -> Sequence[str]:
        beginning = self._resolved(path).rstrip("/") + "/"
        return sorted({name[len(beginning) :].partition("/")[0] for name in self.files if name.startswith(beginning)})

    def read(self, path: str) -> bytes | None:
        self.questions.append(f"read {path}")
        content = self.files.get(self._resolved(path))
        return None if content is None else content.encode()


def server(text: str) -> Server:
    """Return the model of a configuration; its errors are the test's."""
    return load("/etc/site.conf", FilesInMemory({"/etc/site.conf": text})).required()


def router(text: str, files: Mapping[str, str | None] | None = None, **environment: str) -> Router:
    """Return a router; `environment` is the process's."""
    return Router(server(text), FakeFiles(files or {}), environment)


def facts(
    target: str,
    method: str = "GET",
    *,
    host: str = "www.site.com",
    remote: str = "127.0.0.1",
    remote_host: str = "",
    local: tuple[str, int] = ("127.0.0.1", 80),
    now: float = 1000.0,
    scheme: str = "http",
    **headers: str,
) -> Facts:
    """Return a request; headers are keyword arguments with `_` for `-`."""
    path, mark, query = target.partition("?")
    name, _, port = host.partition(":")
    named = {key.replace("_", "-"): value for key, value in headers.items()}
    return Facts(
        method=method,
        path=path.encode("utf-8"),
        query=query if mark else None,
        host=name.lower(),
        port=int(port) if port else None,
        headers={"host": host, **named},
        remote_address=remote,
        remote_port=40000,
        remote_host=remote_host,
        local_address=local[0],
        local_port=local[1],
        scheme=scheme,
        now=now,
    )


def ask(asked: Router, target: str, method: str = "GET", **how: str) -> str:
    """Return the summary of a decision; what is remembered must be the same."""
    first = summary(asked.decide(facts(target, method, **how)))  # type: ignore[arg-type]
    again = summary(asked.decide(facts(target, method, **how)))  # type: ignore[arg-type]
    assert first == again
    return first


def summary(decision: Decision) -> str:
    """Return what a client and an application would notice of a decision."""
    match decision:
        case Script():
            query = "" if decision.query is None else f"?{decision.query}"
            name = decision.target.filename or decision.target.module
            return f"run {name} {decision.script_name or '-'} {decision.path_info or '-'}{query}"
        case Static():
            return f"file {decision.filename}"
        case Listing():
            return f"list {decision.directory}"
        case MethodList():
            return f"200 {decision.allow}"
        case Redirection():
            return f"{decision.status} {decision.location}"
        case Refusal():
            return str(decision.status)


FILES: dict[str, str | None] = {
    "/site/htdocs/index.html": "INDEX",
    "/site/htdocs/a.txt": "A",
    "/site/htdocs/a b.txt": "AB",
    "/site/htdocs/a%b.txt": "P",
    "/site/htdocs/.hidden": "H",
    "/site/htdocs/site.wsgi": "W",
    "/site/htdocs/other.wsgi": "W",
    "/site/htdocs/site.html": "S",
    "/site/htdocs/sub/x.txt": "X",
    "/site/htdocs/images/i.png": "PNG",
    "/site/htdocs/link.txt": "-> /site/htdocs/a.txt",
    "/site/htdocs/linkdir": "-> /site/files",
    "/site/htdocs/foreign.txt": "-> /site/htdocs/a.txt 65534",
    "/site/htdocs/mv.html.en": "EN",
    "/site/htdocs/mv.html.de": "DE",
    "/site/htdocs/mv.html.fr": "FR-longer",
    "/site/htdocs/only.png": "P",
    "/site/htdocs/only.txt": "T",
    "/site/htdocs/gz.html": "PLAIN",
    "/site/htdocs/gz.html.gz": "Z",
    "/site/htdocs/packed.html.de": "DE",
    "/site/htdocs/packed.html.en.gz": "Z",
    "/site/htdocs/unk.html.zzz": "Z",
    "/site/files/f.txt": "F",
    "/site/scripts/one.wsgi": "W",
    "/site/scripts/two.py": "W",
    "/site/private/p.txt": "P",
}
"""The site that most tests ask."""


def asked(text: str, request_line: str) -> str:
    """Return the summary for `[METHOD ]TARGET[  header=value …]` of a configuration with the files of the site."""
    target, _, rest = request_line.partition("  ")
    method = "GET"
    if not target.startswith("/"):
        method, _, target = target.partition(" ")
    how = dict(item.split("=", 1) for item in rest.split(" ")) if rest else {}
    return ask(router(text, FILES), target, method, **how)
