"""Computations that take too long."""

import re
import signal
from collections.abc import Iterator

import pytest

from pydaemonwsgi.errors import OvertimeError
from pydaemonwsgi.system.overtime import Overtime

CATASTROPHE = re.compile("^(a+)+$")
HOSTILE = "a" * 60 + "!"


@pytest.fixture
def overtime() -> Iterator[Overtime]:
    """One whose timer ticks."""
    before = signal.getsignal(signal.SIGVTALRM)
    found = Overtime()
    found.start()
    yield found
    signal.setitimer(signal.ITIMER_VIRTUAL, 0)
    signal.signal(signal.SIGVTALRM, before)


def test_a_regular_expression_is_ended_and_the_next_one_too(overtime: Overtime) -> None:
    for _ in range(2):
        overtime.begin()
        with pytest.raises(OvertimeError):
            CATASTROPHE.search(HOSTILE)
        overtime.end()


def test_many_short_computations_are_left_alone_however_long_they_take_together(overtime: Overtime) -> None:
    began = signal.getitimer(signal.ITIMER_VIRTUAL)
    ticks = 0
    while ticks < 5:
        overtime.begin()
        CATASTROPHE.search("a" * 10 + "!")
        overtime.end()
        now = signal.getitimer(signal.ITIMER_VIRTUAL)
        ticks += now[0] > began[0]
        began = now


def test_what_is_no_computation_is_left_alone(overtime: Overtime) -> None:
    overtime.begin()
    overtime.end()
    began = signal.getitimer(signal.ITIMER_VIRTUAL)
    ticks = 0
    while ticks < 5:
        now = signal.getitimer(signal.ITIMER_VIRTUAL)
        ticks += now[0] > began[0]
        began = now
