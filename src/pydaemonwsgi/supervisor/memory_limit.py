"""When a daemon process has grown too large (`maximum-memory`). Sans-I/O.

A process that has once been seen within the limit is replaced as soon as it is seen beyond it. One that has been
beyond it since its script was loaded would be followed by another such process at once, and so for ever: it is
replaced after `_TOO_LARGE_FROM_THE_START` seconds at the earliest, and the log says that the limit is too low.
"""

from collections.abc import Callable, Iterable
from typing import Final

from pydaemonwsgi.supervisor.lifecycle import Process, State
from pydaemonwsgi.system.usage import Usage

__all__ = ["MemoryLimit"]

# Seconds between two looks at how much memory the processes have.
_LOOK: Final = 1.0

# Seconds that a process serves although it never was within the limit; replacing it helps little, if at all.
_TOO_LARGE_FROM_THE_START: Final = 60.0
_MIB: Final = 1 << 20


class MemoryLimit:
    """Knows which processes of a group have been within the limit.

    Args:
        limit: bytes of resident memory; 0 for no such limit.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._next_look = 0.0
        self._within: set[int] = set()
        self._warned: set[int] = set()

    def is_due(self, now: float) -> bool:
        """Whether it is time to look at all of them; `now` is monotonic seconds."""
        return bool(self._limit) and now >= self._next_look

    def next_look(self) -> float | None:
        """Return the monotonic time of the next look; None where there is no limit."""
        return self._next_look if self._limit else None

    def look(
        self, processes: Iterable[Process], usage_of: Callable[[int], Usage | None], now: float
    ) -> list[tuple[Process, str, bool]]:
        """Look at those that serve; return of whom there is something to say, what, and whether it is to be replaced.

        Args:
            processes: of the group.
            usage_of: asked with a pid. A process that is stuck, or whose interpreter is held, cannot look at itself.
            now: monotonic seconds.
        """
        if not self._limit:
            return []
        self._next_look = now + _LOOK
        verdicts = []
        for process in processes:
            if process.state is not State.RUNNING or process.retire is not None:
                continue
            usage = usage_of(process.pid)
            verdict = None if usage is None else self.judge(process.number, usage.rss, now - process.since)
            if verdict is not None:
                verdicts.append((process, *verdict))
        return verdicts

    def judge(self, number: int, resident: int, serving: float) -> tuple[str, bool] | None:
        """Judge one look at a process.

        Args:
            number: of the process.
            resident: bytes of memory that it has.
            serving: seconds since it loaded its script.

        Returns:
            What to say of it, and whether it is to be replaced; None if there is nothing to say.
        """
        if resident <= self._limit:
            self._within.add(number)
            return None
        text = f"{resident / _MIB:.0f}M resident, more than maximum-memory ({self._limit / _MIB:.0f}M)"
        if number in self._within:
            return text, True
        if serving >= _TOO_LARGE_FROM_THE_START:
            return f"{text} ever since its start", True
        if number in self._warned:
            return None
        self._warned.add(number)
        late = f"it is replaced after {_TOO_LARGE_FROM_THE_START:g} s"
        return f"{text} right after its start: the limit is too low for this application; {late}", False

    def forget(self, number: int) -> None:
        """A process has gone."""
        self._within.discard(number)
        self._warned.discard(number)
