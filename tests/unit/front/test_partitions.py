"""The front's half of partitions: who waits, who is asked for, and what becomes of it."""

import time
from typing import Any

import pytest

from pydaemonwsgi.channel.control import LONGEST_APPLICATION_GROUP
from pydaemonwsgi.front.groups import ProcessGroup
from pydaemonwsgi.front.options import GroupOptions
from pydaemonwsgi.front.partitions import Partitions


class Route:
    def __init__(self, group: ProcessGroup) -> None:
        self.group = group


class Client:
    """Says what it was answered with."""

    def __init__(self) -> None:
        self.refused: int | None = None

    def refuse(self, seconds: int) -> None:
        self.refused = seconds


class Request:
    """As much of an exchange as waiting needs."""

    numbers = iter(range(1, 1_000_000))

    def __init__(self, group: ProcessGroup) -> None:
        self.route = Route(group)
        self.client = Client()
        self.request_id = next(self.numbers)
        self.queue_start = time.time()
        self.waiting_since = self.queue_time = 0.0
        self.queue_deadline = float("inf")
        self.channel = None

    def fail(self, failure: object) -> None:
        """What becomes of it is its client's to say."""


class Channel:
    """A daemon process that takes what it is given."""

    def __init__(self) -> None:
        self.threads, self.in_flight, self.short, self.accepting = 2, 0, False, True
        self.group: Any = None
        self.ran: list[Any] = []

    def run(self, exchange: Any, stream: int) -> None:
        del stream
        self.ran.append(exchange)
        self.in_flight += 1


class Front:
    """A front with one process group `g`, whose own processes are unbound."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str, str]] = []
        self.failed: list[Any] = []
        options = GroupOptions("g", 10, 0.0, 0.0, 1000, 1000, 0.0, 0.0)
        self.groups = {"g": ProcessGroup(options)}
        self.partitions = Partitions(self.groups, lambda *words: self.asked.append(words), self.failed.append)

    def submit(self, name: str) -> Request:
        """Have a request wait, as a client's does; a class is not wanted here, `Any` is what the queue takes."""
        group = self.partitions.find("g", name)
        request: Any = Request(group)
        group.submit(request)
        return request  # type: ignore[no-any-return]

    def attach(self, key: str) -> Channel:
        channel: Any = Channel()
        channel.group = self.groups[key]
        self.groups[key].attach(channel)
        return channel  # type: ignore[no-any-return]


@pytest.fixture
def front() -> Front:
    return Front()


def test_the_first_request_asks_and_waits(front: Front) -> None:
    """Those behind it wait as well, and do not ask."""
    requests = [front.submit("a"), front.submit("a")]
    assert front.asked == [("g", "a", "")]
    front.partitions.note_told("g", "a", "k1")
    channel = front.attach("k1")
    assert channel.ran == requests
    assert "g|a" in repr(front.groups["k1"])


def test_finding_alone_asks_for_nothing(front: Front) -> None:
    """A request that never comes, because its body does not, starts no process; what was found is forgotten."""
    front.partitions.find("g", "a")
    front.partitions.look(time.monotonic())
    assert front.asked == []
    assert list(front.groups) == ["g"]


def test_a_request_whose_queue_was_forgotten_is_not(front: Front) -> None:
    """Its body took long. Meanwhile others may have come for the same application group."""
    group = front.partitions.find("g", "a")
    front.partitions.look(time.monotonic())
    late: Any = Request(group)
    group.submit(late)
    assert front.asked == [("g", "a", "")]
    front.partitions.note_told("g", "a", "k1")
    assert front.attach("k1").ran == [late]


def test_a_late_request_joins_those_that_came_meanwhile(front: Front) -> None:
    group = front.partitions.find("g", "a")
    front.partitions.look(time.monotonic())
    front.submit("a")
    front.partitions.note_told("g", "a", "k1")
    channel = front.attach("k1")
    late: Any = Request(group)
    group.submit(late)
    assert late in channel.ran
    assert late.route.group is front.groups["k1"]


def test_the_base_is_taken_over_with_its_processes(front: Front) -> None:
    """They were attached before anybody knew whose they would be."""
    channel = front.attach("g")
    request = front.submit("a")
    assert channel.ran == []
    front.partitions.note_told("g", "a", "g")
    assert channel.ran == [request]
    assert channel.group is front.groups["g"] is front.partitions.find("g", "a")
    assert front.groups["g"].name == "g"


def test_a_base_that_refuses_goes_on_refusing(front: Front) -> None:
    front.groups["g"].refuse(30.0)
    waiting = front.submit("a")
    front.partitions.note_told("g", "a", "g")
    assert front.submit("a").client.refused == 30
    assert waiting.client.refused == 30


def test_what_is_not_answered_is_asked_for_again(front: Front) -> None:
    front.submit("a")
    now = time.monotonic()
    for later in (0.1, 5.1, 5.2):
        front.partitions.look(now + later)
    # The second asking was at a time that has not come yet, so `look` may have asked twice since.
    assert front.asked[:2] == [("g", "a", "")] * 2
    front.partitions.note_told("g", "a", "k1")
    count = len(front.asked)
    front.partitions.look(now + 60)
    assert len(front.asked) == count


def test_requests_without_room_are_failed(front: Front) -> None:
    """So are those for other application groups of the process group, for a moment, without asking."""
    requests = [front.submit("a"), front.submit("a")]
    front.partitions.note_crowded("g", "a")
    assert front.failed == requests
    assert list(front.groups) == ["g"]
    requests += [front.submit("a"), front.submit("b")]
    assert front.failed == requests
    assert len(front.asked) == 1


def test_who_can_name_somebody_to_make_room_asks_though_it_is_full(front: Front) -> None:
    front.submit("a")
    front.partitions.note_told("g", "a", "k1")
    front.attach("k1").in_flight = 0
    front.partitions.look(time.monotonic() - 100)
    front.submit("b")
    front.partitions.note_crowded("g", "b")
    front.submit("c")
    assert front.asked[-1] == ("g", "c", "k1")


def test_only_so_many_questions_are_asked_at_once(front: Front) -> None:
    """Clients may make names up; what else the supervisor is told must find room. The rest is asked a moment later."""
    for number in range(100):
        front.submit(f"a{number}")
    asked = len(front.asked)
    assert asked < 50
    for number in range(asked):
        front.partitions.note_told("g", f"a{number}", f"k{number}")
    front.partitions.look(time.monotonic())
    assert len({name for _, name, _ in front.asked}) > asked


def test_a_name_that_cannot_travel_is_failed_at_once(front: Front) -> None:
    request = front.submit("x" * (LONGEST_APPLICATION_GROUP + 1))
    assert front.asked == []
    assert front.failed == [request]


def test_who_leaves_gets_nothing_more_and_finishes(front: Front) -> None:
    """A request that comes meanwhile has new processes asked for, under another key."""
    front.submit("a")
    front.partitions.note_told("g", "a", "k1")
    old = front.attach("k1")
    front.partitions.note_leave("k1")
    assert "k1" not in front.groups
    request = front.submit("a")
    assert request not in old.ran
    assert front.asked == [("g", "a", "")] * 2
    front.partitions.note_told("g", "a", "k2")
    assert front.attach("k2").ran == [request]
    assert old.in_flight == 1


def test_requests_that_wait_while_it_leaves_have_it_asked_for_again(front: Front) -> None:
    front.submit("a")
    front.partitions.note_told("g", "a", "k1")
    front.partitions.note_leave("k1")
    assert front.asked == [("g", "a", "")] * 2


def test_who_has_left_is_forgotten_once_its_last_process_has_ended(front: Front) -> None:
    front.submit("a")
    front.partitions.note_told("g", "a", "k1")
    channel: Any = front.attach("k1")
    front.partitions.note_leave("k1")
    front.partitions.look(time.monotonic())
    assert len(front.groups) == 2
    channel.in_flight = 0
    channel.group.forget(channel)
    front.partitions.look(time.monotonic())
    assert list(front.groups) == ["g"]


def test_the_one_unused_for_longest_is_named_with_a_want(front: Front) -> None:
    """Not the base, not one that has a request, not one that had one a minute ago."""
    now = time.monotonic()
    for name, key in (("a", "g"), ("b", "k1"), ("c", "k2")):
        front.submit(name)
        front.partitions.note_told("g", name, key)
        front.attach(key).in_flight = 0
    front.partitions.look(now - 100)
    front.submit("b")
    front.partitions.look(now - 90)
    front.submit("d")
    assert front.asked[-1] == ("g", "d", "k2")
    front.submit("c")
    front.submit("e")
    assert front.asked[-1] == ("g", "e", "")


def test_what_is_said_of_nobody_is_ignored(front: Front) -> None:
    """Messages cross, and the supervisor is told less than it says."""
    front.partitions.note_leave("k9")
    front.partitions.note_crowded("g", "nobody")
    front.partitions.note_told("no group", "a", "k1")
    assert list(front.groups) == ["g"]
    front.submit("a")
    front.partitions.note_told("g", "a", "k1")
    front.partitions.note_told("g", "a", "k1")
    front.partitions.note_crowded("g", "a")
    assert front.failed == []
