"""The reliability suite's account of requests."""

import pytest
from benchmarks.soak.traffic import KINDS, Request
from benchmarks.soak.verdict import Window, settle

KIND = {kind.name: kind for kind in KINDS}


def ended(outcome: str, kind: str = "get", *, sent: float = 10.0, ended_at: float = 11.0) -> Request:
    """Return a request with its outcome."""
    return Request(1, KIND[kind], sent, ended_at, outcome)


def test_request_that_was_answered_and_ran_once_is_well() -> None:
    """One answer, one run: nothing to complain of."""
    assert not settle([ended("ok")], [], {1: 1}).failures


@pytest.mark.parametrize(
    ("request_", "runs", "word"),
    [
        (ended("reset"), {1: 1}, "lost"),
        (ended("cut", "stream"), {1: 1}, "lost"),
        (ended("refused"), {}, "lost"),
        (ended("wrong"), {1: 1}, "wrong"),
        (ended("hung"), {}, "hung"),
        (ended("502"), {1: 1}, "unexcused"),
        (ended("ok"), {1: 2}, "duplicated"),
        (ended("ok"), {}, "unrecorded"),
    ],
)
def test_what_no_fault_explains_is_a_failure(request_: Request, runs: dict[int, int], word: str) -> None:
    """Each way to fail has its word."""
    assert dict(settle([request_], [], runs).failures) == {word: 1}


def test_kill_excuses_502_of_a_request_that_ran_at_that_time() -> None:
    """A 502 beside a kill is as documented."""
    account = settle([ended("502")], [Window("kill", 10.5, 10.5)], {1: 1})
    assert not account.failures
    assert account.excused == {"502": 1}


def test_kill_excuses_nothing_before_or_after_it() -> None:
    """A request that had ended, or had not begun, has nothing to do with it."""
    windows = [Window("kill", 12.0, 12.0), Window("kill", 9.0, 9.0)]
    assert settle([ended("502")], windows, {1: 1}).failed == 1


@pytest.mark.parametrize("fault", ["hup", "touch", "scale", "recycle", "stop", "stop-front", "loiter"])
def test_replacing_and_pausing_excuse_nothing(fault: str) -> None:
    """Only what no server could make good is an excuse."""
    assert settle([ended("502")], [Window(fault, 10.0, 11.0)], {1: 1}).failed == 1


def test_full_disk_excuses_only_what_needs_the_disk() -> None:
    """A short request must not notice a full disk."""
    windows = [Window("disk-full", 10.0, 11.0)]
    assert settle([ended("503")], windows, {}).failed == 1
    assert not settle([ended("503", "upload")], windows, {}).failures


def test_nothing_excuses_running_twice() -> None:
    """Whatever was done to the server."""
    assert settle([ended("502")], [Window("kill", 10.5, 10.5)], {1: 2}).failures == {"duplicated": 1}
