"""mod_wsgi's events, as an application hears of them."""

import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.helpers.server import APPS, Server, serving, wait_for

SCRIPT = APPS / "life_events.wsgi"


class Listening:
    """A server whose application writes down what it hears."""

    def __init__(self, server: Server, file: Path) -> None:
        self.server = server
        self._file = file

    def heard(self) -> list[dict[str, Any]]:
        """Return the events so far."""
        return [json.loads(line) for line in self._file.read_text("utf-8").splitlines()]

    def names(self) -> list[str]:
        """Return their names."""
        return [event["event"] for event in self.heard()]

    def wait(self, name: str) -> dict[str, Any]:
        """Return the first event of this name, once it has come."""
        wait_for(lambda: name in self.names(), name)
        return next(event for event in self.heard() if event["event"] == name)


@pytest.fixture
def listening(tmp_path: Path) -> Iterator[Listening]:
    """Somebody is subscribed to every event."""
    file = tmp_path / "events"
    file.touch()
    with serving(SCRIPT, "--threads", "3", env={"EVENTS": str(file), "SUBSCRIBE": "events"}) as server:
        yield Listening(server, file)


def test_a_request_is_told_of_from_its_beginning_to_its_end(listening: Listening) -> None:
    """Started, response started, finished, with mod_wsgi's keys and with figures that fit the request."""
    answer = listening.server.get("/", method="POST", body=b"x" * 1000)
    finished = listening.wait("request_finished")
    started, response = listening.heard()[:2]
    assert listening.names() == ["request_started", "response_started", "request_finished"]
    assert len({event["request_id"] for event in (started, response, finished)}) == 1
    assert {
        *("thread_id", "daemon_connects", "daemon_restarts", "server_pid", "request_start", "queue_start"),
        *("daemon_start", "application_start", "application_object", "callable_object", "request_environ"),
    } < started.keys()
    assert started["server_pid"] == listening.server.front().pid
    assert response["response_status"] == "200 OK"
    assert response["response_headers"] == [["Content-Type", "application/json"]]
    assert finished["status"] == 200
    assert (finished["input_reads"], finished["input_length"]) == (1, 1000)
    assert (finished["output_writes"], finished["output_length"]) == (1, len(answer.body))
    assert finished["request_start"] <= finished["queue_start"] <= finished["daemon_start"]
    assert finished["application_time"] >= finished["output_time"] > 0
    assert finished["cpu_time"] == finished["cpu_user_time"] + finished["cpu_system_time"]


def test_a_subscriber_can_have_another_application_called(listening: Listening) -> None:
    """`application_object` of what it returns takes the place of the script's."""
    assert json.loads(listening.server.get().body)["wrapped"] == "yes"


def test_a_subscriber_and_the_application_share_the_requests_data(listening: Listening) -> None:
    """`request_data()` is the dictionary of the events, and the one in `active_requests`."""
    answer = json.loads(listening.server.get().body)
    assert (answer["mine"], answer["heard"], answer["running"]) == (True, "response_started", 1)


def test_an_exception_is_an_event(listening: Listening) -> None:
    """What reaches the server is told with type and value; the request has ended with 500."""
    assert listening.server.get("/fail").status == 500
    finished = listening.wait("request_finished")
    assert listening.names() == ["request_started", "request_exception", "request_finished"]
    assert "ValueError" in str(listening.heard()[1]["exception_info"])
    assert finished["status"] == 500


def test_a_subscriber_that_raises_harms_nobody(listening: Listening) -> None:
    """Its exception is logged, SystemExit too, and the request goes on."""
    assert listening.server.get().status == 200
    wait_for(lambda: "SystemExit raised by the callback on_event_badly" in listening.server.log(), "the record")


@pytest.mark.parametrize("number", [signal.SIGHUP, signal.SIGUSR2], ids=lambda number: number.name)
def test_a_signal_is_an_event(listening: Listening, number: signal.Signals) -> None:
    """SIGHUP and SIGUSR2 to a daemon process end nothing and are told to those of all events first."""
    [process] = listening.server.daemons()
    before = json.loads(listening.server.get().body)["pid"]
    process.send_signal(number)
    event = listening.wait("process_signal for subscribe_signals")
    assert (event["signame"], event["signum"]) == (number.name, number.value)
    assert "process_signal" in listening.names()
    assert json.loads(listening.server.get().body)["pid"] == before


@pytest.mark.parametrize(
    ("number", "reason"),
    [(signal.SIGTERM, "shutdown_signal"), (signal.SIGUSR1, "graceful_signal"), (signal.SIGXCPU, "cpu_time_limit")],
    ids=lambda value: getattr(value, "name", value),
)
def test_the_end_is_an_event_with_its_reason(listening: Listening, number: signal.Signals, reason: str) -> None:
    """process_stopping says why the process leaves."""
    process = json.loads(listening.server.get().body)["pid"]
    os.kill(process, number)
    event = listening.wait("process_stopping for subscribe_shutdown")
    assert event["shutdown_reason"] == reason
    assert "process_stopping" in listening.names()


def test_the_end_of_the_server_is_told_without_any_subscriber_to_events(tmp_path: Path) -> None:
    """`subscribe_shutdown` alone is enough, and requests are not measured then."""
    file = tmp_path / "events"
    file.touch()
    with serving(SCRIPT, env={"EVENTS": str(file)}) as server:
        answer = json.loads(server.get().body)
        assert (answer["wrapped"], answer["mine"], answer["heard"]) == (None, True, None)
    events = [json.loads(line) for line in file.read_text("utf-8").splitlines()]
    assert events == [{"event": "process_stopping for subscribe_shutdown", "shutdown_reason": "shutdown_signal"}]
