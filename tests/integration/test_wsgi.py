"""WSGI as clients see it: every promise of PEP 3333 and mod_wsgi.md section 5, over HTTP, against real servers."""

import ast
import concurrent.futures
import hashlib
import os
import random
import re
import socket
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.helpers.server import APPS, PATIENCE, Answer, Server, read_all, serving, wait_for

KIB, MIB = 1024, 1024 * 1024
SIZES = [
    0, 1, 64 * KIB - 1, 64 * KIB, 64 * KIB + 1, 256 * KIB - 1, 256 * KIB, 256 * KIB + 1, MIB + 1, 20_000_000
]  # fmt: skip
FILE_SIZE = 5_000_000


# -- under the standard library's validator


@pytest.fixture(scope="module")
def validated() -> Iterator[Server]:
    """A server whose application is wrapped in wsgiref.validate.validator."""
    with serving(APPS / "wsgi_validated.wsgi", "--threads", "3") as server:
        yield server
        assert "AssertionError" not in server.log()


@pytest.mark.parametrize("path", ["/", "/length", "/write", "/pieces", "/a%20b"])
@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "DELETE", "OPTIONS"])
def test_the_validator_is_content(validated: Server, method: str, path: str) -> None:
    """Environ, input, errors, start_response, write and iteration are what wsgiref.validate demands."""
    body = b"posted" * 500 if method in {"POST", "PUT"} else b""
    answer = validated.get(f"{path}?a=%20b", method=method, body=body)

    assert answer.status == 200
    assert answer.body == f"{method} {path.replace('%20', ' ')}?a=%20b ".encode() + body


@pytest.mark.parametrize("path", ["/", "/length", "/write", "/pieces", "/empty"])
def test_the_validator_is_content_with_head(validated: Server, path: str) -> None:
    """HEAD has no body, and the application is iterated and closed as the validator demands."""
    answer = validated.get(path, method="HEAD")
    assert answer.status == (204 if path == "/empty" else 200)
    assert answer.rest == b""


@pytest.mark.parametrize("sizes", [[1], [3000, 1, 999], [7000]], ids=["one byte", "several", "one"])
def test_the_validator_is_content_with_chunked_bodies(validated: Server, sizes: list[int]) -> None:
    """A chunked request's input ends where the body ends."""
    pieces = [bytes([65 + number]) * size for number, size in enumerate(sizes)]
    answer = Answer(validated.exchange(chunked_request("/pieces", pieces)))
    assert answer.body == b"POST /pieces? " + b"".join(pieces)


def chunked_request(target: str, pieces: list[bytes]) -> bytes:
    """A POST whose body is in chunks."""
    head = f"POST {target} HTTP/1.1\r\nHost: test\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n"
    chunks = [b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces if piece]
    return b"".join([head.encode(), *chunks, b"0\r\n\r\n"])


# -- bodies of all sizes


@cache
def content(size: int) -> bytes:
    """What the application sends for `size`."""
    return random.Random(size).randbytes(size)


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file that the application sends."""
    path = tmp_path_factory.mktemp("files") / "file"
    path.write_bytes(content(FILE_SIZE))
    return path


@pytest.fixture(scope="module")
def bodies(file: Path) -> Iterator[Server]:
    """A server of two processes that takes and gives bodies of any size."""
    with serving(
        APPS / "wsgi_bodies.wsgi", "--processes", "2", "--threads", "3", "--limit-request-body", "30000000",
        env={"WSGI_FILE": str(file)},
    ) as server:  # fmt: skip
        yield server
        assert "Traceback" not in server.log()


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("how", ["read", "pieces", "lines"])
def test_uploads_arrive_byte_for_byte(bodies: Server, how: str, size: int) -> None:
    """A body with a Content-Length is whole for the application, whichever way it reads."""
    answer = bodies.get(f"/up_{how}", method="POST", body=content(size))
    assert answer.text == f"{size} {hashlib.sha256(content(size)).hexdigest()}"
    assert answer.header("X-Length") == str(size)


@pytest.mark.parametrize("size", SIZES)
def test_chunked_uploads_arrive_byte_for_byte(bodies: Server, size: int) -> None:
    """A chunked body is whole for the application, which is told its length."""
    step = 50_001
    pieces = [content(size)[at : at + step] for at in range(0, size, step)]
    answer = Answer(bodies.exchange(chunked_request("/up_read", pieces)))
    assert answer.text == f"{size} {hashlib.sha256(content(size)).hexdigest()}"
    assert answer.header("X-Length") == str(size)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("how", ["list", "pieces", "generator", "write", "memory"])
def test_downloads_arrive_byte_for_byte(bodies: Server, how: str, size: int) -> None:
    """A body of any size and shape is whole for the client, with a right length or complete chunks."""
    answer = bodies.get(f"/{how}?size={size}")
    assert answer.status == 200
    assert answer.body == content(size)
    length = answer.header("Content-Length")
    assert length in {None, str(size)}
    assert (length is None) == (answer.header("Transfer-Encoding") == "chunked")
    if how in {"list", "pieces"}:
        assert length == str(size)


@pytest.mark.parametrize("size", [1, 256 * KIB + 1, MIB + 1, 20_000_000])
def test_echo(bodies: Server, size: int) -> None:
    """A body that is sent back while it is read comes back whole."""
    answer = bodies.get("/echo", method="POST", body=content(size))
    assert answer.body == content(size)


@pytest.mark.parametrize("size", [1, 64 * KIB + 1, 5_000_000])
def test_an_unread_body_costs_nothing_but_time(bodies: Server, size: int) -> None:
    """An application that does not read leaves a connection on which the next request works."""
    with bodies.connect() as sock:
        post = f"POST /unread HTTP/1.1\r\nHost: test\r\nContent-Length: {size}\r\n\r\n".encode() + content(size)
        last = b"GET /list?size=1 HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n"
        sock.sendall(post + last)
        received = read_all(sock)
    assert received.count(b"HTTP/1.1 200 OK") == 2
    assert received.endswith(b"\r\n\r\n" + content(1))


@pytest.mark.parametrize("size", [1, 65537, MIB + 1])
@pytest.mark.parametrize("how", ["list", "generator", "file"])
def test_head_is_the_head_of_get(bodies: Server, how: str, size: int) -> None:
    """HEAD has no body; a length, where it has one, is that of GET."""
    answer = bodies.get(f"/{how}?size={size}", method="HEAD")
    assert (answer.status, answer.rest) == (200, b"")
    if how != "generator":
        assert answer.header("Content-Length") == str(FILE_SIZE if how == "file" else size)


# -- wsgi.file_wrapper


@pytest.mark.parametrize("offset", [0, 1, FILE_SIZE - 1, FILE_SIZE, FILE_SIZE + 1])
def test_a_file_from_its_position(bodies: Server, offset: int) -> None:
    """A wrapped file is sent from where it was read to, with its length."""
    answer = bodies.get(f"/file?offset={offset}")
    expected = content(FILE_SIZE)[offset:]
    assert answer.header("Content-Length") == str(len(expected))
    assert answer.rest == expected


def test_a_file_that_is_not_in_memory(bodies: Server, file: Path) -> None:
    """A file that has to come from the disk arrives whole."""
    with file.open("rb") as opened:
        os.fsync(opened.fileno())
        os.posix_fadvise(opened.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
    assert bodies.get("/file").rest == content(FILE_SIZE)


@pytest.mark.parametrize("length", [0, 1, 1_000_000, FILE_SIZE])
def test_a_file_capped_by_its_content_length(bodies: Server, length: int) -> None:
    """An explicit Content-Length says how much of the file is meant; the connection stays usable."""
    with bodies.connect() as sock:
        sock.sendall(
            f"GET /file?offset=10&length={length} HTTP/1.1\r\nHost: test\r\n\r\n"
            "GET /list?size=1 HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n".encode()
        )
        received = read_all(sock)
    head, _, rest = received.partition(b"\r\n\r\n")
    expected = content(FILE_SIZE)[10 : 10 + length]
    assert f"Content-Length: {len(expected) if length < FILE_SIZE else length}".encode() in head
    assert rest.startswith(expected)
    if length < FILE_SIZE:
        assert rest[len(expected) :].startswith(b"HTTP/1.1 200 OK")
    else:
        assert rest == expected  # ten bytes are missing: the connection is cut, the next request not answered


# -- behaviours


class Behaving(NamedTuple):
    """A server with behaviours, and the file in which they leave notes."""

    server: Server
    notes: Path

    def wait_for_note(self, text: str, count: int = 1) -> None:
        """Return once the note has been made as often."""
        wait_for(
            lambda: self.notes.read_text().splitlines().count(text) >= count,
            f"the note {text!r}, having {self.notes.read_text()[-500:]!r}",
        )

    def wait_for_log(self, pattern: str) -> re.Match[str]:
        """Return the first match in the log, once there is one."""
        wait_for(lambda: re.search(pattern, self.server.log()), f"{pattern!r} in the log")
        match = re.search(pattern, self.server.log())
        assert match
        return match


@pytest.fixture(scope="module")
def behaving(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Behaving]:
    """One process, so that its pid says whether it survived."""
    notes = tmp_path_factory.mktemp("notes") / "notes"
    notes.touch()
    with serving(
        APPS / "wsgi_behaviour.wsgi", "--processes", "1", "--threads", "4", env={"WSGI_NOTES": str(notes)}
    ) as server:
        pid = server.get("/pid").text
        yield Behaving(server, notes)
        assert server.get("/pid").text == pid, "a request has cost the process its life"
        assert "broke the protocol" not in server.log()


@pytest.mark.parametrize(
    ("path", "status", "body"),
    [
        ("normal", 200, b"normal"),
        ("writes", 200, b"written, written, returned"),
        ("starts_in_generator", 200, b"from a generator"),
        ("empty_generator", 200, b""),
        ("lazy", 404, b"gone"),
        ("second_start_response", 201, b"created"),
        ("exc_info_before_head", 503, b"sorry"),
        ("too_long", 200, b"abc"),
        ("close_raises", 200, b"whole"),
        ("no_content", 204, b""),
    ],
)
def test_answers(behaving: Behaving, path: str, status: int, body: bytes) -> None:
    """Each of these ways to answer gives this complete answer, and the connection goes on."""
    with behaving.server.connect() as sock:
        request = f"GET /{path} HTTP/1.1\r\nHost: test\r\n"
        sock.sendall(f"{request}\r\n{request}Connection: close\r\n\r\n".encode())
        received = read_all(sock)
    second = received.rindex(b"HTTP/1.1 ")
    for answer in (Answer(received[:second]), Answer(received[second:])):
        assert answer.status == status
        assert answer.body == body


@pytest.mark.parametrize("path", ["lazy", "second_start_response", "exc_info_before_head"])
def test_only_the_last_head_is_sent(behaving: Behaving, path: str) -> None:
    """Of a head that was replaced before the first byte nothing reaches the client."""
    answer = behaving.server.get(f"/{path}")
    assert answer.header("X-Second") == "2"
    assert answer.header("X-First") is None


FAILING = {
    "raises": "ValueError",
    "raises_after_start": "ValueError",
    "exits": "SystemExit",
    "interrupts": "KeyboardInterrupt",
    "no_start_response": "RuntimeError",
    "no_bytes": "TypeError",
    "none": "TypeError",
    "bad_header": "ValueError",
    "hop_by_hop": "ValueError",
}


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize("path", FAILING)
def test_failing_before_the_head_is_a_500(behaving: Behaving, path: str, method: str) -> None:
    """The client gets a whole error page that tells nothing, on a connection that goes on; the log has the reason."""
    with behaving.server.connect() as sock:
        sock.sendall(
            f"{method} /{path} HTTP/1.1\r\nHost: test\r\n\r\n"
            "GET /normal HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n".encode()
        )
        received = read_all(sock)
    second = received.rindex(b"HTTP/1.1 ")
    answer = Answer(received[:second])

    assert answer.status == 500
    if method == "HEAD":
        assert answer.rest == b""
    else:
        assert answer.header("Content-Length") == str(len(answer.rest))
        assert b"500 Internal Server Error" in answer.rest
    assert b"Traceback" not in received
    assert b"X-Injected" not in received
    assert Answer(received[second:]).body == b"normal"
    behaving.wait_for_log(rf"\[request \w+\] {FAILING[path]}\b")


def test_a_failure_is_logged_with_its_request(behaving: Behaving) -> None:
    """Every line of the traceback has level, pid and the id of the request that failed."""
    behaving.server.get("/raises")
    pid = behaving.server.get("/pid").text
    found = behaving.wait_for_log(r"\[request (\w+)\] raising in (\w+)\n")
    assert found[1] == found[2]
    prefix = rf"\[[-0-9]+ [:.0-9]+\] \[error\] \[pid {pid}\] \[[^\]]+\] \[request {found[1]}\] "
    behaving.wait_for_log(
        rf"{prefix}[^\n]*ValueError[^\n]*\n{prefix}Traceback \(most recent call last\):\n"
        rf"(?:{prefix}[^\n]*\n)+{prefix}ValueError: <the reason>\n"
    )


@pytest.mark.parametrize(
    ("path", "error"),
    [
        ("raises_after_head", "ValueError"),
        ("raises_within_length", "ValueError"),
        ("exits_after_head", "SystemExit"),
        ("exc_info_after_head", "LookupError"),
    ],
)
def test_failing_after_the_head_cuts_the_connection(behaving: Behaving, path: str, error: str) -> None:
    """What has begun is cut, never ended: no last chunk, fewer bytes than promised, nothing after it."""
    received = behaving.server.exchange(
        f"GET /{path} HTTP/1.1\r\nHost: test\r\n\r\nGET /normal HTTP/1.1\r\nHost: test\r\n\r\n".encode()
    )
    head, _, rest = received.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200 OK")
    assert b"begun" in rest
    assert b"0\r\n\r\n" not in rest
    assert b"HTTP/1.1" not in rest
    assert b"normal" not in rest
    behaving.wait_for_log(rf"\[request \w+\] {error}\b")


def test_an_answer_shorter_than_its_length_is_cut(behaving: Behaving) -> None:
    """Too few bytes end with the connection, so that the client knows."""
    received = behaving.server.exchange(b"GET /too_short HTTP/1.1\r\nHost: test\r\n\r\n")
    assert received.partition(b"\r\n\r\n")[2] == b"short"
    assert b"Content-Length: 1000" in received


def test_repeated_and_latin_headers_arrive(behaving: Behaving) -> None:
    """Two cookies stay two, and a latin-1 value is one byte for each character."""
    answer = behaving.server.get("/cookies")
    assert [value for name, value in answer.headers if name == "Set-Cookie"] == ["a=1", "b=2"]
    assert answer.header("X-Latin") == "caf\xe9"


@pytest.mark.parametrize(
    "path",
    [
        "normal", "writes", "too_long", "too_short", "no_content", "raises_after_start", "raises_after_head",
        "raises_within_length", "exits_after_head", "no_start_response", "no_bytes", "close_raises",
    ],
)  # fmt: skip
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_close_is_called_once(behaving: Behaving, path: str, method: str) -> None:
    """Whatever the end, the application's close() runs, once."""
    behaving.server.exchange(f"{method} /{path}?{method} HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n".encode())
    behaving.wait_for_note(f"closed /{path}?{method}")
    behaving.server.get("/pid")
    assert behaving.notes.read_text().splitlines().count(f"closed /{path}?{method}") == 1


@pytest.mark.parametrize("how", ["close", "reset"])
def test_a_client_that_goes_stops_a_generator(behaving: Behaving, how: str) -> None:
    """An endless answer ends soon after its client has gone, and is closed."""
    with behaving.server.connect() as sock:
        sock.sendall(f"GET /endless?{how} HTTP/1.1\r\nHost: test\r\n\r\n".encode())
        behaving.wait_for_note(f"begun {how}")
        assert sock.recv(100).startswith(b"HTTP/1.1 200 OK")
        if how == "reset":
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    behaving.wait_for_note(f"closed /endless?{how}")


def test_a_client_that_goes_is_told_to_write(behaving: Behaving) -> None:
    """write() raises an OSError into the application soon after its client has gone."""
    with behaving.server.connect() as sock:
        sock.sendall(b"GET /endless_writes?writer HTTP/1.1\r\nHost: test\r\n\r\n")
        behaving.wait_for_note("begun writer")
        assert sock.recv(100).startswith(b"HTTP/1.1 200 OK")
    behaving.wait_for_note("told writer")


def test_modules_of_the_server_can_be_imported(behaving: Behaving) -> None:
    """`import mod_wsgi` and `import apache` work and agree with the environ."""
    facts = ast.literal_eval(behaving.server.get("/modules").text)
    assert facts == {
        "version": True,
        "process_group": True,
        "application_group": True,
        "processes": 1,
        "threads": 4,
        "wrapper": True,
        "apache": True,
        "argv": ["mod_wsgi"],
    }


def test_concurrent_requests_see_their_own_headers(behaving: Behaving) -> None:
    """A hundred clients at once, each with values of its own, never see each other's (CVE-2014-0242)."""

    def client(number: int) -> list[str]:
        wrong = []
        for turn in range(3):
            own, mark = f"value-{number}-{turn}", f"X-M{number}"
            answer = behaving.server.get(f"/own_header?{number}", f"X-Own: {own}", f"{mark}: 1")
            if answer.text != f"{own} {own} {number} HTTP_{mark.upper().replace('-', '_')},HTTP_X_OWN":
                wrong.append(answer.text)
        return wrong

    with concurrent.futures.ThreadPoolExecutor(100) as clients:
        assert [wrong for wrong in clients.map(client, range(100)) if wrong] == []


def test_concurrent_requests_on_one_connection_each_see_their_own_headers(behaving: Behaving) -> None:
    """Pipelined requests whose heads differ by one value, or by one header, are each their own."""
    requests = []
    for number in range(50):
        extra = "X-Extra: 1\r\n" if number % 2 else ""
        requests.append(f"GET /own_header?{number} HTTP/1.1\r\nHost: test\r\nX-Own: {number}\r\n{extra}\r\n")
    last = "GET /normal HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n"
    with behaving.server.connect() as sock:
        sock.sendall("".join([*requests, last]).encode())
        received = read_all(sock).decode("latin-1")
    found = re.findall(r"\r\n (\d+) (\d+) (\S+)\r\n", received)
    assert found == [
        (str(number), str(number), "HTTP_X_EXTRA,HTTP_X_OWN" if number % 2 else "HTTP_X_OWN") for number in range(50)
    ]


# -- a slow reader


def test_a_slow_reader_does_not_hold_the_only_thread() -> None:
    """While a client takes nothing of its 5 MB, made piece by piece, the one thread answers others."""
    size = 5_000_000
    with (
        serving(APPS / "wsgi_bodies.wsgi", "--processes", "1", "--threads", "1") as server,
        socket.socket() as slow,
    ):
        slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        slow.settimeout(PATIENCE)
        slow.connect(("127.0.0.1", server.port))
        slow.sendall(f"GET /generator?size={size} HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n".encode())
        received = slow.recv(1000)
        for _ in range(20):
            assert server.get("/list?size=10").body == content(10)
        assert Answer(received + read_all(slow)).body == content(size)


# -- the error log


def lines_of(server: Server, text: str) -> list[str]:
    """The lines of the log that end so, once there are some."""
    wait_for(lambda: f"{text}\n" in server.log(), f"{text!r} in the log")
    return [line for line in server.log().splitlines() if line.endswith(f" {text}")]


@pytest.fixture(scope="module", params=[False, True], ids=["unconfigured", "basicConfig"])
def logging_server(request: pytest.FixtureRequest) -> Iterator[tuple[Server, str, bool]]:
    """A server whose application says things, the id of the request that it said them in, whether it configured."""
    env = {"WSGI_BASIC_CONFIG": "1"} if request.param else {}
    with serving(APPS / "wsgi_logging.wsgi", "--processes", "1", "--threads", "2", env=env) as server:
        yield server, server.get("/").text, request.param


@pytest.mark.parametrize(
    "text",
    ["printed in one line", "to stderr", "to wsgi.errors", "unfinished", "bytes by the buffer",
     r"forged\x0d[error] line \x1b[31m"],
    ids=["print", "stderr", "wsgi.errors", "unfinished", "bytes", "forged"],
)  # fmt: skip
def test_what_is_written_is_logged_with_its_request(logging_server: tuple[Server, str, bool], text: str) -> None:
    """One record a line, with time, level error, the process's pid and the request's id."""
    server, request_id, _ = logging_server
    (line,) = lines_of(server, text)
    (pid,) = (process.pid for process in server.daemons())
    assert re.fullmatch(
        rf"\[\d{{4}}-\d\d-\d\d [:0-9]{{8}}\.\d{{3}}\] \[error\] \[pid {pid}\] \[[^\]]+\] "
        rf"\[request {request_id}\] {re.escape(text)}",
        line,
    )


def test_what_other_threads_print_carries_no_request(logging_server: tuple[Server, str, bool]) -> None:
    """Background threads, and the script while it loads, have no request."""
    server, _, _ = logging_server
    for text in ("printed by another thread", "printed while loading"):
        (line,) = lines_of(server, text)
        assert "[request" not in line


def test_warnings_are_logged(logging_server: tuple[Server, str, bool]) -> None:
    """`warnings.warn` reaches the log in the request that caused it."""
    server, request_id, _ = logging_server
    wait_for(lambda: re.search(rf"\[request {request_id}\] [^\n]*UserWarning: warned", server.log()), "the warning")


def test_logging_of_the_application(logging_server: tuple[Server, str, bool]) -> None:
    """Unconfigured, warnings and worse have their level in the log; configured by the application, all its format."""
    server, request_id, configured = logging_server
    if configured:
        for text in ("APP WARNING logged a warning", "APP INFO logged an info", "APP ERROR logged an exception"):
            (line,) = lines_of(server, text)
            assert f"[request {request_id}]" in line
    else:
        (line,) = lines_of(server, "logged a warning")
        assert "[warn]" in line
        assert f"[request {request_id}]" in line
        (line,) = lines_of(server, "logged an exception")
        assert "[error]" in line
        assert f"[request {request_id}]" in line
    wait_for(lambda: f"[request {request_id}] ZeroDivisionError: division by zero\n" in server.log(), "the traceback")
    assert server.log().count(f"[request {request_id}] ZeroDivisionError: division by zero") == 1


def test_a_logger_with_its_own_handler_logs_once(logging_server: tuple[Server, str, bool]) -> None:
    """What an application's own handler writes is not written a second time by the server's."""
    server, _, configured = logging_server
    if configured:
        pytest.skip("the application asked for both")
    assert len(lines_of(server, "logged by a handler of its own")) == 1


def test_the_root_logger_has_its_own_level(logging_server: tuple[Server, str, bool]) -> None:
    """The level of the server's own log is not the application's, which is Python's default or what it configured."""
    server, _, configured = logging_server
    assert server.get("/level").text == ("DEBUG" if configured else "WARNING")


# -- --debug


@pytest.fixture(scope="module", params=[True, False], ids=["debug", "production"])
def maybe_debugging(request: pytest.FixtureRequest) -> tuple[list[str], bool]:
    """The option, or not, and which."""
    return (["--debug"], True) if request.param else ([], False)


def test_tracebacks_of_the_application_are_for_developers(maybe_debugging: tuple[list[str], bool]) -> None:
    """With --debug the page shows the traceback, escaped; without it shows nothing of it."""
    options, debug = maybe_debugging
    with serving(APPS / "wsgi_behaviour.wsgi", *options) as server:
        answer = server.get("/raises")
    assert answer.status == 500
    assert ("ValueError: &lt;the reason&gt;" in answer.text) is debug
    assert ("Traceback (most recent call last)" in answer.text) is debug
    assert "<the reason>" not in answer.text


def test_tracebacks_of_loading_are_for_developers(maybe_debugging: tuple[list[str], bool]) -> None:
    """A script that does not load answers 500 and logs why; the page shows why with --debug only."""
    options, debug = maybe_debugging
    with serving(APPS / "wsgi_broken.wsgi", *options) as server:
        answer = server.get("/")
        wait_for(lambda: "RuntimeError: this script is <broken>" in server.log(), "the traceback in the log")
    assert answer.status == 500
    assert ("this script is &lt;broken&gt;" in answer.text) is debug
    assert "<broken>" not in answer.text
