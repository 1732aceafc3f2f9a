"""Which supervisor is the server: this one, the one before it or the one after it. Shell.

    heir        a predecessor is the server; no client sees us, and the files of its sockets are its own
    server      nobody else is, or a successor is on its way
    retired     a successor is the server; we finish what we have

What the supervisors say to each other is in `upgrade`. The successor has read the configuration and opened the logs
when it was started: what this server is told about them until it retires is passed on.
"""

import logging
import os
import selectors
import signal
import socket
from collections.abc import Callable, Sequence

from pydaemonwsgi.supervisor.plan import Plan
from pydaemonwsgi.supervisor.upgrade import CONTROL, CONTROL_LOCK, Predecessor, Successor, start_successor

__all__ = ["Succession"]

logger = logging.getLogger(__name__)


class Succession:
    """See the module's docstring.

    Args:
        selector: the loop's.
        predecessor: connection to the supervisor that this one is to replace; None where it replaces nobody.
        inherited: the numbers of its listeners (`sockets.number`).
        hand_over: called with the pid of a successor that serves: gives it what only one of us may have.
        retire: called with the reason, once the successor is the server.
        take_over: called once this one is the server, if it has not been from the beginning.

    Attributes:
        owns_files: whether this one is the server, and the files of its sockets are its own to remove.
        stopping: whether this server ends, and so hands over nothing and takes over nothing.
    """

    def __init__(
        self,
        selector: selectors.BaseSelector,
        predecessor: socket.socket | None,
        inherited: frozenset[int],
        *,
        hand_over: Callable[[int], None],
        retire: Callable[[str], None],
        take_over: Callable[[], None],
    ) -> None:
        self._selector = selector
        self._give = hand_over
        self._retire = retire
        self._take = take_over
        self._successor: Successor | None = None
        self._predecessor = None if predecessor is None else Predecessor(predecessor, selector, self._take_over)
        self._inherited = inherited
        self.owns_files = predecessor is None
        self.stopping = False

    # -- before: an heir

    @property
    def is_heir(self) -> bool:
        """Whether the predecessor still is the server."""
        return self._predecessor is not None

    def say_ready(self, listeners: Sequence[int]) -> None:
        """Tell the predecessor that this one serves, on the listeners of these numbers."""
        assert self._predecessor is not None
        self._predecessor.say_ready(listeners)

    def say_failed(self, why: str) -> None:
        """Tell the predecessor, if there is one, that this one never will serve."""
        if self._predecessor is not None:
            self._predecessor.say_failed(f"{why}; see its messages in its error log")

    def _take_over(self) -> None:
        """The predecessor has let go, or has died."""
        self._predecessor = None
        if not self.stopping:
            self.owns_files = True
            self._take()
            logger.info("pid %d is the server now", os.getpid())

    # -- after: a successor

    def start(self, plan: Plan) -> None:
        """Start a supervisor from the code that is installed now, and give it what it inherits."""
        if self.stopping or self._successor is not None or self.is_heir:
            logger.warning("SIGUSR2: not now: the server stops, or another supervisor is about to take over")
            return
        heirlooms = list(plan.heirlooms)
        if plan.control_socket is not None:
            heirlooms += zip((CONTROL, CONTROL_LOCK), plan.control_socket.descriptors, strict=True)
        try:
            self._successor = start_successor(
                heirlooms,
                plan.notifier.environment,
                plan.directory,
                patience=plan.upgrade_timeout,
                selector=self._selector,
                on_ready=self._hand_over,
                stderr=plan.logs.console,
            )
        except OSError as error:
            logger.error("SIGUSR2: the new supervisor cannot be started: %s; this one goes on", error.strerror)
            return
        logger.info(
            "SIGUSR2: starting a new supervisor, pid %d; it has %g s to become ready",
            self._successor.pid,
            plan.upgrade_timeout,
        )

    def _hand_over(self) -> None:
        """The successor serves: leave everything to it."""
        successor = self._successor
        assert successor is not None
        assert not self.stopping, "then it has been given up"
        self.owns_files = False
        self._give(successor.pid)
        successor.release()
        self._retire(f"the new supervisor, pid {successor.pid}, has taken over")

    def pass_on(self, number: signal.Signals) -> None:
        """This server has done what a signal says; a successor that is on its way has to do it as well."""
        if self._successor is not None:
            self._successor.owe(number)

    def shares(self, listener: int) -> bool:
        """Whether the supervisor that is the server, if this one is not, has the listener of this number."""
        if self.owns_files:
            return False
        if self._successor is None:
            return listener in self._inherited
        return self._successor.keeps is None or listener in self._successor.keeps

    def stop(self) -> None:
        """This server ends, and with it a successor that is not ready."""
        self.stopping = True
        if self._successor is not None and not self._successor.ready:
            self._successor.give_up("this server stops")

    # -- the loop

    def carry_out(self, now: float) -> None:
        """End a successor that takes too long."""
        if self._successor is not None:
            self._successor.carry_out(now)

    def next_deadline(self) -> float | None:
        """Return the monotonic time at which `carry_out` has something to do, or None."""
        return None if self._successor is None else self._successor.next_deadline()

    def bury(self, pid: int, status: int) -> bool:
        """A process has been reaped; return whether it was the successor."""
        if self._successor is None or pid != self._successor.pid:
            return False
        self._successor.bury(status)
        self._successor = None
        return True
