"""commands: what happens to a command in the middle of which the machine refuses."""

import itertools
import os
import selectors
import socket

import pytest

from pydaemonwsgi.channel.commands import Request
from pydaemonwsgi.supervisor.commands import Commands
from pydaemonwsgi.supervisor.control import Peer
from pydaemonwsgi.supervisor.errands import Errands
from pydaemonwsgi.supervisor.front import Front
from pydaemonwsgi.supervisor.groups import ProcessGroup
from pydaemonwsgi.supervisor.plan import GroupPlan
from pydaemonwsgi.supervisor.rollover import Group, Timeouts
from pydaemonwsgi.system.descriptors import open_descriptors
from tests.helpers.exhaustion import exhausted


def wait_for_end(supervisor: socket.socket, board: int) -> int:
    """Be a daemon process that does nothing until it is alone."""
    del board
    while supervisor.recv(65536):
        pass
    return 0


def test_dump_that_the_machine_refuses_leaves_nothing_behind() -> None:
    """A descriptor is lost for no process, where there are too few of them anyway."""
    planner = Group("app", 2, Timeouts(startup=60.0, graceful=1.0, shutdown=1.0))
    with selectors.DefaultSelector() as selector:
        front = Front(selector, lambda supervisor, memory: 0, 0.0, (), lambda message: None, lambda: None)
        group = ProcessGroup(
            GroupPlan(planner, 1, wait_for_end, lambda: 0), front, selector, itertools.count(1), Errands()
        )
        group.carry_out()
        commands = Commands([group], front, Errands(), tuple, begin_stop=lambda why: None, reload=str, reopen_logs=str)
        before = open_descriptors()
        with exhausted(os.getpid(), left=1), pytest.raises(OSError, match="Too many open files"):
            commands.obey(Request("dump"), Peer(1, 0))
        assert open_descriptors() == before
        for daemon in group.daemons.values():
            daemon.child.close()
            os.waitpid(daemon.child.pid, 0)
            os.close(daemon.board)
