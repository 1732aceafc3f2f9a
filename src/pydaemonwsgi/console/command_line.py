"""The command lines of the commands that talk to a running server. Sans-I/O."""

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from pydaemonwsgi.channel.commands import Request
from pydaemonwsgi.config import values
from pydaemonwsgi.config.argument_parser import ArgumentParser
from pydaemonwsgi.config.values import BadValueError
from pydaemonwsgi.errors import ConfigurationError

__all__ = ["SUMMARIES", "Order", "parse_command"]

SUMMARIES: Final = {
    "status": "show process groups, processes, queue and what went wrong last",
    "ps": "show the requests in flight: age, phase, process, thread, client, URL",
    "reload": "replace all daemon processes, successors first; with a configuration, read it again",
    "restart": "replace the daemon processes of one process group, or of all",
    "stop": "finish the requests in flight and end the server",
    "scale": "have so many daemon processes in a process group",
    "dump": "show the stacks of all threads of a daemon process, or of all",
    "reopen-logs": "open the logs anew after they have been moved away",
}
"""The commands and what they do, for `--help`."""

_GROUP: Final = "name of the process group, or 'GROUP|NAME' of one of its application groups"
_WAITING: Final = ("reload", "restart", "stop", "scale")


@dataclass(frozen=True, slots=True)
class Order:
    """What the user wants.

    Attributes:
        request: for the server.
        control_socket: name or path; None for the only server there is.
        json: whether the output is for programs.
        wait: whether to return only when all is done.
    """

    request: Request
    control_socket: str | None
    json: bool
    wait: bool


def parse_command(command: str, argv: Sequence[str]) -> Order:
    """Read the arguments after a command's name.

    Raises:
        ConfigurationError: with one line that says what is wrong.
        SystemExit: with status 0 after --help was printed.
    """
    parser = _parser(command)
    try:
        given = parser.parse_args(list(argv))
    except (argparse.ArgumentError, argparse.ArgumentTypeError) as error:
        raise ConfigurationError(f"{command}: {error}; pydaemonwsgi {command} --help shows what may be given") from None
    wait = bool(getattr(given, "wait", False))
    request = Request(
        command,
        group=getattr(given, "group", None) or "",
        size=getattr(given, "size", 0),
        pid=getattr(given, "pid", None) or 0,
        wait=wait and command != "stop",  # the end of the server is no answer of the server
    )
    return Order(request, given.control_socket, given.json, wait)


def _parser(command: str) -> ArgumentParser:
    summary = SUMMARIES[command]
    parser = ArgumentParser(
        command,
        f"{summary[0].upper()}{summary[1:]}.",
        "0 done; 1 no server is running, or it failed; 2 asked wrongly"
        + (". Also 1 if a process group is in BACKOFF or FATAL" if command == "status" else ""),
    )
    if command == "scale":
        parser.add_argument("group", metavar="GROUP", help=_GROUP)
        parser.add_argument("size", metavar="N", type=_number, help="how many daemon processes, at least 1")
    elif command == "restart":
        parser.add_argument("group", metavar="GROUP", nargs="?", help=f"{_GROUP} (default all)")
    elif command == "dump":
        parser.add_argument("pid", metavar="PID", nargs="?", type=_number, help="of a daemon process (default all)")
    parser.add_argument(
        "--control-socket",
        metavar="NAME",
        type=_server_name,
        help="name of the server, or path of its control socket (default the only server that is running)",
    )
    parser.add_argument("--json", action="store_true", help="write JSON, for programs")
    if command in _WAITING:
        parser.add_argument("--wait", action="store_true", help="return only when it is done, and say whether it was")
    return parser


def _number(text: str) -> int:
    if not text.isdecimal() or not text.isascii() or not 1 <= len(text) <= 9 or not int(text):
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from 1 up")
    return int(text)


def _server_name(text: str) -> str:
    try:
        return values.server_name().parse(text)
    except BadValueError as error:
        raise argparse.ArgumentTypeError(f"{text!r} {error}") from None
