"""dispatch: the queue's order and bound, and which process takes the next request."""

from dataclasses import dataclass
from typing import Any

import pytest

from pydaemonwsgi.front.dispatch import BATCH, Dispatcher, choose
from pydaemonwsgi.front.exchange import Exchange
from pydaemonwsgi.front.timeouts import NEVER


@dataclass
class Process:
    """A daemon process, as far as dispatch goes."""

    in_flight: int
    threads: int = 5
    short: bool = False
    accepting: bool = True


def exchange(request_id: int, deadline: float = NEVER) -> Exchange:
    head: Any = None
    return Exchange(None, head, None, b"", b"", None, request_id, 0.0, 0.0, deadline)


def drained(dispatcher: Dispatcher) -> list[int]:
    """Return the ids of all that waits, in the order in which it is taken."""
    ids = []
    while (taken := dispatcher.take()) is not None:
        ids.append(taken.request_id)
    return ids


@pytest.mark.parametrize(
    ("processes", "winner"),
    [
        pytest.param([], None, id="none-there"),
        pytest.param([Process(0)], 0, id="the-only-one"),
        pytest.param([Process(3), Process(1), Process(2)], 1, id="least-loaded"),
        pytest.param([Process(2), Process(2)], 0, id="first-of-equals"),
        pytest.param([Process(1), Process(0), Process(0)], 1, id="first-idle"),
        pytest.param([Process(0, accepting=False), Process(4)], 1, id="not-one-that-drains"),
        pytest.param([Process(0, accepting=False)], None, id="none-accepts"),
        pytest.param([Process(5)], None, id="every-thread-busy"),
        pytest.param([Process(4)], 0, id="one-thread-free"),
        pytest.param([Process(5), Process(5, short=True)], 1, id="short-requests-batch"),
        pytest.param([Process(5 + BATCH - 1, short=True)], 0, id="last-of-the-batch"),
        pytest.param([Process(5 + BATCH, short=True)], None, id="batch-is-full"),
        pytest.param([Process(6, short=True), Process(5, threads=6)], 1, id="a-free-thread-before-a-longer-batch"),
        pytest.param([Process(1, threads=1), Process(3, threads=9)], 1, id="room-counts-by-each-ones-threads"),
    ],
)
def test_choose(processes: list[Process], winner: int | None) -> None:
    """The accepting process with the fewest requests wins, if it has a free thread or room in its batch."""
    chosen = choose(processes)
    assert chosen is (None if winner is None else processes[winner])


def test_the_queue_is_first_in_first_out() -> None:
    """Requests are taken in the order in which they came."""
    dispatcher = Dispatcher(10)
    for request_id in (1, 2, 3):
        dispatcher.add(exchange(request_id))
    assert len(dispatcher) == 3
    assert drained(dispatcher) == [1, 2, 3]
    assert len(dispatcher) == 0


@pytest.mark.parametrize(
    ("waiting", "again", "order"),
    [
        pytest.param([], [4], [4], id="empty"),
        pytest.param([5, 6], [4], [4, 5, 6], id="before-all-that-came-later"),
        pytest.param([5, 6], [2, 4, 3], [2, 3, 4, 5, 6], id="many-in-any-order"),
        pytest.param([1, 5], [3], [1, 3, 5], id="between"),
        pytest.param([1, 2], [3], [1, 2, 3], id="after-older-ones"),
    ],
)
def test_add_again_keeps_the_order_of_arrival(waiting: list[int], again: list[int], order: list[int]) -> None:
    """A request that was handed back stands where it would stand had it never been sent."""
    dispatcher = Dispatcher(10)
    for request_id in waiting:
        dispatcher.add(exchange(request_id))
    for request_id in again:
        dispatcher.add_again(exchange(request_id))
    assert drained(dispatcher) == order


def test_the_bound_refuses() -> None:
    """As many requests as the bound may wait; whoever comes then may ask again after a second."""
    dispatcher = Dispatcher(2)
    dispatcher.add(exchange(1))
    assert dispatcher.refusal(0.0) is None
    dispatcher.add(exchange(2))
    assert dispatcher.refusal(0.0) == 1
    dispatcher.take()
    assert dispatcher.refusal(0.0) is None


def test_add_again_goes_beyond_the_bound() -> None:
    """A request that has been accepted once is never refused for lack of room."""
    dispatcher = Dispatcher(1)
    dispatcher.add(exchange(2))
    dispatcher.add_again(exchange(1))
    assert dispatcher.refusal(0.0) == 1
    assert drained(dispatcher) == [1, 2]


def test_refuse_gives_back_what_waits_and_lets_nothing_wait() -> None:
    """While no process will come, nobody waits, and is told when it is worth asking again; at least a second."""
    dispatcher = Dispatcher(10)
    exchanges = [exchange(1), exchange(2)]
    for one in exchanges:
        dispatcher.add(one)
    assert dispatcher.refuse(until=100.0) == exchanges
    assert len(dispatcher) == 0
    assert dispatcher.refuses
    assert [dispatcher.refusal(now) for now in (70.0, 97.9, 99.5, 100.0, 500.0)] == [30, 3, 1, 1, 1]


def test_admit_lets_requests_wait_again() -> None:
    """After `admit` the queue is as it was before `refuse`."""
    dispatcher = Dispatcher(1)
    dispatcher.refuse(until=100.0)
    dispatcher.admit()
    assert not dispatcher.refuses
    assert dispatcher.refusal(0.0) is None


def test_take_of_an_empty_queue() -> None:
    """Nothing waits, nothing is taken."""
    assert Dispatcher(1).take() is None


def test_remove_takes_out_the_very_request() -> None:
    """A client that has gone leaves the order of the others as it was."""
    dispatcher = Dispatcher(10)
    exchanges = [exchange(request_id) for request_id in (1, 2, 3)]
    for one in exchanges:
        dispatcher.add(one)
    dispatcher.remove(exchanges[1])
    assert drained(dispatcher) == [1, 3]
    with pytest.raises(ValueError, match="not in deque"):
        dispatcher.remove(exchanges[1])


@pytest.mark.parametrize(
    ("now", "expired", "left"),
    [
        pytest.param(9.9, [], [1, 2, 3], id="before-the-first"),
        pytest.param(10.0, [1], [2, 3], id="at-the-first"),
        pytest.param(25.0, [1, 2], [3], id="between"),
        pytest.param(99.0, [1, 2, 3], [], id="after-the-last"),
    ],
)
def test_expired_takes_out_what_has_waited_too_long(now: float, expired: list[int], left: list[int]) -> None:
    """Exactly the requests whose deadline has come are taken out, the oldest first."""
    dispatcher = Dispatcher(10)
    for request_id, deadline in ((1, 10.0), (2, 20.0), (3, 30.0)):
        dispatcher.add(exchange(request_id, deadline))
    assert [one.request_id for one in dispatcher.expired(now)] == expired
    assert drained(dispatcher) == left


def test_a_request_without_deadline_never_expires() -> None:
    """With --queue-timeout 0 requests wait for ever."""
    dispatcher = Dispatcher(10)
    dispatcher.add(exchange(1))
    assert list(dispatcher.expired(1e12)) == []


def test_who_waits_when_waiting_is_bounded_anew_waits_no_longer_than_that() -> None:
    """A reload brings --queue-timeout: those who wait for ever by then expire, and hide nobody behind them."""
    dispatcher = Dispatcher(10)
    for request_id, deadline in ((1, NEVER), (2, 10.0), (3, NEVER)):
        dispatcher.add(exchange(request_id, deadline))
    dispatcher.hasten(20.0)
    assert [one.request_id for one in dispatcher.expired(20.0)] == [1, 2, 3]


@pytest.mark.parametrize(
    ("deserted", "since", "left"),
    [
        pytest.param(0.0, 9.0, [1, 2, 3], id="all-came-later"),
        pytest.param(0.0, 11.0, [2, 3], id="one-has-waited-long-enough"),
        pytest.param(0.0, 20.0, [3], id="equally-long-is-long-enough"),
        pytest.param(25.0, 24.0, [1, 2, 3], id="a-process-was-there-until-lately"),
        pytest.param(25.0, 26.0, [3], id="and-then-for-long-was-not"),
    ],
)
def test_unserved_are_those_that_have_waited_without_a_process(deserted: float, since: float, left: list[int]) -> None:
    """Waiting counts from when a request came, or from when the last process went, whichever is later."""
    dispatcher = Dispatcher(10)
    for request_id, came in ((1, 10.0), (2, 20.0), (3, 30.0)):
        dispatcher.add(waiting := exchange(request_id))
        waiting.waiting_since = came
    taken = [one.request_id for one in dispatcher.unserved(since, deserted)]
    assert drained(dispatcher) == left
    assert taken == [number for number in (1, 2, 3) if number not in left]
