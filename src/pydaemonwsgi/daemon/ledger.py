"""What the interpreters of one daemon process know of each other: some numbers in memory that they share. Sans-I/O.

Each interpreter counts its own requests; limits are the process's. Layout, in the machine's byte order: how many rows
are in use (u64); then for each interpreter, the main one first, the requests that it has ended (u64), when it was
active last (f64, monotonic seconds, 0.0 for never), and the status that it would exit with (u64). Each writes its own
row only, the main one the first number as well, and every number is one aligned store.
"""

from typing import Final

__all__ = ["LEDGER_SIZE", "MOST_ROWS", "Ledger"]

MOST_ROWS: Final = 16_384
"""Interpreters of a process at most; more than maximum-application-groups may say."""

_ROW: Final = 3  # words of eight bytes
LEDGER_SIZE: Final = (1 + MOST_ROWS * _ROW) * 8
"""Bytes; what is not used takes no memory."""


class Ledger:
    """One interpreter's view of that memory.

    Args:
        memory: `LEDGER_SIZE` writable bytes that the interpreters share.
        row: which of the rows is its own.
    """

    __slots__ = ("_at", "_numbers", "_times")

    def __init__(self, memory: memoryview, row: int) -> None:
        self._numbers = memory[:LEDGER_SIZE].cast("Q")
        self._times = memory[:LEDGER_SIZE].cast("d")
        self._at = 1 + _ROW * row
        if row == 0:
            self.add_rows(1)

    def add_rows(self, count: int) -> None:
        """Take so many more rows into account; the main interpreter does that before it opens another."""
        self._numbers[0] += count

    @property
    def _end(self) -> int:
        return 1 + _ROW * self._numbers[0]

    def share(self, ended: int) -> int:
        """Note how many requests this interpreter has ended; return how many all of them have."""
        self._numbers[self._at] = ended
        return sum(self._numbers[1 : self._end : _ROW])

    def note_active(self, now: float) -> None:
        """Note that this interpreter is active at `now`, monotonic seconds."""
        self._times[self._at + 1] = now

    @property
    def last_active(self) -> float:
        """When any of them was active last, monotonic seconds; 0.0 for never."""
        return max(self._times[2 : self._end : _ROW])

    def note_status(self, status: int) -> None:
        """Note the status that this interpreter has come to its end with."""
        self._numbers[self._at + 2] = status

    @property
    def status(self) -> int:
        """The status of the process: the highest of all."""
        return max(self._numbers[3 : self._end : _ROW])
