"""Datagrams go to whoever listens now, and nothing that a collector does holds the sender up."""

import logging
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from pydaemonwsgi.telemetry.sender import Sender
from pydaemonwsgi.telemetry.settings import TelemetrySettings

BATCH = [b"one", b"two"]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "t.sock"


@pytest.fixture
def sender(path: Path) -> Sender:
    return Sender(TelemetrySettings(str(path), place="WSGITelemetryService, /etc/site.conf:7"))


@pytest.fixture
def log(caplog: pytest.LogCaptureFixture) -> Iterator[pytest.LogCaptureFixture]:
    with caplog.at_level(logging.INFO, "pydaemonwsgi.telemetry"):
        yield caplog


def collector(path: Path) -> socket.socket:
    path.unlink(missing_ok=True)
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
    sock.bind(str(path))
    return sock


def received(sock: socket.socket) -> list[bytes]:
    found = []
    try:
        while True:
            found.append(sock.recv(100_000))
    except BlockingIOError:
        return found


def test_datagrams_arrive_in_their_order(path: Path, sender: Sender, log: pytest.LogCaptureFixture) -> None:
    with collector(path) as sock:
        sender.send(BATCH, 0)
        assert received(sock) == BATCH
    assert log.messages == []


def test_without_a_collector_one_warning_says_where_it_was_asked_for(
    sender: Sender, path: Path, log: pytest.LogCaptureFixture
) -> None:
    for now in range(100):
        sender.send(BATCH, now)
    (warning,) = log.messages
    assert warning == (
        f"telemetry cannot be sent to {path} (WSGITelemetryService, /etc/site.conf:7): there is no such socket; start "
        "the collector, or correct the path; it is dropped until it can, requests are served as always"
    )
    assert sender.dropped == 200


def test_a_collector_that_was_started_anew_gets_what_follows(
    path: Path, sender: Sender, log: pytest.LogCaptureFixture
) -> None:
    with collector(path):
        sender.send(BATCH, 0)
    sender.send(BATCH, 1)
    with collector(path) as sock:
        sender.send(BATCH, 2)
        assert received(sock) == BATCH
    assert [record.levelname for record in log.records] == ["WARNING", "INFO"]
    assert "nobody receives there" in log.messages[0]
    assert log.messages[1] == f"telemetry is sent to {path} again after 1 s; 2 datagrams were not sent"


def test_between_two_reports_a_collector_may_be_started_anew_unnoticed(
    path: Path, sender: Sender, log: pytest.LogCaptureFixture
) -> None:
    with collector(path):
        sender.send(BATCH, 0)
    with collector(path) as sock:
        sender.send(BATCH, 1)
        assert received(sock) == BATCH
    assert log.messages == []


def test_a_full_collector_is_not_waited_for(path: Path, sender: Sender, log: pytest.LogCaptureFixture) -> None:
    with collector(path) as sock:
        while not sender.dropped:
            sender.send(BATCH, 0)
        assert log.messages == [], "it may be over in a moment"
        sender.send(BATCH, 2)
        assert "its queue is full" in log.messages[0]
        received(sock)
        sender.send(BATCH, 3)
        assert received(sock) == BATCH
        assert log.messages[1:] == [
            f"telemetry is sent to {path} again after 3 s; {sender.dropped} datagrams were not sent"
        ]


def test_a_stream_socket_is_no_collector(path: Path, sender: Sender, log: pytest.LogCaptureFixture) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as sock:
        sock.bind(str(path))
        sock.listen()
        sender.send(BATCH, 0)
    assert "no datagram socket" in log.messages[0]


def test_a_datagram_may_have_all_that_it_may_have(path: Path, sender: Sender) -> None:
    """The kernel takes the longest that is ever made."""
    with collector(path) as sock:
        sender.send([b"x" * 65_536], 0)
        assert [len(data) for data in received(sock)] == [65_536]


def test_a_sender_beside_another_says_nothing(path: Path, log: pytest.LogCaptureFixture) -> None:
    """The interpreters of a process share its log; a hundred of them would say the same."""
    silent = Sender(TelemetrySettings(str(path)), silent=True)
    silent.send(BATCH, 0)
    with collector(path) as sock:
        silent.send(BATCH, 1)
        assert received(sock) == BATCH
    assert (silent.dropped, log.messages) == (2, [])
