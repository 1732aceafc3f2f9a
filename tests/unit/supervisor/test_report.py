"""report: what `status` tells of a process group in each of its states."""

from typing import Any

import pytest

from pydaemonwsgi.metrics.scoreboard import Scoreboard, scoreboard_size
from pydaemonwsgi.supervisor.exits import Exit
from pydaemonwsgi.supervisor.lifecycle import State
from pydaemonwsgi.supervisor.report import group_state, report_group
from pydaemonwsgi.supervisor.rollover import Group, Timeouts
from pydaemonwsgi.system.usage import Usage


def started(size: int = 2) -> Group:
    """Return a group whose processes, numbered from 1, start at time 0."""
    group = Group("shop", size, Timeouts(startup=60.0, graceful=15.0, shutdown=5.0))
    group.plan(0.0)
    for number in range(1, size + 1):
        group.on_spawned(number, 0.0, 1).pid = 100 + number
    return group


def running(size: int = 2) -> Group:
    """Return a group whose processes have loaded at time 1."""
    group = started(size)
    for number in list(group.processes):
        group.on_loaded(number, 1.0, failed={})
    group.plan(1.0)
    return group


def told(group: Group, now: float, scoreboards: dict[int, list[Scoreboard]] | None = None) -> dict[str, Any]:
    usages = {101: Usage(1000, 2.5)}
    return report_group(group, scoreboards or {}, usages.get, threads=5, ended_before=7, now=now)


def test_a_group_that_starts_is_starting() -> None:
    """Until as many serve as should."""
    group = started()
    assert group_state(group) == "STARTING"
    group.on_loaded(1, 1.0, failed={})
    assert group_state(group) == "STARTING"
    group.on_loaded(2, 1.0, failed={})
    assert group_state(group) == "RUNNING"


def test_a_group_that_is_replaced_goes_on_running() -> None:
    """A reload is no fault; that it is underway is told elsewhere."""
    group = running()
    group.on_reload(5.0)
    group.plan(5.0)
    assert group_state(group) == "RUNNING"
    assert told(group, 5.0)["replacement"] == {"generation": 1, "progress": "underway", "error": ""}


def test_a_failed_start_is_backoff_with_the_time_of_the_next() -> None:
    """Who waits knows for how long."""
    group = started(1)
    group.on_exit(1, 2.0, Exit("exited with status 3"))
    report = told(group, 2.05)
    assert report["state"] == "BACKOFF"
    assert report["failures"] == 1
    assert report["next_try"] == pytest.approx(0.15)
    assert report["last_failure"]["ago"] == pytest.approx(0.05)
    assert "exited with status 3" in report["last_failure"]["text"]


def test_a_script_that_does_not_load_is_backoff_although_a_process_runs() -> None:
    """It answers 500; the time of the next look is told."""
    group = started(1)
    group.on_loaded(1, 1.0, failed={"app.wsgi": 1}, error="NameError: x")
    report = told(group, 1.5)
    assert report["state"] == "BACKOFF"
    assert report["next_try"] == pytest.approx(0.5)
    assert report["processes"][0]["failed"]
    assert "does not load" in report["processes"][0]["why"]
    assert report["last_failure"]["text"] == "app.wsgi does not load: NameError: x"


def test_given_up_is_fatal() -> None:
    """There is no next time."""
    group = started(1)
    for number in (1, 2, 3):
        if number > 1:
            group.on_spawned(number, 0.0, 1)
        group.on_exit(number, 0.0, Exit("exited with status 78", hopeless=True))
    report = told(group, 1.0)
    assert report["state"] == "FATAL"
    assert report["next_try"] is None
    assert "exited with status 78" in report["fatal"]


def test_a_stopping_group_is_stopping() -> None:
    """Whatever was before."""
    group = running()
    group.stop(5.0)
    assert group_state(group) == "STOPPING"


def test_a_process_tells_since_when_it_is_what_it_is() -> None:
    """Its age counts from the fork, its state from the last change; what it uses comes from the machine."""
    group = running(1)
    memory = memoryview(bytearray(scoreboard_size(5)))
    scoreboard = Scoreboard(memory, 5)
    scoreboard.begin(2, 11, 0.0)
    scoreboard.begin(3, 12, 0.0)
    scoreboard.end(3, 4)
    report = told(group, 9.0, {1: [scoreboard]})
    assert report["processes"] == [
        {
            "number": 1,
            "pid": 101,
            "state": State.RUNNING.name,
            "since": 8.0,
            "age": 9.0,
            "why": "",
            "failed": False,
            "requests": 4,
            "busy": 1,
            "threads": 5,
            "rss": 1000,
            "cpu_seconds": 2.5,
        }
    ]
    assert (report["busy"], report["running"], report["requests"]) == (1, 1, 11)
