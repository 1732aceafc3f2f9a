"""mod_wsgi.server_metrics(): who may ask is told what every process of the server does, of all process groups."""

import json
import os
import signal
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.helpers.environments import interpreter, make_environment
from tests.helpers.server import APPS, serving, wait_for
from tests.helpers.site import SiteServer, serving_site

FILES: dict[str, Any] = {"app.wsgi": APPS / "server_metrics.wsgi"}
TWO_GROUPS = """
ServerName www.site.test
WSGIDaemonProcess alpha processes=2 threads=3 server-metrics=On
WSGIDaemonProcess beta threads=2
WSGIScriptAlias /alpha {site}/app.wsgi process-group=alpha application-group=%{GLOBAL}
WSGIScriptAlias /beta {site}/app.wsgi process-group=beta application-group=%{GLOBAL}
"""

Process = dict[str, Any]


@pytest.fixture(scope="module")
def site() -> Iterator[SiteServer]:
    with serving_site(TWO_GROUPS, FILES) as site:
        wait_for(lambda: len(processes(site)) == 3, "all processes")
        yield site


def ask(site: SiteServer, path: str = "/alpha/ask") -> Any:
    """Return what the application was told."""
    return json.loads(site.get(path).body)


def processes(site: SiteServer, group: str = "") -> list[Process]:
    """The processes of the server, or of one group."""
    told = [process for process in ask(site)["processes"] if group in ("", process["process_group"])]
    return [process for process in told if all(worker["status"] != "S" for worker in process["workers"])]


def pids(site: SiteServer, group: str = "") -> set[int]:
    return {process["pid"] for process in processes(site, group)}


def workers(site: SiteServer, group: str) -> list[dict[str, Any]]:
    return [worker for process in processes(site, group) for worker in process["workers"]]


def test_it_tells_of_every_process_and_thread(site: SiteServer) -> None:
    """Those of both groups, by the pids that they have, with as many workers as they have threads."""
    told = ask(site)
    assert {process["pid"] for process in told["processes"]} == {process.pid for process in site.server.daemons()}
    shape = sorted((one["process_group"], len(one["workers"]), one["quiescing"]) for one in told["processes"])
    assert shape == [("alpha", 3, False), ("alpha", 3, False), ("beta", 2, False)]
    assert told["thread_limit"] == 3
    assert told["restart_time"] < told["current_time"]
    assert told["running_time"] == pytest.approx(told["current_time"] - told["restart_time"])
    [own] = [worker for one in told["processes"] for worker in one["workers"] if worker["request"]]
    assert (own["status"], own["client"]) == ("W", "127.0.0.1")
    assert own["request"] == "GET /alpha/ask HTTP/1.1"
    assert own["vhost"] == f"www.site.test:{site.port}"
    assert own["start_time"] <= told["current_time"]


def test_a_group_that_may_not_ask_is_told_nothing(site: SiteServer) -> None:
    """As under mod_wsgi where nobody has switched it on."""
    assert ask(site, "/beta/ask") is None


def test_a_running_request_of_another_group_is_told(site: SiteServer) -> None:
    """With its query, and counted once it has ended."""
    gate = site.directory / "gate"
    before = sum(worker["access_count"] for worker in workers(site, "beta"))
    client = threading.Thread(target=site.get, args=(f"/beta/gate?{gate}",))
    client.start()
    try:
        wait_for(lambda: any(worker["request"] for worker in workers(site, "beta")), "the request to run")
        [worker] = [worker for worker in workers(site, "beta") if worker["request"]]
        assert (worker["status"], worker["request"]) == ("W", f"GET /beta/gate?{gate} HTTP/1.1")
    finally:
        gate.touch()
        client.join()
    wait_for(lambda: sum(one["access_count"] for one in workers(site, "beta")) == before + 1, "it to be counted")
    [ended] = [one for one in workers(site, "beta") if one["start_time"] == worker["start_time"]]
    assert ended["status"] == "_"
    assert ended["stop_time"] == ended["last_used"] > ended["start_time"]


def test_threads_may_ask_at_the_same_time(site: SiteServer) -> None:
    """Each gets an answer, which they share."""
    told = ask(site, "/alpha/threads")
    assert len(told) == 20
    assert all(len(one["processes"]) == 3 for one in told)


def test_nobody_waits_where_nobody_answers(site: SiteServer) -> None:
    """While the script is loaded, and in a process that the application has forked, there is nothing to be told."""
    assert ask(site, "/alpha/import") is None
    assert ask(site, "/alpha/fork") is None


def test_a_process_that_dies_is_followed_by_another(site: SiteServer) -> None:
    """Its successor is told in its place, whichever group asks."""
    [victim] = pids(site, "beta")
    os.kill(victim, signal.SIGKILL)
    wait_for(lambda: len(now := pids(site, "beta")) == 1 and victim not in now, "the successor")
    assert len(pids(site)) == 3


def test_a_reload_begins_a_generation(site: SiteServer) -> None:
    """The new processes are of it; an old one that finishes its requests is quiescing, and of its own."""
    gate = site.directory / "last"
    before = ask(site)["running_generation"]
    old = pids(site)
    client = threading.Thread(target=site.get, args=(f"/beta/gate?{gate}",))
    client.start()
    try:
        wait_for(lambda: any(worker["request"] for worker in workers(site, "beta")), "the request to run")
        site.server.process.send_signal(signal.SIGHUP)
        wait_for(lambda: len(pids(site) - old) == 3, "the new processes")
        wait_for(lambda: len(pids(site, "beta")) == 2 and len(pids(site, "alpha")) == 2, "the end of the others")
        [leaving] = [process for process in processes(site) if process["pid"] in old]
        assert leaving["quiescing"]
        assert leaving["generation"] == before
        assert {worker["status"] for worker in leaving["workers"]} == {"W", "G"}
        young = [process for process in processes(site) if process["pid"] not in old]
        assert {(process["generation"], process["quiescing"]) for process in young} == {(before + 1, False)}
        assert ask(site)["running_generation"] == before + 1
    finally:
        gate.touch()
        client.join()
    wait_for(lambda: len(pids(site)) == 3, "the end of the old process")


def test_processes_of_a_preload_parent_may_ask() -> None:
    """The parent, which serves nobody, is no process of the scoreboard; what it was told while it loaded is nothing."""
    options = ("--preload", "--processes", "2", "--threads", "1", "--server-metrics")
    with serving(APPS / "server_metrics.wsgi", *options) as server:

        def told(path: str) -> Any:
            return json.loads(server.get(path).body)

        wait_for(lambda: len(told("/ask")["processes"]) == 2, "both processes")
        assert {one["pid"] for one in told("/ask")["processes"]} == {process.pid for process in server.daemons()}
        assert told("/import") is None
        [own] = [worker for one in told("/ask")["processes"] for worker in one["workers"] if worker["request"]]
        assert own["vhost"] == f"test:{server.port}"  # without a configuration: what the client calls it


def test_sub_interpreters_may_ask(tmp_path: Path) -> None:
    """Their threads are workers of the one process, each with its application group; WSGIServerMetrics is for all."""
    python = make_environment(tmp_path / "venv", interpreter("3.13"))
    text = f"""
ServerName www.site.test
WSGIServerMetrics On
WSGIDaemonProcess g threads=2 application-groups=interpreters python-home={python}
WSGIProcessGroup g
WSGIScriptAlias /main {{site}}/app.wsgi application-group=%{{GLOBAL}}
WSGIScriptAlias /one {{site}}/app.wsgi process-group=g application-group=one
"""
    with serving_site(text, FILES) as site:
        wait_for(lambda: len(ask(site, "/one/ask")["processes"][0]["workers"]) == 4, "the interpreter")
        for path, own in (("/one/ask", "one"), ("/main/ask", "")):
            [process] = ask(site, path)["processes"]
            assert [worker["application_group"] for worker in process["workers"]] == ["", "", "one", "one"]
            assert [worker["thread_num"] for worker in process["workers"]] == [0, 1, 2, 3]
            [busy] = [worker for worker in process["workers"] if worker["request"]]
            assert (busy["application_group"], busy["request"]) == (own, f"GET {path} HTTP/1.1")
