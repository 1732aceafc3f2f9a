"""--pid-file of a real server."""

import os
import signal
from pathlib import Path

import psutil

from tests.helpers.command import run
from tests.helpers.server import APPS, PATIENCE, serving, wait_for
from tests.helpers.upgrade import SCRIPT, end, upgrade

HELLO = APPS / "life_report.py"


def test_pid_file_is_there_while_the_server_serves(tmp_path: Path) -> None:
    """With the supervisor's pid, from the banner to the end; a second server is refused meanwhile."""
    path = tmp_path / "server.pid"
    with serving(HELLO, "--pid-file", str(path)) as server:
        assert path.read_text() == f"{server.pid}\n"
        second = run("serve", str(HELLO), "--port", "0", "--pid-file", str(path))
        assert second.returncode == 1
        assert f"another server, pid {server.pid}, has the pid file {path}" in second.stderr
        assert path.read_text() == f"{server.pid}\n"
        assert server.stop() == 0
    assert os.listdir(tmp_path) == []


def test_pid_file_of_a_killed_server_does_not_keep_the_next_one_away(tmp_path: Path) -> None:
    """Not even while the killed one's children still finish: none of them has the lock."""
    path = tmp_path / "server.pid"
    with serving(HELLO, "--pid-file", str(path)) as server:
        children = psutil.Process(server.pid).children()
        for child in children:
            child.suspend()
        try:
            server.stop(signal.SIGKILL)
            assert path.exists()
            with serving(HELLO, "--pid-file", str(path)) as second:
                assert path.read_text() == f"{second.pid}\n"
                assert f"has been replaced: its process, pid {server.pid}, has gone" in second.log()
        finally:
            for child in children:
                child.resume()
    wait_for(lambda: not any(child.is_running() for child in children), "the end of the orphans")


def test_pid_file_goes_over_to_a_new_supervisor(tmp_path: Path) -> None:
    """One that is given up leaves it alone; the old server's end does not remove the new one's."""
    path, script = tmp_path / "server.pid", tmp_path / "app.wsgi"
    script.write_text(SCRIPT % 1)
    with serving(script, "--disable-reloading", "--pid-file", str(path)) as server:
        script.write_text("raise RuntimeError('not this one')\n")
        server.process.send_signal(signal.SIGUSR2)
        wait_for(lambda: "This one goes on as before" in server.log(), "the end of the attempt")
        assert path.read_text() == f"{server.pid}\n"
        script.write_text(SCRIPT % 2)
        new = upgrade(server)
        try:
            assert server.process.wait(PATIENCE) == 0
            assert path.read_text() == f"{new}\n"
        finally:
            end(new)
        wait_for(lambda: not path.exists(), "its removal")
