"""One replacement of all processes of a group that somebody asked for, and what became of it. Sans-I/O."""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum

from pydaemonwsgi.supervisor.lifecycle import Process, State

__all__ = ["Progress", "Replacement"]


class Progress(Enum):
    """How far a replacement is."""

    UNDERWAY = "underway"
    DONE = "done"
    FAILED = "failed"


@dataclass(slots=True)
class Replacement:
    """A reload or restart of a group.

    Attributes:
        generation: counts the group's replacements, from 1.
        old: the numbers of the processes that are to go.
        progress: see `Progress`.
        error: why it failed; "" otherwise.
    """

    generation: int
    old: frozenset[int]
    progress: Progress = Progress.UNDERWAY
    error: str = ""

    def look(self, processes: Iterable[Process], size: int) -> None:
        """Note whether all is done: `size` new processes take requests, and no old one does.

        The old ones may still finish what they have begun.
        """
        if self.progress is not Progress.UNDERWAY:
            return
        new = 0
        for process in processes:
            if process.number in self.old:
                if process.state in {State.STARTING, State.RUNNING}:
                    return
            elif process.state is State.RUNNING and not process.cut_off and not process.failed:
                new += 1
        if new >= size:
            self.progress = Progress.DONE

    def fail(self, error: str) -> None:
        """The new code does not run; those that run keep what they have."""
        if self.progress is Progress.UNDERWAY:
            self.progress = Progress.FAILED
            self.error = error
