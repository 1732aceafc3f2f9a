"""preloaded: a process group with a real preload parent, which does not fork as it should."""

import contextlib
import itertools
import os
import select
import selectors
import socket
from collections.abc import Iterator

import pytest

from pydaemonwsgi.channel import control
from pydaemonwsgi.channel.control import Word
from pydaemonwsgi.supervisor import preloaded
from pydaemonwsgi.supervisor.errands import Errands
from pydaemonwsgi.supervisor.front import Front
from pydaemonwsgi.supervisor.loop import turn
from pydaemonwsgi.supervisor.plan import GroupPlan
from pydaemonwsgi.supervisor.preloaded import PreloadedProcessGroup
from pydaemonwsgi.supervisor.preloading import PreloadedGroup
from pydaemonwsgi.supervisor.rollover import Timeouts
from pydaemonwsgi.system.sockets import receive_with_descriptors
from tests.helpers.server import PATIENCE


def refuse_to_fork(supervisor: socket.socket) -> int:
    """Be a preload parent on a machine that has no process left."""
    supervisor.send(control.encode(Word.LOADED, failed={}, error=""))
    while True:
        data, descriptors = receive_with_descriptors(supervisor, control.MAXIMUM_MESSAGE)
        if not data:
            return 0
        message = control.decode(data)
        if message.word is Word.FORK:
            error = "Resource temporarily unavailable"
            supervisor.send(control.encode(Word.UNFORKED, process=message.number("process"), error=error))
        for descriptor in descriptors:
            os.close(descriptor)


@contextlib.contextmanager
def preloaded_group() -> Iterator[tuple[PreloadedProcessGroup, selectors.BaseSelector]]:
    """A process group of one process whose preload parent has been started, and the loop's selector."""
    planner = PreloadedGroup("app", 1, Timeouts(startup=60.0, graceful=1.0, shutdown=1.0))
    plan = GroupPlan(planner, 1, lambda supervisor, board: 1, lambda: 0, run_parent=refuse_to_fork)
    with selectors.DefaultSelector() as selector:
        front = Front(selector, lambda supervisor, memory: 0, 0.0, (), lambda message: None, lambda: None)
        group = PreloadedProcessGroup(plan, front, selector, itertools.count(1), Errands())
        group.carry_out()
        yield group, selector
        (parent,) = group.children
        parent.close()
        os.waitpid(parent.pid, 0)


def test_fork_that_the_preload_parent_cannot_do_is_tried_again_later(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its word and the end of the unborn process's connection come in one turn; the parent is not to blame."""
    # Nobody is born, and this process should not become the parent of other tests' orphans.
    monkeypatch.setattr(preloaded, "adopt_orphans", lambda: None)
    with preloaded_group() as (group, selector):
        turn(selector, PATIENCE)  # LOADED
        group.carry_out()
        (daemon,) = group.daemons.values()
        # The parent has said UNFORKED before it lets go of the process's end.
        assert select.select([daemon.child.control], [], [], PATIENCE)[0]
        turn(selector, 0.0)
        assert not group.daemons
        last = group.planner.trouble.last
        assert last is not None
        assert "could not be forked (Resource temporarily unavailable)" in last.text
        assert [parent.cut_off for parent in group.planner.parents.values()] == [False]
