"""roster: who of a group's processes should go, and how many should come."""

import pytest

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


def probing() -> Process:
    """A process that was started to see whether the script loads by now, and has just found that it does not."""
    return Process(9, 9.0, State.STARTING, probe=True)


def test_probe_that_fails_is_spared_only_where_somebody_serves() -> None:
    """A process that answers 500 is better than none, and one that fails less is better than one that fails more."""
    assert roster(running(1, failed=BROKEN)).can_spare(probing(), BROKEN, debug=False)
    assert not roster().can_spare(probing(), BROKEN, debug=False)
    assert not roster(running(1, failed=BROKEN | {"other.wsgi"})).can_spare(probing(), BROKEN, debug=True)


def test_successor_that_does_worse_is_spared_unless_its_error_is_wanted() -> None:
    """With debug its page is."""
    successor = Process(9, 9.0, State.STARTING)
    assert roster(running(1)).can_spare(successor, BROKEN, debug=False)
    assert not roster(running(1)).can_spare(successor, BROKEN, debug=True)
    assert not roster(running(1, failed=BROKEN)).can_spare(successor, BROKEN, debug=False)


@pytest.mark.parametrize("reason", ShutdownReason)
def test_those_that_were_to_go_for_newer_code_stay(reason: ShutdownReason) -> None:
    """Who was to go for its age, its size or its state goes all the same; all that do better hear of it."""
    group = roster(running(1, retire=reason), running(2, failed=BROKEN))
    told, kept = group.keep({"app.wsgi": 7}, 5)
    goes_for_code = {
        ShutdownReason.SCRIPT_RELOAD,
        ShutdownReason.GRACEFUL_SIGNAL,
        ShutdownReason.EVICTION_SIGNAL,
        ShutdownReason.SHUTDOWN_SIGNAL,
    }
    assert numbers(told) == [1]
    assert numbers(kept) == ([1] if reason in goes_for_code else [])
    assert group[1].retire is (None if reason in goes_for_code else reason)
    assert group[1].keeps_from == 5


def test_who_does_better_has_those_go_that_do_worse() -> None:
    """Those that could not load what it has, and those that have kept older code than it has loaded whole."""
    keeper = running(2)
    keeper.keeps_from = 9
    group = roster(running(1, failed=BROKEN), keeper, running(3), running(4, retire=OLD, failed=BROKEN))
    assert [(one.number, why) for one, why in group.outdone_by(running(9))] == [
        (1, ShutdownReason.SCRIPT_RELOAD),
        (2, ShutdownReason.GRACEFUL_SIGNAL),
    ]
    assert group.outdone_by(running(9, failed=BROKEN)) == []
    assert numbers([one for one, _ in group.outdone_by(running(8))]) == [1]
