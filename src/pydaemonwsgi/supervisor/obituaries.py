"""The records of processes that have died and for which the front may still say what they were running. Sans-I/O."""

from pydaemonwsgi.supervisor.crash_report import Obituary

__all__ = ["Obituaries"]


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
