"""`pydaemonwsgi check` and `convert` on this machine, as a user gives them."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.helpers.command import run


def site(tmp_path: Path, *, more: str = "", options: str = "processes=2") -> str:
    """A configuration of one script; its name."""
    script = tmp_path / "app.wsgi"
    script.write_text("application = None\n", encoding="ascii")
    file = tmp_path / "site.conf"
    file.write_text(
        f"Listen 8080\nWSGIDaemonProcess site {options}\nWSGIScriptAlias / {script} process-group=site\n{more}\n",
        encoding="utf-8",
    )
    return str(file)


def test_check_of_a_configuration_without_errors_ends_with_status_0(tmp_path: Path) -> None:
    file = site(tmp_path)
    result = run("check", file)
    assert (result.returncode, result.stderr) == (0, "")
    assert result.stdout.splitlines()[-1].startswith(f"{file}: 0 errors, ")
    assert f"{file}:3: info: site: application group localhost:8080|: " in result.stdout


def test_check_with_errors_prints_all_of_them_and_ends_with_status_2(tmp_path: Path) -> None:
    file = site(tmp_path, more="Lisen 80\nServerNme x")
    result = run("check", file)
    assert result.returncode == 2
    assert result.stdout.splitlines() == [
        f"{file}:4: error: Lisen: there is no such directive; did you mean Listen?",
        f"{file}:5: error: ServerNme: there is no such directive; did you mean ServerName?",
        f"{file}: 2 errors, 0 warnings; what is likely to be regretted is looked for when the errors are mended",
    ]


def test_check_finds_what_is_wrong_in_patterns_and_formats_beside_other_errors(tmp_path: Path) -> None:
    """Nobody has to mend one kind of mistake to be told of the next."""
    file = site(tmp_path, more="Lisen 80\nRedirectMatch (x /y\nCustomLog log %Z\n<LocationMatch [>\n</LocationMatch>")
    lines = run("check", file).stdout.splitlines()
    assert [line.removeprefix(file).partition(": ")[0] for line in lines] == [":4", ":5", ":6", ":7", ""]
    assert lines[-1].startswith(f"{file}: 4 errors, 0 warnings; ")


def test_check_finds_what_is_wrong_in_a_format_where_it_is_defined(tmp_path: Path) -> None:
    """Whether a log uses it or not, and once however many do."""
    logs = "CustomLog log mine\nTransferLog log\nLogFormat %y\nLogFormat %h mine\nLogFormat %Z mine"
    host = "<VirtualHost *>\nLogFormat %Z own\nCustomLog log mine\n</VirtualHost>"
    file = site(tmp_path, more=f"{logs}\n{host}")
    lines = run("check", "--quiet", file).stdout.splitlines()
    errors = [line.removeprefix(file) for line in lines if ": error: " in line]
    assert [error.partition(": access log format")[0] for error in errors] == [
        ":6: error: LogFormat",
        ":8: error: LogFormat",
        ":10: error: LogFormat",
    ]


def test_check_counts_one_error_as_one(tmp_path: Path) -> None:
    file = site(tmp_path, more="Lisen 80")
    assert run("check", file).stdout.splitlines()[-1].startswith(f"{file}: 1 error, 0 warnings")


def test_check_says_whether_everything_has_been_looked_for(tmp_path: Path) -> None:
    """An error of the machine's keeps nobody from looking further; a line that cannot be meant does."""
    looked_for = []
    for line in ("Lisen 80", "User nobody-of-this-name"):
        file = site(tmp_path, more=line, options="shutdown-timeout=0")
        last = run("check", file).stdout.splitlines()[-1]
        content = json.loads(run("check", "--json", file).stdout)
        assert content["complete"] is ("when the errors are mended" not in last)
        assert content["complete"] is ("never killed" in str(content["problems"]))
        looked_for.append(content["complete"])
    assert looked_for == [False, True]


def test_check_with_warnings_ends_with_status_1_only_if_it_is_strict(tmp_path: Path) -> None:
    file = site(tmp_path, options="shutdown-timeout=0")
    assert [run("check", file).returncode, run("check", "--strict", file).returncode] == [0, 1]


def test_check_gives_programs_the_same_as_json(tmp_path: Path) -> None:
    file = site(tmp_path, options="shutdown-timeout=0")
    content = json.loads(run("check", "--json", file).stdout)
    assert {
        "severity": "warning",
        "file": file,
        "line": 2,
        "directive": "WSGIDaemonProcess",
        "text": "shutdown-timeout=0: a process that hangs is never killed",
    } in content["problems"]
    assert [group["process_group"] for group in content["application_groups"]] == ["site"]


def test_check_finds_a_script_that_is_missing_and_a_user(tmp_path: Path) -> None:
    file = site(tmp_path, options="user=nobody-of-this-name")
    (tmp_path / "app.wsgi").unlink()
    found = run("check", "--quiet", file).stdout
    assert "there is no user 'nobody-of-this-name'" in found
    assert f"there is no script {tmp_path}/app.wsgi" in found


@pytest.mark.root
@pytest.mark.skipif(os.geteuid() != 0, reason="needs to be started as root")
def test_check_finds_a_script_that_the_user_cannot_read(tmp_path: Path) -> None:
    file = site(tmp_path, options="user=nobody")
    (tmp_path / "app.wsgi").chmod(0o600)
    assert any("the script" in line and "nobody" in line for line in run("check", file).stdout.splitlines())


def test_check_reads_names_for_ifdefine(tmp_path: Path) -> None:
    file = site(tmp_path, more="<IfDefine STAGING>\nLisen 80\n</IfDefine>")
    assert [run("check", file).returncode, run("check", "-D", "STAGING", file).returncode] == [0, 2]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("check",), "pydaemonwsgi: check: the following arguments are required: FILE; pydaemonwsgi check --help"),
        (("check", "--frob", "x"), "check: '--frob' is not known"),
        (("check", "/nowhere/x.conf"), "/nowhere/x.conf cannot be read: No such file or directory"),
        (("convert",), "convert: give a command line"),
        (("convert", "serve", "--treads", "5", "x"), "unknown option --treads; did you mean --threads?"),
        (("convert", "serve", "./gone.wsgi"), "there is no file"),
    ],
)
def test_what_cannot_be_meant_ends_with_status_2_and_says_why(arguments: tuple[str, ...], message: str) -> None:
    result = run(*arguments)
    assert result.returncode == 2
    assert message in result.stdout + result.stderr
    assert result.stderr.count("\n") <= 1


def test_a_device_is_no_configuration() -> None:
    assert "not a regular file" in run("check", "/dev/zero").stdout


def test_what_convert_prints_has_no_errors(tmp_path: Path) -> None:
    site(tmp_path)
    written = run("convert", "serve", "app.wsgi", "--processes", "2", "--queue-timeout", "5m", cwd=tmp_path)
    assert "queue-timeout=300s" in written.stdout
    file = tmp_path / "converted.conf"
    file.write_text(written.stdout, encoding="utf-8")
    assert run("check", "--quiet", str(file)).stdout.endswith("0 warnings\n") or os.geteuid() == 0
    assert run("check", str(file)).returncode == 0


def test_a_server_is_not_started_with_a_spool_directory_that_is_not_there(tmp_path: Path) -> None:
    """Long requests would be the first to notice."""
    file = tmp_path / "site.conf"
    file.write_text(f"Listen 127.0.0.1:0\nServeOption spool-directory {tmp_path}/spool\n", encoding="utf-8")
    result = run("serve", "--config", str(file), "--control-socket", "off")
    assert result.returncode == 2
    assert f"ServeOption spool-directory: {tmp_path}/spool is not a directory" in result.stderr


@pytest.mark.parametrize("command", [("check", "{file}"), ("explain", "{file}", "http://x:8080/")])
def test_who_has_read_enough_is_no_error(tmp_path: Path, command: tuple[str, ...]) -> None:
    """As `head` has; here the reader is gone before the first byte."""
    arguments = [word.replace("{file}", site(tmp_path)) for word in command]
    read_end, write_end = os.pipe()
    os.close(read_end)
    with os.fdopen(write_end, "wb") as gone:
        finished = subprocess.run(
            [sys.executable, "-m", "pydaemonwsgi", *arguments], stdout=gone, stderr=subprocess.PIPE, check=False
        )
    assert finished.stderr == b""
