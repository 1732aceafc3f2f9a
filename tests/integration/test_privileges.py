"""Started as root with --user: who the processes are, what they hold, and that nothing gives it back."""

import grp
import json
import os
import pwd
import random
import shutil
import signal
import socket
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.helpers.command import CommandServer, started
from tests.helpers.public import Public, may_be_entered_by_all
from tests.helpers.server import PATIENCE, Server, wait_for

pytestmark = [
    pytest.mark.root,
    pytest.mark.skipif(os.geteuid() != 0, reason="needs to be started as root"),
]
NOBODY = pwd.getpwnam("nobody")


@pytest.fixture
def server(public: Public) -> Iterator[CommandServer]:
    """A server of two processes that runs as nobody."""
    command = public.command("--port", "0", "--processes", "2", "--user", "nobody")
    with started(*command, env=public.env, cwd=public.directory) as running:
        wait_for(lambda: len(running.daemons()) == 2, "both processes")
        assert running.get().status == 200
        yield running


def report(server: Server, path: str = "/") -> dict[str, Any]:
    result: dict[str, Any] = json.loads(server.get(path).text)
    return result


def status(pid: int) -> dict[str, list[str]]:
    """Return /proc/PID/status, each field as its words."""
    text = Path(f"/proc/{pid}/status").read_text("ascii")
    return {name: value.split() for name, _, value in (line.partition(":") for line in text.splitlines())}


def assert_unprivileged(pid: int, gid: int = NOBODY.pw_gid, groups: set[int] | None = None) -> None:
    """Check in the kernel's own words that a process is nobody and can become nobody else."""
    facts = status(pid)
    assert facts["Uid"] == [str(NOBODY.pw_uid)] * 4
    assert facts["Gid"] == [str(gid)] * 4
    wanted = set(os.getgrouplist("nobody", gid)) if groups is None else groups
    assert {int(word) for word in facts["Groups"]} == wanted
    assert facts["NoNewPrivs"] == ["1"]
    for capabilities in ("CapEff", "CapPrm", "CapInh", "CapAmb"):
        assert int(facts[capabilities][0], 16) == 0, capabilities


def unprivileged(server: Server) -> list[psutil.Process]:
    return [server.front(), *server.daemons()]


def test_front_and_daemon_processes_are_nobody(server: CommandServer) -> None:
    """Ids, groups, no_new_privs and capabilities of every process but the supervisor are an ordinary user's."""
    for process in unprivileged(server):
        assert_unprivileged(process.pid)
    assert status(server.pid)["Uid"] == ["0"] * 4
    assert server.banner()["user"] == ["nobody"]
    assert "runs as root" not in server.log()


def test_every_thread_of_the_application_is_nobody(server: CommandServer) -> None:
    """Not only the main thread has lost its privileges."""
    for process in server.daemons():
        for task in Path(f"/proc/{process.pid}/task").iterdir():
            assert_unprivileged(int(task.name))


def test_replacements_are_nobody_too(server: CommandServer) -> None:
    """A front and daemon processes that were started later have no more rights than the first."""
    before = {process.pid for process in unprivileged(server)}
    os.kill(server.front().pid, signal.SIGKILL)
    os.kill(server.pid, signal.SIGHUP)

    def replaced() -> bool:
        now = {process.pid for process in [*server._children("pydaemonwsgi: front"), *server.daemons()]}
        return len(now) == 3 and not now & before

    wait_for(replaced, "three new processes")
    assert server.get().status == 200
    for process in unprivileged(server):
        assert_unprivileged(process.pid)


def test_the_application_cannot_become_root(server: CommandServer) -> None:
    """Every way back is refused by the kernel."""
    attempts = report(server, "/attempts")["attempts"]
    assert len(attempts) == 7
    assert set(attempts.values()) == {"PermissionError"}


def kinds(pid: int) -> Counter[str]:
    """Return what a process has open beyond the standard streams, by kind."""
    found: Counter[str] = Counter()
    for entry in Path(f"/proc/{pid}/fd").iterdir():
        if int(entry.name) > 2:
            target = os.readlink(entry)
            found[target.partition(":[")[0].partition(" (deleted)")[0]] += 1
    return found


def test_each_process_has_only_its_own_descriptors(public: Public) -> None:
    """No listener in a daemon process, no log but its own, nothing of the supervisor's anywhere."""
    log, access = public.directory / "error.log", public.directory / "access.log"
    options = (
        "--port",
        "0",
        "--user",
        "nobody",
        "--processes",
        "2",
        "--error-log",
        str(log),
        "--access-log",
        str(access),
    )
    # A descriptor that the starting shell has left open is nobody's business either.
    leak = public.directory / "leaked"
    shell = ["/bin/sh", "-c", f'exec 7>{leak}; exec "$@"', "sh", *public.command(*options)]
    with started(*shell, env=public.env, cwd=public.directory) as server:
        wait_for(lambda: len(server.daemons()) == 2, "both processes")
        for _ in range(20):
            assert server.get().status == 200
        # The channel and the control connection; the pipe that wakes the main thread; the scoreboard.
        for process in server.daemons():
            wait_for(lambda pid=process.pid: kinds(pid)["socket"] == 2, "the channel")  # type: ignore[misc]
            assert kinds(process.pid) == {"socket": 2, "pipe": 2, "/memfd:scoreboard": 1}
            assert {os.readlink(f"/proc/{process.pid}/fd/{n}") for n in (0, 2)} == {"/dev/null", str(log)}
        # A listener, the control connection, two channels, the loop's own pair; the access log; epoll; scoreboards;
        # descriptors in reserve.
        front = kinds(server.front().pid)
        assert front[str(access)] == 1
        assert front["socket"] == 6
        assert front["/memfd:scoreboard"] == 2
        assert set(front) == {"socket", str(access), "/memfd:scoreboard", "anon_inode", "/dev/null"}
    for path in (log, access, leak):
        path.unlink()


def test_logs_are_opened_before_the_privileges_go(public: Public, tmp_path: Path) -> None:
    """Logs in a directory that only root may enter are written by all."""
    tmp_path.chmod(0o700)
    error, access = tmp_path / "error.log", tmp_path / "access.log"
    options = ("--port", "0", "--user", "nobody", "--error-log", str(error), "--access-log", str(access))
    with started(*public.command(*options), env=public.env, cwd=public.directory) as server:
        assert server.get("/logged").status == 200
        wait_for(lambda: "GET /logged " in access.read_text("utf-8"), "the access record")
        assert "loaded in" in error.read_text("utf-8")


def test_umask_home_and_directory(public: Public) -> None:
    """The application finds the configured umask and directory, and the home of its user."""
    options = ("--port", "0", "--user", "nobody", "--umask", "027", "--working-directory", "/")
    env = {**public.env, "HOME": "/root", "USER": "root"}
    with started(*public.command(*options), env=env, cwd=public.directory) as server:
        seen = report(server)
        assert (seen["umask"], seen["cwd"], seen["home"], seen["user"]) == (0o027, "/", NOBODY.pw_dir, "nobody")
        assert status(server.front().pid)["Umask"] != [""]


@pytest.mark.parametrize(
    ("options", "gid", "groups"),
    [
        pytest.param(["--supplementary-groups="], NOBODY.pw_gid, {NOBODY.pw_gid}, id="none"),
        pytest.param(["--supplementary-groups", "#100,#60"], NOBODY.pw_gid, {NOBODY.pw_gid, 100, 60}, id="two"),
        pytest.param(["--group", "#60"], 60, {60}, id="another-group"),
        pytest.param(["--group", "#60", "--supplementary-groups", "#100"], 60, {60, 100}, id="both"),
    ],
)
def test_groups_are_exactly_those_given(public: Public, options: list[str], gid: int, groups: set[int]) -> None:
    """With --group and --supplementary-groups the processes have these groups and no other."""
    command = public.command("--port", "0", "--user", "nobody", *options)
    with started(*command, env=public.env, cwd=public.directory) as server:
        if "--supplementary-groups" not in " ".join(options):
            groups = set(os.getgrouplist("nobody", gid))
        for process in unprivileged(server):
            assert_unprivileged(process.pid, gid, groups)


def test_names_of_groups_are_looked_up(public: Public) -> None:
    """A group may be named as the group database names it."""
    name = grp.getgrgid(NOBODY.pw_gid).gr_name
    command = public.command("--port", "0", "--user", f"#{NOBODY.pw_uid}", "--group", name)
    with started(*command, env=public.env, cwd=public.directory) as server:
        for process in unprivileged(server):
            assert_unprivileged(process.pid)


def test_a_privileged_port_is_bound_by_root_and_served_by_nobody(public: Public) -> None:
    """A port below 1024 needs root once only."""
    for port in random.sample(range(600, 1024), 100):
        with socket.socket() as sock:
            try:
                sock.bind(("127.0.0.1", port))
            except OSError:
                continue
            break
    with started(*public.command("--port", str(port), "--user", "nobody"), env=public.env, cwd="/") as server:
        assert server.port == port
        assert server.get().status == 200
        assert_unprivileged(server.front().pid)


def test_a_large_body_is_spooled_as_nobody(server: CommandServer) -> None:
    """The front can write its spool files after it has given up its privileges."""
    assert server.get("/", method="POST", body=b"x" * 1_000_000).status == 200


def test_the_unix_socket_belongs_to_the_user(public: Public) -> None:
    """Who may connect is decided by the user's own file."""
    path = public.directory / "site.sock"
    command = public.command("--listen", f"unix:{path}", "--user", "nobody")
    with started(*command, env=public.env, cwd=public.directory):
        assert path.stat().st_uid == NOBODY.pw_uid
    assert not path.exists()


# -- refusals


def assert_refused(result: "subprocess.CompletedProcess[str]", *words: str) -> None:
    """Check that one line says all the words, and that the exit status is 2."""
    assert result.returncode == 2
    assert result.stderr.startswith("pydaemonwsgi: ")
    assert result.stderr.count("\n") == 1
    for word in words:
        assert word in result.stderr


def test_an_unreadable_script_is_named(public: Public) -> None:
    """A script that the user may not read is refused before anything starts, with its mode and owner."""
    script = public.directory / "secret.wsgi"
    script.write_text("application = None\n", "utf-8")
    script.chmod(0o600)
    result = public.run("--user", "nobody", script=script)
    assert_refused(result, f"the script {script}: {script} is -rw------- root:root", "may not read it")


def test_an_unreachable_script_names_the_directory(public: Public) -> None:
    """The directory that stops the user is named, not only the script."""
    closed = public.directory / "closed"
    (closed / "deep").mkdir(parents=True)
    shutil.copy(public.script, closed / "deep" / "app.wsgi")
    closed.chmod(0o700)
    result = public.run("--user", "nobody", script=closed / "deep" / "app.wsgi")
    assert_refused(result, f"{closed} is drwx------ root:root", "may not enter it")


def test_an_unreachable_working_directory_is_named(public: Public) -> None:
    """A directory that the user may not enter is no working directory."""
    closed = public.directory / "nowhere"
    closed.mkdir(mode=0o700)
    result = public.run("--user", "nobody", "--working-directory", str(closed))
    assert_refused(result, f"the working directory {closed}", f"{closed} is drwx------ root:root", "may not enter it")


def test_a_module_out_of_reach_is_named(public: Public) -> None:
    """SCRIPT may be a module: the directory that stops the user is named, instead of "No module named"."""
    closed = public.directory / "library"
    (closed / "project").mkdir(parents=True)
    (closed / "project" / "__init__.py").touch()
    shutil.copy(public.script, closed / "project" / "inner.py")
    closed.chmod(0o700)
    result = public.run("--user", "nobody", "--python-path", str(closed), script=Path("project.inner:application"))
    assert_refused(result, f"the script {closed}/project/", f"{closed} is drwx------ root:root", "may not enter it")


def test_a_module_that_may_not_be_read_is_named(public: Public) -> None:
    """The file of a module in a package is looked at as the user, not only the package."""
    package = public.directory / "public_package"
    package.mkdir(mode=0o755)
    (package / "__init__.py").touch(mode=0o644)
    shutil.copy(public.script, package / "inner.py")
    (package / "inner.py").chmod(0o600)
    result = public.run("--user", "nobody", script=Path("public_package.inner:application"))
    assert_refused(result, f"the script {package}/inner.py", "-rw------- root:root", "may not read it")


def test_a_python_path_out_of_reach_is_a_warning(public: Public) -> None:
    """Nothing of it may be needed, as with mod_wsgi, so the server starts and says who may not enter what."""
    closed = public.directory / "unreachable"
    closed.mkdir(mode=0o700)
    command = public.command("--port", "0", "--user", "nobody", "--python-path", str(closed))
    with started(*command, env=public.env, cwd=public.directory) as running:
        assert running.get().status == 200
        assert f"--python-path {closed}: {closed} is drwx------ root:root: user nobody" in running.log()


def test_an_unreadable_package_is_named(public: Public) -> None:
    """A package that the daemon processes need is looked at as well."""
    directory = public.directory / "packages" / "setproctitle"
    directory.chmod(0o700)
    try:
        result = public.run("--user", "nobody")
    finally:
        directory.chmod(0o755)
    assert_refused(result, "the package setproctitle", f"{directory} is drwx------ root:root")


def test_an_unreadable_interpreter_is_named(public: Public) -> None:
    """An interpreter below a directory that the user may not enter is refused with that directory's name."""
    interpreter = Path(sys.executable).resolve()
    if may_be_entered_by_all(interpreter):
        pytest.skip("user nobody may read the interpreter of this test run")
    result = subprocess.run(
        [sys.executable, "-m", "pydaemonwsgi", "serve", str(public.script), "--user", "nobody"],
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
        cwd=public.directory,
    )
    assert_refused(result, f"the interpreter {interpreter}: /", "user nobody", "may not enter it")


def test_root_that_may_not_change_users_serves_nothing(public: Public) -> None:
    """In a container without CAP_SETUID the start is refused in one line; no process serves as root instead."""
    drop_setuid = (
        "import ctypes, os, sys\n"
        "assert ctypes.CDLL(None).prctl(24, 7, 0, 0, 0) == 0  # PR_CAPBSET_DROP, CAP_SETUID\n"
        "os.execv(sys.argv[1], sys.argv[1:])\n"
    )
    result = subprocess.run(
        [public.python, "-c", drop_setuid, *public.command("--port", "0", "--user", "nobody")],
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
        env={**os.environ, **public.env},
        cwd=public.directory,
    )
    assert_refused(result, "cannot become user nobody", "EPERM", "CAP_SETUID")
