"""pydaemonwsgi.service: started, reloaded, restarted, upgraded, stuck and stopped, with clients all the while."""

import os
import re
import signal
import socket
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from tests.helpers.server import PATIENCE, Answer, read_all
from tests.systemd.service import SCRIPT, UNIT, Service, eventually
from tests.systemd.tree import CHECKOUT

pytestmark = [pytest.mark.root, pytest.mark.timeout(900)]
PAGE = CHECKOUT / "docs" / "how-to" / "run-under-systemd.md"


def status(process: psutil.Process) -> dict[str, list[str]]:
    """Return /proc/PID/status, each field as its words."""
    text = Path(f"/proc/{process.pid}/status").read_text("ascii")
    return {name: value.split() for name, _, value in (line.partition(":") for line in text.splitlines())}


def is_stopped(process: psutil.Process) -> bool:
    """Whether a SIGSTOP has arrived."""
    return process.status() == psutil.STATUS_STOPPED


def has_ended(process: psutil.Process) -> Callable[[], bool]:
    """Ask whether a process has ended."""
    return lambda: not process.is_running()


def have_left(service: Service, pids: set[int]) -> Callable[[], bool]:
    """Ask whether none of these is a daemon process any more."""
    return lambda: not pids & service.daemons()


def test_start_returns_when_the_server_serves(service: Service) -> None:
    """READY=1 has come, the status says so, the socket answers, and the listener is in the descriptor store."""
    service.start()
    assert service.shown("ActiveState") == "active"
    assert service.shown("StatusText") == "serving"
    assert service.shown("NFileDescriptorStore") == "1"
    assert service.get("/1/30/plain").text == "id=1;" * 6
    eventually(lambda: re.fullmatch(r"0 of 50 threads busy, .* 1 requests served", service.shown("StatusText")), "it")
    assert "RUNNING" in service.command("status")


def test_processes_have_what_they_need_and_no_more(service: Service) -> None:
    """Front and daemon processes are the user and can be nobody else; the supervisor is root with five capabilities."""
    service.start()
    uid = service.machine.run("id", "-u", "app").strip()
    for process in [service.front(), *service.children("(wsgi:")]:
        facts = status(process)
        assert facts["Uid"] == [uid] * 4
        assert facts["NoNewPrivs"] == ["1"]
        assert facts["Seccomp"] == ["2"]
        assert int(facts["CapPrm"][0], 16) == 0
    facts = status(service.supervisor())
    assert facts["Uid"] == ["0"] * 4
    chown, dac_read_search, kill, setgid, setuid = 0, 2, 5, 6, 7
    assert int(facts["CapBnd"][0], 16) == sum(1 << one for one in (chown, dac_read_search, kill, setgid, setuid))


def test_page_says_how_exposed_the_service_is(service: Service) -> None:
    """The figure of `systemd-analyze security`."""
    output = service.machine.run("systemd-analyze", "security", "--no-pager", UNIT)
    match = re.search(r"Overall exposure level for pydaemonwsgi.service: ([\d.]+)", output)
    assert match is not None, output
    service.figure(f"systemd-analyze security: {match.group(1)}")
    assert f"Overall exposure level for pydaemonwsgi.service: {match.group(1)} " in PAGE.read_text("utf-8")


def test_application_may_write_to_its_own_directory_only(service: Service) -> None:
    """And to a /tmp that nobody else sees; it resolves names, and starts programs."""
    service.write(
        "import os, socket, subprocess\n"
        "def attempt(path):\n"
        "    try:\n"
        "        open(path, 'w').close()\n"
        "    except OSError as error:\n"
        "        return error.strerror\n"
        "    return 'written'\n"
        "def application(environ, start_response):\n"
        "    start_response('200 OK', [])\n"
        "    paths = ('/srv/app/here', '/tmp/here', '/var/tmp/here', '/srv/there', '/etc/there')\n"
        "    yield ','.join(map(attempt, paths)).encode()\n"
        "    yield b',' + socket.getaddrinfo('localhost', 80)[0][4][0].encode()\n"
        "    yield b',' + subprocess.check_output(['id', '-un']).strip()\n"
    )
    service.start()
    refused = "Read-only file system"
    words = service.get().text.split(",")
    assert words[:5] == ["written"] * 3 + [refused] * 2
    assert words[5] in {"127.0.0.1", "::1"}
    assert words[6] == "app"
    assert not (service.machine.root / "tmp/here").exists()


def test_reload_and_restart_fail_no_request(service: Service) -> None:
    """Three times each, one after the other, under load: every client gets its own whole answer, once."""
    service.start()
    load = service.loading()
    service.spin(load)
    for _ in range(3):
        before = service.daemons()
        assert service.under(load, "reload", UNIT).status == 0
        # What the old ones have begun may still be read by slow clients.
        service.spin(load, have_left(service, before))
        pid = service.shown("MainPID")
        assert service.under(load, "restart", UNIT).status == 0
        assert service.shown("MainPID") != pid
        service.spin(load)
    service.settle(load, "3 reloads and 3 restarts")
    assert service.shown("NRestarts") == "0"
    assert service.shown("Result") == "success"


def test_address_that_is_not_wanted_any_more_refuses(service: Service) -> None:
    """After a restart with other options the store has only what is listened on."""
    more = service.configure("--listen", "unix:/run/pydaemonwsgi/more.sock")
    service.start()
    assert service.shown("NFileDescriptorStore") == "2"
    assert service.get("/0/10/plain", "more.sock").status == 200
    more.unlink()
    service.systemctl("daemon-reload")
    service.systemctl("restart", UNIT)
    assert service.shown("NFileDescriptorStore") == "1"
    assert service.get("/0/10/plain").status == 200
    with pytest.raises(ConnectionRefusedError):
        service.get("/0/10/plain", "more.sock")


def test_reload_of_a_configuration_reads_it_again(service: Service) -> None:
    """One that is wrong fails the reload and changes nothing; the store follows what is listened on."""
    configuration = service.machine.root / "srv/app/site.conf"

    def write(*lines: str) -> None:
        common = ["User app", "WSGIDaemonProcess app", "WSGIScriptAlias / /srv/app/app.wsgi process-group=app"]
        listen = ["Listen unix:/run/pydaemonwsgi/app.sock"]
        configuration.write_text("\n".join([*listen, *common, *lines]) + "\n")

    write()
    command = "/srv/app/venv/bin/pydaemonwsgi serve --config /srv/app/site.conf --control-socket control"
    service.configure(ExecStart=f"\nExecStart={command}")
    service.start()
    assert service.get("/0/10/plain").status == 200
    write("Lisen unix:/run/pydaemonwsgi/more.sock")
    assert service.machine.ask("systemctl", "reload", UNIT).returncode == 1
    assert "/srv/app/site.conf" in service.shown("StatusText")
    assert service.get("/0/10/plain").status == 200
    write("Listen unix:/run/pydaemonwsgi/more.sock")
    service.systemctl("reload", UNIT)
    assert service.get("/0/10/plain", "more.sock").status == 200
    assert service.shown("NFileDescriptorStore") == "2"
    assert "failed" not in service.shown("StatusText")


def test_reload_of_a_broken_script_fails_and_the_old_code_goes_on(service: Service) -> None:
    """systemctl says so by its exit status, the status says why; and a mended script is loaded."""
    service.write(SCRIPT % 1)
    service.configure("--disable-reloading")
    service.start()
    service.write("raise RuntimeError('not yet')\n")
    result = service.machine.ask("systemctl", "reload", UNIT)
    assert result.returncode == 1
    assert "Job for pydaemonwsgi.service failed" in result.stderr
    assert service.get().body == b"1"
    assert service.shown("ActiveState") == "active"
    reason = "reload failed: script /srv/app/app.wsgi does not load: RuntimeError: not yet"
    assert reason in service.shown("StatusText")
    eventually(lambda: service.shown("StatusText").startswith(f"last {reason}; 0 of 50"), "the status after a while")
    assert "Running processes keep the code they have." in service.journal()
    service.write(SCRIPT % 2)
    service.systemctl("reload", UNIT)
    assert service.get().body == b"2"
    assert "failed" not in service.shown("StatusText")


def test_reload_by_signal_is_waited_for_too(service: Service) -> None:
    """Type=notify-reload, for those who want it: SIGHUP, RELOADING=1, READY=1; a failure is in the status only."""
    version = int(service.machine.run("systemctl", "--version").split()[1])
    if version < 253:
        pytest.skip(f"systemd {version} does not know it")
    service.configure(Type="notify-reload", ExecReload="")
    service.start()
    load = service.loading()
    service.spin(load)
    before = service.daemons()
    assert service.under(load, "reload", UNIT).status == 0
    service.spin(load, have_left(service, before))
    service.settle(load, "a reload by SIGHUP")
    assert "SIGHUP: replacing all daemon processes" in service.journal()
    service.write("raise RuntimeError('not yet')\n")
    service.systemctl("reload", UNIT)
    assert "RuntimeError: not yet" in service.shown("StatusText")


def test_upgrade_fails_no_request_and_systemd_goes_with_it(service: Service) -> None:
    """The new supervisor is the main process, keeps the store, and is started again when it is killed."""
    service.start()
    load = service.loading()
    service.spin(load)
    for _ in range(2):
        old = service.supervisor()
        assert service.under(load, "kill", "--signal=USR2", "--kill-whom=main", UNIT).status == 0
        service.spin(load, has_ended(old))
        assert service.shown("ActiveState") == "active"
        assert service.supervisor().pid != old.pid
        service.systemctl("reload", UNIT)
    service.settle(load, "2 upgrades")
    assert service.shown("NFileDescriptorStore") == "1"
    service.supervisor().kill()
    eventually(lambda: service.shown("NRestarts") == "1", "the restart")
    assert service.get("/0/10/plain").status == 200


def test_supervisor_that_does_nothing_is_restarted(service: Service) -> None:
    """By the watchdog; who connects meanwhile waits, because the socket is kept."""
    service.configure(WatchdogSec="4")
    service.start()
    supervisor = service.supervisor()
    supervisor.suspend()
    eventually(lambda: service.shown("NRestarts") == "1", "the restart")
    assert not supervisor.is_running()
    assert "Watchdog timeout" in service.journal()
    assert service.get("/0/10/plain").status == 200


def test_front_that_does_nothing_is_replaced_without_a_restart(service: Service) -> None:
    """The supervisor does it, before the watchdog bites."""
    service.configure("--front-timeout", "2", WatchdogSec="8")
    service.start()
    supervisor, front = service.supervisor(), service.front()
    front.suspend()
    eventually(lambda: is_stopped(front), "its stop")
    eventually(lambda: [one for one in service.children("pydaemonwsgi: front") if one != front], "another front")
    assert service.get("/0/10/plain").status == 200
    assert service.supervisor().pid == supervisor.pid
    assert service.shown("NRestarts") == "0"
    assert "Watchdog timeout" not in service.journal()


def test_stop_finishes_what_has_begun_and_leaves_nothing(service: Service) -> None:
    """No process, no stored socket, no failure; then nobody listens."""
    service.write(
        "import time\n"
        "def application(environ, start_response):\n"
        "    start_response('200 OK', [])\n"
        "    yield b'begun '\n"
        "    time.sleep(1)\n"
        "    yield b'ended'\n"
    )
    service.start()
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(PATIENCE)
        client.connect(service.address)
        client.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        begun = b""
        while b"begun " not in begun:
            begun += client.recv(4096)
        family = [service.supervisor(), *service.supervisor().children(recursive=True)]
        service.systemctl("stop", UNIT)
        assert Answer(begun + read_all(client)).text == "begun ended"
    assert not any(process.is_running() for process in family)
    assert service.shown("ActiveState") == "inactive"
    assert service.shown("Result") == "success"
    assert service.shown("NFileDescriptorStore") == "0"
    assert not (service.machine.root / "run/pydaemonwsgi/control.sock").exists()
    with pytest.raises(ConnectionRefusedError):
        service.get()


def test_start_that_cannot_succeed_is_not_tried_again(service: Service) -> None:
    """A mistake in the command line fails at once, with one line in the log that says what is wrong."""
    service.configure("--user", "nobody-of-this-name")
    result = service.machine.ask("systemctl", "start", UNIT)
    assert result.returncode == 1
    assert service.shown("ActiveState") == "failed"
    assert service.shown("NRestarts") == "0"
    assert "user 'nobody-of-this-name' does not exist" in service.journal()


def test_daemon_process_that_is_killed_is_no_matter_for_systemd(service: Service) -> None:
    """Not even if the kernel does it for lack of memory: the supervisor replaces it."""
    service.start()
    (pid, *_) = service.daemons()
    os.kill(pid, signal.SIGKILL)
    eventually(lambda: pid not in service.daemons() and len(service.daemons()) == 2, "another")
    assert service.shown("OOMPolicy") == "continue"
    assert service.shown("NRestarts") == "0"
