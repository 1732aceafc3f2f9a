"""heartbeat: how often."""

import pytest

from pydaemonwsgi.metrics.heartbeat import beat_interval


@pytest.mark.parametrize(("timeout", "interval"), [(0.0, 1.0), (1.0, 0.2), (4.0, 0.8), (60.0, 1.0)])
def test_several_signs_of_life_fall_into_a_timeout(timeout: float, interval: float) -> None:
    """So that a busy machine, on which one is late, costs no healthy process; and once a second is often enough."""
    assert beat_interval(timeout) == pytest.approx(interval)
