"""`pydaemonwsgi explain FILE URL`: what the server would do with a request, step by step. Shell."""

import argparse
import contextlib
import ipaddress
import json
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from urllib.parse import quote

from pydaemonwsgi.config.application_groups import runs_as
from pydaemonwsgi.config.model import EMBEDDED, ErrorDocument, Server
from pydaemonwsgi.errors import ConfigurationError, HttpError, OvertimeError
from pydaemonwsgi.front.files import LocalFiles
from pydaemonwsgi.http.targets import read_target, split_host
from pydaemonwsgi.inspection.configuration import read_configuration
from pydaemonwsgi.inspection.terminal import make_parser, parse, printable
from pydaemonwsgi.routing.decisions import Decision, Listing, Redirection, Refusal, Script, Static
from pydaemonwsgi.routing.request import Facts
from pydaemonwsgi.routing.router import Router
from pydaemonwsgi.routing.trace import Step, Trace
from pydaemonwsgi.system.output import write_out
from pydaemonwsgi.system.overtime import Overtime

__all__ = ["run"]


def run(arguments: Sequence[str]) -> int:
    """Print the steps from the request to its answer.

    Returns:
        0; 1 if the answer is an error (4xx, 5xx).

    Raises:
        ConfigurationError: the arguments cannot be meant, or the configuration has errors.
    """
    given = _parse(arguments)
    server = read_configuration(given.file, given.define).required()
    facts = _facts(given, server)
    trace = Trace()
    meant = facts.port or (80 if given.url.lower().startswith("http://") else facts.local_port)
    if meant != facts.local_port:
        trace.note("listener", f"nobody listens on port {meant}; taken as for port {facts.local_port}")
    router = Router(server, LocalFiles(), os.environ)
    decision = _decide(router, facts, trace)
    if isinstance(decision, Refusal):
        _look_at_document(router, facts, decision, trace)
    details = _details(decision, server)
    write_out(f"{_as_json(trace, decision, details) if given.json else _as_text(trace, details)}\n")
    return 1 if isinstance(decision, Refusal) else 0


def _decide(router: Router, facts: Facts, trace: Trace) -> Decision:
    """Return what the front would decide, within the time that it has."""
    try:
        with _limited():
            return router.explain(facts, trace)
    except OvertimeError as error:
        trace.note("answer", f"500 {error}")
        return router.unrouted(facts)._replace(status=500, reason=str(error))


@contextlib.contextmanager
def _limited() -> Iterator[None]:
    """Take no longer than the front; OvertimeError otherwise."""
    overtime = Overtime()
    overtime.start()
    try:
        overtime.begin()
        yield
    finally:
        overtime.end()
        overtime.stop()


def _look_at_document(router: Router, facts: Facts, refusal: Refusal, trace: Trace) -> None:
    """Note which ErrorDocument the client gets, and what that is, if there is one for the status."""
    documents = reversed(refusal.common.context.settings.error_documents)
    document = next((one for one in documents if one.status == refusal.status), None)
    if document is None:
        return
    try:
        with _limited():
            shown = router.error_document(facts, refusal.common, refusal.status)
    except OvertimeError:
        shown = None
    written = f"ErrorDocument {document.status} {document.value or document.kind}"
    trace.note("document", f"{written}: {_shown(document, shown)}", document.position)


def _shown(document: ErrorDocument, shown: Decision | str | None) -> str:
    match shown:
        case str():
            return "this text"
        case Script(target=target):
            return f"script {target.filename or target.module}, process group {target.process_group or EMBEDDED!r}"
        case Static(filename=filename):
            return f"file {filename}"
        case Redirection(location=location):
            return f"302 {location}" if document.kind == "url" else f"a redirect to {location}"
        case Listing(directory=directory):
            return f"list of {directory}"
        case _ if document.kind == "path":
            return "an error as well, so the server's own page is shown; explain that path to see why"
        case _:
            return "the server's own page"


def _parse(arguments: Sequence[str]) -> argparse.Namespace:
    parser = make_parser(
        "explain",
        "Print what the server would do with a request: host, rewriting, aliases, sections, group.",
        "0, or 1 if the answer is an error, or 2 if the configuration has errors",
    )
    parser.add_argument("url", metavar="URL", help="http://host/path, or a path of the first host")
    parser.add_argument("-X", "--method", default="GET", metavar="METHOD", help="default GET")
    parser.add_argument(
        "-H", "--header", action="append", default=[], metavar="'NAME: VALUE'", help="of the request; repeatable"
    )
    parser.add_argument("--from", dest="client", default="127.0.0.1", metavar="ADDRESS", help="the client's address")
    parser.add_argument("--to", dest="server", default=None, metavar="ADDRESS", help="the server's address")
    return parse(parser, arguments)


def _facts(given: argparse.Namespace, server: Server) -> Facts:
    # What a browser would escape may be typed as it is; what it keeps to itself, it keeps.
    url = quote(given.url.partition("#")[0], safe="/:?[]@!$&'()*+,;=%~-._")
    scheme = "http"
    if url.lower().startswith("https://"):
        # There is no TLS here; whoever ends it in front of the server asks the same in http.
        scheme, url = "https", "http" + url[5:]
    if "://" not in url and not url.startswith("/"):
        raise ConfigurationError(
            f"explain: {given.url!r} is neither a path nor an http URL; begin it with / or http://"
        )
    target_text = url if url.startswith("/") else "/" + url.split("/", 3)[3] if url.count("/") > 2 else "/"
    try:
        target = read_target(given.method.encode("ascii", "replace"), url.encode("ascii"))
        authority = target.authority if target.authority is not None else _first_name(server).encode("ascii", "replace")
        name, port_text = split_host(authority)
    except HttpError as error:
        raise ConfigurationError(f"explain: {given.url}: {error.reason}: the server answers {error.status}") from error
    for flag, address in (("--from", given.client), ("--to", given.server)):
        # Whoever comes by a Unix socket has none.
        if address and not _is_address(address):
            raise ConfigurationError(f"explain: {flag}: {address!r} is no IP address; give one such as 192.0.2.1")
    path, mark, query = target_text.partition("?")
    headers = {"host": authority.decode("ascii")}
    for line in given.header:
        header, colon, value = line.partition(":")
        if not colon or not header.strip():
            raise ConfigurationError(f"explain: --header {line!r} has no colon; write 'Name: value'")
        headers[header.strip().lower()] = value.strip()
    port = int(port_text) if port_text else None
    ports = [listener.address.port for listener in server.listeners if listener.address.path is None] or [80]
    default = 443 if scheme == "https" else 80
    local_port = port if port in ports else default if port is None and default in ports else ports[0]
    return Facts(
        method=given.method,
        path=path.encode("ascii"),
        query=query if mark else None,
        host=name.decode("ascii").lower(),
        port=port,
        headers=headers,
        remote_address=given.client,
        local_address=given.server or _address(server, local_port),
        local_port=local_port,
        scheme=scheme,
        now=time.time(),
    )


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def _first_name(server: Server) -> str:
    named = [host.server_name for host in (*server.virtual_hosts, server.main) if host.server_name]
    return named[0] if named else "localhost"


def _address(server: Server, port: int) -> str:
    """Return the address that a client most likely reaches: a listener's, or one that a host is written for."""
    for listener in server.listeners:
        if listener.address.port == port and listener.address.host not in {"", "*", "0.0.0.0", "::"}:
            return listener.address.host
    for host in server.virtual_hosts:
        for address in host.addresses:
            if address.address != "*" and address.port in {port, None}:
                return address.address
    return "127.0.0.1"


def _place(step: Step) -> str:
    return str(step.position) if step.position.file else ""


def _as_text(trace: Trace, details: Mapping[str, str]) -> str:
    lines = []
    depth = 0
    for step in trace.steps:
        if step.depth != depth:
            depth = step.depth
            lines.append(f"  -- from the beginning again ({depth})")
        place = _place(step)
        lines.append(printable(f"{step.stage:<12} {step.text}") + (f"\n{'':13}{place}" if place else ""))
    for name, value in details.items():
        lines.append(printable(f"  {name:<17} {value}"))
    return "\n".join(lines)


def _details(decision: Decision, server: Server) -> dict[str, str]:
    """Return what an operator wants to know of the answer."""
    details: dict[str, str] = {}
    match decision:
        case Script():
            target = decision.target
            details = {
                "script": target.filename or target.module or "",
                "SCRIPT_NAME": decision.script_name,
                "PATH_INFO": decision.path_info,
                "process group": target.process_group or EMBEDDED,
                "application group": target.application_group or "%{GLOBAL}",
                "runs as": runs_as(server, target.process_group or "", target.application_group),
                "callable object": target.callable_object,
            }
            if target.handler_script is not None:
                details["handler script"] = target.handler_script
            if target.dispatch_script is not None:
                details["dispatch script"] = target.dispatch_script.path
            if decision.query is not None:
                details["QUERY_STRING"] = decision.query
        case Static():
            details = {"file": decision.filename, "Content-Type": decision.media_type or "none"}
        case Redirection():
            details = {"status": str(decision.status), "Location": decision.location}
        case Refusal():
            details = {"status": str(decision.status), "because": decision.reason}
        case _:
            details = {"status": "200"}
    for name, value in decision.common.environment:
        details[name] = value
    return details


def _as_json(trace: Trace, decision: Decision, details: Mapping[str, str]) -> str:
    steps = [
        {
            "stage": step.stage,
            "text": step.text,
            "file": step.position.file,
            "line": step.position.line,
            "internal_redirects": step.depth,
        }
        for step in trace.steps
    ]
    return json.dumps({"steps": steps, "answer": type(decision).__name__, "details": details}, indent=2)
