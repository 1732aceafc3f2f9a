"""hosting: a process group with sub-interpreters, with a real child that says it is as many as it is told to open."""

import contextlib
import dataclasses
import itertools
import os
import selectors
import socket
import time
from collections.abc import Iterator
from pathlib import Path

from pydaemonwsgi.channel import control
from pydaemonwsgi.channel.control import Word
from pydaemonwsgi.supervisor.errands import Errands
from pydaemonwsgi.supervisor.front import Front
from pydaemonwsgi.supervisor.hosting import HostingProcessGroup
from pydaemonwsgi.supervisor.lifecycle import State
from pydaemonwsgi.supervisor.loop import turn
from pydaemonwsgi.supervisor.plan import GroupPlan
from pydaemonwsgi.supervisor.rollover import Group, Timeouts
from pydaemonwsgi.system.sockets import receive_with_descriptors
from tests.helpers.server import PATIENCE

MANY = 300
"""Application groups: more than the kernel holds messages for a process that reads none."""
LOADED = control.encode(Word.LOADED, failed={}, error="")


def be_many(supervisor: socket.socket, gate: Path) -> int:
    """Be a daemon process that reads nothing until its script is loaded, and then every interpreter that it opens."""
    while not gate.exists():
        time.sleep(0.001)
    supervisor.send(LOADED)
    interpreters = []
    while True:
        data, descriptors = receive_with_descriptors(supervisor, control.MAXIMUM_MESSAGE)
        if not data:
            return 0
        if control.decode(data).word is Word.OPEN:
            interpreter = socket.socket(fileno=descriptors.pop(0))
            interpreter.send(LOADED)
            interpreters.append(interpreter)
        for descriptor in descriptors:
            os.close(descriptor)


@contextlib.contextmanager
def hosting_group(gate: Path) -> Iterator[tuple[HostingProcessGroup, selectors.BaseSelector]]:
    """A process group of one process, which loads once a file is there, and the loop's selector."""
    planner = Group("app", 1, Timeouts(startup=60.0, graceful=1.0, shutdown=1.0))
    plan = GroupPlan(planner, 1, lambda supervisor, board: be_many(supervisor, gate), lambda: 0)
    with selectors.DefaultSelector() as selector:
        front = Front(selector, lambda supervisor, memory: 0, 0.0, (), lambda message: None, lambda: None)
        group = HostingProcessGroup(plan, front, selector, itertools.count(1), Errands())
        try:
            yield group, selector
        finally:
            gate.touch()
            for one in group.served_by:
                one.child.close()
                os.close(one.board)
            for daemon in group.daemons.values():
                os.waitpid(daemon.child.pid, 0)


def test_process_is_asked_for_many_interpreters_as_it_opens_them(tmp_path: Path) -> None:
    """It reads nothing while it loads, and what it has not read must not fill its connection; it serves with all."""
    gate = tmp_path / "gate"
    with hosting_group(gate) as (group, selector):
        for number in range(MANY):
            group.open(dataclasses.replace(group.plan, application_group=f"/{number}"), f"app|{number}")
        group.carry_out()
        (daemon,) = group.daemons.values()
        assert not daemon.child.sent
        gate.touch()
        process = group.planner.processes[daemon.number]
        deadline = time.monotonic() + PATIENCE
        while process.state is not State.RUNNING:
            assert time.monotonic() < deadline, group.planner
            turn(selector, 1.0)
            group.carry_out()
        assert sum(one.loaded for one in group.interpreters) == MANY
