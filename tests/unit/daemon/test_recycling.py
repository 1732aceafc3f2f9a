"""recycling: the limit is counted exactly, named once, and spread over a group."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pydaemonwsgi.daemon.recycling import RequestLimit, jittered_limit
from pydaemonwsgi.vocabulary import ShutdownReason


@pytest.mark.parametrize("limit", [1, 2, 1000])
def test_the_reason_is_given_once_at_the_limit(limit: int) -> None:
    """The request that reaches the limit gives the reason; none before and none after does."""
    counter = RequestLimit(limit)
    given_reasons = [counter.count() for _ in range(limit + 50)]

    assert given_reasons[limit - 1] is ShutdownReason.MAXIMUM_REQUESTS
    assert [reason for reason in given_reasons if reason] == [ShutdownReason.MAXIMUM_REQUESTS]
    assert counter.ended == limit + 50


def test_no_limit() -> None:
    """0 means never."""
    counter = RequestLimit(0)
    assert not any(counter.count() for _ in range(10_000))
    assert counter.ended == 10_000


def test_what_others_have_ended_counts() -> None:
    """The one that finds the limit reached, by whomever, says so once."""
    others = iter((1, 5, 9, 30))
    counter = RequestLimit(10, lambda ended: ended + next(others))
    assert [counter.count() for _ in range(2)] == [None, None]
    assert not counter.reached
    assert counter.count() is ShutdownReason.MAXIMUM_REQUESTS
    assert counter.count() is None
    assert counter.reached


@given(st.integers(1, 10**9), st.integers())
def test_jitter_is_at_most_a_tenth_below(limit: int, seed: int) -> None:
    """A process's own limit is never above the configured one, never more than a tenth below, never none."""
    own = jittered_limit(limit, random.Random(seed))
    assert max(1, limit - limit // 10) <= own <= limit


@pytest.mark.parametrize("limit", [0, -1])
def test_no_limit_has_no_jitter(limit: int) -> None:
    """No limit stays no limit."""
    assert jittered_limit(limit, random.Random(1)) == 0


def test_a_group_is_spread() -> None:
    """Processes of one group do not all expire at the same request."""
    chance = random.Random(1)
    assert len({jittered_limit(1000, chance) for _ in range(10)}) > 3


@pytest.mark.parametrize("limit", range(1, 10))
def test_small_limits_are_exact(limit: int) -> None:
    """A limit whose tenth is no request, such as the 1 of wsgi.run_once, is kept as it is."""
    assert jittered_limit(limit, random.Random(3)) == limit
