"""A process group whose daemon processes are forked by a preload parent: does what its planner wants. Shell.

Theory of operation. The supervisor is the parent of every daemon process all the same: a preload parent forks twice,
and the process in between ends at once, so that the supervisor, as the nearest subreaper, adopts the second. So exit
statuses are as exact as those of its own children, and a preload parent that is stopped or killed takes nobody along.

The request to fork carries the new process's end of its control connection and its scoreboard. Whoever comes out at
the other end of that connection is the new process; its pid is what the kernel says of the sender of its first word,
and it counts only if the supervisor is the one who will wait for it. The word of a process that runs user code would
not do: the supervisor may be root, and kills by pid.
"""

import logging
import os
import selectors
import signal
import time
from collections.abc import Callable, Iterator
from typing import Final

from pydaemonwsgi.channel import control
from pydaemonwsgi.channel.control import Message, Word
from pydaemonwsgi.errors import ChannelError
from pydaemonwsgi.supervisor.actions import Action, Keep, Kill, NumberedAction, SpawnParent, Stop
from pydaemonwsgi.supervisor.children import Child, fork_child, hear_all, stop_hearing
from pydaemonwsgi.supervisor.crash_report import Death, describe_death
from pydaemonwsgi.supervisor.daemons import Daemon
from pydaemonwsgi.supervisor.errands import Errands
from pydaemonwsgi.supervisor.exits import Exit
from pydaemonwsgi.supervisor.front import Front
from pydaemonwsgi.supervisor.groups import ProcessGroup
from pydaemonwsgi.supervisor.lifecycle import Process
from pydaemonwsgi.supervisor.plan import GroupPlan
from pydaemonwsgi.supervisor.preloading import PreloadedGroup
from pydaemonwsgi.system.processes import adopt_orphans, is_child
from pydaemonwsgi.system.sockets import control_pair, pass_credentials, receive_with_sender
from pydaemonwsgi.vocabulary import ShutdownReason

__all__ = ["PreloadedProcessGroup"]

logger = logging.getLogger(__name__)


class _NotTakenError(OSError):
    """The parent does not take the request; it has gone, or will."""


class PreloadedProcessGroup(ProcessGroup):
    """See the module's docstring; the arguments are those of `ProcessGroup`."""

    planner: PreloadedGroup

    def __init__(
        self,
        plan: GroupPlan,
        front: Front,
        selector: selectors.BaseSelector,
        numbers: Iterator[int],
        errands: Errands,
        key: str = "",
    ) -> None:
        super().__init__(plan, front, selector, numbers, errands, key)
        self._parents: dict[int, Child] = {}
        adopt_orphans()

    def can_become(self, plan: GroupPlan) -> bool:
        """See `ProcessGroup.can_become`; a parent goes on to fork for as many threads as it was told of."""
        return super().can_become(plan) and plan.threads == self.plan.threads

    @property
    def children(self) -> list[Child]:
        """The living children: parents and daemon processes."""
        return [*self._parents.values(), *super().children]

    # -- carrying out

    def _act(self, action: Action) -> None:
        if isinstance(action, SpawnParent):
            self._start_parent()
        else:
            super()._act(action)

    def _act_on(self, action: NumberedAction) -> None:
        parent = self._parents.get(action.number)
        if parent is None:
            daemon = self.daemons.get(action.number)
            if daemon is not None and isinstance(action, Kill) and not daemon.child.pid:
                self._forget_unborn(daemon)
            else:
                super()._act_on(action)
            return
        match action:
            case Stop(_, timeout):
                parent.say(Word.STOP, timeout=timeout)
            case Kill():
                parent.kill(signal.SIGKILL)
            case Keep(_, versions):
                parent.say(Word.KEEP, versions=versions)
            case _:
                raise AssertionError(f"{action} is nothing for a parent")

    def _start_parent(self) -> None:
        run = self.plan.run_parent
        assert run is not None, "who plans with parents says what they run"
        now = time.monotonic()
        process = self.planner.on_parent_spawned(next(self._numbers), now, self.plan.script_version())
        try:
            child = fork_child(run, (), self.plan.error_log)
        except OSError as error:
            self.planner.on_parent_exit(process.number, now, Exit(f"could not be started ({error.strerror})"))
            return
        process.pid = child.pid
        self._parents[process.number] = child
        number: Final = process.number
        self._selector.register(child.control, selectors.EVENT_READ, lambda: self._hear_parent(number))
        child.say(Word.LOAD, scripts=self._scripts)
        logger.debug("process group %s: started preload parent %d as pid %d", self.name, number, child.pid)

    def _fork(self, process: Process, board: int) -> Child:
        ours, theirs = control_pair()
        with theirs:
            ours.setblocking(False)
            pass_credentials(ours)
            parent = self._parents.get(process.parent)
            if parent is None or not parent.say(Word.FORK, (theirs.fileno(), board), process=process.number):
                ours.close()
                raise _NotTakenError
        return Child(0, ours)

    def _note_unstarted(self, process: Process, error: OSError) -> None:
        if isinstance(error, _NotTakenError):
            self.planner.on_unborn(process.number)
        else:
            super()._note_unstarted(process, error)

    # -- what happens to parents

    def reap(self, pid: int, status: int, testify: Callable[[Child], Death]) -> bool:
        """As `ProcessGroup.reap`; it may be a parent, or a process that has just been born."""
        for number, parent in self._parents.items():
            if parent.pid == pid:
                self._bury_parent(number, parent, status, testify(parent))
                return True
        if super().reap(pid, status, testify):
            return True
        # It may have died right after its first word, which then is still unread.
        for daemon in [daemon for daemon in self.daemons.values() if not daemon.child.pid]:
            self._hear(daemon)
        return super().reap(pid, status, testify)

    def _bury_parent(self, number: int, parent: Child, status: int, death: Death) -> None:
        self._hear_parent(number)
        stop_hearing(parent, self._selector)
        parent.close()
        del self._parents[number]
        ended = Exit.of(parent.pid, status, parent.sent)
        self._log_messages()
        self.planner.on_parent_exit(number, time.monotonic(), ended)
        self.hopeless = self.hopeless or (ended.hopeless and not self.loaded)
        (level, headline), *rest = self.planner.take_messages()
        facts = [] if level == "info" else describe_death(death)
        self._log([(level, "\n  ".join([headline, *facts])), *rest])

    def _hear_parent(self, number: int) -> None:
        parent = self._parents[number]
        try:
            hear_all(parent, lambda message: self._obey_parent(number, message))
        except EOFError:
            stop_hearing(parent, self._selector)
            self.planner.on_parent_lost(number)

    def _obey_parent(self, number: int, message: Message) -> None:
        if message.word is Word.LOADING:
            self.planner.on_parent_loading(number, message.numbers("versions"))
        elif message.word is Word.LOADED:
            self.loaded = True
            self.failed = bool(message.fields["failed"])
            self.planner.on_parent_loaded(
                number, time.monotonic(), failed=message.numbers("failed"), error=message.text("error")
            )
        elif message.word is Word.RETIRE:
            self.planner.on_retire(number, ShutdownReason(message.text("reason")))
        elif message.word is Word.UNFORKED:
            daemon = self.daemons.get(message.number("process"))
            if daemon is not None and not daemon.child.pid:
                self._drop(daemon)
                ended = Exit(f"could not be forked ({message.text('error')})")
                self.planner.on_exit(daemon.number, time.monotonic(), ended)

    # -- what happens to processes that are being forked

    def _hear(self, daemon: Daemon) -> None:
        if not daemon.child.pid and not self._welcome(daemon):
            return
        super()._hear(daemon)

    def _welcome(self, daemon: Daemon) -> bool:
        """Hear a process's first word; return whether it has been said."""
        sock = daemon.child.control
        try:
            data, pid = receive_with_sender(sock, control.MAXIMUM_MESSAGE)
            if not data:
                raise EOFError
            message = control.decode(data)
        except BlockingIOError:
            return False
        except (OSError, EOFError, ChannelError):
            self._forget_unborn(daemon)
            return False
        if message.word is not Word.BORN or not is_child(pid):
            logger.error("process group %s: pid %d is no daemon process of ours; it is ignored", self.name, pid)
            self._forget_unborn(daemon)
            return False
        pass_credentials(sock, False)
        daemon.child.pid = pid
        self.planner.on_born(daemon.number, pid)
        return True

    def _forget_unborn(self, daemon: Daemon) -> None:
        """Do not wait for a process any more; should it be born nevertheless, it finds its connection closed."""
        self._drop(daemon)
        self.planner.on_unborn(daemon.number)

    def _drop(self, daemon: Daemon) -> None:
        stop_hearing(daemon.child, self._selector)
        daemon.child.close()
        os.close(daemon.board)
        del self.daemons[daemon.number]
