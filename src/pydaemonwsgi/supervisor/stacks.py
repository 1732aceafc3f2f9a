"""The stacks of one daemon process's threads, asked for and awaited. Shell."""

import os
from typing import Final

from pydaemonwsgi.channel.control import Word
from pydaemonwsgi.supervisor.daemons import Daemon, Interpreter
from pydaemonwsgi.supervisor.dump import dump
from pydaemonwsgi.supervisor.errands import Errands
from pydaemonwsgi.supervisor.groups import ProcessGroup
from pydaemonwsgi.supervisor.lifecycle import State
from pydaemonwsgi.system.memory import create_shared

__all__ = ["Stacks"]

# Bytes: five hundred deep stacks. Memory that nobody writes costs nothing.
_SIZE: Final = 2 * 1024 * 1024


class Stacks:
    """Asks a daemon process for its stacks.

    Args:
        group: its process group.
        daemon: the process, or an interpreter of it.
        errands: where the question is noted.

    Attributes:
        group: the same.
        pid: the process's.
        application_group: of the sub-interpreter; None for the main one.
        memory: descriptor of the memory that it writes into.
    """

    __slots__ = ("_asked", "_errands", "_number", "_thread", "_token", "application_group", "group", "memory", "pid")

    def __init__(self, group: ProcessGroup, daemon: Daemon, errands: Errands) -> None:
        self.group = group
        self._number = daemon.process
        self._thread = daemon.thread if isinstance(daemon, Interpreter) else 0
        self.application_group = daemon.application_group if isinstance(daemon, Interpreter) else None
        self.pid = daemon.child.pid
        self.memory = create_shared("stacks", _SIZE)
        self._errands = errands
        self._token = errands.begin()
        # A service script listens to nobody.
        self._asked = bool(group.plan.threads) and daemon.child.say(Word.DUMP, (self.memory,), token=self._token)

    @property
    def is_told(self) -> bool:
        """Whether the process has written them."""
        return self._asked and not self._errands.is_open(self._token)

    @property
    def is_awaited(self) -> bool:
        """Whether it may still write them."""
        return self._asked and self._errands.is_open(self._token)

    def insist(self) -> str:
        """Have a process that does not answer write its stacks where it can; return in words what comes of it."""
        process = self.group.planner.processes.get(self._number)
        if process is None:
            return "it has ended"
        if process.state is State.STARTING:
            return "it is starting"  # what it would do with the signal is not settled yet
        if dump(self.pid, self._thread, self.application_group or "") == "T":
            return f"it is stopped by a signal (SIGSTOP); kill -CONT {self.pid} has it go on"
        if not self.group.plan.threads:
            return "it runs a service script; its stacks are in the error log"
        return "no thread of it gets on; it was made to write its stacks to the error log"

    def forget(self) -> None:
        """Nobody wants them any more."""
        self._errands.abandon(self._token)
        os.close(self.memory)
