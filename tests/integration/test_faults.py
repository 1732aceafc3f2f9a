"""Faults that were found once and must not come back, each against a real server."""

import concurrent.futures
import os
import pty
import re
import signal
import socket
import struct
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from tests.helpers.command import CommandServer, run, started
from tests.helpers.server import APPS, Answer, Server, read_all, serving, wait_for

SCRIPT = APPS / "fault_paths.wsgi"
PIECE = bytes(range(256)) * 128
# What a launcher does before it becomes the server; its first argument, if it needs one, is taken from sys.argv.
ON_TERMINAL = "os.setsid(); fcntl.ioctl(os.open(sys.argv.pop(1), os.O_RDWR), termios.TIOCSCTTY, 0)"
FEW_DESCRIPTORS = "resource.setrlimit(resource.RLIMIT_NOFILE, (128, 128))"
FULL_STDERR = "os.dup2(os.open('/dev/full', os.O_WRONLY), 2)"
RESET = struct.pack("ii", 1, 0)


def launcher(before: str, *arguments: str) -> list[str]:
    """Return the command of a process that does something to itself and then becomes the server."""
    imports = "import fcntl, os, resource, sys, termios"
    code = f"{imports}; {before}; os.execv(sys.executable, [sys.executable, *sys.argv[1:]])"
    return [sys.executable, "-c", code, *arguments]


def serve(*options: str) -> list[str]:
    """Return the arguments of an interpreter that serves the script."""
    return ["-m", "pydaemonwsgi", "serve", str(SCRIPT), "--port", "0", *options]


def together(server: Server, *paths: str) -> list[Answer]:
    """Return the answers to requests that are made at the same time."""
    with concurrent.futures.ThreadPoolExecutor(len(paths)) as pool:
        return list(pool.map(server.get, paths))


def entered(gate: Path) -> int:
    """How many requests have come to a gate."""
    return len(list(gate.parent.glob(f"{gate.name}.entered-*")))


def has_ended(pid: int) -> bool:
    """Whether a process runs no more; nobody may be there to reap it."""
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


@pytest.fixture(scope="module")
def common() -> Iterator[Server]:
    """A server with one process of one thread, for tests that cost it nothing."""
    with serving(SCRIPT, "--threads", "1") as server:
        yield server


# -- processes


def test_children_have_no_terminal() -> None:
    """Front and daemon processes of a server on a terminal are in sessions of their own, without it."""
    ours, theirs = pty.openpty()
    try:
        command = launcher(ON_TERMINAL, os.ttyname(theirs), *serve("--processes", "2"))
        with started(*command) as server:
            assert server.get().status == 200
            wait_for(lambda: len(server.daemons()) == 2, "both daemon processes")
            assert terminal(server.pid)
            children = [server.front().pid, *(process.pid for process in server.daemons())]
            assert [terminal(pid) for pid in children] == [0, 0, 0]
            assert len({os.getsid(pid) for pid in (server.pid, *children)}) == 4
    finally:
        os.close(ours)
        os.close(theirs)


def terminal(pid: int) -> int:
    """Return the device number of a process's controlling terminal, 0 without one."""
    return int(Path(f"/proc/{pid}/stat").read_text("ascii").rpartition(")")[2].split()[4])


@pytest.mark.parametrize("path", ["/close-all", "/shut-control", "/shut-channel", "/shut-all"])
def test_an_application_that_cuts_its_connections_costs_only_its_process(tmp_path: Path, path: str) -> None:
    """A process that has closed or shut down its descriptors is replaced, and no later request is lost with it."""
    gate = tmp_path / "gate"
    options = ("--threads", "1", "--shutdown-timeout", "500ms")
    with serving(SCRIPT, *options) as server, concurrent.futures.ThreadPoolExecutor(1) as pool:
        before = int(server.get().text)
        server.get(path)
        wait_for(lambda: {process.pid for process in server.daemons()} - {before}, "the next process")
        try:
            later = pool.submit(server.get, f"/gate?{gate}")
            wait_for(lambda: has_ended(before), "the process to be gone")
        finally:
            gate.touch()
        assert later.result().status == 200
        supervisor = psutil.Process(server.pid)
        start = sum(supervisor.cpu_times()[:2])
        answers = [server.get("/pause") for _ in range(10)]
        assert [answer.status for answer in answers] == [200] * 10
        # Half a second in which a supervisor that spins would burn some fifty ticks.
        assert sum(supervisor.cpu_times()[:2]) - start < 0.15
        assert {answer.text for answer in answers} == {server.get().text} != {str(before)}


@pytest.mark.parametrize("when", ["running", "at-once"])
def test_a_process_of_multiprocessing_can_be_terminated(common: Server, when: str) -> None:
    """SIGTERM ends what the application started with multiprocessing, however young it is, and nothing else."""
    before = common.get().text
    assert common.get(f"/terminate?{when}").text == f"{before} {-signal.SIGTERM}"
    assert common.get().text == before


def test_a_forked_child_that_returns_from_the_application_is_no_daemon_process(common: Server) -> None:
    """The parent's answer arrives, the child ends, and the channel is the parent's alone."""
    before = common.get().text
    for _ in range(3):
        pid, child = common.get("/fork").text.split()
        assert pid == before
        assert common.get(f"/reap?{child}").text == f"{before} 0"
        assert common.get().text == before


def test_a_process_that_loads_dies_with_its_supervisor(tmp_path: Path) -> None:
    """A process whose script sleeps at import goes when the supervisor is killed."""
    asleep = tmp_path / "asleep"
    with serving(APPS / "fault_asleep.wsgi", env={"FAULT_ASLEEP": str(asleep)}) as server:
        wait_for(asleep.exists, "the script to be asleep")
        pids = [int(asleep.read_text("ascii")), server.front().pid]
        try:
            server.process.kill()
            server.process.wait()
            for pid in pids:
                wait_for(lambda pid=pid: has_ended(pid), f"process {pid} to be gone")  # type: ignore[misc]
        finally:
            for pid in pids:
                if not has_ended(pid):
                    os.kill(pid, signal.SIGKILL)


# -- descriptors


def test_too_many_idle_clients_cost_nothing_once_they_have_left() -> None:
    """With 128 descriptors and 150 idle clients large bodies pass, for who is in, and for all when these have left."""
    large = PIECE * 10
    with started(*launcher(FEW_DESCRIPTORS, *serve())) as server:
        clients = [server.connect() for _ in range(150)]
        try:
            clients[0].sendall(post("/echo", large))
            assert Answer(read_all(clients[0])).body == large
            wait_for(lambda: server.front().num_fds() >= 80, "the front to have taken all that it may")
        finally:
            for client in clients:
                client.close()
        assert server.get().status == 200
        assert server.get("/large?10").body == large
        assert server.get("/echo", method="POST", body=large).body == large
        assert re.search(r"--maximum-connections \d+ is cut to 80\b", server.log())


def test_maximum_connections_is_how_many_are_taken() -> None:
    """Who comes after them waits in the kernel until one of them leaves."""
    with serving(SCRIPT, "--maximum-connections", "3") as server:

        def taken() -> int:
            return sum(one.status == psutil.CONN_ESTABLISHED for one in server.front().net_connections("tcp"))

        clients = [server.connect() for _ in range(3)]
        wait_for(lambda: taken() == 3, "three connections")
        with server.connect() as late:
            for client in clients:
                client.sendall(b"GET / HTTP/1.1\r\nHost: test\r\n\r\n")
                assert client.recv(65536).startswith(b"HTTP/1.1 200")
            assert taken() == 3
            for client in clients:
                client.close()
            late.sendall(b"GET / HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n")
            assert Answer(read_all(late)).status == 200


def post(path: str, body: bytes) -> bytes:
    """Return a POST after which the connection closes."""
    head = f"POST {path} HTTP/1.1\r\nHost: test\r\nConnection: close\r\nContent-Length: {len(body)}\r\n\r\n"
    return head.encode("ascii") + body


def test_a_script_without_standard_descriptors_serves() -> None:
    """A script that closes 0, 1 and 2 and prints writes nothing into the channel."""
    with serving(APPS / "fault_closed.wsgi", "--threads", "1") as server:
        answers = [server.get() for _ in range(5)]
        assert [answer.status for answer in answers] == [200] * 5
        assert len({answer.text for answer in answers}) == 1
        assert "broke the protocol" not in server.log()


def listens(path: Path) -> bool:
    """Return whether somebody accepts connections there; a socket is bound a moment before it listens."""
    with socket.socket(socket.AF_UNIX) as sock:
        return sock.connect_ex(str(path)) == 0


def test_a_full_standard_error_keeps_nobody_from_serving(tmp_path: Path) -> None:
    """With nowhere to write banner and messages to, the server starts, serves and stops with status 0."""
    path = tmp_path / "site.sock"
    arguments = ["-m", "pydaemonwsgi", "serve", str(SCRIPT), "--listen", f"unix:{path}"]
    server = CommandServer(launcher(FULL_STDERR, *arguments))
    try:
        wait_for(lambda: listens(path) or server.process.poll() is not None, "the socket")
        for target in ("/print", "/"):
            with socket.socket(socket.AF_UNIX) as sock:
                sock.settimeout(30)
                sock.connect(str(path))
                sock.sendall(f"GET {target} HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n".encode("ascii"))
                assert Answer(read_all(sock)).status == 200
        assert server.stop() == 0
    finally:
        server.close()


# -- requests and answers


def test_an_answer_whose_head_is_refused_holds_no_thread(common: Server) -> None:
    """A long streamed body behind a head that the front refuses ends, and its thread takes the next request."""
    before = common.get().text
    assert common.get("/refused-head").status == 500
    assert "the answer of pid" in common.log()
    assert common.get().text == before


def test_tiny_chunks_arrive_intact(common: Server) -> None:
    """An upload of 20,000 chunks of one byte is what the application reads."""
    body = PIECE[:20_000]
    head = b"POST /echo HTTP/1.1\r\nHost: test\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n"
    chunks = b"".join(b"1\r\n%c\r\n" % byte for byte in body)
    assert Answer(common.exchange(head + chunks + b"0\r\n\r\n")).body == body


def test_the_keep_alive_timeout_holds_below_the_header_timeout() -> None:
    """An idle connection sees its end although the default time for a request's head is far longer."""
    with serving(SCRIPT, "--keep-alive-timeout", "1") as server, server.connect() as sock:
        sock.settimeout(10)
        sock.sendall(b"GET / HTTP/1.1\r\nHost: test\r\n\r\n")
        assert Answer(read_all(sock)).status == 200


def test_a_file_that_says_it_is_empty_is_sent(common: Server) -> None:
    """A wrapped file of /proc, whose size is 0, arrives with its content."""
    pid = common.get().text
    answer = common.get("/wrapped?/proc/self/status")
    assert answer.status == 200
    assert f"\nPid:\t{pid}\n" in answer.text


def test_blanks_around_the_content_length_are_taken_off(common: Server) -> None:
    """A Content-Length with blanks around its digits is a length."""
    answer = common.get("/blanks")
    assert (answer.status, answer.text) == (200, common.get().text)
    assert f"\r\nContent-Length: {len(answer.rest)}\r\n".encode("ascii") in answer.raw


def test_long_generators_finish_when_every_thread_runs_one() -> None:
    """Two streams of 4 MB on two threads get their credit although nobody is left to lead."""
    with serving(SCRIPT, "--threads", "2") as server:
        for _ in range(3):
            for answer in together(server, "/generator?128", "/generator?128"):
                assert answer.status == 200
                assert answer.body == PIECE * 128


# -- load and departure


@pytest.mark.parametrize(("warm", "clients", "most"), [(False, 8, 1 + 2), (True, 16, 1 + 2 + 8)], ids=["cold", "warm"])
def test_a_full_queue_refuses(tmp_path: Path, warm: bool, clients: int, most: int) -> None:
    """One request runs, what waits gets 504, the others 503; a process with a short past may hold a batch as well."""
    gate = tmp_path / "gate"
    options = ("--threads", "1", "--queue-size", "2", "--queue-timeout", "1")
    with serving(SCRIPT, *options) as server, concurrent.futures.ThreadPoolExecutor(clients) as pool:
        wait_for(lambda: "loaded in" in server.log(), "the daemon process")
        if warm:
            assert server.get().status == 200
        try:
            futures = [pool.submit(server.get, f"/gate?{gate}") for _ in range(clients)]
            wait_for(lambda: sum(future.done() for future in futures) == clients - 1, "all to be answered but one")
        finally:
            gate.touch()
        statuses = Counter(future.result().status for future in futures)
        assert entered(gate) == 1
        assert set(statuses) == {200, 503, 504}
        assert statuses[200] == 1
        # One, where the process came to be connected only when two were waiting already.
        assert 1 <= statuses[504] <= most - 1
        assert statuses[503] >= clients - most


def test_a_client_that_resets_has_an_access_record(tmp_path: Path) -> None:
    """A client that leaves while its request runs is recorded with status 499."""
    gate, log = tmp_path / "gate", tmp_path / "access.log"
    with serving(SCRIPT, "--access-log", str(log)) as server:
        sock = server.connect()
        try:
            sock.sendall(f"GET /gate?{gate} HTTP/1.1\r\nHost: test\r\n\r\n".encode())
            wait_for(lambda: entered(gate), "the request to run")
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
        finally:
            sock.close()
        wait_for(lambda: re.search(r'"GET /gate\S* HTTP/1.1" 499 ', log.read_text("utf-8")), "the record")
        gate.touch()


@pytest.mark.parametrize("how", ["ends", "resets"])
def test_a_client_that_leaves_within_its_body_has_an_access_record(tmp_path: Path, how: str) -> None:
    """An upload that the client breaks off is recorded with status 499, however it does."""
    log = tmp_path / "access.log"
    with serving(SCRIPT, "--access-log", str(log)) as server:
        with server.connect() as sock:
            sock.sendall(
                b"POST /upload HTTP/1.1\r\nHost: test\r\nContent-Length: 100000\r\nExpect: 100-continue\r\n\r\n"
            )
            assert sock.recv(100).startswith(b"HTTP/1.1 100 ")
            sock.sendall(b"x" * 5000)
            if how == "resets":
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
        wait_for(lambda: '"POST /upload HTTP/1.1" 499 ' in log.read_text("utf-8"), "the record")


# -- the command line


def test_a_module_that_is_nowhere_is_refused() -> None:
    """A module that cannot be found is one line and exit status 2, not a server that answers 500."""
    ended = run("serve", "nosuch.module:app", "--port", "0")
    assert ended.returncode == 2
    assert len(ended.stderr.splitlines()) == 1
    assert "nosuch" in ended.stderr


def test_a_python_path_that_is_no_directory_is_warned_of(tmp_path: Path) -> None:
    """A missing --python-path is said, and served with all the same."""
    missing = tmp_path / "missing"
    with serving(SCRIPT, "--python-path", str(missing)) as server:
        assert f"--python-path {missing} is not a directory" in server.log()
        assert server.get().status == 200
