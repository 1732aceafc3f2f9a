"""What a service manager hears from the server and gives to it; `helpers.service_manager` plays systemd."""

import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

from tests.helpers.command import run, started
from tests.helpers.public import Public
from tests.helpers.server import APPS, PATIENCE, Answer, Server, read_all, serving, wait_for
from tests.helpers.service_manager import ServiceManager, managing, passing
from tests.helpers.site import free_port

SCRIPT = APPS / "life_report.py"
REQUEST = b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"


@pytest.fixture
def manager() -> Iterator[ServiceManager]:
    """A service manager."""
    with managing() as running:
        yield running


class Activated(Server):
    """A server that is given descriptors."""

    def __init__(self, descriptors: Sequence[int], names: str, *options: str, env: dict[str, str]) -> None:
        self._log = tempfile.NamedTemporaryFile(prefix="pydaemonwsgi-test-", suffix=".log")  # noqa: SIM115
        command = passing(descriptors, names, "-m", "pydaemonwsgi", "serve", str(SCRIPT), *options)
        self.process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=self._log,
            stderr=subprocess.STDOUT,
            env={**os.environ, **env},
            pass_fds=descriptors,
        )
        self.pid = self.process.pid
        self.port = 0


@contextmanager
def activated(
    descriptors: Sequence[int], names: str, *options: str, env: dict[str, str] | None = None
) -> Iterator[Activated]:
    """Run a server with descriptors for the length of a `with` block."""
    server = Activated(descriptors, names, *options, env=env or {})
    try:
        server.wait_until_serving()
        yield server
    except BaseException:
        print(server.log())
        raise
    finally:
        server.close()


def bound() -> socket.socket:
    """Return a new listening socket."""
    return socket.create_server(("127.0.0.1", 0))


def ask(address: tuple[str, int]) -> Answer:
    """Make one request."""
    with socket.create_connection(address, timeout=PATIENCE) as client:
        client.sendall(REQUEST)
        return Answer(read_all(client))


# -- what it hears


@pytest.mark.parametrize("abstract", [False, True])
def test_life_of_a_service_is_told(*, abstract: bool) -> None:
    """READY once it serves, RELOADING with its time and READY again at SIGHUP, STOPPING at the end."""
    with managing(abstract=abstract) as manager:
        with serving(SCRIPT, env={"NOTIFY_SOCKET": manager.address}) as server:
            manager.wait_for("READY=1")
            assert server.get().status == 200
            server.process.send_signal(signal.SIGHUP)
            manager.wait_for("READY=1", 2)
            server.stop()
        words = [
            line for _, lines in manager.messages for line in lines if line.endswith("=1") and "FDSTORE" not in line
        ]
        assert words == ["READY=1", "RELOADING=1", "READY=1", "STOPPING=1"]
        assert int(manager.lines("MONOTONIC_USEC=")[0].partition("=")[2]) > 0
        assert "STATUS=stopping: SIGTERM" in manager.lines("STATUS=")


def test_reload_that_fails_is_told(manager: ServiceManager, tmp_path: Path) -> None:
    """The reload ends, and the status says why it came to nothing."""
    script = tmp_path / "app.wsgi"
    script.write_text("def application(environ, start_response):\n    start_response('200 OK', [])\n    return []\n")
    with serving(script, "--disable-reloading", env={"NOTIFY_SOCKET": manager.address}) as server:
        manager.wait_for("READY=1")
        script.write_text("raise RuntimeError('not yet')\n")
        server.process.send_signal(signal.SIGHUP)
        manager.wait_for("READY=1", 2)
        wait_for(lambda: any("reload failed" in line for line in manager.lines("STATUS=")), "the status")
        assert server.get().status == 200


def test_status_says_how_busy_the_server_is(manager: ServiceManager) -> None:
    """Threads, queue, clients and requests, without being asked."""
    env = {"NOTIFY_SOCKET": manager.address, "WATCHDOG_USEC": "400000"}
    with serving(SCRIPT, "--processes", "1", "--threads", "3", env=env) as server:
        manager.wait_for("READY=1")
        assert server.get().status == 200
        figures = "STATUS=0 of 3 threads busy, 0 requests queued, 0 clients, 1 requests served"
        wait_for(lambda: figures in manager.lines("STATUS="), figures)


@pytest.mark.parametrize("who", ["front", "supervisor"])
def test_watchdog_is_fed_only_while_front_and_supervisor_run(manager: ServiceManager, who: str) -> None:
    """A front whose loop does not answer is noticed, as is a supervisor."""
    env = {"NOTIFY_SOCKET": manager.address, "WATCHDOG_USEC": "200000"}
    with serving(SCRIPT, env=env) as server:
        manager.wait_for("WATCHDOG=1", 3)
        stopped = server.front() if who == "front" else psutil.Process(server.pid)
        stopped.suspend()
        try:
            # It may be fed once more by an answer that had come already; then never again.
            fed = -1
            while fed != len(manager.lines("WATCHDOG=1")):
                fed = len(manager.lines("WATCHDOG=1"))
                time.sleep(1.0)  # something must not happen, for five intervals
        finally:
            stopped.resume()
        manager.wait_for("WATCHDOG=1", fed + 3)
        assert server.get().status == 200


def test_application_cannot_speak_for_the_service(manager: ServiceManager, tmp_path: Path) -> None:
    """The variables that lead to the service manager are not in its environment."""
    script = tmp_path / "app.wsgi"
    script.write_text(
        "import os\n"
        "def application(environ, start_response):\n"
        "    start_response('200 OK', [])\n"
        "    return [repr([n for n in os.environ if n.startswith(('NOTIFY', 'WATCHDOG', 'LISTEN_'))]).encode()]\n"
    )
    env = {"NOTIFY_SOCKET": manager.address, "WATCHDOG_USEC": "5000000"}
    with serving(script, env=env) as server:
        assert server.get().text == "[]"


def test_server_without_a_service_manager_says_nothing() -> None:
    """Not even to an address that is none."""
    with serving(SCRIPT, env={"NOTIFY_SOCKET": "nonsense"}) as server:
        assert server.get().status == 200


# -- what it gives


def test_passed_socket_is_served_when_nothing_is_said_of_listening() -> None:
    """Socket activation: the `.socket` unit says where."""
    with bound() as listener, activated([listener.fileno()], "http") as server:
        assert ask(listener.getsockname()).status == 200
        assert f":{listener.getsockname()[1]}/" in server.log()


def test_passed_socket_is_matched_with_listen() -> None:
    """What --listen names and the `.socket` unit has is not bound again; the rest is."""
    with bound() as listener:
        host, port = listener.getsockname()
        options = ("--listen", f"{host}:{port}", "--listen", "127.0.0.1:0")
        with activated([listener.fileno()], "http", *options) as server:
            assert ask((host, port)).status == 200
            assert server.log().count("listening on") == 2


def test_passed_socket_that_listen_does_not_name_is_an_error() -> None:
    """Its clients would wait for ever."""
    with bound() as listener:
        command = passing([listener.fileno()], "http", "-m", "pydaemonwsgi", "serve", str(SCRIPT), "--port", "1")
        result = subprocess.run(command, capture_output=True, text=True, check=False, pass_fds=[listener.fileno()])
        assert result.returncode == 1
        assert "which no --listen names; name it, or leave it out of the .socket unit" in result.stderr


def test_passed_unix_socket_is_not_removed(tmp_path: Path) -> None:
    """It is the `.socket` unit's."""
    path = tmp_path / "app.sock"
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen()
        with activated([listener.fileno()], "http") as server:
            wait_for(lambda: f"unix:{path}" in server.log(), "the banner")
            server.stop()
    assert path.exists()


def test_clients_of_a_passed_socket_are_handed_over_when_the_server_stops() -> None:
    """The `.socket` unit goes on listening: who waits there is not refused, and an idle client may ask once more."""
    with bound() as listener, activated([listener.fileno()], "http") as server:
        with socket.create_connection(listener.getsockname(), timeout=PATIENCE) as idle:
            idle.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
            assert idle.recv(65536)
            server.process.send_signal(signal.SIGTERM)
            wait_for(lambda: "stopping" in server.log(), "the stop")
            idle.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
            answer = Answer(read_all(idle))
            assert answer.status == 200
            assert answer.header("Connection") == "close"
        with socket.create_connection(listener.getsockname(), timeout=PATIENCE) as late:
            late.sendall(REQUEST)
            assert server.process.wait(PATIENCE) == 0
            with activated([listener.fileno()], "http"):
                assert Answer(read_all(late)).status == 200


def test_descriptors_for_another_process_are_left_alone() -> None:
    """LISTEN_PID is not ours: an environment that was passed on by mistake."""
    result = run("serve", "/nonexistent.wsgi", env={"LISTEN_PID": "1", "LISTEN_FDS": "3"})
    assert "LISTEN_FDS" not in result.stderr


@pytest.mark.parametrize("kind", ["tcp", "unix"])
def test_restart_with_stored_sockets_refuses_nobody(manager: ServiceManager, tmp_path: Path, kind: str) -> None:
    """Who connects while no server runs waits for the next one: the service manager keeps the sockets."""
    path = tmp_path / "app.sock"
    env = {"NOTIFY_SOCKET": manager.address}
    listen = f"unix:{path}" if kind == "unix" else "127.0.0.1:0"
    with serving_listen(listen, env) as server:
        manager.wait_for("FDSTORE=1")
        assert set(manager.lines("FDNAME=")) == {"FDNAME=pydaemonwsgi"}
        address = str(path) if kind == "unix" else ("127.0.0.1", server.port)
        server.stop()
    family = socket.AF_UNIX if kind == "unix" else socket.AF_INET
    with socket.socket(family) as client:
        client.settimeout(PATIENCE)
        client.connect(address)
        client.sendall(REQUEST)
        options = ("--listen", listen if kind == "unix" else f"127.0.0.1:{server.port}")
        with activated(manager.stored, "pydaemonwsgi", *options, env=env):
            assert Answer(read_all(client)).status == 200


def test_stored_sockets_follow_the_configuration(manager: ServiceManager, public: Public) -> None:
    """Or an address that is not listened on any more would go on to take clients, whom nobody answers."""
    configuration = public.directory / "stored.conf"
    first, second, third = (free_port() for _ in range(3))

    def write(*ports: int) -> None:
        lines = [f"Listen 127.0.0.1:{port}" for port in ports]
        user = ["User nobody"] if os.geteuid() == 0 else []
        alias = [f"WSGIDaemonProcess app\nWSGIScriptAlias / {public.script} process-group=app"]
        configuration.write_text("\n".join([*lines, *user, *alias]) + "\n")

    def ports() -> set[int]:
        found = set()
        for descriptor in manager.stored:
            with socket.socket(fileno=os.dup(descriptor)) as sock:
                found.add(sock.getsockname()[1])
        return found

    write(first, second)
    command = [public.python, "-m", "pydaemonwsgi", "serve", "--config", str(configuration)]
    with started(*command, env={**public.env, "NOTIFY_SOCKET": manager.address}) as server:
        manager.wait_for("READY=1")
        assert ports() == {first, second}
        write(second, third)
        server.process.send_signal(signal.SIGHUP)
        manager.wait_for("READY=1", 2)
        assert ports() == {second, third}
        assert ask(("127.0.0.1", third)).status == 200
        with pytest.raises(ConnectionRefusedError):
            ask(("127.0.0.1", first))
        # Without news of listeners the store stays as it is.
        server.process.send_signal(signal.SIGHUP)
        manager.wait_for("READY=1", 3)
        assert len(manager.lines("FDSTOREREMOVE=1")) == 2  # at the start, and when they have changed


def test_stored_socket_of_an_address_that_is_not_wanted_any_more_is_given_up(manager: ServiceManager) -> None:
    """The options have been changed since."""
    with bound() as listener:
        env = {"NOTIFY_SOCKET": manager.address}
        with activated([listener.fileno()], "pydaemonwsgi", "--listen", "127.0.0.2:0", env=env) as server:
            assert "http://127.0.0.2:" in server.log()
            assert server.port != listener.getsockname()[1]
            assert ask(("127.0.0.2", server.port)).status == 200


@contextmanager
def serving_listen(listen: str, env: dict[str, str]) -> Iterator[Server]:
    """Run a server on one address."""
    server = Server.__new__(Server)
    server._log = tempfile.NamedTemporaryFile(prefix="pydaemonwsgi-test-", suffix=".log")  # noqa: SIM115
    server.process = subprocess.Popen(
        [sys.executable, "-m", "pydaemonwsgi", "serve", str(SCRIPT), "--listen", listen],
        stdin=subprocess.DEVNULL,
        stdout=server._log,
        stderr=subprocess.STDOUT,
        env={**os.environ, **env},
    )
    server.pid = server.process.pid
    server.port = 0
    try:
        server.wait_until_serving()
        yield server
    finally:
        server.close()
