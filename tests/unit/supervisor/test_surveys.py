"""surveys: who may ask is told soon, with one answer at a time, whatever the front and the others do."""

import json
import os
from collections.abc import Iterator

import pytest

from pydaemonwsgi.channel import control
from pydaemonwsgi.channel.control import Word
from pydaemonwsgi.supervisor.children import Child
from pydaemonwsgi.supervisor.errands import Errands
from pydaemonwsgi.supervisor.surveys import Generations, Surveys
from pydaemonwsgi.system.memory import read_text
from pydaemonwsgi.system.sockets import control_pair, receive_with_descriptors

REPORT = b'{"requests":[]}'


class FakeFront:
    """A front that notes what it is asked, and answers when it is told to."""

    def __init__(self, errands: Errands) -> None:
        self.ready = True
        self._sock, theirs = control_pair()
        self.child = Child(0, theirs)
        self.asked: list[tuple[int, int]] = []
        self._errands = errands

    def say(self, word: Word, descriptors: tuple[int, ...], *, token: int, requests: bool) -> bool:
        assert word is Word.REPORT
        assert requests
        self.asked.append((os.dup(descriptors[0]), token))
        self.child.say(Word.PING)
        return True

    def close(self) -> None:
        while self.asked:
            self.answer()
        self._sock.close()
        self.child.close()

    def answer(self) -> None:
        memory, token = self.asked.pop()
        self._sock.recv(control.MAXIMUM_MESSAGE)
        os.pwrite(memory, REPORT, 0)
        os.close(memory)
        self._errands.finish(token)


class Asker:
    """A daemon process, as far as it asks."""

    def __init__(self) -> None:
        ours, self.sock = control_pair()
        ours.setblocking(False)
        self.sock.setblocking(False)
        self.child = Child(0, ours)

    def heard(self) -> list[tuple[int, list[bytes]]]:
        """The tokens and texts of all answers."""
        found: list[tuple[int, list[bytes]]] = []
        while True:
            try:
                data, descriptors = receive_with_descriptors(self.sock, control.MAXIMUM_MESSAGE)
            except BlockingIOError:
                return found
            message = control.decode(data)
            assert message.word is Word.SURVEYED
            found.append((message.number("token"), [read_text(descriptor) for descriptor in descriptors]))
            for descriptor in descriptors:
                with pytest.raises(PermissionError):
                    os.pwrite(descriptor, b"lies", 0)
                os.close(descriptor)


class Table:
    """A supervisor's surveys, a front and two processes that ask; the time is what a test says."""

    def __init__(self) -> None:
        self.errands = Errands()
        self.front = FakeFront(self.errands)
        self.surveys = Surveys(list, self.front, self.errands)  # type: ignore[arg-type]
        self.one, self.two = Asker(), Asker()

    def ask(self, asker: Asker, token: int = 1) -> None:
        self.errands.surveys[asker.child] = token


@pytest.fixture
def table() -> Iterator[Table]:
    before = len(os.listdir("/proc/self/fd"))
    table = Table()
    yield table
    for asker in (table.one, table.two):
        asker.child.close()
        asker.sock.close()
    table.front.close()
    assert len(os.listdir("/proc/self/fd")) == before, "every descriptor is given back"


def test_an_answer_has_both_parts(table: Table) -> None:
    """The supervisor's own and the front's; nobody can write to either."""
    table.ask(table.one, 7)
    table.surveys.carry_out(1.0)
    assert table.one.heard() == []
    table.front.answer()
    table.surveys.carry_out(1.1)
    [(token, [own, fronts])] = table.one.heard()
    assert token == 7
    assert json.loads(own)["processes"] == []
    assert fronts == REPORT


def test_nothing_is_done_while_nobody_asks(table: Table) -> None:
    """The front is not asked, and no time is waited for."""
    table.surveys.carry_out(1.0)
    assert not table.front.asked
    assert table.surveys.next_deadline() is None


def test_all_who_have_asked_share_a_survey(table: Table) -> None:
    """The front is asked once for both."""
    table.ask(table.one)
    table.ask(table.two, 5)
    table.surveys.carry_out(1.0)
    assert len(table.front.asked) == 1
    table.front.answer()
    table.surveys.carry_out(1.0)
    assert [token for asker in (table.one, table.two) for token, _ in asker.heard()] == [1, 5]


def test_a_question_that_comes_too_late_waits_for_the_next_survey(table: Table) -> None:
    """What it is told is not older than it; and the front is left in peace for a while."""
    table.ask(table.one)
    table.surveys.carry_out(1.0)
    table.ask(table.two)
    table.front.answer()
    table.surveys.carry_out(1.0)
    assert table.one.heard()
    table.surveys.carry_out(1.1)
    assert not table.front.asked
    assert table.two.heard() == []
    then = table.surveys.next_deadline()
    assert then is not None
    assert 1.1 < then < 1.5
    table.surveys.carry_out(then)
    table.front.answer()
    table.surveys.carry_out(then)
    assert table.two.heard()


def test_a_front_that_takes_long_is_left_in_peace_longer(table: Table) -> None:
    """Whoever asks without end takes but a small part of its time."""
    table.ask(table.one)
    table.surveys.carry_out(1.0)
    table.ask(table.two)
    table.front.answer()
    table.surveys.carry_out(1.1)
    assert table.surveys.next_deadline() == pytest.approx(2.1)


def test_a_front_that_does_not_answer_is_left_out(table: Table) -> None:
    """In time; what it writes later goes nowhere."""
    table.ask(table.one)
    table.surveys.carry_out(1.0)
    until = table.surveys.next_deadline()
    assert until is not None
    table.surveys.carry_out(until - 0.01)
    assert table.one.heard() == []
    table.surveys.carry_out(until)
    [(_, texts)] = table.one.heard()
    assert len(texts) == 1


def test_a_front_that_has_not_read_is_not_asked_again(table: Table) -> None:
    """One that is stopped is not buried in questions; nobody waits for it then, until it goes on."""
    now = 0.0
    for _ in range(3):
        table.ask(table.one)
        for _ in range(10):
            now += 1.0
            table.surveys.carry_out(now)
        assert len(table.one.heard()[0][1]) == 1
    assert len(table.front.asked) == 1
    table.front.answer()
    table.ask(table.one)
    table.surveys.carry_out(now + 1.0)
    table.front.answer()
    table.surveys.carry_out(now + 1.0)
    assert len(table.one.heard()[0][1]) == 2


def test_without_a_front_the_answer_comes_at_once(table: Table) -> None:
    """One that starts knows nothing of clients."""
    table.front.ready = False
    table.ask(table.one)
    table.surveys.carry_out(1.0)
    assert len(table.one.heard()[0][1]) == 1


def test_who_does_not_read_has_one_answer_at_most(table: Table) -> None:
    """Its connection never fills up, and the others are told all the same; when it has read, it is told again."""
    table.front.ready = False
    for now in range(1, 6):
        table.ask(table.one, now)
        table.ask(table.two, now)
        table.surveys.carry_out(float(now))
        assert len(table.two.heard()) == 1
    assert [token for token, _ in table.one.heard()] == [1]
    table.surveys.carry_out(6.0)
    assert [token for token, _ in table.one.heard()] == [5]


def test_a_process_that_has_died_is_not_waited_for(table: Table) -> None:
    """Neither before a survey, nor while one is underway."""
    table.ask(table.one)
    table.surveys.carry_out(1.0)
    table.ask(table.two)
    table.one.child.close()
    table.two.child.close()
    table.front.answer()
    table.surveys.carry_out(1.0)
    table.surveys.carry_out(2.0)
    table.surveys.carry_out(3.0)
    assert not table.errands.surveys
    assert table.surveys.next_deadline() is None
    assert not table.front.asked


def test_a_question_outlives_what_is_still_unread(table: Table) -> None:
    """Something else that it has not read yet does not lose its question."""
    table.front.ready = False
    table.one.child.say(Word.DRAIN)
    table.ask(table.one, 3)
    table.surveys.carry_out(1.0)
    assert control.decode(table.one.sock.recv(control.MAXIMUM_MESSAGE)).word is Word.DRAIN
    assert table.one.heard() == []
    table.surveys.carry_out(2.0)
    assert [token for token, _ in table.one.heard()] == [3]


@pytest.mark.parametrize(("started", "generation"), [(0.5, 0), (10.0, 1), (19.9, 1), (20.0, 2), (25.0, 2)], ids=str)
def test_a_process_is_of_the_generation_in_which_it_was_started(started: float, generation: int) -> None:
    """Each reload begins one."""
    generations = Generations()
    generations.begin(10.0)
    generations.begin(20.0)
    assert generations.running == 2
    assert generations.of(started) == generation


def test_generations_of_many_reloads_are_right() -> None:
    """Also when the first of them are forgotten."""
    generations = Generations()
    for number in range(1, 5001):
        generations.begin(float(number))
    assert [generations.of(now) for now in (5000.0, 4999.5, 4321.0)] == [5000, 4999, 4321]
    assert generations.running == 5000
