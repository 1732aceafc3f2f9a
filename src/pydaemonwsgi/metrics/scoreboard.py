"""The scoreboard: what a daemon process is running, in memory that outlives it. Sans-I/O.

One scoreboard belongs to one daemon process and is shared with the front and the supervisor. Only the daemon
process writes; a reader may see a row while it is being written, which is why rows hold only numbers that are
checked against what the reader knows.

Layout, in the machine's byte order:

    started   u64      the highest stream that a thread has begun; streams begin in order, so every stream up to
                       this one has begun, and every later one has not
    requests  u64      requests ended so far
    heartbeat f64      monotonic seconds, written every second by the thread that watches over the others
    rows      from byte 64: threads × (stream u64, 0 when idle; started f64, seconds since the epoch, of that
                       stream or the last one; ended u64, the requests that the thread has ended; stopped f64, seconds
                       since the epoch, when the last of them did)

The last two are noted by an `ExtendedScoreboard` only, as httpd does with ExtendedStatus On: where somebody may ask.
"""

from collections.abc import Callable
from typing import Final, NamedTuple

from pydaemonwsgi.metrics.heartbeat import HEARTBEAT_SIZE, Heartbeat

__all__ = ["ExtendedScoreboard", "Row", "Scoreboard", "ThreadRecord", "scoreboard_size"]

_WORD: Final = 8
_HEARTBEAT_AT: Final = 2 * _WORD
_ROWS_AT: Final = 8  # in words
_ROW: Final = 4  # words


class Row(NamedTuple):
    """What one thread is running; `stream` is 0 when it is idle."""

    thread: int
    stream: int
    started: float


class ThreadRecord(NamedTuple):
    """What is noted of one thread, busy or idle.

    Attributes:
        stream: what it is running; 0 when it is idle.
        started: when that, or the last one, began, seconds since the epoch; 0.0 before the first.
        ended: requests that it has ended; 0 where that is not noted.
        stopped: when the last of them did, seconds since the epoch; 0.0 before the first, or where it is not noted.
    """

    stream: int
    started: float
    ended: int
    stopped: float


def scoreboard_size(threads: int) -> int:
    """Return how many bytes a scoreboard for `threads` worker threads takes."""
    return (_ROWS_AT + _ROW * threads) * _WORD


class Scoreboard:
    """A view of scoreboard memory.

    Args:
        memory: `scoreboard_size(threads)` writable bytes, usually an mmap.
        threads: how many worker threads the daemon process has.

    Attributes:
        threads: the same.
        heartbeat: the process's sign of life.
    """

    __slots__ = ("_numbers", "_times", "heartbeat", "threads")

    def __init__(self, memory: memoryview, threads: int) -> None:
        self.threads = threads
        # Casts make every note one aligned store, which a reader sees whole even if we are killed.
        self._numbers = memory[: scoreboard_size(threads)].cast("Q")
        self._times = memory[: scoreboard_size(threads)].cast("d")
        self.heartbeat = Heartbeat(memory[_HEARTBEAT_AT : _HEARTBEAT_AT + HEARTBEAT_SIZE])

    def begin(self, thread: int, stream: int, now: float) -> None:
        """Record that `stream`, and so every one before it, has begun, and that `thread` runs it since `now`."""
        numbers = self._numbers
        numbers[0] = stream
        at = _ROWS_AT + _ROW * thread
        self._times[at + 1] = now
        numbers[at] = stream

    def end(self, thread: int, requests: int) -> None:
        """Record that `thread` is idle, and how many requests have ended."""
        numbers = self._numbers
        numbers[_ROWS_AT + _ROW * thread] = 0
        numbers[1] = requests

    def has_started(self, stream: int) -> bool:
        """Whether `stream` has begun to run."""
        return stream <= self._numbers[0]

    @property
    def requests(self) -> int:
        """How many requests have ended."""
        return self._numbers[1]

    def rows(self) -> list[Row]:
        """Return what each busy thread is running."""
        found = []
        for thread in range(self.threads):
            at = _ROWS_AT + _ROW * thread
            stream = self._numbers[at]
            if stream:
                found.append(Row(thread, stream, self._times[at + 1]))
        return found

    def records(self) -> list[ThreadRecord]:
        """Return what is noted of each thread."""
        numbers, times = self._numbers, self._times
        return [
            ThreadRecord(numbers[at], times[at + 1], numbers[at + 2], times[at + 3])
            for at in range(_ROWS_AT, _ROWS_AT + _ROW * self.threads, _ROW)
        ]


class ExtendedScoreboard(Scoreboard):
    """One that also notes, for each thread, how many requests it has ended, and when; readers need none.

    Args:
        memory: as of a `Scoreboard`.
        threads: likewise.
        clock: seconds since the epoch.
    """

    __slots__ = ("_clock",)

    def __init__(self, memory: memoryview, threads: int, clock: Callable[[], float]) -> None:
        super().__init__(memory, threads)
        self._clock = clock

    def end(self, thread: int, requests: int) -> None:
        """See `Scoreboard.end`."""
        at = _ROWS_AT + _ROW * thread
        self._times[at + 3] = self._clock()
        self._numbers[at + 2] += 1
        super().end(thread, requests)
