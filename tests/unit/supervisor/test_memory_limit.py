"""memory_limit: which look at a process means that it is to be replaced."""

import pytest

from pydaemonwsgi.supervisor.memory_limit import MemoryLimit

MIB = 1 << 20


def test_a_process_that_grows_is_replaced_once_it_is_too_large() -> None:
    """Within the limit nothing is said; the limit itself is within."""
    limit = MemoryLimit(100 * MIB)
    assert limit.look(1, 50 * MIB, 1.0) is None
    assert limit.look(1, 100 * MIB, 2.0) is None
    assert limit.look(1, 101 * MIB, 3.0) == ("101M resident, more than maximum-memory (100M)", True)


def test_a_process_that_begins_too_large_is_replaced_late() -> None:
    """Its successor would be no smaller: no storm, but one warning, and a replacement each minute."""
    limit = MemoryLimit(100 * MIB)
    verdict = limit.look(1, 150 * MIB, 0.5)
    assert verdict is not None
    text, replace = verdict
    assert not replace
    assert "the limit is too low for this application" in text
    assert limit.look(1, 150 * MIB, 59.9) is None
    assert limit.look(1, 151 * MIB, 60.0) == (
        "151M resident, more than maximum-memory (100M) ever since its start",
        True,
    )


def test_a_process_that_shrinks_after_its_start_counts_as_one_that_grows() -> None:
    """What loading needed for a moment is forgiven."""
    limit = MemoryLimit(100 * MIB)
    assert limit.look(1, 150 * MIB, 0.5) is not None
    assert limit.look(1, 90 * MIB, 1.5) is None
    assert limit.look(1, 120 * MIB, 2.5) == ("120M resident, more than maximum-memory (100M)", True)


@pytest.mark.parametrize("forgotten", [True, False])
def test_each_process_is_judged_by_itself(forgotten: bool) -> None:
    """What one has been says nothing of another, nor of one that is forgotten."""
    limit = MemoryLimit(100 * MIB)
    assert limit.look(1, 50 * MIB, 1.0) is None
    if forgotten:
        limit.forget(1)
    verdict = limit.look(1 if forgotten else 2, 150 * MIB, 1.0)
    assert verdict is not None
    assert not verdict[1]
