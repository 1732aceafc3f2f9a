"""A configuration that is read again while clients are served: what changes, what stays, and that nothing is lost."""

import contextlib
import os
import signal
import socket
import threading
from collections.abc import Iterator

import psutil
import pytest

from tests.helpers.control import done, order
from tests.helpers.public import Public
from tests.helpers.server import wait_for
from tests.helpers.site import SiteServer, free_port, serving_site

SCRIPT = """
import os, time

def application(environ, start_response):
    time.sleep(float(environ["QUERY_STRING"] or 0))
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [f"{NAME} {environ['mod_wsgi.process_group']} {os.getpid()}".encode()]
"""
USER = "User nobody\n" if os.geteuid() == 0 else ""
ONE = """
CustomLog {site}/first.log common
WSGIDaemonProcess kept processes=1 threads=3
WSGIDaemonProcess one processes=1 threads=3
WSGIScriptAlias /kept {site}/kept.wsgi process-group=kept application-group=%{GLOBAL}
WSGIScriptAlias / {site}/one.wsgi process-group=one application-group=%{GLOBAL}
"""
TWO = """
Listen 127.0.0.1:{other}
CustomLog {site}/second.log common
WSGIDaemonProcess two processes=1 threads=3
WSGIDaemonProcess kept processes=1 threads=3
WSGIScriptAlias /kept {site}/kept.wsgi process-group=kept application-group=%{GLOBAL}
WSGIScriptAlias / {site}/two.wsgi process-group=two application-group=%{GLOBAL}
"""


class Site:
    """The running site, and the way to give it another configuration."""

    def __init__(self, running: SiteServer) -> None:
        self.running = running
        self.other = free_port()
        self.get = running.get

    def write(self, text: str) -> None:
        text = text.replace("{site}", str(self.running.directory)).replace("{other}", str(self.other))
        listen = f"Listen 127.0.0.1:{self.running.port}\n"
        self.running.configuration.write_text(listen + USER + text, encoding="utf-8")

    def reload(self) -> None:
        before = self.running.log().count("has been read again")
        os.kill(self.running.server.pid, signal.SIGHUP)
        wait_for(lambda: self.running.log().count("has been read again") > before, "the configuration to be read again")

    def change(self, text: str) -> None:
        self.write(text)
        self.reload()

    def answer(self, path: str = "/", query: str = "0") -> list[str]:
        answer = self.get(f"{path}?{query}")
        assert answer.status == 200, answer.raw
        return answer.text.split()

    def title(self, name: str) -> list[psutil.Process]:
        found = []
        for process in self.running.server.daemons():
            with contextlib.suppress(psutil.Error):  # it has just ended
                if process.cmdline()[0] == f"(wsgi:{name})":
                    found.append(process)
        return found


@pytest.fixture
def site(public: Public) -> Iterator[Site]:
    """The first configuration, served."""
    files = {f"{name}.wsgi": f"NAME = {name!r}\n{SCRIPT}" for name in ("kept", "one", "two")}
    with serving_site(USER + ONE, files, python=public.python, env=public.env) as running:
        yield Site(running)


def test_requests_go_where_the_new_configuration_says(site: Site) -> None:
    """A new process group serves, the one that is not named any more ends, and the new log is written."""
    assert site.answer()[:2] == ["one", "one"]
    site.change(TWO)
    wait_for(lambda: site.answer()[:2] == ["two", "two"], "the new group to serve")
    wait_for(lambda: not site.title("one"), "the old group to end")
    wait_for((site.running.directory / "second.log").read_text, "the new access log to be written")


def test_a_group_that_stays_as_it_was_keeps_its_processes(site: Site) -> None:
    """Whatever else changes."""
    before = site.answer("/kept")
    site.change(TWO)
    wait_for(lambda: site.answer()[0] == "two", "the new configuration to count")
    assert site.answer("/kept") == before


def test_a_group_that_has_changed_gets_new_processes(site: Site) -> None:
    """Its options are those of the new configuration."""
    before = site.answer("/kept")
    site.change(ONE.replace("kept processes=1 threads=3", "kept processes=2 threads=4"))
    wait_for(lambda: len(site.title("kept")) == 2, "the processes that are wanted now")
    wait_for(lambda: before[2] not in {str(process.pid) for process in site.title("kept")}, "the old process to end")


def test_a_configuration_that_has_not_changed_is_about_the_code(site: Site) -> None:
    """Every process is replaced."""
    before = site.answer("/kept")
    os.kill(site.running.server.pid, signal.SIGHUP)
    wait_for(lambda: site.answer("/kept") != before, "a new process")


def test_listeners_come_and_go(site: Site) -> None:
    """A port that is new is listened on, one that is not named any more refuses."""
    site.change(TWO)
    with socket.create_connection(("127.0.0.1", site.other), timeout=10):
        pass
    site.change(ONE)

    def refused() -> bool:
        with socket.socket() as sock:
            return sock.connect_ex(("127.0.0.1", site.other)) != 0

    wait_for(refused, "the port to be closed")
    wait_for(lambda: site.answer()[0] == "one", "the first configuration to count again")


def test_a_wrong_configuration_changes_nothing(site: Site) -> None:
    """Every error is told, and the server goes on as it was."""
    before = site.answer()
    site.write(TWO.replace("WSGIDaemonProcess two", "WSGIDeamonProcess two") + "Header set\n")
    os.kill(site.running.server.pid, signal.SIGHUP)
    wait_for(lambda: "the server goes on as it was" in site.running.log(), "the reload to fail")
    assert "did you mean WSGIDaemonProcess?" in site.running.log()
    assert "Header" in site.running.log()
    assert site.answer() == before


@pytest.mark.parametrize(
    ("line", "named"), [("PidFile {site}/other.pid", "PidFile"), ("ErrorLog {site}/other.log", "ErrorLog")]
)
def test_what_is_for_a_new_server_is_not_half_obeyed(site: Site, line: str, named: str) -> None:
    """The reload fails and says what to do instead."""
    site.write(ONE + line + "\n")
    os.kill(site.running.server.pid, signal.SIGHUP)
    wait_for(lambda: "is for a new server; restart it, or send SIGUSR2" in site.running.log(), "the reload to fail")
    assert f"a changed {named} " in site.running.log()
    assert not (site.running.directory / "other.pid").exists()
    assert site.answer()[0] == "one"


def test_a_request_of_a_group_that_goes_is_answered(site: Site) -> None:
    """It had been given to a process of the old configuration, which ends after it."""
    with site.running.connect() as sock:
        sock.sendall(b"GET /?1.5 HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        wait_for(lambda: "one.wsgi loaded" in site.running.log(), "the request to be running")
        site.change(TWO)
        wait_for(lambda: site.answer()[0] == "two", "the new configuration to count")
        received = b""
        while data := sock.recv(65536):
            received += data
    assert b"one one" in received


def test_a_reload_names_the_groups_whose_processes_are_replaced(public: Public) -> None:
    """The others keep theirs, also where a reload of them has failed before."""
    files = {f"{name}.wsgi": f"NAME = {name!r}\n{SCRIPT}" for name in ("kept", "one", "two")}
    with serving_site(USER + ONE, files, python=public.python, env=public.env, control=True) as running:
        site = Site(running)
        (running.directory / "kept.wsgi").write_text("1 / 0")
        assert "does not load" in order(running.server, "reload", "--wait").stderr
        site.write(ONE.replace("one processes=1", "one processes=2"))
        assert done(running.server, "reload", "--wait")["groups"] == ["one"]
        site.write(ONE.replace("one processes=1", "one processes=2") + "SetEnv A b\n")
        answer = order(running.server, "reload", "--wait")
        assert answer.stdout == "the configuration has been read again; no daemon process had to be replaced\n"


def test_who_waits_for_a_reload_waits_for_new_groups_as_well(public: Public) -> None:
    """What their scripts die of is what the reload fails with."""
    files = {f"{name}.wsgi": f"NAME = {name!r}\n{SCRIPT}" for name in ("kept", "one")} | {"two.wsgi": "1 / 0"}
    with serving_site(USER + ONE, files, python=public.python, env=public.env, control=True) as running:
        site = Site(running)
        site.write(TWO)
        finished = order(running.server, "reload", "--wait")
        assert finished.returncode == 1
        assert "process group two: " in finished.stderr
        assert "ZeroDivisionError" in finished.stderr


def test_a_listener_becomes_narrower_and_wider(site: Site) -> None:
    """Of the old and the new one, which have the port both for a while, the new one stays."""

    def listens(where: str) -> bool:
        try:
            with socket.create_connection((where, site.running.port)):
                return True
        except ConnectionRefusedError:
            return False

    assert not listens("127.0.0.2")
    for host, everywhere in (("0.0.0.0", True), ("127.0.0.1", False)) * 2:
        text = f"Listen {host}:{site.running.port}\n{USER}{ONE}".replace("{site}", str(site.running.directory))
        site.running.configuration.write_text(text)
        site.reload()
        wait_for(lambda everywhere=everywhere: listens("127.0.0.2") is everywhere, "the listener")  # type: ignore[misc]
        assert site.answer()[0] == "one"


def test_a_server_whose_last_process_group_goes_serves_files(site: Site) -> None:
    """That nothing can have processes is no fault where nothing is to."""
    site.running.directory.joinpath("page.txt").write_text("a page", encoding="utf-8")
    site.running.directory.joinpath("page.txt").chmod(0o644)
    assert site.answer()[0] == "one"
    site.change("DocumentRoot {site}\n<Directory {site}>\nRequire all granted\n</Directory>\n")
    wait_for(lambda: not site.running.server.daemons(), "the processes to have gone")
    assert site.get("/page.txt").text == "a page"
    assert "The server ends" not in site.running.log()


def test_nobody_is_reset_while_listeners_change(site: Site) -> None:
    """Also where process groups come and go, which takes the supervisor some time after the front was told."""
    stop = threading.Event()
    failed: list[str] = []
    answered = 0

    def ask() -> None:
        nonlocal answered
        while not stop.is_set():
            try:
                site.answer("/kept")
                answered += 1
            except (OSError, AssertionError) as error:
                failed.append(repr(error))

    asking = threading.Thread(target=ask)
    asking.start()
    try:
        for number in range(10):
            host = "127.0.0.1" if number % 2 else "0.0.0.0"
            text = (TWO if number % 2 else ONE).replace("{other}", str(site.other))
            text = f"Listen {host}:{site.running.port}\n{USER}{text}".replace("{site}", str(site.running.directory))
            site.running.configuration.write_text(text)
            site.reload()
            so_far = answered
            wait_for(lambda so_far=so_far: answered > so_far + 20, "answers")  # type: ignore[misc]
    finally:
        stop.set()
        asking.join()
    assert failed == []


def test_logs_of_former_configurations_are_closed(site: Site) -> None:
    """A front that is told a new configuration every day does not run out of descriptors."""
    for text in (TWO, ONE) * 3:
        site.change(text)
        name = "two" if text is TWO else "one"
        wait_for(lambda name=name: site.answer()[0] == name, "it to count")  # type: ignore[misc]
    front = site.running.server.front()
    directory = str(site.running.directory)

    def open_logs() -> list[str]:
        return [file.path for file in front.open_files() if file.path.startswith(directory)]

    wait_for(lambda: open_logs() == [f"{directory}/first.log"], "the others to be closed")


def test_no_request_fails_while_configurations_follow_each_other(site: Site) -> None:
    """With requests all the time, and each configuration the other's opposite."""
    failed: list[bytes] = []
    count = 0
    ended = threading.Event()

    def ask() -> None:
        nonlocal count
        while not ended.is_set():
            answer = site.get("/")
            if answer.status != 200:
                failed.append(answer.raw)
            count += 1

    threads = [threading.Thread(target=ask) for _ in range(3)]
    for thread in threads:
        thread.start()
    try:
        for text in (TWO, ONE) * 4:
            site.change(text)
            name = "two" if text is TWO else "one"
            wait_for(lambda name=name: site.answer()[0] == name, "it to count")  # type: ignore[misc]
    finally:
        ended.set()
        for thread in threads:
            thread.join()
    assert not failed, failed[:3]
    assert count > 20
