"""mod_wsgi's metrics functions and its LogHandler, as an application uses them."""

import json
import os
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.helpers.server import APPS, Server, serving, wait_for


class Asked:
    """A server with one process, whose application tells its metrics."""

    def __init__(self, server: Server, gate: Path) -> None:
        self.server = server
        self.gate = gate

    def ask(self, path: str) -> Any:
        """Return what the application answers."""
        return json.loads(self.server.get(path).body)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Asked]:
    """The first request that it answers is `/process`."""
    gate = tmp_path_factory.mktemp("metrics") / "gate"
    with serving(APPS / "metrics.wsgi", "--processes", "1", "--threads", "3", env={"GATE": str(gate)}) as started:
        asked = Asked(started, gate)
        assert asked.ask("/process") is None, "nothing is measured before it is asked for"
        assert asked.ask("/request") is None
        asked.ask("/begin")
        asked.ask("/begin")
        yield asked


def test_requests_are_told_since_the_last_time(server: Asked) -> None:
    """Each call begins a new sample; what is in one is not in the next."""
    server.ask("/request")
    for _ in range(4):
        server.server.get("/", method="POST", body=b"x" * 1000)
    server.ask("/missing")
    figures = server.ask("/request")
    # The call before ended in this sample, this one will in the next.
    assert (figures["request_count"], figures["status_2xx"], figures["status_4xx"]) == (6, 5, 1)
    assert figures["input_bytes"] == 4000
    assert figures["output_bytes"] >= 6 * len(b"null")
    assert figures["pid"] == server.server.daemons()[0].pid
    assert sum(figures["application_time_buckets"]) == sum(figures["request_threads_completed"]) == 6
    assert 0 < figures["application_time"] <= figures["request_time"]
    assert figures["request_threads_maximum"] == 3
    assert server.ask("/request")["request_count"] == 1


def test_a_request_that_runs_is_told_too(server: Asked) -> None:
    """Its thread is busy, in this sample and the next, before it has ended."""
    blocked = threading.Thread(target=server.server.get, args=("/block",))
    blocked.start()
    try:
        wait_for(lambda: server.ask("/process")["active_requests"] == 2, "the request to run")
        server.ask("/request")
        figures: dict[str, Any] = {}

        def is_alone() -> bool:
            # A request is answered a moment before it has ended.
            figures.update(server.ask("/request"))
            return bool(figures["request_threads_active"] == 2)

        wait_for(is_alone, "a sample with no other request")
        assert max(figures["request_threads_current_elapsed"]) > figures["sample_period"]
        assert figures["capacity_utilization"] >= 1 / 3
    finally:
        server.gate.touch()
        blocked.join()


def test_the_process_tells_what_it_has_done_since_it_began(server: Asked) -> None:
    """Its figures grow: requests, processor time; and memory is as the kernel says."""
    before = server.ask("/process")
    server.ask("/")
    after = server.ask("/process")
    assert after["request_count"] == before["request_count"] + 2
    assert after["pid"] == server.server.daemons()[0].pid
    assert after["restart_time"] == before["restart_time"] < before["current_time"] < after["current_time"]
    assert [thread["thread_id"] for thread in after["threads"]] == [1, 2, 3]
    assert after["memory_max_rss"] >= after["memory_rss"] > 1_000_000
    assert after["cpu_time"] == pytest.approx(after["cpu_user_time"] + after["cpu_system_time"])


def test_there_is_no_scoreboard_of_httpd(server: Asked) -> None:
    """As under mod_wsgi where nobody has switched it on."""
    assert server.ask("/server") is None


def test_a_process_forked_from_a_parent_counts_for_itself(tmp_path: Path) -> None:
    """With --preload the script began to record in the parent: figures are each process's own."""
    script = tmp_path / "early.wsgi"
    script.write_text(
        "import mod_wsgi\nmod_wsgi.start_recording_metrics()\n" + (APPS / "metrics.wsgi").read_text(encoding="utf-8"),
        encoding="utf-8",
    )
    with serving(script, "--preload", "--processes", "1", env={"GATE": os.devnull}) as started:
        asked = Asked(started, tmp_path)
        figures = asked.ask("/process")
        assert figures["pid"] == started.daemons()[0].pid
        assert figures["request_count"] == 0
        assert asked.ask("/request")["request_count"] == 1


def test_logging_has_its_levels_in_the_error_log(server: Asked) -> None:
    """Level, request and every line; below the server's level nothing is formatted."""
    server.ask("/log")
    lines = [line for line in server.server.log().splitlines() if "[request " in line]
    assert [line.rpartition("] ")[2] for line in lines if "[warn]" in line] == ["stock of socks", "is low"]
    errors = [line.rpartition("] ")[2] for line in lines if "[error]" in line]
    assert errors[0] == "cannot sell"
    assert errors[-1] == "ValueError: no socks"
    assert "formatted although" not in server.server.log()
