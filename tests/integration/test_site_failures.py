"""What a site does when something fails under it: a process that dies, a client that goes, files that run out."""

from pathlib import Path

from tests.helpers.server import wait_for
from tests.helpers.site import serving_site

SCRIPT = """
import os

def application(environ, start_response):
    if environ["PATH_INFO"] == "/die":
        os._exit(3)
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"sorry" if environ.get("REDIRECT_STATUS") == "502" else b"here"]
"""
CONFIGURATION = """
WSGIDaemonProcess site processes=2 threads=2
WSGIScriptAlias / {site}/app.wsgi process-group=site application-group=%{GLOBAL}
ErrorDocument 502 /sorry
"""
FILES = """
Alias /files {site}/files
<Directory {site}>
    Require all granted
</Directory>
"""


def test_the_error_document_for_a_process_that_died_is_answered_by_another_of_its_group() -> None:
    """It is asked for while the channel of the dead process is still being cleared."""
    with serving_site(CONFIGURATION, {"app.wsgi": SCRIPT}) as site:
        answers = [site.get("/die") for _ in range(3)]
        assert [answer.text for answer in answers] == 3 * ["sorry"]


def test_a_file_whose_client_goes_away_is_in_the_access_log_with_what_it_got(tmp_path: Path) -> None:
    """As the answer of an application is, and as under httpd."""
    log = tmp_path / "access.log"
    size = 64 * 1024 * 1024
    configuration = f'{FILES}CustomLog {log} "%r %X %B"\n'
    with serving_site(configuration, {"files/large.bin": bytes(size)}) as site:
        with site.connect() as sock:
            sock.sendall(b"GET /files/large.bin HTTP/1.1\r\nHost: test\r\n\r\n")
            assert sock.recv(1000)
        wait_for(lambda: log.read_text("ascii").endswith("\n"), "the record")
    target, status, count = log.read_text("ascii").rsplit(" ", 2)
    assert (target, status) == ("GET /files/large.bin HTTP/1.1", "X")
    assert 0 < int(count) < size
