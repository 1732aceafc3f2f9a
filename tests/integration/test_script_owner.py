"""--script-user and --script-group: a script that is not its owner's alone is not run, whenever that becomes so."""

import grp
import os
import pwd
from pathlib import Path

import pytest

from tests.helpers.command import run
from tests.helpers.server import APPS, serving, wait_for

ME = pwd.getpwuid(os.getuid()).pw_name
MINE = grp.getgrgid(os.getgid()).gr_name
SCRIPT = """
print("the script has been run")
def application(environ, start_response):
    start_response("200 OK", [])
    return [b"answered"]
"""


@pytest.fixture
def script(tmp_path: Path) -> Path:
    """A script of ours in a directory of ours."""
    tmp_path.chmod(0o755)
    os.chown(tmp_path, os.getuid(), os.getgid())
    path = tmp_path / "app.wsgi"
    path.write_text(SCRIPT, "utf-8")
    path.chmod(0o644)
    os.chown(path, os.getuid(), os.getgid())
    return path


@pytest.mark.parametrize(
    ("options", "mode"),
    [(("--script-user", ME), 0o664), (("--script-group", MINE), 0o666), (("--script-user", f"#{os.getuid()}"), 0o646)],
    ids=["user", "group", "number"],
)
def test_a_script_that_others_can_write_is_forbidden(script: Path, options: tuple[str, ...], mode: int) -> None:
    """At any time: requests get 403 from the moment on that the mode is wrong, and answers once it is right again."""
    with serving(script, *options) as server:
        assert server.get().status == 200
        script.chmod(mode)
        assert server.get().status == 403
        assert "requests get 403: it can be written by" in server.log()
        script.chmod(0o644)
        assert server.get().status == 200


def test_a_script_that_is_not_the_users_is_not_even_loaded(script: Path) -> None:
    """Loading a script runs it. Once it is the user's it is loaded, without a touch."""
    script.parent.chmod(0o777)
    with serving(script, "--script-user", ME, "--disable-reloading") as server:
        assert server.get().status == 403
        assert "its directory can be written by its group or others (mode 777)" in server.log()
        assert "the script has been run" not in server.log()
        script.parent.chmod(0o755)
        assert server.get().text == "answered"


def test_a_new_version_by_somebody_else_is_not_run(script: Path) -> None:
    """A script that changes hands with its content is neither the old one nor the new one's: 403."""
    with serving(script, "--script-user", ME) as server:
        assert server.get().status == 200
        script.chmod(0o666)
        script.write_text("raise SystemExit('never')", "utf-8")
        assert server.get().status == 403
        wait_for(lambda: len(server.daemons()) == 1, "the successor alone")
        assert server.get().status == 403
        assert "never" not in server.log()


def test_both_owners_are_refused(script: Path) -> None:
    """As with mod_wsgi."""
    result = run("serve", str(script), "--script-user", ME, "--script-group", MINE)
    assert result.returncode == 2
    assert "exclude each other" in result.stderr


def test_a_module_has_no_script_to_own() -> None:
    """A module is found on the path, which has many owners."""
    result = run("serve", "life_report", "--script-user", ME, cwd=APPS)
    assert result.returncode == 2
    assert "SCRIPT is a module; give the path of a file" in result.stderr
