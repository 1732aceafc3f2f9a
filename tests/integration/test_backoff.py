"""A script that keeps failing is tried again after growing delays, and clients are told so."""

from pathlib import Path

from tests.helpers.server import serving, wait_for

DEADLY = "import os\nos._exit(3)\n"
GOOD = """
def application(environ, start_response):
    start_response("200 OK", [("Content-Length", "2")])
    return [b"ok"]
"""


def test_requests_are_refused_while_the_script_kills_its_process(tmp_path: Path) -> None:
    """No request waits for what will not come: 503 with Retry-After; and all is well once the script is mended."""
    script = tmp_path / "app.wsgi"
    script.write_text(DEADLY)
    with serving(script) as server:
        waited = server.get()
        assert waited.status == 503
        assert int(waited.header("Retry-After") or "0") >= 1
        assert server.get().status == 503
        assert "(failure 3 in a row)" in server.log()
        script.write_text(GOOD)
        wait_for(lambda: server.get().status == 200, "the mended script")


def test_a_request_waits_through_a_single_failed_start(tmp_path: Path) -> None:
    """What is over with the next attempt is not shown to clients."""
    script = tmp_path / "app.wsgi"
    first = "import os\nif not os.path.exists(__file__ + '.seen'):\n    open(__file__ + '.seen', 'w').close()\n"
    script.write_text(first + "    os._exit(3)\n" + GOOD)
    with serving(script) as server:
        assert server.get().status == 200
        assert "(failure 1 in a row)" in server.log()
