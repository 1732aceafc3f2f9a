"""The records of processes that have died and for which the front may still say what they were running. Sans-I/O."""

from collections.abc import Sequence
from typing import Final

from pydaemonwsgi.metrics.scoreboard import Row
from pydaemonwsgi.supervisor.crash_report import Death, Obituary, describe_death

__all__ = ["Obituaries"]

# Seconds that a record of a death waits for the front to say what was running.
_TESTIMONY: Final = 1.0


class Obituaries:
    """Records by the number of their process, each until the front has said something or its time is over."""

    def __init__(self) -> None:
        self._waiting: dict[int, Obituary] = {}

    def __len__(self) -> int:
        """Return how many are not out yet."""
        return len(self._waiting)

    def __contains__(self, number: int) -> bool:
        """Whether the record of process `number` is not out yet."""
        return number in self._waiting

    def add(self, number: int, obituary: Obituary) -> None:
        """Keep the record of process `number` until `take`."""
        self._waiting[number] = obituary

    def write(
        self,
        number: int,
        messages: Sequence[tuple[str, str]],
        death: Death,
        running: Sequence[Row],
        lost: str | None,
        *,
        cpu_time: float,
        front_knows: bool,
        now: float,
        wall: float,
    ) -> Sequence[tuple[str, str]]:
        """Make one record of what is said and known of a death; return what else there is to log, after it.

        Args:
            number: of the process.
            messages: what the planner says of its exit, as level and text: the record's headline comes first.
            death: what is known of it.
            running: what the scoreboard says it was running.
            lost: what the front says; None until it does.
            cpu_time: seconds on a processor at which the kernel kills it; 0 for never.
            front_knows: the front has taken the process up, so it will say what was lost, or has said it.
            now: monotonic seconds.
            wall: seconds since the epoch.
        """
        (level, headline), *rest = messages
        asked = level == "info"
        waits = front_knows and (not asked or bool(running))
        facts = [] if asked else describe_death(death, cpu_time)
        deadline = now + _TESTIMONY if waits else now
        self.add(number, Obituary(level, headline, facts, running, lost, deadline, wall))
        return rest

    def note_lost(self, number: int, requests: str) -> bool:
        """The front says what process `number` was running; return whether its record is here."""
        obituary = self._waiting.get(number)
        if obituary is None:
            return False
        obituary.lost = requests
        return True

    def take(self, now: float) -> list[tuple[str, str]]:
        """Return the records that are complete, or wait no longer, as pairs of level and text; forget them.

        Args:
            now: monotonic seconds; infinity for all of them.
        """
        complete = {
            number: obituary
            for number, obituary in self._waiting.items()
            if obituary.lost is not None or now >= obituary.deadline
        }
        self._waiting = {number: one for number, one in self._waiting.items() if number not in complete}
        return [("error" if one.lost else one.level, one.text()) for one in complete.values()]

    def next_deadline(self) -> float | None:
        """Return the monotonic time at which the next record waits no longer, or None."""
        return min((obituary.deadline for obituary in self._waiting.values()), default=None)
