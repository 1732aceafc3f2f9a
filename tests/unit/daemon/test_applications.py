"""applications: many scripts in one process, each loaded when it is first asked for, by the head of a request."""

import contextlib
import json
import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pydaemonwsgi.channel.frames import RejectReason
from pydaemonwsgi.daemon.adapter import Adapter
from pydaemonwsgi.daemon.applications import Applications
from pydaemonwsgi.daemon.environ import EnvironBuilder
from pydaemonwsgi.daemon.file_wrapper import FileWrapper
from pydaemonwsgi.daemon.link import Link
from pydaemonwsgi.daemon.pool import Pool
from pydaemonwsgi.daemon.recycling import RequestLimit
from pydaemonwsgi.daemon.routes import Target
from pydaemonwsgi.metrics.scoreboard import Scoreboard, scoreboard_size
from pydaemonwsgi.vocabulary import ShutdownReason
from tests.unit.daemon.far_side import FrontEnd, Reply, front_end, wait_for

SOURCE = """
count = 0
def application(environ, start_response):
    global count
    count += 1
    start_response("200 OK", [])
    return [("%s %s %d" % ("@NAME@", __name__, count)).encode()]
def other(environ, start_response):
    start_response("200 OK", [])
    return [b"other"]
def show(environ, start_response):
    start_response("200 OK", [])
    return [repr(sorted(environ)).encode() + environ["REQUEST_METHOD"].encode()]
def handle_request(environ, start_response):
    start_response("200 OK", [])
    return [("handler for " + environ["SCRIPT_FILENAME"]).encode()]
"""


class Process:
    """A pool with real applications, and a front that asks it."""

    def __init__(self, front: FrontEnd, applications: Applications) -> None:
        self.front = front
        self.pool: Pool
        self.applications = applications
        self.retired: list[ShutdownReason] = []

    def ask(self, script: object, **more: str) -> Reply:
        """Ask for a script, as the front does that has chosen it."""
        keys = {
            name.replace("__", ".")
            .replace("x_", "x-")
            .replace("map_head", "map-head")
            .replace("ignore_activity", "ignore-activity"): more[name]
            for name in more
        }
        return self.front.ask("/", method=keys.pop("method", "GET"), **({"SCRIPT_FILENAME": str(script)} | keys))


@contextlib.contextmanager
def process(default: Target | None = None, *, threads: int = 3) -> Iterator[Process]:
    """A process at work, of a group whose own script is `default`."""
    applications = Applications(default)
    lost: list[bool] = []
    memory = memoryview(bytearray(scoreboard_size(threads)))
    environs = EnvironBuilder(
        applications.route,
        group="g",
        application_group="",
        callable_object="application",
        script_filename=None,
        multithread=True,
        multiprocess=False,
        run_once=False,
        file_wrapper=FileWrapper,
    )
    with front_end() as front:
        made = Process(front, applications)
        pool = made.pool = Pool(
            threads=threads,
            adapter=Adapter(environs, debug=False),
            scoreboard=Scoreboard(memory, threads),
            limit=RequestLimit(0),
            outdated=applications.is_outdated,
            retire=made.retired.append,
            link_lost=lambda: lost.append(True),
            wake_monitor=lambda: None,
        )
        pool.attach(Link(front.far))
        pool.start()
        try:
            yield made
        finally:
            front.close()
            wait_for(lambda: lost and not pool.busy, "the end of the pool")


@pytest.fixture(autouse=True)
def clean_modules() -> Iterator[None]:
    """Scripts leave nothing in `sys.modules`."""
    modules = set(sys.modules)
    yield
    for name in set(sys.modules) - modules:
        del sys.modules[name]


def script(directory: Path, name: str, source: str = SOURCE) -> Path:
    """Write a script."""
    path = directory / f"{name}.wsgi"
    path.write_text(source.replace("@NAME@", name))
    return path


def change(path: Path, source: str, name: str = "") -> None:
    """Write a script anew, at another time."""
    path.write_text(source.replace("@NAME@", name))
    os.utime(path, ns=(0, time.time_ns() + 10**9))


def test_each_request_gets_the_script_that_its_head_names(tmp_path: Path) -> None:
    """Scripts live side by side, each loaded once, each a module of its own."""
    one, two = script(tmp_path, "one"), script(tmp_path, "two")
    with process() as running:
        answers = [running.ask(path).body.decode().split() for path in (one, two, one, two)]
        assert [(name, count) for name, _, count in answers] == [("one", "1"), ("two", "1"), ("one", "2"), ("two", "2")]
        assert answers[0][1] != answers[1][1]


def test_several_callable_objects_share_their_script(tmp_path: Path) -> None:
    """`mod_wsgi.callable_object` chooses within a script that is loaded once."""
    path = script(tmp_path, "one")
    with process() as running:
        assert running.ask(path).body.endswith(b" 1")
        assert running.ask(path, mod_wsgi__callable_object="other").body == b"other"
        assert running.ask(path).body.endswith(b" 2")


def test_a_handler_script_answers_for_the_resource(tmp_path: Path) -> None:
    """The handler script's `handle_request` is called; SCRIPT_FILENAME stays the resource."""
    path = script(tmp_path, "handler")
    with process() as running:
        reply = running.ask("/srv/page.html", mod_wsgi__handler_script=str(path))
        assert reply.body == b"handler for /srv/page.html"


def test_private_keys_do_not_reach_the_application(tmp_path: Path) -> None:
    """What travels as `mod_wsgi.x-…` is the server's."""
    path = script(tmp_path, "one")
    with process() as running:
        reply = running.ask(path, mod_wsgi__callable_object="show", mod_wsgi__x_reload="off", mod_wsgi__x_secret="1")
        assert b"mod_wsgi.x-" not in reply.body
        assert b"SCRIPT_FILENAME" in reply.body


def test_head_can_be_get_for_the_application(tmp_path: Path) -> None:
    """The application sees GET; its body still goes nowhere."""
    path = script(
        tmp_path,
        "one",
        SOURCE.replace("def show", "def hidden")
        + """
def show(environ, start_response):
    start_response("200 OK", [("X-Method", environ["REQUEST_METHOD"])])
    return [b"body"]
""",
    )
    with process() as running:
        reply = running.ask(path, method="HEAD", mod_wsgi__callable_object="show", mod_wsgi__x_map_head="1")
        assert (reply.header("X-Method"), reply.body) == ("GET", b"")


@pytest.mark.parametrize(
    ("kind", "status"),
    [("missing", "404 Not Found"), ("directory", "403 Forbidden"), ("broken", "500 Internal Server Error")],
)
def test_what_cannot_be_loaded_is_answered(tmp_path: Path, kind: str, status: str) -> None:
    """Missing file 404, directory 403, an exception 500; other scripts go on, and no process is replaced."""
    path = tmp_path / "bad.wsgi"
    if kind == "directory":
        path.mkdir()
    elif kind == "broken":
        path.write_text("1/0\n")
    good = script(tmp_path, "good")
    with process() as running:
        assert running.ask(path).status == status
        assert running.ask(good).body.startswith(b"good ")
        assert running.retired == []


def test_a_missing_file_is_found_once_it_is_there(tmp_path: Path) -> None:
    """Nobody remembers a 404."""
    with process() as running:
        assert running.ask(tmp_path / "late.wsgi").status.startswith("404")
        assert running.ask(script(tmp_path, "late")).body.startswith(b"late ")


def test_what_failed_is_not_run_by_each_request(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A failure is remembered for a while; then it is tried again although the file is the same."""
    tries, need = tmp_path / "tries", tmp_path / "need"
    path = script(
        tmp_path,
        "one",
        f"with open({str(tries)!r}, 'a') as file: file.write('x')\nwith open({str(need)!r}): pass\n{SOURCE}",
    )
    with process() as running:
        assert {running.ask(path).status[:3] for _ in range(5)} == {"500"}
        assert tries.read_text() == "x"
        need.touch()
        holder = running.applications.find(Target(str(path), None, "application")).holder
        holder._retry_at = 0.0
        assert running.ask(path).body.startswith(b"one ")


def test_a_changed_script_replaces_the_process(tmp_path: Path) -> None:
    """Process: the request is handed back, and so are those for other scripts; a successor is asked for once."""
    one, two = script(tmp_path, "one"), script(tmp_path, "two")
    with process() as running:
        running.ask(one)
        running.ask(two)
        change(one, SOURCE, "new")
        assert running.ask(one).rejected is RejectReason.RELOAD
        assert running.ask(two).rejected is RejectReason.RELOAD
        assert running.retired == [ShutdownReason.SCRIPT_RELOAD]


def test_a_script_without_its_mtime_is_outdated(tmp_path: Path) -> None:
    """mod_wsgi's `__mtime__` rule: a module that has lost it is loaded anew."""
    path = script(
        tmp_path,
        "one",
        SOURCE + "\ndef forget(e, s):\n    global __mtime__\n    del __mtime__\n    return other(e, s)\n",
    )
    with process() as running:
        assert running.ask(path, mod_wsgi__callable_object="forget").body == b"other"
        assert running.ask(path).rejected is RejectReason.RELOAD


def test_reloading_can_be_off(tmp_path: Path) -> None:
    """WSGIScriptReloading Off: what is loaded stays."""
    path = script(tmp_path, "one")
    with process() as running:
        running.ask(path)
        change(path, SOURCE, "new")
        assert running.ask(path, mod_wsgi__x_reload="off").body.startswith(b"one ")


def test_module_reloads_in_place(tmp_path: Path) -> None:
    """Module: the first request after the change gets the new code, from the same process."""
    path = script(tmp_path, "one")
    with process() as running:
        assert running.ask(path, mod_wsgi__x_reload="module").body.endswith(b" 1")
        change(path, SOURCE, "new")
        reply = running.ask(path, mod_wsgi__x_reload="module").body
        assert (reply.split()[0], reply.split()[2], running.retired) == (b"new", b"1", [])


def test_a_module_that_does_not_reload_keeps_its_code(tmp_path: Path) -> None:
    """As with processes: a typing error is no outage, and the next version counts."""
    path = script(tmp_path, "one")
    with process() as running:
        running.ask(path, mod_wsgi__x_reload="module")
        change(path, "1/0\n")
        assert running.ask(path, mod_wsgi__x_reload="module").body.startswith(b"one ")
        path.write_text(SOURCE.replace("@NAME@", "mended"))
        os.utime(path, ns=(0, time.time_ns() + 2 * 10**9))
        assert running.ask(path, mod_wsgi__x_reload="module").body.startswith(b"mended ")


def test_versions_that_do_not_load_are_kept_apart_by_script(tmp_path: Path) -> None:
    """`keep` names scripts: another one that changes is still a change."""
    one, two = script(tmp_path, "one"), script(tmp_path, "two")
    applications = Applications(None)
    targets = [Target(str(path), None, "application") for path in (one, two)]
    assert applications.load(targets) == {}
    change(one, "1/0\n")
    assert applications.any_outdated()
    applications.keep({f"script {one}": one.stat().st_mtime_ns})
    assert not applications.any_outdated()
    change(two, "1/0\n")
    assert applications.any_outdated()


def test_preloading_says_what_failed(tmp_path: Path) -> None:
    """Failures stop nothing; a script that is not there is none."""
    good, bad = script(tmp_path, "good"), script(tmp_path, "bad", "1/0\n")
    applications = Applications(None)
    targets = [Target(str(path), None, "") for path in (bad, tmp_path / "missing", good)]
    assert applications.load(targets) == {f"script {bad}": bad.stat().st_mtime_ns}
    assert applications.find(targets[2]).holder.script.module is not None


def test_a_script_that_a_request_had_loaded_is_told(tmp_path: Path) -> None:
    """So that successors have it before they serve."""
    told: list[Target] = []
    path = script(tmp_path, "one")
    with process() as running:
        running.applications.on_loaded = told.append
        running.ask(path)
        running.ask(path)
    assert told == [Target(str(path), None, "application")]


def test_a_request_that_is_no_activity_is_not_counted(tmp_path: Path) -> None:
    """WSGIIgnoreActivity travels in the head; inactivity-timeout does not see such requests."""
    path = script(tmp_path, "one")
    with process() as running:
        for ignored in ("1", "0", "1", "1"):
            running.ask(path, mod_wsgi__x_ignore_activity=ignored)
        wait_for(lambda: not running.pool.busy, "the end of the last request")
        assert (running.pool.activity, running.pool.inactive) == (1, set())


def test_a_process_in_which_nothing_loads_is_overdue(tmp_path: Path) -> None:
    """Not before the start-up time-out has passed since the first attempt of a request, and never without one."""
    path = script(tmp_path, "one", "import nowhere_to_be_found")
    with process() as running:
        running.ask(path)
        now = time.monotonic()
        overdue = running.applications.overdue
        assert [overdue(at, 60.0) for at in (now + 59.0, now + 60.0)] == [False, True]
        assert not overdue(now + 60.0, 0.0)


def test_a_process_in_which_something_has_loaded_is_never_overdue(tmp_path: Path) -> None:
    """What has loaded shows that the interpreter is fit to."""
    with process() as running:
        running.ask(script(tmp_path, "one", "1/0"))
        running.ask(script(tmp_path, "two"))
        assert not running.applications.overdue(time.monotonic() + 60.0, 60.0)


def test_what_the_supervisor_knows_makes_no_process_overdue(tmp_path: Path) -> None:
    """What did not load before the first request is tried again by other processes anyway."""
    target = Target(str(script(tmp_path, "one", "1/0")), None, "application")
    applications = Applications(target)
    assert applications.load([target])
    assert not applications.overdue(time.monotonic() + 60.0, 60.0)


# -- hooks


def hook(running: Process, path: Path, kind: str, **more: str) -> Any:
    """The answer of a script's functions."""
    reply = running.ask("/resource", mod_wsgi__x_hook=kind, **({"mod_wsgi__x_script": str(path)} | more))
    assert reply.status == "200 OK"
    return json.loads(reply.body)


def test_a_dispatch_script_is_asked(tmp_path: Path) -> None:
    """Each function that it has is called with the environ; what it has not, or None, keeps what is configured."""
    path = script(
        tmp_path, "d", "def process_group(environ): return environ['SCRIPT_FILENAME']\n"
        "def application_group(environ): return b'%{GLOBAL}'\n"
    )  # fmt: skip
    with process() as running:
        wanted = {"process_group": "/resource", "application_group": "%{GLOBAL}", "callable_object": None}
        assert hook(running, path, "dispatch") == wanted
        change(path, "def callable_object(environ): return None if 'wsgi.input' in environ else 'other'\n")
        assert hook(running, path, "dispatch") == dict.fromkeys(wanted) | {"callable_object": "other"}


@pytest.mark.parametrize("value", ["1", "['x']", "'\\u20ac'", "1/0"], ids=["number", "list", "not latin-1", "raises"])
def test_a_dispatch_script_that_answers_wrongly_is_a_500(tmp_path: Path, value: str) -> None:
    """The front decides what that means for the request."""
    path = script(tmp_path, "d", f"def process_group(environ): return {value}\n")
    with process() as running:
        assert running.ask("/r", mod_wsgi__x_hook="dispatch", mod_wsgi__x_script=str(path)).status.startswith("500")


@pytest.mark.parametrize(("value", "said"), [("True", True), ("False", False), ("None", None)])
def test_an_access_script_is_asked(tmp_path: Path, value: str, said: bool | None) -> None:
    """Its answer comes back; the host is the client's address where no name is known."""
    path = script(
        tmp_path, "a", f"def allow_access(environ, host):\n    assert host == '192.0.2.1'\n    return {value}\n"
    )
    with process() as running:
        assert hook(running, path, "access") == {"allowed": said}


@pytest.mark.parametrize("source", ["", "def allow_access(e, h): return 1", "1/0"], ids=["none", "number", "broken"])
def test_an_access_script_that_does_not_answer_is_a_500(tmp_path: Path, source: str) -> None:
    """No answer is no permission."""
    path = script(tmp_path, "a", source)
    with process() as running:
        assert running.ask("/r", mod_wsgi__x_hook="access", mod_wsgi__x_script=str(path)).status.startswith("500")


def test_a_script_that_always_asks_to_be_reloaded_is_run_once_by_each_process(tmp_path: Path) -> None:
    """A successor has it loaded before its first request, which is the one that it was started for."""
    source = "def reload_required(resource): return True\ndef application(environ, start_response): ..."
    path = script(tmp_path, "one", source)
    target = Target(str(path), None, "application")
    applications = Applications(target)
    applications.load([target])
    route = applications.route({"SCRIPT_FILENAME": str(path)})
    assert not applications.any_outdated()
    assert not applications.is_outdated(route, 1.0)
    assert applications.any_outdated()
    assert applications.is_outdated(route, 2.0)
