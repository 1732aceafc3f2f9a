"""The living processes of a process group, and who of them should go. Sans-I/O."""

from collections.abc import Collection, Iterable, Mapping
from typing import Final

from pydaemonwsgi.supervisor.lifecycle import Process, State
from pydaemonwsgi.vocabulary import ShutdownReason

__all__ = ["Roster"]

# Reasons whose replacement is pointless while the script does not load.
_NEW_CODE: Final = frozenset(
    (
        ShutdownReason.SCRIPT_RELOAD,
        ShutdownReason.GRACEFUL_SIGNAL,
        ShutdownReason.EVICTION_SIGNAL,
        ShutdownReason.SHUTDOWN_SIGNAL,
    )
)


class Roster(dict[int, Process]):
    """Processes by number.

    A process is *lasting* if it takes requests and is not to be replaced.
    """

    def in_state(self, state: State) -> list[Process]:
        """Return the processes that are in a state."""
        return [process for process in self.values() if process.state is state]

    @property
    def running(self) -> list[Process]:
        """Those that take requests."""
        return [process for process in self.in_state(State.RUNNING) if not process.cut_off]

    @property
    def lasting(self) -> list[Process]:
        """Those that take requests and are not to be replaced."""
        return [process for process in self.running if process.retire is None]

    @property
    def has_failed(self) -> bool:
        """Whether a script did not load in one of those that take requests."""
        return any(process.failed for process in self.running)

    def better_than(self, failed: Iterable[str]) -> list[Process]:
        """Return the running processes that have loaded one of these scripts at least."""
        return [process for process in self.running if not process.failed.issuperset(failed)]

    def can_spare(self, process: Process, failed: Collection[str], *, debug: bool) -> bool:
        """Whether a process that has just come to serve is of no use, as those that run do better.

        Args:
            process: it.
            failed: the scripts that it could not load.
            debug: its error page is wanted all the same, unless it was only to see.
        """
        if self.better_than(failed) and not debug:
            return True
        running = self.running
        return process.probe and bool(running) and not any(one.failed > frozenset(failed) for one in running)

    def outdone_by(self, process: Process) -> list[tuple[Process, ShutdownReason]]:
        """Return those that a process which has just come to serve does better than, and why they are to go."""
        outdone = []
        for other in self.in_state(State.RUNNING):
            if other.retire is not None:
                continue
            if other.failed - process.failed:
                outdone.append((other, ShutdownReason.SCRIPT_RELOAD))
            elif 0 < other.keeps_from <= process.loader and not process.failed:
                outdone.append((other, ShutdownReason.GRACEFUL_SIGNAL))
        return outdone

    def keep(self, versions: Mapping[str, int], loader: int) -> tuple[list[Process], list[Process]]:
        """Have those that do better than newer code keep the code that they have.

        Args:
            versions: of the scripts that do not load, by name.
            loader: who has tried; see `Process.loader`.

        Returns:
            Whom it concerns, and those of them that were to go for newer code.
        """
        better = self.better_than(versions)
        kept = [process for process in better if process.retire in _NEW_CODE]
        for process in better:
            # Those that are to go for another reason hand requests back as well: the script is newer than they are.
            if process in kept or any(process.versions.get(name) != version for name, version in versions.items()):
                process.keeps_from = loader
        for process in kept:
            process.retire = None
        return better, kept

    def missing(self, size: int) -> int:
        """Return how many of `size` processes too few serve, those that are starting not counted."""
        return max(0, size - sum(process.serves_this_code for process in self.values()))

    def wanted(self, size: int) -> int:
        """Return how many processes to start now, so that `size` serve; 0 or less for none."""
        return min(size - len(self.lasting), max(1, self.missing(size))) - len(self.in_state(State.STARTING))

    def excess(self, size: int) -> tuple[list[Process], list[Process]]:
        """Return who is too many for `size`: those that are starting, and those that last."""
        starting, lasting = self.in_state(State.STARTING), self.lasting
        if any(process.failed for process in lasting):
            # One only looks whether the script loads by now; it is no more than is wanted, whatever is wanted.
            starting = [process for process in starting if not process.probe]
        count = max(0, len(starting) + len(lasting) - size)
        # What has served least is missed least.
        starting.sort(key=lambda process: -process.number)
        lasting.sort(key=lambda process: (not process.failed, process.started))
        return starting[:count], lasting[: max(0, count - len(starting))]

    def replaced(self, size: int) -> list[Process]:
        """Return those that are to be replaced and of which none of `size` would be missed any more."""
        running = self.running
        retiring = [process for process in running if process.retire is not None]
        retiring.sort(key=lambda process: (process.serves_this_code, not process.failed, process.started))
        return retiring[: max(0, len(running) - size)]

    def deadlines(self, now: float) -> list[float]:
        """Return the monotonic times at which somebody's time is over, or somebody's signs of life are looked at."""
        times = [process.deadline for process in self.values() if process.deadline is not None]
        looks = [
            process.pulse.next_look()
            for process in self.values()
            if process.pulse is not None and process.state in {State.RUNNING, State.DRAINING}
        ]
        return times + [at for at in looks if at is not None and at > now]
