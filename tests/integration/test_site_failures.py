"""What a site does when something fails under it: a process that dies, a client that goes, files that run out."""

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


def test_the_error_document_for_a_process_that_died_is_answered_by_another_of_its_group() -> None:
    """It is asked for while the channel of the dead process is still being cleared."""
    with serving_site(CONFIGURATION, {"app.wsgi": SCRIPT}) as site:
        answers = [site.get("/die") for _ in range(3)]
        assert [answer.text for answer in answers] == 3 * ["sorry"]
