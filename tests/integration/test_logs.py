"""Logs of a real server: commands that read them, several at once, groups and hosts with logs of their own."""

import contextlib
import os
import re
import signal
import sys
from pathlib import Path

import psutil
import pytest

from tests.helpers.command import run
from tests.helpers.public import Public
from tests.helpers.server import APPS, Server, serving, wait_for
from tests.helpers.site import SiteServer, serving_site

REPORT = APPS / "life_report.py"
# Reads line by line, so that what it has read it has written; waits for the file GATE first, if that is named.
READER = """
import os, sys, time
while len(sys.argv) > 2 and not os.path.exists(sys.argv[2]):
    time.sleep(0.01)
with open(sys.argv[1], "ab", buffering=0) as log:
    rest = b""
    while data := os.read(0, 65536 if len(sys.argv) > 2 else 1):
        log.write(data)
"""
PLAIN = ("--access-log-format", "%U")
NOISY = """
import os

def application(environ, start_response):
    environ["wsgi.errors"].write("by wsgi.errors\\n")
    print("by print")
    os.write(2, b"straight to descriptor 2\\n")
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"noise"]
"""

is_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs to be started as root")


def reader(directory: Path, log: str, *arguments: str) -> str:
    """The option's value for a command that writes what it reads to a file; `directory` has its program."""
    program = directory / "reader.py"
    program.write_text(READER)
    return " ".join([f"|{sys.executable}", str(program), str(directory / log), *arguments])


def readers(server: Server, log: str) -> list[psutil.Process]:
    """The processes that write to a file of this name."""
    found = []
    for child in psutil.Process(server.pid).children():
        with contextlib.suppress(psutil.Error):
            if child.status() != psutil.STATUS_ZOMBIE and any(word.endswith(f"/{log}") for word in child.cmdline()):
                found.append(child)
    return found


def lines(texts: list[str]) -> str:
    return "".join(f"{text}\n" for text in texts)


def text_of(path: Path) -> str:
    return path.read_text("utf-8") if path.exists() else ""


def test_a_command_that_is_killed_is_started_again_and_nothing_is_lost(tmp_path: Path) -> None:
    """Records that are written while it is dead wait for the next one, and the error log names it and its end."""
    log = tmp_path / "access"
    with serving(REPORT, "--access-log", reader(tmp_path, "access"), *PLAIN) as server:
        expected = []
        for turn in range(3):
            for number in range(5):
                path = f"/{turn}/{number}"
                assert server.get(path).status == 200
                expected.append(path)
            # To the last line feed: a byte that it has read and not written would go with it.
            wait_for(lambda: text_of(log) == lines(expected), "what has been logged so far")
            [process] = readers(server, "access")
            process.kill()
            # It may still take a byte until the signal has reached it.
            wait_for(lambda: process not in readers(server, "access"), "its death")  # noqa: B023
        assert server.get("/last").status == 200
        wait_for(lambda: text_of(log) == lines([*expected, "/last"]), "what was logged after a death")
        pattern = r"\[error\] .* the log command '\|.*reader\.py .*' \(pid \d+\) was killed by SIGKILL; "
        assert len(re.findall(pattern, server.log())) == 3


def test_a_command_that_does_not_read_stops_nothing(tmp_path: Path) -> None:
    """Requests are answered at once; what neither pipe nor buffer holds is counted, and the error log says so."""
    log, gate, requests = tmp_path / "access", tmp_path / "gate", 300
    target = reader(tmp_path, "access", str(gate))
    with serving(REPORT, "--access-log", target, "--access-log-format", "%{Long}i") as server:
        head = f"GET / HTTP/1.1\r\nHost: x\r\nLong: {'x' * 8000}\r\n".encode()
        with server.connect() as sock:
            for _ in range(requests - 1):
                sock.sendall(head + b"\r\n")
                sock.recv(65536)
        assert server.exchange(head + b"Connection: close\r\n\r\n").startswith(b"HTTP/1.1 200")
        assert "its reader does not read" in server.log()

        gate.touch()
        wait_for(lambda: "records of an access log that are lost" in server.log(), "the number of records lost")
        match = re.search(r"records of an access log that are lost: (\d+)", server.log())
        assert match is not None
        wait_for(lambda: text_of(log).count("\n") == requests - int(match[1]), "the records that were not lost")
        assert set(text_of(log).split()) == {"x" * 8000}
        server.get("/", "Long: afterwards")
        wait_for(lambda: text_of(log).endswith("\nafterwards\n"), "a record after that")


def test_a_command_reads_everything_before_the_server_ends(tmp_path: Path) -> None:
    """The server waits for a reader that is late, and that reader's input ends."""
    log, gate = tmp_path / "access", tmp_path / "gate"
    with serving(REPORT, "--access-log", reader(tmp_path, "access", str(gate)), *PLAIN) as server:
        for number in range(20):
            server.get(f"/{number}")
        server.process.send_signal(signal.SIGTERM)
        wait_for(lambda: not server.daemons(), "the end of the daemon process")
        assert server.process.poll() is None
        gate.touch()
        assert server.stop() == 0
        assert text_of(log).split() == [f"/{number}" for number in range(20)]


def test_the_error_log_may_be_a_command(tmp_path: Path) -> None:
    """It reads what every process says, until the end; the banner stays on the terminal."""
    log = tmp_path / "error"
    with serving(REPORT, "--error-log", reader(tmp_path, "error")) as server:
        assert "loaded in" not in server.log()
        assert server.stop() == 0
        text = text_of(log)
        assert "loaded in" in text
        assert "SIGTERM: stopping" in text
        assert "as it was asked to" in text


def test_commands_are_started_anew_with_the_logs(tmp_path: Path) -> None:
    """SIGUSR1 gives a log to a new process of the command; the old one reads what is its own, and ends."""
    log = tmp_path / "access"
    with serving(REPORT, "--access-log", reader(tmp_path, "access"), *PLAIN) as server:
        server.get("/before")
        wait_for(lambda: text_of(log) == "/before\n", "the first record")
        [old] = readers(server, "access")
        server.process.send_signal(signal.SIGUSR1)
        wait_for(lambda: [one.pid for one in readers(server, "access")] not in ([old.pid], []), "the new process")
        wait_for(lambda: old.pid not in [one.pid for one in readers(server, "access")], "the end of the old one")
        server.get("/after")
        wait_for(lambda: text_of(log) == "/before\n/after\n", "the second record")
        assert "is started again" not in server.log()


@pytest.mark.parametrize(
    ("target", "message"),
    [
        ("|no-such-program x", "no-such-program is no program to execute"),
        ("|/etc/passwd", "/etc/passwd is no program to execute"),
        ("|'open", "cannot be split into words"),
        ("|", "there is no command behind the |"),
        ("syslog:locol1", "there is no syslog facility 'locol1'"),
        ("/no/such/directory/log", "cannot open the log /no/such/directory/log: No such file or directory"),
    ],
)
@pytest.mark.parametrize("option", ["--access-log", "--error-log"])
def test_a_log_that_cannot_be_is_refused(option: str, target: str, message: str) -> None:
    """The server does not start, and says which log it is and why."""
    finished = run("serve", str(REPORT), "--port", "0", option, target)

    assert finished.returncode == 2, finished
    assert message in finished.stderr


# -- a configuration

SITE = """
User nobody
ErrorLog {site}/server-error
LogFormat "%v %U" plain
CustomLog {site}/server-access plain
WSGIDaemonProcess shared threads=2
<VirtualHost *:{port}>
    ServerName one.test
    DocumentRoot {site}/files
    ErrorLog {site}/one-error
    SetEnvIf Request_URI "^/quiet" quiet=very
    CustomLog {site}/loud plain env=!quiet
    CustomLog {site}/quiet "%U %{quiet}e %>s" env=quiet
    MANY
    <Location /closed>
        Require all denied
    </Location>
</VirtualHost>
<VirtualHost *:{port}>
    ServerName two.test
    ErrorLog {site}/two-error
    WSGIDaemonProcess own threads=2
    WSGIProcessGroup own
    WSGIScriptAlias / {site}/noisy.wsgi
</VirtualHost>
<VirtualHost *:{port}>
    ServerName three.test
    WSGIProcessGroup shared
    WSGIScriptAlias / {site}/noisy.wsgi
</VirtualHost>
"""
NUMBERED = 70  # more than go into one message


@pytest.fixture(scope="module")
def site(public: Public) -> "contextlib.AbstractContextManager[SiteServer]":
    """A site of three hosts, as root."""
    many = "\n".join(f'CustomLog {{site}}/many{number} "{number} %U"' for number in range(NUMBERED))
    files: dict[str, str | bytes | Path | None] = {
        "noisy.wsgi": NOISY,
        "files/page": "page",
        "files/quiet": "page",
    }
    return serving_site(SITE.replace("MANY", many), files, python=public.python, env=public.env)


@pytest.mark.root
@is_root
def test_hosts_and_groups_have_logs_of_their_own(site: "contextlib.AbstractContextManager[SiteServer]") -> None:
    """Each record is in the logs of its host and group and in no other, also after all have been moved away."""
    with site as running:
        directory = running.directory
        for name in ("one-error", "two-error", "loud", "quiet", "server-access", "server-error"):
            assert (directory / name).exists()
        ask_all(running)
        first = {path.name: path.read_text() for path in directory.iterdir() if path.is_file()}
        check(first)
        logs = [
            path for path in directory.iterdir() if "error" in path.name or (path.name in first and "many" in path.name)
        ]
        logs += [directory / name for name in ("loud", "quiet", "server-access")]
        for path in logs:
            path.rename(path.with_suffix(".1"))
        running.server.process.send_signal(signal.SIGUSR1)
        for path in logs:
            wait_for(path.exists, f"the new {path.name}")
        wait_for(lambda: not holders(running, ".1"), "everybody to let go of the old files")
        ask_all(running)
        check({path.name: path.read_text() for path in logs})
        for path in logs:
            assert path.with_suffix(".1").read_text().startswith(first[path.name])


def holders(site: SiteServer, suffix: str) -> list[str]:
    found = []
    for process in [psutil.Process(site.server.pid), *psutil.Process(site.server.pid).children()]:
        for name in os.listdir(f"/proc/{process.pid}/fd"):
            with contextlib.suppress(FileNotFoundError):
                target = os.readlink(f"/proc/{process.pid}/fd/{name}")
                found += [target] if target.endswith(suffix) else []
    return found


def ask_all(site: SiteServer) -> None:
    for host, path, status in (
        ("one.test", "/page", 200),
        ("one.test", "/quiet", 200),
        ("one.test", "/closed", 403),
        ("two.test", "/", 200),
        ("three.test", "/", 200),
    ):
        assert site.exchange(f"GET {path} HTTP/1.0\r\nHost: {host}\r\n\r\n".encode()).startswith(
            f"HTTP/1.1 {status} ".encode()
        )
    access = site.directory / "server-access"
    wait_for(lambda: text_of(access).count("\n") == 2, "the last request's record")


def check(logs: dict[str, str]) -> None:
    assert logs["server-access"] == "two.test /\nthree.test /\n"
    assert logs["loud"] == "one.test /page\none.test /closed\n"
    assert logs["quiet"] == "/quiet very 200\n"
    for number in range(NUMBERED):
        assert logs[f"many{number}"] == f"{number} /page\n{number} /quiet\n{number} /closed\n"
    refusal = r"\[error\] \[pid \d+\] \[front\] 403 to 127\.0\.0\.1 for GET /closed: access is denied"
    assert re.search(refusal, logs["one-error"])
    assert not re.search(refusal, logs["server-error"])
    for text in ("by wsgi.errors", "by print", "straight to descriptor 2"):
        # The group that is declared inside of a host has that host's log, the other one the server's.
        assert logs["two-error"].count(text) == 1
        assert logs["server-error"].count(text) == 1
    assert "[wsgi:own]" in logs["two-error"]
    assert "[wsgi:own]" not in logs["server-error"]


def test_formats_that_cannot_be_are_errors_of_the_configuration(tmp_path: Path) -> None:
    """Each is named with file and line, and nothing is started."""
    configuration = tmp_path / "site.conf"
    configuration.write_text('Listen 0\nCustomLog /dev/stdout "%h %Z"\nCustomLog /dev/stdout "%{x"\n')

    finished = run("check", str(configuration))

    assert finished.returncode == 2, finished
    assert f"{configuration}:2: error: CustomLog: access log format '%h %Z': '%Z' at character 4 is unknown" in (
        finished.stdout + finished.stderr
    )
    assert f"{configuration}:3: error: CustomLog: " in finished.stdout + finished.stderr
