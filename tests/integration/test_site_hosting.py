"""A hosting server's site, run as root from the configuration in conf/: as httpd with mod_wsgi would run it."""

import json
import os
import pwd
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.helpers.public import Public
from tests.helpers.server import APPS, wait_for
from tests.helpers.site import Files, SiteServer, serving_site

pytestmark = [
    pytest.mark.root,
    pytest.mark.skipif(os.geteuid() != 0, reason="needs to be started as root"),
]
NOBODY = pwd.getpwnam("nobody")
CONFIGURATION = Path(__file__).parents[2] / "conf" / "hosting.conf"
OTHER = b"""
import os

def application(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain"), ("X-Pid", str(os.getpid()))])
    return [f"other {environ['SCRIPT_NAME']} {environ['PATH_INFO']}".encode()]
"""


@pytest.fixture(scope="module")
def site(public: Public) -> Iterator[SiteServer]:
    """The site of conf/hosting.conf with its paths and its port replaced, and nobody in the place of jack."""
    text = CONFIGURATION.read_text("utf-8")
    text = text.replace("/srv/www.site.com", "{site}").replace("*:80", "*:{port}").replace("user=jack", "user=nobody")
    files: Files = {
        "logs": None,
        "lib/customers_module.py": "NAME = 'of the customer'\n",
        "htdocs/site.wsgi": APPS / "life_report.py",
        "htdocs/other.wsgi": OTHER,
        "htdocs/page.html": "<p>a page</p>\n",
        "htdocs/images/logo.svg": "<svg/>\n",
        "secret.txt": "not of the site\n",
    }
    with serving_site(text, files, python=public.python, env=public.env) as site:
        # The customer's link to what another user owns.
        os.symlink("../secret.txt", site.directory / "htdocs" / "foreign.txt")
        os.lchown(site.directory / "htdocs" / "foreign.txt", NOBODY.pw_uid, NOBODY.pw_gid)
        os.symlink("page.html", site.directory / "htdocs" / "own.html")
        yield site


def report(site: SiteServer, path: str, *headers: str) -> dict[str, Any]:
    answer = site.get(path, *headers)
    assert answer.status == 200, answer.raw
    result: dict[str, Any] = json.loads(answer.text)
    return result


@pytest.mark.parametrize(
    ("path", "media_type", "body"),
    [
        ("/page.html", "text/html", "<p>a page</p>\n"),
        ("/images/logo.svg", "image/svg+xml", "<svg/>\n"),
        ("/own.html", "text/html", "<p>a page</p>\n"),
    ],
)
def test_an_existing_file_is_served(site: SiteServer, path: str, media_type: str, body: str) -> None:
    answer = site.get(path)
    assert (answer.status, answer.header("Content-Type"), answer.text) == (200, media_type, body)


@pytest.mark.parametrize(("path", "body"), [("/other.wsgi", "other /other.wsgi "), ("/other.wsgi/a/b", "/a/b")])
def test_an_existing_script_runs(site: SiteServer, path: str, body: str) -> None:
    answer = site.get(path)
    assert answer.status == 200
    assert answer.text.endswith(body)


def test_anything_else_goes_to_the_one_script(site: SiteServer) -> None:
    """With the path in PATH_INFO and the client's query, whatever the path is."""
    # The last two are names that no file can have.
    too_long = "/" + "x" * 300 + "/confirm", "/" + "y/" * 3000
    for path in ("/", "/blog/2026/", "/page.htm", "/images/none.svg", "/a%20b", *too_long):
        environ = report(site, path + "?page=2")["environ"]
        assert environ["SCRIPT_NAME"] == "/site.wsgi"
        assert environ["PATH_INFO"] == path.replace("%20", " ")
        assert environ["QUERY_STRING"] == "page=2"
        assert environ["REQUEST_URI"] == path + "?page=2"
        assert environ["SCRIPT_FILENAME"] == f"{site.directory}/htdocs/site.wsgi"
        assert environ["DOCUMENT_ROOT"] == f"{site.directory}/htdocs"


def test_it_runs_as_the_user_in_two_processes_of_25_threads(site: SiteServer) -> None:
    """Each script, for without WSGIApplicationGroup each is kept apart (`%{RESOURCE}`)."""
    pid = report(site, "/who")["pid"]
    site.get("/other.wsgi")
    title = " ".join(psutil.Process(pid).cmdline())

    def daemons_of_script() -> list[psutil.Process]:
        return [process for process in site.server.daemons() if " ".join(process.cmdline()) == title]

    wait_for(lambda: len(daemons_of_script()) == 2, "both processes of the script")
    daemons = daemons_of_script()
    for process in (*daemons, site.server.front()):
        assert set(process.uids()) == {NOBODY.pw_uid}
        assert set(process.gids()) == {NOBODY.pw_gid}
    assert psutil.Process(site.server.pid).uids().real == 0
    told = report(site, "/who")
    assert told["pid"] in {process.pid for process in daemons}
    assert told["status"]["Uid"] == [str(NOBODY.pw_uid)] * 4
    assert told["multiprocess"] is True
    assert told["environ"]["mod_wsgi.process_group"] == "jack-1"
    assert f"{site.directory}/lib" in told["path"]
    assert site.server.banner()["processes"] == ["2 × 25 threads, group jack-1"]


def test_a_link_to_what_somebody_else_owns_is_refused(site: SiteServer) -> None:
    """SymLinksIfOwnerMatch; the rule does not get it either, for it is a file."""
    assert site.get("/foreign.txt").status == 403


def test_a_name_without_its_extension_finds_the_file(site: SiteServer) -> None:
    """MultiViews; the answer says what was chosen."""
    answer = site.get("/page")
    assert (answer.status, answer.text) == (200, "<p>a page</p>\n")
    assert answer.header("Content-Location") == "page.html"


def test_its_requests_are_in_its_own_log(site: SiteServer) -> None:
    """In httpd's common format, in the file that CustomLog names."""
    site.get("/page.html?logged=yes")
    log = site.directory / "logs" / "access_log"
    wait_for(lambda: "logged=yes" in log.read_text("utf-8"), "the line")
    line = next(line for line in log.read_text("utf-8").splitlines() if "logged=yes" in line)
    assert re.fullmatch(r'127\.0\.0\.1 - - \[[^]]+\] "GET /page\.html\?logged=yes HTTP/1\.1" 200 14', line)


def test_a_touched_script_is_reloaded_by_new_processes(site: SiteServer) -> None:
    """WSGIReloadMechanism Process: the first request after the change is answered by the new code."""
    script = site.directory / "htdocs" / "other.wsgi"
    before = site.get("/other.wsgi")
    assert before.text == "other /other.wsgi "
    script.write_bytes(OTHER.replace(b'f"other', b'f"new'))
    os.utime(script, (1, 1))
    assert site.get("/other.wsgi").text == "new /other.wsgi "
    wait_for(
        lambda: int(before.header("X-Pid") or 0) not in {process.pid for process in site.server.daemons()},
        "the end of the process that has the old code",
    )
    assert site.get("/other.wsgi").text == "new /other.wsgi "
