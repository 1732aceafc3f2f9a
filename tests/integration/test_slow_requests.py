"""Requests that take long are logged, where that is asked for."""

import re
from pathlib import Path

import pytest

from tests.helpers.server import serving, wait_for
from tests.helpers.site import serving_site

SCRIPT = """\
import time

def application(environ, start_response):
    if environ["PATH_INFO"].startswith("/slow"):
        time.sleep(0.3)
    if environ["PATH_INFO"] == "/slow/fails":
        raise ValueError("on purpose")
    start_response("200 OK", [("Content-Type", "text/plain")])
    if environ["PATH_INFO"] == "/slow/stream":
        return iter([b"a", b"b"])
    return [b"ok"]
"""


@pytest.fixture
def script(tmp_path: Path) -> Path:
    """Answers what begins with /slow after 0.3 s."""
    path = tmp_path / "app.wsgi"
    path.write_text(SCRIPT, encoding="utf-8")
    return path


def told(log: str) -> list[str]:
    """What the log says of slow requests: method and path, and the pid."""
    return [" ".join(found) for found in re.findall(r"\[warn\].* app: (\S+ \S+) took 0\.[3-9]\d+ s in pid (\d+)", log)]


def test_each_slow_request_is_logged_once(script: Path) -> None:
    """However it was answered; with the pid, and the request's id as in the other logs."""
    with serving(script, "--slow-requests", "200ms", "--processes", "1") as server:
        for path in ("/slow", "/fast", "/slow/stream", "/slow/fails", "/fast"):
            server.get(path)
        pid = server.daemons()[0].pid
        wait_for(lambda: "/slow/fails took" in server.log(), "the last of them")
        assert told(server.log()) == [f"GET {path} {pid}" for path in ("/slow", "/slow/stream", "/slow/fails")]
        assert re.search(
            r"\[request [0-9a-f]{16}\] process group app: GET /slow took .* \(slow-requests is 0\.2 s\)", server.log()
        )


def test_nobody_is_slow_where_nothing_is_asked_for(script: Path) -> None:
    """As under mod_wsgi the log is silent without the option."""
    with serving(script) as server:
        server.get("/slow")
        assert server.stop() == 0
        assert "took" not in server.log()


CONFIGURATION = """\
ServerName localhost
WSGIDaemonProcess app
WSGIDaemonProcess other slow-requests=0
WSGIScriptAlias /other {site}/app.wsgi process-group=other application-group=%{GLOBAL}
WSGIScriptAlias / {site}/app.wsgi process-group=app application-group=%{GLOBAL}
"""


@pytest.mark.parametrize(("line", "count"), [("WSGISlowRequests 0.2", 1), ("", 0)], ids=["all groups", "none"])
def test_the_configuration_says_it(line: str, count: int) -> None:
    """WSGISlowRequests counts for every group that says nothing of its own."""
    with serving_site(f"{line}\n{CONFIGURATION}", {"app.wsgi": SCRIPT}) as site:
        site.get("/other/slow")
        site.get("/slow")
        site.server.stop()
        log = site.log()
    assert len(told(log)) == count
    assert "group other: GET" not in log
