"""logs: targets are opened once, and read by real processes; syslog is reached whatever happens to its daemon."""

import contextlib
import os
import select
import signal
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from pydaemonwsgi.config.log_targets import read_log_target
from pydaemonwsgi.errors import ConfigurationError
from pydaemonwsgi.logs import error_line
from pydaemonwsgi.supervisor.logs import Logs, Use
from pydaemonwsgi.system.descriptors import open_descriptors
from tests.helpers.server import wait_for


@pytest.fixture(autouse=True)
def nothing_is_left_open() -> Iterator[None]:
    """Every descriptor that a test has opened is closed by what it tests."""
    before = open_descriptors()
    yield
    assert open_descriptors() == before


class Loop:
    """As much of the supervisor as logs need."""

    def __init__(self, logs: Logs) -> None:
        self.logs = logs

    def turn(self) -> None:
        """Start who is to be started, and bury who has died."""
        self.logs.carry_out(time.monotonic())
        for pid in self.pids():
            found, status = os.waitpid(pid, os.WNOHANG)
            if found:
                assert self.logs.bury(pid, status, time.monotonic())

    def pids(self) -> list[int]:
        """The living readers."""
        return [reader.pid for reader in self.logs._readers if reader.pid]

    def until(self, condition: Callable[[], object], what: str) -> None:
        """Turn until something is so."""

        def turned() -> object:
            self.turn()
            return condition()

        wait_for(turned, what)

    def stop(self) -> None:
        """Come to an end."""
        self.until(lambda: self.logs.stop(time.monotonic()), "the end of the readers")
        for log in self.logs._table.values():
            os.close(log.descriptor)


class SyslogDaemon:
    """A socket like /dev/log."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(str(path))
        self.socket.setblocking(False)
        self.received: list[str] = []

    def look(self) -> list[str]:
        """Everything received so far, without the time."""
        with contextlib.suppress(BlockingIOError):
            while True:
                text = self.socket.recv(100_000).decode()
                self.received.append(text.partition(">")[0] + ">" + text[text.index(">") + 17 :])
        return self.received

    def close(self) -> None:
        """Go, as a daemon that is stopped."""
        self.socket.close()
        self.path.unlink()


def target(word: str, use: Use, logs: Logs) -> int:
    return logs.open(read_log_target(word, os.path.abspath), use)


def test_a_target_is_opened_once_for_each_kind_of_record(tmp_path: Path) -> None:
    """However many hosts name a log, it is one descriptor; the front keeps what is the front's."""
    logs = Logs()
    access = target(f"{tmp_path}/a", Use.ACCESS, logs)
    assert target(f"{tmp_path}/./a", Use.ACCESS, logs) == access
    group = target(f"{tmp_path}/e", Use.GROUP_ERROR, logs)
    assert logs.for_front == [access]
    assert target(f"{tmp_path}/e", Use.HOST_ERROR, logs) == group
    assert logs.for_front == [access, group]
    logs.close([access, group])
    assert logs.for_front == []


def test_a_log_that_cannot_be_opened_anew_is_named_and_goes_on(tmp_path: Path) -> None:
    """The others are opened anew, under the numbers that they had."""
    logs = Logs()
    (tmp_path / "gone").mkdir()
    kept = target(f"{tmp_path}/gone/a", Use.ACCESS, logs)
    moved = target(f"{tmp_path}/b", Use.ACCESS, logs)
    (tmp_path / "gone").rename(tmp_path / "elsewhere")
    (tmp_path / "b").rename(tmp_path / "b.1")

    reopened = logs.reopen()

    assert list(reopened.descriptors) == [moved]
    assert reopened.problems == (f"cannot open the log {tmp_path}/gone/a: No such file or directory",)
    os.write(kept, b"kept\n")
    os.write(moved, b"moved\n")
    assert (tmp_path / "elsewhere" / "a").read_text() == "kept\n"
    assert (tmp_path / "b").read_text() == "moved\n"
    reopened.close()
    logs.close([kept, moved])


def test_many_logs_go_into_several_messages(tmp_path: Path) -> None:
    """No message has more descriptors than the kernel takes, and each is in one."""
    logs = Logs()
    numbers = [target(f"{tmp_path}/{number}", Use.ACCESS, logs) for number in range(300)]

    reopened = logs.reopen()

    batches = list(reopened.batches())
    assert [number for batch, _ in batches for number in batch] == numbers
    assert all(len(batch) == len(descriptors) <= 253 for batch, descriptors in batches)
    for batch, descriptors in batches:
        assert all(os.path.sameopenfile(one, other) for one, other in zip(batch, descriptors, strict=True))
    reopened.close()
    logs.close(numbers)


def test_a_full_pipe_says_so_at_once() -> None:
    """Who writes to a log that nobody reads does not wait."""
    logs = Logs()
    descriptor = target("|/bin/cat", Use.ACCESS, logs)
    written = 0
    with contextlib.suppress(BlockingIOError):
        while written < 1 << 30:
            written += os.write(descriptor, b"x" * 4096)
    assert 0 < written < 1 << 30
    logs.close([descriptor])


def test_syslog_without_a_daemon_is_refused(tmp_path: Path) -> None:
    """A server whose logs would go nowhere does not start."""
    logs = Logs(syslog_socket=f"{tmp_path}/log")
    with pytest.raises(ConfigurationError, match=f"cannot open the log syslog:user: {tmp_path}/log: No such file"):
        target("syslog:user", Use.ACCESS, logs)


def test_records_reach_syslog_also_after_its_daemon_was_away(tmp_path: Path) -> None:
    """Error and access records arrive once and in order; what is written meanwhile waits, and nobody else does."""
    daemon = SyslogDaemon(tmp_path / "log")
    logs = Logs(syslog_socket=str(daemon.path))
    access = target("syslog:local1:web", Use.ACCESS, logs)
    error = target("syslog:local1:web", Use.GROUP_ERROR, logs)
    loop = Loop(logs)
    pid = os.getpid()

    os.write(access, b"GET /1\nGET /2\n")
    loop.until(lambda: len(daemon.look()) == 2, "the first records")
    record = error_line("warn", "beware", label="wsgi:a", request_id=None, now=time.time())
    os.write(error, record[:30])
    os.write(error, record[30:] + b"raw\n")
    loop.until(lambda: len(daemon.look()) == 4, "the records of the error log")
    daemon.close()
    os.write(access, b"GET /3\n")
    [relay] = loop.pids()
    os.kill(relay, signal.SIGKILL)
    loop.until(lambda: loop.pids() not in ([], [relay]), "another relay")
    os.write(access, b"GET /4\n")
    again = SyslogDaemon(tmp_path / "log")
    loop.until(lambda: again.look() and again.look()[-1].endswith("/4"), "the record after that")

    assert daemon.received == [
        "<142>web: GET /1", "<142>web: GET /2", f"<140>web[{pid}]: [warn] [wsgi:a] beware", "<139>web: raw"
    ]  # fmt: skip
    os.write(access, b"GET /5\nend")
    loop.stop()
    assert again.look()[-2:] == ["<142>web: GET /5", "<142>web: end"]
    again.close()


def test_a_relay_ends_with_the_last_log_that_it_reads(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Logs that a reload has left out leave nobody behind; those that it has kept are read."""
    daemon = SyslogDaemon(tmp_path / "log")
    logs = Logs(syslog_socket=str(daemon.path))
    first, second = target("syslog::one", Use.ACCESS, logs), target("syslog::two", Use.ACCESS, logs)
    loop = Loop(logs)
    os.write(first, b"1\n")
    loop.until(daemon.look, "the first record")
    logs.close([first])
    os.write(second, b"2\n")
    loop.until(lambda: len(daemon.look()) == 2, "the record of the other log")
    logs.close([second])
    loop.until(lambda: not loop.pids(), "the end of the relay")
    loop.turn()
    assert not loop.pids()
    assert logs.next_deadline() is None
    assert not caplog.records
    daemon.close()


def test_a_relay_is_replaced_between_two_records(tmp_path: Path) -> None:
    """Opening the logs anew gives it the new error log; a record that has begun is whole in syslog all the same."""
    daemon = SyslogDaemon(tmp_path / "log")
    logs = Logs(syslog_socket=str(daemon.path))
    access = target("syslog", Use.ACCESS, logs)
    loop = Loop(logs)
    os.write(access, b"first\nbegun")
    loop.until(lambda: len(daemon.look()) == 1, "the first record")
    [relay] = loop.pids()

    logs.reopen().close()
    os.write(access, b" and ended\n")

    loop.until(lambda: loop.pids() not in ([], [relay]), "another relay")
    loop.until(lambda: len(daemon.look()) == 2, "the second record")
    assert daemon.received[1] == "<190>pydaemonwsgi: begun and ended"
    loop.stop()
    daemon.close()


def test_a_reader_that_does_not_end_is_killed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It gets its time, then SIGTERM, then SIGKILL; the server ends."""
    monkeypatch.setattr("pydaemonwsgi.supervisor.log_readers._PATIENCE", 0.05)
    monkeypatch.setattr("pydaemonwsgi.supervisor.log_readers._INSISTENCE", 0.05)
    logs = Logs()
    target(f"|$trap '' TERM; touch {tmp_path}/up; while :; do sleep 0.01; done", Use.ACCESS, logs)
    loop = Loop(logs)
    loop.until((tmp_path / "up").exists, "the command")
    [pid] = loop.pids()

    loop.stop()

    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def test_a_command_that_dies_at_once_is_started_less_and_less_often() -> None:
    """The delay grows, and says so."""
    logs = Logs()
    descriptor = target("|/bin/false", Use.ACCESS, logs)
    loop = Loop(logs)
    loop.until(loop.pids, "the command")
    loop.until(lambda: not loop.pids(), "its end")
    first = logs.next_deadline()
    assert first is not None
    assert first > time.monotonic() - 0.05
    loop.until(loop.pids, "the second attempt")
    started = time.monotonic()
    assert started >= first
    loop.until(lambda: not loop.pids(), "its end")
    second = logs.next_deadline()
    assert second is not None
    assert second - started > 0.2
    logs.close([descriptor])
    loop.stop()


def test_a_command_has_standard_streams_and_nothing_else(tmp_path: Path) -> None:
    """What it reads is its standard input; it keeps no log open, and dies of a broken pipe as other programs do."""
    logs = Logs(str(tmp_path))
    program = tmp_path / "look"
    program.write_text(
        "#!/bin/sh\n"
        "{ ls -l /proc/self/fd | wc -l; grep SigIgn /proc/$$/status; readlink /proc/$$/fd/0; } > $1.new\n"
        "mv $1.new $1; exec cat\n"
    )
    program.chmod(0o755)
    descriptor = target(f"|./look {tmp_path}/seen", Use.ACCESS, logs)
    loop = Loop(logs)
    loop.until((tmp_path / "seen").exists, "the command")
    count, ignored, standard_input = (tmp_path / "seen").read_text().splitlines()
    # "total", three streams, and the directory that is listed.
    assert int(count) == 5
    # Others may be ignored by whoever runs the tests.
    assert not int(ignored.split()[1], 16) >> (signal.SIGPIPE - 1) & 1
    assert standard_input == os.readlink(f"/proc/self/fd/{descriptor}")
    assert select.select([], [descriptor], [], 0)[1] == [descriptor]
    loop.stop()
