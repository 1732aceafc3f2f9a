"""The living processes of a process group, and who of them should go. Sans-I/O."""

from collections.abc import Iterable

from pydaemonwsgi.supervisor.lifecycle import Process, State

__all__ = ["Roster"]


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
