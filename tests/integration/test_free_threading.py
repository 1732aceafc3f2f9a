"""WSGIFreeThreading: an interpreter that can go without its GIL is told whether to; any other is not, and that is said.

No free-threaded Python is needed for most of it: one with a GIL plays the part, and notes what it is told. Where one
is to be found, it is served with.
"""

import shlex
import shutil
import sys
from concurrent.futures import ThreadPoolExecutor
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
REAL = shutil.which("python3.14t") or shutil.which("python3.13t")
# Computes for a while, so that requests run beside each other.
ECHO = """
import sys
def application(environ, start_response):
    body = environ["wsgi.input"].read()
    total = sum(number * number & 255 for number in range(5000))
    answer = b"gil %d %s" % (sys._is_gil_enabled(), body)
    start_response("200 OK", [("Content-Length", str(len(answer)))])
    return [answer]
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
        ("", "gil=1 PYTHON_GIL="),
        (f"{BLOCK}\nWSGIFreeThreading On\n</WSGIInterpreterOptions>", "gil=0 PYTHON_GIL="),
    ],
    ids=["on", "off", "unset", "of the group"],
)
def test_a_free_threaded_python_is_told(tmp_path: Path, home: Path, line: str, told: str) -> None:
    """By an option, which the application's own children do not inherit; without the directive it has a GIL."""
    notes = tmp_path / "notes"
    text = SITE.replace("HOME", f"python-home={home}")
    with serving_site(f"{line}\n{text}", {"app.wsgi": SCRIPT}, env={"NOTES": str(notes)}) as site:
        assert answers(site)
        assert notes.read_text(encoding="utf-8").strip() == told
        assert "WSGIFreeThreading" not in site.log()


@pytest.mark.parametrize(("line", "told"), [("", "none"), ("WSGIFreeThreading On", "gil=0 PYTHON_GIL=1")])
def test_the_environment_decides_where_the_configuration_does_not(
    tmp_path: Path, home: Path, line: str, told: str
) -> None:
    """PYTHON_GIL is what Python itself looks at; whoever has written the directive means it."""
    notes = tmp_path / "notes"
    text = SITE.replace("HOME", f"python-home={home}")
    environment = {"NOTES": str(notes), "PYTHON_GIL": "1"}
    with serving_site(f"{line}\n{text}", {"app.wsgi": SCRIPT}, env=environment) as site:
        assert answers(site)
        assert notes.read_text(encoding="utf-8").strip() == told


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


@pytest.mark.skipif(REAL is None, reason="no free-threaded Python is here (python3.13t, python3.14t)")
@pytest.mark.parametrize("application_group", ["%{GLOBAL}", "other"])
@pytest.mark.parametrize(("free", "gil"), [("On", 0), ("Off", 1)])
def test_requests_that_run_beside_each_other_get_their_own_answers(application_group: str, free: str, gil: int) -> None:
    """In the main interpreter and in a sub-interpreter, without a GIL and with one."""
    assert REAL is not None
    home = Path(REAL).resolve().parent.parent
    text = f"""WSGIFreeThreading {free}
WSGIDaemonProcess g threads=8 python-home={home}
WSGIScriptAlias / {{site}}/app.wsgi process-group=g application-group={application_group}
"""
    with serving_site(text, {"app.wsgi": ECHO}) as site, ThreadPoolExecutor(16) as clients:
        bodies = [f"{number} {'x' * (number % 7 * 5000)}" for number in range(800)]

        def ask(body: str) -> str:
            head = f"POST / HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: {len(body)}\r\n\r\n"
            return site.exchange((head + body).encode()).partition(b"\r\n\r\n")[2].decode()

        assert list(clients.map(ask, bodies)) == [f"gil {gil} {body}" for body in bodies]
