"""descriptors: listing and closing them, logs, the standard three, limits, memory files."""

import contextlib
import errno
import fcntl
import os
import resource
import socket
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from pydaemonwsgi.errors import ConfigurationError, StartError
from pydaemonwsgi.system.descriptors import (
    close_all_except,
    memfd,
    open_descriptors,
    open_log,
    raise_descriptor_limit,
    redirect_standard_streams,
    set_nonblocking,
)


def in_child(act: Callable[[], object]) -> str:
    """What `act` returns in a forked child, handed back through a file that the child keeps as 900 or so."""
    answer = memfd("answer")
    child = os.fork()
    if child == 0:
        try:
            kept = fcntl.fcntl(answer, fcntl.F_DUPFD, 900)
            try:
                text = str(act())
            except BaseException as error:
                text = f"{type(error).__name__}: {error}"
            os.write(kept, text.encode())
        finally:
            os._exit(0)
    os.waitpid(child, 0)
    os.lseek(answer, 0, os.SEEK_SET)
    with open(answer, "rb") as file:
        return file.read().decode()


def test_open_descriptors_lists_what_is_open() -> None:
    """A new descriptor is in the set and a closed one is not."""
    reader, writer = os.pipe()
    assert {reader, writer} <= open_descriptors()

    os.close(reader)
    os.close(writer)
    assert not {reader, writer} & open_descriptors()


def test_open_descriptors_does_not_list_its_own() -> None:
    """The descriptor that reads /proc is not part of the answer."""
    for number in open_descriptors():
        os.fstat(number)


def test_open_descriptors_needs_proc(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without /proc the machine is at fault, and said so."""

    def refuse(path: str) -> list[str]:
        raise FileNotFoundError(errno.ENOENT, "No such file or directory")

    monkeypatch.setattr(os, "listdir", refuse)

    with pytest.raises(StartError, match="/proc/self/fd"):
        open_descriptors()


def test_close_all_except_keeps_the_kept_and_the_standard_three() -> None:
    """Everything from 3 up that is not kept is closed and reported."""

    def act() -> object:
        reader, writer = os.pipe()
        before = open_descriptors()
        closed = close_all_except([writer, 900, 12345])
        after = open_descriptors()
        return [
            after == {0, 1, 2, writer, 900} & before,
            closed == sorted(before - after),
            reader in closed,
        ]

    assert in_child(act) == "[True, True, True]"


def test_close_all_except_survives_failing_close(monkeypatch: pytest.MonkeyPatch) -> None:
    """A close that reports an old write error does not stop the others."""

    def act() -> object:
        os.pipe()
        real = os.close

        def complain(number: int) -> None:
            real(number)
            raise OSError(errno.EIO, "Input/output error")

        monkeypatch.setattr(os, "close", complain)
        close_all_except([900])
        return sorted(open_descriptors() - {0, 1, 2})

    assert in_child(act) == "[900]"


def test_open_log_appends(tmp_path: Path) -> None:
    """Two openings of one log write after each other, and exec does not inherit them."""
    path = tmp_path / "log"
    first, second = open_log(str(path)), open_log(str(path))
    os.write(first, b"one\n")
    os.write(second, b"two\n")
    os.write(first, b"three\n")

    assert path.read_bytes() == b"one\ntwo\nthree\n"
    assert not os.get_inheritable(first)
    os.close(first)
    os.close(second)


def test_open_log_new_file_is_not_for_everybody(tmp_path: Path) -> None:
    """A new log has mode 0640."""
    before = os.umask(0o022)
    try:
        os.close(open_log(str(tmp_path / "log")))
    finally:
        os.umask(before)

    assert stat.S_IMODE((tmp_path / "log").stat().st_mode) == 0o640


@pytest.mark.parametrize(
    ("path", "reason"),
    [("none/log", "No such file or directory"), (".", "Is a directory"), ("a\0b", "null")],
)
def test_open_log_failure_names_the_path(tmp_path: Path, path: str, reason: str) -> None:
    """A log that cannot be opened is a configuration error with path and reason."""
    with pytest.raises(ConfigurationError) as caught:
        open_log(f"{tmp_path}/{path}")

    assert f"{tmp_path}/{path}" in str(caught.value)
    assert reason in str(caught.value)


def test_open_log_does_not_wait_for_who_reads_a_named_pipe(tmp_path: Path) -> None:
    """Without a reader it is refused at once; with one that does not read, writing waits for nobody."""
    path = tmp_path / "pipe"
    os.mkfifo(path)
    with pytest.raises(ConfigurationError, match=f"cannot open the log {path}: nobody reads this pipe"):
        open_log(str(path))
    reader = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    log = open_log(str(path))
    written = 0
    with contextlib.suppress(BlockingIOError):
        while written < 1 << 30:
            written += os.write(log, b"x" * 4096)
    assert 0 < written < 1 << 30
    os.close(log)
    os.close(reader)


def test_open_log_of_standard_error_works_for_sockets() -> None:
    """/dev/stderr is descriptor 2 itself, whatever it is: opening a socket by name would fail."""

    def act() -> object:
        ours, theirs = socket.socketpair()
        os.dup2(theirs.fileno(), 2)
        os.write(open_log("/dev/stderr"), b"hello")
        return ours.recv(10)

    assert in_child(act) == "b'hello'"


def test_open_log_never_becomes_a_standard_stream(tmp_path: Path) -> None:
    """With a standard stream closed the log still gets a descriptor above 2."""

    def act() -> object:
        os.close(0)
        return [open_log(str(tmp_path / "log")) >= 3, 0 in open_descriptors()]

    assert in_child(act) == "[True, False]"


def test_redirect_sends_errors_to_the_log(tmp_path: Path) -> None:
    """Standard error goes to the log, standard input is empty, both are inherited, standard output stays."""

    def act() -> object:
        output = os.fstat(1)
        redirect_standard_streams(open_log(str(tmp_path / "log")))
        os.write(2, b"hello")
        return [
            os.read(0, 10),
            (tmp_path / "log").read_bytes(),
            [os.get_inheritable(number) for number in range(3)],
            os.path.samestat(os.fstat(1), output),
        ]

    assert in_child(act) == "[b'', b'hello', [True, True, True], True]"


@pytest.mark.parametrize("closed", [[0], [1], [2], [0, 1], [0, 1, 2]])
def test_redirect_fills_closed_streams(tmp_path: Path, closed: list[int]) -> None:
    """A process started with closed standard streams has all three afterwards."""

    def act() -> object:
        log = open_log(str(tmp_path / "log"))
        for number in closed:
            os.close(number)
        redirect_standard_streams(log)
        os.write(2, b"e")
        if 1 in closed:
            os.write(1, b"o")
        return [
            os.read(0, 1),
            (tmp_path / "log").read_bytes() == (b"eo" if 1 in closed else b"e"),
            [os.get_inheritable(number) for number in range(3)],
        ]

    assert in_child(act) == "[b'', True, [True, True, True]]"


def test_redirect_accepts_standard_error_itself() -> None:
    """Logging to descriptor 2 as it is leaves it as it is."""

    def act() -> object:
        before = os.fstat(2)
        redirect_standard_streams(2)
        return os.path.samestat(os.fstat(2), before)

    assert in_child(act) == "True"


def test_set_nonblocking_does_not_wait() -> None:
    """Reading an empty pipe says so at once."""
    reader, writer = os.pipe()
    set_nonblocking(reader)

    with pytest.raises(BlockingIOError):
        os.read(reader, 1)
    os.close(reader)
    os.close(writer)


def test_raise_descriptor_limit_reaches_the_hard_limit() -> None:
    """The soft limit becomes the hard one and is returned."""

    def act() -> object:
        hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
        resource.setrlimit(resource.RLIMIT_NOFILE, (950, hard))
        return [raise_descriptor_limit() == hard, resource.getrlimit(resource.RLIMIT_NOFILE) == (hard, hard)]

    assert in_child(act) == "[True, True]"


def test_raise_descriptor_limit_accepts_a_refusal(monkeypatch: pytest.MonkeyPatch) -> None:
    """If the limit may not be raised, the old one holds and is returned."""

    def refuse(kind: int, limits: tuple[int, int]) -> None:
        raise PermissionError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(resource, "getrlimit", lambda kind: (100, 200))
    monkeypatch.setattr(resource, "setrlimit", refuse)

    assert raise_descriptor_limit() == 100


def test_memfd_is_a_private_file() -> None:
    """A memory file can be written, read back, seen by its name in /proc, and is not inherited."""
    descriptor = memfd("spool")
    os.write(descriptor, b"hello")

    assert os.pread(descriptor, 10, 1) == b"ello"
    assert "spool" in os.readlink(f"/proc/self/fd/{descriptor}")
    assert not os.get_inheritable(descriptor)
    os.close(descriptor)
