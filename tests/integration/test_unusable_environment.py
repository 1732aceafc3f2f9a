"""An environment that cannot be used is its own process group's trouble; the others are served."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.helpers.command import run
from tests.helpers.environments import make_environment
from tests.helpers.server import wait_for
from tests.helpers.site import SiteServer, free_port, serving_site
from tests.helpers.upgrade import end, upgrade

SCRIPT = """
def application(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [environ["mod_wsgi.process_group"].encode()]
"""
SITE = """
Listen 127.0.0.1:{port}
WSGIDaemonProcess mine threads=2
WSGIDaemonProcess theirs threads=2 queue-timeout=5 python-home={site}/venv
WSGIScriptAlias /theirs {site}/hello.wsgi process-group=theirs application-group=%{GLOBAL}
WSGIScriptAlias /late {site}/hello.wsgi process-group=theirs
WSGIScriptAlias / {site}/hello.wsgi process-group=mine application-group=%{GLOBAL}
"""
# As a virtual environment is when the Python that it was made with has been removed.
BROKEN = {"hello.wsgi": SCRIPT, "venv/bin": None}


@pytest.fixture
def site() -> Iterator[SiteServer]:
    """A site of two groups, of which one's environment cannot be used."""
    with serving_site(SITE, BROKEN) as site:
        yield site


def written(directory: Path, *lines: str) -> Path:
    """Write a configuration that nobody serves yet, and its script; return the configuration."""
    (directory / "hello.wsgi").write_text(SCRIPT, encoding="utf-8")
    configuration = directory / "site.conf"
    configuration.write_text("\n".join((f"Listen 127.0.0.1:{free_port()}", *lines, "")), encoding="utf-8")
    return configuration


def mend(site: SiteServer) -> None:
    """Make the environment anew."""
    make_environment(site.directory / "venv")


def reload(site: SiteServer) -> None:
    """Have the configuration read again; that it was is for the caller to see."""
    os.kill(site.server.pid, signal.SIGHUP)


def serves(site: SiteServer) -> bool:
    """Whether the group whose environment could not be used answers."""
    return site.get("/theirs").text == "theirs"


def test_the_others_are_served_when_a_server_starts(site: SiteServer) -> None:
    """Requests of the one are refused, not kept waiting; the log names it, its place and what to do."""
    assert site.get("/").text == "mine"
    answer = site.get("/theirs")
    assert answer.status == 503
    home = site.directory / "venv"
    assert f"{site.configuration}:4: process group 'theirs': python-home {home}: there is no bin/python" in site.log()
    assert "answered with 503 until that is mended and the server reloaded" in site.log()
    # It has been tried often enough by now, and the server has not ended for it.
    wait_for(lambda: "given up: mend what the messages above say" in site.log(), "the group to be given up")
    assert site.get("/").text == "mine"


def test_an_application_group_that_is_wanted_late_is_refused_at_once(site: SiteServer) -> None:
    """What is known to have no processes need not be waited for, also by the first who asks."""
    wait_for(lambda: "given up: mend what the messages above say" in site.log(), "the group to be given up")
    assert site.get("/late").status == 503
    assert site.get("/late").status == 503


def test_it_serves_once_it_has_been_mended_and_the_server_reloaded(site: SiteServer) -> None:
    """With the configuration as it was."""
    mend(site)
    reload(site)
    wait_for(lambda: serves(site), "its processes")
    # From now on it is one like any other.
    with site.configuration.open("a", encoding="utf-8") as file:
        file.write("WSGIDaemonProcess another threads=2\n")
    reload(site)
    wait_for(lambda: "of 3 process groups 1 are new and 0 changed" in site.log(), "the configuration to be read")
    assert site.log().count("answered with 503 until that is mended") == 1


def test_it_serves_once_it_has_been_mended_though_something_else_changes(site: SiteServer) -> None:
    """A reload that is for another group does not forget it."""
    wait_for(lambda: "given up: mend what the messages above say" in site.log(), "the group to be given up")
    mend(site)
    with site.configuration.open("a", encoding="utf-8") as file:
        file.write("WSGIDaemonProcess another threads=2\n")
    reload(site)
    wait_for(lambda: serves(site), "its processes")
    # Whether it counts as changed depends on what its Python offers, which nobody knew before.
    assert "of 3 process groups 1 are new and " in site.log()


def test_what_was_broken_before_does_not_keep_others_from_changing(site: SiteServer) -> None:
    """The configuration is read again, and the one stays as it is."""
    text = site.configuration.read_text(encoding="utf-8").replace("/theirs", "/changed")
    site.configuration.write_text(text, encoding="utf-8")
    reload(site)
    wait_for(lambda: "of 2 process groups 0 are new and 0 changed" in site.log(), "the configuration to be read")
    wait_for(lambda: site.get("/theirs").text == "mine", "the new alias")


def test_a_new_group_must_be_in_order_when_the_configuration_is_read_again(site: SiteServer) -> None:
    """The operator is there to read it, and what runs goes on as it was."""
    with site.configuration.open("a", encoding="utf-8") as file:
        file.write(f"WSGIDaemonProcess third threads=2 python-home={site.directory}/nothing\n")
    reload(site)
    wait_for(lambda: "nothing: this is not a directory" in site.log(), "the refusal")
    assert "the server goes on as it was" in site.log()
    assert site.get("/").text == "mine"


def test_a_server_that_takes_over_must_have_every_group_in_order(site: SiteServer) -> None:
    """The old one serves them all, perhaps: it stays."""
    os.kill(site.server.pid, signal.SIGUSR2)
    wait_for(lambda: "before it was ready. This one goes on as before" in site.log(), "the end of the upgrade")
    assert "the configuration has 1 error\n" in site.log()
    assert site.get("/").text == "mine"


def test_a_server_without_any_group_in_order_does_not_start(tmp_path: Path) -> None:
    """There would be nothing to serve; each group is named at once."""
    configuration = written(
        tmp_path,
        f"WSGIDaemonProcess one python-home={tmp_path}/first",
        f"WSGIDaemonProcess two python-home={tmp_path}/second",
        f"WSGIScriptAlias / {tmp_path}/hello.wsgi process-group=one",
    )
    checked = run("check", str(configuration))
    assert checked.returncode == 2
    assert f"{configuration}:3: error: WSGIDaemonProcess: python-home=: there is no directory" in checked.stdout
    result = run("serve", "--config", str(configuration))
    assert result.returncode == 2
    assert "has 2 errors" in result.stderr
    for line, name, home in ((2, "one", "first"), (3, "two", "second")):
        words = f"{configuration}:{line}: error: process group '{name}': python-home {tmp_path / home}: this is not a"
        assert words in result.stderr


def test_check_runs_each_interpreter_once(tmp_path: Path) -> None:
    """A hosting server has hundreds of environments, and several questions about each."""
    home = make_environment(tmp_path / "venv")
    executable = (home / "bin" / "python").resolve()
    (home / "bin" / "python").unlink()
    (home / "bin" / "python").write_text(f'#!/bin/sh\necho run >> {tmp_path}/runs\nexec {executable} "$@"\n', "utf-8")
    (home / "bin" / "python").chmod(0o755)
    configuration = written(
        tmp_path,
        f"WSGIDaemonProcess one python-home={home}",
        f"WSGIDaemonProcess two python-home={home}",
        "WSGIFreeThreading On",
        f"WSGIScriptAlias /a {tmp_path}/hello.wsgi process-group=one application-group=a",
        f"WSGIScriptAlias /b {tmp_path}/hello.wsgi process-group=one application-group=b",
        f"WSGIScriptAlias / {tmp_path}/hello.wsgi process-group=two application-group=%{{GLOBAL}}",
    )
    result = run("check", str(configuration))
    assert "WSGIFreeThreading: it has no effect" in result.stdout
    assert (tmp_path / "runs").read_text("utf-8") == "run\n"


def test_check_calls_an_interpreter_that_does_not_run_an_error(tmp_path: Path) -> None:
    """Whoever looks before a restart reads it, and so does a script that looks at the exit status."""
    (tmp_path / "venv" / "bin").mkdir(parents=True)
    configuration = written(
        tmp_path,
        f"WSGIDaemonProcess one python-home={tmp_path}/venv",
        f"WSGIScriptAlias / {tmp_path}/hello.wsgi process-group=one",
    )
    result = run("check", str(configuration))
    assert result.returncode == 2
    assert (
        f"{configuration}:2: error: WSGIDaemonProcess: python-home {tmp_path}/venv: there is no bin/p" in result.stdout
    )


def test_a_successor_listens_where_a_listener_has_just_left() -> None:
    """The front has it for half a second more; that is no reason to refuse an upgrade."""
    fine = SITE.replace(" python-home={site}/venv", "")
    extra = f"Listen 127.0.0.1:{free_port()}\n"
    with serving_site(extra + fine, BROKEN) as site:
        text = site.configuration.read_text(encoding="utf-8")
        site.configuration.write_text(text.replace(extra, ""), encoding="utf-8")
        reload(site)
        wait_for(lambda: "has been read again" in site.log(), "the listener to leave")
        site.configuration.write_text(text, encoding="utf-8")
        new = upgrade(site.server)
        try:
            assert "address already in use" not in site.log()
        finally:
            end(new)
