"""WSGIDispatchScript and WSGIAccessScript: what a script says decides, and a script that fails decides nothing."""

import json
import os
import signal
from collections.abc import Iterator
from typing import Any

import pytest

from tests.helpers.server import APPS, PATIENCE, Answer, wait_for
from tests.helpers.site import Files, SiteServer, serving_site

CONFIGURATION = """
WSGIDaemonProcess one threads=3
WSGIDaemonProcess two threads=3
WSGIDaemonProcess three threads=3
WSGIProcessGroup one
WSGIApplicationGroup %{GLOBAL}
DocumentRoot {site}/htdocs
WSGIScriptAlias /app {site}/app.wsgi
WSGIScriptAlias /dispatched {site}/app.wsgi
WSGIScriptAlias /broken-dispatch {site}/app.wsgi
WSGIScriptAlias /restricted {site}/app.wsgi
WSGIScriptAlias /asked {site}/app.wsgi
WSGIScriptAlias /broken-access {site}/app.wsgi
ErrorDocument 403 "no entry"
ErrorDocument 413 /app/too-large
<Location /dispatched>
    WSGIDispatchScript {site}/dispatch.py
</Location>
<Location /broken-dispatch>
    WSGIDispatchScript {site}/broken.py
</Location>
<Location /restricted>
    WSGIDispatchScript {site}/dispatch.py
    WSGIRestrictProcess one two
</Location>
<Location /asked>
    WSGIAccessScript {site}/access.py
    SetEnv SECRET of-the-configuration
</Location>
<Location /broken-access>
    WSGIAccessScript {site}/broken.py
</Location>
<Location /files>
    WSGIAccessScript {site}/access.py
</Location>
<Location /limited>
    LimitRequestBody 10
</Location>
WSGIScriptAlias /limited {site}/app.wsgi
"""

DISPATCH = """
import os, signal, time

def _asked(environ, name):
    values = dict(item.split("=", 1) for item in environ["QUERY_STRING"].split("&") if "=" in item)
    return values.get(name)

def process_group(environ):
    assert "wsgi.input" not in environ
    said = _asked(environ, "group")
    if said == "raise":
        raise RuntimeError("the dispatch script failed on purpose")
    if said == "number":
        return 3
    if said == "die":
        os.kill(os.getpid(), signal.SIGKILL)
    if said == "wait":
        open(environ["SCRIPT_FILENAME"] + ".asked", "w").close()
        while not os.path.exists(environ["SCRIPT_FILENAME"] + ".go"):
            time.sleep(0.01)
    return said and said.encode()

def callable_object(environ):
    return _asked(environ, "callable")
"""

ACCESS = """
def allow_access(environ, host):
    assert "SECRET" not in environ and "HTTP_AUTHORIZATION" not in environ
    assert host == environ["REMOTE_ADDR"] == "127.0.0.1"
    return {"yes": True, "no": False, "": None, "number": 7}[environ.get("HTTP_X_SAY", "")]
"""


@pytest.fixture(scope="module")
def site() -> Iterator[SiteServer]:
    """A site whose places are asked about."""
    files: Files = {
        "app.wsgi": APPS / "site_report.wsgi",
        "dispatch.py": DISPATCH,
        "access.py": ACCESS,
        "broken.py": "1/0",
        "htdocs/files/a.txt": "a file\n",
    }
    with serving_site(CONFIGURATION, files) as site:
        for path in (site.directory, *site.directory.iterdir()):
            path.chmod(0o777 if path.is_dir() else 0o644)
        yield site


def report(answer: Answer) -> dict[str, Any]:
    assert answer.status == 200, answer.raw
    result: dict[str, Any] = json.loads(answer.text)
    return result


# -- dispatch


@pytest.mark.parametrize(
    ("query", "group", "name"),
    [
        ("", "one", "application"),
        ("group=two", "two", "application"),
        ("group=two&callable=other", "two", "other"),
        ("callable=other", "one", "other"),
    ],
)
def test_a_dispatch_script_says_who_answers(site: SiteServer, query: str, group: str, name: str) -> None:
    """What it does not say stays as it is configured."""
    told = report(site.get(f"/dispatched/a?{query}"))
    assert (told["mod_wsgi.process_group"], told["callable"], told["PATH_INFO"]) == (group, name, "/a")


def test_a_dispatch_script_is_asked_for_each_request(site: SiteServer) -> None:
    """Also on a connection that is kept alive, and for requests that were sent ahead."""
    request = "GET /dispatched/{}?group={} HTTP/1.1\r\nHost: test\r\n{}\r\n"
    groups = ["two", "one", "three", "two"]
    wire = "".join(request.format(number, group, "") for number, group in enumerate(groups[:-1]))
    wire += request.format(3, groups[-1], "Connection: close\r\n")
    answers = site.exchange(wire.encode()).split(b"HTTP/1.1 200 OK")[1:]
    found = [json.loads(answer.partition(b"\r\n\r\n")[2]) for answer in answers]
    assert [one["mod_wsgi.process_group"] for one in found] == groups
    assert [one["PATH_INFO"] for one in found] == ["/0", "/1", "/2", "/3"]


def test_a_body_goes_where_the_dispatch_script_says(site: SiteServer) -> None:
    told = report(site.get("/dispatched/?group=two", method="POST", body=b"x" * 200_000))
    assert (told["mod_wsgi.process_group"], len(told["BODY"])) == ("two", 200_000)


def test_a_head_is_dispatched_too(site: SiteServer) -> None:
    """The question has an answer with a body, although the client's has none."""
    answer = site.get("/dispatched/?group=two", method="HEAD")
    assert (answer.status, answer.rest) == (200, b"")


@pytest.mark.parametrize("query", ["group=raise", "group=number", "group=nobody"])
def test_a_dispatch_script_that_fails_is_500(site: SiteServer, query: str) -> None:
    assert site.get(f"/dispatched/?{query}").status == 500


def test_a_dispatch_script_that_does_not_load_is_500(site: SiteServer) -> None:
    assert site.get("/broken-dispatch/").status == 500
    assert "ZeroDivisionError" in site.log()


def test_a_group_that_is_not_allowed_is_500(site: SiteServer) -> None:
    """WSGIRestrictProcess guards what dispatch scripts say."""
    assert report(site.get("/restricted/?group=two"))["mod_wsgi.process_group"] == "two"
    assert site.get("/restricted/?group=three").status == 500


def test_a_dispatch_script_that_kills_its_process_is_502(site: SiteServer) -> None:
    """And the next one is asked in the next process."""
    assert site.get("/dispatched/?group=die").status == 502
    assert report(site.get("/dispatched/?group=two"))["mod_wsgi.process_group"] == "two"


def test_a_client_that_leaves_while_a_script_is_asked_is_forgotten(site: SiteServer) -> None:
    """Its request is never run, and the others go on."""
    asked, go = (site.directory / f"app.wsgi.{name}" for name in ("asked", "go"))
    with site.connect() as sock:
        sock.sendall(b"GET /dispatched/gone?group=wait HTTP/1.1\r\nHost: test\r\n\r\n")
        wait_for(asked.exists, "the question")
    assert report(site.get("/dispatched/?group=two"))["mod_wsgi.process_group"] == "two"
    go.touch()
    assert site.get("/app/").status == 200


def test_a_changed_dispatch_script_is_loaded_in_its_place(site: SiteServer) -> None:
    script = site.directory / "dispatch.py"
    script.write_text(DISPATCH.replace('_asked(environ, "callable")', '"other"'))
    os.utime(script, (1, 1))
    assert report(site.get("/dispatched/"))["callable"] == "other"
    script.write_text(DISPATCH)
    assert report(site.get("/dispatched/"))["callable"] == "application"


# -- access


@pytest.mark.parametrize(("said", "status"), [("yes", 200), ("", 200), ("no", 403), ("number", 403), ("raise", 403)])
@pytest.mark.parametrize("path", ["/asked/", "/files/a.txt"])
def test_an_access_script_says_who_may(site: SiteServer, path: str, said: str, status: int) -> None:
    """Anything but permission or no opinion is a refusal; files are asked about as well."""
    answer = site.get(path, f"X-Say: {said}", "Authorization: Basic YTpi")
    assert answer.status == status
    if status == 403:
        assert answer.text == "no entry"


def test_what_is_not_there_is_asked_about_too(site: SiteServer) -> None:
    """Who may not see a place does not learn what is in it."""
    assert [site.get("/files/none", f"X-Say: {said}").status for said in ("yes", "no")] == [404, 403]


def test_an_access_script_that_does_not_load_denies(site: SiteServer) -> None:
    assert site.get("/broken-access/").status == 403


def test_a_denied_upload_is_not_read(site: SiteServer) -> None:
    """Nor are its bytes taken for another request: the connection ends."""
    smuggled = b"GET /app/smuggled HTTP/1.1\r\nHost: test\r\n\r\n"
    head = b"POST /asked/ HTTP/1.1\r\nHost: test\r\nX-Say: no\r\nContent-Length: %d\r\n\r\n" % len(smuggled)
    received = site.exchange(head + smuggled)
    assert received.startswith(b"HTTP/1.1 403 ")
    assert received.count(b"HTTP/1.1 ") == 1


def test_a_client_that_waits_for_continue_is_told_of_the_denial(site: SiteServer) -> None:
    head = b"POST /asked/ HTTP/1.1\r\nHost: test\r\nX-Say: no\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n"
    with site.connect() as sock:
        sock.sendall(head)
        sock.settimeout(PATIENCE)
        assert sock.recv(65536).startswith(b"HTTP/1.1 403 ")


def test_a_body_that_was_refused_is_no_request(site: SiteServer) -> None:
    """Although an application shows the error and the client would go on."""
    smuggled = b"GET /app/smuggled HTTP/1.1\r\nHost: test\r\n\r\n"
    head = b"POST /limited/ HTTP/1.1\r\nHost: test\r\nContent-Length: %d\r\n\r\n" % len(smuggled)
    received = site.exchange(head + smuggled)
    assert received.startswith(b"HTTP/1.1 ")
    assert b"/too-large" in received
    assert b"/smuggled" not in received
    assert received.count(b"HTTP/1.1 2") + received.count(b"HTTP/1.1 4") == 1


def test_a_process_that_is_killed_while_it_is_asked_is_replaced(site: SiteServer) -> None:
    embedded = [process for process in site.server.daemons() if "embedded" in " ".join(process.cmdline())]
    for process in embedded:
        process.send_signal(signal.SIGKILL)
    assert site.get("/asked/").status in {200, 502}
    wait_for(lambda: site.get("/asked/").status == 200, "an answer by the next process")
