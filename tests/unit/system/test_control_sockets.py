"""control_sockets: their directories, their locks, and what killed servers leave behind."""

import os
import resource
import socket
import stat
from pathlib import Path

import pytest

from pydaemonwsgi.errors import StartError
from pydaemonwsgi.system.control_sockets import directories, in_directory, make_private, open_control_socket, peer_of


def test_directories_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """What systemd made comes first, then /run, then the user's own, then the temporary directory; no relative path."""
    monkeypatch.setattr("tempfile.tempdir", "/tmp")
    environ = {"RUNTIME_DIRECTORY": "/run/service:/run/other", "XDG_RUNTIME_DIR": "/run/user/7"}
    assert directories(environ, 7) == [
        "/run/service",
        "/run/pydaemonwsgi",
        "/run/user/7/pydaemonwsgi",
        "/tmp/pydaemonwsgi-7",
    ]
    assert directories({"XDG_RUNTIME_DIR": "relative"}, 7) == ["/run/pydaemonwsgi", "/tmp/pydaemonwsgi-7"]


def test_there_may_be_no_temporary_directory(monkeypatch: pytest.MonkeyPatch) -> None:
    """In a container whose file system is read-only there is none, and servers and commands run all the same."""

    def gettempdir() -> str:
        raise FileNotFoundError(2, "No usable temporary directory found")

    monkeypatch.setattr("tempfile.gettempdir", gettempdir)
    assert directories({}, 7) == ["/run/pydaemonwsgi"]


def test_a_new_directory_is_ours_alone(tmp_path: Path) -> None:
    """Mode 0700, whatever the umask; and again is no error."""
    directory = tmp_path / "run"
    before = os.umask(0)
    try:
        make_private(str(directory))
        make_private(str(directory))
    finally:
        os.umask(before)
    assert stat.S_IMODE(directory.stat().st_mode) == 0o700


@pytest.mark.parametrize("mode", [0o770, 0o702, 0o777])
def test_a_directory_that_others_may_write_into_is_refused(tmp_path: Path, mode: int) -> None:
    """They could put a socket of theirs in our place."""
    directory = tmp_path / "run"
    directory.mkdir()
    directory.chmod(mode)
    with pytest.raises(PermissionError, match="others may write into it"):
        make_private(str(directory))


def test_a_link_is_no_directory(tmp_path: Path) -> None:
    """In a temporary directory anybody may have put it there."""
    (tmp_path / "real").mkdir()
    (tmp_path / "run").symlink_to(tmp_path / "real")
    with pytest.raises(NotADirectoryError):
        make_private(str(tmp_path / "run"))


@pytest.mark.root
def test_somebody_elses_directory_is_refused(tmp_path: Path) -> None:
    """He could put a socket of his in our place."""
    directory = tmp_path / "run"
    directory.mkdir(0o700)
    os.chown(directory, 65534, 65534)
    with pytest.raises(PermissionError, match="belongs to uid 65534"):
        make_private(str(directory))


def test_two_cannot_have_one_socket(tmp_path: Path) -> None:
    """The message names the first by its pid; when it has gone, its place is free and clean."""
    path = str(tmp_path / "control")
    first = open_control_socket(path)
    assert stat.S_IMODE(os.stat(path).st_mode) == 0o600
    with pytest.raises(StartError, match=f"another server, pid {os.getpid()}, has the control socket {path}"):
        open_control_socket(path)
    first.close()
    assert list(tmp_path.iterdir()) == []
    open_control_socket(path).close()


def test_what_a_killed_server_left_is_replaced(tmp_path: Path) -> None:
    """A socket that nobody listens on and a lock that nobody holds."""
    path = tmp_path / "control"
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(path))
    (tmp_path / "control.lock").write_text("4711\n")
    open_control_socket(str(path)).close()


def test_a_file_that_is_no_socket_stays(tmp_path: Path) -> None:
    """A typing error must not cost a file; and the lock is free again."""
    path = tmp_path / "control"
    path.write_text("precious")
    for _ in range(2):
        with pytest.raises(StartError, match="the file exists and is no socket"):
            open_control_socket(str(path))
    assert path.read_text() == "precious"
    assert os.listdir(tmp_path) == ["control"]


def test_a_listener_for_clients_is_no_control_socket(tmp_path: Path) -> None:
    """It may be in the same directory, with the same ending; /run/pydaemonwsgi/app.sock of a systemd unit is."""
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "app.sock"))
        control = open_control_socket(str(tmp_path / "control.sock"))
        assert in_directory(str(tmp_path)) == [str(tmp_path / "control.sock")]
        control.close()
    assert in_directory(str(tmp_path)) == []
    assert in_directory(str(tmp_path / "missing")) == []


def test_a_directory_that_is_not_there_is_named(tmp_path: Path) -> None:
    """With what to do."""
    with pytest.raises(StartError, match=r"cannot make the control socket .*/missing/control: no such file"):
        open_control_socket(str(tmp_path / "missing" / "control"))


def test_peer_of_names_the_process_at_the_other_end() -> None:
    """Pid and uid come from the kernel."""
    ours, theirs = socket.socketpair(socket.AF_UNIX)
    with ours, theirs:
        assert peer_of(ours) == (os.getpid(), os.geteuid())


def test_a_full_disk_does_not_keep_a_server_from_its_control_socket(tmp_path: Path) -> None:
    """The lock counts; the pid in it is for a message, which does without."""
    path = str(tmp_path / "control.sock")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, hard))
    try:
        ours = open_control_socket(path)
        ours.claim()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    with pytest.raises(StartError, match="another server has the control socket"):
        open_control_socket(path)
    ours.close()
