"""inquiry: a thread that asks about the server gets an answer, or None in time; nobody waits for nobody."""

import json
import os
import threading
from collections.abc import Iterator

import pytest

from pydaemonwsgi.channel import control
from pydaemonwsgi.channel.control import Word
from pydaemonwsgi.daemon import inquiry as module
from pydaemonwsgi.daemon.control import ControlConnection
from pydaemonwsgi.daemon.inquiry import Inquiry
from pydaemonwsgi.system.memory import create_unsealed
from pydaemonwsgi.system.sockets import LOST_DESCRIPTOR, control_pair

TOLD = {"generation": 0, "started": 1.0, "processes": []}


class Process:
    """A daemon process, whose supervisor and monitor are the test."""

    def __init__(self, *, permitted: bool = True) -> None:
        self.supervisor, theirs = control_pair()
        self.supervisor.settimeout(10)
        self._control = ControlConnection(theirs, self._flush)
        self.inquiry = Inquiry(permitted=permitted)
        self.inquiry.connect(self._control)
        self.answers: list[dict[str, object] | None] = []
        self._threads: list[threading.Thread] = []

    def _flush(self) -> None:
        self._control.flush()

    def ask(self, count: int = 1) -> None:
        """Ask by threads of the application."""
        for _ in range(count):
            thread = threading.Thread(target=lambda: self.answers.append(self.inquiry.server_metrics()))
            thread.start()
            self._threads.append(thread)

    def question(self) -> int:
        """Return the token of the next question."""
        message = control.decode(self.supervisor.recv(control.MAXIMUM_MESSAGE))
        assert message.word is Word.SURVEY
        return message.number("token")

    def answer(self, token: int, told: object = None) -> None:
        memory = create_unsealed("told", 1000)
        os.pwrite(memory, json.dumps(TOLD if told is None else told).encode(), 0)
        self.inquiry.take(token, [memory])

    def join(self) -> None:
        for thread in self._threads:
            thread.join(10)
            assert not thread.is_alive()
        self._threads.clear()

    def close(self) -> None:
        self.join()
        self.supervisor.close()
        self._control.close()


@pytest.fixture
def process() -> Iterator[Process]:
    process = Process()
    yield process
    process.close()


def test_an_answer_is_told(process: Process) -> None:
    """In mod_wsgi's words; nothing is asked before somebody wants to know."""
    process.ask()
    process.answer(process.question())
    process.join()
    [told] = process.answers
    assert told is not None
    assert (told["processes"], told["restart_time"]) == ([], 1.0)


def test_threads_that_wait_share_an_answer(process: Process) -> None:
    """One question is open at a time, whoever wants to know."""
    process.ask()
    token = process.question()
    process.ask(3)
    while process.inquiry._waiting < 4:  # all of them wait
        pass
    process.answer(token)
    process.join()
    assert len(process.answers) == 4
    assert None not in process.answers
    process.supervisor.setblocking(False)
    with pytest.raises(BlockingIOError):
        process.question()


def test_a_later_question_is_asked_anew(process: Process) -> None:
    """An answer is for those who waited for it."""
    process.ask()
    process.answer(process.question())
    process.join()
    process.ask()
    process.answer(process.question(), TOLD | {"generation": 5})
    process.join()
    assert [told and told["running_generation"] for told in process.answers] == [0, 5]


def test_a_late_answer_is_nobodys(process: Process, monkeypatch: pytest.MonkeyPatch) -> None:
    """None comes in time; what comes then is no answer to the next question."""
    monkeypatch.setattr(module, "_PATIENCE", 0.01)
    process.ask()
    late = process.question()
    process.join()
    assert process.answers == [None]
    monkeypatch.setattr(module, "_PATIENCE", 10.0)
    process.ask()
    token = process.question()
    process.answer(late, TOLD | {"generation": 1})
    process.answer(token, TOLD | {"generation": 2})
    process.join()
    assert process.answers[1] is not None
    assert process.answers[1]["running_generation"] == 2


def test_an_answer_that_got_lost_is_none(process: Process) -> None:
    """A process that is out of descriptors has nothing to read; it does not wait longer."""
    process.ask()
    process.inquiry.take(process.question(), [LOST_DESCRIPTOR])
    process.join()
    assert process.answers == [None]


def test_the_monitor_does_not_wait_for_itself(process: Process) -> None:
    """Functions that it calls for the application are told nothing."""
    assert process.inquiry.server_metrics() is None


def test_who_may_not_ask_asks_nobody() -> None:
    """Nor does a process that has let go of its connection."""
    process = Process(permitted=False)
    process.ask()
    process.close()
    assert process.answers == [None]
    process = Process()
    process.inquiry.disconnect()
    process.ask()
    process.close()
    assert process.answers == [None]
