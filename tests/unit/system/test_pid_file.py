"""pid_file: whose file it is, who may replace it, who removes it."""

import logging
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from pydaemonwsgi.errors import StartError
from pydaemonwsgi.system.pid_file import PidFile
from tests.helpers.server import wait_for

# Writes the file, says so, and waits until it is killed or told to end; then removes it.
HOLDER = """
import sys
from pydaemonwsgi.system.pid_file import PidFile
file = PidFile(sys.argv[1])
file.write()
print("written", flush=True)
sys.stdin.read()
file.remove()
"""


@contextmanager
def holder(path: Path) -> Iterator["subprocess.Popen[str]"]:
    """Run another process that has the pid file for the length of a `with` block."""
    command = [sys.executable, "-c", HOLDER, str(path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "written\n"
        try:
            yield process
        finally:
            process.kill()


def test_it_holds_the_pid_until_it_is_removed(tmp_path: Path) -> None:
    """One line, readable by all whatever the umask; and nothing is left beside it."""
    path = tmp_path / "server.pid"
    file = PidFile(str(path))
    assert not path.exists()
    before = os.umask(0o077)
    try:
        file.write()
    finally:
        os.umask(before)
    assert path.read_text() == f"{os.getpid()}\n"
    assert path.stat().st_mode & 0o777 == 0o644
    assert os.listdir(tmp_path) == ["server.pid"]
    file.remove()
    assert os.listdir(tmp_path) == []


def test_no_path_is_no_file() -> None:
    """Every call does nothing."""
    file = PidFile(None)
    file.write()
    file.remove()


def test_a_living_servers_file_is_refused(tmp_path: Path) -> None:
    """The message has its pid, and its file stays as it is."""
    path = tmp_path / "server.pid"
    with holder(path) as other:
        with pytest.raises(StartError, match=f"another server, pid {other.pid}, has the pid file {path}"):
            PidFile(str(path))
        assert path.read_text() == f"{other.pid}\n"


def test_a_killed_servers_file_is_replaced(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """And the log says so."""
    path = tmp_path / "server.pid"
    with holder(path) as other:
        os.kill(other.pid, signal.SIGKILL)
        other.wait()
        with caplog.at_level(logging.INFO):
            file = PidFile(str(path))
            file.write()
    assert path.read_text() == f"{os.getpid()}\n"
    assert f"the pid file {path} has been replaced: its process, pid {other.pid}, has gone" in caplog.text
    file.remove()


def test_a_pid_that_somebody_else_has_by_now_is_no_owner(tmp_path: Path) -> None:
    """The process began after the file had been written: after a reboot, or in a container."""
    path = tmp_path / "server.pid"
    with subprocess.Popen(["sleep", "60"]) as other:
        try:
            path.write_text(f"{other.pid}\n")
            os.utime(path, (0, 0))
            file = PidFile(str(path))
            file.write()
            assert path.read_text() == f"{os.getpid()}\n"
            file.remove()
        finally:
            other.kill()


def test_our_own_pid_is_no_owner(tmp_path: Path) -> None:
    """A container that is started again gives the same pid to the same command."""
    path = tmp_path / "server.pid"
    path.write_text(f"{os.getpid()}\n")
    file = PidFile(str(path))
    file.write()
    file.remove()
    assert not path.exists()


def test_the_file_of_another_program_that_runs_is_refused(tmp_path: Path) -> None:
    """--pid-file names nginx's by mistake; nothing has locked that."""
    path = tmp_path / "nginx.pid"
    path.write_text(f"{os.getppid()}\n")
    with pytest.raises(StartError, match=rf"is that of \S+, pid {os.getppid()}, which runs"):
        PidFile(str(path))


@pytest.mark.parametrize("content", ["root:x:0:0:\n", "12 13\n", "-1\n", "²\n", "1" * 40])
def test_a_file_that_holds_no_pid_is_refused(tmp_path: Path, content: str) -> None:
    """--pid-file /etc/passwd costs nobody anything."""
    path = tmp_path / "precious"
    path.write_text(content)
    with pytest.raises(StartError, match="is no pid file"):
        PidFile(str(path))
    assert path.read_text() == content


def test_an_empty_file_is_replaced(tmp_path: Path) -> None:
    """Another program's write that came to nothing."""
    path = tmp_path / "server.pid"
    path.touch()
    file = PidFile(str(path))
    file.write()
    assert path.read_text() == f"{os.getpid()}\n"
    file.remove()


def test_what_is_no_file_is_refused(tmp_path: Path) -> None:
    """A directory, a pipe, a link that may lead anywhere."""
    (tmp_path / "directory").mkdir()
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "link").symlink_to("/etc/passwd")
    for name, words in (("directory", "is no pid file"), ("pipe", "is no pid file"), ("link", "it is a link")):
        with pytest.raises(StartError, match=words):
            PidFile(str(tmp_path / name))


def test_a_directory_that_is_not_there_is_refused(tmp_path: Path) -> None:
    """At once, not when the server is ready."""
    with pytest.raises(StartError, match=f"there is no directory {tmp_path}/run; make it"):
        PidFile(str(tmp_path / "run" / "server.pid"))


def test_only_the_owner_removes_it(tmp_path: Path) -> None:
    """What somebody has put in its place stays, as does a file that is gone."""
    path = tmp_path / "server.pid"
    file = PidFile(str(path))
    file.write()
    path.unlink()
    path.write_text("1\n")
    file.remove()
    assert path.read_text() == "1\n"
    path.unlink()
    file = PidFile(str(path))
    file.write()
    path.unlink()
    file.remove()


def test_who_comes_between_start_and_writing_keeps_it(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Two servers are started at the same moment: the second one says that its pid is not there."""
    path = tmp_path / "server.pid"
    file = PidFile(str(path))
    with holder(path) as other:
        file.write()
        assert path.read_text() == f"{other.pid}\n"
        assert f"is not written: another server, pid {other.pid}, has the pid file" in caplog.text
        file.remove()
        assert path.exists()


def test_a_full_disk_is_told_and_leaves_nothing(caplog: pytest.LogCaptureFixture, tmp_path: Path) -> None:
    """The server serves without a pid file."""
    path = tmp_path / "server.pid"
    script = (
        "import logging, os, resource, signal, sys; from pydaemonwsgi.system.pid_file import PidFile\n"
        "logging.basicConfig(); file = PidFile(sys.argv[1])\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN); resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))\n"
        "file.write(); file.remove()\n"
    )
    result = subprocess.run([sys.executable, "-c", script, str(path)], stderr=subprocess.PIPE, text=True, check=True)
    assert f"the pid file {path} is not written: File too large" in result.stderr
    assert os.listdir(tmp_path) == []


def test_a_successor_takes_over_its_parents_file(tmp_path: Path) -> None:
    """The parent's lock does not stop it; and the parent, which ends later, leaves the new file alone."""
    path = tmp_path / "server.pid"
    file = PidFile(str(path))
    file.write()
    script = HOLDER.replace("sys.argv[1]", "sys.argv[1], heir=True")
    command = [sys.executable, "-c", script, str(path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as heir:
        assert heir.stdout is not None
        assert heir.stdout.readline() == "written\n"
        assert path.read_text() == f"{heir.pid}\n"
        file.remove()
        assert path.read_text() == f"{heir.pid}\n"
        assert heir.stdin is not None
        heir.stdin.close()
        wait_for(lambda: not path.exists(), "its end")
