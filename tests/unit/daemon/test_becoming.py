"""becoming: mod_wsgi's order, and for each step that fails its own exit status and one line."""

import errno
import logging
import os
from dataclasses import replace

import pytest

from pydaemonwsgi.daemon import becoming
from pydaemonwsgi.daemon.becoming import become
from pydaemonwsgi.daemon.settings import DaemonSettings
from pydaemonwsgi.errors import PrivilegeError
from pydaemonwsgi.system.identities import Identity
from pydaemonwsgi.vocabulary import StartFailure

PLAIN = DaemonSettings(
    group="jack",
    script="/srv/app.wsgi",
    module=None,
    callable_object="application",
    threads=15,
    processes=1,
    multiprocess=False,
    maximum_requests=0,
    python_path=(),
    working_directory=None,
    identity=None,
    umask=None,
    reloading=True,
    reload_on_changes=False,
    debug=False,
    shutdown_timeout=4.5,
    log_level="info",
    display_name="(wsgi:jack)",
)
FULL = replace(
    PLAIN,
    cpu_priority=5,
    chroot="/jail",
    identity=Identity(1000, 1000, (1000,), "jack", "/home/jack"),
    working_directory="/site",
    umask=0o027,
    cpu_time_limit=60.0,
    memory_limit=1 << 30,
    virtual_memory_limit=4 << 30,
    lang="C",
    locale="C.UTF-8",
    python_eggs="/eggs",
)
CALLS = (
    (becoming, "set_priority"),
    (becoming, "enter_root"),
    (becoming, "drop_privileges"),
    (os, "chdir"),
    (becoming, "limit_cpu_time"),
    (becoming, "limit_data"),
    (becoming, "limit_address_space"),
    (os, "umask"),
)


def environment() -> dict[str, str]:
    """Return the environment as it is, without pytest's own."""
    return {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}


@pytest.fixture
def done(monkeypatch: pytest.MonkeyPatch) -> list[tuple[object, ...]]:
    """What is asked of the kernel, in its order; nothing of it happens."""
    calls: list[tuple[object, ...]] = []
    monkeypatch.setattr(os, "environ", {"PATH": "/bin", "USER": "root", "LC_ALL": "POSIX"})
    for where, name in CALLS:
        monkeypatch.setattr(where, name, lambda *arguments, name=name: calls.append((name, *arguments)))
    return calls


def test_the_order_is_mod_wsgis(done: list[tuple[object, ...]]) -> None:
    """What only root may do comes before the user, what the user may do after; the hard CPU limit is mod_wsgi's."""
    assert become(FULL) == 0
    assert done == [
        ("set_priority", 5),
        ("enter_root", "/jail"),
        ("drop_privileges", FULL.identity),
        ("chdir", "/site"),
        ("limit_cpu_time", 60, 60 + 1 + 5),
        ("limit_data", 1 << 30),
        ("limit_address_space", 4 << 30),
        ("umask", 0o027),
    ]


def test_the_environment_is_the_users_and_what_was_given(done: list[tuple[object, ...]]) -> None:
    """HOME is there, USER is replaced because it was, LOGNAME is not added."""
    del done
    become(FULL)
    assert environment() == {
        "PATH": "/bin",
        "HOME": "/home/jack",
        "USER": "jack",
        "LANG": "C",
        "LC_ALL": "C.UTF-8",
        "PYTHON_EGG_CACHE": "/eggs",
    }


def test_what_is_not_asked_for_is_not_touched(done: list[tuple[object, ...]]) -> None:
    """No option, no call."""
    assert become(PLAIN) == 0
    assert done == []
    assert environment() == {"PATH": "/bin", "USER": "root", "LC_ALL": "POSIX"}


@pytest.mark.parametrize(
    ("place", "status", "text"),
    [
        (0, StartFailure.PRIORITY, "cannot take cpu-priority 5: Operation not permitted"),
        (1, StartFailure.CHROOT, "cannot make /jail the root (chroot): Operation not permitted"),
        (3, StartFailure.DIRECTORY, "cannot enter the working directory /site: Operation not permitted"),
        (4, StartFailure.LIMIT, "cannot set cpu-time-limit 60 s: Operation not permitted"),
        (5, StartFailure.LIMIT, "cannot set memory-limit 1073741824 bytes: Operation not permitted"),
        (6, StartFailure.LIMIT, "cannot set virtual-memory-limit 4294967296 bytes: Operation not permitted"),
    ],
)
def test_a_step_that_fails_is_the_last(
    done: list[tuple[object, ...]],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    place: int,
    status: StartFailure,
    text: str,
) -> None:
    """Its status is returned, its line names option and value, and nothing more is done."""

    def refuse(*arguments: object) -> None:
        raise PermissionError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(*CALLS[place], refuse)
    assert become(FULL) == status
    assert [name for name, *_ in done] == [name for _, name in CALLS[:place]]
    assert [record.getMessage() for record in caplog.records] == [f"{text}; the process ends"]
    assert caplog.records[0].levelno == logging.CRITICAL


def test_privileges_that_stay_are_the_end(
    done: list[tuple[object, ...]], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A proof that fails is as bad as a call that fails."""

    def refuse(identity: Identity) -> None:
        raise PrivilegeError("privileges not given up: setuid(0) succeeded")

    monkeypatch.setattr(becoming, "drop_privileges", refuse)
    assert become(FULL) == StartFailure.CREDENTIALS
    assert [name for name, *_ in done] == ["set_priority", "enter_root"]
    assert "cannot become the run-as user: privileges not given up: setuid(0) succeeded" in caplog.text
