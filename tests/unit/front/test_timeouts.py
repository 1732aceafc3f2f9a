"""timeouts: deadlines kept in buckets, and mod_reqtimeout's growing allowance."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pydaemonwsgi.front.timeouts import GRAIN, NEVER, DeadlineBuckets, RateTimeout


class Item:
    """Something with a deadline."""

    def __init__(self, deadline: float) -> None:
        self.deadline = deadline
        self.bucket = -1


def noted(*deadlines: float) -> tuple[DeadlineBuckets, list[Item]]:
    buckets = DeadlineBuckets()
    items = [Item(deadline) for deadline in deadlines]
    for item in items:
        buckets.note(item)
    return buckets, items


def test_an_item_expires_once_within_a_grain_of_its_deadline() -> None:
    """It is not found before its deadline, is found no later than a grain after it, and only once."""
    buckets, [item] = noted(10.0)
    assert list(buckets.expired(9.99)) == []
    assert list(buckets.expired(10.0 + GRAIN)) == [item]
    assert item.bucket == -1
    assert list(buckets.expired(99.0)) == []


def test_items_expire_in_the_order_of_their_buckets() -> None:
    """After a long pause the oldest deadlines come first."""
    buckets, items = noted(30.0, 10.0, 20.0)
    assert list(buckets.expired(99.0)) == [items[1], items[2], items[0]]


def test_a_deadline_that_moved_away_costs_nothing_and_counts() -> None:
    """An item whose deadline was put off without a word expires at the new one."""
    buckets, [item] = noted(10.0)
    item.deadline = 20.0
    assert list(buckets.expired(10.0 + GRAIN)) == []
    assert list(buckets.expired(20.0 + GRAIN)) == [item]


def test_a_deadline_that_moved_nearer_counts_when_noted() -> None:
    """An item whose deadline came nearer and was noted expires at the new one, once."""
    buckets, [item] = noted(20.0)
    item.deadline = 10.0
    buckets.note(item)
    assert list(buckets.expired(10.0 + GRAIN)) == [item]
    assert list(buckets.expired(99.0)) == []


def test_noting_a_deadline_that_moved_away_is_harmless() -> None:
    """An item that is noted again with a later deadline expires at the later one."""
    buckets, [item] = noted(10.0)
    item.deadline = 20.0
    buckets.note(item)
    assert list(buckets.expired(15.0)) == []
    assert list(buckets.expired(20.0 + GRAIN)) == [item]


def test_a_deadline_of_never_is_not_kept() -> None:
    """Without a deadline nothing expires."""
    buckets, [item] = noted(NEVER)
    assert item.bucket == -1
    assert list(buckets.expired(1e9)) == []


def test_a_deadline_that_became_never_does_not_expire() -> None:
    """An item whose deadline was taken away while it was kept is dropped in silence."""
    buckets, [item] = noted(10.0)
    item.deadline = NEVER
    assert list(buckets.expired(99.0)) == []
    assert item.bucket == -1
    item.deadline = 100.0
    buckets.note(item)
    assert list(buckets.expired(101.0)) == [item]


def test_a_forgotten_item_does_not_expire() -> None:
    """What was forgotten is not found, forgetting twice is harmless, and it may be noted again."""
    buckets, [item, other] = noted(10.0, 10.0)
    buckets.forget(item)
    buckets.forget(item)
    assert list(buckets.expired(99.0)) == [other]
    buckets.forget(other)
    item.deadline = 120.0
    buckets.note(item)
    assert list(buckets.expired(121.0)) == [item]


@given(st.lists(st.tuples(st.floats(0, 100), st.floats(0, 100)), max_size=30), st.randoms(use_true_random=False))
def test_no_item_is_lost_or_early(moves: list[tuple[float, float]], chance: random.Random) -> None:
    """However deadlines move, each item is found exactly once, between its deadline and a grain later."""
    buckets, items = noted(*(first for first, _ in moves))
    for item, (_, second) in zip(items, moves, strict=True):
        if second < item.deadline or chance.random() < 0.5:
            item.deadline = second
            buckets.note(item)
    found: dict[Item, float] = {}
    now = 0.0
    while now < 102:
        for one in buckets.expired(now):
            assert isinstance(one, Item)
            assert one not in found
            found[one] = now
        now += GRAIN
    assert set(found) == set(items)
    for item, when in found.items():
        assert item.deadline <= when <= item.deadline + 2 * GRAIN


@pytest.mark.parametrize(
    ("first", "maximum", "rate", "received", "allowed"),
    [
        pytest.param(15.0, 30.0, 500, 0, 15.0, id="nothing-has-come"),
        pytest.param(15.0, 30.0, 500, 500, 16.0, id="a-second-for-each-500-bytes"),
        pytest.param(15.0, 30.0, 500, 250, 15.5, id="parts-of-a-second-count"),
        pytest.param(15.0, 30.0, 500, 7500, 30.0, id="at-the-maximum"),
        pytest.param(15.0, 30.0, 500, 10**9, 30.0, id="never-beyond-the-maximum"),
        pytest.param(15.0, 0.0, 500, 10**6, 2015.0, id="no-maximum"),
        pytest.param(15.0, 0.0, 0, 0, 15.0, id="no-rate-nothing-has-come"),
        pytest.param(15.0, 0.0, 0, 1, 15.0, id="no-rate-never-grows"),
        pytest.param(15.0, 30.0, 0, 1, 15.0, id="no-rate-never-grows-to-the-maximum"),
        pytest.param(30.0, 15.0, 500, 1, 30.0, id="maximum-below-the-first"),
        pytest.param(0.0, 30.0, 500, 0, NEVER, id="off"),
        pytest.param(0.0, 0.0, 0, 10**6, NEVER, id="all-off"),
    ],
)
def test_rate_timeout(first: float, maximum: float, rate: int, received: int, allowed: float) -> None:
    """The allowance begins with `first` and grows with what arrives, up to `maximum`."""
    assert RateTimeout(first, maximum, rate).deadline(1000.0, received) == 1000.0 + allowed
