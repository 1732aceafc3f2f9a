"""front: the front as the supervisor has it, when the machine gives it less than it needs."""

import contextlib
import os
import selectors
import signal
import socket
import time
from collections.abc import Iterator

import pytest

from pydaemonwsgi.metrics.scoreboard import Scoreboard, scoreboard_size
from pydaemonwsgi.supervisor import children
from pydaemonwsgi.supervisor.children import Child
from pydaemonwsgi.supervisor.daemons import Daemon
from pydaemonwsgi.supervisor.front import Front
from pydaemonwsgi.system.out_of_memory import OutOfMemoryWatch
from pydaemonwsgi.system.sockets import control_pair
from tests.helpers.exhaustion import exhausted


def run(supervisor: socket.socket, heartbeat: memoryview) -> int:
    """Be a front that does nothing until it is alone."""
    del heartbeat
    while supervisor.recv(65536):
        pass
    return 0


@contextlib.contextmanager
def a_front() -> Iterator[Front]:
    """A front that has not been started."""
    with selectors.DefaultSelector() as selector:
        yield Front(selector, run, 0.0, (), lambda message: None, lambda: None)


def buried(front: Front) -> int:
    """Wait for the end of the front, and return the number of the signal that ended it."""
    assert front.child is not None
    _, status, usage = os.wait4(front.child.pid, 0)
    front.bury(status, time.monotonic(), front.child.bury(status, usage, OutOfMemoryWatch(None)), running=0)
    return os.WTERMSIG(status) if os.WIFSIGNALED(status) else 0


def test_front_that_cannot_be_forked_is_tried_again(caplog: pytest.LogCaptureFixture) -> None:
    """Without a descriptor for its connection there is none now, and the server goes on."""
    with a_front() as front:
        with exhausted(os.getpid()):
            front.carry_out(100.0)
        assert front.child is None
        assert "cannot start the front: Too many open files; trying again in 0.2 s" in caplog.text
        front.carry_out(100.2)
        assert front.child is not None
        front.child.kill(signal.SIGKILL)
        buried(front)


def test_front_that_cannot_be_told_of_a_configuration_is_replaced(caplog: pytest.LogCaptureFixture) -> None:
    """It would go on as it was for ever; the next one is right from its beginning."""
    with a_front() as front:
        front.carry_out(100.0)
        with exhausted(os.getpid()):
            front.renew((), b"orders", ())
        assert "the front cannot be given the new configuration: Too many open files; it is replaced" in caplog.text
        assert buried(front) == signal.SIGKILL


def test_front_that_cannot_be_told_to_stop_is_killed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody would wait for the end of the server otherwise but for ever."""

    def refuse(*_: object) -> int:
        raise OSError(105, "No buffer space available")

    with a_front() as front:
        front.carry_out(100.0)
        monkeypatch.setattr(children, "send_with_descriptors", refuse)
        assert not front.stop(0.0, 101.0)
        assert buried(front) == signal.SIGKILL


@contextlib.contextmanager
def unattached(front: Front) -> Iterator[Daemon]:
    """A daemon process that could not be connected with a front, which accepts clients."""
    front.carry_out(100.0)
    front.ready = True
    ours, theirs = control_pair()
    with ours, theirs, open(os.devnull, encoding="ascii") as board:
        memory = Scoreboard(memoryview(bytearray(scoreboard_size(1))), 1)
        daemon = Daemon(Child(0, ours), 1, board.fileno(), memory)
        with exhausted(os.getpid()):
            front.attach(daemon, "app", (0, 0))
        assert not front.knows(daemon)
        yield daemon


def test_process_that_has_died_is_not_connected_later() -> None:
    """Its descriptors may be others' by then."""
    with a_front() as front, unattached(front) as daemon:
        assert front.next_deadline() is not None
        front.forget(daemon)
        assert front.next_deadline() is None
        assert front.child is not None
        front.child.kill(signal.SIGKILL)
        buried(front)


def test_front_that_comes_next_is_told_by_the_planners_whom_to_connect() -> None:
    """What could not be connected with the one before is its planner's to ask for again, if it still serves."""
    with a_front() as front, unattached(front):
        assert front.child is not None
        front.child.kill(signal.SIGKILL)
        buried(front)
        front.carry_out(time.monotonic())
        assert front.next_deadline() is None
        assert front.child is not None
        front.child.kill(signal.SIGKILL)
        buried(front)
