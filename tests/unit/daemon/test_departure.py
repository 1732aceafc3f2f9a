"""departure and arrival: a daemon process goes on in a fresh interpreter with its descriptors and settings."""

import json
import os
import socket
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

import pydaemonwsgi
from pydaemonwsgi.channel.control import MAXIMUM_MESSAGE, Word, decode, encode
from pydaemonwsgi.daemon import orders
from pydaemonwsgi.daemon.departure import arguments, environment
from pydaemonwsgi.daemon.settings import DaemonSettings, PythonSettings
from pydaemonwsgi.metrics.scoreboard import scoreboard_size
from pydaemonwsgi.system.memory import create_shared
from pydaemonwsgi.vocabulary import StartFailure
from tests.helpers.environments import make_environment

# A child that the supervisor would have forked: the descriptors are given, the rest is `main.run`.
CHILD = """
import dataclasses, json, socket, sys
from pydaemonwsgi.daemon import orders
from pydaemonwsgi.daemon.main import run
from pydaemonwsgi.daemon.settings import DaemonSettings
control, board = map(int, sys.argv[2:])
sys.exit(run(orders.decode(DaemonSettings, sys.argv[1].encode()), socket.socket(fileno=control), board))
"""

SCRIPT = """
import json, os, sys
with open({report!r}, "w") as file:
    json.dump(dict(
        optimize=sys.flags.optimize, bytecode=sys.dont_write_bytecode, warnings=sys.warnoptions, hash=hash("a"),
        prefix=sys.prefix, argv=sys.argv, descriptors=[
            os.readlink(f"/proc/self/fd/{{n}}").partition(":[")[0]
            for n in range(3, 30) if os.path.exists(f"/proc/self/fd/{{n}}")
        ],
        title=open("/proc/self/cmdline").read().strip(chr(0)),
        inheritable=[n for n in range(3, 20) if os.path.exists(f"/proc/self/fd/{{n}}") and os.get_inheritable(n)],
    ), file)
def application(environ, start_response): ...
"""


class Departed:
    """A daemon process under another interpreter, seen by its supervisor.

    Attributes:
        report: what its script saw.
        message: what it said first.
    """

    def __init__(self, tmp_path: Path, python: PythonSettings) -> None:
        script, report = tmp_path / "app.wsgi", tmp_path / "report.json"
        script.write_text(SCRIPT.format(report=str(report)), "utf-8")
        settings = DaemonSettings(
            group="site",
            script=str(script),
            module=None,
            callable_object="application",
            threads=2,
            processes=1,
            multiprocess=False,
            maximum_requests=0,
            python_path=(),
            working_directory="/",
            identity=None,
            umask=None,
            reloading=True,
            reload_on_changes=False,
            debug=False,
            shutdown_timeout=5.0,
            log_level="info",
            display_name="(wsgi:site)",
            python=python,
        )
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        board = create_shared("scoreboard", scoreboard_size(2))
        package = Path(pydaemonwsgi.__file__).parent.parent
        with ours, theirs:
            self.process = subprocess.Popen(
                [sys.executable, "-c", CHILD, orders.encode(settings), str(theirs.fileno()), str(board)],
                pass_fds=(theirs.fileno(), board),
                env={**os.environ, "PYTHONPATH": str(package), "PYTHONHASHSEED": "random"},
                stderr=subprocess.PIPE,
                text=True,
            )
            theirs.close()
            os.close(board)
            ours.settimeout(30)
            ours.send(encode(Word.LOAD, scripts={}))
            try:
                data = ours.recv(MAXIMUM_MESSAGE)
                if data and decode(data).word is Word.LOADING:
                    data = ours.recv(MAXIMUM_MESSAGE)
            except ConnectionResetError:
                data = b""  # it has gone without reading what it was told
            self.message = decode(data) if data else None
            if data:
                ours.send(encode(Word.STOP, timeout=1.0))
            self.log = self.process.communicate(timeout=30)[1]
        self.report = json.loads(report.read_text("utf-8")) if report.exists() else {}


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An environment without any package."""
    return make_environment(tmp_path_factory.mktemp("environment") / "venv")


def test_it_arrives_in_another_environment(tmp_path: Path, home: Path) -> None:
    """It has its control connection and scoreboard, its title, no argument of ours, and no descriptor too many."""
    departed = Departed(tmp_path, PythonSettings(home=str(home)))
    assert departed.message is not None, departed.log
    assert (departed.message.word, departed.message.fields["failed"]) == (Word.LOADED, {})
    assert departed.process.returncode == 0
    seen = departed.report
    assert (seen["prefix"], seen["argv"], seen["title"]) == (str(home), ["mod_wsgi"], "(wsgi:site)")
    # The control connection, the scoreboard, the pipe that wakes the main thread, and the script's own report.
    report = str(tmp_path / "report.json")
    assert Counter(seen["descriptors"]) == {"socket": 1, "/memfd:scoreboard (deleted)": 1, "pipe": 2, report: 1}
    assert seen["inheritable"] == []


def test_the_options_of_the_interpreter_arrive(tmp_path: Path) -> None:
    """-OO, -B, -W and PYTHONHASHSEED take an exec of the server's own interpreter."""
    warnings = ("ignore", "error::UserWarning")
    seen = Departed(tmp_path, PythonSettings(None, 2, True, warnings, "42")).report
    assert (seen["optimize"], seen["bytecode"], seen["warnings"]) == (2, True, ["ignore", "error::UserWarning"])
    assert seen["prefix"] == sys.prefix
    again = Departed(tmp_path, PythonSettings(hash_seed="42")).report
    assert again["hash"] == seen["hash"]
    assert (again["optimize"], again["bytecode"], again["warnings"]) == (0, sys.dont_write_bytecode, sys.warnoptions)


def test_an_environment_that_has_gone_ends_the_process(tmp_path: Path) -> None:
    """It ends with a status of its own and says what is missing."""
    departed = Departed(tmp_path, PythonSettings(home=str(tmp_path / "gone")))
    assert departed.message is None
    assert departed.process.returncode == StartFailure.INTERPRETER
    assert f"python-home {tmp_path}/gone: this is not a directory; the process ends" in departed.log


@pytest.mark.parametrize(
    ("python", "flags"),
    [
        (PythonSettings(), []),
        (PythonSettings(optimize=0), []),
        (PythonSettings(optimize=1), ["-O"]),
        (PythonSettings(optimize=2, dont_write_bytecode=True), ["-OO", "-B"]),
        (PythonSettings(warnings=("a", "b")), ["-W", "a", "-W", "b"]),
        (PythonSettings(free_threading=True), ["-X", "gil=0"]),
        (PythonSettings(free_threading=False, optimize=1), ["-O", "-X", "gil=1"]),
    ],
)
def test_flags_are_those_of_the_settings(python: PythonSettings, flags: list[str]) -> None:
    """The interpreter comes first, by its own path; the program last."""
    assert arguments(python, "/v/bin/python", "/p.py") == ["/v/bin/python", *flags, "/p.py"]


def test_only_another_home_changes_where_python_looks() -> None:
    """The server's own interpreter keeps PYTHONPATH."""
    environ = {"PYTHONPATH": "/a", "PATH": "/bin"}
    assert environment(PythonSettings(optimize=1, hash_seed="0"), environ) == {**environ, "PYTHONHASHSEED": "0"}
    assert environment(PythonSettings(home="/nowhere"), environ) == {"PATH": "/bin"}
