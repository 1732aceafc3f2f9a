"""Several process groups of one server: the commands that steer them, and the timers that only a configuration has."""

import json
import signal
import threading
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from tests.helpers.control import done, order
from tests.helpers.server import APPS, wait_for
from tests.helpers.site import SiteServer, serving_site

TWO_GROUPS = """
WSGIDaemonProcess alpha processes=2 threads=3
WSGIDaemonProcess beta threads=2
WSGIScriptAlias /alpha {site}/gate.wsgi process-group=alpha application-group=%{GLOBAL}
WSGIScriptAlias /beta {site}/gate.wsgi process-group=beta application-group=%{GLOBAL}
"""


@pytest.fixture(scope="module")
def site() -> Iterator[SiteServer]:
    with serving_site(TWO_GROUPS, {"gate.wsgi": APPS / "life_gate.py"}, control=True) as site:
        wait_for(lambda: sizes(site) == {"alpha": (2, 2), "beta": (1, 1)}, "all processes")
        yield site


def groups(site: SiteServer) -> dict[str, dict[str, object]]:
    """What status tells of each process group, by its name."""
    return {group["name"]: group for group in done(site.server, "status")["groups"]}


def sizes(site: SiteServer) -> dict[str, tuple[object, object]]:
    """How many processes each group wants and has."""
    return {name: (group["size"], group["running"]) for name, group in groups(site).items()}


def pids(site: SiteServer, name: str) -> set[int]:
    """The processes of one group."""
    processes = groups(site)[name]["processes"]
    assert isinstance(processes, list)
    return {process["pid"] for process in processes}


def test_restart_of_one_group_leaves_the_other_alone(site: SiteServer) -> None:
    """All of its processes are others then, and none of the other group's is."""
    alpha, beta = pids(site, "alpha"), pids(site, "beta")
    assert done(site.server, "restart", "beta", "--wait") == {"groups": ["beta"]}
    wait_for(lambda: not pids(site, "beta") & beta, "the end of the old process")
    assert pids(site, "alpha") == alpha
    assert done(site.server, "restart", "--wait") == {"groups": ["alpha", "beta"]}
    wait_for(lambda: not pids(site, "alpha") & alpha, "the end of the old processes")


def test_scale_is_of_one_group(site: SiteServer) -> None:
    """The other keeps its size; a name that is not there is told those that are."""
    assert done(site.server, "scale", "beta", "2", "--wait") == {"group": "beta", "before": 1, "size": 2}
    assert sizes(site) == {"alpha": (2, 2), "beta": (2, 2)}
    done(site.server, "scale", "beta", "1", "--wait")
    wrong = order(site.server, "scale", "gamma", "2")
    assert wrong.returncode == 2
    assert "there is no process group 'gamma'; there is alpha, beta" in wrong.stderr


def test_ttin_and_ttou_are_for_every_group(site: SiteServer) -> None:
    """One more in each, and one fewer in each."""
    wait_for(lambda: sizes(site) == {"alpha": (2, 2), "beta": (1, 1)}, "the sizes that were configured")
    site.server.process.send_signal(signal.SIGTTIN)
    wait_for(lambda: sizes(site) == {"alpha": (3, 3), "beta": (2, 2)}, "one more in each")
    site.server.process.send_signal(signal.SIGTTOU)
    wait_for(lambda: sizes(site) == {"alpha": (2, 2), "beta": (1, 1)}, "one fewer in each")


def test_ps_names_the_group_of_each_request(site: SiteServer) -> None:
    """Also while both are busy."""
    gate = site.directory / "gate"
    threads = [threading.Thread(target=site.get, args=(f"/{name}/gate?{gate}",)) for name in ("alpha", "beta")]
    for thread in threads:
        thread.start()
    wait_for(lambda: len(list(site.directory.glob("gate.entered-*"))) == 2, "both requests")
    try:
        found = {request["url"].split("/")[1]: request for request in done(site.server, "ps")["requests"]}
        assert {name: request["group"] for name, request in found.items()} == {"alpha": "alpha", "beta": "beta"}
        for name, request in found.items():
            assert request["pid"] in pids(site, name)
    finally:
        gate.touch()
        for thread in threads:
            thread.join()


def test_a_group_that_cannot_load_its_script_is_unhealthy_alone() -> None:
    """status says which, and its status is 1; the other group serves."""
    files: dict[str, str | bytes | Path | None] = {"gate.wsgi": APPS / "life_gate.py", "broken.wsgi": "1 / 0\n"}
    with serving_site(TWO_GROUPS.replace("/beta {site}/gate", "/beta {site}/broken"), files, control=True) as site:
        wait_for(lambda: "broken.wsgi could not be loaded" in site.log(), "the attempt")
        finished = order(site.server, "status", "--json")
        told = json.loads(finished.stdout)["result"]
        assert finished.returncode == 1
        assert {group["name"]: group["state"] for group in told["groups"]} == {"alpha": "RUNNING", "beta": "BACKOFF"}
        assert site.get("/alpha").status == 200
        assert site.get("/beta").status == 500


def test_a_request_that_is_no_activity_keeps_no_process() -> None:
    """WSGIIgnoreActivity: a health check all the time does not put inactivity-timeout off."""
    text = """
        WSGIDaemonProcess app inactivity-timeout=1
        WSGIScriptAlias / {site}/gate.wsgi process-group=app application-group=%{GLOBAL}
        <Location /health>
        WSGIIgnoreActivity On
        </Location>
    """
    with serving_site(text, {"gate.wsgi": APPS / "life_gate.py"}) as site:
        assert site.get("/").status == 200

        def checked_and_replaced() -> bool:
            return site.get("/health").status == 200 and "is to be replaced: inactivity_timeout" in site.log()

        wait_for(checked_and_replaced, "the decision")


def test_a_process_in_which_no_request_can_load_anything_is_replaced() -> None:
    """startup-timeout, where scripts are loaded by their first request: another process tries with nothing imported."""
    text = """
        AddHandler wsgi-script .wsgi
        DocumentRoot {site}
        WSGIDaemonProcess app startup-timeout=1
        WSGIProcessGroup app
        WSGIApplicationGroup %{GLOBAL}
        <Directory {site}>
        Options ExecCGI
        Require all granted
        </Directory>
    """
    files: dict[str, str | bytes | Path | None] = {"broken.wsgi": "1 / 0\n", "gate.wsgi": APPS / "life_gate.py"}
    with serving_site(text, files) as site:
        assert site.get("/broken.wsgi").status == 500
        wait_for(lambda: "is to be replaced: startup_timeout" in site.log(), "the decision")
        assert site.get("/gate.wsgi").status == 200


def test_options_of_a_group_are_its_processes_own() -> None:
    """What WSGIDaemonProcess says of one group is what its processes are, and the other's are not."""
    text = """
        WSGIDaemonProcess plain
        WSGIDaemonProcess strict processes=1 threads=2 cpu-time-limit=1000 cpu-priority=3 memory-limit=4G \\
            virtual-memory-limit=8G stack-size=512k switch-interval=0.02 lang=C.UTF-8 locale=C.UTF-8 home={site}/home \\
            python-path={site}/lib:{site}/more python-eggs={site}/eggs umask=0027 shutdown-timeout=4 \\
            display-name=a-title-of-its-own
        WSGIScriptAlias /plain {site}/limits.wsgi process-group=plain application-group=%{GLOBAL}
        WSGIScriptAlias /strict {site}/limits.wsgi process-group=strict application-group=%{GLOBAL}
    """
    files: dict[str, str | bytes | Path | None] = {
        "limits.wsgi": APPS / "limits.wsgi",
        "home": None,
        "eggs": None,
        "more": None,
        "lib/packages.pth": "../elsewhere\n",
        "elsewhere": None,
    }
    with serving_site(text, files) as site:
        plain, strict = (json.loads(site.get(f"/{name}/").text) for name in ("plain", "strict"))
        directory = str(site.directory)
        assert strict["nice"] == 3
        assert strict["cpu"] == [1000, 1000 + 1 + 4]
        assert (strict["data"], strict["addresses"]) == ([4 << 30] * 2, [8 << 30] * 2)
        assert strict["stack"] == 512 << 10
        assert strict["switch"] == 0.02
        assert strict["cwd"] == f"{directory}/home"
        # `home` first, then python-path and what its .pth files name, in their order.
        assert strict["path"][:4] == [f"{directory}/{name}" for name in ("home", "lib", "elsewhere", "more")]
        assert strict["umask"] == 0o027
        assert (
            strict["environ"]
            | {
                "LANG": "C.UTF-8",
                "LC_ALL": "C.UTF-8",
                "PYTHON_EGG_CACHE": f"{directory}/eggs",
            }
            == strict["environ"]
        )
        assert psutil.Process(strict["pid"]).cmdline()[0] == "a-title-of-its-own"
        for name in ("cpu", "data", "addresses", "stack", "switch", "cwd", "path", "umask"):
            assert plain[name] != strict[name], name
