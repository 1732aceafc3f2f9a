"""application-groups=interpreters: application groups in sub-interpreters of the process group's processes."""

import json
import os
import signal
import threading
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Self

import pytest

from tests.helpers.command import run
from tests.helpers.control import done, order
from tests.helpers.environments import interpreter, make_environment, site_packages
from tests.helpers.server import APPS, Answer, wait_for
from tests.helpers.site import SiteServer, serving_site

SCRIPTS = ("one", "two", "shared", "main-a", "main-b", "early")
FILES: dict[str, Any] = {f"{name}.wsgi": APPS / "interpreter_actions.py" for name in SCRIPTS}
FILES["refused.wsgi"] = """
import _curses

def application(environ, start_response):
    start_response("200 OK", [])
    return []
"""
CONFIGURATION = """
ServerName site.test
WSGIDaemonProcess g threads=2 application-groups=interpreters python-home={python} OPTIONS
WSGIProcessGroup g
WSGIPerInterpreterGIL On
<WSGIInterpreterOptions application-group=shared>
    WSGIPerInterpreterGIL Off
</WSGIInterpreterOptions>
WSGIScriptAlias /one {site}/one.wsgi
WSGIScriptAlias /two {site}/two.wsgi
WSGIScriptAlias /refused {site}/refused.wsgi
WSGIScriptAlias /shared {site}/shared.wsgi application-group=shared
WSGIScriptAlias /shared-refused {site}/refused.wsgi application-group=shared
WSGIScriptAlias /main-a {site}/main-a.wsgi application-group=%{GLOBAL}
WSGIScriptAlias /main-b {site}/main-b.wsgi application-group=%{GLOBAL}
WSGIScriptAlias /early {site}/early.wsgi process-group=g application-group=early
"""
SEVERAL = ("/one", "/two", "/shared", "/main-a", "/early")


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An environment whose Python has sub-interpreters, readable for everybody as far as its own files go."""
    return make_environment(tmp_path_factory.mktemp("environment") / "venv", interpreter("3.13"))


def configured(python: Path, options: str = "") -> str:
    return CONFIGURATION.replace("{python}", str(python)).replace("OPTIONS", options)


@pytest.fixture(scope="module")
def site(python: Path) -> Iterator[SiteServer]:
    """For tests that leave the process as it is."""
    with serving_site(configured(python), FILES, control=True) as site:
        yield site


def get(site: SiteServer, path: str) -> Answer:
    return Answer(site.exchange(f"GET {path} HTTP/1.1\r\nHost: site.test\r\nConnection: close\r\n\r\n".encode()))


def ask(site: SiteServer, path: str) -> dict[str, Any]:
    """Return what the script says."""
    answer = get(site, path)
    assert answer.status == 200, answer.raw
    told: dict[str, Any] = json.loads(answer.text)
    return told


def status(site: SiteServer) -> dict[str, Any]:
    """Return what `status` tells of the process group."""
    [group] = json.loads(order(site.server, "status", "--json").stdout)["result"]["groups"]
    found: dict[str, Any] = group
    return found


class Clients:
    """Requests in threads of their own."""

    def __init__(self, site: SiteServer, *paths: str) -> None:
        self._site = site
        self.statuses: Counter[int] = Counter()
        self.over = threading.Event()
        self._threads = [threading.Thread(target=self._run, args=(path,)) for path in paths]

    def _run(self, path: str) -> None:
        while True:
            self.statuses[get(self._site, path).status] += 1
            if self.over.is_set():
                return

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self.over.set()
        for thread in self._threads:
            thread.join()


# -- what is apart, and what is not


def test_application_groups_share_a_process_and_no_module(site: SiteServer) -> None:
    """Each has its own modules and path; the path is that of the environment, without anything of ours."""
    told = {path: ask(site, path) for path in SEVERAL}
    assert len({one["pid"] for one in told.values()}) == len(site.server.daemons()) == 1
    assert told["/one"]["loaded"] == ["one.wsgi"]
    assert told["/two"]["loaded"] == ["two.wsgi"]
    assert told["/one"]["group"] == f"site.test:{site.port}|/one"
    assert told["/early"]["group"] == "early"
    for one in told.values():
        assert one["path"] == told["/main-a"]["path"]
        assert not [entry for entry in one["path"] if "pydaemonwsgi" in entry and "site" not in entry]


def test_the_main_interpreter_is_for_global(site: SiteServer) -> None:
    """Its scripts share their modules, and it takes extension modules that no sub-interpreter takes."""
    ask(site, "/main-a")
    assert ask(site, "/main-b")["loaded"] == ["main-a.wsgi", "main-b.wsgi"]
    assert ask(site, "/main-b")["group"] == ""
    assert ask(site, "/main-a?load=faulthandler") == {"module": "faulthandler"}


def test_thread_locals_last_as_long_as_the_thread(site: SiteServer) -> None:
    """Not as long as a request: of five requests one of two threads has had three."""
    assert max(ask(site, "/two")["count"] for _ in range(5)) >= 3


def test_an_extension_module_that_refuses_is_named_with_the_cure(site: SiteServer) -> None:
    """When the script is loaded and when a request imports it; without a GIL of its own it is taken."""
    assert get(site, "/refused").status == 500
    assert get(site, "/one?load=_curses").status == 500
    notes = [line for line in site.log().splitlines() if "The extension module _curses refuses" in line]
    for path in ("/refused", "/one"):
        [note] = [line for line in notes if f"application group site.test:{site.port}|{path}:" in line][:1]
        for cure in ("WSGIApplicationGroup %{GLOBAL}", "application-groups=processes", "WSGIPerInterpreterGIL Off"):
            assert cure in note
    assert f"script {site.directory}/refused.wsgi could not be loaded" in site.log()
    assert get(site, "/shared-refused").status == 200


@pytest.mark.parametrize("path", ["/one", "/shared", "/main-a"])
def test_forks_are_refused_and_programs_are_run(site: SiteServer, path: str) -> None:
    """What CPython would kill without a word raises, and says which option to change."""
    for action in ("fork", "preexec=true"):
        refusal = ask(site, f"{path}?{action}")["error"]
        assert "is refused" in refusal
        assert "application-groups=processes" in refusal
    assert ask(site, f"{path}?run=echo") == {"output": "ran\n"}


def test_frames_are_those_of_the_interpreter(site: SiteServer) -> None:
    """CPython's own sys._current_frames ends the process, once the threads that it has looked at go on."""
    before = ask(site, "/main-a")["pid"]
    for path in SEVERAL:
        ask(site, path)
    for path in SEVERAL * 2:
        told = ask(site, f"{path}?frames")
        assert told["own"]
        assert told["threads"] <= 3 + (len(status(site)["interpreters"]) if path == "/main-a" else 0)
    assert {ask(site, path)["pid"] for path in SEVERAL * 2} == {before}


def test_the_commands_show_interpreters(site: SiteServer, tmp_path: Path) -> None:
    """`status`, `ps` and `dump` tell them apart; a command for one of them says what it takes along."""
    ask(site, "/one")
    shown = {one["application_group"]: one for one in status(site)["interpreters"]}
    name = f"site.test:{site.port}|/one"
    assert shown[name]["requests"] >= 1
    assert shown["early"]["loaded"]
    assert status(site)["requests"] >= shown[name]["requests"]
    slow = threading.Thread(target=ask, args=(site, f"/one?wait={tmp_path}/gate"))
    slow.start()
    wait_for(lambda: [one for one in status(site)["interpreters"] if one["busy"]], "the slow request")
    assert f"g|{name}" in order(site.server, "ps").stdout
    dump = order(site.server, "dump").stdout
    (tmp_path / "gate").touch()
    slow.join()
    assert "in wait" in dump.partition(f"application group {name}\n")[2].partition("daemon process")[0]
    assert name in order(site.server, "status").stdout
    refused = order(site.server, "restart", f"g|{name}")
    assert refused.returncode == 2
    assert "say g (application-groups=interpreters)" in refused.stderr


# -- the life of the process


def test_a_killed_process_costs_what_it_was_running_in_any_interpreter(python: Path) -> None:
    """Those requests get 502, the record names their application groups, and the next requests have another process."""
    with serving_site(configured(python), FILES) as site:
        pid = ask(site, "/one")["pid"]
        ask(site, "/two")
        with Clients(site, "/one?sleep=20", "/main-a?sleep=20") as clients:
            clients.over.set()
            wait_for(lambda: len(running(site)) == 2, "both requests")
            os.kill(pid, signal.SIGKILL)
        assert clients.statuses == {502: 2}
        assert {ask(site, path)["pid"] for path in SEVERAL}.isdisjoint({pid})
        wait_for(lambda: "in the application group" in site.log(), "the record")
        record = site.log().partition("was killed by SIGKILL")[2]
        assert record.index("in the application group %{GLOBAL}:") < record.index("GET /main-a?sleep=20")
        assert record.index(f"in the application group site.test:{site.port}|/one:") < record.index("GET /one?sleep=20")


def running(site: SiteServer) -> list[int]:
    """Return the threads of the daemon processes that sleep in a request."""
    found = []
    for process in site.server.daemons():
        for thread in process.threads():
            path = Path(f"/proc/{process.pid}/task/{thread.id}/wchan")
            if path.exists() and "nanosleep" in path.read_text("ascii"):
                found.append(thread.id)
    return found


def test_nothing_is_lost_when_processes_come_and_go(python: Path) -> None:
    """A restart and a touched script replace the process, and all its interpreters with it."""
    with serving_site(configured(python), FILES, control=True) as site:
        for path in SEVERAL:
            ask(site, path)
        with Clients(site, *(f"{path}?sleep=0.01" for path in SEVERAL)) as clients:
            done(site.server, "restart", "g", "--wait")
            before = ask(site, "/two")["pid"]
            os.utime(site.directory / "two.wsgi", (1, 1))
            assert ask(site, "/two")["pid"] != before
            wait_for(lambda: site.log().count("exited with status 0") == 2, "the end of both")
        assert clients.statuses.keys() == {200}
        assert "Fatal Python error" not in site.log()


def test_maximum_requests_counts_those_of_all_interpreters(python: Path) -> None:
    """Ten, of which none has had half."""
    with serving_site(configured(python, "maximum-requests=10"), FILES, control=True) as site:
        pid = ask(site, "/one")["pid"]
        for path in ("/two", "/main-a", "/shared", "/early"):
            ask(site, path)
        assert "maximum_requests" not in site.log()
        for path in SEVERAL:
            ask(site, path)
        wait_for(lambda: "is to be replaced: maximum_requests" in site.log(), "the replacement")
        wait_for(lambda: ask(site, "/one")["pid"] != pid, "the successor")


def test_a_request_that_does_not_end_gets_504_and_its_process_ends_in_order(python: Path) -> None:
    """The log says where it is; when the process ends, atexit functions run in each of its interpreters."""
    with serving_site(configured(python, "request-timeout=0.5"), FILES) as site:
        for path in SEVERAL:
            ask(site, path)
        assert get(site, "/two?sleep=20").status == 504
        assert "time.sleep(float(argument))" in site.log()
        wait_for(lambda: "exited with status 0" in site.log(), "the end of the process")
        for group in ("main", "early", "shared", *(f"site.test:{site.port}|{path}" for path in ("/one", "/two"))):
            assert f"atexit of {group}" in site.log()
        assert "Fatal Python error" not in site.log()


def test_an_interpreter_that_stands_still_is_noticed_though_the_others_go_on(python: Path) -> None:
    """It has a GIL of its own; the log has its stacks."""
    with serving_site(configured(python, "deadlock-timeout=2 processes=2"), FILES) as site:
        ask(site, "/one")
        held = threading.Thread(target=get, args=(site, "/two?hold=30"))
        held.start()
        answered = 0
        while "given no sign of life" not in site.log():
            answered += get(site, "/one").status == 200
        held.join()
        assert answered > 10
        assert "in hold" in site.log()
        wait_for(lambda: "deadlock_timeout" in site.log(), "the record of its end")


def test_an_interpreter_that_cannot_be_opened_concerns_its_application_group_only(tmp_path: Path) -> None:
    """Requests for it get 503, the main interpreter goes on, and another attempt succeeds."""
    environment = make_environment(tmp_path / "venv", interpreter("3.13"))
    # In a sub-interpreter, whose thread is not the process's main one, nothing of ours can be imported.
    broken = site_packages(environment) / "sitecustomize.py"
    threads = "_thread.get_ident() != _thread._get_main_thread_ident()"
    broken.write_text(f"import sys, _thread\nif {threads}:\n    sys.modules['select'] = None\n", "utf-8")
    with serving_site(configured(environment), FILES) as site:
        pid = ask(site, "/main-a")["pid"]
        assert get(site, "/one").status == 503
        assert ask(site, "/main-b")["pid"] == pid
        assert f"no interpreter can be opened for the application group 'site.test:{site.port}|/one'" in site.log()
        broken.unlink()
        wait_for(lambda: get(site, "/one").status == 200, "another attempt")
        assert ask(site, "/one")["pid"] == pid


def test_the_server_stops_in_order_with_requests_running(python: Path) -> None:
    """In the main interpreter and in another; both are answered, and the process ends with status 0."""
    with serving_site(configured(python), FILES) as site:
        for path in SEVERAL:
            ask(site, path)
        with Clients(site, "/one?sleep=0.7", "/main-a?sleep=0.7") as clients:
            clients.over.set()
            wait_for(lambda: len(running(site)) == 2, "both requests")
            started = time.monotonic()
            site.server.process.send_signal(signal.SIGTERM)
        assert clients.statuses == {200: 2}
        assert site.server.process.wait(30) == 0
        assert time.monotonic() - started < 15
        assert "exited with status 0" in site.log()
        assert site.log().count("atexit of") == len(SEVERAL)
        assert "Fatal Python error" not in site.log()


def test_a_new_configuration_may_choose_processes(python: Path) -> None:
    """Every request is answered meanwhile, and by the new ones at the end."""
    paths = ("/one", "/two", "/main-a")
    with serving_site(configured(python), FILES) as site:
        [before] = {ask(site, path)["pid"] for path in paths}
        text = site.configuration.read_text("utf-8").replace(
            "application-groups=interpreters", "application-groups=processes"
        )
        site.configuration.write_text(text, "utf-8")
        with Clients(site, *(f"{path}?sleep=0.01" for path in paths)) as clients:
            site.server.process.send_signal(signal.SIGHUP)
            wait_for(lambda: "exited with status 0" in site.log(), "the end of the process")
            after = [ask(site, path)["pid"] for path in paths]
        assert len({before, *after}) == 4
        assert clients.statuses.keys() == {200}


@pytest.mark.parametrize(("version", "processes"), [("3.13", 1), ("3.11", 2)])
def test_several_application_groups_share_a_process_where_their_python_lets_them(
    tmp_path: Path, version: str, processes: int
) -> None:
    """As under mod_wsgi, without being told to; elsewhere each has a process of its own."""
    home = make_environment(tmp_path / "venv", interpreter(version))
    text = f"""
ServerName site.test
WSGIDaemonProcess g threads=2 python-home={home}
WSGIProcessGroup g
WSGIScriptAlias /one {{site}}/one.wsgi
WSGIScriptAlias /two {{site}}/two.wsgi
"""
    with serving_site(text, FILES) as site:
        told = [ask(site, path) for path in ("/one", "/two")]
        assert len({one["pid"] for one in told}) == processes


# -- before anything is started


def test_a_python_without_sub_interpreters_is_refused(tmp_path: Path) -> None:
    """By `check` and by `serve`; both say what to do."""
    old = make_environment(tmp_path / "venv", interpreter("3.11"))
    configuration = tmp_path / "site.conf"
    configuration.write_text("Listen 127.0.0.1:8099\n" + configured(old).replace("{site}", str(tmp_path)), "utf-8")
    for command in (("check", str(configuration)), ("serve", "--config", str(configuration))):
        result = run(*command)
        assert result.returncode == 2, result
        told = result.stdout + result.stderr
        assert "needs CPython 3.13 or newer, and this is Python 3.11" in told
        assert "leave application-groups out" in told


def test_check_and_explain_say_what_an_application_group_runs_as(python: Path, tmp_path: Path) -> None:
    """In which processes, and with which GIL."""
    configuration = tmp_path / "site.conf"
    text = configured(python, "processes=2").replace("{site}", str(tmp_path))
    configuration.write_text(f"Listen 127.0.0.1:8099\n{text}", "utf-8")
    checked = run("check", str(configuration)).stdout
    phrase = "a sub-interpreter in each of its 2 processes, with 2 threads and"
    assert f"application group site.test:8099|/one: {phrase} a GIL of its own" in checked
    assert f"application group shared: {phrase} the GIL of the main one" in checked
    assert "application group %{GLOBAL}: the main interpreter of its processes" in checked
    (tmp_path / "one.wsgi").write_text("", "utf-8")
    assert f"{phrase} a GIL of its own" in run("explain", str(configuration), "/one").stdout


def test_preload_and_interpreters_exclude_each_other() -> None:
    """What is forked from a preload parent could have none of its interpreters."""
    result = run("serve", str(APPS / "app_group.py"), "--application-groups", "interpreters", "--preload")
    assert result.returncode == 2
    assert "--preload and --application-groups interpreters exclude each other" in result.stderr
