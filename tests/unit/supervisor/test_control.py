"""control: clients of the control socket, good and bad, against a real socket and a clock of the test's."""

import json
import os
import selectors
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from pydaemonwsgi.channel.commands import DONE, Answer, Request
from pydaemonwsgi.supervisor.control import ControlServer, Peer, Reply, Waiting
from pydaemonwsgi.supervisor.loop import turn
from pydaemonwsgi.system.control_sockets import open_control_socket
from tests.helpers.exhaustion import exhausted


class Loop:
    """A supervisor's loop around a control server."""

    def __init__(self, path: Path) -> None:
        self.now = 0.0
        self.closed = False
        self.path = str(path)
        self.asked: list[tuple[Request, Peer]] = []
        self.reply: Reply | Waiting = Reply(Answer(DONE, {"ok": True}))
        self.selector = selectors.DefaultSelector()
        self.server = ControlServer(self.selector, open_control_socket(self.path), lambda: self.now, self.obey)

    def obey(self, request: Request, peer: Peer) -> Reply | Waiting:
        self.asked.append((request, peer))
        return self.reply

    def turn(self) -> None:
        """Turn until nothing more is to be done at this time."""
        for _ in range(200):
            self.server.carry_out(self.now)
            if not self.selector.select(0):
                return
            turn(self.selector, 0)
        raise AssertionError("the loop never comes to rest")

    def connect(self, data: bytes = b"") -> socket.socket:
        client = socket.socket(socket.AF_UNIX)
        client.settimeout(10)
        client.connect(self.path)
        client.sendall(data)
        self.turn()
        return client


@pytest.fixture
def loop(tmp_path: Path) -> Iterator[Loop]:
    loop = Loop(tmp_path / "control")
    yield loop
    if not loop.closed:
        loop.server.close()
    loop.selector.close()


def read(client: socket.socket) -> bytes:
    data = b""
    while piece := client.recv(65536):
        data += piece
    return data


def test_a_request_is_answered_and_the_connection_ended(loop: Loop) -> None:
    """The server hears who asks, from the kernel."""
    with loop.connect(b'{"command": "status"}\n') as client:
        assert json.loads(read(client)) == {"exit": 0, "result": {"ok": True}, "error": ""}
    assert loop.asked == [(Request("status"), Peer(os.getpid(), os.geteuid()))]


def test_a_request_may_come_byte_by_byte(loop: Loop) -> None:
    """A line is a line, however it arrives; what follows it is not read."""
    with loop.connect() as client:
        for byte in b'{"command": "ps"}':
            client.sendall(bytes((byte,)))
            loop.turn()
        assert loop.asked == []
        client.sendall(b'\n{"command": "stop"}\n')
        loop.turn()
        assert [request.command for request, _ in loop.asked] == ["ps"]


def test_a_request_without_its_line_feed_is_one_at_the_end(loop: Loop) -> None:
    """`printf '{"command": "status"}' | nc -N -U …` works."""
    with loop.connect(b'{"command": "status"}') as client:
        client.shutdown(socket.SHUT_WR)
        loop.turn()
        assert json.loads(read(client))["exit"] == 0


def test_a_silent_client_is_dropped_after_its_time(loop: Loop) -> None:
    """And the loop is told when to look."""
    with loop.connect() as client:
        assert loop.server.next_deadline() == 10.0
        loop.now = 9.9
        loop.turn()
        client.sendall(b"{")
        loop.turn()
        loop.now = 10.0
        loop.turn()
        assert client.recv(100) == b""
    assert loop.server.next_deadline() is None


def test_a_client_that_takes_no_answer_is_dropped_after_its_time(loop: Loop) -> None:
    """A long answer waits for the client, not for ever."""
    loop.reply = Reply(Answer(DONE, {"text": "x" * 5_000_000}))
    with loop.connect(b'{"command": "status"}\n') as slow:
        loop.now = 3.0
        with loop.connect(b'{"command": "status"}\n') as quick:
            quick.setblocking(False)
            received = b""
            while not received.endswith(b"\n"):
                loop.turn()
                received += quick.recv(1 << 20)
            assert len(received) > 5_000_000
        loop.now = 10.0
        loop.turn()
        assert not read(slow).endswith(b"\n")


def test_one_too_many_costs_the_oldest_silent_one(loop: Loop) -> None:
    """Whoever waits for an answer keeps its place."""
    loop.reply = Waiting(lambda now: None)
    waiting = [loop.connect(b'{"command": "reload", "wait": true}\n') for _ in range(5)]
    silent = []
    for number in range(40):
        loop.now = number / 100
        silent.append(loop.connect())
    dropped = [client for client in silent if is_closed(client)]
    assert dropped == silent[: len(dropped)]
    assert len(silent) - len(dropped) + len(waiting) == 32
    assert not any(is_closed(client) for client in waiting)
    for client in waiting + silent:
        client.close()


def is_closed(client: socket.socket) -> bool:
    client.setblocking(False)
    try:
        return client.recv(1) == b""
    except BlockingIOError:
        return False


def test_a_waiting_client_is_answered_when_it_is_time(loop: Loop) -> None:
    """The answer is looked after at each turn; meanwhile nothing is dropped."""
    answers: list[Reply] = []
    loop.reply = Waiting(lambda now: answers[0] if answers else None, until=77.0)
    with loop.connect(b'{"command": "reload", "wait": true}\n') as client:
        loop.now = 50.0
        loop.turn()
        assert loop.server.next_deadline() == 77.0
        assert not is_closed(client)
        answers.append(Reply(Answer(DONE, {})))
        loop.turn()
        client.setblocking(True)
        assert json.loads(read(client))["exit"] == 0


def test_a_client_that_only_shut_its_side_down_is_still_answered(loop: Loop) -> None:
    """It reads, and says no more."""
    answers: list[Reply] = []
    loop.reply = Waiting(lambda now: answers[0] if answers else None)
    with loop.connect(b'{"command": "ps"}\n') as client:
        client.shutdown(socket.SHUT_WR)
        loop.turn()
        answers.append(Reply(Answer(DONE, {})))
        loop.turn()
        assert json.loads(read(client))["exit"] == 0


def test_what_goes_wrong_in_a_command_ends_its_connection_only(
    loop: Loop, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A bug is logged with its traceback, and the next client is answered."""
    monkeypatch.setattr("logging.Logger.propagate", True, raising=False)

    def fail(now: float) -> Reply:
        raise RuntimeError("a bug")

    loop.reply = Waiting(fail)
    with loop.connect(b'{"command": "ps"}\n') as client:
        assert client.recv(100) == b""
    assert "talking with pid" in caplog.text
    assert "a bug" in caplog.text
    loop.reply = Reply(Answer(DONE, {}))
    with loop.connect(b'{"command": "ps"}\n') as client:
        assert json.loads(read(client))["exit"] == 0


def test_what_travels_with_an_answer_is_closed_after(loop: Loop) -> None:
    """Neither a client that goes before its answer nor one that takes it costs a descriptor."""
    before = set(os.listdir("/proc/self/fd"))
    for goes_early in (True, False):
        loop.reply = Reply(Answer(DONE, {"text": "x" * 1_000_000}), (os.memfd_create("test"),))
        client = loop.connect(b'{"command": "ps"}\n')
        if not goes_early:
            client.recv(10)
        client.close()
        loop.turn()
        loop.now += 100.0
        loop.turn()
    assert set(os.listdir("/proc/self/fd")) == before


def test_whoever_goes_while_it_waits_is_forgotten_at_the_end(loop: Loop) -> None:
    """What the command holds for it is given back when the server ends."""
    forgotten = []
    loop.reply = Waiting(lambda now: None, forget=lambda: forgotten.append(True))
    with loop.connect(b'{"command": "ps"}\n'):
        pass
    loop.turn()
    loop.closed = True
    loop.server.close()
    assert forgotten == [True]


def test_a_server_without_descriptors_rests_and_answers_later(loop: Loop) -> None:
    """A client that cannot be accepted waits; the supervisor does not turn in circles meanwhile."""
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(10)
        with exhausted(os.getpid()):
            client.connect(loop.path)
            client.sendall(b'{"command": "status"}\n')
            loop.turn()
        again = loop.server.next_deadline()
        assert again is not None
        loop.now = again
        loop.turn()
        assert json.loads(read(client))["result"] == {"ok": True}


@pytest.mark.parametrize("leave", [False, True])
def test_a_server_that_rests_can_end(loop: Loop, leave: bool) -> None:
    """Whoever waits meanwhile is nobody's any more, or another server's."""
    with socket.socket(socket.AF_UNIX) as client:
        with exhausted(os.getpid()):
            client.connect(loop.path)
            loop.turn()
        loop.closed = True
        (loop.server.leave if leave else loop.server.close)()
        assert loop.server.next_deadline() is None
