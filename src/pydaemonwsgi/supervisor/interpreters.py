"""The sub-interpreters of a process group's processes: which there are, and which are missing. Shell.

Each application group has one in every process that takes requests or will. One that could not be opened is opened
again after growing delays, but only a few times in the same process: what fails leaves memory behind, because no
interpreter is ever taken down.
"""

import contextlib
import os
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Final

from pydaemonwsgi.channel.control import Word
from pydaemonwsgi.metrics.scoreboard import Scoreboard, scoreboard_size
from pydaemonwsgi.supervisor.daemons import Daemon, Interpreter
from pydaemonwsgi.supervisor.lifecycle import Backoff
from pydaemonwsgi.supervisor.plan import GroupPlan
from pydaemonwsgi.supervisor.scripts import ScriptsInUse
from pydaemonwsgi.system.descriptors import memfd
from pydaemonwsgi.system.memory import create_shared, map_shared
from pydaemonwsgi.system.sockets import control_pair

__all__ = ["Host", "Interpreters", "Tenant"]

# Seconds until an interpreter is opened again after one could not be; doubled each time.
_AGAIN: Final = 1.0
_LONGEST_DELAY: Final = 60.0
# Attempts in the same process.
_ATTEMPTS: Final = 3
# Interpreters that a process is to open at the same time: it reads nothing while its script loads, and its connection
# holds some hundred words and, with them, three descriptors each.
_AT_ONCE: Final = 32


class Tenant:
    """An application group that has an interpreter in each process.

    Attributes:
        plan: what its interpreters are to be.
        scripts: those in use, as `ProcessGroup` has them.
        backoff: when one is opened again after some could not be.
        refused: whether the front has been told to refuse its requests.
    """

    def __init__(self, plan: GroupPlan) -> None:
        self.plan = plan
        self.scripts = ScriptsInUse()
        self.backoff = Backoff(_AGAIN, _LONGEST_DELAY)
        self.refused = False

    @property
    def name(self) -> str:
        """The application group's name."""
        return self.plan.application_group or ""


class Host:
    """A process and its interpreters: what holds for it only once it holds for all of them.

    Attributes:
        daemon: the process.
        interpreters: those that have been opened in it, by key.
        failures: attempts that came to nothing, by key.
        main: what its main interpreter could not load, names and versions, and why; None until it has loaded.
        ended: since it drains, the numbers whose channels have ended; None while it does not.
    """

    __slots__ = ("daemon", "ended", "failures", "interpreters", "main")

    def __init__(self, daemon: Daemon) -> None:
        self.daemon = daemon
        self.interpreters: dict[str, Interpreter] = {}
        self.failures: Counter[str] = Counter()
        self.main: tuple[Mapping[str, int], str] | None = None
        self.ended: set[int] | None = None

    @property
    def parts(self) -> list[Daemon]:
        """Everything in it that has a channel."""
        return [self.daemon, *self.interpreters.values()]

    @property
    def loaded(self) -> tuple[dict[str, int], str] | None:
        """What could not be loaded in any of its interpreters, and why; None while one still loads."""
        if self.main is None or not all(one.loaded for one in self.interpreters.values()):
            return None
        failed, errors = dict(self.main[0]), [self.main[1]]
        for one in self.interpreters.values():
            failed.update(one.failed)
            errors.append(one.error)
        return failed, "\n".join(filter(None, errors))

    @property
    def has_drained(self) -> bool:
        """Whether the last of its channels has ended since it drains."""
        return self.ended is not None and self.ended.issuperset(one.number for one in self.parts)


class Interpreters:
    """The interpreters of all processes of one process group, the main ones not counted.

    Args:
        numbers: where the next one gets its number from; processes and interpreters of a server share it.

    Attributes:
        tenants: whom they are for, by what the front calls them.
    """

    def __init__(self, numbers: Iterator[int]) -> None:
        self._numbers = numbers
        self.tenants: dict[str, Tenant] = {}
        self._living: dict[int, Interpreter] = {}
        self._hosts: dict[int, Host] = {}

    def __iter__(self) -> Iterator[Interpreter]:
        """Iterate over all of them."""
        return iter(self._living.values())

    def get(self, number: int) -> Interpreter | None:
        """Return the one that has this number."""
        return self._living.get(number)

    def host(self, daemon: Daemon) -> Host:
        """Return what is known of a living process; `forget` when it has died."""
        found = self._hosts.get(daemon.number)
        if found is None:
            found = self._hosts[daemon.number] = Host(daemon)
        return found

    def of(self, daemon: Daemon) -> list[Interpreter]:
        """Return those of a living process."""
        return list(self.host(daemon).interpreters.values())

    def serves(self, key: str) -> bool:
        """Whether an application group has one that is loaded, in any process."""
        return any(one.loaded for one in self if one.key == key)

    def missing(self, daemon: Daemon, now: float) -> list[str]:
        """Return the keys of the application groups for which one is to be opened in a process now (monotonic)."""
        host = self.host(daemon)
        if len(host.interpreters) == len(self.tenants):
            return []
        missing = [
            key
            for key, tenant in self.tenants.items()
            if key not in host.interpreters and now >= tenant.backoff.until and host.failures[key] < _ATTEMPTS
        ]
        opening = sum(not one.loaded for one in host.interpreters.values())
        return missing[: max(0, _AT_ONCE - opening)]

    def next_attempt(self, now: float) -> float | None:
        """Return the monotonic time at which one that could not be opened is tried again, or None."""
        times = [tenant.backoff.until for tenant in self.tenants.values() if tenant.backoff.until > now]
        return min(times, default=None)

    def open(self, daemon: Daemon, key: str) -> Interpreter:
        """Have a process open one; it says OPENED when it is there, or closes its connection.

        Raises:
            OSError: there are no descriptors for it.
        """
        tenant = self.tenants[key]
        threads = tenant.plan.threads
        size = scoreboard_size(threads)
        with contextlib.ExitStack() as undo:
            board = create_shared("scoreboard", size)
            undo.callback(os.close, board)
            memory = map_shared(board, size)
            ours, theirs = control_pair()
            undo.callback(ours.close)
            with theirs:
                orders = memfd("orders")
                try:
                    os.write(orders, tenant.plan.interpreter)
                    daemon.child.say(Word.OPEN, (theirs.fileno(), board, orders))
                finally:
                    os.close(orders)
            undo.pop_all()
        ours.setblocking(False)
        interpreter = Interpreter(
            daemon.child.part(ours),
            next(self._numbers),
            board,
            Scoreboard(memory, threads),
            host=daemon.number,
            key=key,
            application_group=tenant.name,
        )
        self._living[interpreter.number] = interpreter
        self.host(daemon).interpreters[key] = interpreter
        interpreter.child.say(Word.LOAD, scripts=tenant.scripts)
        return interpreter

    def give_up(self, interpreter: Interpreter) -> None:
        """Forget one that has never come to serve."""
        self._close(interpreter)
        host = self._hosts[interpreter.host]
        del host.interpreters[interpreter.key]
        host.failures[interpreter.key] += 1

    def forget(self, daemon: Daemon) -> None:
        """Forget those of a process that has ended."""
        for one in self.of(daemon):
            self._close(one)
        del self._hosts[daemon.number]

    def _close(self, interpreter: Interpreter) -> None:
        interpreter.child.close()
        os.close(interpreter.board)
        del self._living[interpreter.number]
