"""The command as a user types it: what refuses it, what it says, what its options do."""

import http.client
import json
import os
import re
import shutil
import socket
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.helpers.command import CommandServer, run, started
from tests.helpers.server import APPS, PATIENCE, Answer, Server, read_all, serving, wait_for

REPORT = APPS / "life_report.py"
SERVE = (sys.executable, "-m", "pydaemonwsgi", "serve")
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs to be started as root")


@pytest.fixture(scope="module", autouse=True)
def _in_a_directory_of_its_own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Run commands where `app.wsgi` is the report and nothing else is."""
    directory = tmp_path_factory.mktemp("here")
    shutil.copy(REPORT, directory / "app.wsgi")
    (directory / "subdirectory").mkdir()
    before = os.getcwd()
    os.chdir(directory)
    yield
    os.chdir(before)


REFUSALS = {
    "nothing-to-serve": ("", "SCRIPT is missing"),
    "missing-script": ("gone.wsgi", "gone.wsgi"),
    "missing-script-with-directory": ("./sub/gone", "there is no file"),
    "directory-as-script": ("subdirectory", "subdirectory is a directory; give a file in it"),
    "directory-as-script-with-slash": ("subdirectory/", "is a directory; give a file in it"),
    "device-as-script": ("/dev/null", "/dev/null is not a regular file"),
    "two-scripts": ("app.wsgi other.wsgi", "more than one SCRIPT"),
    "not-a-name": ("app.wsgi:1st", "is not a Python name"),
    "factory": ("app.wsgi:create()", "calls a factory"),
    "unknown-option": ("app.wsgi --treads 5", "unknown option --treads; did you mean --threads?"),
    "missing-value": ("app.wsgi --threads", "--threads: needs a value"),
    "wrong-number": ("app.wsgi --threads x", "--threads: 'x' is not a whole number"),
    "number-too-small": ("app.wsgi --processes 0", "--processes: '0' is too small"),
    "wrong-time": ("app.wsgi --graceful-timeout soon", "--graceful-timeout: 'soon'"),
    "wrong-size": ("app.wsgi --limit-request-body 10x", "--limit-request-body: '10x'"),
    "wrong-port": ("app.wsgi --port 65536", "--port: '65536'"),
    "wrong-listen": ("app.wsgi --listen localhost", "--listen: 'localhost' names no port"),
    "wrong-ipv6-listen": ("app.wsgi --listen ::1:80", "brackets"),
    "socket-path-too-long": (f"app.wsgi --listen unix:/{'x' * 120}", "longer than a socket's path may be"),
    "listen-and-port": ("app.wsgi --listen 127.0.0.1:0 --port 81", "without effect beside --listen"),
    "wrong-umask": ("app.wsgi --umask 9", "--umask: '9' is not an octal mask"),
    "wrong-log-level": ("app.wsgi --log-level loud", "--log-level: 'loud'"),
    "too-many-processes": ("app.wsgi --processes 99999999999", "--processes: '99999999999' is too large"),
    "wrong-mount-point": ("app.wsgi --mount-point app", "--mount-point: 'app'"),
    "wrong-format": ("app.wsgi --access-log-format %{x}Q", "'%{x}Q' at character 1"),
    "wrong-callable": ("app.wsgi --callable-object 1st", "--callable-object: '1st'"),
    "contradiction": ("app.wsgi --reload-on-changes --disable-reloading", "contradict each other"),
    "missing-working-directory": ("app.wsgi --working-directory /gone", "/gone is not a directory"),
    "file-as-working-directory": ("app.wsgi --working-directory app.wsgi", "is not a directory"),
    "missing-spool-directory": ("app.wsgi --spool-directory /gone", "--spool-directory: /gone is not a directory"),
    "missing-log-directory": ("app.wsgi --port 0 --error-log /gone/error.log", "cannot open the log /gone/error.log"),
    "missing-access-log-directory": ("app.wsgi --port 0 --access-log /gone/a.log", "cannot open the log /gone/a.log"),
    "unknown-user": ("app.wsgi --user no-such-user", "user 'no-such-user' does not exist"),
    "unknown-uid": ("app.wsgi --user #4000000001", "there is no user with uid 4000000001"),
    "unknown-group": ("app.wsgi --user nobody --group no-such-group", "group 'no-such-group' does not exist"),
    "root-as-user": ("app.wsgi --user root", "is root (uid 0): applications never run as root"),
    "uid-0-as-user": ("app.wsgi --user #0", "is root (uid 0): applications never run as root"),
}


def assert_one_line(error: str, words: str) -> None:
    """Check that what was written is one line, for a person, that says `words`."""
    assert error.startswith("pydaemonwsgi: ")
    assert error.endswith("\n")
    assert error.count("\n") == 1
    assert words in error
    assert "Traceback" not in error


@pytest.mark.parametrize(("arguments", "words"), REFUSALS.values(), ids=REFUSALS.keys())
def test_what_is_asked_wrongly_is_refused_in_one_line(arguments: str, words: str) -> None:
    """The command writes one line to standard error, nothing to standard output, and exits with 2."""
    result = run("serve", *arguments.split())
    assert_one_line(result.stderr, words)
    assert (result.returncode, result.stdout) == (2, "")


@needs_root
def test_group_without_user_is_refused() -> None:
    """As root, --group alone would leave the user root."""
    result = run("serve", "app.wsgi", "--group", "nogroup")
    assert_one_line(result.stderr, "--group and --supplementary-groups need --user")
    assert result.returncode == 2


def test_a_port_in_use_fails_the_start() -> None:
    """The machine's refusal is one line that names the address, and exit status 1."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        result = run("serve", "app.wsgi", "--port", str(port))
    assert_one_line(result.stderr, f"cannot listen on 127.0.0.1:{port}: address already in use")
    assert result.returncode == 1


@pytest.mark.parametrize(
    ("listen", "words"),
    [
        pytest.param("192.0.2.1:0", "no interface of this machine has that address", id="foreign-address"),
        pytest.param("unix:/gone/site.sock", "the directory does not exist", id="missing-directory"),
        pytest.param("unix:app.wsgi", "the file exists and is no socket; remove it", id="a-file-is-there"),
    ],
)
def test_an_address_that_cannot_be_had_fails_the_start(listen: str, words: str) -> None:
    """An address that is well written but not to be had is one line and exit status 1."""
    result = run("serve", "app.wsgi", "--listen", listen)
    assert_one_line(result.stderr, words)
    assert result.returncode == 1


def test_a_unix_socket_in_use_fails_the_start(tmp_path: Path) -> None:
    """A second server does not take the socket from the first, which goes on."""
    path = tmp_path / "site.sock"
    with started(*SERVE, "app.wsgi", "--listen", f"unix:{path}"):
        result = run("serve", "app.wsgi", "--listen", f"unix:{path}")
        assert_one_line(result.stderr, "another server is listening there")
        assert result.returncode == 1
        assert unix_get(path).status == 200


def test_a_dead_unix_socket_is_replaced(tmp_path: Path) -> None:
    """The socket file of a server that was killed is no obstacle."""
    path = tmp_path / "site.sock"
    with socket.socket(socket.AF_UNIX) as sock:
        sock.bind(str(path))
    with started(*SERVE, "app.wsgi", "--listen", f"unix:{path}"):
        assert unix_get(path).status == 200


def test_a_current_directory_that_is_gone_fails_the_start(tmp_path: Path) -> None:
    """A shell in a deleted directory gets one line, not a traceback."""
    gone = tmp_path / "gone"
    gone.mkdir()
    before = os.getcwd()
    os.chdir(gone)
    try:
        gone.rmdir()
        result = run("serve", "app.wsgi")
    finally:
        os.chdir(before)
    assert_one_line(result.stderr, "the current directory is not there any more")
    assert result.returncode == 1


@pytest.mark.parametrize("arguments", [["--help"], ["-h"], ["help"]], ids=" ".join)
def test_help(arguments: list[str]) -> None:
    """Help goes to standard output with status 0."""
    result = run(*arguments)
    assert (result.returncode, result.stderr) == (0, "")
    assert "serve a WSGI script" in result.stdout


def test_no_command_shows_the_usage() -> None:
    """Without a command the usage goes to standard error with status 2."""
    result = run()
    assert (result.returncode, result.stdout) == (2, "")
    assert "serve a WSGI script" in result.stderr


def test_serve_help_lists_options() -> None:
    """`serve --help` is a page on standard output with status 0."""
    result = run("serve", "--help")
    assert (result.returncode, result.stderr) == (0, "")
    assert "--maximum-requests" in result.stdout


def test_an_unknown_command_is_refused() -> None:
    """A wrong word is one line with the right one, or with all of them if none is near."""
    result = run("sreve", "app.wsgi")
    assert_one_line(result.stderr, "unknown command 'sreve'; did you mean serve?")
    assert result.returncode == 2
    words = "unknown command 'begin'; the commands are serve, check, explain, convert, status, ps,"
    assert_one_line(run("begin").stderr, words)


def test_version() -> None:
    """`version` prints name and version."""
    assert re.fullmatch(r"pydaemonwsgi \d+\.\d+\.\d+\S*\n", run("version").stdout)


# -- running


def report(server: Server, path: str = "/") -> dict[str, Any]:
    result: dict[str, Any] = json.loads(server.get(path).text)
    return result


def unix_get(path: Path) -> Answer:
    with socket.socket(socket.AF_UNIX) as sock:
        sock.settimeout(PATIENCE)
        sock.connect(str(path))
        sock.sendall(b"GET / HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n")
        return Answer(read_all(sock))


def test_the_banner_says_what_the_user_wants_to_know() -> None:
    """It names script, URL, processes and threads, user, pid and where the logs go."""
    options = ("--port", "0", "--processes", "2", "--threads", "3", "--mount-point", "/app", "--access-log", "-")
    with started(*SERVE, "app.wsgi", *options) as server:
        banner = server.banner()
        assert re.search(r"^pydaemonwsgi \S+ serves app\.wsgi$", server.log(), re.MULTILINE)
        assert banner["listening on"] == [f"http://127.0.0.1:{server.port}/app/"]
        assert banner["processes"] == ["2 × 3 threads, group app"]
        assert banner["user"] == [os.environ.get("USER", banner["user"][0]) if os.geteuid() else "root"]
        assert banner["supervisor"][0].startswith(f"pid {server.pid} ")
        assert banner["error log"] == ["standard error"]
        assert banner["access log"] == ["standard output"]


@needs_root
def test_root_is_warned_once() -> None:
    """Started as root without --user the server serves, and says once what that means."""
    with serving("app.wsgi", "--processes", "2") as server:
        assert server.get().status == 200
        assert server.log().count("started as root without --user") == 1


def test_a_configuration_that_is_given_as_a_script_is_noticed(tmp_path: Path) -> None:
    """A script may have any name, so it is served; whoever left out --config reads what is missing."""
    script = tmp_path / "site.conf"
    script.write_text("Listen 8000\n", "ascii")
    with started(*SERVE, str(script), "--port", "0") as server:
        assert f"write serve --config {script}" in server.log()


def test_the_command_is_installed() -> None:
    """The script `pydaemonwsgi` does what `python -m pydaemonwsgi` does."""
    command = Path(sys.executable).parent / "pydaemonwsgi"
    if not command.exists():
        pytest.skip("the package is not installed beside this interpreter")
    with started(str(command), "serve", "app.wsgi", "--port", "0") as server:
        assert server.get().status == 200


def test_the_processes_have_titles() -> None:
    """`ps` shows who is who."""
    with serving("app.wsgi", "--processes", "2", "--process-group", "jack-1") as server:
        wait_for(lambda: len(server.daemons()) == 2, "two daemon processes")
        assert {" ".join(process.cmdline()).rstrip() for process in server.daemons()} == {"(wsgi:jack-1)"}
        assert " ".join(server.front().cmdline()).rstrip() == "pydaemonwsgi: front"
        title = Path(f"/proc/{server.pid}/cmdline").read_bytes().rstrip(b"\0 ").decode()
        assert title == "pydaemonwsgi: supervisor"


def has_ipv6() -> bool:
    try:
        with socket.create_server(("::1", 0), family=socket.AF_INET6):
            return True
    except OSError:
        return False


def test_several_listeners(tmp_path: Path) -> None:
    """Every --listen is bound, named in the banner, and answers."""
    path = tmp_path / "site.sock"
    addresses = ["127.0.0.1:0", *(["[::1]:0"] if has_ipv6() else []), f"unix:{path}"]
    options = [word for address in addresses for word in ("--listen", address)]
    with started(*SERVE, "app.wsgi", *options) as server:
        lines = server.banner()["listening on"]
        assert len(lines) == len(addresses)
        assert lines[-1] == f"unix:{path}"
        assert unix_get(path).status == 200
        for line in lines[:-1]:
            connection = http.client.HTTPConnection(line.removeprefix("http://").rstrip("/"), timeout=PATIENCE)
            connection.request("GET", "/")
            answer = connection.getresponse()
            environ = json.loads(answer.read())["environ"]
            connection.close()
            assert answer.status == 200
            assert environ["REMOTE_ADDR"] == ("::1" if "[" in line else "127.0.0.1")


LINE = {
    "common": ("common", r'127\.0\.0\.1 - - \[[^]]+\] "GET /a%20b\?c=d HTTP/1\.1" 200 \d+'),
    "combined": (
        "combined",
        r'127\.0\.0\.1 - - \[[^]]+\] "GET /a%20b\?c=d HTTP/1\.1" 200 \d+ "http://x/\\"y" "test agent"',
    ),
    "own": ("%m %U%q %>s %{Referer}i %P %{X-None}i", r'GET /a b\?c=d 200 http://x/\\"y \d+ -'),
}


@pytest.mark.parametrize(("form", "pattern"), LINE.values(), ids=LINE.keys())
@pytest.mark.parametrize("where", ["file", "stdout"])
def test_the_access_log_has_a_line_for_each_request(tmp_path: Path, form: str, pattern: str, where: str) -> None:
    """A request leaves one line of the format that was asked for, where it was asked for."""
    log = tmp_path / "access.log"
    options = ("--access-log", str(log) if where == "file" else "-", "--access-log-format", form)
    with serving("app.wsgi", *options) as server:
        assert server.get("/a%20b?c=d", 'Referer: http://x/"y', "User-Agent: test agent").status == 200

        def lines() -> list[str]:
            text = log.read_text("utf-8") if where == "file" else server.log()
            return [line for line in text.splitlines() if re.fullmatch(pattern, line)]

        wait_for(lines, "the line")
        assert len(lines()) == 1


def test_the_error_log_goes_to_a_file(tmp_path: Path) -> None:
    """With --error-log the banner stays on the terminal and everything else is in the file."""
    log = tmp_path / "error.log"
    with serving("app.wsgi", "--error-log", str(log)) as server:
        assert server.get().status == 200
        assert f"error log     {log}" in server.log()
        assert "loaded in" in log.read_text("utf-8")
        assert "loaded in" not in server.log()
        server.stop()
        assert "stopping" in log.read_text("utf-8")


SCRIPTS = {
    "file": (("app.wsgi",), "{"),
    "file-and-callable": (("app.wsgi:other",), "other"),
    "file-and-dotted-callable": (("app.wsgi:Namespace.inner",), "other"),
    "callable-object": (("app.wsgi", "--callable-object", "other"), "other"),
    "module": (("life_report", "--python-path", str(APPS)), "{"),
    "module-and-callable": (("life_report:other", "--python-path", str(APPS)), "other"),
    "module-and-dotted-callable": (("life_report:Namespace.inner", "--python-path", str(APPS)), "other"),
    "module-in-the-working-directory": (("life_report:other", "--working-directory", str(APPS)), "other"),
}


@pytest.mark.parametrize(("arguments", "body"), SCRIPTS.values(), ids=SCRIPTS.keys())
def test_the_script_is_found(arguments: tuple[str, ...], body: str) -> None:
    """A file or module and the callable object in it are found, however they are named."""
    with serving(*arguments) as server:
        answer = server.get()
        assert (answer.status, answer.text.startswith(body)) == (200, True)


def test_options_reach_the_application(tmp_path: Path) -> None:
    """--umask, --working-directory, --python-path, --mount-point and --processes are what the application finds."""
    first, second = tmp_path / "first", tmp_path / "second"
    first.mkdir()
    second.mkdir()
    options = ("--umask", "027", "--working-directory", str(tmp_path), "--mount-point", "/site", "--processes", "1")
    paths = ("--python-path", f"{first}:{second}")
    with serving("app.wsgi", *options, *paths) as server:
        seen = report(server, "/site/page")
        assert seen["umask"] == 0o027
        assert seen["cwd"] == str(tmp_path)
        assert seen["path"].index(str(first)) < seen["path"].index(str(second))
        assert seen["path"][0] == str(tmp_path)
        assert (seen["environ"]["SCRIPT_NAME"], seen["environ"]["PATH_INFO"]) == ("/site", "/page")
        assert seen["multiprocess"] is True


def test_defaults_leave_the_application_where_the_user_is() -> None:
    """Without options the directory is the current one, and a single process is not multiprocess."""
    with serving("app.wsgi") as server:
        seen = report(server)
        assert seen["cwd"] == os.getcwd()
        assert seen["multiprocess"] is False


def test_a_relative_spool_directory_is_the_users(tmp_path: Path) -> None:
    """A directory that is named relative to the user's directory works although the front is elsewhere."""
    os.makedirs("spool", exist_ok=True)
    with serving("app.wsgi", "--spool-directory", "spool", "--request-buffer-size", "1k") as server:
        assert server.get("/", method="POST", body=b"x" * 100_000).status == 200


def test_the_log_level_hides_what_is_less(tmp_path: Path) -> None:
    """With --log-level error the life of the server leaves no line."""
    log = tmp_path / "error.log"
    with serving("app.wsgi", "--error-log", str(log), "--log-level", "error") as server:
        assert server.get().status == 200
        server.stop()
    assert log.read_text("utf-8") == ""


def test_a_server_without_standard_streams(tmp_path: Path) -> None:
    """Started with every standard stream closed, as some init scripts do, it serves and logs."""
    log, path = tmp_path / "error.log", tmp_path / "site.sock"
    script = f'exec "$0" -m pydaemonwsgi serve app.wsgi --listen unix:{path} --error-log {log} <&- >&- 2>&-'
    server = CommandServer(["/bin/sh", "-c", script, sys.executable])
    try:
        wait_for(lambda: log.exists() and "loaded in" in log.read_text("utf-8"), "the application")
        assert unix_get(path).status == 200
        assert server.stop() == 0
    finally:
        server.close()
    assert "stopping" in log.read_text("utf-8")
