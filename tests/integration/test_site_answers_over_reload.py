"""Requests that began under one configuration and end under another: they are the old one's to the end."""

import os
import signal

from tests.helpers.server import Answer, read_all, wait_for
from tests.helpers.site import Files, serving_site

WAITING = """
import os, time

def _wait(path):
    open(path + ".began", "w").close()
    while not os.path.exists(path + ".go"):
        time.sleep(0.01)

def application(environ, start_response):
    _wait(__file__)
    start_response("503 Busy", [("Content-Type", "text/plain")])
    return [b"the application's"]

def process_group(environ):
    _wait(__file__ + ".asked")
    return "old"
"""
NEW = """
Listen 127.0.0.1:{port}
WSGIDaemonProcess new threads=2
WSGIProcessGroup new
WSGIScriptAlias /new {site}/new.wsgi
"""
# The last of many hosts: the new configuration has no host of its number.
OLD = (
    """
Listen 127.0.0.1:{port}
WSGIDaemonProcess old threads=2
WSGIProcessGroup old
WSGIApplicationGroup %{GLOBAL}
"""
    + "".join(f"<VirtualHost *:{{port}}>\nServerName host{number}.example\n</VirtualHost>\n" for number in range(5))
    + """
<VirtualHost *:{port}>
    ServerName last.example
    WSGIScriptAlias /error {site}/waiting.wsgi
    WSGIScriptAlias /asked {site}/waiting.wsgi
    WSGIErrorOverride On
    DocumentRoot {site}/htdocs
    ErrorDocument 503 /busy.html
    <Location /asked>
        WSGIDispatchScript {site}/waiting.wsgi
    </Location>
</VirtualHost>
"""
)
HELLO = """
def application(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"new"]
"""


def test_requests_that_have_begun_are_answered_by_the_configuration_that_they_began_with() -> None:
    """Its error documents, its hosts; and a request that has lost its process group meanwhile is told to come again."""
    files: Files = {"waiting.wsgi": WAITING, "new.wsgi": HELLO, "htdocs/busy.html": "the old host's"}
    with serving_site(OLD, files) as site:
        site.directory.chmod(0o777)
        script = site.directory / "waiting.wsgi"
        with site.connect() as failing, site.connect() as asking:
            for sock, path in ((failing, "/error"), (asking, "/asked")):
                sock.sendall(f"GET {path} HTTP/1.1\r\nHost: last.example\r\nConnection: close\r\n\r\n".encode())
            for name in ("waiting.wsgi.began", "waiting.wsgi.asked.began"):
                wait_for((site.directory / name).exists, name)
            text = NEW.replace("{site}", str(site.directory)).replace("{port}", str(site.port))
            site.configuration.write_text(text)
            os.kill(site.server.pid, signal.SIGHUP)
            wait_for(lambda: site.get("/new").status == 200, "the new configuration")
            script.with_name("waiting.wsgi.go").touch()
            script.with_name("waiting.wsgi.asked.go").touch()
            answer = Answer(read_all(failing))
            assert (answer.status, answer.text) == (503, "the old host's")
            assert Answer(read_all(asking)).status in {200, 503}
        assert "Traceback" not in site.log()
