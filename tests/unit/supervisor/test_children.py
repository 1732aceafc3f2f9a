"""children: telling a child things, and ending it, with real processes and connections."""

import contextlib
import logging
import os
import signal
import socket
import threading
import time
from collections.abc import Iterator

import pytest

from pydaemonwsgi.channel import control
from pydaemonwsgi.channel.control import Word
from pydaemonwsgi.errors import StartError
from pydaemonwsgi.supervisor.children import Child, fork_child
from pydaemonwsgi.system.out_of_memory import OutOfMemoryWatch
from pydaemonwsgi.system.sockets import control_pair

MANY = 1000
"""Messages, more than the kernel holds for a process that reads none."""


@contextlib.contextmanager
def connection() -> Iterator[tuple[Child, socket.socket]]:
    """A child that is no process, and its end of the connection."""
    ours, theirs = control_pair()
    ours.setblocking(False)
    with ours, theirs:
        yield Child(0, ours), theirs


def wait_for_end(supervisor: socket.socket) -> int:
    """Be a child that does nothing until it is alone."""
    while supervisor.recv(65536):
        pass
    return 0


def sleep(supervisor: socket.socket) -> int:
    """Be a child that reads nothing."""
    del supervisor
    time.sleep(600)
    return 0


def reaped(child: Child) -> int:
    """Wait for the end of a child, bury it, and return the number of the signal that ended it."""
    _, status, usage = os.wait4(child.pid, 0)
    child.bury(status, usage, OutOfMemoryWatch(None))
    child.close()
    return os.WTERMSIG(status) if os.WIFSIGNALED(status) else 0


def test_child_that_reads_nothing_is_killed() -> None:
    """It does not run, and whoever waits for it waits in vain."""
    child = fork_child(sleep, ())
    taken = [child.say(Word.PING) for _ in range(MANY)]
    assert not all(taken)
    assert reaped(child) == signal.SIGKILL


def test_child_with_patience_is_waited_for_while_it_reads() -> None:
    """A front that has just started is told of all processes and application groups at once, and may be slower."""
    with connection() as (child, theirs):
        child.patience = 30.0
        words: list[Word] = []

        def read() -> None:
            while len(words) < MANY:
                words.append(control.decode(theirs.recv(65536)).word)

        reader = threading.Thread(target=read)
        # The kernel holds what it can, so the first wait begins before anything is read.
        for _ in range(200):
            assert child.say(Word.PING)
        reader.start()
        assert all(child.say(Word.PING) for _ in range(MANY - 200))
        reader.join(30.0)
        assert words == [Word.PING] * MANY


def test_patience_has_an_end(caplog: pytest.LogCaptureFixture) -> None:
    """Who reads nothing holds the supervisor up once."""
    with connection() as (child, _):
        child.patience = 0.01
        assert not all(child.say(Word.PING) for _ in range(MANY))
        assert "reads nothing from the supervisor" in caplog.text


def test_message_that_the_kernel_refuses_is_told(caplog: pytest.LogCaptureFixture) -> None:
    """A child that lives and has not heard something is worth a record; one that has gone is not."""
    with connection() as (child, theirs):
        child.control.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1)
        assert not child.say(Word.WANT, group="x" * 10_000, application_group="", spare="")
        assert "pid 0 cannot be told 'want': Message too long" in caplog.text
        caplog.clear()
        theirs.close()
        assert not child.say(Word.PING)
        assert not caplog.text


def test_signal_by_any_connection_is_the_supervisors() -> None:
    """A process that is killed for what an interpreter of it says was not killed by somebody else."""
    child = fork_child(wait_for_end, ())
    ours, theirs = control_pair()
    with theirs:
        part = child.part(ours)
        part.kill(signal.SIGKILL)
        part.close()
        assert reaped(child) == signal.SIGKILL
        assert child.sent == {signal.SIGKILL}


def test_nobody_is_signalled_by_the_pid_of_a_process_that_was_reaped(monkeypatch: pytest.MonkeyPatch) -> None:
    """The kernel may have given the pid to somebody else, and the supervisor may be root."""
    child = fork_child(lambda supervisor: 0, ())
    ours, theirs = control_pair()
    with theirs:
        part = child.part(ours)
        assert reaped(child) == 0
        signalled: list[int] = []
        monkeypatch.setattr(os, "kill", lambda pid, number: signalled.append(pid))
        for one in (child, part):
            one.kill(signal.SIGKILL)
        part.close()
        assert not signalled


def test_child_that_the_machine_refuses_says_so_in_a_line() -> None:
    """Whoever has too few descriptors needs no traceback."""
    reading, writing = os.pipe()
    logger = logging.getLogger("pydaemonwsgi.supervisor.children")
    with os.fdopen(reading) as told, os.fdopen(writing, "w") as log:
        handler = logging.StreamHandler(log)
        logger.addHandler(handler)
        try:
            child = fork_child(refuse, (writing,))
        finally:
            logger.removeHandler(handler)
        log.close()
        assert told.read() == "a child process cannot be started: no descriptors\n"
    _, status, usage = os.wait4(child.pid, 0)
    child.bury(status, usage, OutOfMemoryWatch(None))
    child.close()
    assert os.waitstatus_to_exitcode(status) == 1


def refuse(supervisor: socket.socket) -> int:
    """Be a child of which nothing comes."""
    del supervisor
    raise StartError("no descriptors")
