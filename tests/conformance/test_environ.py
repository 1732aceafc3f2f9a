"""The environ that an application gets, key by key: mod_wsgi's conversion, keys and path rules on a real server."""

import json
import re
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.conformance.wire import Reader
from tests.helpers.server import APPS, PATIENCE, Server, serving

Environ = dict[str, Any]
Connect = Callable[[], socket.socket]
SCRIPT = APPS / "http_environ.wsgi"


def has_ipv6() -> bool:
    """Whether the machine has [::1]."""
    try:
        with socket.create_server(("::1", 0), family=socket.AF_INET6):
            return True
    except OSError:
        return False


class ListeningServer(Server):
    """A server with listeners of its own, for which the helper's `--port 0` has no use."""

    def __init__(self, *options: str) -> None:
        # Closed by the base class.
        self._log = tempfile.NamedTemporaryFile(prefix="pydaemonwsgi-test-", suffix=".log")  # noqa: SIM115
        self.process = subprocess.Popen(
            [sys.executable, "-m", "pydaemonwsgi", "serve", str(SCRIPT), *options],
            stdin=subprocess.DEVNULL,
            stdout=self._log,
            stderr=subprocess.STDOUT,
        )
        self.pid = self.process.pid
        self.port = 0


@pytest.fixture(scope="module")
def socket_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the Unix socket is; short, because its length is bounded."""
    return tmp_path_factory.mktemp("u") / "s"


@pytest.fixture(scope="module")
def mounted(socket_path: Path) -> Iterator[Server]:
    """A server with the application under /app, one process given, on every kind of listener."""
    listeners = ["127.0.0.1:0", f"unix:{socket_path}", *(["[::1]:0"] if has_ipv6() else [])]
    options = [text for listener in listeners for text in ("--listen", listener)]
    server = ListeningServer("--mount-point", "/app", "--processes", "1", "--threads", "1", *options)
    try:
        server.wait_until_serving()
        yield server
    finally:
        server.close()


@pytest.fixture(scope="module")
def plain() -> Iterator[Server]:
    """A server with the application at the root, and no number of processes given."""
    with serving(SCRIPT, "--threads", "3") as server:
        yield server


def ask(connect: Connect, target: str, *fields: bytes, method: str = "GET", version: str = "1.1") -> Environ:
    """The environ that a request gives."""
    with connect() as sock:
        line = f"{method} {target} HTTP/{version}".encode()
        sock.sendall(b"\r\n".join((line, *(fields or (b"Host: example.com",)), b"", b"")))
        answer = Reader(sock).response()
    assert answer.status == 200, answer.raw
    environ: Environ = json.loads(answer.body)
    return environ


def status(connect: Connect, target: str) -> int:
    """The status that a target gives."""
    with connect() as sock:
        sock.sendall(f"GET {target} HTTP/1.1\r\nHost: a\r\n\r\n".encode())
        return Reader(sock).response().status


# -- 4.1: headers


@pytest.mark.parametrize(
    ("fields", "variables"),
    [
        pytest.param([b"X-Some: a"], {"HTTP_X_SOME": "a"}, id="hyphen-becomes-underscore"),
        pytest.param([b"x-sOME: a"], {"HTTP_X_SOME": "a"}, id="upper-case"),
        pytest.param([b"X1: a"], {"HTTP_X1": "a"}, id="digits"),
        pytest.param([b"X_Some: a"], {}, id="underscore-dropped"),
        pytest.param([b"X_Some: a", b"X-Some: b"], {"HTTP_X_SOME": "b"}, id="underscore-never-merged"),
        pytest.param([b"X.Some: a"], {}, id="dot-dropped"),
        pytest.param([b"X~Some: a"], {}, id="other-token-character-dropped"),
        pytest.param([b"Content_Length: 5", b"Content_Type: a/b"], {}, id="underscore-never-content"),
        pytest.param([b"Content-Type: a/b; c=d"], {"CONTENT_TYPE": "a/b; c=d"}, id="content-type"),
        pytest.param([b"Content-Length: 0"], {"CONTENT_LENGTH": "0"}, id="content-length"),
        pytest.param([b"Proxy: http://evil"], {}, id="proxy-dropped"),
        pytest.param([b"Proxy-Authorization: Basic eA=="], {}, id="proxy-authorization-dropped"),
        pytest.param([b"X: a", b"Y: b", b"x: c", b"X:"], {"HTTP_X": "a, c, ", "HTTP_Y": "b"}, id="duplicates-joined"),
        pytest.param([b"X:"], {"HTTP_X": ""}, id="empty"),
        pytest.param([b"X: \t a b \t"], {"HTTP_X": "a b"}, id="white-space"),
        pytest.param([b"X: \xe4\xff\x80"], {"HTTP_X": "\xe4\xff\x80"}, id="latin-1"),
        pytest.param([b"X: \xe2\x82\xac"], {"HTTP_X": "\xe2\x82\xac"}, id="utf-8-as-latin-1"),
        pytest.param(
            [b"Cookie: a=1", b"User-Agent: b", b"Accept: */*", b"Referer: c"],
            {"HTTP_COOKIE": "a=1", "HTTP_USER_AGENT": "b", "HTTP_ACCEPT": "*/*", "HTTP_REFERER": "c"},
            id="common-ones",
        ),
    ],
)
def test_header_becomes_its_variable(plain: Server, fields: list[bytes], variables: dict[str, str]) -> None:
    """Headers become the variables that mod_wsgi makes of them, and no others."""
    environ = ask(plain.connect, "/", b"Host: example.com", *fields)
    found = {key: value for key, value in environ.items() if key.startswith(("HTTP_", "CONTENT_"))}

    assert found == {"HTTP_HOST": "example.com", **variables}


def test_chunked_request_has_the_length_of_its_decoded_body(plain: Server) -> None:
    """Frameworks take a request without CONTENT_LENGTH for one without body, and decode what says it is chunked."""
    with plain.connect() as sock:
        sock.sendall(b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n")
        environ = json.loads(Reader(sock).response().body)

    assert environ["CONTENT_LENGTH"] == "5"
    assert "HTTP_CONTENT_LENGTH" not in environ
    assert "HTTP_TRANSFER_ENCODING" not in environ
    assert environ["wsgi.input_terminated"] == ["bool", "True"]


# -- 4.2: keys


@pytest.mark.parametrize(
    ("target", "version", "method", "expected"),
    [
        pytest.param(
            "/", "1.1", "GET",
            {"REQUEST_METHOD": "GET", "SERVER_PROTOCOL": "HTTP/1.1", "QUERY_STRING": "", "REQUEST_URI": "/"},
            id="plain",
        ),
        pytest.param(
            "//a/./b//%C3%A4?x=%20//..&y", "1.1", "HEAD-less",
            {"REQUEST_URI": "//a/./b//%C3%A4?x=%20//..&y", "QUERY_STRING": "x=%20//..&y", "PATH_INFO": "/a/b/\xc3\xa4"},
            id="uri-is-raw",
        ),
        pytest.param("/?", "1.1", "PATCH", {"REQUEST_METHOD": "PATCH", "QUERY_STRING": "", "REQUEST_URI": "/?"},
                     id="empty-query"),
        pytest.param("/", "1.0", "PROPFIND", {"REQUEST_METHOD": "PROPFIND", "SERVER_PROTOCOL": "HTTP/1.0"}, id="1.0"),
        pytest.param(
            "http://other.org:81/a?b", "1.1", "GET",
            {"REQUEST_URI": "http://other.org:81/a?b", "PATH_INFO": "/a", "QUERY_STRING": "b",
             "HTTP_HOST": "other.org:81", "SERVER_NAME": "other.org", "SERVER_PORT": "81"},
            id="absolute-form",
        ),
        pytest.param("http://other.org", "1.1", "GET", {"PATH_INFO": "/", "SERVER_PORT": "80"},
                     id="absolute-form-without-path"),
    ],
)  # fmt: skip
def test_request_line_gives_its_variables(
    plain: Server, target: str, version: str, method: str, expected: dict[str, str]
) -> None:
    """Method, protocol, raw target and query are the client's; the path is decoded."""
    environ = ask(plain.connect, target, method=method.upper(), version=version)
    if method == "HEAD-less":
        assert environ["REQUEST_METHOD"] == "HEAD-LESS"

    assert {key: environ.get(key) for key in expected} == expected


@pytest.mark.parametrize(
    ("fields", "name", "port"),
    [
        pytest.param([b"Host: Example.com:8080"], "example.com", "8080", id="with-port"),
        pytest.param([b"Host: example.com"], "example.com", "80", id="without-port"),
        pytest.param([b"Host: [::1]:81"], "[::1]", "81", id="ipv6"),
        pytest.param([b"Host:"], "127.0.0.1", "(its own)", id="empty"),
        pytest.param([b"X: none"], "127.0.0.1", "(its own)", id="none"),
    ],
)
def test_server_name_is_the_clients(plain: Server, fields: list[bytes], name: str, port: str) -> None:
    """SERVER_NAME and SERVER_PORT come from Host where there is one, else from the listener."""
    environ = ask(plain.connect, "/", *fields, version="1.0")

    assert environ["SERVER_NAME"] == name
    assert environ["SERVER_PORT"] == (str(plain.port) if port == "(its own)" else port)


def test_connection_gives_its_variables(plain: Server) -> None:
    """Addresses and ports of both ends are there, as text."""
    with plain.connect() as sock:
        host, port = sock.getsockname()
        sock.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        environ = json.loads(Reader(sock).response().body)

    assert (environ["REMOTE_ADDR"], environ["REMOTE_PORT"], environ["SERVER_ADDR"]) == (host, str(port), "127.0.0.1")
    assert environ["mod_wsgi.listener_port"] == str(plain.port)
    assert environ["REQUEST_SCHEME"] == "http"
    assert environ["SERVER_SOFTWARE"]
    assert environ["SCRIPT_FILENAME"] == str(SCRIPT)


@pytest.mark.parametrize(
    "key",
    "GATEWAY_INTERFACE PATH_TRANSLATED SERVER_SIGNATURE REMOTE_HOST REMOTE_IDENT PATH LD_LIBRARY_PATH HOME HTTPS "
    "REMOTE_USER AUTH_TYPE SERVER_ADMIN HTTP_CONTENT_TYPE HTTP_CONTENT_LENGTH".split(),
)
def test_key_is_absent(plain: Server, key: str) -> None:
    """What mod_wsgi 6 does not set is not there, nor is the server's own environment."""
    environ = ask(plain.connect, "/", b"Host: a", b"Content-Type: a/b", b"Content-Length: 0")

    assert key not in environ


def test_transport_keys_are_absent(plain: Server) -> None:
    """Keys by which front and daemon process talk never reach the application."""
    assert not [key for key in ask(plain.connect, "/") if key.startswith("mod_wsgi.x-")]


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("wsgi.version", ["tuple", "(1, 0)"]),
        ("wsgi.url_scheme", "http"),
        ("wsgi.multithread", ["bool", "True"]),
        ("wsgi.multiprocess", ["bool", "False"]),
        ("wsgi.run_once", ["bool", "False"]),
        ("wsgi.input_terminated", ["bool", "True"]),
        ("mod_wsgi.version", ["tuple", "(6, 0, 5)"]),
        ("mod_wsgi.process_group", "http_environ"),
        ("mod_wsgi.application_group", ""),
        ("mod_wsgi.callable_object", "application"),
        ("mod_wsgi.request_handler", "wsgi-script"),
        ("mod_wsgi.handler_script", ""),
        ("mod_wsgi.listener_host", "127.0.0.1"),
        ("mod_wsgi.script_name", ""),
        ("mod_wsgi.path_info", "/a b"),
    ],
)
def test_key_has_its_value(plain: Server, key: str, value: object) -> None:
    """Keys of PEP 3333 and mod_wsgi have their type and value."""
    assert ask(plain.connect, "/a%20b")[key] == value


@pytest.mark.parametrize(
    ("key", "kind", "pattern"),
    [
        ("wsgi.input", "", r".+"),
        ("wsgi.errors", "", r".+"),
        ("wsgi.file_wrapper", "type", r".*FileWrapper.*"),
        ("apache.version", "tuple", r"\(\d+, \d+, \d+\)"),
        ("mod_wsgi.server_pid", "str", r"\d+"),
        ("mod_wsgi.request_id", "str", r"[0-9a-f]{16}"),
        ("mod_wsgi.connection_id", "str", r"[0-9a-f]+"),
        ("mod_wsgi.thread_id", "int", r"[1-9]\d*"),
        ("mod_wsgi.request_start", "float", r"\d+\.\d+"),
        ("mod_wsgi.queue_start", "float", r"\d+\.\d+"),
        ("mod_wsgi.daemon_start", "float", r"\d+\.\d+"),
        ("mod_wsgi.application_start", "float", r"\d+\.\d+"),
    ],
)
def test_key_has_its_type(plain: Server, key: str, kind: str, pattern: str) -> None:
    """Keys that differ from request to request have their type and form."""
    value = ask(plain.connect, "/")[key]
    found, text = ("str", value) if isinstance(value, str) else value

    assert found == (kind or found)
    assert re.fullmatch(pattern, text)


def test_times_are_in_order_and_seconds(plain: Server) -> None:
    """Request, queue, daemon and application start one after the other, in seconds since the epoch."""
    before = time.time()
    environ = ask(plain.connect, "/")
    names = ("request", "queue", "daemon", "application")
    starts = [float(environ[f"mod_wsgi.{name}_start"][1]) for name in names]

    assert starts == sorted(starts)
    assert before - 1 <= starts[0]
    assert starts[-1] <= time.time() + 1


def test_ids_tell_requests_and_connections_apart(plain: Server) -> None:
    """Each request has an id of its own; requests of one connection share the connection's."""
    ids = []
    for _ in range(2):
        with plain.connect() as sock:
            reader = Reader(sock)
            for _ in range(2):
                sock.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
                environ = json.loads(reader.response().body)
                ids.append((environ["mod_wsgi.connection_id"], environ["mod_wsgi.request_id"]))
    connections = [connection for connection, _ in ids]

    assert len({request for _, request in ids}) == 4
    assert connections[0] == connections[1] != connections[2] == connections[3]


def test_server_pid_is_the_fronts(plain: Server) -> None:
    """mod_wsgi.server_pid is the process that speaks with the client."""
    assert ask(plain.connect, "/")["mod_wsgi.server_pid"] == str(plain.front().pid)


def test_flags_follow_the_options(mounted: Server) -> None:
    """One thread is not multithread; a number of processes that was given is multiprocess, even 1."""
    environ = ask(mounted.connect, "/app")

    assert environ["wsgi.multithread"] == ["bool", "False"]
    assert environ["wsgi.multiprocess"] == ["bool", "True"]


# -- 4.3: paths under a mount point


@pytest.mark.parametrize(
    ("target", "script_name", "path_info", "query"),
    [
        pytest.param("/app", "/app", "", "", id="itself"),
        pytest.param("/app/", "/app", "/", "", id="slash"),
        pytest.param("/app?a=b", "/app", "", "a=b", id="query"),
        pytest.param("/app//a///b", "/app", "/a/b", "", id="slashes-collapse"),
        pytest.param("/app/a%20b?x=%20", "/app", "/a b", "x=%20", id="decoded-once"),
        pytest.param("/app/%2520", "/app", "/%20", "", id="decoded-not-twice"),
        pytest.param("/app/%E2%82%AC", "/app", "/\xe2\x82\xac", "", id="utf-8-as-latin-1"),
        pytest.param("/app/%FF%80", "/app", "/\xff\x80", "", id="bytes-as-latin-1"),
        pytest.param("//app/a", "/app", "/a", "", id="slashes-before"),
        pytest.param("/x/../app/a", "/app", "/a", "", id="dot-dot-into"),
        pytest.param("/app/./a/../b", "/app", "/b", "", id="dots-inside"),
        pytest.param("/%61pp/a", "/app", "/a", "", id="encoded-mount-point"),
        pytest.param("/app/app", "/app", "/app", "", id="once-only"),
        pytest.param("/app/a;b=c", "/app", "/a;b=c", "", id="parameters"),
        pytest.param("http://h/app/a", "/app", "/a", "", id="absolute-form"),
    ],
)
def test_path_is_split_at_the_mount_point(
    mounted: Server, target: str, script_name: str, path_info: str, query: str
) -> None:
    """SCRIPT_NAME is the mount point, PATH_INFO the rest, REQUEST_URI what was sent."""
    environ = ask(mounted.connect, target)

    assert (environ["SCRIPT_NAME"], environ["PATH_INFO"], environ["QUERY_STRING"]) == (script_name, path_info, query)
    assert environ["REQUEST_URI"] == target
    assert (environ["mod_wsgi.script_name"], environ["mod_wsgi.path_info"]) == (script_name, path_info)


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        pytest.param("/app/a%2Fb", {404}, id="encoded-slash"),
        pytest.param("/app/a%2fb", {404}, id="encoded-slash-lower-case"),
        pytest.param("/app%2Fa", {404}, id="encoded-slash-after-mount-point"),
        pytest.param("/app/a%00b", {400, 404}, id="encoded-nul"),
        pytest.param("/app/../x", {404}, id="dot-dot-out-of"),
        pytest.param("/app/%2e%2e/x", {404}, id="encoded-dot-dot-out-of"),
        pytest.param("/app/../../x", {400, 404}, id="above-the-root"),
        pytest.param("/APP", {404}, id="case"),
        pytest.param("/apple", {404}, id="longer-name"),
        pytest.param("/ap", {404}, id="shorter-name"),
        pytest.param("/", {404}, id="root"),
    ],
)
def test_path_that_is_not_there(mounted: Server, target: str, expected: set[int]) -> None:
    """Encoded slashes and paths beside the mount point are not found, and the application is not asked."""
    assert status(mounted.connect, target) in expected


def test_options_asterisk_is_answered_by_the_server(mounted: Server) -> None:
    """`OPTIONS *` is about the server, not about the application or its mount point."""
    with mounted.connect() as sock:
        sock.sendall(b"OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n" * 2)
        reader = Reader(sock)
        answers = [reader.response(), reader.response()]

    assert [(answer.status, answer.body) for answer in answers] == [(200, b"")] * 2
    assert "OPTIONS" in (answers[0].header("Allow") or "")


# -- listeners


@pytest.mark.skipif(not has_ipv6(), reason="the machine has no [::1]")
@pytest.mark.parametrize(
    ("host", "name", "port"),
    [(b"Host: [::1]:81", "[::1]", "81"), (b"Host: a", "a", "80"), (b"X: none", None, None)],
    ids=["ipv6-host", "named-host", "no-host"],
)
def test_ipv6_listener(mounted: Server, host: bytes, name: str | None, port: str | None) -> None:
    """A request by IPv6 has the IPv6 addresses of both ends, and a server name that can stand in a URL."""
    match = re.search(r"http://\[::1\]:(\d+)/", mounted.log())
    assert match is not None
    own_port = int(match.group(1))

    environ = ask(lambda: socket.create_connection(("::1", own_port), PATIENCE), "/app", host, version="1.0")

    assert (environ["REMOTE_ADDR"], environ["SERVER_ADDR"]) == ("::1", "::1")
    assert (environ["mod_wsgi.listener_host"], environ["mod_wsgi.listener_port"]) == ("::1", str(own_port))
    assert (environ["SERVER_NAME"], environ["SERVER_PORT"]) == (name or "[::1]", port or str(own_port))


@pytest.mark.parametrize(
    ("host", "name", "port"),
    [(b"Host: a:81", "a", "81"), (b"Host: a", "a", "80"), (b"X: none", "localhost", "80")],
    ids=["with-port", "without-port", "no-host"],
)
def test_unix_listener(mounted: Server, socket_path: Path, host: bytes, name: str, port: str) -> None:
    """A request by a Unix socket has no addresses, and still the keys that PEP 3333 asks for."""

    def connect() -> socket.socket:
        sock = socket.socket(socket.AF_UNIX)
        sock.settimeout(PATIENCE)
        sock.connect(str(socket_path))
        return sock

    environ = ask(connect, "/app/a", host, version="1.0")

    assert (environ["SCRIPT_NAME"], environ["PATH_INFO"]) == ("/app", "/a")
    assert environ["REMOTE_ADDR"] == ""
    assert (environ["SERVER_NAME"], environ["SERVER_PORT"]) == (name, port)
    assert (environ["mod_wsgi.listener_host"], environ["mod_wsgi.listener_port"]) == ("", "")
