"""trouble: growing delays, when requests are refused, and when nothing more is tried."""

import math

import pytest

from pydaemonwsgi.supervisor.trouble import RETRIES, Trouble


def test_the_delay_grows_with_each_failure() -> None:
    """Each failure in a row doubles the time until the next attempt."""
    trouble = Trouble()
    assert [trouble.fail(10.0, "exited") for _ in range(4)] == [0.2, 0.4, 0.8, 1.6]
    assert trouble.backoff.until == 11.6


def test_few_failures_let_requests_wait() -> None:
    """Requests are refused from the third failure in a row on, until the next attempt."""
    trouble = Trouble()
    for _ in range(RETRIES - 1):
        trouble.fail(10.0, "exited")
        assert trouble.refuses_until() is None
    delay = trouble.fail(10.0, "exited")
    assert trouble.is_lasting
    assert trouble.refuses_until() == 10.0 + delay


def test_a_start_that_took_all_its_time_has_requests_refused_at_once() -> None:
    """Who has waited for the whole startup-timeout need not wait for three of them."""
    trouble = Trouble()
    delay = trouble.fail(60.0, "not loaded within 60 s", late=True)
    assert trouble.refuses_until() == 60.0 + delay


def test_success_forgives_everything_but_keeps_the_last_failure() -> None:
    """After a success the delays begin anew, and an operator can still ask what went wrong last."""
    trouble = Trouble()
    for _ in range(RETRIES):
        trouble.fail(10.0, "no right", hopeless=True)
    assert trouble.fatal == "no right"
    assert trouble.refuses_until() == math.inf
    trouble.succeed()
    assert trouble.fatal == ""
    assert trouble.refuses_until() is None
    assert trouble.fail(20.0, "exited") == 0.2
    assert trouble.last is not None
    assert (trouble.last.at, trouble.last.text) == (20.0, "exited")


def test_only_hopeless_failures_in_a_row_are_fatal() -> None:
    """A failure of another kind in between shows that the machine let it."""
    trouble = Trouble()
    for hopeless in (True, True, False, True, True):
        trouble.fail(10.0, "exited", hopeless=hopeless)
        assert not trouble.fatal
    trouble.fail(10.0, "exited", hopeless=True)
    assert trouble.fatal


@pytest.mark.parametrize(("failed", "now", "forgiven"), [(1, 2, True), (1, 1, False), (0, 2, False), (1, 0, False)])
def test_another_version_of_the_script_is_forgiven_what_one_has_done(failed: int, now: int, forgiven: bool) -> None:
    """Where either is not known nothing is: it may be the same."""
    trouble = Trouble()
    trouble.fail(10.0, "exited", version=failed)
    trouble.forgive_other_than(now)
    assert trouble.allows_start(10.0) is forgiven


def test_script_is_looked_at_each_second_until_the_next_attempt() -> None:
    """The delay may be half a minute, and whoever mends the script waits for less."""
    trouble = Trouble()
    assert trouble.deadlines(10.0) == []
    for _ in range(5):
        trouble.fail(10.0, "exited")
    assert trouble.deadlines(10.0) == [11.0]
    assert trouble.deadlines(13.0) == [pytest.approx(13.2)]
    trouble.probe_backoff.fail(10.0)
    assert trouble.deadlines(10.0) == [11.0, 11.0]
