"""Who only records hears of ended requests, and costs those who run nothing else."""

from typing import Any

import pytest

from pydaemonwsgi.daemon.events import Events

FINISHED = {"request_id": "1", "status": 200}


def test_a_recorder_hears_of_ended_requests_only() -> None:
    events, taken = Events(), list[dict[str, Any]]()
    events.record(taken.append)
    assert events.only_recorded
    events.publish_finished(FINISHED)
    events.publish("request_started", {"request_id": "2"})
    assert taken == [FINISHED]


def test_a_recorder_goes_on_to_hear_beside_subscribers() -> None:
    """Whoever came first; the subscriber hears of everything."""
    events, taken, heard = Events(), list[dict[str, Any]](), list[str]()

    def subscriber(name: str, **payload: Any) -> None:
        heard.append(name)

    events.record(taken.append)
    events.subscribe_events(subscriber)
    assert not events.only_recorded
    events.publish("request_started", {"request_id": "1"})
    events.publish_finished(FINISHED)
    assert (taken, heard) == ([FINISHED], ["request_started", "request_finished"])


def test_an_application_that_empties_the_list_is_obeyed() -> None:
    """mod_wsgi.event_callbacks is its own."""
    events, taken = Events(), list[dict[str, Any]]()
    events.record(taken.append)
    events.event_callbacks.clear()
    events.publish_finished(FINISHED)
    assert (taken, events.only_recorded) == ([], False)


def test_a_recorder_that_fails_harms_no_request(caplog: pytest.LogCaptureFixture) -> None:
    def fails(payload: dict[str, Any]) -> None:
        raise KeyError("thread_id")

    events, taken = Events(), list[dict[str, Any]]()
    events.record(fails)
    events.record(taken.append)
    events.publish_finished(FINISHED)
    assert taken == [FINISHED]
    assert "a request could not be recorded" in caplog.text
