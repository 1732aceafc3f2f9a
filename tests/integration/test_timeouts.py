"""Requests that do not end, and processes whose time has come: what the client gets, what becomes of the others."""

import os
import re
import signal
import threading
from pathlib import Path

import pytest

from tests.helpers.server import APPS, Answer, Server, serving, wait_for

STUCK = APPS / "fault_stuck.wsgi"
GATED = APPS / "life_gate.py"


def pid(server: Server) -> int:
    """Return the pid of the process that answers."""
    return int(server.get().text)


class Asking:
    """A request that is made beside the test; its answer is there after `wait`."""

    def __init__(self, server: Server, path: str) -> None:
        self._answer: list[Answer] = []
        self._thread = threading.Thread(target=lambda: self._answer.append(server.get(path)), daemon=True)
        self._thread.start()

    def wait(self) -> Answer:
        """Return the answer."""
        self._thread.join(30)
        assert self._answer, "no answer has come"
        return self._answer[0]


def test_a_stuck_request_is_answered_with_504_and_its_process_replaced() -> None:
    """One record says where it is; a successor starts, and the client waits no longer."""
    with serving(STUCK, "--request-timeout", "0.5", "--threads", "3") as server:
        before = pid(server)
        assert server.get("/sleep").status == 504
        assert pid(server) != before
        log = server.log()
    [record] = [line for line in log.splitlines() if "GET /sleep has been running for" in line]
    assert "[request " in record
    assert "in the application; thread " in record
    assert "of processor time" in record
    assert "time.sleep(FOREVER)" in log
    assert "is to be replaced: request_timeout" in log


def test_a_stuck_request_harms_no_other(tmp_path: Path) -> None:
    """What else runs in its process ends as if nothing had been."""
    gate = tmp_path / "gate"
    with serving(GATED, "--request-timeout", "1", "--interrupt-timeout", "0", "--threads", "3") as server:
        stuck = Asking(server, f"/gate?{tmp_path / 'never'}")
        wait_for(lambda: list(tmp_path.glob("never.entered-*")), "the stuck request to have entered")
        wait_for(lambda: "is to be replaced: request_timeout" in server.log(), "the decision")
        assert stuck.wait().status == 504
        other = Asking(server, f"/gate?{gate}")
        wait_for(lambda: list(tmp_path.glob("gate.entered-*")), "the other request to have entered")
        gate.touch()
        assert other.wait().status == 200


@pytest.mark.parametrize("path", ["/nap", "/spin"])
def test_an_interrupted_request_leaves_its_process_alive(path: str) -> None:
    """With --interrupt-timeout RequestTimeout ends the request with 504, without a traceback; its thread serves on."""
    with serving(STUCK, "--request-timeout", "0.5", "--interrupt-timeout", "20", "--threads", "1") as server:
        before = pid(server)
        assert server.get(path).status == 504
        assert pid(server) == before
        log = server.log()
    assert "was interrupted by RequestTimeout; it is answered with 504" in log
    assert "Traceback" not in log


def test_an_interrupted_answer_is_cut() -> None:
    """What has begun cannot become a 504; it must not look whole either."""
    with serving(STUCK, "--request-timeout", "0.5", "--interrupt-timeout", "20") as server:
        answer = server.get("/body")
        assert answer.status == 200
        with pytest.raises(AssertionError, match="is cut"):
            assert answer.body


def test_an_application_can_answer_for_its_own_time_out() -> None:
    """RequestTimeout is `mod_wsgi.RequestTimeout`, and whoever catches it may answer."""
    with serving(STUCK, "--request-timeout", "0.5", "--interrupt-timeout", "20") as server:
        answer = server.get("/brave")
    assert (answer.status, answer.text) == (200, "mod_wsgi.RequestTimeout\n")


def test_an_interruption_that_does_not_help_replaces_the_process() -> None:
    """A thread that waits in the kernel hears no exception: after --interrupt-timeout the process is replaced."""
    with serving(STUCK, "--request-timeout", "0.3", "--interrupt-timeout", "0.3", "--threads", "2") as server:
        # No other request: on a busy machine it might take as long itself.
        wait_for(lambda: len(server.daemons()) == 1, "the process")
        [before] = server.daemons()
        assert server.get("/sleep").status == 504
        wait_for(lambda: not before.is_running(), "its end")
        assert "GET /sleep does not end after" in server.log()


def test_a_close_that_does_not_return_is_interrupted() -> None:
    """The client has its answer long before; the thread is freed."""
    with serving(STUCK, "--request-timeout", "0.5", "--interrupt-timeout", "20", "--threads", "1") as server:
        assert server.get("/close").text == "begun\n"
        before = pid(server)
        wait_for(lambda: "close() of the application's response was interrupted" in server.log(), "the interruption")
        assert ", closing; thread 1" in server.log()
        assert pid(server) == before


def test_request_timeout_can_be_scaled_as_by_mod_wsgi() -> None:
    """With --compat-request-timeout log it is 1 + ln(threads) times as long."""
    options = ("--request-timeout", "0.5", "--compat-request-timeout", "log", "--threads", "8")
    with serving(STUCK, *options) as server:
        assert server.get("/sleep").status == 504
        [record] = [line for line in server.log().splitlines() if "has been running for" in line]
        elapsed = float(record.partition("running for ")[2].split()[0])
        assert elapsed >= 0.5 * 3.0


def test_an_idle_process_is_replaced() -> None:
    """--inactivity-timeout replaces a process that has served and serves no more."""
    with serving(STUCK, "--inactivity-timeout", "0.5") as server:
        before = pid(server)
        wait_for(lambda: "is to be replaced: inactivity_timeout" in server.log(), "the decision")
        wait_for(lambda: before not in {process.pid for process in server.daemons()}, "its end")
        assert pid(server) != before


def test_an_old_process_is_replaced() -> None:
    """--restart-interval replaces a process at its age, whether it has served or not."""
    with serving(STUCK, "--restart-interval", "0.5") as server:
        wait_for(lambda: server.log().count("is to be replaced: restart_interval") >= 2, "two generations")
        assert server.get().status == 200


def test_sigusr1_evicts_within_its_own_time(tmp_path: Path) -> None:
    """--eviction-timeout bounds the drain after SIGUSR1 to a daemon process, instead of --graceful-timeout."""
    options = ("--eviction-timeout", "0.3", "--graceful-timeout", "0", "--shutdown-timeout", "0.3")
    with serving(GATED, *options) as server:
        asking = Asking(server, f"/gate?{tmp_path / 'never'}")
        wait_for(lambda: list(tmp_path.glob("never.entered-*")), "the request to have entered")
        [process] = server.daemons()
        os.kill(process.pid, signal.SIGUSR1)
        wait_for(lambda: "is to be replaced: eviction_signal" in server.log(), "the reason")
        assert asking.wait().status == 502
        assert "still has requests after 0.3 s (eviction-timeout)" in server.log()


def test_a_drain_ends_with_the_graceful_timeout(tmp_path: Path) -> None:
    """What still runs in a process that is to be replaced has --graceful-timeout from when its successor serves."""
    with serving(GATED, "--graceful-timeout", "300ms", "--shutdown-timeout", "300ms") as server:
        asking = Asking(server, f"/gate?{tmp_path / 'never'}")
        wait_for(lambda: list(tmp_path.glob("never.entered-*")), "the request to have entered")
        os.kill(server.pid, signal.SIGHUP)
        assert asking.wait().status == 502
        assert "still has requests after 0.3 s (graceful-timeout)" in server.log()


def test_a_stuck_request_does_not_hold_up_the_end_of_the_server() -> None:
    """SIGTERM to the server answers it with 504 and goes on, whatever --graceful-timeout is."""
    options = ("--request-timeout", "0.5", "--interrupt-timeout", "1", "--graceful-timeout", "0", "--threads", "2")
    with serving(STUCK, *options) as server:
        asking = Asking(server, "/sleep")
        wait_for(lambda: "GET /sleep has been running for" in server.log(), "the report")
        # Until then it may still end well, and is waited for; a second later it is stuck.
        os.kill(server.pid, signal.SIGTERM)
        assert asking.wait().status == 504
        assert server.process.wait(30) == 0


def test_a_process_that_holds_the_interpreter_lock_is_killed() -> None:
    """--deadlock-timeout: it is found from outside, says where its threads are, and is replaced."""
    with serving(STUCK, "--deadlock-timeout", "1", "--request-timeout", "0", "--threads", "2") as server:
        before = pid(server)
        assert server.get("/hold").status == 502
        assert pid(server) != before
        wait_for(lambda: "was killed by SIGKILL after 1 requests: deadlock_timeout" in server.log(), "the reason")
        log = server.log()
        assert "lack of memory" not in log  # it was the supervisor
    assert f"(pid {before}) has given no sign of life for" in log
    assert re.search(r'fault_stuck.wsgi", line \d+ in hold', log)


def test_a_stopped_process_is_killed() -> None:
    """SIGSTOP looks like a deadlock from outside; what had not started there runs elsewhere."""
    with serving(STUCK, "--deadlock-timeout", "1") as server:
        before = pid(server)
        os.kill(before, signal.SIGSTOP)
        assert pid(server) != before
        assert f"pid {before} is stopped by a signal" in server.log()


def test_a_front_that_is_stopped_is_replaced() -> None:
    """--front-timeout: clients that had not been accepted are served by the next front."""
    with serving(STUCK, "--front-timeout", "1") as server:
        front = server.front().pid
        os.kill(front, signal.SIGSTOP)
        assert server.get().status == 200
        assert server.front().pid != front
        log = server.log()
        assert f"the front (pid {front}) has given no sign of life for" in log
        assert f"the front (pid {front}) was killed by SIGKILL: front-timeout; it is replaced at once" in log
        assert "lack of memory" not in log  # we know who killed it


def test_cpu_time_limit_is_a_reason_of_its_own() -> None:
    """SIGXCPU, which the kernel sends at --cpu-time-limit, replaces the process without harm."""
    with serving(STUCK) as server:
        before = pid(server)
        os.kill(before, signal.SIGXCPU)
        wait_for(lambda: "is to be replaced: cpu_time_limit" in server.log(), "the reason")
        wait_for(lambda: pid(server) != before, "the successor")


def test_the_dump_signal_shows_every_thread() -> None:
    """SIGQUIT to a daemon process writes the stacks to the error log, and ends nothing."""
    with serving(STUCK, "--threads", "2") as server:
        before = pid(server)
        os.kill(before, signal.SIGQUIT)
        wait_for(lambda: server.log().count("(most recent call first)") >= 3, "the stacks of three threads")
        assert pid(server) == before
