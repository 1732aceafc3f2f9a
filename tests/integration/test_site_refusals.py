"""What the machine refuses of a configuration that is right in itself: told by file and line, all at once."""

import os
import socket
from pathlib import Path

import psutil
import pytest

from tests.helpers.command import run
from tests.helpers.control import order
from tests.helpers.public import Public
from tests.helpers.site import serving_site

GROUP = "WSGIDaemonProcess site\nWSGIScriptAlias / {script} process-group=site application-group=%{{GLOBAL}}\n"
SCRIPT = "def application(environ, start_response):\n    start_response('200 OK', [])\n    return [b'here']\n"


def write(tmp_path: Path, text: str) -> str:
    """The name of a configuration; its first two lines are a group and its script."""
    script = tmp_path / "app.wsgi"
    script.write_text(SCRIPT, encoding="ascii")
    file = tmp_path / "site.conf"
    file.write_text(GROUP.format(script=script) + text, encoding="utf-8")
    return str(file)


def test_listeners_and_logs_that_cannot_be_had_are_told_at_once(tmp_path: Path) -> None:
    """Each by the line that asks for it, whichever directive that is."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        file = write(
            tmp_path,
            f"Listen 127.0.0.1:{port}\n"
            "Listen 192.0.2.1:8123\n"
            "ErrorLog /gone/error.log\n"
            "<VirtualHost *:*>\n"
            'ErrorLog "|/gone/command"\n'
            "CustomLog /gone/access.log common\n"
            "TransferLog /gone/transfer.log\n"
            "</VirtualHost>\n"
            "<VirtualHost *:*>\n"
            "ServerName second.test\n"
            "ErrorLog /gone/error.log\n"
            "</VirtualHost>\n",
        )
        result = run("serve", "--config", file, "--control-socket", "off")
    assert [line.partition(";")[0] for line in result.stderr.splitlines()] == [
        "pydaemonwsgi: the machine refuses what the configuration asks for: 6 errors",
        f"{file}:3: error: Listen: cannot listen on 127.0.0.1:{port}: address already in use",
        f"{file}:4: error: Listen: cannot listen on 192.0.2.1:8123: cannot assign requested address",
        f"{file}:5: error: ErrorLog: cannot open the log /gone/error.log: No such file or directory",
        f"{file}:7: error: ErrorLog: cannot open the log |/gone/command: /gone/command is no program to execute",
        f"{file}:8: error: CustomLog: cannot open the log /gone/access.log: No such file or directory",
        f"{file}:9: error: TransferLog: cannot open the log /gone/transfer.log: No such file or directory",
    ]
    assert result.returncode == 2


@pytest.mark.parametrize(
    ("listen", "words"),
    [
        ("Listen 192.0.2.1:8123", "{file}:3: error: Listen: cannot listen on 192.0.2.1:8123: "),
        ("<VirtualHost 192.0.2.1:8123>\n</VirtualHost>", "{file}:3: error: Listen: cannot listen on 192.0.2.1:8123: "),
        ("Listen unix:/gone/socket", "{file}:3: error: Listen: cannot listen on unix:/gone/socket: "),
    ],
)
def test_a_listener_that_cannot_be_had_is_a_failure_of_the_start(tmp_path: Path, listen: str, words: str) -> None:
    """Another day it may be had: exit status 1, as on the command line."""
    file = write(tmp_path, listen)
    result = run("serve", "--config", file, "--control-socket", "off")
    assert words.format(file=file) in result.stderr
    assert result.returncode == 1


def test_a_start_that_fails_leaves_no_socket_behind(tmp_path: Path) -> None:
    """A file that nobody listens on would send clients to nobody."""
    file = write(tmp_path, f"Listen unix:{tmp_path}/site.sock\nListen 192.0.2.1:8123\n")
    assert run("serve", "--config", file, "--control-socket", "off").returncode == 1
    assert not (tmp_path / "site.sock").exists()


def test_a_reload_that_the_machine_refuses_changes_nothing_and_tells_everything(public: Public) -> None:
    """The server goes on as it was, and has let go of what it had got."""
    start = "WSGIDaemonProcess site\nWSGIScriptAlias / {site}/app.wsgi process-group=site\nUser nobody\n"
    files = {"app.wsgi": SCRIPT}
    with (
        socket.create_server(("127.0.0.1", 0)) as taken,
        serving_site(start, files, python=public.python, env=public.env, control=True) as running,
    ):
        port = taken.getsockname()[1]
        before = running.configuration.read_text()
        more = f"Listen 127.0.0.1:{port}\nCustomLog {{site}}/new.log common\nCustomLog /gone/access.log common\n"
        running.configuration.write_text(before + more.replace("{site}", str(running.directory)))
        result = order(running.server, "reload")
        assert result.returncode == 1
        line = before.count("\n")
        assert f"{running.configuration}:{line + 1}: error: Listen: cannot listen on 127.0.0.1:{port}" in result.stderr
        assert f"{running.configuration}:{line + 3}: error: CustomLog: cannot open the log" in result.stderr
        assert "the server goes on as it was" in running.log()
        assert running.get().text == "here"
        supervisor = psutil.Process(running.server.pid)
        assert not [file.path for file in supervisor.open_files() if file.path.endswith("new.log")]


def test_what_a_server_asks_for_is_refused_with_its_line(tmp_path: Path) -> None:
    """User, Group and PidFile too; groups that inherit them do not say it again."""
    file = write(
        tmp_path,
        "User nobody-of-this-name\nListen 8123\nServeOption spool-directory /gone\nGroup nothing-of-this-name\n",
    )
    refused = run("serve", "--config", file, "--control-socket", "off")
    assert "process group" not in refused.stderr
    found = [line.partition("; ")[0] for line in refused.stderr.splitlines()[1:]]
    spool = f"{file}:5: error: ServeOption spool-directory: /gone is not a directory"
    if os.geteuid() == 0:
        assert sorted(found) == [
            f"{file}:3: error: User: user 'nobody-of-this-name' does not exist",
            spool,
            f"{file}:6: error: Group: group 'nothing-of-this-name' does not exist",
        ]
    else:
        assert found == [spool]
    file = write(tmp_path, "PidFile /gone/pid\nListen 192.0.2.1:8123\n")
    refused = run("serve", "--config", file, "--control-socket", "off")
    assert [line.partition(": cannot")[0] for line in refused.stderr.splitlines()[1:]] == [
        f"{file}:3: error: PidFile",
        f"{file}:4: error: Listen",
    ]
    found = [line for line in run("check", file).stdout.splitlines() if "warning: PidFile" in line]
    assert found == [f"{file}:3: warning: PidFile: there is no directory /gone"]
