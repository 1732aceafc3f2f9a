"""What clients may send, and in what time: each option of the front, felt by a client."""

import contextlib
import socket
import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.helpers.server import APPS, Answer, Server, read_all, serving, wait_for

SCRIPT = APPS / "limits.wsgi"
# Seconds; longer than any time-out that is given here, shorter than those that are not.
SOON = 8.0
HEAD = b"GET / HTTP/1.1\r\nHost: test\r\nConnection: close\r\n"


@pytest.mark.parametrize(
    ("option", "fits", "exceeds", "status"),
    [
        (
            ("--limit-request-line", "32"),
            b"GET /?aaaaaaaaaaaaaaaaa HTTP/1.1",
            b"GET /?aaaaaaaaaaaaaaaaaa HTTP/1.1",
            414,
        ),
        (("--limit-request-field-size", "32"), b"X: " + b"a" * 29, b"X: " + b"a" * 30, 431),
        (("--limit-request-fields", "3"), b"X: a", b"X: a\r\nY: a", 431),
        (("--limit-request-head", "100"), b"X: a", b"X: " + b"a" * 60, 431),
    ],
    ids=["line", "field-size", "fields", "head"],
)
def test_a_head_within_its_limit_passes(option: tuple[str, str], fits: bytes, exceeds: bytes, status: int) -> None:
    """What is one more than may be is refused."""
    with serving(SCRIPT, *option) as server:
        for sent, expected in ((fits, 200), (exceeds, status)):
            line, more = (sent, b"") if sent.startswith(b"GET") else (b"GET / HTTP/1.1", sent + b"\r\n")
            head = line + b"\r\nHost: test\r\nConnection: close\r\n" + more + b"\r\n"
            assert Answer(server.exchange(head)).status == expected


@contextlib.contextmanager
def slow(server: Server, begun: bytes) -> Iterator[socket.socket]:
    """A client that has sent the beginning of a request."""
    with server.connect() as sock:
        sock.settimeout(SOON)
        sock.sendall(begun)
        yield sock


def post(length: int, body: bytes) -> bytes:
    """Return a request whose body has only begun."""
    return b"POST /echo/0 HTTP/1.1\r\nHost: test\r\nConnection: close\r\nContent-Length: %d\r\n\r\n" % length + body


@pytest.mark.parametrize(
    ("options", "begun"),
    [
        (("--header-timeout", "300ms"), HEAD[:20]),
        (("--header-timeout", "300ms", "--header-min-rate", "1", "--header-max-timeout", "600ms"), HEAD),
        (("--body-timeout", "300ms"), post(30, b"a")),
        (("--body-timeout", "300ms", "--body-min-rate", "1", "--body-max-timeout", "600ms"), post(30, b"a" * 20)),
    ],
    ids=["header", "header-max", "body", "body-max"],
)
def test_what_does_not_arrive_in_time_is_a_408(options: tuple[str, ...], begun: bytes) -> None:
    """And the connection is closed."""
    with serving(SCRIPT, *options) as server, slow(server, begun) as client:
        assert Answer(read_all(client)).status == 408


@pytest.mark.parametrize(
    ("part", "begun", "rest"),
    [
        ("header", HEAD + b"X: " + b"a" * 100, b"\r\n\r\n"),
        ("body", post(101, b"a" * 100), b"a"),
    ],
    ids=["header", "body"],
)
def test_bytes_that_arrive_buy_time(part: str, begun: bytes, rest: bytes) -> None:
    """By --header-min-rate and --body-min-rate: at 10 bytes per second a hundred last until two others are late."""
    few = HEAD[:1] if part == "header" else post(30, b"")
    with (
        serving(SCRIPT, f"--{part}-timeout", "300ms", f"--{part}-min-rate", "10") as server,
        slow(server, begun) as patient,
    ):
        for _ in range(2):
            with slow(server, few) as late:
                assert Answer(read_all(late)).status == 408
        patient.sendall(rest)
        assert Answer(read_all(patient)).status == 200


def test_a_head_that_is_refused_is_logged_with_its_first_line(tmp_path: Path) -> None:
    """Who watches the access log for attacks sees them, escaped; also what never came whole."""
    log = tmp_path / "access.log"
    with serving(SCRIPT, "--access-log", str(log), "--header-timeout", "0.3", "--header-min-rate", "0") as server:
        server.exchange(b"GET /%2e%2e/%2e%2e/etc/passwd HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n")
        server.exchange(b'GET /\x1b[2J" HTTP/1.1\r\nHost: a\r\n\r\n')
        server.exchange(b"GET /slow HTTP/1.1\r\nHost: ", half_close=False)
        wait_for(lambda: log.read_text().count("\n") == 3, "the records")
    lines = [line.partition('] "')[2] for line in log.read_text().splitlines()]
    assert [line[: line.rindex('"')] for line in lines] == [
        "GET /%2e%2e/%2e%2e/etc/passwd HTTP/1.1",
        'GET /\\x1b[2J\\" HTTP/1.1',
        "GET /slow HTTP/1.1",
    ]
    assert [line.split()[-2] for line in lines] == ["400", "400", "408"]


def test_who_speaks_another_protocol_is_told_which() -> None:
    """TLS and the PROXY protocol are mistakes of somebody's configuration: the log says whose."""
    context = ssl.create_default_context()
    with serving(SCRIPT) as server:
        with server.connect() as sock, pytest.raises(ssl.SSLError):
            context.wrap_socket(sock, server_hostname="site.test")
        for preface in (b"PROXY TCP4 192.0.2.1 192.0.2.2 1 80\r\n", b"\r\n\r\n\0\r\nQUIT\n!\x11\0\x0c" + bytes(12)):
            assert Answer(server.exchange(preface + HEAD + b"\r\n")).status == 400
        refusals = [line.partition(" with ")[2] for line in server.log().splitlines() if " refused " in line]
    assert [refusal.partition(";")[0] for refusal in refusals] == [
        "400: TLS (https://) was spoken on a port that speaks plain HTTP",
        *["400: the PROXY protocol was spoken, which is not understood"] * 2,
    ]
