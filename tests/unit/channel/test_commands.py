"""commands: requests and answers of the control socket, and what is none."""

import json

import pytest

from pydaemonwsgi.channel.commands import (
    COMMANDS,
    DONE,
    LONGEST_REQUEST,
    Answer,
    Request,
    decode_answer,
    decode_request,
    encode_answer,
    encode_request,
)
from pydaemonwsgi.errors import ChannelError

REQUESTS = [
    Request("status"),
    Request("ps"),
    Request("reload"),
    Request("reload", wait=True),
    Request("restart"),
    Request("restart", group="shop", wait=True),
    Request("stop"),
    Request("scale", group="shop", size=3, wait=True),
    Request("dump"),
    Request("dump", pid=4711),
    Request("reopen-logs"),
]


@pytest.mark.parametrize("request_", REQUESTS, ids=str)
def test_every_request_round_trips(request_: Request) -> None:
    """What a client encodes on one line is what the server reads."""
    line = encode_request(request_)
    assert line.endswith(b"\n")
    assert line.count(b"\n") == 1
    assert len(line) <= LONGEST_REQUEST
    assert decode_request(line) == request_


def test_every_command_has_an_example() -> None:
    """No command of the table is left out above."""
    assert {request.command for request in REQUESTS} == set(COMMANDS)


@pytest.mark.parametrize(
    ("line", "error"),
    [
        (b"", "not a JSON object on one line"),
        (b"\xff", "not a JSON object on one line"),
        (b"[" * 4000, "not a JSON object on one line"),
        (b"7", "not a JSON object"),
        (b"{}", "no command null; there are status, ps, reload, restart, stop, scale, dump, reopen-logs"),
        (b'{"command": ["stop"]}', 'no command ["stop"]'),
        (b'{"command": "%s"}' % (b"x" * 500), f'no command "{"x" * 36}...'),
        (b'{"command": "status", "wait": true}', 'status knows no "wait"; it knows nothing'),
        (b'{"command": "reload", "wait": 1}', "wait of reload is 1; give a bool"),
        (b'{"command": "scale", "group": "a", "size": true}', "size of scale is true; give a int"),
        (b'{"command": "scale", "group": "a"}', "scale needs size"),
        (b'{"command": "dump", "pid": "1"}', 'pid of dump is "1"; give a int'),
    ],
    ids=lambda value: value[:40].decode("latin-1") if isinstance(value, bytes) else "",
)
def test_what_is_no_request_is_refused_with_a_reason(line: bytes, error: str) -> None:
    """The message tells the asker what is wrong, and is short whatever was sent."""
    with pytest.raises(ChannelError) as raised:
        decode_request(line)
    assert error in str(raised.value)
    assert len(str(raised.value)) < 200


def test_an_answer_round_trips() -> None:
    """Text of any kind stays on one line of ASCII."""
    answer = Answer(DONE, {"text": "Zeile 1\nZeile 2 ü \x1b", "list": [1, None]}, "déjà\nvu")
    line = encode_answer(answer)
    assert line.count(b"\n") == 1
    assert line.isascii()
    assert decode_answer(line) == answer


@pytest.mark.parametrize(
    "content",
    [{}, {"exit": "0", "result": {}, "error": ""}, {"exit": 0, "result": [], "error": ""}, {"exit": 0, "result": {}}],
    ids=json.dumps,
)
def test_what_is_no_answer_is_refused(content: object) -> None:
    """A client does not believe just any JSON."""
    with pytest.raises(ChannelError):
        decode_answer(json.dumps(content).encode())
