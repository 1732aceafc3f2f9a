"""exchange: what each failure means in each phase of a request's life."""

import itertools
from typing import Any

import pytest

from pydaemonwsgi.front.exchange import OUTCOMES, Exchange, Failure, Outcome, Phase

ROWS = [
    (Phase.QUEUED, Failure.QUEUE_TIMEOUT, Outcome.ANSWER_504, Phase.ENDED),
    (Phase.QUEUED, Failure.NO_PROCESS, Outcome.ANSWER_503, Phase.ENDED),
    (Phase.QUEUED, Failure.CROWDED, Outcome.ANSWER_500, Phase.ENDED),
    (Phase.QUEUED, Failure.CLIENT_GONE, Outcome.DROP, Phase.ENDED),
    (Phase.SENT, Failure.REJECTED, Outcome.QUEUE_AGAIN, Phase.QUEUED),
    (Phase.SENT, Failure.LOST_UNSTARTED, Outcome.QUEUE_AGAIN, Phase.QUEUED),
    (Phase.SENT, Failure.LOST_STARTED, Outcome.ANSWER_502, Phase.ENDED),
    (Phase.SENT, Failure.ABORTED, Outcome.ANSWER_500, Phase.ENDED),
    (Phase.SENT, Failure.TIMED_OUT, Outcome.ANSWER_504, Phase.ENDED),
    (Phase.SENT, Failure.BAD_HEAD, Outcome.ANSWER_500, Phase.ENDED),
    (Phase.SENT, Failure.CLIENT_GONE, Outcome.CANCEL, Phase.ENDED),
    (Phase.BODY, Failure.LOST_STARTED, Outcome.CUT, Phase.ENDED),
    (Phase.BODY, Failure.ABORTED, Outcome.CUT, Phase.ENDED),
    (Phase.BODY, Failure.TIMED_OUT, Outcome.CUT, Phase.ENDED),
    (Phase.BODY, Failure.CLIENT_GONE, Outcome.CANCEL, Phase.ENDED),
    (Phase.ENDED, Failure.CLIENT_GONE, Outcome.DROP, Phase.ENDED),
]
IMPOSSIBLE = sorted(
    set(itertools.product(Phase, Failure)) - {(phase, failure) for phase, failure, _, _ in ROWS},
    key=lambda row: (row[0].name, row[1].name),
)


def exchange(phase: Phase) -> Exchange:
    head: Any = None
    made = Exchange(None, head, None, b"", b"", None, 1, 0.0, 0.0, 0.0)
    made.phase = phase
    return made


@pytest.mark.parametrize(
    ("phase", "failure", "outcome", "after"),
    ROWS,
    ids=[f"{phase.name}-{failure.name}" for phase, failure, _, _ in ROWS],
)
def test_fail_says_what_to_do(phase: Phase, failure: Failure, outcome: Outcome, after: Phase) -> None:
    """Every row of the table has its outcome, and the phase that follows from it."""
    failing = exchange(phase)
    assert failing.fail(failure) is outcome
    assert failing.phase is after


@pytest.mark.parametrize(
    ("phase", "failure"), IMPOSSIBLE, ids=[f"{phase.name}-{failure.name}" for phase, failure in IMPOSSIBLE]
)
def test_fail_refuses_what_cannot_happen(phase: Phase, failure: Failure) -> None:
    """What is not in the table raises KeyError and changes nothing."""
    failing = exchange(phase)
    with pytest.raises(KeyError):
        failing.fail(failure)
    assert failing.phase is phase


def test_the_table_has_no_other_rows() -> None:
    """The rows tested here are all rows there are."""
    assert {(phase, failure): outcome for phase, failure, outcome, _ in ROWS} == OUTCOMES


def test_what_may_have_run_is_never_run_again() -> None:
    """Only a request that no application has seen goes back into the queue."""
    again = {row for row, outcome in OUTCOMES.items() if outcome is Outcome.QUEUE_AGAIN}
    assert again == {(Phase.SENT, Failure.REJECTED), (Phase.SENT, Failure.LOST_UNSTARTED)}


def test_an_answer_that_has_begun_is_never_followed_by_an_error_page() -> None:
    """Once the head is out, a failure cuts the connection or cancels; it cannot become a status."""
    assert {outcome for (phase, _), outcome in OUTCOMES.items() if phase is Phase.BODY} == {
        Outcome.CUT,
        Outcome.CANCEL,
    }


def test_a_request_begins_in_the_queue() -> None:
    """A new exchange is queued, on no channel, with no stream."""
    head: Any = None
    made = Exchange(None, head, None, b"connection", b"environ", None, 7, 1.0, 2.0, 3.0)
    assert (made.phase, made.channel, made.stream, made.queue_time) == (Phase.QUEUED, None, 0, 0.0)
