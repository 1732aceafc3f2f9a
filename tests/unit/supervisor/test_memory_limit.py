"""memory_limit: which look at a process means that it is to be replaced."""

import pytest

from pydaemonwsgi.supervisor.lifecycle import Process, State
from pydaemonwsgi.supervisor.memory_limit import MemoryLimit
from pydaemonwsgi.system.usage import Usage
from pydaemonwsgi.vocabulary import ShutdownReason

MIB = 1 << 20


def test_a_process_that_grows_is_replaced_once_it_is_too_large() -> None:
    """Within the limit nothing is said; the limit itself is within."""
    limit = MemoryLimit(100 * MIB)
    assert limit.judge(1, 50 * MIB, 1.0) is None
    assert limit.judge(1, 100 * MIB, 2.0) is None
    assert limit.judge(1, 101 * MIB, 3.0) == ("101M resident, more than maximum-memory (100M)", True)


def test_a_process_that_begins_too_large_is_replaced_late() -> None:
    """Its successor would be no smaller: no storm, but one warning, and a replacement each minute."""
    limit = MemoryLimit(100 * MIB)
    verdict = limit.judge(1, 150 * MIB, 0.5)
    assert verdict is not None
    text, replace = verdict
    assert not replace
    assert "the limit is too low for this application" in text
    assert limit.judge(1, 150 * MIB, 59.9) is None
    assert limit.judge(1, 151 * MIB, 60.0) == (
        "151M resident, more than maximum-memory (100M) ever since its start",
        True,
    )


def test_a_process_that_shrinks_after_its_start_counts_as_one_that_grows() -> None:
    """What loading needed for a moment is forgiven."""
    limit = MemoryLimit(100 * MIB)
    assert limit.judge(1, 150 * MIB, 0.5) is not None
    assert limit.judge(1, 90 * MIB, 1.5) is None
    assert limit.judge(1, 120 * MIB, 2.5) == ("120M resident, more than maximum-memory (100M)", True)


@pytest.mark.parametrize("forgotten", [True, False])
def test_each_process_is_judged_by_itself(forgotten: bool) -> None:
    """What one has been says nothing of another, nor of one that is forgotten."""
    limit = MemoryLimit(100 * MIB)
    assert limit.judge(1, 50 * MIB, 1.0) is None
    if forgotten:
        limit.forget(1)
    verdict = limit.judge(1 if forgotten else 2, 150 * MIB, 1.0)
    assert verdict is not None
    assert not verdict[1]


def usage(rss: int) -> Usage:
    """What the kernel says of a process that has so much memory."""
    return Usage(rss=rss, cpu_seconds=0.0)


def test_only_those_that_serve_and_stay_are_looked_at() -> None:
    """What loads may need more for a moment; who is to be replaced is on the way already; who has gone says nothing."""
    processes = [
        Process(1, 0.0, state=State.RUNNING, pid=11),
        Process(2, 0.0, state=State.STARTING, pid=12),
        Process(3, 0.0, state=State.RUNNING, pid=13, retire=ShutdownReason.MAXIMUM_REQUESTS),
        Process(4, 0.0, state=State.RUNNING, pid=14),
    ]
    limit = MemoryLimit(100 * MIB)
    verdicts = limit.look(processes, lambda pid: None if pid == 14 else usage(200 * MIB), 100.0)
    assert [(process.number, replace) for process, _, replace in verdicts] == [(1, True)]


def test_looks_are_a_second_apart() -> None:
    """Each costs a system call for every process."""
    limit = MemoryLimit(100 * MIB)
    assert limit.is_due(5.0)
    limit.look([], lambda pid: None, 5.0)
    assert not limit.is_due(5.9)
    assert limit.next_look() == 6.0
    assert limit.is_due(6.0)


def test_without_a_limit_nobody_is_looked_at() -> None:
    """0 is no limit, and costs nothing."""
    limit = MemoryLimit(0)
    assert not limit.is_due(5.0)
    assert limit.next_look() is None
    assert limit.look([Process(1, 0.0, state=State.RUNNING, pid=11)], lambda pid: usage(1 << 40), 5.0) == []
