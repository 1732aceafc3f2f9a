"""scoreboard: what a daemon process notes, its readers see, in memory that they share."""

import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pydaemonwsgi.metrics.scoreboard import ExtendedScoreboard, Row, Scoreboard, ThreadRecord, scoreboard_size
from pydaemonwsgi.system.memory import create_shared, map_shared


def make(threads: int = 3) -> tuple[Scoreboard, Scoreboard]:
    """Two views of the same fresh memory."""
    memory = bytearray(scoreboard_size(threads))
    return Scoreboard(memoryview(memory), threads), Scoreboard(memoryview(memory), threads)


def test_a_fresh_scoreboard_knows_of_nothing() -> None:
    """Zero bytes mean: nothing begun, nothing ended, all threads idle."""
    writer, reader = make()

    for board in (writer, reader):
        assert not board.has_started(1)
        assert board.requests == 0
        assert board.rows() == []


def test_a_started_stream_covers_those_before() -> None:
    """Streams begin in order: the noted one and all before it have started, none after it has."""
    writer, reader = make()
    writer.begin(0, 41, 1.0)

    assert [reader.has_started(stream) for stream in (1, 40, 41, 42, 2**64 - 1)] == [True, True, True, False, False]


def test_a_started_stream_has_started_for_ever() -> None:
    """Its end takes nothing back."""
    writer, reader = make()
    writer.begin(0, 41, 1.0)
    writer.end(0, 1)

    assert reader.has_started(41)


def test_largest_stream() -> None:
    """The whole range of stream ids fits."""
    writer, reader = make()
    writer.begin(0, 2**64 - 1, 1.0)
    assert reader.has_started(2**64 - 1)
    assert reader.rows() == [Row(0, 2**64 - 1, 1.0)]


def test_ended_requests_are_counted() -> None:
    """The reader sees the last number noted."""
    writer, reader = make()
    for number in (1, 2, 300_000):
        writer.begin(0, number, 1.0)
        writer.end(0, number)
        assert reader.requests == number


def test_rows_show_busy_threads_only() -> None:
    """A row has thread, stream and start; it disappears when the thread is idle again."""
    writer, reader = make()
    writer.begin(0, 7, 1795413600.25)
    writer.begin(2, 8, 1795413601.5)
    assert reader.rows() == [Row(0, 7, 1795413600.25), Row(2, 8, 1795413601.5)]

    writer.end(0, 1)
    assert reader.rows() == [Row(2, 8, 1795413601.5)]


def test_a_record_is_there_for_each_thread() -> None:
    """Busy or idle; when the last request began is known of an idle one too."""
    writer, reader = make()
    writer.begin(0, 7, 1.5)
    writer.begin(2, 8, 2.5)
    writer.end(0, 1)
    ended, unused, busy = reader.records()
    assert (ended, unused, busy) == ((0, 1.5, 0, 0.0), (0, 0.0, 0, 0.0), (8, 2.5, 0, 0.0))


def test_an_extended_scoreboard_counts_for_each_thread() -> None:
    """How many each has ended, and when; all that another scoreboard notes is the same."""
    memory = memoryview(bytearray(scoreboard_size(2)))
    writer, reader = ExtendedScoreboard(memory, 2, iter((3.0, 5.0, 6.0)).__next__), Scoreboard(memory, 2)
    for ended, (thread, started) in enumerate(((1, 2.0), (1, 4.0), (0, 5.5)), 1):
        writer.begin(thread, ended, started)
        writer.end(thread, ended)
    writer.begin(1, 4, 7.0)

    assert reader.records() == [ThreadRecord(0, 5.5, 1, 6.0), ThreadRecord(4, 7.0, 2, 5.0)]
    assert (reader.requests, reader.has_started(4), reader.rows()) == (3, True, [Row(1, 4, 7.0)])


@given(st.integers(1, 40), st.lists(st.tuples(st.integers(0, 39), st.booleans(), st.floats(allow_nan=False))))
def test_rows_never_disturb_each_other(threads: int, notes: list[tuple[int, bool, float]]) -> None:
    """Any sequence of beginnings and ends leaves each thread with its own last one, and right counters."""
    writer, reader = make(threads)
    running: dict[int, Row] = {}
    started = ended = 0
    for number, ends, now in notes:
        thread = number % threads
        if ends:
            ended += 1
            running.pop(thread, None)
            writer.end(thread, ended)
        else:
            started += 1
            running[thread] = Row(thread, started, now)
            writer.begin(thread, started, now)

    assert reader.rows() == [running[thread] for thread in sorted(running)]
    assert (reader.requests, reader.has_started(started), reader.has_started(started + 1)) == (ended, True, False)


@pytest.mark.parametrize("threads", [1, 2, 25, 1000])
def test_size_is_enough_for_all_rows(threads: int) -> None:
    """The last thread's row fits into the size, and one byte less would not do."""
    board = Scoreboard(memoryview(bytearray(scoreboard_size(threads))), threads)
    board.begin(threads - 1, 9, 1.0)
    assert board.rows() == [Row(threads - 1, 9, 1.0)]

    with pytest.raises((TypeError, ValueError, IndexError)):
        Scoreboard(memoryview(bytearray(scoreboard_size(threads) - 1)), threads).begin(threads - 1, 9, 1.0)


def test_memory_may_be_larger() -> None:
    """A mapping is whole pages; what is behind the rows is left alone."""
    memory = bytearray(4096)
    Scoreboard(memoryview(memory), 2).begin(1, 2**64 - 1, -1.0)
    assert not any(memory[scoreboard_size(2) :])


def test_a_dead_process_leaves_its_notes() -> None:
    """What a child noted before it was killed is there for the survivor."""
    descriptor = create_shared("scoreboard", scoreboard_size(2))
    memory = map_shared(descriptor, scoreboard_size(2))
    os.close(descriptor)
    child = os.fork()
    if child == 0:
        board = Scoreboard(memory, 2)
        board.begin(1, 12, 3.5)
        os.kill(os.getpid(), 9)
    os.waitpid(child, 0)

    board = Scoreboard(memory, 2)
    assert board.has_started(12)
    assert board.rows() == [Row(1, 12, 3.5)]
