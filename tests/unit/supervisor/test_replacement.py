"""replacement: when a reload is done, and when it has failed."""

import pytest

from pydaemonwsgi.supervisor.lifecycle import Process, State
from pydaemonwsgi.supervisor.replacement import Progress, Replacement


def process(number: int, state: State, *, failed: bool = False, cut_off: bool = False) -> Process:
    made = Process(number, 0.0, state=state)
    made.failed = frozenset({"app.wsgi"}) if failed else frozenset()
    made.cut_off = cut_off
    return made


NEW = [process(3, State.RUNNING), process(4, State.RUNNING)]


@pytest.mark.parametrize(
    ("processes", "progress"),
    [
        pytest.param(NEW, Progress.DONE, id="all-new"),
        pytest.param([*NEW, process(1, State.DRAINING), process(2, State.STOPPING)], Progress.DONE, id="old-ones-end"),
        pytest.param([*NEW, process(1, State.RUNNING)], Progress.UNDERWAY, id="an-old-one-serves"),
        pytest.param([*NEW, process(1, State.STARTING)], Progress.UNDERWAY, id="an-old-one-starts"),
        pytest.param(NEW[:1], Progress.UNDERWAY, id="too-few"),
        pytest.param([NEW[0], process(4, State.STARTING)], Progress.UNDERWAY, id="one-starts"),
        pytest.param([NEW[0], process(4, State.RUNNING, failed=True)], Progress.UNDERWAY, id="one-has-failed"),
        pytest.param([NEW[0], process(4, State.RUNNING, cut_off=True)], Progress.UNDERWAY, id="one-is-cut-off"),
        pytest.param([], Progress.UNDERWAY, id="nobody"),
    ],
)
def test_look_says_when_all_is_done(processes: list[Process], progress: Progress) -> None:
    """Done is when as many new processes as wanted take requests and no old one does."""
    replacement = Replacement(1, frozenset({1, 2}))
    replacement.look(processes, size=2)
    assert replacement.progress is progress


def test_what_failed_stays_failed() -> None:
    """Whatever happens later, the reload that was asked for has failed, for its first reason."""
    replacement = Replacement(1, frozenset({1, 2}))
    replacement.fail("first")
    replacement.fail("second")
    replacement.look(NEW, size=2)
    assert (replacement.progress, replacement.error) == (Progress.FAILED, "first")


def test_what_is_done_cannot_fail() -> None:
    """A later failure is not this reload's."""
    replacement = Replacement(1, frozenset({1, 2}))
    replacement.look(NEW, size=2)
    replacement.fail("later")
    assert (replacement.progress, replacement.error) == (Progress.DONE, "")
