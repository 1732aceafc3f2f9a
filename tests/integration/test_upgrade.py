"""SIGUSR2: a supervisor from the installed code takes over, or nothing happens."""

import contextlib
import os
import signal
import socket
import sys
from pathlib import Path

import psutil
from benchmarks.soak.load import Load
from benchmarks.soak.schedule import SCENARIOS
from benchmarks.soak.server import serving as soaking
from benchmarks.soak.traffic import KINDS
from benchmarks.soak.verdict import settle

from tests.helpers.command import started
from tests.helpers.server import PATIENCE, Answer, read_all, serving, wait_for
from tests.helpers.site import free_port, serving_site
from tests.helpers.upgrade import SCRIPT, TAKEN, end, upgrade

# Takes as long to load as the test wants.
GATED = """
import pathlib, time
pathlib.Path({entered!r}).touch()
while not pathlib.Path({gate!r}).exists():
    time.sleep(0.01)
"""
REQUEST = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"


def test_new_supervisor_serves_the_same_address_with_new_code(tmp_path: Path) -> None:
    """The old one finishes and exits with 0, the new one answers where it listened."""
    script = tmp_path / "app.wsgi"
    script.write_text(SCRIPT % 1)
    with serving(script, "--disable-reloading") as server:
        assert server.get().body == b"1"
        script.write_text(SCRIPT % 2)
        new = upgrade(server)
        try:
            assert server.process.wait(PATIENCE) == 0
            assert server.get().body == b"2"
        finally:
            end(new)


def test_no_request_fails_while_a_new_supervisor_takes_over(tmp_path: Path) -> None:
    """Connections that are kept, new ones, bodies, streams: each is answered by the old server or the new one."""
    spool = tmp_path / "spool"
    spool.mkdir()
    with soaking(tmp_path, spool, SCENARIOS["replace"].options) as server:
        load = Load(("127.0.0.1", server.port), KINDS, 3, 100.0)
        server.process.send_signal(signal.SIGUSR2)
        new = 0
        try:
            while server.process.poll() is None or load.in_flight:
                load.turn(issuing=server.process.poll() is None)
                load.expire()
            match = TAKEN.search(server.log())
            assert match is not None, server.log()
            new = int(match.group(1))
            account = settle(load.requests, [], server.runs())
            assert not account.failures, account.examples
            assert account.outcomes["ok"] > 50
        finally:
            load.close()
            if new:
                end(new)


def test_unix_socket_and_control_socket_go_over(tmp_path: Path) -> None:
    """Their files stay where they are, and the new server removes them in the end."""
    script = tmp_path / "app.wsgi"
    script.write_text(SCRIPT % 1)
    path, control = tmp_path / "app.sock", tmp_path / "control.sock"
    command = [sys.executable, "-m", "pydaemonwsgi", "serve", str(script)]
    with started(*command, "--listen", f"unix:{path}", "--control-socket", str(control)) as server:
        new = upgrade(server)
        try:
            assert server.process.wait(PATIENCE) == 0
            with socket.socket(socket.AF_UNIX) as client:
                client.connect(str(path))
                client.sendall(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
                assert Answer(read_all(client)).status == 200
            assert control.exists()
        finally:
            end(new)
        assert not path.exists()
        assert not control.exists()


def test_who_waits_at_a_listener_that_the_new_server_does_not_have_is_answered() -> None:
    """By the old one, which has told them that it is there; those at the other listener wait for the new one."""
    gone = free_port()
    configuration = f"""
Listen 127.0.0.1:{{port}}
Listen 127.0.0.1:{gone}
Listen unix:{{site}}/gone.sock
ServeOption maximum-connections 1
WSGIDaemonProcess main
WSGIProcessGroup main
WSGIScriptAlias / {{site}}/app.wsgi
WSGIApplicationGroup %{{GLOBAL}}
WSGIScriptReloading Off
"""
    with serving_site(configuration, {"app.wsgi": SCRIPT % 1}) as site, contextlib.ExitStack() as stack:
        path = site.directory / "gone.sock"
        # As long as this client stays, the server accepts nobody else.
        first = stack.enter_context(site.connect())
        first.sendall(REQUEST)
        assert Answer(first.recv(65536)).body == b"1"
        stays = stack.enter_context(site.connect())
        tcp = stack.enter_context(socket.create_connection(("127.0.0.1", gone), PATIENCE))
        unix = stack.enter_context(socket.socket(socket.AF_UNIX))
        unix.settimeout(PATIENCE)
        unix.connect(str(path))
        for sock in (stays, tcp, unix):
            sock.sendall(REQUEST.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"))
        lines = site.configuration.read_text().splitlines()
        fewer = [line for line in lines if not line.startswith((f"Listen 127.0.0.1:{gone}", "Listen unix"))]
        site.configuration.write_text("\n".join(fewer))
        (site.directory / "app.wsgi").write_text(SCRIPT % 2)
        new = upgrade(site.server)
        try:
            assert [Answer(read_all(sock)).body for sock in (stays, tcp, unix)] == [b"2", b"1", b"1"]
            assert site.server.process.wait(PATIENCE) == 0
            assert not path.exists()
        finally:
            end(new)


def test_new_server_whose_script_does_not_load_is_given_up(tmp_path: Path) -> None:
    """The old one goes on with the code it has, and says why."""
    script = tmp_path / "app.wsgi"
    script.write_text(SCRIPT % 1)
    with serving(script, "--disable-reloading") as server:
        script.write_text("raise RuntimeError('not this one')\n")
        server.process.send_signal(signal.SIGUSR2)
        wait_for(lambda: "This one goes on as before" in server.log(), "the end of the attempt")
        assert "It said: the script does not load in the new server" in server.log()
        assert server.get().body == b"1"
        script.write_text(SCRIPT % 2)
        new = upgrade(server)
        end(new)


def test_new_server_that_cannot_start_is_given_up(tmp_path: Path) -> None:
    """A command line that is wrong by now ends the new one only."""
    script = tmp_path / "app.wsgi"
    script.write_text(SCRIPT % 1)
    log = tmp_path / "error.log"
    with serving(script, "--error-log", str(log)) as server:
        script.rename(tmp_path / "elsewhere")
        server.process.send_signal(signal.SIGUSR2)
        wait_for(lambda: "exited with status 2 before it was ready" in log.read_text(), "the end of the attempt")
        # Whoever looks into the log need not look for the terminal of the first start.
        assert f"It said: SCRIPT: there is no file {script}" in log.read_text()
        (tmp_path / "elsewhere").rename(script)
        assert server.get().body == b"1"


def test_logs_that_are_rotated_in_the_middle_of_an_upgrade_are_rotated_for_the_new_server_too(tmp_path: Path) -> None:
    """It has opened them before: without a word it would write to the old file until the next rotation."""
    script, log = tmp_path / "app.wsgi", tmp_path / "access.log"
    entered, gate = tmp_path / "entered", tmp_path / "gate"
    script.write_text(SCRIPT % 1)
    with serving(script, "--disable-reloading", "--access-log", str(log)) as server:
        script.write_text(GATED.format(entered=str(entered), gate=str(gate)) + SCRIPT % 2)
        server.process.send_signal(signal.SIGUSR2)
        wait_for(entered.exists, "the new server to load the script")
        log.rename(tmp_path / "access.log.1")
        server.process.send_signal(signal.SIGUSR1)
        wait_for(log.exists, "the old server to open its logs anew")
        gate.touch()
        wait_for(lambda: TAKEN.search(server.log()), "the new supervisor")
        match = TAKEN.search(server.log())
        assert match is not None
        try:
            assert server.process.wait(PATIENCE) == 0
            wait_for(lambda: server.log().count("the logs have been opened anew") == 2, "the new server to do so too")
            assert server.get("/rotated").body == b"2"
            wait_for(lambda: "/rotated" in log.read_text(), "the record in the new file")
        finally:
            end(int(match.group(1)))


def test_upgrade_without_the_interpreter_is_told_in_a_line(tmp_path: Path) -> None:
    """It may have been removed with the old version; this server needs it no more."""
    script, python = tmp_path / "app.wsgi", tmp_path / "python"
    script.write_text(SCRIPT % 1)
    python.symlink_to(Path(sys.executable).resolve())
    with serving(script, python=str(python), env={"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}) as server:
        python.unlink()
        server.process.send_signal(signal.SIGUSR2)
        wait_for(lambda: "This one goes on as before" in server.log(), "the failure")
        assert f"the new supervisor cannot be started: {python}: No such file or directory" in server.log()
        assert "Traceback" not in server.log()
        assert server.get().body == b"1"


def test_stop_in_the_middle_of_an_upgrade_stops_both(tmp_path: Path) -> None:
    """Nothing is left behind."""
    script = tmp_path / "app.wsgi"
    script.write_text(SCRIPT % 1)
    with serving(script, "--disable-reloading") as server:
        script.write_text("import time\ntime.sleep(600)\n")
        server.process.send_signal(signal.SIGUSR2)
        wait_for(lambda: "starting a new supervisor" in server.log(), "the attempt")
        family = psutil.Process(server.pid).children(recursive=True)
        assert server.stop() == 0
        wait_for(lambda: not any(child.is_running() for child in family), "the end of all")
