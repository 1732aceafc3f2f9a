"""When the reliability suite does its faults."""

from benchmarks.soak.schedule import SCENARIOS, draw

EVERY = SCENARIOS["everything"].every


def test_same_seed_draws_the_same_faults() -> None:
    """So a run can be repeated; another seed is another run."""
    assert draw(EVERY, 60, 5) == draw(EVERY, 60, 5) != draw(EVERY, 60, 6)


def test_short_run_has_every_fault() -> None:
    """Or it would promise what it has not tried."""
    assert {event.fault for event in draw(EVERY, 5, 1)} == EVERY.keys()


def test_faults_leave_the_beginning_and_the_end_alone() -> None:
    """What comes after the last fault shows whether the server has recovered."""
    assert all(6 <= event.at <= 54 for event in draw(EVERY, 60, 1))


def test_counted_fault_happens_exactly_so_often() -> None:
    """Twenty reloads are twenty."""
    events = draw({"hup": 1.0, "kill": 100.0}, 30, 1, [("hup", 20)])
    assert sum(event.fault == "hup" for event in events) == 20
