"""Processes that have no descriptor left: what needs one fails, and nothing else does."""

import concurrent.futures
import contextlib
import socket
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.helpers.exhaustion import exhausted
from tests.helpers.server import APPS, PATIENCE, Server, serving, wait_for
from tests.helpers.site import serving_site

SCRIPT = APPS / "fault_descriptors.wsgi"
FILES = """
Alias /files {site}/files
<Directory {site}>
    Require all granted
</Directory>
"""


@pytest.fixture
def server() -> Iterator[Server]:
    """A server with one process."""
    with serving(SCRIPT, "--processes", "1", "--threads", "5") as running:
        yield running


@contextlib.contextmanager
def running(server: Server, gate: Path) -> Iterator["concurrent.futures.Future[int]"]:
    """Have a request run for the length of a `with` block; yields its status."""
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        future = pool.submit(lambda: server.get(f"/wait?{gate}").status)
        wait_for(gate.with_suffix(".entered").exists, "the request to run")
        yield future
        gate.touch()
        future.result(PATIENCE)


def test_answer_that_a_front_cannot_take_costs_only_itself(server: Server, tmp_path: Path) -> None:
    """An answer whose descriptor the front has no room for is cut off; the process and its other requests go on."""
    with running(server, tmp_path / "gate") as other:
        pids = {process.pid for process in server.daemons()}
        with server.connect() as client:
            wait_for(lambda: server.get().status == 200, "all connections to be accepted")
            client.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
            assert client.recv(1000).startswith(b"HTTP/1.1 200")
            with exhausted(server.front().pid):
                client.sendall(b"GET /large HTTP/1.1\r\nHost: x\r\n\r\n")
                received = b""
                while data := client.recv(65536):
                    received += data
        assert len(received) < 600_000
        assert server.get("/large").status == 200
    assert other.result() == 200
    assert {process.pid for process in server.daemons()} == pids


def test_body_that_a_daemon_process_cannot_take_costs_only_its_request(server: Server, tmp_path: Path) -> None:
    """A spooled body that the process has no descriptor for is answered with 500; the process goes on."""
    with running(server, tmp_path / "gate") as other:
        pids = {process.pid for process in server.daemons()}
        assert server.get("/exhaust").status == 200
        assert server.get("/read", method="POST", body=b"x" * 200_000).status == 500
        assert server.get("/recover").status == 200
        assert server.get("/read", method="POST", body=b"x" * 200_000).body == b"200000\n"
    assert other.result() == 200
    assert {process.pid for process in server.daemons()} == pids


def test_successor_is_connected_with_a_front_that_is_out_of_descriptors(server: Server) -> None:
    """A front without descriptors takes up a new process all the same, and gives requests to it."""
    with server.connect() as client:
        client.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        assert client.recv(1000).startswith(b"HTTP/1.1 200")
        with exhausted(server.front().pid):
            for _ in range(3):
                old = server.daemons()[0]
                old.kill()
                wait_for(lambda old=old: not old.is_running() or old.status() == "zombie", "the end")  # type: ignore[misc]
                client.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
                assert client.recv(1000).startswith(b"HTTP/1.1 200")
    assert "out of descriptors" not in server.log()


def test_files_that_a_front_cannot_open_are_not_forbidden_but_may_be_had_later(tmp_path: Path) -> None:
    """Each of many slow clients has a file open, until there is no descriptor: 503 with Retry-After."""
    python = tmp_path / "python"
    python.write_text(f'#!/bin/sh\nulimit -n 64\nexec {sys.executable} "$@"\n', "ascii")
    python.chmod(0o755)
    with (
        serving_site(FILES, {"files/large.bin": bytes(32 * 1024 * 1024)}, python=str(python)) as site,
        contextlib.ExitStack() as clients,
    ):
        heads = []
        for _ in range(30):
            client = clients.enter_context(site.connect())
            client.sendall(b"GET /files/large.bin HTTP/1.1\r\nHost: x\r\n\r\n")
            heads.append(client.recv(1000).partition(b"\r\n\r\n")[0])
            if not heads[-1].startswith(b"HTTP/1.1 200 "):
                break
        assert heads[-1].startswith(b"HTTP/1.1 503 ")
        assert b"\r\nRetry-After: 1" in heads[-1]


def test_front_says_now_and_then_that_it_cannot_accept(server: Server) -> None:
    """Clients that leave while descriptors are short do not each lead to an attempt and a line in the log."""
    clients = [server.connect() for _ in range(20)]
    for client in clients:
        client.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        assert client.recv(1000).startswith(b"HTTP/1.1 200")
    front = server.front()
    with exhausted(front.pid):
        late = [server.connect() for _ in range(25)]
        wait_for(lambda: "cannot accept" in server.log(), "the first line")
        for client in clients:
            client.shutdown(socket.SHUT_WR)
            assert not client.recv(1000)  # the front has closed its end
            client.close()
    assert server.log().count("cannot accept") < 10
    for client in late:
        client.close()
