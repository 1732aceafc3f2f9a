"""upgrade: a successor has a deadline, and whatever it does, this server goes on."""

import logging
import os
import selectors
import signal
import socket
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from pydaemonwsgi.supervisor.upgrade import Predecessor, Successor

PATIENCE = 60.0
WILLING = "import os, time; os.write(1, b'here'); time.sleep(600)"
DEAF = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); " + WILLING


class Attempt:
    """A successor that is a real process, and what has been said of it.

    Attributes:
        successor: what is tested.
        theirs: its end of the connection.
        selector: with everything that it has registered.
        readiness: a member for each time that it was said to be ready.
        status: of its exit, once it has been reaped.
    """

    def __init__(self, code: str, *, stderr_elsewhere: bool) -> None:
        reading, writing = os.pipe()
        self.pid = os.posix_spawn(
            sys.executable,
            [sys.executable, "-c", code],
            dict(os.environ),
            file_actions=[(os.POSIX_SPAWN_DUP2, writing, 1)],
        )
        os.close(writing)
        assert os.read(reading, 5) == b"here"
        os.close(reading)
        ours, self.theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        ours.setblocking(False)
        self.selector = selectors.DefaultSelector()
        self.readiness: list[None] = []
        self.successor = Successor(
            self.pid,
            ours,
            PATIENCE,
            self.selector,
            lambda: self.readiness.append(None),
            stderr_elsewhere=stderr_elsewhere,
        )
        self.status: int | None = None

    def turn(self) -> None:
        """Do what the supervisor's loop does when something can be read."""
        for key, _ in self.selector.select(0):
            key.data()

    def reap(self) -> int:
        """Wait for its end as the supervisor does; return the number of the signal that it died of, or 0."""
        _, self.status = os.waitpid(self.pid, 0)
        self.successor.bury(self.status)
        return os.WTERMSIG(self.status) if os.WIFSIGNALED(self.status) else 0

    def lives(self) -> bool:
        """Whether it has not ended."""
        return os.waitpid(self.pid, os.WNOHANG) == (0, 0)


@contextmanager
def attempt(code: str = WILLING, *, stderr_elsewhere: bool = False) -> Iterator[Attempt]:
    """Have a successor for the length of a `with` block."""
    one = Attempt(code, stderr_elsewhere=stderr_elsewhere)
    try:
        yield one
    finally:
        if one.status is None:
            os.kill(one.pid, signal.SIGKILL)
            one.reap()
        one.theirs.close()
        one.selector.close()


def deadline(one: Attempt) -> float:
    """When it has to be looked at again."""
    at = one.successor.next_deadline()
    assert at is not None
    return at


def test_successor_that_never_becomes_ready_is_ended(caplog: pytest.LogCaptureFixture) -> None:
    """At its deadline and not before; the log says that this server goes on."""
    with attempt() as one:
        assert 0 < deadline(one) - time.monotonic() <= PATIENCE
        one.successor.carry_out(deadline(one) - 0.001)
        assert one.lives()
        one.successor.carry_out(deadline(one))
        assert one.reap() == signal.SIGTERM
        assert f"(pid {one.pid}) is given up: it was not ready within 60 s; this one goes on" in caplog.text
        assert one.readiness == []
        assert not one.selector.get_map()


def test_successor_that_does_not_obey_is_killed() -> None:
    """It gets ten seconds after SIGTERM, in vain if it is stopped or deaf; then nothing is left to do."""
    with attempt(DEAF) as one:
        one.successor.carry_out(deadline(one))
        assert one.lives()
        one.successor.carry_out(deadline(one) - 0.001)
        assert one.lives()
        one.successor.carry_out(deadline(one))
        assert one.reap() == signal.SIGKILL
        assert one.successor.next_deadline() is None


def test_successor_that_is_ready_too_late_does_not_take_over() -> None:
    """It has been told to end already: two servers would each think that they are it."""
    with attempt(DEAF) as one:
        one.successor.carry_out(deadline(one))
        one.theirs.send(b"READY")
        one.turn()
        assert one.readiness == []
        assert not one.successor.ready


def test_successor_says_which_listeners_it_has() -> None:
    """In as many messages as it takes."""
    with attempt() as one, selectors.DefaultSelector() as selector:
        Predecessor(one.theirs, selector, lambda: None).say_ready(range(1201))
        while not one.readiness:
            one.turn()
        assert one.successor.keeps == frozenset(range(1201))


@pytest.mark.parametrize(("said", "keeps"), [((b"READY",), None), ((b"KEEPS ", b"READY"), frozenset())])
def test_successor_that_says_nothing_of_listeners_has_all(said: tuple[bytes, ...], keeps: object) -> None:
    """An older version does not; one that listens nowhere does."""
    with attempt() as one:
        for message in said:
            one.theirs.send(message)
        while not one.readiness:
            one.turn()
        assert one.successor.keeps == keeps


def test_successor_that_is_ready_has_no_deadline_any_more(caplog: pytest.LogCaptureFixture) -> None:
    """It is the server, and hears so."""
    with attempt() as one:
        one.theirs.send(b"READY")
        one.turn()
        assert one.readiness == [None]
        one.successor.release()
        assert one.theirs.recv(64) == b"GO"
        assert one.successor.next_deadline() is None
        one.successor.carry_out(time.monotonic() + 10 * PATIENCE)
        assert one.lives()
        assert caplog.text == ""


def test_successor_hears_what_came_meanwhile_once_it_is_the_server() -> None:
    """Not before: it could not make anything of a signal."""
    with attempt() as one:
        one.successor.owe(signal.SIGHUP)
        one.theirs.send(b"READY")
        one.turn()
        assert one.lives()
        one.successor.release()
        assert one.reap() == signal.SIGHUP


def test_successor_hears_each_thing_that_came_meanwhile_once() -> None:
    """Two reloads are one for it, as it has seen neither."""
    counting = """
import os, signal, time
heard = []
for number in (signal.SIGHUP, signal.SIGUSR1):
    signal.signal(number, lambda number, frame: heard.append(number))
os.write(1, b'here')
while len(heard) < 2 or signal.sigpending():
    time.sleep(0.01)
os._exit(len(heard))
"""
    with attempt(counting) as one:
        for number in (signal.SIGHUP, signal.SIGUSR1, signal.SIGHUP):
            one.successor.owe(number)
        one.successor.release()
        assert one.reap() == 0
        assert one.status is not None
        assert os.waitstatus_to_exitcode(one.status) == 2


def test_successor_that_dies_before_it_is_ready_is_told_of_once(caplog: pytest.LogCaptureFixture) -> None:
    """The end of its connection alone is no news: its exit status is."""
    with attempt() as one:
        os.kill(one.pid, signal.SIGKILL)
        one.theirs.close()
        one.turn()
        assert caplog.text == ""
        one.reap()
        assert [record.levelno for record in caplog.records] == [logging.ERROR]
        assert "was killed by SIGKILL before it was ready" in caplog.text
        assert "This one goes on as before" in caplog.text


@pytest.mark.parametrize("heard_first", [True, False])
def test_successor_that_says_why_it_fails_is_quoted(caplog: pytest.LogCaptureFixture, *, heard_first: bool) -> None:
    """Whether its words or its death are noticed first; its own messages may be where nobody looks."""
    with attempt() as one, selectors.DefaultSelector() as selector:
        predecessor = Predecessor(one.theirs, selector, lambda: None)
        predecessor.say_failed("site.conf:3: error: Listen: no\nsite.conf:4: error: Lisen: no")
        os.kill(one.pid, signal.SIGKILL)
        if heard_first:
            one.turn()
        one.reap()
    assert [record.levelno for record in caplog.records] == [logging.ERROR]
    assert "This one goes on as before. It said: site.conf:3: error: Listen: no\n" in caplog.text
    assert "site.conf:4: error: Lisen: no" in caplog.text


@pytest.mark.parametrize(
    ("elsewhere", "place"),
    [(False, "Its messages, if any, are above"), (True, "Its messages, if any, are on the standard error")],
)
def test_messages_of_a_successor_are_looked_for_where_they_are(
    caplog: pytest.LogCaptureFixture, *, elsewhere: bool, place: str
) -> None:
    """What it writes before it has its log goes where the first start's messages went, perhaps not into this log."""
    with attempt(stderr_elsewhere=elsewhere) as one:
        os.kill(one.pid, signal.SIGKILL)
        one.reap()
    assert place in caplog.text


@pytest.mark.parametrize(("word", "warned"), [(b"GO", False), (b"", True)], ids=["it lets go", "it has died"])
def test_successor_is_the_server_once_its_predecessor_has_gone(
    caplog: pytest.LogCaptureFixture, *, word: bytes, warned: bool
) -> None:
    """Whether it was told to be or not; the second is worth a warning."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    gone: list[None] = []
    with selectors.DefaultSelector() as selector:
        predecessor = Predecessor(ours, selector, lambda: gone.append(None))
        predecessor.say_ready([7, 8])
        assert theirs.recv(64) == b"KEEPS 7 8"
        assert theirs.recv(64) == b"READY"
        if word:
            theirs.send(word)
        theirs.close()
        for key, _ in selector.select(0):
            key.data()
        assert gone == [None]
        assert not selector.get_map()
    assert bool(caplog.records) is warned
