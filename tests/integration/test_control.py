"""The commands that talk to a running server, and what nobody may do to its control socket."""

import contextlib
import json
import os
import re
import signal
import socket
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from tests.helpers.command import run
from tests.helpers.control import control_socket, done, only_group, order
from tests.helpers.server import APPS, Server, serving, wait_for

GATE = (APPS / "life_gate.py").read_text("utf-8")
BROKEN = "1 / 0\n"


@pytest.fixture
def script(tmp_path: Path) -> Path:
    path = tmp_path / "app.wsgi"
    path.write_text(GATE)
    return path


@contextlib.contextmanager
def held(server: Server, gate: Path) -> Iterator[socket.socket]:
    """Have a request wait in the application until the block ends; its answer can then be read."""
    sock = server.connect()
    sock.sendall(f"GET /gate?{gate} HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n".encode())
    wait_for(lambda: list(gate.parent.glob(f"{gate.name}.entered-*")), "the request to have begun")
    try:
        yield sock
    finally:
        gate.touch()
        sock.close()


def pids(server: Server) -> set[int]:
    return {process.pid for process in server.daemons()}


def test_status_tells_what_runs(script: Path) -> None:
    """Server, front, group and each process, with numbers that are those of the machine."""
    with serving(script, "--processes", "2", "--threads", "3", "--process-group", "shop") as server:
        wait_for(lambda: only_group(server)["state"] == "RUNNING", "both processes")
        for _ in range(3):
            server.get()
        status = done(server, "status")
        [group] = status["groups"]
        assert status["pid"] == server.pid
        assert status["healthy"] is True
        assert status["addresses"] == [f"127.0.0.1:{server.port}"]
        assert status["front"]["pid"] == server.front().pid
        assert status["front"]["report"]["groups"] == {"shop": {"queued": 0, "in_flight": 0, "refused": False}}
        assert (group["name"], group["size"], group["running"], group["threads"]) == ("shop", 2, 2, 3)
        assert group["requests"] == 3
        assert {process["pid"] for process in group["processes"]} == pids(server)
        for process in group["processes"]:
            assert process["state"] == "RUNNING"
            assert 0 <= process["since"] <= process["age"]
            assert process["rss"] > 1_000_000
            used = psutil.Process(process["pid"]).cpu_times()
            assert 0 <= process["cpu_seconds"] <= used.user + used.system
        page = order(server, "status").stdout
        assert f"pid {server.pid}, RUNNING" in page
        assert "shop   RUNNING   2 of 2" in page


def test_ps_tells_each_request_in_flight(script: Path, tmp_path: Path) -> None:
    """A running request with its process, thread, client and URL, and one that waits for a thread."""
    with serving(script, "--threads", "1") as server, held(server, tmp_path / "gate") as first:
        with server.connect() as second:
            second.sendall(b"GET /waits HTTP/1.1\r\nHost: test\r\n\r\n")
            # More than one request may be given to a process that was quick; this one has run nothing before.
            wait_for(lambda: len(done(server, "ps")["requests"]) == 2, "both requests")
            running, waiting = done(server, "ps")["requests"]
            page = order(server, "ps").stdout
        assert running["phase"] == "running"
        assert running["method"] == "GET"
        assert running["url"].startswith("/gate?")
        assert {running["pid"]} == pids(server)
        assert running["thread"] == 1
        assert running["client"] == "{}:{}".format(*first.getsockname())
        assert running["age"] >= waiting["age"] > 0
        assert waiting["phase"] in {"queued", "sent"}
        assert waiting["url"] == "/waits"
        assert page.splitlines()[1].startswith(running["id"])
        assert "GET /waits" in page


def test_reload_wait_returns_when_all_is_new(script: Path) -> None:
    """After it no process is there that was there before, but for those that finish what they have."""
    with serving(script, "--processes", "3") as server:
        wait_for(lambda: only_group(server)["state"] == "RUNNING", "all processes")
        before = pids(server)
        assert order(server, "reload", "--wait").returncode == 0
        serving_now = {process["pid"] for process in only_group(server)["processes"] if process["state"] == "RUNNING"}
        assert len(serving_now) == 3
        assert not serving_now & before


def test_reload_wait_says_that_the_new_code_does_not_load(script: Path) -> None:
    """Status 1, the reason, and the old code serves on."""
    with serving(script, "--disable-reloading") as server:
        before = server.get().text
        script.write_text(BROKEN)
        finished = order(server, "reload", "--wait")
        assert finished.returncode == 1
        assert "does not load" in finished.stderr
        assert "ZeroDivisionError" in finished.stderr
        assert server.get().text == before
        group = only_group(server)
        assert group["replacement"]["progress"] == "failed"
        assert "ZeroDivisionError" in group["last_failure"]["text"]
        assert "the last reload failed" in order(server, "status").stdout


def test_restart_takes_the_name_of_a_group(script: Path) -> None:
    """The group that is named is replaced; a name that there is not is status 2 and says which there are."""
    with serving(script, "--process-group", "shop") as server:
        before = pids(server)
        assert order(server, "restart", "shop", "--wait").returncode == 0
        assert not any(p["pid"] in before and p["state"] == "RUNNING" for p in only_group(server)["processes"])
        finished = order(server, "restart", "shoq")
        assert finished.returncode == 2
        assert "there is no process group 'shoq'; there is shop" in finished.stderr


def test_scale_has_as_many_processes_as_asked_for(script: Path) -> None:
    """Up, down, and not to what cannot be."""
    with serving(script) as server:
        assert done(server, "scale", "app", "3", "--wait") == {"group": "app", "before": 1, "size": 3}
        assert len(pids(server)) == 3
        assert done(server, "scale", "app", "1", "--wait")["before"] == 3
        assert only_group(server)["running"] == 1
        for wrong in (("app", "0"), ("app", "-3"), ("app", "many"), ("app", "5000"), ("app",), ("other", "2")):
            finished = order(server, "scale", *wrong)
            assert finished.returncode == 2, wrong
            assert len(finished.stderr.splitlines()) == 1, finished.stderr
        assert only_group(server)["size"] == 1


def test_ttin_and_ttou_change_the_number_of_processes(script: Path) -> None:
    """One more, one fewer, never fewer than one."""
    with serving(script, "--processes", "2") as server:
        server.process.send_signal(signal.SIGTTIN)
        wait_for(lambda: len(pids(server)) == 3, "a third process")
        for _ in range(4):
            server.process.send_signal(signal.SIGTTOU)
            wait_for(lambda: order(server, "status").returncode == 0, "an answer")
        wait_for(lambda: len(pids(server)) == 1, "one process")
        assert only_group(server)["size"] == 1
        assert server.get().status == 200


def test_a_server_without_a_control_socket_is_left_alone(script: Path, tmp_path: Path) -> None:
    """`--control-socket off`: there is none, and signals do what they do."""
    with serving(script, "--control-socket", "off", env={"RUNTIME_DIRECTORY": str(tmp_path)}) as server:
        assert re.search(r"^  control +none$", server.log(), re.MULTILINE)
        assert not list(tmp_path.rglob("*.sock"))
        os.kill(server.pid, signal.SIGTTIN)
        wait_for(lambda: len(server.daemons()) == 2, "the second process")
        assert "do not work" not in server.log()


def test_stop_wait_returns_when_the_server_has_ended(script: Path, tmp_path: Path) -> None:
    """The requests in flight are answered first."""
    gate = tmp_path / "gate"
    with serving(script) as server, held(server, gate) as sock:
        path = control_socket(server)
        command = [sys.executable, "-m", "pydaemonwsgi", "stop", "--wait", "--control-socket", path]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as stopping:
            wait_for(lambda: "stop: stopping" in server.log(), "the stop to begin")
            assert stopping.poll() is None
            gate.touch()
            assert sock.recv(100).startswith(b"HTTP/1.1 200 ")
            assert stopping.wait(30) == 0
        assert server.process.wait(30) == 0
        assert not os.path.exists(path)
        finished = run("status", "--control-socket", path)
        assert finished.returncode == 1
        assert finished.stderr == f"pydaemonwsgi: no server is running at {path}\n"


def test_dump_tells_where_the_threads_are(script: Path, tmp_path: Path) -> None:
    """The stack of a thread in the application, with the request that it runs."""
    with serving(script, "--processes", "2") as server:
        wait_for(lambda: only_group(server)["state"] == "RUNNING", "both processes")
        with held(server, tmp_path / "gate"):
            [busy] = [process["pid"] for process in only_group(server)["processes"] if process["busy"]]
            everything = order(server, "dump")
            one = order(server, "dump", str(busy))
        assert everything.returncode == 0
        for pid in pids(server):
            assert f"daemon process {pid} of process group app" in everything.stdout
            assert f"thread MainThread (tid {pid}): watches over the others" in everything.stdout
        assert one.stdout.count("daemon process") == 1
        assert str(script) in one.stdout
        assert "GET /gate?" in one.stdout
        assert order(server, "dump", "1").returncode == 2


def test_dump_says_which_process_does_not_answer(script: Path) -> None:
    """One that is stopped is named; the others are told."""
    with serving(script, "--processes", "2") as server:
        wait_for(lambda: only_group(server)["state"] == "RUNNING", "both processes")
        stopped, other = sorted(pids(server))
        os.kill(stopped, signal.SIGSTOP)
        try:
            finished = order(server, "dump")
        finally:
            os.kill(stopped, signal.SIGCONT)
        assert finished.returncode == 1
        assert f"daemon process {other} " in finished.stdout
        assert f"pid {stopped} does not answer: it is stopped by a signal (SIGSTOP); kill -CONT" in finished.stderr
        # Once it is continued, a handler in C does what it was told.
        wait_for(lambda: "Thread 0x" in server.log(), "the stacks in the error log")


@pytest.mark.parametrize("how", ["command", "SIGUSR1"])
def test_logs_are_opened_anew_after_they_were_moved(script: Path, tmp_path: Path, how: str) -> None:
    """Nothing is lost: what came before is in the moved files, what comes after in the new ones, of all processes."""
    error, access = tmp_path / "error.log", tmp_path / "access.log"
    options = ("--error-log", str(error), "--access-log", str(access), "--processes", "2")
    with serving(script, *options) as server:
        server.get("/before")
        wait_for(lambda: "/before" in access.read_text(), "the access record")
        error.rename(tmp_path / "error.log.1")
        access.rename(tmp_path / "access.log.1")
        server.get("/between")
        wait_for(lambda: "/between" in (tmp_path / "access.log.1").read_text(), "the access record")
        if how == "command":
            assert order(server, "reopen-logs").returncode == 0
        else:
            server.process.send_signal(signal.SIGUSR1)
        files = {str(error), str(access)}
        children = [server.front().pid, *pids(server)]
        wait_for(lambda: all(open_at(pid, 2) == str(error) for pid in [server.pid, *children]), "the new error log")
        wait_for(lambda: files <= open_files(server.front().pid), "the new access log")
        server.get("/after")
        wait_for(lambda: "/after" in access.read_text(), "the access record")
        assert "/after" not in (tmp_path / "access.log.1").read_text()
        assert not any(".log.1" in name for pid in [server.pid, *children] for name in open_files(pid))


def open_at(pid: int, descriptor: int) -> str:
    return os.readlink(f"/proc/{pid}/fd/{descriptor}")


def open_files(pid: int) -> set[str]:
    found = set()
    for name in os.listdir(f"/proc/{pid}/fd"):
        with contextlib.suppress(FileNotFoundError):
            found.add(os.readlink(f"/proc/{pid}/fd/{name}"))
    return found


def test_a_log_that_cannot_be_opened_anew_goes_on(script: Path, tmp_path: Path) -> None:
    """The command says so, and the old file is still written to."""
    logs = tmp_path / "logs"
    logs.mkdir()
    with serving(script, "--access-log", str(logs / "access.log")) as server:
        logs.rename(tmp_path / "elsewhere")
        finished = order(server, "reopen-logs")
        assert finished.returncode == 1
        assert f"cannot open the log {logs}/access.log" in finished.stderr
        server.get("/after")
        wait_for(lambda: "/after" in (tmp_path / "elsewhere" / "access.log").read_text(), "the access record")


def test_backoff_is_shown_with_the_time_of_the_next_try(script: Path) -> None:
    """A script that kills its process: BACKOFF, how many failures, when again, what happened; and status 1."""
    with serving(script) as server:
        wait_for(lambda: only_group(server)["state"] == "RUNNING", "the process")
        script.write_text("import os\nos._exit(3)\n")
        server.daemons()[0].kill()
        wait_for(lambda: only_group(server)["failures"] >= 3, "three failures")
        finished = order(server, "status")
        group = only_group(server)
        assert finished.returncode == 1
        assert group["state"] == "BACKOFF"
        assert "exited with status 3" in group["last_failure"]["text"]
        assert "BACKOFF" in finished.stdout
        assert f"last failure of {group['name']}" in finished.stdout
        assert server.get().status == 503
        assert "requests get 503" in order(server, "status").stdout
        script.write_text(GATE)
        wait_for(lambda: only_group(server)["state"] == "RUNNING", "the mended script")
        assert order(server, "status").returncode == 0


def test_fatal_is_left_by_a_reload(script: Path, tmp_path: Path) -> None:
    """A working directory that is gone is not tried for ever; status says what to do, and it helps."""
    directory = tmp_path / "work"
    directory.mkdir()
    with serving(script, "--working-directory", str(directory)) as server:
        wait_for(lambda: only_group(server)["state"] == "RUNNING", "the process")
        directory.rmdir()
        server.daemons()[0].kill()
        wait_for(lambda: only_group(server)["state"] == "FATAL", "the server to give up")
        page = order(server, "status").stdout
        assert "given up: mend the cause, then pydaemonwsgi reload" in page
        answer = server.get()
        assert answer.status == 503
        assert answer.header("Retry-After") is not None
        assert server.daemons() == []
        directory.mkdir()
        assert order(server, "reload", "--wait").returncode == 0
        assert only_group(server)["state"] == "RUNNING"
        assert server.get().status == 200


# -- the socket


def test_two_servers_cannot_have_one_control_socket(script: Path, tmp_path: Path) -> None:
    """The second does not start, and names the first."""
    path = tmp_path / "control"
    with serving(script, "--control-socket", str(path)) as server:
        second = run("serve", str(script), "--port", "0", "--control-socket", str(path))
        assert second.returncode == 1
        assert f"another server, pid {server.pid}, has the control socket {path}; stop it, or" in second.stderr
        assert order(server, "status").returncode == 0


def test_clients_and_commands_cannot_have_one_socket(script: Path, tmp_path: Path) -> None:
    """Both are called app.sock easily; the message says that it is not another server."""
    path = tmp_path / "app.sock"
    result = run("serve", str(script), "--listen", f"unix:{path}", "--control-socket", str(path))
    assert result.returncode == 2
    assert f"--control-socket: {path} is where clients are listened for" in result.stderr


def test_a_killed_servers_control_socket_is_replaced(script: Path, tmp_path: Path) -> None:
    """What SIGKILL leaves behind is in nobody's way."""
    path = str(tmp_path / "control")
    with serving(script, "--control-socket", path) as server:
        children = psutil.Process(server.pid).children()
        server.process.kill()
        server.process.wait()
        assert os.path.exists(path)
        assert run("status", "--control-socket", path).returncode == 1
        psutil.wait_procs(children, timeout=30)
    with serving(script, "--control-socket", path) as server:
        assert order(server, "status").returncode == 0
    assert os.listdir(tmp_path) == ["app.wsgi"]


def test_servers_are_found_by_name(script: Path, tmp_path: Path) -> None:
    """The only one needs no name; of two each has its own, and no name is status 2."""
    env = {"RUNTIME_DIRECTORY": str(tmp_path / "run")}
    with serving(script, env=env, cwd=tmp_path) as first:
        assert stat.S_IMODE((tmp_path / "run").stat().st_mode) == 0o700
        assert stat.S_IMODE(os.stat(control_socket(first)).st_mode) == 0o600
        name = f"app-{first.port}"
        found = run("status", "--json", "--control-socket", name, env=env)
        assert json.loads(found.stdout)["result"]["pid"] == first.pid
        with serving(script, "--control-socket", "staging", env=env, cwd=tmp_path) as second:
            found = run("status", "--json", "--control-socket", "staging", env=env)
            assert json.loads(found.stdout)["result"]["pid"] == second.pid
            nameless = run("status", env=env)
            assert nameless.returncode == 2
            assert name in nameless.stderr
            assert "staging" in nameless.stderr
        unknown = run("status", "--control-socket", "production", env=env)
        assert unknown.returncode == 1
        assert "no server production is running; there is " in unknown.stderr


@pytest.mark.root
@pytest.mark.parametrize("command", [["status"], ["ps"], ["stop", "--wait"], ["scale", "app", "2"], ["dump"]])
def test_a_program_gets_json_whatever_happens(tmp_path: Path, command: list[str]) -> None:
    """With --json also who asks a server that is not there; the status says the same."""
    path = tmp_path / "nobody.sock"
    finished = run(*command, "--json", "--control-socket", str(path))
    said = {"exit": 1, "error": f"no server is running at {path}", "result": {}}
    assert (finished.returncode, json.loads(finished.stdout), finished.stderr) == (1, said, "")


def test_another_user_is_not_obeyed(script: Path, tmp_path: Path) -> None:
    """Even where files would let him: the kernel says who asks."""
    with serving(script, "--control-socket", str(tmp_path / "control")) as server:
        path = tmp_path / "control"
        path.chmod(0o666)
        for directory in (tmp_path, *tmp_path.parents):
            if directory.stat().st_uid == os.geteuid() and directory != Path("/"):
                directory.chmod(directory.stat().st_mode | 0o055)
        asker = (
            "import os, socket, sys; os.setgid(65534); os.setuid(65534)\n"
            "s = socket.socket(socket.AF_UNIX); s.connect(sys.argv[1])\n"
            "print(s.recv(1000).decode())"
        )
        finished = subprocess.run(
            [sys.executable, "-c", asker, str(path)], capture_output=True, text=True, timeout=30, check=False
        )
        assert "uid 65534 is not allowed to control this server" in finished.stdout, finished.stderr
        assert "is not allowed to ask" in server.log()
        assert server.get().status == 200


def test_bad_clients_do_not_hold_the_supervisor_up(script: Path) -> None:
    """Silent, slow, long, senseless and many: others are answered, and the server does its work."""
    with serving(script) as server:
        path = control_socket(server)
        before = open_files(server.pid)
        clients = [socket.socket(socket.AF_UNIX) for _ in range(100)]
        for number, client in enumerate(clients):
            client.settimeout(30)
            client.connect(path)
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                client.sendall((b"", b"{", b"\xff\0\n", b"[" * 100_000, b'{"command": "status"}\n')[number % 5])
        assert order(server, "status").returncode == 0
        os.kill(server.daemons()[0].pid, signal.SIGKILL)
        wait_for(lambda: only_group(server)["state"] == "RUNNING", "the successor")
        assert server.get().status == 200
        for client in clients:
            client.close()
        wait_for(lambda: len(open_files(server.pid)) <= len(before) + 1, "the connections to be given up")


@pytest.mark.parametrize(
    ("line", "error"),
    [
        pytest.param(b"nonsense\n", "not a JSON object on one line", id="no-json"),
        pytest.param(b"[1]\n", "not a JSON object", id="a-list"),
        pytest.param(b'{"command": "format"}\n', 'no command "format"; there are status, ps', id="unknown"),
        pytest.param(b'{"command": "scale", "group": "app"}\n', "scale needs size", id="field-missing"),
        pytest.param(b'{"command": "stop", "now": true}\n', 'stop knows no "now"', id="field-unknown"),
        pytest.param(b"x" * 5000, "a request has at most 4096 bytes", id="too-long"),
    ],
)
def test_a_senseless_request_is_told_why(script: Path, line: bytes, error: str) -> None:
    """Whoever speaks the protocol by hand is told what is wrong with it."""
    with serving(script) as server, socket.socket(socket.AF_UNIX) as sock:
        sock.settimeout(30)
        sock.connect(control_socket(server))
        sock.sendall(line)
        answer = json.loads(sock.makefile("rb").readline())
        assert answer["exit"] == 2
        assert error in answer["error"]
