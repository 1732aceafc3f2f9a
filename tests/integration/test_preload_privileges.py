"""--preload as root: the parent is the run-as user before it loads anything, and so is all that it forks."""

import os
import pwd
import signal
from collections import Counter
from pathlib import Path

import pytest

from tests.helpers.command import started
from tests.helpers.environments import make_environment
from tests.helpers.public import Public
from tests.helpers.server import wait_for
from tests.integration.test_privileges import assert_unprivileged, status

pytestmark = [
    pytest.mark.root,
    pytest.mark.skipif(os.geteuid() != 0, reason="needs to be started as root"),
]
NOBODY = pwd.getpwnam("nobody")

SCRIPT = """
import os
AT_IMPORT = repr((os.getresuid(), os.getresgid()))
def application(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [AT_IMPORT.encode()]
"""

# Forks as long as a file is not there.
LIMITED = """
import os, resource
def limit():
    if os.path.exists(%r):
        resource.setrlimit(resource.RLIMIT_NPROC, (1, resource.getrlimit(resource.RLIMIT_NPROC)[1]))
os.register_at_fork(before=limit)
"""


def kinds(pid: int) -> Counter[str]:
    """Return what a process has open beyond the standard streams, by kind."""
    targets = [os.readlink(entry) for entry in Path(f"/proc/{pid}/fd").iterdir() if int(entry.name) > 2]
    return Counter(target.partition(":[")[0].partition(" (deleted)")[0] for target in targets)


@pytest.mark.parametrize("home", [False, True], ids=["plain", "python-home"])
def test_parent_and_processes_are_nobody(public: Public, home: bool) -> None:
    """Ids, groups, no_new_privs and capabilities of the parent, of what it forks and of successors of both."""
    script = public.directory / "preloaded.wsgi"
    script.write_text(SCRIPT, "utf-8")
    options = ["--port", "0", "--user", "nobody", "--processes", "2", "--preload"]
    if home:
        options += ["--python-home", str(make_environment(public.directory / "venv-of-parent", public.python))]
    with started(*public.command(*options, script=script), env=public.env, cwd=public.directory) as server:
        for _ in range(2):
            wait_for(lambda: len(server.daemons()) == 2, "both processes")
            wait_for(lambda: len(server._children("pydaemonwsgi: preload")) == 1, "the parent")
            (parent,) = server._children("pydaemonwsgi: preload")
            ids = (NOBODY.pw_uid,) * 3, (NOBODY.pw_gid,) * 3
            assert server.get().text == repr(ids), "the script was loaded by nobody"
            for process in [parent, *server.daemons()]:
                assert_unprivileged(process.pid)
            assert status(server.pid)["Uid"] == ["0"] * 4
            os.kill(parent.pid, signal.SIGKILL)
            for process in server.daemons():
                os.kill(process.pid, signal.SIGKILL)
            gone = {parent.pid}
            wait_for(lambda: {it.pid for it in server._children("pydaemonwsgi: preload")} - gone, "another parent")  # noqa: B023


def test_each_has_only_its_own_descriptors(public: Public) -> None:
    """No process keeps another's control connection, scoreboard or pipe: not the parent, not what it forks."""
    options = ("--port", "0", "--user", "nobody", "--processes", "3", "--preload")
    with started(*public.command(*options), env=public.env, cwd=public.directory) as server:
        wait_for(lambda: len(server.daemons()) == 3, "all processes")
        for _ in range(20):
            assert server.get().status == 200
        (parent,) = server._children("pydaemonwsgi: preload")
        assert kinds(parent.pid) == {"socket": 1, "pipe": 2}
        for process in server.daemons():
            wait_for(lambda pid=process.pid: kinds(pid)["socket"] == 2, "the channel")  # type: ignore[misc]
            assert kinds(process.pid) == {"socket": 2, "pipe": 2, "/memfd:scoreboard": 1}


def test_parent_that_may_not_fork_for_a_while_goes_on_when_it_may(public: Public) -> None:
    """A user who has as many processes as he may costs nothing but new processes: no server, and no parent."""
    script, full = public.directory / "preloaded.wsgi", public.directory / "full"
    script.write_text(LIMITED % str(full) + SCRIPT, "utf-8")
    options = ("--port", "0", "--user", "nobody", "--processes", "2", "--preload")
    with started(*public.command(*options, script=script), env=public.env, cwd=public.directory) as server:
        wait_for(lambda: len(server.daemons()) == 2, "both processes")
        (parent,) = server._children("pydaemonwsgi: preload")
        full.touch()
        server.daemons()[0].kill()
        wait_for(lambda: "could not be forked (Resource temporarily unavailable)" in server.log(), "the attempt")
        assert server.get().status == 200
        full.unlink()
        wait_for(lambda: len(server.daemons()) == 2, "both processes again")
        assert [one.pid for one in server._children("pydaemonwsgi: preload")] == [parent.pid]
        assert "Traceback" not in server.log()
