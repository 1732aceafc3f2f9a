"""ownership: mod_wsgi's rules for script-user and script-group, each row of them."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from pydaemonwsgi.daemon.ownership import Owner, OwnershipGate, refusal
from pydaemonwsgi.daemon.scripts import LoadError

JACK, EVE, STAFF, GUESTS = 1000, 1001, 50, 51


@dataclass(frozen=True)
class File:
    """What stat() says of a file or directory that is jack's and staff's."""

    st_mode: int = 0o100644
    st_uid: int = JACK
    st_gid: int = STAFF


DIRECTORY = File(0o040755)


@pytest.mark.parametrize(
    ("script", "directory", "reason"),
    [
        (File(), DIRECTORY, None),
        (File(st_gid=GUESTS), DIRECTORY, None),
        (File(st_uid=EVE), DIRECTORY, "it belongs to uid 1001, not 1000 (script-user)"),
        (File(0o100664), DIRECTORY, "it can be written by its group or others (mode 664)"),
        (File(0o100646), DIRECTORY, "it can be written by its group or others (mode 646)"),
        (File(), File(0o040755, st_uid=0), "its directory belongs to uid 0, not 1000 (script-user)"),
        (File(), File(0o040775), "its directory can be written by its group or others (mode 775)"),
        (File(), File(0o041777), "its directory can be written by its group or others (mode 1777)"),
    ],
)
def test_script_user_must_own_both_alone(script: File, directory: File, reason: str | None) -> None:
    """File and directory are the user's, and nobody else may write to either."""
    assert refusal(Owner(uid=JACK), script, directory) == reason


@pytest.mark.parametrize(
    ("script", "directory", "reason"),
    [
        (File(), DIRECTORY, None),
        (File(st_uid=EVE), DIRECTORY, None),
        (File(0o100664), File(0o040775), None),
        (File(st_gid=GUESTS), DIRECTORY, "it belongs to gid 51, not 50 (script-group)"),
        (File(0o100666), DIRECTORY, "it can be written by others (mode 666)"),
        (File(), File(0o040755, st_gid=0), "its directory belongs to gid 0, not 50 (script-group)"),
        (File(), File(0o040777), "its directory can be written by others (mode 777)"),
    ],
)
def test_script_group_must_own_both(script: File, directory: File, reason: str | None) -> None:
    """File and directory are the group's, which may write to both; others may not."""
    assert refusal(Owner(gid=STAFF), script, directory) == reason


def answer(application: Any) -> tuple[str, bytes]:
    """Return the status and the body that an application answers with."""
    said: list[str] = []
    try:
        application({}, lambda status, headers: None)
    except LoadError as error:
        return error.status, b""
    body = b"".join(application({}, lambda status, headers: said.append(status)))
    return said[0], body


def test_the_guard_asks_before_each_request(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Modes that change while the application runs count at once; a reason is logged when it is new."""
    script = tmp_path / "app.wsgi"
    script.touch()
    script.chmod(0o644)
    tmp_path.chmod(0o755)
    application = OwnershipGate(str(script), Owner(uid=os.getuid())).guard(lambda e, s: (s("200 OK", []), [b"run"])[1])

    assert answer(application) == ("200 OK", b"run")
    script.chmod(0o666)
    assert [answer(application)[0] for _ in range(3)] == ["403 Forbidden"] * 3
    assert caplog.text.count("requests get 403") == 1
    script.chmod(0o644)
    assert answer(application)[0] == "200 OK"
    script.unlink()
    assert answer(application)[0] == "403 Forbidden"


def test_the_guard_of_nothing_answers_403(tmp_path: Path) -> None:
    """What was not loaded is not run, even if it may be by now."""
    script = tmp_path / "app.wsgi"
    script.touch(0o644)
    tmp_path.chmod(0o755)
    assert answer(OwnershipGate(str(script), Owner(uid=os.getuid())).guard(None))[0] == "403 Forbidden"
