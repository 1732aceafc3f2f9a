"""Question: whatever a process answers, the request it is about gets an answer, and the channel goes on."""

from types import SimpleNamespace
from typing import Any

import pytest

from pydaemonwsgi.front.exchange import Failure, Outcome, Phase
from pydaemonwsgi.front.hosts import NO_HOST
from pydaemonwsgi.front.questions import Consultation, Denial, Question
from pydaemonwsgi.front.routes import Route
from pydaemonwsgi.http.head import HeadReader, Limits
from pydaemonwsgi.http.response import ResponseHead

HEAD = HeadReader(Limits()).read(b"GET / HTTP/1.1\r\nHost: t\r\n\r\n")
OK = ResponseHead(200, b"", None, bodiless=False)


class Asked:
    """A question that has been sent, and what came of it."""

    def __init__(self) -> None:
        self.told: list[Any] = []
        self.sent: list[Any] = []
        self.abandoned: list[Outcome] = []
        self.cancelled: list[Any] = []
        front: Any = SimpleNamespace(request_ids=iter([7]), abandon=lambda _, outcome: self.abandoned.append(outcome))
        group: Any = SimpleNamespace(submit=self.sent.append, name="embedded")
        self.question = Question(front, group, HEAD, b"", b"", "peer", NO_HOST, self.told.append)
        self.question.ask()
        [self.exchange] = self.sent
        self.exchange.phase = Phase.SENT
        self.exchange.channel = SimpleNamespace(cancel=self.cancelled.append)


@pytest.mark.parametrize(
    "body",
    [b"", b"null", b"[]", b"1", b"{", b"\xff", b"[" * 100_000, b'{"a": "' + b"x" * 70_000 + b'"}'],
    ids=["empty", "null", "list", "number", "broken", "no text", "deep", "long"],
)
@pytest.mark.parametrize("pieces", [1, 3])
def test_what_is_no_answer_is_a_failure_of_the_script(body: bytes, pieces: int) -> None:
    asked = Asked()
    if pieces == 1:
        asked.question.answer(asked.exchange, OK, body)
    else:
        asked.question.begin_answer(asked.exchange, OK)
        for start in range(0, max(1, len(body)), max(1, len(body) // pieces)):
            if asked.exchange.client is not None:
                asked.question.add_body(body[start : start + max(1, len(body) // pieces)])
        if asked.exchange.client is not None:
            asked.question.end_answer()
    [told] = asked.told
    assert told.status == 500
    assert asked.exchange.client is None


@pytest.mark.parametrize(("status", "becomes"), [(500, 500), (404, 500), (302, 500), (504, 504)])
def test_an_error_is_a_failure_but_lateness_is_lateness(status: int, becomes: int) -> None:
    asked = Asked()
    asked.question.answer(asked.exchange, OK._replace(status=status), b"{}")
    assert asked.told == [Denial(becomes)]


@pytest.mark.parametrize(
    ("failure", "status"),
    [(Failure.LOST_STARTED, 502), (Failure.ABORTED, 500), (Failure.TIMED_OUT, 504), (Failure.BAD_HEAD, 500)],
)
def test_what_becomes_of_any_request_becomes_of_a_question(failure: Failure, status: int) -> None:
    asked = Asked()
    asked.question.settle(asked.exchange, asked.exchange.fail(failure))
    assert asked.told == [Denial(status)]


def test_a_client_that_goes_takes_its_question_along() -> None:
    asked = Asked()
    asked.question.abandon()
    assert asked.abandoned == [Outcome.CANCEL]
    assert asked.told == []
    asked.question.abandon()
    assert asked.abandoned == [Outcome.CANCEL]


@pytest.mark.parametrize(
    ("said", "goes_on"),
    [
        ({"allowed": True}, True),
        ({"allowed": None}, True),
        ({"allowed": False}, False),
        ({"allowed": 1}, False),
        ({"allowed": "yes"}, False),
        ({"allowed": []}, False),
        ({"allowed": {}}, False),
        ({}, False),
        (Denial(500), False),
        (Denial(502), False),
    ],
)
def test_nothing_but_permission_is_permission(said: Any, *, goes_on: bool) -> None:
    """A script that fails denies; one that could not be asked is an error of its own."""
    route = Route(SimpleNamespace(), 0)  # type: ignore[arg-type]
    sites: Any = SimpleNamespace(access_script=lambda _: SimpleNamespace(path="/access.py"))
    done: list[Any] = []
    asks = Consultation(None, sites, route, HEAD, b"", "peer", done.append)  # type: ignore[arg-type]
    asks._judge_access(said)
    [told] = done
    if goes_on:
        assert told is route
    else:
        assert told.status == (502 if said == Denial(502) else 403)
