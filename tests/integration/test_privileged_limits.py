"""Started as root: what only root can give a process or take from it, and what becomes of one that may not."""

import json
import os
import pwd
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.helpers.command import started
from tests.helpers.public import Public
from tests.helpers.server import PATIENCE, Server

pytestmark = [
    pytest.mark.root,
    pytest.mark.skipif(os.geteuid() != 0, reason="needs to be started as root"),
]
NOBODY = pwd.getpwnam("nobody")
AS_NOBODY = "os.setgroups([]); os.setresgid(65534, 65534, 65534); os.setresuid(65534, 65534, 65534)"


def script(public: Public) -> Path:
    """Return the script that reports and uses up."""
    return public.directory / "limits.wsgi"


def facts(server: Server) -> dict[str, Any]:
    """Return what the application says of its process."""
    answer = server.get()
    assert answer.status == 200, answer.text
    result: dict[str, Any] = json.loads(answer.text)
    return result


def run_as_nobody(public: Public, before: str, *options: str) -> "subprocess.CompletedProcess[str]":
    """Run a server to its end, started by nobody, who has done something to himself."""
    code = f"import os, resource, sys; {before}; {AS_NOBODY}; os.execv(sys.argv[1], sys.argv[1:])"
    return subprocess.run(
        [public.python, "-c", code, *public.command("--port", "0", *options, script=script(public))],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
        env={**os.environ, **public.env},
        cwd="/",
    )


def test_priority_above_the_supervisors_is_taken_before_root_is_given_up(public: Public) -> None:
    """--cpu-priority -5 with --user: nobody could not ask for it, so root does."""
    command = public.command("--port", "0", "--user", "nobody", "--cpu-priority", "-5", script=script(public))
    with started(*command, env=public.env, cwd="/") as server:
        assert facts(server)["nice"] == -5


def test_a_priority_that_is_refused_ends_the_server(public: Public) -> None:
    """Started by nobody, --cpu-priority -5 is named with its value, and the server gives up with status 1."""
    result = run_as_nobody(public, "pass", "--cpu-priority", "-5")
    assert result.returncode == 1
    assert "cannot take cpu-priority -5: Permission denied; the process ends" in result.stderr
    assert "exited with status 79" in result.stderr
    assert "can be what it was told to be" in result.stderr


@pytest.mark.parametrize(
    ("option", "value", "kind", "text"),
    [
        ("--memory-limit", "2G", "RLIMIT_DATA", "cannot set memory-limit 2147483648 bytes"),
        ("--virtual-memory-limit", "8G", "RLIMIT_AS", "cannot set virtual-memory-limit 8589934592 bytes"),
        ("--cpu-time-limit", "2h", "RLIMIT_CPU", "cannot set cpu-time-limit 7200 s"),
    ],
)
def test_a_limit_above_ones_own_ends_the_server(public: Public, option: str, value: str, kind: str, text: str) -> None:
    """A process that has a lower limit already is named with the option, the value and the limit."""
    most = 3600 if kind == "RLIMIT_CPU" else 1 << 30
    result = run_as_nobody(public, f"resource.setrlimit(resource.{kind}, ({most}, {most}))", option, value)
    assert result.returncode == 1
    assert f"{text}: Operation not permitted; {most} is the most that this process may ask for" in result.stderr
    assert "exited with status 81" in result.stderr


def test_home_and_names_of_the_run_as_user_are_in_the_environment(public: Public) -> None:
    """HOME is replaced; USER, USERNAME, LOGNAME where they are, and not added where they are not."""
    command = public.command("--port", "0", "--user", "nobody", script=script(public))
    env = {**public.env, "HOME": "/root", "USER": "root", "LOGNAME": "root"}
    without = {name: value for name, value in os.environ.items() if name != "USERNAME"}
    with started("/usr/bin/env", "-i", *(f"{k}={v}" for k, v in {**without, **env}.items()), *command) as server:
        seen = facts(server)["environ"]
    assert (seen["HOME"], seen["USER"], seen["LOGNAME"]) == (NOBODY.pw_dir, "nobody", "nobody")
    assert seen["USERNAME"] is None


def test_socket_user_owns_the_unix_socket(public: Public) -> None:
    """--socket-user: the file is his, whoever the processes run as."""
    path = public.directory / "owned.sock"
    command = public.command("--listen", f"unix:{path}", "--user", "nobody", "--socket-user", "daemon")
    with started(*command, env=public.env, cwd="/"):
        assert path.owner() == "daemon"


def test_a_socket_user_who_does_not_exist_is_refused(public: Public) -> None:
    """With the nearest name."""
    result = public.run("--listen", f"unix:{public.directory}/x.sock", "--socket-user", "deamon")
    assert result.returncode == 2
    assert result.stderr == "pydaemonwsgi: user 'deamon' does not exist; did you mean 'daemon'?\n"


# -- chroot


@pytest.fixture
def jail(public: Public) -> Iterator[Path]:
    """A directory that holds a script and a Python library at the path that it has outside, and nothing else."""
    question = "import os; print(os.path.dirname(os.path.realpath(os.__file__)))"
    library = subprocess.run([public.python, "-c", question], capture_output=True, text=True, check=True).stdout.strip()
    directory = public.directory / "jail"
    shutil.copytree(library, f"{directory}{library}", symlinks=True, ignore=shutil.ignore_patterns("test", "dist-*"))
    (directory / "srv").mkdir()
    shutil.copy(script(public), directory / "srv" / "app.wsgi")
    for path in (directory, *directory.glob("srv"), directory / "srv" / "app.wsgi"):
        path.chmod(0o755)
    yield directory
    shutil.rmtree(directory)


def test_a_process_in_a_chroot_sees_nothing_else(public: Public, jail: Path) -> None:
    """Root and working directory are the chroot's; the script's path is given from outside; requests are served."""
    options = ("--port", "0", "--user", "nobody", "--chroot", str(jail), "--home", f"{jail}/srv")
    command = public.command(*options, script=jail / "srv" / "app.wsgi")
    with started(*command, env=public.env, cwd="/") as server:
        seen = facts(server)
        assert seen["root"] == ["srv", "usr"]
        assert seen["cwd"] == seen["path"][0] == "/srv"
        # A changed script is noticed by both sides, which see it under different paths.
        (jail / "srv" / "app.wsgi").write_text("application = lambda e, s: (s('200 OK', []), [b'new'])[1]", "utf-8")
        assert server.get().text == "new"


def test_what_is_outside_of_a_chroot_is_refused(public: Public, jail: Path) -> None:
    """Script, home and library must be inside; each is named."""
    inside = jail / "srv" / "app.wsgi"
    options = ("--user", "nobody", "--chroot", str(jail))
    result = public.run(*options, script=script(public))
    assert result.returncode == 2
    assert f"the script {script(public)} is outside of --chroot {jail}" in result.stderr
    result = public.run(*options, "--home", "/tmp", script=inside)
    assert result.returncode == 2
    assert f"the working directory /tmp is outside of --chroot {jail}" in result.stderr
    (jail / "usr").rename(jail / "elsewhere")
    result = public.run(*options, script=inside)
    assert result.returncode == 2
    assert f"the Python library inside --chroot {jail}" in result.stderr


def test_a_chroot_needs_a_user(public: Public, jail: Path) -> None:
    """Root would find its way out; nobody else could go in."""
    inside = jail / "srv" / "app.wsgi"
    result = public.run("--chroot", str(jail), script=inside)
    assert (result.returncode, result.stderr) == (
        2,
        "pydaemonwsgi: --chroot needs --user as well: root finds its way out\n",
    )
    result = run_as_nobody(public, "pass", "--chroot", str(jail))
    assert "--chroot: only root can" in result.stderr
