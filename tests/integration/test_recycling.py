"""Daemon processes come and go under load, and no request notices that need not."""

import contextlib
import os
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Self

import psutil
import pytest

from tests.helpers.server import APPS, Answer, Server, serving, wait_for

GATE = (APPS / "life_gate.py").read_text("utf-8")
BROKEN = {
    "exception": ("1 / 0\n", "ZeroDivisionError"),
    "syntax-error": ("def (\n", "SyntaxError"),
    "no-callable": ("other = None\n", "does not contain the WSGI application 'application'"),
    "sys-exit": ("import sys\nsys.exit(4)\n", "called sys.exit(4)"),
}


class Load:
    """Clients that keep their connection and ask again and again; what went wrong is kept.

    Attributes:
        answers: how many requests were answered with 200.
        seen: the distinct bodies of these answers.
        failures: statuses other than 200, and what else happened instead of an answer.
    """

    def __init__(self, server: Server, clients: int = 4) -> None:
        self.answers = 0
        self.seen: set[str] = set()
        self.failures: list[str] = []
        self._server = server
        self._end = threading.Event()
        self._lock = threading.Lock()
        self._threads = [threading.Thread(target=self._run, daemon=True) for _ in range(clients)]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        self.wait_for_more(20)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: object) -> None:
        if kind is None:
            self.wait_for_more(50)
        self._end.set()
        for thread in self._threads:
            thread.join()

    def wait_for_more(self, count: int) -> None:
        """Return once `count` more requests have been answered, well or not."""
        before = self.answers + len(self.failures)
        wait_for(lambda: self.answers + len(self.failures) >= before + count, f"{count} more answers under load")

    @property
    def pids(self) -> set[int]:
        """The processes that have answered."""
        with self._lock:
            return {int(body.split()[1]) for body in self.seen}

    def _run(self) -> None:
        while not self._end.is_set():
            try:
                with self._server.connect() as sock:
                    while not self._end.is_set():
                        self._note(ask(sock))
                        time.sleep(0.005)
            except OSError as error:
                with self._lock:
                    self.failures.append(repr(error))

    def _note(self, answer: Answer) -> None:
        with self._lock:
            if answer.status == 200:
                self.answers += 1
                self.seen.add(answer.text)
            else:
                self.failures.append(str(answer.status))


def ask(sock: socket.socket, target: str = "/") -> Answer:
    """Make one request on a connection that stays open."""
    sock.sendall(f"GET {target} HTTP/1.1\r\nHost: test\r\n\r\n".encode("ascii"))
    data = b""
    while b"\r\n\r\n" not in data or len(data) < data.index(b"\r\n\r\n") + 4 + int(
        Answer(data).header("Content-Length") or 0
    ):
        received = sock.recv(65536)
        if not received:
            raise ConnectionError(f"the connection was closed after {data!r}")
        data += received
    return Answer(data)


def write(path: Path, text: str) -> Path:
    """Replace a file at once: nobody sees a half of it."""
    new = path.with_suffix(".new")
    new.write_text(text, "utf-8")
    new.replace(path)
    return path


def version(name: str) -> str:
    """Return the script that answers with this name."""
    return GATE.replace('VERSION = "one"', f'VERSION = "{name}"')


def pids(server: Server) -> set[int]:
    return {process.pid for process in server.daemons()}


@pytest.fixture
def script(tmp_path: Path) -> Path:
    """Version `one` of a script."""
    return write(tmp_path / "site.wsgi", version("one"))


@contextlib.contextmanager
def gated(server: Server, gate: Path, count: int) -> Iterator[list[Answer]]:
    """Have `count` requests running, each waiting for the gate; their answers are there after the block."""
    answers: list[Answer] = []
    threads = [
        threading.Thread(target=lambda: answers.append(server.get(f"/gate?{gate}")), daemon=True) for _ in range(count)
    ]
    for thread in threads:
        thread.start()
    wait_for(lambda: len(entered(gate)) == count, "the requests to have entered")
    try:
        yield answers
    finally:
        gate.touch()
        for thread in threads:
            thread.join(30)


def entered(gate: Path) -> list[int]:
    """Return the pid of each request that has come to the gate."""
    return [int(path.name.split("-")[1]) for path in gate.parent.glob(f"{gate.name}.entered-*")]


def test_sighup_replaces_every_process(script: Path) -> None:
    """After SIGHUP other processes serve, and no request of the load has failed."""
    with serving(script, "--processes", "3") as server:
        wait_for(lambda: len(pids(server)) == 3, "three processes")
        before = pids(server)
        with Load(server) as load:
            os.kill(server.pid, signal.SIGHUP)
            wait_for(lambda: len(pids(server)) == 3 and not pids(server) & before, "three other processes")
        assert load.failures == []
        assert "SIGHUP: replacing all daemon processes" in server.log()


def test_a_changed_script_answers_the_very_next_request(script: Path) -> None:
    """The request after a change is answered by the new code, every time, and none of the load fails."""
    with serving(script, "--processes", "2") as server, Load(server) as load:
        for name in ("two", "three", "four", "five"):
            write(script, version(name))
            assert server.get().text.split()[0] == name
            load.wait_for_more(20)
            assert {server.get().text.split()[0] for _ in range(5)} == {name}
    assert load.failures == []


def test_a_touched_script_is_loaded_anew(script: Path) -> None:
    """A new modification time alone replaces the processes."""
    with serving(script) as server:
        before = {int(server.get().text.split()[1])}
        os.utime(script)
        assert int(server.get().text.split()[1]) not in before


def test_a_changed_script_is_left_alone_with_disable_reloading(script: Path) -> None:
    """With --disable-reloading the old code goes on until SIGHUP."""
    with serving(script, "--disable-reloading") as server:
        assert server.get().text.split()[0] == "one"
        write(script, version("two"))
        assert {server.get().text.split()[0] for _ in range(5)} == {"one"}
        os.kill(server.pid, signal.SIGHUP)
        wait_for(lambda: server.get().text.split()[0] == "two", "the new code")


@pytest.mark.parametrize(("text", "words"), BROKEN.values(), ids=BROKEN.keys())
def test_a_change_that_does_not_load_leaves_the_old_code(script: Path, text: str, words: str) -> None:
    """Running processes keep the code they have, the log has the reason, and the mended script is taken at once."""
    with serving(script, "--processes", "2") as server, Load(server) as load:
        write(script, text)
        assert server.get().text.split()[0] == "one"
        wait_for(lambda: words in server.log(), "the reason in the log")
        wait_for(lambda: "running processes keep the code they have" in server.log(), "the decision in the log")
        load.wait_for_more(30)
        assert server.get().text.split()[0] == "one"
        write(script, version("two"))
        assert server.get().text.split()[0] == "two"
    assert load.failures == []


def test_a_change_that_kills_its_process_leaves_the_old_code(script: Path) -> None:
    """A script that ends its process while it is loaded counts, after some attempts, as one that does not load."""
    with serving(script, "--processes", "2") as server, Load(server) as load:
        write(script, "import os\nos._exit(3)\n")
        assert server.get().text.split()[0] == "one"
        assert "exited with status 3" in server.log()
        write(script, version("two"))
        assert server.get().text.split()[0] == "two"
    assert load.failures == []


def test_a_change_that_hangs_leaves_the_old_code(script: Path) -> None:
    """A script that loads longer than --startup-timeout counts as one that does not load."""
    with serving(script, "--startup-timeout", "1") as server:
        assert server.get().text.split()[0] == "one"
        write(script, "import time\ntime.sleep(600)\n")
        assert server.get().text.split()[0] == "one"
        assert "has not loaded its script within 1 s (startup-timeout); it is killed" in server.log()
        write(script, version("two"))
        assert server.get().text.split()[0] == "two"


@pytest.mark.parametrize("debug", [False, True], ids=["plain", "debug"])
@pytest.mark.parametrize(("text", "words"), BROKEN.values(), ids=BROKEN.keys())
def test_a_first_start_that_does_not_load_answers_500(script: Path, text: str, words: str, debug: bool) -> None:
    """The log has the reason, the page only with --debug; the request after the mending is answered well."""
    write(script, text)
    with serving(script, "--processes", "2", *(["--debug"] if debug else [])) as server:
        answer = server.get()
        assert answer.status == 500
        assert words in server.log()
        assert ("ZeroDivisionError" in answer.text) == (debug and words == "ZeroDivisionError")
        write(script, version("two"))
        answer = server.get()
        assert (answer.status, answer.text.split()[0]) == (200, "two")


def test_a_script_that_loads_at_a_later_attempt(script: Path, tmp_path: Path) -> None:
    """What is missing need not be the script's fault: it is tried again although the file has not changed."""
    write(script, f"open({str(tmp_path / 'database')!r})\n" + version("one"))
    with serving(script) as server:
        assert server.get().status == 500
        (tmp_path / "database").touch()
        wait_for(lambda: server.get().status == 200, "a later attempt")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGUSR1], ids=lambda number: number.name)
def test_a_daemon_process_told_to_leave_waits_for_its_successor(script: Path, number: signal.Signals) -> None:
    """A signal to a daemon process replaces it, successor first, and no request fails, not even one that runs."""
    gate = script.parent / "gate"
    with serving(script, "--processes", "2") as server, Load(server) as load:
        with gated(server, gate, 3) as answers:
            [victim] = [*set(entered(gate))][:1]
            os.kill(victim, number)
            wait_for(lambda: len(pids(server) - {victim}) == 2, "a successor")
            assert psutil.pid_exists(victim)
        wait_for(lambda: not psutil.pid_exists(victim), "the old process to leave")
        assert [answer.status for answer in answers] == [200, 200, 200]
    assert load.failures == []


def test_sigkill_costs_only_what_had_started(script: Path) -> None:
    """Requests that ran in the killed process get 502; those of the others end well; nobody is cut off."""
    gate = script.parent / "gate"
    with serving(script, "--processes", "2", "--threads", "4") as server:
        wait_for(lambda: len(pids(server)) == 2, "both processes")
        with Load(server, clients=2) as load, gated(server, gate, 6) as answers:
            running = entered(gate)
            victim = running[0]
            os.kill(victim, signal.SIGKILL)
            wait_for(lambda: len(answers) == running.count(victim), "the answers of the killed process")
            assert {answer.status for answer in answers} == {502}
            wait_for(lambda: len(pids(server) - {victim}) == 2, "its replacement")
        assert sorted(answer.status for answer in answers) == [200] * (6 - running.count(victim)) + [
            502
        ] * running.count(victim)
        # Of the load, at most what each client had running.
        assert load.failures in ([], ["502"], ["502", "502"])
        assert f"(pid {victim}) was killed by SIGKILL" in server.log()
        assert "it is replaced at once" in server.log()


def test_sigkill_of_the_only_process_delays_what_waits(script: Path) -> None:
    """Requests that wait while there is no process at all are answered by its replacement."""
    gate = script.parent / "gate"
    with serving(script, "--threads", "1") as server, gated(server, gate, 1) as answers:
        [victim] = entered(gate)
        waiting: list[Answer] = []
        threads = [threading.Thread(target=lambda: waiting.append(server.get()), daemon=True) for _ in range(5)]
        for thread in threads:
            thread.start()
        os.kill(victim, signal.SIGKILL)
        wait_for(lambda: len(waiting) == 5, "the waiting requests")
        assert {answer.status for answer in waiting} == {200}
        assert [answer.status for answer in answers] == [502]


def test_maximum_requests_replaces_processes_for_ever(script: Path) -> None:
    """Process after process takes over under load, and no request fails."""
    with serving(script, "--processes", "2", "--maximum-requests", "40") as server, Load(server) as load:
        wait_for(lambda: len(load.pids) >= 6, "the third generation")
        assert "is to be replaced: maximum_requests" in server.log()
    assert load.failures == []


def test_maximum_requests_beside_a_broken_script(script: Path) -> None:
    """A process that has had enough goes on while its successor cannot load the script."""
    with serving(script, "--maximum-requests", "20", "--queue-timeout", "20") as server, Load(server) as load:
        write(script, "1 / 0\n")
        load.wait_for_more(100)
        assert server.get().text.split()[0] == "one"
        write(script, version("two"))
        wait_for(lambda: server.get().text.split()[0] == "two", "the mended script")
    assert load.failures == []


@pytest.mark.parametrize("broken", [False, True], ids=["good", "broken-first"])
def test_reload_on_changes_sees_an_imported_module(tmp_path: Path, broken: bool) -> None:
    """A change of a module that the script imports replaces the processes, and no request fails."""
    module = write(tmp_path / "life_part.py", version("one"))
    script = write(tmp_path / "site.wsgi", "from life_part import application\n")
    options = ("--processes", "2", "--python-path", str(tmp_path), "--reload-on-changes")
    with serving(script, *options) as server, Load(server) as load:
        if broken:
            write(module, "1 / 0\n")
            wait_for(lambda: "running processes keep the code they have" in server.log(), "the failure")
            assert server.get().text.split()[0] == "one"
        write(module, version("two"))
        wait_for(lambda: server.get().text.split()[0] == "two", "the new module")
    assert load.failures == []


def test_a_killed_front_is_replaced_and_finds_the_same_processes(script: Path) -> None:
    """After SIGKILL of the front the server answers again, from the daemon processes that it had."""
    with serving(script, "--processes", "2") as server:
        wait_for(lambda: len(pids(server)) == 2, "both processes")
        before, old = pids(server), server.front()
        old.kill()
        wait_for(lambda: not old.is_running(), "the end of the front")
        answer = server.get()
        assert (answer.status, int(answer.text.split()[1]) in before) == (200, True)
        assert pids(server) == before
        assert server.front().pid != old.pid
        with Load(server) as load:
            wait_for(lambda: load.pids == before, "both of them")
        assert load.failures == []
        os.kill(server.pid, signal.SIGHUP)
        wait_for(lambda: len(pids(server)) == 2 and not pids(server) & before, "a reload as ever")


@pytest.mark.parametrize("busy", [False, True], ids=["idle", "busy"])
def test_a_killed_supervisor_leaves_no_process_behind(script: Path, busy: bool) -> None:
    """After SIGKILL of the supervisor running requests are answered, then front and daemon processes end."""
    gate = script.parent / "gate"
    with serving(script, "--processes", "2") as server:
        wait_for(lambda: len(pids(server)) == 2, "both processes")
        children = psutil.Process(server.pid).children(recursive=True)
        with gated(server, gate, 2 if busy else 0) as answers, server.connect() as idle:
            assert ask(idle).status == 200
            server.process.kill()
            server.process.wait()
            wait_for(lambda: "the supervisor has gone" in server.log(), "the front to notice")
        assert [answer.status for answer in answers] == [200] * (2 if busy else 0)
        wait_for(lambda: not any(child.is_running() for child in children), "the children to end")


def test_a_script_that_always_kills_its_process_is_tried_more_and_more_seldom(script: Path) -> None:
    """The log says each failure and a growing delay; the mended script serves without a restart."""
    write(script, "import os\nos._exit(3)\n")
    with serving(script) as server:
        for words in (
            "starting again in 0.2 s (failure 1 in a row)",
            "starting again in 0.4 s (failure 2 in a row)",
            "starting again in 0.8 s (failure 3 in a row)",
        ):
            wait_for(lambda words=words: words in server.log(), words)  # type: ignore[misc]
        assert "exited with status 3" in server.log()
        write(script, version("two"))
        # Until then requests are refused, not kept waiting: tests/integration/test_backoff.py.
        wait_for(lambda: server.get().status == 200, "the mended script")
        assert server.get().text.split()[0] == "two"


def test_a_storm_of_signals_loses_no_request_but_started_ones(script: Path) -> None:
    """Kills, reloads and changes together: the load sees answers and nothing but 502."""
    steps: list[Callable[[Server], object]] = [
        lambda server: server.daemons()[0].kill(),
        lambda server: os.kill(server.pid, signal.SIGHUP),
        lambda server: write(script, version("two")),
        lambda server: server.daemons()[-1].kill(),
        lambda server: os.utime(script),
    ]
    with serving(script, "--processes", "3") as server, Load(server) as load:
        for _ in range(3):
            for step in steps:
                with contextlib.suppress(psutil.NoSuchProcess, IndexError):
                    step(server)
                load.wait_for_more(10)
        wait_for(lambda: len(pids(server)) == 3, "three processes at last")
    assert set(load.failures) <= {"502"}
    assert len(load.failures) <= 6 * 4
