"""front: the front as the supervisor has it, when the machine gives it less than it needs."""

import contextlib
import os
import selectors
import signal
import socket
import time
from collections.abc import Iterator

import pytest

from pydaemonwsgi.supervisor import children
from pydaemonwsgi.supervisor.front import Front
from pydaemonwsgi.system.out_of_memory import OutOfMemoryWatch
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
