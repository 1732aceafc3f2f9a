"""WSGIFreeThreading: an interpreter that can go without its GIL is told whether to; any other is not, and that is said.

No free-threaded Python is needed: one with a GIL plays the part, and notes what it is told.
"""

import shlex
import sys
from pathlib import Path

import pytest

from tests.helpers.server import wait_for
from tests.helpers.site import SiteServer, serving_site

SCRIPT = """
def application(environ, start_response):
    start_response("200 OK", [("Content-Length", "3")])
    return [b"yes"]
"""
# It says that it can go without a GIL, and is then executed with the options that a real one understands.
FREE = f"""\
#!/bin/sh
python={shlex.quote(sys.executable)}
case "$1" in
-c) code=$2; shift 2
    exec "$python" -c "import sysconfig; sysconfig.get_config_vars()['Py_GIL_DISABLED'] = 1
$code" "$@" ;;
-X) echo "$2 PYTHON_GIL=$PYTHON_GIL" > "$NOTES"; shift 2 ;;
*) echo none > "$NOTES" ;;
esac
exec "$python" "$@"
"""
SITE = """
WSGIDaemonProcess g threads=1 HOME
WSGIScriptAlias / {site}/app.wsgi process-group=g application-group=%{GLOBAL}
"""
BLOCK = "<WSGIInterpreterOptions process-group=g>"


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """An installation whose Python says that it is a free-threaded build."""
    python = tmp_path / "free" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.write_text(FREE, encoding="utf-8")
    python.chmod(0o755)
    return tmp_path / "free"


def answers(site: SiteServer) -> bool:
    return site.get("/").text == "yes"


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("WSGIFreeThreading On", "gil=0 PYTHON_GIL="),
        ("WSGIFreeThreading Off", "gil=1 PYTHON_GIL="),
        ("", "none"),
        (f"{BLOCK}\nWSGIFreeThreading On\n</WSGIInterpreterOptions>", "gil=0 PYTHON_GIL="),
    ],
    ids=["on", "off", "unset", "of the group"],
)
def test_a_free_threaded_python_is_told(tmp_path: Path, home: Path, line: str, told: str) -> None:
    """By an option, which the application's own children do not inherit; without the directive it does as it likes."""
    notes = tmp_path / "notes"
    text = SITE.replace("HOME", f"python-home={home}")
    with serving_site(f"{line}\n{text}", {"app.wsgi": SCRIPT}, env={"NOTES": str(notes)}) as site:
        assert answers(site)
        assert notes.read_text(encoding="utf-8").strip() == told
        assert "WSGIFreeThreading" not in site.log()


def test_a_python_with_a_gil_is_told_nothing_and_the_log_says_so() -> None:
    """It would refuse to start; the warning has file and line, at the start and at a reload."""
    with serving_site(f"WSGIFreeThreading On\n{SITE.replace('HOME', '')}", {"app.wsgi": SCRIPT}) as site:
        warning = (
            f"{site.configuration}:2: warning: WSGIFreeThreading: it has no effect for the process group 'g': it runs "
            f"Python {'.'.join(map(str, sys.version_info[:3]))}, which is no free-threaded build; name an environment"
        )
        assert answers(site)
        assert warning in site.log()
        site.configuration.write_text(site.configuration.read_text("utf-8") + "\nServerAdmin jack@site.test\n", "utf-8")
        site.server.process.send_signal(1)
        wait_for(lambda: site.log().count(warning) == 2, "the reload")
        assert answers(site)
