"""What a running server can be asked, and its answers: the protocol of the control socket. Sans-I/O.

One request and one answer for each connection, each a JSON object on a line of its own:

    {"command": "scale", "group": "app", "size": 3, "wait": true}
    {"exit": 0, "result": {"size": 3}, "error": ""}

`exit` is the exit status that a command line should end with: 0 done, 1 failed, 2 asked wrongly. With the first byte
of an answer may come a descriptor of memory that holds what the supervisor does not look into: the front's report, or
the stacks of threads.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from pydaemonwsgi.errors import ChannelError

__all__ = [
    "COMMANDS",
    "DONE",
    "FAILED",
    "LONGEST_ANSWER",
    "LONGEST_REQUEST",
    "WRONG",
    "Answer",
    "Request",
    "decode_answer",
    "decode_request",
    "encode_answer",
    "encode_request",
]

# Bytes; a request names a command, a group and a number.
LONGEST_REQUEST: Final = 4096
# Bytes; a thousand daemon processes and their failures fit.
LONGEST_ANSWER: Final = 16 * 1024 * 1024

DONE: Final = 0
FAILED: Final = 1
WRONG: Final = 2


@dataclass(frozen=True, slots=True)
class _Field:
    kind: type
    required: bool = False


_WAIT: Final = {"wait": _Field(bool)}

COMMANDS: Final[Mapping[str, Mapping[str, _Field]]] = {
    "status": {},
    "ps": {},
    "reload": _WAIT,
    "restart": {"group": _Field(str), **_WAIT},
    "stop": {},
    "scale": {"group": _Field(str, required=True), "size": _Field(int, required=True), **_WAIT},
    "dump": {"pid": _Field(int)},
    "reopen-logs": {},
}
"""The commands and their fields."""


@dataclass(frozen=True, slots=True)
class Request:
    """A checked request.

    Attributes:
        command: a key of `COMMANDS`.
        group: the process group that it is about, "" for all.
        size: how many processes.
        pid: the process that it is about, 0 for all.
        wait: whether the answer is to come only when all is done.
    """

    command: str
    group: str = ""
    size: int = 0
    pid: int = 0
    wait: bool = False


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer.

    Attributes:
        exit: `DONE`, `FAILED` or `WRONG`.
        result: what was asked for, as JSON has it.
        error: why not, for people; "" if done.
    """

    exit: int
    result: Mapping[str, object]
    error: str = ""


def encode_request(request: Request) -> bytes:
    """Return a request as a line."""
    given = {name: getattr(request, name) for name in COMMANDS[request.command]}
    return _line({"command": request.command, **{name: value for name, value in given.items() if value}})


def decode_request(line: bytes) -> Request:
    """Return the request on a line.

    Raises:
        ChannelError: it is none; the message tells the asker what is wrong.
    """
    content = _read(line)
    command = content.pop("command", None)
    if not isinstance(command, str) or command not in COMMANDS:
        raise ChannelError(f"no command {_shown(command)}; there are {', '.join(COMMANDS)}")
    fields = COMMANDS[command]
    for name, value in content.items():
        if name not in fields:
            raise ChannelError(f"{command} knows no {_shown(name)}; it knows {', '.join(fields) or 'nothing'}")
        if type(value) is not fields[name].kind:
            raise ChannelError(f"{name} of {command} is {_shown(value)}; give a {fields[name].kind.__name__}")
    for name, field in fields.items():
        if field.required and name not in content:
            raise ChannelError(f"{command} needs {name}")
    return Request(command, **content)


def encode_answer(answer: Answer) -> bytes:
    """Return an answer as a line."""
    return _line({"exit": answer.exit, "result": answer.result, "error": answer.error})


def decode_answer(line: bytes) -> Answer:
    """Return the answer on a line.

    Raises:
        ChannelError: it is none.
    """
    content = _read(line)
    status, result, error = content.get("exit"), content.get("result"), content.get("error")
    if type(status) is not int or not isinstance(result, dict) or not isinstance(error, str):
        raise ChannelError("an answer without exit, result and error")
    return Answer(status, result, error)


def _line(content: Mapping[str, object]) -> bytes:
    return json.dumps(content, separators=(",", ":")).encode("ascii") + b"\n"


def _read(line: bytes) -> dict[str, Any]:
    try:
        content = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise ChannelError("not a JSON object on one line") from error
    if not isinstance(content, dict):
        raise ChannelError("not a JSON object")
    return content


def _shown(value: object) -> str:
    """Return what somebody sent, short and harmless in a log."""
    text = json.dumps(value)
    return text if len(text) <= 40 else text[:37] + "..."
