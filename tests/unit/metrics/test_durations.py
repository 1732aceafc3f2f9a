"""durations: mod_wsgi's histogram, and a mean with its extremes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pydaemonwsgi.metrics.durations import BUCKETS, Durations, bucket_of


@pytest.mark.parametrize(
    ("milliseconds", "bucket"),
    [
        (0, 0),
        (1, 0),
        (1.2, 0),
        (1.25, 1),
        (1.75, 3),
        (2, 4),
        (3, 6),
        (4, 8),
        (1024, 40),
        (65535, 63),
        (65536, 64),
        (10**9, 64),
    ],
)
def test_a_duration_falls_into_its_bucket(milliseconds: float, bucket: int) -> None:
    """16 octaves from a millisecond, in four parts each, and one for all beyond."""
    assert bucket_of(milliseconds / 1000) == bucket


@given(st.floats(0, 1000), st.floats(0, 1000))
def test_longer_is_never_in_a_lower_bucket(one: float, other: float) -> None:
    """The buckets are in order, and there are 65."""
    lower, higher = sorted((one, other))
    assert 0 <= bucket_of(lower) <= bucket_of(higher) < BUCKETS == 65


def test_a_summary_has_mean_and_extremes() -> None:
    """Seconds for the mean, microseconds for the extremes; a clock that was set back counts as no time."""
    durations = Durations()
    for seconds in (0.001, 0.003, -5.0):
        durations.add(seconds)
    summary = durations.summary("queue_time")
    assert summary["queue_time"] == pytest.approx(0.004 / 3)
    assert (summary["queue_time_min_us"], summary["queue_time_max_us"]) == (0, 3000)
    assert sum(summary["queue_time_buckets"]) == 3


def test_nothing_has_no_extremes() -> None:
    """Without a sample there is no least and no most."""
    summary = Durations().summary("queue_time")
    assert (summary["queue_time"], summary["queue_time_min_us"], summary["queue_time_max_us"]) == (0.0, None, None)


@given(st.lists(st.floats(-1.0, 100.0) | st.floats(0.0, 0.002), min_size=1))
def test_several_at_once_are_noted_as_one_after_the_other(seconds: list[float]) -> None:
    """Whether all are short, some are long, or a clock was set back."""
    together, single = Durations(), Durations()
    together.add_all(seconds)
    for one in seconds:
        single.add(one)
    assert (together.count, together.buckets) == (single.count, single.buckets)
    first, second = together.summary("time"), single.summary("time")
    assert first.pop("time") == pytest.approx(second.pop("time"))
    assert first == second
