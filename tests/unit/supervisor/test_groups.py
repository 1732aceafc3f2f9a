"""groups: when the record of a death is written, with a real child and a front that the test is."""

import contextlib
import functools
import itertools
import os
import selectors
import signal
import socket
import time
from collections.abc import Callable, Iterator

import pytest

from pydaemonwsgi.channel.control import Word, encode
from pydaemonwsgi.supervisor.children import Child
from pydaemonwsgi.supervisor.crash_report import Death
from pydaemonwsgi.supervisor.errands import Errands
from pydaemonwsgi.supervisor.front import Front
from pydaemonwsgi.supervisor.groups import ProcessGroup
from pydaemonwsgi.supervisor.plan import GroupPlan
from pydaemonwsgi.supervisor.rollover import Group, Timeouts
from pydaemonwsgi.system.out_of_memory import OutOfMemoryWatch
from pydaemonwsgi.system.sockets import control_pair
from tests.helpers.exhaustion import exhausted


def front_of_the_test(selector: selectors.BaseSelector) -> tuple[Front, socket.socket]:
    """A front that accepts clients, and its end of the connection: it says nothing by itself."""
    front = Front(selector, lambda control, memory: 0, 0.0, (), lambda message: None, lambda: None)
    ours, theirs = control_pair()
    ours.setblocking(False)
    front.child = Child(0, ours)
    front.ready = True
    return front, theirs


def run_daemon(control: socket.socket, board: int) -> int:
    """Be a daemon process that only waits for its end."""
    del board
    while control.recv(65536):
        pass
    return 0


@contextlib.contextmanager
def group_with_a_process() -> Iterator[tuple[ProcessGroup, Front]]:
    """A process group whose only process has a channel to the front, and that."""
    planner = Group("app", 1, Timeouts(startup=60.0, graceful=1.0, shutdown=1.0))
    plan = GroupPlan(planner, 1, run_daemon, lambda: 0)
    with selectors.DefaultSelector() as selector:
        front, theirs = front_of_the_test(selector)
        assert front.child is not None
        with theirs, front.child.control:
            group = ProcessGroup(plan, front, selector, itertools.count(1), Errands())
            group.carry_out()
            group.daemons[1].attached_to = front.child
            yield group, front


def ask_unasked(control: socket.socket, board: int) -> int:
    """Be one that wants to know what all processes do, whatever its orders are."""
    control.send(encode(Word.SURVEY, token=7))
    return run_daemon(control, board)


@pytest.mark.parametrize("permitted", [True, False])
def test_who_may_not_know_what_all_processes_do_is_not_heard(permitted: bool) -> None:
    """The supervisor decides, not the process that runs user code."""
    planner = Group("app", 1, Timeouts(startup=60.0, graceful=1.0, shutdown=1.0))
    plan = GroupPlan(planner, 1, ask_unasked, lambda: 0, server_metrics=permitted)
    errands = Errands()
    with selectors.DefaultSelector() as selector:
        front, theirs = front_of_the_test(selector)
        assert front.child is not None
        with theirs, front.child.control:
            group = ProcessGroup(plan, front, selector, itertools.count(1), errands)
            group.carry_out()
            child = group.daemons[1].child
            [(key, _)] = selector.select(10)
            key.data()
            assert errands.surveys == ({child: 7} if permitted else {})
            group.reap(*kill(group))


def kill(group: ProcessGroup) -> tuple[int, int, Callable[[Child], Death]]:
    """Kill the process and return what `reap` takes."""
    child = group.daemons[1].child
    os.kill(child.pid, signal.SIGKILL)
    pid, status, usage = os.wait4(child.pid, 0)
    return pid, status, functools.partial(Child.bury, status=status, usage=usage, watch=OutOfMemoryWatch(None))


@pytest.mark.parametrize("first", ["front", "kernel"])
def test_record_waits_for_the_front_only_as_long_as_it_may_speak(first: str, caplog: pytest.LogCaptureFixture) -> None:
    """Once the front has closed the channel it has said what was lost, whoever noticed the death first."""
    with group_with_a_process() as (group, _):
        reaped = kill(group)
        if first == "front":
            group.note_detached(1)
            group.reap(*reaped)
        else:
            group.reap(*reaped)
            assert "was killed by SIGKILL" not in caplog.text
            group.note_detached(1)
        assert "was killed by SIGKILL" in caplog.text


def test_what_the_front_says_was_running_is_in_the_record(caplog: pytest.LogCaptureFixture) -> None:
    """It says so before it closes the channel."""
    with group_with_a_process() as (group, _):
        group.note_lost(1, "request 1: GET /")
        group.note_detached(1)
        group.reap(*kill(group))
        assert "it was running:\n    request 1: GET /" in caplog.text


def test_process_that_cannot_be_connected_with_the_front_is_connected_later(caplog: pytest.LogCaptureFixture) -> None:
    """Without descriptors for a channel the server goes on, says so once, and tries again."""
    with group_with_a_process() as (group, front):
        daemon = group.daemons[1]
        daemon.attached_to = None
        with exhausted(os.getpid()):
            group.planner.on_loaded(1, time.monotonic(), failed={})
            group.carry_out()
            assert not front.knows(daemon)
            problem = (
                f"pid {daemon.child.pid} cannot be connected with the front: Too many open files; trying again in 1 s"
            )
            assert problem in caplog.text
        again = front.next_deadline()
        assert again is not None
        front.carry_out(again)
        assert front.knows(daemon)
        group.reap(*kill(group))


def test_process_that_dies_unconnected_is_not_connected_any_more() -> None:
    """Its descriptors are closed, and may be others' by then."""
    with group_with_a_process() as (group, front):
        group.daemons[1].attached_to = None
        with exhausted(os.getpid()):
            group.planner.on_loaded(1, time.monotonic(), failed={})
            group.carry_out()
        assert front.next_deadline() is not None
        group.reap(*kill(group))
        assert front.next_deadline() is None
