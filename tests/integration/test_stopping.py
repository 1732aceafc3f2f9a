"""How a server ends: what runs is finished, what idles is closed, nothing stays behind."""

import os
import signal
import socket
import subprocess
import sys
import threading
from pathlib import Path

import psutil
import pytest

from pydaemonwsgi.system.writing import write_within
from tests.helpers.command import started
from tests.helpers.server import APPS, PATIENCE, Answer, Server, read_all, serving, wait_for
from tests.helpers.site import free_port

SCRIPT = APPS / "life_gate.py"


class Request:
    """A request that waits in the application until the gate is opened."""

    def __init__(self, server: Server, gate: Path) -> None:
        self._gate = gate
        self._data = b""
        self._thread = threading.Thread(target=self._run, args=(server,), daemon=True)
        self._thread.start()
        wait_for(lambda: list(gate.parent.glob(f"{gate.name}.entered-*")), "the request to be running")

    def _run(self, server: Server) -> None:
        self._data = server.exchange(f"GET /gate?{self._gate} HTTP/1.1\r\nHost: test\r\n\r\n".encode())

    def answer(self) -> Answer:
        """Return the answer, or an empty one with status 0, as soon as the connection has ended."""
        self._thread.join(30)
        assert not self._thread.is_alive()
        return Answer(self._data)


def family(server: Server) -> list[psutil.Process]:
    return [psutil.Process(server.pid), *psutil.Process(server.pid).children(recursive=True)]


def assert_all_gone(processes: list[psutil.Process]) -> None:
    wait_for(lambda: not any(process.is_running() for process in processes), "every process to end")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=lambda number: number.name)
def test_a_request_in_flight_is_finished(tmp_path: Path, number: signal.Signals) -> None:
    """A running request is answered whole, newcomers are refused, and the exit status is 0."""
    with serving(SCRIPT, "--processes", "2") as server:
        processes = family(server)
        request = Request(server, tmp_path / "gate")
        os.kill(server.pid, number)
        wait_for(lambda: f"{number.name}: stopping" in server.log(), "the stop to begin")
        wait_for(lambda: not accepts(server), "the listener to be closed")
        assert server.process.poll() is None
        (tmp_path / "gate").touch()
        answer = request.answer()
        assert (answer.status, answer.text.split()[0]) == (200, "one")
        assert answer.header("Connection") == "close"
        assert server.process.wait(30) == 0
        assert_all_gone(processes)


def accepts(server: Server) -> bool:
    try:
        with socket.create_connection(("127.0.0.1", server.port), timeout=30):
            return True
    except OSError:
        return False


def test_a_second_interrupt_ends_at_once(tmp_path: Path) -> None:
    """Ctrl-C twice cuts what runs, leaves no process and exits with 130."""
    with serving(SCRIPT, "--processes", "2", "--graceful-timeout", "0") as server:
        processes = family(server)
        request = Request(server, tmp_path / "gate")
        os.kill(server.pid, signal.SIGINT)
        wait_for(lambda: "SIGINT: stopping" in server.log(), "the stop to begin")
        os.kill(server.pid, signal.SIGINT)
        assert server.process.wait(30) == 130
        # 502 where the front still saw the daemon process die; never the answer.
        assert request.answer().status in {0, 502}
        assert_all_gone(processes)
        assert "interrupted again: ending at once" in server.log()


def test_a_second_sigterm_is_patient(tmp_path: Path) -> None:
    """A service manager that repeats itself costs no request."""
    with serving(SCRIPT) as server:
        request = Request(server, tmp_path / "gate")
        os.kill(server.pid, signal.SIGTERM)
        wait_for(lambda: "SIGTERM: stopping" in server.log(), "the stop to begin")
        os.kill(server.pid, signal.SIGTERM)
        os.kill(server.pid, signal.SIGHUP)
        (tmp_path / "gate").touch()
        assert request.answer().status == 200
        assert server.process.wait(30) == 0


def test_the_graceful_timeout_cuts_what_still_runs(tmp_path: Path) -> None:
    """A request that outlasts --graceful-timeout is cut without an answer, and the server is gone all the same."""
    with serving(SCRIPT, "--graceful-timeout", "500ms", "--shutdown-timeout", "500ms") as server:
        processes = family(server)
        request = Request(server, tmp_path / "gate")
        assert server.stop() == 0
        assert request.answer().status == 0
        assert_all_gone(processes)
        assert "requests in flight get 0.5 s" in server.log()
        assert "1 requests were not answered in time; their clients are cut off" in server.log()


def test_idle_connections_are_closed() -> None:
    """A kept connection and one that has never asked see the end of the stream, not an error."""
    with serving(SCRIPT) as server, server.connect() as kept, server.connect() as fresh:
        kept.sendall(b"GET / HTTP/1.1\r\nHost: test\r\n\r\n")
        assert kept.recv(65536).startswith(b"HTTP/1.1 200 ")
        assert server.stop() == 0
        assert kept.recv(1) == b""
        assert fresh.recv(1) == b""


@pytest.mark.parametrize("room", [1, 100], ids=["full", "busy"])
def test_who_waits_in_the_backlog_is_answered(tmp_path: Path, room: int) -> None:
    """The kernel has told them that we are there; a front that has no room, or no time, has not accepted them yet."""
    gate = tmp_path / "gate"
    with serving(SCRIPT, "--maximum-connections", str(room)) as server:
        request = Request(server, gate)
        front = server.front()
        front.suspend()
        try:
            waiting = [server.connect() for _ in range(5)]
            for sock in waiting:
                sock.sendall(b"GET / HTTP/1.1\r\nHost: test\r\n\r\n")
            os.kill(server.pid, signal.SIGTERM)
            wait_for(lambda: "SIGTERM: stopping" in server.log(), "the stop to begin")
        finally:
            front.resume()
        for sock in waiting:
            with sock:
                assert Answer(read_all(sock)).status == 200
        gate.touch()
        assert request.answer().status == 200
        assert server.process.wait(30) == 0


def test_a_request_that_is_being_sent_is_answered() -> None:
    """A client that has begun its head before the stop may finish it."""
    with serving(SCRIPT) as server, server.connect() as sock:
        sock.sendall(b"GET / HTTP/1.1\r\nHost: te")
        # The front has read that much once it has answered somebody who came later.
        assert server.get().status == 200
        os.kill(server.pid, signal.SIGTERM)
        wait_for(lambda: "SIGTERM: stopping" in server.log(), "the stop to begin")
        wait_for(lambda: not accepts(server), "the listener to be closed")
        sock.sendall(b"st\r\n\r\n")
        assert Answer(read_all(sock)).status == 200
        assert server.process.wait(30) == 0


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=lambda number: number.name)
def test_the_socket_file_is_removed(tmp_path: Path, number: signal.Signals) -> None:
    """After a stop the Unix socket's name is free."""
    path = tmp_path / "site.sock"
    command = (sys.executable, "-m", "pydaemonwsgi", "serve", str(SCRIPT), "--listen", f"unix:{path}")
    with started(*command) as server:
        assert path.is_socket()
        assert server.stop(number) == 0
    assert not path.exists()


def test_an_application_that_ignores_its_end_is_killed(tmp_path: Path) -> None:
    """A process whose threads and exit functions never end is gone after --shutdown-timeout."""
    script = tmp_path / "site.wsgi"
    script.write_text(
        "import atexit, threading\natexit.register(threading.Event().wait)\n" + SCRIPT.read_text("utf-8"),
        "utf-8",
    )
    with serving(script, "--shutdown-timeout", "500ms") as server:
        assert server.get().status == 200
        processes = family(server)
        assert server.stop() == 0
        assert_all_gone(processes)


def test_a_reader_of_the_error_log_that_has_stopped_stops_nothing(tmp_path: Path) -> None:
    """A pager, a container's runtime: processes are replaced, requests that log are answered, SIGTERM ends it."""
    script = tmp_path / "site.wsgi"
    script.write_text(
        "def application(environ, start_response):\n"
        "    print('a line for the log', file=environ['wsgi.errors'])\n"
        "    start_response('200 OK', [])\n"
        "    return [b'yes']\n"
    )
    reading, writing = os.pipe()
    port = free_port()
    command = (sys.executable, "-m", "pydaemonwsgi", "serve", str(script), "--port", str(port), "--processes", "1")
    with subprocess.Popen([*command, "--control-socket", "off"], stderr=writing, stdout=subprocess.DEVNULL) as process:
        try:

            def ask() -> bytes:
                with socket.create_connection(("127.0.0.1", port), PATIENCE) as sock:
                    sock.sendall(b"GET / HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n")
                    return Answer(read_all(sock)).body

            def daemons() -> set[int]:
                children = psutil.Process(process.pid).children()
                return {child.pid for child in children if child.name().startswith("(wsgi:")}

            def answers() -> bool:
                try:
                    return ask() == b"yes"
                except ConnectionRefusedError:
                    return False

            wait_for(answers, "the server")
            while write_within(writing, b"x" * 4096, 0.0):
                pass
            before = daemons()
            os.kill(next(iter(before)), signal.SIGKILL)
            wait_for(lambda: daemons() and not daemons() & before, "a new daemon process")
            assert ask() == b"yes"
            process.terminate()
            assert process.wait(PATIENCE) == 0
        finally:
            process.kill()
    os.close(reading)
    os.close(writing)
