"""--python-home: daemon processes run under the interpreter of another environment, with nothing of ours in it."""

import json
import os
import shutil
import signal
import sys
from pathlib import Path
from typing import Any

import pytest

import pydaemonwsgi
from tests.helpers.command import run
from tests.helpers.environments import interpreter, make_environment, site_packages
from tests.helpers.server import APPS, Server, serving, wait_for

SCRIPT = APPS / "interpreter_report.py"
HERE = f"{sys.version_info.major}.{sys.version_info.minor}"


def ask(server: Server, path: str = "/") -> Any:
    return json.loads(server.get(path).text)


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An environment of our own version, with one package that ours has not."""
    made = make_environment(tmp_path_factory.mktemp("environment") / "venv")
    (site_packages(made) / "onlyhere.py").write_text("NAME = 'onlyhere'\n", "utf-8")
    return made


@pytest.mark.parametrize("version", ["3.10", "3.11", "3.12", "3.13"])
def test_the_environments_own_version_and_packages_are_used(tmp_path: Path, version: str) -> None:
    """An application runs under each Python from 3.10 on, finds that environment's packages and none of ours."""
    made = make_environment(tmp_path / "venv", interpreter(version))
    (site_packages(made) / "onlyhere.py").write_text("NAME = 'onlyhere'\n", "utf-8")
    with serving(SCRIPT, "--python-home", str(made), "--processes", "2") as server:
        seen = ask(server)
        assert (seen["version"], seen["prefix"], seen["argv"]) == (version, str(made), ["mod_wsgi"])
        assert seen["virtual_env"] == str(made)
        assert ask(server, "/import?onlyhere") == str(site_packages(made) / "onlyhere.py")
        for ours in ("httptools", "psutil", "setproctitle", "watchdog", "pytest"):
            assert ask(server, f"/import?{ours}") is None
        ours_at = str(Path(pydaemonwsgi.__file__).parent)
        assert not [entry for entry in seen["path"] if entry.startswith((ours_at, str(Path(ours_at).parent)))]
        assert ask(server, "/import?pydaemonwsgi") == pydaemonwsgi.__file__
        wait_for(lambda: len(server.daemons()) == 2, "both titles, although the environment has no setproctitle")
        assert f"python-home {made}: Python {version}" in server.log()


def test_modules_with_our_files_names_are_the_applications(environment: Path, tmp_path: Path) -> None:
    """A module named like a file of our daemon room is found where the application has it."""
    (tmp_path / "input.py").write_text("MINE = True\n", "utf-8")
    options = ("--python-home", str(environment), "--working-directory", str(tmp_path))
    with serving(SCRIPT, *options) as server:
        assert ask(server, "/import?input") == str(tmp_path / "input.py")
        assert ask(server, "/import?pool") is None


def test_a_prefix_without_pyvenv_cfg_works() -> None:
    """The root of an installation will do, also one that has only bin/python3."""
    prefix = Path(os.path.realpath(sys.base_prefix))
    assert not (prefix / "pyvenv.cfg").exists()
    with serving(SCRIPT, "--python-home", str(prefix)) as server:
        seen = ask(server)
        assert Path(seen["prefix"]).resolve() == prefix
        assert seen["virtual_env"] is None


def test_our_pythonpath_is_not_the_environments(environment: Path, tmp_path: Path) -> None:
    """PYTHONPATH and PYTHONHOME of the server tell its own Python where things are; another one ignores them."""
    (tmp_path / "misplaced.py").write_text("", "utf-8")
    env = {"PYTHONPATH": f"{tmp_path}:{Path(pydaemonwsgi.__file__).parent.parent}"}
    with serving(SCRIPT, "--python-home", str(environment), env=env) as server:
        assert ask(server, "/import?misplaced") is None


def test_a_module_is_looked_for_in_the_environment(environment: Path) -> None:
    """A module that only the environment has can be SCRIPT; one that it has not is refused at the start."""
    package = site_packages(environment) / "site_of_venv.py"
    package.write_text(
        "def application(environ, start_response):\n    start_response('200 OK', [])\n    return [b'venv']\n"
    )
    with serving("site_of_venv:application", "--python-home", str(environment)) as server:
        assert server.get().text == "venv"
    result = run("serve", "httptools:application", "--python-home", str(environment))
    assert result.returncode == 2
    assert f"there is no module 'httptools' in {os.getcwd()} or elsewhere on the path of {environment}" in result.stderr


def test_changes_are_noticed_without_watchdog(environment: Path, tmp_path: Path) -> None:
    """--reload-on-changes works in an environment that has no watchdog."""
    module = tmp_path / "wanted.py"
    module.write_text("ANSWER = b'one'\n", "utf-8")
    script = tmp_path / "app.wsgi"
    script.write_text(
        "import wanted\n\ndef application(environ, start_response):\n    start_response('200 OK', [])\n"
        "    return [wanted.ANSWER]\n",
        "utf-8",
    )
    options = ("--python-home", str(environment), "--reload-on-changes", "--python-path", str(tmp_path))
    with serving(script, *options) as server:
        assert server.get().text == "one"
        assert "has no watchdog" in server.log()
        module.write_text("ANSWER = b'two'\n", "utf-8")
        os.utime(module, ns=(1, 1))
        wait_for(lambda: server.get().text == "two", "the new module")


def test_what_the_interpreter_says_when_it_cannot_start_is_in_the_log(environment: Path, tmp_path: Path) -> None:
    """An environment that breaks while the server runs says why, and is used again once it is mended."""
    made = tmp_path / "venv"
    shutil.copytree(environment, made, symlinks=True)
    with serving(SCRIPT, "--python-home", str(made)) as server:
        first = ask(server)["pid"]
        program, kept = made / "bin" / "python", made / "bin" / "python.kept"
        program.rename(kept)
        program.write_text("#!/bin/sh\necho 'libexample.so is missing' >&2\nexit 3\n", "utf-8")
        program.chmod(0o755)
        os.kill(first, signal.SIGKILL)
        wait_for(lambda: "libexample.so is missing" in server.log(), "what the interpreter prints")
        wait_for(lambda: "exited with status 3" in server.log(), "its status")
        program.unlink()
        (made / "bin" / "python3").unlink()
        wait_for(lambda: "there is no bin/python in it" in server.log(), "the reason")
        kept.rename(program)
        wait_for(lambda: server.get().status == 200, "the application")
        assert ask(server)["pid"] != first


def refusal(home: Path) -> str:
    """Return what is said of a home that is refused; the status is 2, the message one line."""
    result = run("serve", str(SCRIPT), "--python-home", str(home), "--port", "0")
    assert result.returncode == 2, result.stderr
    assert result.stderr.count("\n") == 1, result.stderr
    assert f"python-home {home}: " in result.stderr
    return result.stderr


def test_a_home_that_is_no_directory_is_refused(tmp_path: Path) -> None:
    """A wrong path is named, and nothing starts."""
    assert "is not a directory" in refusal(tmp_path / "nowhere")


def test_a_home_without_an_interpreter_is_refused(tmp_path: Path) -> None:
    """The message says what is missing and how such a directory is made."""
    assert (
        f"there is no bin/python in it; give the root of a virtual environment (python3 -m venv {tmp_path})"
        in refusal(tmp_path)
    )


def test_an_environment_whose_python_has_gone_is_refused(tmp_path: Path) -> None:
    """A dangling link says where it leads."""
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "python").symlink_to("/opt/gone/bin/python3")
    assert "leads to /opt/gone/bin/python3, which does not exist" in refusal(tmp_path)


def fake(tmp_path: Path, content: bytes, mode: int = 0o755) -> Path:
    (tmp_path / "bin").mkdir()
    program = tmp_path / "bin" / "python"
    program.write_bytes(content)
    program.chmod(mode)
    return tmp_path


def test_an_interpreter_that_is_not_executable_is_refused(tmp_path: Path) -> None:
    """The mode is shown."""
    assert "-rw-r--r--" in refusal(fake(tmp_path, b"#!/bin/sh\n", 0o644))


def test_an_interpreter_for_another_machine_is_refused(tmp_path: Path) -> None:
    """A program of another architecture is told apart from one that fails."""
    binary = bytearray(Path(os.path.realpath(sys.executable)).read_bytes()[:4096])
    assert binary[:4] == b"\x7fELF"
    binary[18:20] = b"\x16\x00"  # e_machine: IBM S/390
    assert f"is no program for this machine ({os.uname().machine})" in refusal(fake(tmp_path, bytes(binary)))


def test_an_interpreter_that_does_not_run_is_refused(tmp_path: Path) -> None:
    """What it says last is quoted."""
    script = b"#!/bin/sh\necho 'error while loading shared libraries: libpython3.99.so' >&2\nexit 127\n"
    said = refusal(fake(tmp_path, script))
    assert "does not run (status 127): error while loading shared libraries: libpython3.99.so" in said


def test_a_python_that_is_too_old_is_refused(tmp_path: Path) -> None:
    """Its version and the one that is needed are named."""
    home = make_environment(tmp_path / "venv", interpreter("3.9"))
    assert "is Python 3.9." in (said := refusal(home))
    assert "daemon processes need 3.10 or newer" in said


def test_another_implementation_is_refused(tmp_path: Path) -> None:
    """Only CPython will do."""
    assert "is pypy; daemon processes need CPython" in refusal(fake(tmp_path, b"#!/bin/sh\necho '3.10.14 pypy' >&3\n"))
