"""The planner of a process group without worker threads: its processes run a service script. Sans-I/O.

Theory of operation. A service script has a process for itself and takes no request, so nothing is gained by starting a
successor first, and much may be lost: two schedulers, two consumers of one queue. A process that is to be replaced is
stopped, and the next one is started when it has gone. A script is meant to run for ever; one that ends is started again
after a delay, which grows while it ends soon and begins anew after a life of `_GOOD_LIFE` seconds.
"""

from collections.abc import Mapping
from typing import Final

from pydaemonwsgi.supervisor.actions import Action, Refuse, Spawn
from pydaemonwsgi.supervisor.exits import Exit
from pydaemonwsgi.supervisor.lifecycle import Event, State
from pydaemonwsgi.supervisor.rollover import Group
from pydaemonwsgi.vocabulary import ShutdownReason

__all__ = ["ServiceGroup"]

# Seconds that a script has to run so that its end is no failure in a row with others.
_GOOD_LIFE: Final = 30.0
# What clients are told that ask a group which takes no requests, in seconds.
_REFUSAL: Final = 60.0


class ServiceGroup(Group):
    """See the module's docstring, and `Group`."""

    _refusing = False

    def on_loaded(self, number: int, now: float, *, failed: Mapping[str, int], error: str = "") -> None:
        """A process has begun to run the script."""
        del failed, error
        process = self.processes.get(number)
        if process is not None and process.state is State.STARTING:
            process.apply(Event.LOADED, now)

    def on_retire(self, number: int, reason: ShutdownReason) -> None:
        """A process is to be replaced: stopped first, and then started anew."""
        process = self.processes.get(number)
        if process is not None and process.retire is None:
            super().on_retire(number, reason)

    def on_detached(self, number: int, now: float) -> None:
        """The script has closed our connection; it is its own."""

    def on_heartbeat(self, number: int, beat: float, now: float) -> None:
        """A script gives no signs of life, as nothing runs beside it that could."""

    def on_exit(self, number: int, now: float, ended: Exit) -> None:
        """A process has ended; see `Group.on_exit`."""
        process = self.processes[number]
        if process.state is not State.RUNNING:
            super().on_exit(number, now, ended)
            return
        del self.processes[number]
        lived = now - process.since
        process.apply(Event.EXIT, now)
        if lived >= _GOOD_LIFE:
            self.trouble.backoff.succeed()
        text = f"the service script has ended: process {number} {ended.how}, {lived:.1f} s after it began"
        delay = self.trouble.fail(now, text)
        self._say("warning", f"{text}; starting again in {delay:.1f} s")

    def on_front(self) -> None:
        """A front is there: it must know that nobody takes requests here."""
        self._refusing = False

    def _tell_front(self, now: float) -> None:
        del now
        if not self._refusing:
            self._refusing = True
            self._pending.append(Refuse(_REFUSAL))

    def _relieve(self, now: float) -> None:
        for process in list(self.processes.values()):
            if process.retire is not None:
                self._stop(process, now)

    def _spawns(self, now: float) -> list[Action]:
        if not self.trouble.allows_start(now):
            return []
        # Those that still stop count: a service runs no more often than it should.
        return [Spawn() for _ in range(self.size - len(self.processes))]
