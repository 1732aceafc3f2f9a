"""Application groups of one process group, as a configuration has them: what they share, and what they do not."""

import functools
import json
import os
import signal
import sys
import threading
from collections.abc import Iterator
from typing import Any

import psutil
import pytest

from tests.helpers.command import started
from tests.helpers.control import done, order
from tests.helpers.server import APPS, Answer, wait_for
from tests.helpers.site import SiteServer, free_port, serving_site

SCRIPTS = ("one", "two", "three", "main-a", "main-b", "early", "late", "other", "optioned")
FILES = {f"{name}.wsgi": APPS / "app_group.py" for name in SCRIPTS}
CONFIGURATION = """
ServerName site.test
WSGIDaemonProcess apart threads=2 application-groups=processes
WSGIDaemonProcess shared threads=2 application-groups=processes
WSGIDaemonProcess early threads=2 application-groups=processes
WSGIDaemonProcess hosts threads=2 application-groups=processes maximum-application-groups=2

WSGIScriptAlias /one {site}/one.wsgi process-group=apart
WSGIScriptAlias /two {site}/two.wsgi process-group=apart
WSGIScriptAlias /three {site}/three.wsgi process-group=apart
WSGIScriptAlias /optioned {site}/optioned.wsgi process-group=apart
WSGIScriptAlias /host {site}/other.wsgi process-group=hosts application-group=%{HOST}

WSGIScriptAlias /main-a {site}/main-a.wsgi process-group=shared application-group=%{GLOBAL}
WSGIScriptAlias /main-b {site}/main-b.wsgi process-group=shared application-group=%{GLOBAL}

WSGIImportScript {site}/early.wsgi process-group=early application-group=first
WSGIScriptAlias /late {site}/late.wsgi process-group=early application-group=second
WSGIScriptAlias /main-of-early {site}/main-a.wsgi process-group=early

<Location /optioned>
    WSGIApplicationGroup gewählt
</Location>
<WSGIInterpreterOptions process-group=apart application-group=gewählt>
    WSGIRestrictStdin On
    WSGIPythonPath {site}/optioned
</WSGIInterpreterOptions>
"""


@pytest.fixture
def site() -> Iterator[SiteServer]:
    with serving_site(CONFIGURATION, FILES | {"optioned": None}, control=True) as site:
        yield site


def get(site: SiteServer, path: str, host: str) -> Answer:
    return Answer(site.exchange(f"GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode()))


def ask(site: SiteServer, path: str, host: str = "test") -> dict[str, Any]:
    """Return what the script says of itself."""
    answer = get(site, path, host)
    assert answer.status == 200, answer.raw
    told: dict[str, Any] = json.loads(answer.text)
    return told


def groups(site: SiteServer) -> dict[str, dict[str, Any]]:
    """Return what `status` tells of each process group and partition, by name."""
    found = json.loads(order(site.server, "status", "--json").stdout)["result"]["groups"]
    return {group["name"]: group for group in found}


def titles(site: SiteServer) -> set[str]:
    return {" ".join(process.cmdline()).rstrip() for process in site.server.daemons()}


def test_two_application_groups_share_nothing(site: SiteServer) -> None:
    """Each script has its own, for %{RESOURCE} is the default; the first gets the processes that are there already."""
    before = {process.pid for process in site.server.daemons()}
    one, two, again = ask(site, "/one"), ask(site, "/two"), ask(site, "/one")
    assert one["loaded"] == again["loaded"] == ["one.wsgi"]
    assert two["loaded"] == ["two.wsgi"]
    assert one["pid"] == again["pid"] != two["pid"]
    assert one["pid"] in before
    for told, name in ((one, "/one"), (two, "/two")):
        assert told["environ"] == told["module"] == f"site.test:{site.port}|{name}"
        assert told["process_group"] == "apart"
    assert f"(wsgi:apart:site.test:{site.port}|/two)" in titles(site)


def test_the_main_interpreter_is_shared(site: SiteServer) -> None:
    """Scripts with %{GLOBAL} find each other's modules, in the one process of the group."""
    first, second = ask(site, "/main-a"), ask(site, "/main-b")
    assert first["pid"] == second["pid"]
    assert second["loaded"] == ["main-a.wsgi", "main-b.wsgi"]
    assert first["environ"] == first["module"] == ""
    assert "shared" in groups(site)
    assert not [name for name in groups(site) if name.startswith("shared|")]


def test_scripts_are_loaded_early_where_their_application_group_runs(site: SiteServer) -> None:
    """Before any request; the one that is imported first has the group's own processes, the others theirs."""
    assert groups(site)["early"]["application_group"] == "first"
    assert groups(site)["early|second"]["running"] == 1
    assert ask(site, "/late")["loaded"] == ["late.wsgi"]
    main = ask(site, "/main-of-early")
    assert main["loaded"] == ["main-a.wsgi"]
    assert "early.wsgi" in site.log()


def test_options_are_those_of_the_application_group(site: SiteServer) -> None:
    """It never gets the processes that were started without them."""
    optioned = ask(site, "/optioned")
    assert optioned["stdin"] == "forbidden"
    # Of what is not ASCII the application sees bytes, as everywhere in the environ.
    assert optioned["environ"] == optioned["module"] == "gewählt".encode().decode("latin-1")
    assert f"{site.directory}/optioned" in optioned["path"]
    one = ask(site, "/one")
    assert one["stdin"] == "usable"
    assert f"{site.directory}/optioned" not in one["path"]
    assert groups(site)["apart"]["application_group"] == f"site.test:{site.port}|/one"


def test_first_requests_wait_for_their_processes(site: SiteServer) -> None:
    """Many at once for several new application groups: each is answered, and each group is made once."""
    told: list[dict[str, Any]] = []

    def client(path: str) -> None:
        told.append(ask(site, path))

    clients = [threading.Thread(target=client, args=(path,)) for path in ["/one", "/two", "/three"] * 5]
    for thread in clients:
        thread.start()
    for thread in clients:
        thread.join()
    assert len(told) == 15
    assert len({one["pid"] for one in told}) == 3
    assert sum(name.startswith("apart") for name in groups(site)) == 3


def test_beyond_the_limit_requests_get_500_and_the_log_says_the_cure(site: SiteServer) -> None:
    """Once a minute, for clients may choose the names; those that are there go on."""
    for name in ("a.test", "b.test"):
        assert ask(site, "/host", name)["environ"] == f"{name}:{site.port}"
    for name in ("c.test", "d.test", "x" * 2000):
        assert get(site, "/host", name).status == 500
    assert ask(site, "/host", "b.test")["environ"] == f"b.test:{site.port}"
    assert site.log().count("(maximum-application-groups)") == 1
    assert "WSGIApplicationGroup %{GLOBAL}" in site.log()
    assert "raise the limit" in site.log()


def test_a_killed_process_has_a_successor_in_its_application_group(site: SiteServer) -> None:
    one, two = ask(site, "/one"), ask(site, "/two")
    os.kill(two["pid"], signal.SIGKILL)
    os.kill(one["pid"], signal.SIGKILL)
    for path, before in (("/one", one), ("/two", two)):
        after = ask(site, path)
        assert after["pid"] != before["pid"]
        assert after["loaded"] == before["loaded"]
        assert after["module"] == before["module"]


def test_a_new_front_is_told_where_requests_go(site: SiteServer) -> None:
    """The processes outlive it, and so does what each of them is for."""
    one, two = ask(site, "/one"), ask(site, "/two")
    front = site.server.front()
    front.kill()
    wait_for(lambda: not psutil.pid_exists(front.pid), "the end of the front")
    wait_for(lambda: "front" in [child.name()[-5:] for child in psutil.Process(site.server.pid).children()], "another")
    assert ask(site, "/two")["pid"] == two["pid"]
    assert ask(site, "/one")["pid"] == one["pid"]


def test_a_touched_script_replaces_only_processes_of_its_application_group(site: SiteServer) -> None:
    one, two = ask(site, "/one"), ask(site, "/two")
    os.utime(site.directory / "two.wsgi", (1, 1))
    assert ask(site, "/two")["pid"] != two["pid"]
    assert ask(site, "/one")["pid"] == one["pid"]


def test_commands_take_a_process_group_or_one_application_group(site: SiteServer) -> None:
    one, two = ask(site, "/one"), ask(site, "/two")
    name = f"apart|site.test:{site.port}|/two"
    assert done(site.server, "restart", name, "--wait") == {"groups": [name]}
    assert ask(site, "/one")["pid"] == one["pid"]
    restarted = ask(site, "/two")["pid"]
    assert restarted != two["pid"]
    assert done(site.server, "restart", "apart", "--wait") == {"groups": ["apart", name]}
    assert ask(site, "/one")["pid"] != one["pid"]
    assert ask(site, "/two")["pid"] != restarted

    done(site.server, "scale", name, "2", "--wait")
    assert {one["size"] for one in groups(site).values() if one["name"] == "apart"} == {1}
    assert groups(site)[name]["running"] == 2
    done(site.server, "scale", "apart", "3", "--wait")
    assert groups(site)[name]["running"] == groups(site)["apart"]["running"] == 3
    # Whoever comes later is as many.
    ask(site, "/three")
    assert groups(site)[f"apart|site.test:{site.port}|/three"]["size"] == 3
    # The group's own processes have the application group's name too.
    assert done(site.server, "scale", f"apart|site.test:{site.port}|/one", "1", "--wait")["before"] == 3
    assert groups(site)[name]["size"] == 3


def change(site: SiteServer, text: str, *, drop: str = "") -> None:
    """Put more into the configuration, take the lines out that begin so, and have it read again."""
    lines = site.configuration.read_text("utf-8").splitlines()
    kept = [line for line in lines if not drop or not line.startswith(drop)]
    more = text.replace("{site}", str(site.directory))
    site.configuration.write_text("\n".join([*kept, more, ""]), "utf-8")
    before = site.log().count("has been read again")
    os.kill(site.server.pid, signal.SIGHUP)
    wait_for(lambda: site.log().count("has been read again") > before, "the new configuration")


def test_a_changed_process_group_keeps_its_application_groups(site: SiteServer) -> None:
    """Each of them has new processes with the new options, and knows whose they are; nothing is lost meanwhile."""
    one, two, main = ask(site, "/one"), ask(site, "/two"), ask(site, "/main-a")
    change(site, "WSGIDaemonProcess apart threads=3 processes=2", drop="WSGIDaemonProcess apart")
    wait_for(lambda: ask(site, "/one")["pid"] != one["pid"] and ask(site, "/two")["pid"] != two["pid"], "new processes")
    wait_for(
        lambda: {(g["running"], g["threads"]) for n, g in groups(site).items() if n[:5] == "apart"} == {(2, 3)}, "2"
    )
    for path, before in (("/one", one), ("/two", two)):
        after = ask(site, path)
        assert after["module"] == after["environ"] == before["environ"]
        assert after["loaded"] == before["loaded"]
    assert ask(site, "/main-a")["pid"] == main["pid"]


def test_what_a_new_configuration_loads_early_is_loaded_early(site: SiteServer) -> None:
    """In an application group that there was not before."""
    change(site, "WSGIImportScript {site}/other.wsgi process-group=early application-group=third")
    wait_for(lambda: groups(site)["early|third"]["running"] == 1, "the processes of the new application group")
    wait_for(lambda: "other.wsgi loaded" in site.log(), "the script to be loaded")
    assert ask(site, "/late")["environ"] == "second"


def test_a_process_group_goes_with_all_of_its_application_groups(site: SiteServer) -> None:
    """A request that one of them runs is finished first."""
    ask(site, "/one")
    ask(site, "/two")
    told: list[dict[str, Any]] = []
    slow = threading.Thread(target=lambda: told.append(ask(site, "/two?sleep=1")))
    slow.start()
    wait_for(lambda: groups(site)[f"apart|site.test:{site.port}|/two"]["busy"] == 1, "the slow request")
    head, _, _ = site.configuration.read_text("utf-8").partition("<Location")
    site.configuration.write_text("\n".join(line for line in head.splitlines() if "apart" not in line), "utf-8")
    change(site, "")
    slow.join()
    assert told[0]["loaded"] == ["two.wsgi"]
    wait_for(lambda: not [name for name in groups(site) if name.startswith("apart")], "the group to go")
    wait_for(lambda: not [title for title in titles(site) if "apart" in title], "its processes to end")
    assert ask(site, "/main-a")["process_group"] == "shared"


IMPATIENT = "import sys, pydaemonwsgi.front.partitions as p; p._UNUSED = 0.2; from pydaemonwsgi.cli import main; "


def test_who_is_unused_makes_room_for_who_is_wanted(site: SiteServer) -> None:
    """Its processes end, and are started again when it is wanted again; no request is lost in any of it."""
    # A server of its own, in which nothing has to be unused for long.
    command = [sys.executable, "-c", f"{IMPATIENT}sys.exit(main(sys.argv[1:]))", "serve", "--control-socket", "off"]
    text = site.configuration.read_text("utf-8").replace(f":{site.port}", f":{free_port()}")
    configuration = site.directory / "impatient.conf"
    configuration.write_text(text, "utf-8")
    with started(*command, "--config", str(configuration)) as server:
        other = SiteServer(site.directory, configuration, server)
        seen: dict[str, set[int]] = {name: set() for name in ("a.test", "b.test", "c.test")}

        def has_room(name: str) -> bool:
            return get(other, "/host", name).status == 200

        for _ in range(3):
            for name, pids in seen.items():
                wait_for(functools.partial(has_room, name), f"room for {name}")
                told = ask(other, "/host", name)
                assert told["environ"] == f"{name}:{other.port}"
                pids.add(told["pid"])
        # The base stays; the others took turns.
        assert len(seen["a.test"]) == 1
        assert len(seen["b.test"]) == len(seen["c.test"]) == 3
        wait_for(lambda: sum(title.startswith("(wsgi:hosts:") for title in titles(other)) == 1, "the others to end")


def test_a_server_that_stops_answers_what_waits_for_its_first_processes(site: SiteServer) -> None:
    """A request that had come before goes through although its application group had none."""
    told: list[int] = []
    slow = threading.Thread(target=lambda: told.append(get(site, "/one?sleep=0.5", "test").status))
    ask(site, "/two")
    slow.start()
    wait_for(lambda: "apart|" in site.log(), "the request to be wanted")
    site.server.process.send_signal(signal.SIGTERM)
    slow.join()
    assert told == [200]
    assert site.server.process.wait(30) == 0


HANDLER = """
import signal
signal.signal(signal.SIGUSR1, lambda number, frame: print("own handler"))

def application(environ, start_response):
    start_response("200 OK", [])
    return []
"""


def test_signals_are_an_application_groups_own_where_it_is_said() -> None:
    """WSGIRestrictSignal Off: the handler that an early script installs is called; elsewhere it is not installed."""
    text = """
    WSGIDaemonProcess g threads=1 application-groups=processes
    WSGIImportScript {site}/handler.py process-group=g application-group=free
    WSGIImportScript {site}/handler.py process-group=g application-group=%{GLOBAL}
    <WSGIInterpreterOptions application-group=free>
        WSGIRestrictSignal Off
    </WSGIInterpreterOptions>
    """
    with serving_site(text, {"handler.py": HANDLER}, control=True) as site:
        wait_for(lambda: all(group["running"] for group in groups(site).values()), "the processes")
        free, main = ([process["pid"] for process in groups(site)[name]["processes"]] for name in ("g|free", "g"))
        os.kill(free[0], signal.SIGUSR1)
        wait_for(lambda: "own handler" in site.log(), "the handler")
        assert site.log().count("handler for signal 10 is not installed") == 1
        os.kill(main[0], signal.SIGUSR1)
        wait_for(lambda: groups(site)["g"]["processes"][0]["pid"] != main[0], "the eviction")
        assert groups(site)["g|free"]["processes"][0]["pid"] == free[0]
        assert site.log().count("own handler") == 1


def test_preloaded_application_groups_have_a_parent_each(site: SiteServer) -> None:
    """It is asked for its processes when it is wanted, and forks those that follow with the script loaded."""
    change(site, "WSGIDaemonProcess apart threads=2 preload=On", drop="WSGIDaemonProcess apart")
    one, two = ask(site, "/one"), ask(site, "/two")
    assert one["pid"] != two["pid"]
    for told, path in ((one, "/one"), (two, "/two")):
        assert told["module"] == told["environ"] == f"site.test:{site.port}|{path}"
        os.kill(told["pid"], signal.SIGKILL)
    for told, path in ((one, "/one"), (two, "/two")):
        after = ask(site, path)
        assert after["pid"] != told["pid"]
        assert (after["module"], after["loaded"]) == (told["module"], told["loaded"])
