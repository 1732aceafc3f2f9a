"""Daemon processes report to a collector, and nothing that becomes of it is noticed by requests."""

import contextlib
import json
import os
import pwd
import re
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.helpers.command import started
from tests.helpers.environments import interpreter, make_environment
from tests.helpers.public import Public
from tests.helpers.server import serving, wait_for
from tests.helpers.site import serving_site

REFERENCE = Path(__file__).parents[2] / "docs" / "reference" / "telemetry.md"
SCRIPT = """\
import json, os, time
import mod_wsgi

mod_wsgi.start_recording_metrics()

def application(environ, start_response):
    if environ["PATH_INFO"] == "/block":
        while not os.path.exists(os.environ["GATE"]):
            time.sleep(0.01)
    start_response("404 Not Found" if environ["PATH_INFO"] == "/missing" else "200 OK", [])
    answer = mod_wsgi.request_metrics()["request_count"] if environ["PATH_INFO"] == "/count" else 0
    return [json.dumps([os.getpid(), answer]).encode()]
"""


class Collector:
    """Receives in a thread, for the kernel keeps ten datagrams, and keeps what has come.

    The socket is there until it is closed, and its file longer.
    """

    def __init__(self, path: Path) -> None:
        path.unlink(missing_ok=True)
        self.path = path
        self.records: list[dict[str, Any]] = []
        self._sock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._sock.bind(str(path))
        path.chmod(0o666)
        self._thread = threading.Thread(target=self._receive)
        self._thread.start()

    def _receive(self) -> None:
        while data := self._sock.recv(65_536):
            self.records.append(json.loads(data))

    def of(self, kind: str) -> list[dict[str, Any]]:
        """Return what has come of a kind."""
        return [record for record in self.records if record["kind"] == kind]

    def wait_for(self, kind: str, count: int = 1) -> list[dict[str, Any]]:
        """Return what has come of a kind once there is so much."""
        wait_for(lambda: len(self.of(kind)) >= count, f"{count} of {kind}")
        return self.of(kind)

    def close(self) -> None:
        """End as if it had been killed."""
        self._sock.shutdown(socket.SHUT_RD)  # ends the thread's wait
        self._thread.join()
        self._sock.close()


@pytest.fixture
def collector(tmp_path: Path) -> Iterator[Collector]:
    listening = Collector(tmp_path / "t.sock")
    yield listening
    listening.close()


@pytest.fixture
def script(tmp_path: Path) -> Path:
    path = tmp_path / "app.wsgi"
    path.write_text(SCRIPT, encoding="utf-8")
    return path


def told(path: Path, *more: str) -> list[str]:
    """The options of a server with one process that reports to a collector."""
    return [
        "--processes",
        "1",
        "--threads",
        "3",
        "--telemetry-service",
        f"unix:{path}",
        "--telemetry-interval=0.5",
        *more,
    ]


def documented(kind: str) -> set[str]:
    """The fields that the reference page has for a kind, and for all."""
    sections = re.split(r"^## ", REFERENCE.read_text(encoding="utf-8"), flags=re.MULTILINE)
    found: set[str] = set()
    for section in sections:
        title, _, text = section.partition("\n")
        if title.startswith("What every") or f"`{kind}`" in title:
            for row in re.findall(r"^\| (`.*?) \|", text, re.MULTILINE):
                found |= set(re.findall(r"`(\w+)`", row))
    return found


def test_everything_that_a_process_is_and_does_is_told(script: Path, collector: Collector, tmp_path: Path) -> None:
    """From its start to its end, in order, with no field that the reference page does not have."""
    gate = tmp_path / "gate"
    options = told(collector.path, "--slow-requests", "200ms", "--telemetry-options", "CaptureUserAgent")
    with serving(script, *options, env={"GATE": str(gate)}) as server:
        (daemon,) = server.daemons()
        for path in ("/", "/missing", "/"):
            server.get(path)
        blocked = threading.Thread(target=server.get, args=("/block?token=secret", "User-Agent: tester"))
        blocked.start()

        def slow() -> list[dict[str, Any]]:
            return [record for record in collector.of("slow_request") if record["path"] == "/block"]

        wait_for(slow, "the slow request")
        running = slow()[0]
        assert (running["state"], running["user_agent"]) == ("running", "tester")
        gate.touch()
        blocked.join()
        wait_for(lambda: slow()[-1]["state"] == "ended", "its end")
        ended = slow()[-1]
        assert (ended["request_id"], ended["status"]) == (running["request_id"], 200)
        assert ended["duration"] >= max(0.2, running["duration"])
        assert f"[request {ended['request_id']}]" in server.log()
        server.stop()
    (stopped,) = collector.wait_for("process_stopped")
    assert (stopped["reason"], stopped["status"], stopped["request_count"], stopped["drained"]) == (
        *("shutdown_signal", 0, 4),
        True,
    )
    assert collector.of("process_stopping")[0]["reason"] == "shutdown_signal"
    requests = collector.of("request")
    assert sum(one["request_count"] for one in requests) == 4
    assert (sum(one["status_2xx"] for one in requests), sum(one["status_4xx"] for one in requests)) == (3, 1)
    assert [record["sequence"] for record in collector.records] == list(range(1, len(collector.records) + 1))
    kinds = [record["kind"] for record in collector.records]
    assert (kinds[0], kinds[-1]) == ("process_started", "process_stopped")
    assert {record["pid"] for record in collector.records} == {daemon.pid}
    assert "secret" not in json.dumps(collector.records)
    for record in collector.records:
        fields = {re.sub(r"_(min_us|max_us|buckets)$", "", name) for name in record}
        assert fields <= documented(record["kind"]), record["kind"]


def test_the_application_has_samples_of_its_own(script: Path, collector: Collector) -> None:
    """What is told drains nothing of what `request_metrics()` tells."""
    with serving(script, *told(collector.path)) as server:
        for _ in range(3):
            server.get()
        wait_for(lambda: sum(one["request_count"] for one in collector.of("request")) == 3, "all of them")
        assert json.loads(server.get("/count").text)[1] == 3


def test_a_collector_may_end_and_come_again_under_load(script: Path, tmp_path: Path) -> None:
    """No request is lost; the log has one line for the beginning of the outage, and one for its end."""
    path = tmp_path / "t.sock"
    over = threading.Event()
    statuses = set()
    first = Collector(path)
    with serving(script, *told(path)) as server:

        def load() -> None:
            while not over.is_set():
                statuses.add(server.get().status)

        client = threading.Thread(target=load)
        client.start()
        try:
            first.wait_for("request", 2)
            first.close()
            wait_for(lambda: "nobody receives there" in server.log(), "the warning")
            second = Collector(path)
            second.wait_for("request", 2)
            wait_for(lambda: "is sent to" in server.log(), "that it is over")
            second.close()
        finally:
            over.set()
            client.join()
        assert statuses == {200}
        assert server.log().count("is sent to") == 1
        assert server.log().partition("is sent to")[0].count("cannot be sent") == 1


def test_a_collector_that_takes_nothing_holds_nobody_up(script: Path, tmp_path: Path) -> None:
    """The kernel's queue for it is full in no time; requests are answered, and the process ends in order."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        sock.bind(str(tmp_path / "t.sock"))
        with contextlib.suppress(BlockingIOError):
            while True:
                # One each: what a sender may have under way is bounded, too.
                with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK) as filler:
                    filler.sendto(b"x", str(tmp_path / "t.sock"))
        with serving(script, *told(tmp_path / "t.sock")) as server:
            wait_for(lambda: "its queue is full" in server.log(), "the warning")
            assert [server.get().status for _ in range(20)] == [200] * 20
            assert server.stop() == 0


def test_processes_that_are_forked_from_one_tell_of_themselves(script: Path, collector: Collector) -> None:
    """--preload: the parent tells nothing, each process of its own requests only."""
    with serving(script, *told(collector.path, "--preload", "--processes=2")) as server:
        wait_for(lambda: len(server.daemons()) == 2, "both processes")
        pids = {process.pid for process in server.daemons()}
        asked = [json.loads(server.get().text)[0] for _ in range(6)]

        def counted() -> dict[int, int]:
            found = dict.fromkeys(pids, 0)
            for one in collector.of("request"):
                found[one["pid"]] += one["request_count"]
            return found

        wait_for(lambda: counted() == {pid: asked.count(pid) for pid in pids}, "all requests, where they were run")
        assert {record["pid"] for record in collector.records} == pids


CONFIGURATION = """
WSGIDaemonProcess site processes=1 threads=2 application-groups=interpreters python-home={python}
WSGIProcessGroup site
WSGIScriptAlias /one {site}/app.wsgi application-group=one
WSGIScriptAlias / {site}/app.wsgi application-group=%{GLOBAL}
WSGITelemetryService unix:t.sock 0.5
ServerRoot {site}
"""


def test_each_interpreter_tells_of_its_requests(tmp_path: Path) -> None:
    """And the main one of the process."""
    python = make_environment(tmp_path / "venv", interpreter("3.13"))
    text = CONFIGURATION.replace("{python}", str(python)).replace("ServerRoot {site}", f"ServerRoot {tmp_path}")
    collector = Collector(tmp_path / "t.sock")
    with serving_site(text, {"app.wsgi": SCRIPT}) as site:
        for path in ("/one", "/one", "/"):
            assert site.get(path).status == 200

        def counted() -> dict[str, int]:
            found: dict[str, int] = {}
            for one in collector.of("request"):
                found[one["application_group"]] = found.get(one["application_group"], 0) + one["request_count"]
            return found

        wait_for(lambda: counted() == {"": 1, "one": 2}, "all requests")
        assert {record["application_group"] for record in collector.of("process")} == {""}
        site.server.stop()
        assert len(collector.wait_for("process_stopped")) == 1
    collector.close()


@pytest.mark.root
@pytest.mark.skipif(os.geteuid() != 0, reason="needs to be started as root")
def test_a_user_who_may_not_write_to_the_socket_is_named(public: Public) -> None:
    """With the line of the directive; and it works once the collector's socket is open to that user."""
    collector = Collector(public.directory / "t.sock")
    collector.path.chmod(0o600)
    configuration = public.directory / "site.conf"
    configuration.write_text(
        f"Listen 127.0.0.1:0\nUser nobody\nWSGITelemetryService unix:{collector.path} 0.5\n"
        f"WSGIDaemonProcess site\nWSGIScriptAlias / {public.script} process-group=site\n",
        encoding="utf-8",
    )
    command = [public.python, "-m", "pydaemonwsgi", "serve", "--config", str(configuration), "--control-socket", "off"]
    with started(*command, env=public.env, cwd=public.directory) as server:
        warning = f"(WSGITelemetryService, {configuration}:3): user nobody may not write to it"
        wait_for(lambda: warning in server.log(), "the warning")
        collector.path.chmod(0o666)
        assert collector.wait_for("process")[0]["uid"] == pwd.getpwnam("nobody").pw_uid
        wait_for(lambda: "is sent to" in server.log(), "that it works")
    collector.close()


def test_a_server_without_a_collector_measures_nothing(script: Path, tmp_path: Path) -> None:
    """What it costs is for those who ask for it."""
    plain = tmp_path / "plain.wsgi"
    plain.write_text(
        "import mod_wsgi\n"
        "def application(environ, start_response):\n"
        "    start_response('200 OK', [])\n"
        "    return [b'%d' % len(mod_wsgi.event_callbacks)]\n",
        encoding="utf-8",
    )
    with serving(plain) as server:
        assert server.get().text == "0"


def test_the_command_line_says_that_the_directory_is_missing(script: Path, tmp_path: Path) -> None:
    with serving(script, *told(tmp_path / "no" / "t.sock")) as server:
        assert f"--telemetry-service: there is no directory {tmp_path / 'no'}" in server.log()
        assert server.get().status == 200
