"""roster: who of a group's processes should go, and how many should come."""

from pydaemonwsgi.supervisor.lifecycle import Process, State
from pydaemonwsgi.supervisor.roster import Roster
from pydaemonwsgi.vocabulary import ShutdownReason

OLD = ShutdownReason.RESTART_INTERVAL
BROKEN = frozenset(("app.wsgi",))


def roster(*processes: Process) -> Roster:
    return Roster({process.number: process for process in processes})


def running(number: int, *, retire: ShutdownReason | None = None, failed: frozenset[str] = frozenset()) -> Process:
    """A process that takes requests; the lower its number, the older it is."""
    return Process(number, float(number), State.RUNNING, retire, failed)


def numbers(processes: list[Process]) -> list[int]:
    return [process.number for process in processes]


def test_successors_start_one_at_a_time() -> None:
    """But where processes are missing, all at once; one that starts already counts."""
    assert roster().wanted(3) == 3
    assert roster(running(1, retire=OLD), running(2, retire=OLD)).wanted(2) == 1
    assert roster(running(1, retire=OLD), Process(2, 2.0)).wanted(1) == 0
    assert roster(running(1, retire=ShutdownReason.SCRIPT_RELOAD), running(2)).wanted(2) == 1


def test_too_many_go_first_if_they_are_missed_least() -> None:
    """What has not started, then what is of no use, then the oldest; one that only looks is not counted."""
    group = roster(running(1), running(2, failed=BROKEN), running(3), Process(4, 4.0), Process(5, 5.0, probe=True))
    starting, lasting = group.excess(2)
    assert (numbers(starting), numbers(lasting)) == ([4], [2])
    assert group.excess(9) == ([], [])


def test_replaced_go_once_nobody_misses_them() -> None:
    """Those whose code is out of date first, as they serve nobody."""
    group = roster(running(1, retire=OLD), running(2, retire=ShutdownReason.SCRIPT_RELOAD), running(3))
    assert [numbers(group.replaced(size)) for size in (3, 2, 1)] == [[], [2], [2, 1]]


def test_better_has_loaded_what_another_could_not() -> None:
    """One script at least."""
    group = roster(running(1), running(2, failed=BROKEN))
    assert numbers(group.better_than(BROKEN)) == [1]
    assert numbers(group.better_than(BROKEN | {"other.wsgi"})) == [1, 2]
    assert group.has_failed
