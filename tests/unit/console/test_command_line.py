"""command_line: what may be given to the commands that talk to a server."""

import pytest

from pydaemonwsgi.channel.commands import COMMANDS, Request
from pydaemonwsgi.console.command_line import SUMMARIES, parse_command
from pydaemonwsgi.errors import ConfigurationError


def test_every_command_of_the_protocol_can_be_given() -> None:
    """What the server understands, the command line offers."""
    assert set(SUMMARIES) == set(COMMANDS)


@pytest.mark.parametrize(
    ("command", "argv", "request_"),
    [
        ("status", [], Request("status")),
        ("reload", ["--wait"], Request("reload", wait=True)),
        ("restart", [], Request("restart")),
        ("restart", ["shop"], Request("restart", group="shop")),
        ("scale", ["shop", "3", "--wait"], Request("scale", group="shop", size=3, wait=True)),
        ("dump", [], Request("dump")),
        ("dump", ["4711"], Request("dump", pid=4711)),
        ("stop", ["--wait"], Request("stop")),
    ],
)
def test_arguments_make_a_request(command: str, argv: list[str], request_: Request) -> None:
    """The end of the server is waited for by the client: nobody could answer."""
    order = parse_command(command, argv)
    assert order.request == request_
    assert order.wait == ("--wait" in argv)
    assert order.control_socket is None
    assert not order.json


@pytest.mark.parametrize(
    ("command", "argv", "error"),
    [
        ("scale", ["shop"], "the following arguments are required: N"),
        ("scale", ["shop", "0"], "argument N: '0' is not a whole number from 1 up"),
        ("scale", ["shop", "9999999999"], "is not a whole number from 1 up"),
        ("dump", ["all"], "argument PID: 'all' is not a whole number from 1 up"),
        ("status", ["shop"], "unrecognized arguments: shop"),
        ("status", ["--wait"], "unrecognized arguments: --wait"),
        ("ps", ["--control-socket", "a b"], "argument --control-socket: 'a b' is not a name"),
        ("ps", ["--control-socket", ""], "argument --control-socket: '' is not a name"),
    ],
)
def test_what_cannot_be_meant_is_one_line(command: str, argv: list[str], error: str) -> None:
    """It names the command, the argument and where help is."""
    with pytest.raises(ConfigurationError) as raised:
        parse_command(command, argv)
    assert str(raised.value).startswith(f"{command}: ")
    assert error in str(raised.value)
    assert f"pydaemonwsgi {command} --help" in str(raised.value)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("command", SUMMARIES)
def test_help_tells_the_exit_statuses(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Scripts are written from --help."""
    with pytest.raises(SystemExit) as raised:
        parse_command(command, ["--help"])
    assert raised.value.code == 0
    assert "Exit status: 0 done; 1 no server is running, or it failed; 2 asked wrongly." in " ".join(
        capsys.readouterr().out.split()
    )
