"""The reliability suite in short: a few seconds of everything. `make soak` is the long form."""

import pytest
from benchmarks.soak.schedule import SCENARIOS, draw
from benchmarks.soak.suite import run


@pytest.mark.parametrize("scenario", ["everything", "replace", "kill"])
def test_nothing_is_lost_wrong_duplicated_or_hung(scenario: str) -> None:
    """Each request of a steady load is answered, or fails in the way that a fault done to the server explains."""
    plan = SCENARIOS[scenario]
    seconds = 5.0 if scenario == "everything" else 3.0
    report = run(plan, draw(plan.every, seconds, 11), seconds=seconds, rate=80, seed=11)
    assert report.passed, report.text()
    assert report.account.outcomes["ok"] > 100, report.text()
