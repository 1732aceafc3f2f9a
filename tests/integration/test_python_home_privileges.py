"""--python-home as root: no line of the other environment ever runs with more rights than the run-as user's."""

import json
import os
import pwd
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.helpers.command import started
from tests.helpers.environments import make_environment, site_packages
from tests.helpers.public import Public
from tests.helpers.server import APPS, wait_for
from tests.integration.test_privileges import assert_refused, assert_unprivileged, status

pytestmark = [
    pytest.mark.root,
    pytest.mark.skipif(os.geteuid() != 0, reason="needs to be started as root"),
]
NOBODY = pwd.getpwnam("nobody")

# Runs at every start of the environment's interpreter, before anything of ours.
TELL = "import os; open({log!r}, 'a').write(repr((os.getresuid(), os.getresgid(), os.getgroups())) + chr(10))\n"


@pytest.fixture
def home(public: Public) -> Iterator[Path]:
    """An environment that belongs to nobody and notes who runs it."""
    made = make_environment(public.directory / "venv", public.python)
    log = public.directory / "who"
    log.write_text("", "utf-8")
    (site_packages(made) / "tell.pth").write_text(TELL.format(log=str(log)), "utf-8")
    for path in (made, log, *made.rglob("*")):
        os.chown(path, NOBODY.pw_uid, NOBODY.pw_gid, follow_symlinks=False)
    yield made
    log.unlink()
    shutil.rmtree(made)


def test_the_environment_never_runs_as_root(public: Public, home: Path) -> None:
    """Neither when it is asked for its version nor when it is executed, nor for a replacement."""
    command = public.command("--port", "0", "--user", "nobody", "--processes", "2", "--python-home", str(home))
    with started(*command, env=public.env, cwd=public.directory) as server:
        wait_for(lambda: len(server.daemons()) == 2, "both processes")
        before = {process.pid for process in server.daemons()}
        os.kill(min(before), signal.SIGKILL)
        wait_for(lambda: len({process.pid for process in server.daemons()} - before) == 1, "a replacement")
        # One that has only been forked is still becoming who it is to be.
        loaded = "[pid {}] [wsgi:app] script "
        wait_for(lambda: all(loaded.format(one.pid) in server.log() for one in server.daemons()), "their scripts")
        assert server.get().status == 200
        for process in server.daemons():
            assert_unprivileged(process.pid)
            assert os.readlink(f"/proc/{process.pid}/exe") == os.path.realpath(home / "bin" / "python")
        assert status(server.pid)["Uid"] == ["0"] * 4
    groups = set(os.getgrouplist("nobody", NOBODY.pw_gid))
    runs = [eval(line) for line in (public.directory / "who").read_text("utf-8").splitlines()]
    assert len(runs) >= 4
    for uids, gids, of_run in runs:
        assert set(uids) == {NOBODY.pw_uid}
        assert set(gids) == {NOBODY.pw_gid}
        assert set(of_run) == groups


def test_the_application_finds_its_own_users_home(public: Public, home: Path) -> None:
    """HOME is the run-as user's before the interpreter starts, which looks for packages there."""
    script = public.directory / "interpreter.wsgi"
    script.write_bytes((APPS / "interpreter_report.py").read_bytes())
    command = public.command("--port", "0", "--user", "nobody", "--python-home", str(home), script=script)
    with started(*command, env={**public.env, "HOME": "/root"}, cwd=public.directory) as server:
        seen = json.loads(server.get().text)
        assert seen["prefix"] == str(home)
        assert not [entry for entry in seen["path"] if entry.startswith(("/root", str(public.directory / "packages")))]


def test_an_environment_that_the_user_may_not_enter_is_refused(public: Public, home: Path) -> None:
    """The directory in the way is named with its mode."""
    closed = public.directory / "closed-home"
    closed.mkdir()
    home.rename(closed / "venv")
    closed.chmod(0o700)
    try:
        result = public.run("--user", "nobody", "--python-home", str(closed / "venv"))
        assert_refused(result, f"python-home {closed}/venv: the interpreter", f"{closed} is drwx------ root:root")
    finally:
        (closed / "venv").rename(home)
        closed.rmdir()
