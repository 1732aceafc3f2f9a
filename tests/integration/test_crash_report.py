"""What the error log says when a process dies unasked."""

import contextlib
import os
import re
import signal
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.helpers.control import only_group
from tests.helpers.server import APPS, Server, serving, wait_for

SCRIPT = APPS / "life_crash.wsgi"
MEMORY = Path("/sys/fs/cgroup/memory")
PREFIX = re.compile(r"^\[[^]]+\] \[(\w+)\] \[pid \d+\] \[([^]]+)\] ", re.MULTILINE)


@pytest.fixture
def server() -> Iterator[Server]:
    """A server with one process."""
    with serving(SCRIPT, "--processes", "1", "--threads", "3", "--shutdown-timeout", "1") as running:
        yield running


def record(server: Server, beginning: str) -> list[str]:
    """Return the lines of the only record of the supervisor whose first line has `beginning`, without prefixes."""
    wait_for(lambda: beginning in server.log(), f"a record with {beginning!r}")
    texts = [PREFIX.sub("", line) for line in server.log().splitlines() if "] [supervisor] " in line]
    found = [at for at, text in enumerate(texts) if beginning in text]
    assert len(found) == 1, server.log()
    end = found[0] + 1
    while end < len(texts) and texts[end].startswith("  "):
        end += 1
    return texts[found[0] : end]


def asleep(server: Server, marker: Path) -> threading.Thread:
    """Return the thread of a client whose request runs until its process dies."""
    client = threading.Thread(target=lambda: server.get(f"/sleep?{marker}"))
    client.start()
    wait_for(marker.exists, "the request to run")
    return client


def test_killed_process_leaves_one_record_with_what_it_was_running(server: Server, tmp_path: Path) -> None:
    """Signal, age, memory, requests served; id, method, URL, duration and thread of what ran."""
    assert server.get().status == 200
    client = asleep(server, tmp_path / "mark")
    pid = server.daemons()[0].pid
    os.kill(pid, signal.SIGKILL)
    client.join()
    lines = record(server, "was killed by SIGKILL")
    assert re.search(rf"process \d+ \(pid {pid}\) was killed by SIGKILL after 1 requests, unasked", lines[0])
    assert re.search(r"it lived \d+\.\d s and used \d+\.\d\d s of CPU time; memory \d+\.\d MB at most", lines[1])
    assert lines[2] == "  nothing says that the kernel did that for lack of memory"
    assert lines[3] == "  it was running:"
    target = re.escape(f"/sleep?{tmp_path / 'mark'}")
    assert re.fullmatch(rf"    request [0-9a-f]{{16}}: GET {target} for \d+\.\d{{3}} s in thread \d", lines[4])
    assert len(lines) == 5


def test_process_that_exits_leaves_its_status(server: Server) -> None:
    """`os._exit` in a request is a death as well."""
    assert server.get("/exit").status == 502
    lines = record(server, "exited with status 3")
    assert any(re.fullmatch(r"    request [0-9a-f]{16}: GET /exit for .* in thread \d", line) for line in lines)
    assert not any("lack of memory" in line for line in lines)


def test_process_that_aborts_leaves_the_signal(server: Server) -> None:
    """A signal that is not SIGKILL is not the kernel's out-of-memory killer."""
    assert server.get("/abort").status == 502
    lines = record(server, "was killed by SIGABRT")
    assert not any("lack of memory" in line for line in lines)


def test_crash_in_c_says_where_it_was_called(server: Server) -> None:
    """The interpreter's last words are the stacks of its threads, in the error log."""
    assert server.get("/segv").status == 502
    record(server, "was killed by SIGSEGV")
    assert "Fatal Python error: Segmentation fault" in server.log()
    assert re.search(r'File ".*life_crash\.wsgi", line \d+ in application', server.log())


def test_kill_of_a_process_that_is_leaving_is_told(server: Server, tmp_path: Path) -> None:
    """That it was to go anyway is no reason for the signal."""
    wait_for(server.daemons, "a daemon process")
    pid = server.daemons()[0].pid
    client = asleep(server, tmp_path / "mark")
    os.kill(pid, signal.SIGUSR1)
    wait_for(
        lambda: "DRAINING" in {process["state"] for process in only_group(server)["processes"]},
        "the successor to serve",
    )
    os.kill(pid, signal.SIGKILL)
    client.join()
    lines = record(server, "before it had left as it was asked to (graceful_signal)")
    assert "  nothing says that the kernel did that for lack of memory" in lines


def test_front_that_dies_leaves_a_record(server: Server, tmp_path: Path) -> None:
    """How it ended, its age and memory, and how many requests lost their clients."""
    client = asleep(server, tmp_path / "mark")
    front = server.front().pid
    os.kill(front, signal.SIGKILL)
    client.join()
    lines = record(server, "the front (pid ")
    assert lines[0].startswith(f"the front (pid {front}) was killed by SIGKILL")
    assert "memory" in lines[1]
    assert "  1 requests were running in daemon processes" in lines


def test_process_that_was_asked_to_leave_leaves_no_report(server: Server) -> None:
    """Normal life needs no autopsy."""
    wait_for(server.daemons, "a daemon process")
    server.daemons()[0].terminate()
    wait_for(lambda: "as it was asked to" in server.log(), "the end of the process")
    assert "it lived" not in server.log()


@contextlib.contextmanager
def control_group(limit: int) -> Iterator[Path]:
    """Make a memory control group for the length of a `with` block, or skip the test."""
    membership = Path("/proc/self/cgroup").read_text(encoding="ascii")
    match = re.search(r"^\d+:memory:/(.*)$", membership, re.MULTILINE)
    if os.geteuid() != 0 or match is None:
        pytest.skip("needs root and a memory control group of the first generation")
    path = MEMORY / match.group(1) / f"pydaemonwsgi-test-{os.getpid()}"
    try:
        path.mkdir()
        (path / "memory.limit_in_bytes").write_text(str(limit), encoding="ascii")
    except OSError as error:
        pytest.skip(f"cannot make a control group: {error}")
    try:
        yield path
    finally:
        path.rmdir()


@pytest.mark.root
def test_out_of_memory_kill_is_told_apart(tmp_path: Path) -> None:
    """The kernel's kill for lack of memory is named, and how that is known."""
    launcher = tmp_path / "python"
    with control_group(150_000_000) as group:
        launcher.write_text(
            f'#!/bin/sh\necho $$ > {group}/cgroup.procs\nexec {sys.executable} "$@"\n', encoding="ascii"
        )
        launcher.chmod(0o755)
        with serving(SCRIPT, "--processes", "1", "--threads", "1", python=str(launcher)) as server:
            assert server.get("/eat").status == 502
            lines = record(server, "was killed by SIGKILL")
            assert any(line.startswith("  the kernel killed it for lack of memory: ") for line in lines), lines
            wait_for(server.daemons, "the successor")
            os.kill(server.daemons()[0].pid, signal.SIGKILL)
            wait_for(lambda: "nothing says that the kernel did that" in server.log(), "the second record")
