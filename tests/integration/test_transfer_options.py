"""Options of what passes between client, front and daemon process: buffers, time-outs, the backlog."""

import json
import os
import socket
import sys
from pathlib import Path

import psutil
import pytest

from tests.helpers.command import started
from tests.helpers.server import APPS, Server, serving, wait_for

SCRIPT = APPS / "limits.wsgi"
KIB = 1 << 10
MIB = 1 << 20
SLOW_TO_LOAD = """
import os, time
while not os.path.exists({gate!r}):
    time.sleep(0.01)
def application(environ, start_response):
    start_response("200 OK", [])
    return [b"here"]
"""


# -- between front and daemon process


def test_channel_buffers_are_those_given() -> None:
    """--send-buffer-size and --receive-buffer-size; Linux counts twice what it is asked for."""
    with serving(SCRIPT, "--send-buffer-size", "64k", "--receive-buffer-size", "96k") as server:
        assert json.loads(server.get().text)["buffers"] == [2 * 64 * KIB, 2 * 96 * KIB]


def test_the_smallest_channel_buffers_lose_nothing() -> None:
    """Bodies that are much larger than the buffers arrive whole, both ways."""
    with serving(SCRIPT, "--send-buffer-size", "512", "--receive-buffer-size", "512") as server:
        body = bytes(range(256)) * 4096
        answer = server.get("/echo/300000", method="POST", body=body)
        assert answer.status == 200
        assert answer.body == body + b"." * 300000
        assert len(server.get(f"/stream/{MIB}").body) == MIB


@pytest.mark.parametrize(
    ("options", "longest"), [((), 32 * KIB), (("--header-buffer-size", "8k"), 8 * KIB)], ids=["default", "8k"]
)
def test_header_lines_fit_into_their_buffer(options: tuple[str, ...], longest: int) -> None:
    """A response header as long as --header-buffer-size passes, one byte more is a 500 that the log explains."""
    with serving(SCRIPT, *options) as server:
        fits = longest - len("X: ")
        assert server.get(f"/header/{fits}").header("X") == "a" * fits
        assert server.get(f"/header/{fits + 1}").status == 500
        said = f"header X has {longest + 1} bytes, more than --header-buffer-size ({longest}) allows"
        wait_for(lambda: said in server.log(), "the record")


def test_without_a_process_requests_wait_as_long_as_connect_timeout(tmp_path: Path) -> None:
    """A request that finds no daemon process at all gets 503 after --connect-timeout, one that finds one an answer."""
    gate = tmp_path / "open"
    script = tmp_path / "slow.wsgi"
    script.write_text(SLOW_TO_LOAD.format(gate=str(gate)), "utf-8")
    with serving(script, "--connect-timeout", "300ms") as server:
        answer = server.get()
        assert (answer.status, answer.header("Retry-After")) == (503, "1")
        said = "no daemon process for 0.3 s (connect-timeout); 1 requests answered with 503"
        wait_for(lambda: said in server.log(), "the record")
        gate.touch()
        wait_for(lambda: server.get().status == 200, "the process")


# -- between front and client


def spool_files(server: Server) -> list[str]:
    """Return the spool files that the front has open."""
    links = [os.readlink(link) for link in Path(f"/proc/{server.front().pid}/fd").iterdir()]
    return [target for target in links if target.endswith("(deleted)") and "memfd" not in target]


def test_a_body_beyond_its_buffer_goes_to_a_file(tmp_path: Path) -> None:
    """--request-buffer-size: what has come of a larger body is in a file without a name, in --spool-directory."""
    options = ("--request-buffer-size", "1k", "--spool-directory", str(tmp_path))
    with serving(SCRIPT, *options) as server, server.connect() as client:
        client.sendall(b"POST / HTTP/1.1\r\nHost: test\r\nContent-Length: 5000\r\n\r\n" + b"x" * 2000)
        wait_for(lambda: spool_files(server), "the file")
        [file] = spool_files(server)
        assert file.startswith(f"{tmp_path}/")


def test_a_spool_directory_that_takes_no_file_is_told_at_the_start() -> None:
    """Rather than by the first large upload, which gets 503; all else is served."""
    with serving(SCRIPT, "--spool-directory", "/proc") as server:
        assert "cannot create a file in /proc: " in server.log()
        assert server.get("/", method="POST", body=b"x" * 100_000).status == 503
        assert server.get("/").status == 200


def request_without_reading(server: Server, path: str) -> socket.socket:
    """Send a request and read nothing of what comes back; the kernel takes little of it for us."""
    sock = socket.socket()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    sock.connect(("127.0.0.1", server.port))
    sock.sendall(f"GET {path} HTTP/1.1\r\nHost: test\r\n\r\n".encode())
    return sock


@pytest.mark.parametrize(("size", "files"), [("64M", 0), ("64k", 1)])
def test_a_response_beyond_its_buffer_goes_to_a_file(size: str, files: int) -> None:
    """--response-buffer-size: what a slow client has not taken is in memory up to that size, in a file beyond."""
    with (
        serving(SCRIPT, "--response-buffer-size", size) as server,
        request_without_reading(server, f"/stream/{16 * MIB}"),
    ):
        wait_for(lambda: "everything has been taken" in server.log(), "the end of the application's work")
        assert len(spool_files(server)) == files


@pytest.mark.parametrize(
    "options",
    [("--response-socket-timeout", "300ms", "--socket-timeout", "1h"), ("--socket-timeout", "300ms")],
    ids=["its own", "socket-timeout"],
)
def test_a_client_that_reads_nothing_is_cut_off(options: tuple[str, ...]) -> None:
    """--response-socket-timeout goes before --socket-timeout."""
    with serving(SCRIPT, *options) as server, request_without_reading(server, f"/stream/{16 * MIB}"):
        wait_for(lambda: "read nothing of its answer for 0.3 s (response-socket-timeout)" in server.log(), "the cut")


def test_the_backlog_is_the_listeners(tmp_path: Path) -> None:
    """--listen-backlog 3: while nobody accepts, the kernel holds three connections and one more."""
    path = tmp_path / "sock"
    options = ("--listen", f"unix:{path}", "--listen-backlog", "3")
    with started(sys.executable, "-m", "pydaemonwsgi", "serve", str(SCRIPT), *options) as server:
        front = server.front()
        front.suspend()
        wait_for(lambda: front.status() == psutil.STATUS_STOPPED, "the front to stop")
        clients: list[socket.socket] = []
        try:
            while len(clients) < 20:
                sock = socket.socket(socket.AF_UNIX)
                sock.setblocking(False)
                try:
                    sock.connect(str(path))
                except BlockingIOError:
                    sock.close()
                    break
                clients.append(sock)
        finally:
            front.resume()
            for sock in clients:
                sock.close()
        assert len(clients) == 3 + 1
