"""interpreters: what is asked of another environment's Python, and what is said of one that does not answer."""

import os
import stat
import sys
from pathlib import Path

import pytest

from pydaemonwsgi.errors import ConfigurationError
from pydaemonwsgi.system import interpreters
from pydaemonwsgi.system.interpreters import environment_for, examine, explain_gil, find_interpreter
from tests.helpers.environments import make_environment, site_packages


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An environment with one package."""
    made = make_environment(tmp_path_factory.mktemp("environment") / "venv")
    (site_packages(made) / "one_package.py").write_text("raise RuntimeError('it must not be imported')\n", "utf-8")
    return made


def program(tmp_path: Path, text: str, name: str = "python") -> Path:
    """Return a home whose interpreter is a shell script."""
    path = tmp_path / "bin" / name
    path.parent.mkdir(exist_ok=True)
    path.write_text(f"#!/bin/sh\n{text}\n", "utf-8")
    path.chmod(0o755)
    return tmp_path


def test_an_environment_tells_its_version_and_packages(environment: Path) -> None:
    """Packages are found without running a line of them."""
    found = examine(str(environment), None, os.environ, packages=("one_package", "absent"), module="one_package.site")
    assert found.version == sys.version_info[:3]
    assert found.packages == {"one_package"}
    assert found.has_module
    assert found.executable == str(environment / "bin" / "python")


def test_a_module_is_looked_for_in_the_given_directories(environment: Path, tmp_path: Path) -> None:
    """As the application would find it, the working directory first."""
    (tmp_path / "site_module.py").write_text("", "utf-8")
    home = str(environment)
    assert examine(home, None, os.environ, module="site_module", directories=[str(tmp_path)]).has_module
    assert not examine(home, None, os.environ, module="site_module").has_module
    assert examine(home, None, os.environ, module="sys").has_module


def test_what_the_environment_prints_is_not_its_answer(environment: Path) -> None:
    """A chatty sitecustomize disturbs nothing."""
    noisy = site_packages(environment) / "noise.pth"
    noisy.write_text("import sys; print('2.7.18 cpython'); sys.stderr.write('[]')\n", "utf-8")
    try:
        assert examine(str(environment), None, os.environ).version == sys.version_info[:3]
    finally:
        noisy.unlink()


def test_a_silent_interpreter_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What hangs is killed with its children, and the message says so."""
    monkeypatch.setattr(interpreters, "_TIMEOUT", 0.1)
    with pytest.raises(ConfigurationError, match="has not told its version within"):
        examine(str(program(tmp_path, "sleep 1000 & sleep 1000")), None, os.environ)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        pytest.param("kill -SEGV $$", "was killed by signal 11 when it was asked for its version", id="signal"),
        pytest.param("echo first >&2; echo last >&2; exit 3", r"does not run \(status 3\): last", id="says-why"),
        pytest.param("exit 3", r"does not run \(status 3\)$", id="says-nothing"),
        pytest.param("echo '3.12.1 cpython' >&3", r"does not run \(status 0\)", id="half-an-answer"),
        pytest.param("yes | head -c 300000 >&2; exit 3", r"status 3\): y$", id="says-much"),
        pytest.param(
            "echo '3.12.1 cpython' >&3; echo '[[\"ctypes\"], [], true, false]' >&3",
            "lacks of the standard library: ctypes",
            id="no-ctypes",
        ),
    ],
)
def test_an_interpreter_that_does_not_answer_is_refused(tmp_path: Path, text: str, words: str) -> None:
    """The message names the interpreter and the last thing that it said."""
    with pytest.raises(ConfigurationError, match=words) as caught:
        examine(str(program(tmp_path, text)), None, os.environ)
    assert f"python-home {tmp_path}: {tmp_path}/bin/python " in str(caught.value)


def test_a_free_threaded_build_is_known_by_its_own_word(environment: Path, tmp_path: Path) -> None:
    """Every other is told of with what to do about it."""
    home = program(tmp_path, "echo '3.13.0 cpython' >&3; echo '[[], [], true, true]' >&3")
    free = examine(str(home), None, os.environ)
    assert explain_gil(free) is None
    plain = examine(str(environment), None, os.environ)
    assert not plain.free_threaded
    assert f"it runs Python {plain.version_text}, which is no free-threaded build; name" in (explain_gil(plain) or "")
    assert explain_gil(None) == explain_gil(plain), "the environment is of the Python that the tests have"


def test_a_loader_that_is_missing_is_named(tmp_path: Path) -> None:
    """A first line, or a loader, that does not exist is not mistaken for the interpreter itself."""
    home = program(tmp_path, "")
    (home / "bin" / "python").write_text("#!/opt/gone/python\n", "utf-8")
    with pytest.raises(ConfigurationError, match="the interpreter that its first line names, does not exist"):
        examine(str(home), None, os.environ)


def test_python3_will_do(tmp_path: Path) -> None:
    """Distributions install no bin/python."""
    program(tmp_path, "", "python3")
    assert find_interpreter(str(tmp_path)) == str(tmp_path / "bin" / "python3")
    program(tmp_path, "")
    assert find_interpreter(str(tmp_path)) == str(tmp_path / "bin" / "python")


def test_no_descriptor_is_left_behind(environment: Path) -> None:
    """Asking costs nothing that stays."""
    before = os.listdir("/proc/self/fd")
    examine(str(environment), None, os.environ)
    assert os.listdir("/proc/self/fd") == before


def test_an_interpreter_gets_none_of_our_descriptors(tmp_path: Path) -> None:
    """Only the standard streams and the one for the answer are open in it."""
    listing = tmp_path / "listing"
    reader, writer = os.pipe()
    os.set_inheritable(writer, True)
    try:
        home = program(tmp_path, f"ls -l /proc/self/fd > {listing}; exit 3")
        with pytest.raises(ConfigurationError):
            examine(str(home), None, os.environ)
    finally:
        os.close(reader)
        os.close(writer)
    assert stat.S_ISREG(listing.stat().st_mode)
    # ls itself has /proc/self/fd open.
    assert [line.split()[8] for line in listing.read_text("utf-8").splitlines()[1:]] == ["0", "1", "2", "3", "4"]


def test_variables_for_our_own_interpreter_are_taken_out(environment: Path, tmp_path: Path) -> None:
    """Others stay; VIRTUAL_ENV names the environment, if it is one."""
    environ = {"PYTHONHOME": "/a", "PYTHONPATH": "/b", "VIRTUAL_ENV": "/c", "PYTHONDEVMODE": "1", "PATH": "/bin"}
    assert environment_for(str(environment), environ) == {
        "PYTHONDEVMODE": "1",
        "PATH": "/bin",
        "VIRTUAL_ENV": str(environment),
    }
    assert environment_for(str(tmp_path), environ) == {"PYTHONDEVMODE": "1", "PATH": "/bin"}
