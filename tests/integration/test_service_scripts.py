"""threads=0: a script that runs on the main thread of a process of its own, and takes no requests."""

import os
import signal
import sys
from pathlib import Path

import psutil
import pytest

from tests.helpers.command import CommandServer, started
from tests.helpers.control import order
from tests.helpers.server import Server, wait_for
from tests.helpers.site import serving_site

LOOP = """
import os, signal, sys, threading, time
print("argv", sys.argv, "main", threading.current_thread() is threading.main_thread(), "pid", os.getpid())
try:
    while True:
        time.sleep(0.05)
finally:
    print("cleaned up")
"""


def serve(tmp_path: Path, source: str, *options: str) -> list[str]:
    """Write a service script, and return the command that serves it."""
    script = tmp_path / "service.py"
    script.write_text(source, "utf-8")
    serving = [sys.executable, "-m", "pydaemonwsgi", "serve", str(script), "--port", "0"]
    return [*serving, "--threads", "0", *options]


def services(server: Server) -> list[psutil.Process]:
    """Return its service processes."""
    return server.daemons()


def said(server: CommandServer, words: str) -> int:
    """How often the log has these words."""
    return server.log().count(words)


def test_the_script_runs_on_the_main_thread_and_takes_no_requests(tmp_path: Path) -> None:
    """It has the title of its group and nothing listens there: requests get 503 at once."""
    with started(*serve(tmp_path, LOOP)) as server:
        wait_for(lambda: said(server, "argv ['mod_wsgi'] main True"), "the script")
        assert len(services(server)) == 1
        assert services(server)[0].num_threads() == 1
        answer = server.get()
        assert (answer.status, answer.header("Retry-After")) == (503, "60")


def test_sigterm_is_an_exception_in_the_script(tmp_path: Path) -> None:
    """The script's finally runs, the log has no traceback, and the server stops in order."""
    with started(*serve(tmp_path, LOOP)) as server:
        wait_for(lambda: said(server, "main True"), "the script")
        assert server.stop() == 0
        assert said(server, "cleaned up") == 1
        assert said(server, "Traceback") == 0


def test_the_stack_of_the_script_can_be_seen(tmp_path: Path) -> None:
    """`pydaemonwsgi dump` has it written to the error log, because nothing in the process could answer."""
    with started(*serve(tmp_path, LOOP)) as server:
        wait_for(lambda: said(server, "main True"), "the script")
        told = order(server, "dump")
        assert told.returncode == 1
        assert "it runs a service script; its stacks are in the error log" in told.stderr
        wait_for(lambda: said(server, 'service.py", line'), "the stack")
        assert len(services(server)) == 1


def test_the_scripts_own_handlers_are_its_own(tmp_path: Path) -> None:
    """signal.signal is real; before it is called, SIGINT, SIGHUP, SIGUSR1 and SIGUSR2 do nothing."""
    source = LOOP.replace("try:", "signal.signal(signal.SIGUSR2, lambda n, f: print('heard', n))\ntry:", 1)
    with started(*serve(tmp_path, source)) as server:
        wait_for(lambda: said(server, "main True"), "the script")
        process = services(server)[0]
        for number in (signal.SIGINT, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2):
            process.send_signal(number)
        wait_for(lambda: said(server, f"heard {signal.SIGUSR2.value}"), "the handler")
        assert services(server) == [process]


@pytest.mark.parametrize(
    ("end", "record"),
    [
        ("pass", "has come to its end"),
        ("sys.exit(3)", "exited with status 3"),
        ("sys.exit('enough')", "enough"),
        ("1 / 0", "ZeroDivisionError"),
        ("os.kill(os.getpid(), signal.SIGKILL)", "was killed by SIGKILL"),
    ],
)
def test_a_script_that_ends_is_started_again_later_and_later(tmp_path: Path, end: str, record: str) -> None:
    """However it ends, the log says how, and that it is started again."""
    with started(*serve(tmp_path, f"import os, signal, sys\nprint('begins')\n{end}\n")) as server:
        wait_for(lambda: said(server, "begins") >= 3, "three starts")
        assert said(server, record)
        assert said(server, "the service script has ended")
        assert said(server, "starting again in 0.2 s")
        assert said(server, "starting again in 0.4 s")


def test_threads_of_the_script_keep_the_process(tmp_path: Path) -> None:
    """As a program ends when its threads have: a script may start them and come to its end."""
    source = (
        "import atexit, threading, time\natexit.register(print, 'at exit')\n"
        "threading.Thread(target=lambda: (time.sleep(0.3), print('thread ends'))).start()\n"
        "print('script ends')\n"
    )
    with started(*serve(tmp_path, source)) as server:
        wait_for(lambda: said(server, "at exit"), "the end")
        log = server.log()
        assert log.index("script ends") < log.index("thread ends") < log.index("at exit")


def test_a_reload_stops_the_script_before_it_is_started_again(tmp_path: Path) -> None:
    """There is never more than one, whatever is asked."""
    guarded = f"""
import os
lock = os.open({str(tmp_path / "lock")!r}, os.O_CREAT | os.O_EXCL)
{LOOP.replace('print("cleaned up")', f'os.unlink({str(tmp_path / "lock")!r}); print("cleaned up")')}"""
    with started(*serve(tmp_path, guarded)) as server:
        wait_for(lambda: said(server, "main True"), "the script")
        for count in (2, 3):
            os.kill(server.pid, signal.SIGHUP)
            wait_for(lambda: said(server, "main True") == count, "the next one")  # noqa: B023
        assert said(server, "FileExistsError") == 0
        assert said(server, "cleaned up") == 2
        assert len(services(server)) == 1


def test_a_script_that_ignores_sigterm_is_killed(tmp_path: Path) -> None:
    """After --shutdown-timeout and a little more."""
    source = "import signal\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\n" + LOOP
    with started(*serve(tmp_path, source, "--shutdown-timeout", "100ms")) as server:
        wait_for(lambda: said(server, "main True"), "the script")
        assert server.stop() == 0
        assert said(server, "does not leave; it is killed") == 1


def test_a_service_does_not_outlive_its_supervisor(tmp_path: Path) -> None:
    """Beside the next supervisor's it would do everything twice."""
    with started(*serve(tmp_path, LOOP)) as server:
        wait_for(lambda: said(server, "main True"), "the script")
        process = services(server)[0]
        os.kill(server.pid, signal.SIGKILL)
        wait_for(lambda: not process.is_running() or process.status() == psutil.STATUS_ZOMBIE, "its end")
        assert said(server, "cleaned up") == 1


def test_services_of_a_configuration_run_what_is_imported_there() -> None:
    """One after the other where they share an application group, beside each other where they do not."""
    text = """
    WSGIDaemonProcess app threads=1
    WSGIDaemonProcess services threads=0
    WSGIScriptAlias / {site}/app.wsgi process-group=app
    WSGIImportScript {site}/first.py process-group=services application-group=%{GLOBAL}
    WSGIImportScript {site}/loop.py process-group=services application-group=%{GLOBAL}
    WSGIImportScript {site}/other.py process-group=services application-group=other
    """
    files = {"app.wsgi": "", "first.py": "print('first has run')", "loop.py": LOOP, "other.py": LOOP}
    with serving_site(text, files) as site:
        wait_for(lambda: site.log().count("argv ['mod_wsgi'] main True") == 2, "both loops")
        assert site.log().count("first has run") == 1
        titles = [" ".join(process.cmdline()).rstrip() for process in site.server.daemons()]
        assert sorted(title for title in titles if "services" in title) == ["(wsgi:services)", "(wsgi:services:other)"]
