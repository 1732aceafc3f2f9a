"""preloading: recorded histories of a group with preload parents, told as in `test_rollover`.

`parent 1` is the wish for a preload parent, which is forked at once and becomes number 1; `fork 2 by 1` the request to
it for a process, which becomes number 2. `born 2` is that process's first word, `unborn 2` that it will never have one.
"""

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pydaemonwsgi.supervisor.actions import Action, Spawn, SpawnParent, Stop
from pydaemonwsgi.supervisor.exits import Exit
from pydaemonwsgi.supervisor.lifecycle import Process, State
from pydaemonwsgi.supervisor.preloading import PreloadedGroup
from pydaemonwsgi.supervisor.replacement import Progress
from pydaemonwsgi.supervisor.rollover import Timeouts
from pydaemonwsgi.vocabulary import ShutdownReason
from tests.histories.test_rollover import GRACEFUL, KILL, SHUTDOWN, STARTUP, History, Supervised, exit_in_words

FORK, LEAVE = 10.0, 5.0


class Preloaded(Supervised):
    """A group with preload whose children and clock are the test's."""

    group: PreloadedGroup

    def __init__(self, size: int, *, debug: bool = False, limited: bool = True) -> None:
        super().__init__(size, debug=debug, limited=limited)
        seconds = (STARTUP, GRACEFUL, SHUTDOWN) if limited else (0.0, 0.0, 0.0)
        timeouts = Timeouts(startup=seconds[0], graceful=seconds[1], shutdown=seconds[2])
        self.group = PreloadedGroup("test", size, timeouts, debug=debug)

    def children(self) -> dict[int, Process]:
        return {**self.group.processes, **self.group.parents}

    def carry_out(self, now: float, action: Action) -> str:
        match action:
            case SpawnParent():
                self.spawned += 1
                self.group.on_parent_spawned(self.spawned, now, self.version)
                self.group.on_parent_loading(self.spawned, {"app.wsgi": self.version})
                return f"parent {self.spawned}"
            case Spawn(parent):
                self.spawned += 1
                assert self.failed or parent > self.old, f"{parent} has not loaded what is to be loaded now"
                assert self.group.on_spawned(self.spawned, now).parent == parent
                return f"fork {self.spawned} by {parent}"
            case Stop(number, timeout) if number in self.group.parents:
                assert timeout == LEAVE
                return f"stop {number}"
        return super().carry_out(now, action)

    def happen(self, now: float, event: str) -> None:
        group = self.group
        match event.split():
            case ["loaded", number] if int(number) in group.parents:
                group.on_parent_loaded(int(number), now, failed={})
            case ["fails", number, version] if int(number) in group.parents:
                group.on_parent_loaded(int(number), now, failed={"app.wsgi": int(version[1:])})
            case ["exit", number, *how] if int(number) in group.parents:
                group.on_parent_exit(int(number), now, exit_in_words(how))
            case ["hopeless", number] if int(number) in group.parents:
                group.on_parent_exit(int(number), now, Exit("exited with status 78", hopeless=True))
            case ["lost", number]:
                group.on_parent_lost(int(number))
            case ["born", number]:
                group.on_born(int(number), 1000 + int(number))
            case ["unborn", number]:
                group.on_unborn(int(number))
            case ["serves", number]:
                group.on_born(int(number), 1000 + int(number))
                parent = group.parents.get(group.processes[int(number)].parent)
                failed = {} if parent is None else dict.fromkeys(parent.failed, parent.version)
                group.on_loaded(int(number), now, failed=failed)
            case _:
                super().happen(now, event)


# Two processes that serve, forked by parent 1.
STARTED = [
    (0.0, "", "parent 1"),
    (2.0, "loaded 1", "fork 2 by 1, fork 3 by 1"),
    (2.0, "serves 2", "attach 2"),
    (2.0, "serves 3", "attach 3"),
]

HISTORIES = {
    "start": History(2, [*STARTED, (100, "", "")]),
    "a-death-costs-a-fork": History(
        2,
        [
            *STARTED,
            (50, "exit 2 was killed by SIGKILL", "fork 4 by 1"),
            (50, "serves 4", "attach 4"),
            (99, "", ""),
        ],
    ),
    # Its machine is full, or its user; each parent loads in a moment, and would be replaced in the next.
    "a-parent-that-cannot-fork-is-replaced-more-and-more-seldom": History(
        1,
        [
            (0.0, "", "parent 1"),
            (1.0, "loaded 1", "fork 2 by 1"),
            (1.0, "unborn 2", "parent 3"),
            (2.0, "loaded 3", "stop 1"),
            (2.1, "exit 1", ""),
            (2.2, "", "fork 4 by 3"),
            (2.2, "unborn 4", "parent 5"),
            (3.0, "loaded 5", "stop 3"),
            (3.3, "exit 3", ""),
            (3.4, "", "fork 6 by 5"),
            (3.5, "serves 6", "attach 6"),
        ],
        says=("preload parent 1 forks no process, and is replaced; its successor tries in 0.2 s", "tries in 0.4 s"),
    ),
    "maximum-requests-keeps-the-parent": History(
        2,
        [
            *STARTED,
            (50, "retire 2 maximum_requests", "fork 4 by 1"),
            (50, "serves 4", "attach 4, detach 2"),
            (51, "detached 2", "stop 2"),
            (51, "exit 2", ""),
        ],
    ),
    "touch-loads-in-a-new-parent-first": History(
        2,
        [
            *STARTED,
            (50, "touch", ""),
            (50, "retire 2 script_reload", "parent 4"),
            (50, "retire 3 script_reload", ""),
            (50.1, "retire 1 script_reload", ""),
            (52, "loaded 4", "fork 5 by 4, fork 6 by 4"),
            # The old parent goes when a process of the new one serves, the old processes one for one.
            (52, "serves 5", "attach 5, detach 2, stop 1"),
            (52, "serves 6", "attach 6, detach 3"),
            (52, "exit 1", ""),
        ],
    ),
    "the-parent-sees-the-change-first": History(
        1,
        [
            (0, "", "parent 1"),
            (1, "loaded 1", "fork 2 by 1"),
            (1, "serves 2", "attach 2"),
            (50, "touch", ""),
            (50, "retire 1 script_reload", "parent 3"),
            (51, "loaded 3", "fork 4 by 3"),
            (51, "serves 4", "attach 4, detach 2, stop 1"),
        ],
    ),
    "hup-replaces-one-by-one": History(
        2,
        [
            *STARTED,
            (50, "hup", "parent 4"),
            (52, "loaded 4", "fork 5 by 4"),
            (52, "serves 5", "attach 5, detach 2, stop 1, fork 6 by 4"),
            (52, "serves 6", "attach 6, detach 3"),
        ],
    ),
    "hup-while-a-parent-loads-starts-again": History(
        2,
        [
            *STARTED,
            (50, "hup", "parent 4"),
            (51, "hup", "kill 4, parent 5"),
            (51, "exit 4 was killed by SIGKILL", ""),
            (53, "loaded 5", "fork 6 by 5"),
        ],
        says=("preload parent 4 was killed by SIGKILL, as it was asked to",),
    ),
    "a-parent-that-notices-the-change-first-goes-on-too": History(
        2,
        [
            *STARTED,
            (50, "touch", ""),
            (50, "retire 1 script_reload", "parent 4"),
            (50, "fails 4 v2", "kill 4, keep 2 v2, keep 3 v2, keep 1 v2"),
            (50, "exit 4 was killed by SIGKILL", ""),
            (60, "exit 2 was killed by SIGKILL", "fork 5 by 1"),
        ],
        says=("app.wsgi as it is now does not load; running processes keep the code they have",),
    ),
    "a-script-that-does-not-load-leaves-all-as-it-is": History(
        2,
        [
            *STARTED,
            (50, "touch", ""),
            (50, "retire 2 script_reload", "parent 4"),
            (52, "fails 4 v2", "kill 4, keep 2 v2, keep 3 v2, keep 1 v2"),
            (52, "exit 4 was killed by SIGKILL", ""),
            (52, "kept 2", "resume 2"),
            # The old parent goes on forking the old code.
            (60, "exit 2 was killed by SIGKILL", "fork 5 by 1"),
            (60, "serves 5", "attach 5"),
            (70, "touch", ""),
            (70, "retire 3 script_reload", "parent 6"),
            (71, "loaded 6", "fork 7 by 6"),
            (71, "serves 7", "attach 7, detach 3, stop 1, fork 8 by 6"),
            (71, "serves 8", "attach 8, detach 5"),
        ],
        says=("app.wsgi as it is now does not load; running processes keep the code they have",),
    ),
    "nothing-older-answers-500-until-a-probe-does-better": History(
        1,
        [
            (0, "", "parent 1"),
            (1, "fails 1 v1", "fork 2 by 1"),
            (1, "serves 2", "attach 2"),
            (1.99, "", ""),
            (2, "", "parent 3"),
            (3, "fails 3 v1", "kill 3"),
            (3, "exit 3 was killed by SIGKILL", ""),
            (3.99, "", ""),
            (4, "", "parent 4"),
            (5, "loaded 4", "stop 1, fork 5 by 4"),
            (5, "serves 5", "attach 5, detach 2"),
        ],
        says=("app.wsgi does not load; requests for it are answered with 500",),
    ),
    "a-failed-script-is-mended": History(
        1,
        [
            (0, "", "parent 1"),
            (0.5, "fails 1 v1", "fork 2 by 1"),
            (0.5, "serves 2", "attach 2"),
            (0.9, "touch", ""),
            (0.9, "retire 2 script_reload", "parent 3"),
            (1, "loaded 3", "fork 4 by 3"),
            (1, "serves 4", "attach 4, detach 2, stop 1"),
        ],
    ),
    "debug-shows-the-error-of-the-new-script": History(
        1,
        [
            (0, "", "parent 1"),
            (1, "loaded 1", "fork 2 by 1"),
            (1, "serves 2", "attach 2"),
            (50, "touch", ""),
            (50, "retire 2 script_reload", "parent 3"),
            (51, "fails 3 v2", "fork 4 by 3"),
            (51, "serves 4", "attach 4, detach 2, stop 1"),
        ],
        debug=True,
    ),
    "the-parent-dies-and-its-processes-serve-on": History(
        2,
        [
            *STARTED,
            (50, "exit 1 was killed by SIGKILL", "parent 4"),
            (52, "loaded 4", ""),
            (60, "exit 2 was killed by SIGKILL", "fork 5 by 4"),
            (60, "serves 5", "attach 5"),
        ],
        says=("preload parent 1 was killed by SIGKILL, unasked; its processes serve on, and it is replaced",),
    ),
    "the-parent-and-a-process-die-together": History(
        1,
        [
            (0, "", "parent 1"),
            (1, "loaded 1", "fork 2 by 1"),
            (1, "serves 2", "attach 2"),
            (50, "exit 1 was killed by SIGKILL", "parent 3"),
            (50, "exit 2 was killed by SIGKILL", ""),
            (51, "loaded 3", "fork 4 by 3"),
        ],
    ),
    "a-parent-that-dies-with-a-request-to-fork": History(
        1,
        [
            (0, "", "parent 1"),
            (2, "loaded 1", "fork 2 by 1"),
            # It is not asked again, and another is started; the process is not counted as one that failed.
            (2, "unborn 2", "parent 3"),
            (2, "exit 1 was killed by SIGKILL", ""),
            (4, "loaded 3", "fork 4 by 3"),
        ],
    ),
    "a-parent-that-does-not-fork-is-killed": History(
        1,
        [
            (0, "", "parent 1"),
            (2, "loaded 1", "fork 2 by 1"),
            (2 + FORK - 0.01, "", ""),
            (2 + FORK, "", "kill 1, kill 2, parent 3"),
            (2 + FORK, "unborn 2", ""),
            (2 + FORK, "exit 1 was killed by SIGKILL", ""),
            (14, "loaded 3", "fork 4 by 3"),
        ],
        says=("preload parent 1 has not forked within 10 s; it is killed and replaced",),
    ),
    "a-parent-that-closes-its-connection-is-killed": History(
        1,
        [
            (0, "", "parent 1"),
            (2, "loaded 1", "fork 2 by 1"),
            (2, "serves 2", "attach 2"),
            (50, "lost 1", "kill 1, parent 3"),
            (50, "exit 1 was killed by SIGKILL", ""),
        ],
    ),
    "a-parent-that-is-told-to-go-has-a-successor-first": History(
        1,
        [
            (0, "", "parent 1"),
            (2, "loaded 1", "fork 2 by 1"),
            (2, "serves 2", "attach 2"),
            (50, "retire 1 shutdown_signal", "parent 3"),
            # Until then it forks: its code is not out of date.
            (51, "exit 2 was killed by SIGKILL", "fork 4 by 1"),
            (51, "serves 4", "attach 4"),
            (52, "loaded 3", "stop 1"),
            (52, "exit 1 exited with status 0", ""),
            (60, "exit 4 was killed by SIGKILL", "fork 5 by 3"),
        ],
        says=("preload parent 1 is to be replaced: shutdown_signal",),
    ),
    "a-parent-that-is-told-to-go-stays-while-the-script-does-not-load": History(
        1,
        [
            (0, "", "parent 1"),
            (2, "loaded 1", "fork 2 by 1"),
            (2, "serves 2", "attach 2"),
            (50, "retire 1 shutdown_signal", "parent 3"),
            (52, "fails 3 v1", "kill 3, keep 2 v1"),
            (53, "exit 2 was killed by SIGKILL", "fork 4 by 1"),
        ],
    ),
    "parents-that-die-while-they-load-are-retried-ever-later": History(
        1,
        [
            (0, "", "parent 1"),
            (1, "exit 1 was killed by SIGSEGV", ""),
            (1.2, "", "parent 2"),
            (2, "exit 2 was killed by SIGSEGV", ""),
            (2.39, "", ""),
            (2.4, "", "parent 3"),
            (3, "exit 3 was killed by SIGSEGV", "refuse 0.8"),
            (3.8, "", "parent 4"),
            (5, "loaded 4", "fork 5 by 4"),
            (5, "serves 5", "attach 5, admit"),
        ],
    ),
    "successors-that-die-while-they-load-leave-the-old-parent": History(
        1,
        [
            (0, "", "parent 1"),
            (2, "loaded 1", "fork 2 by 1"),
            (2, "serves 2", "attach 2"),
            (50, "hup", "parent 3"),
            (51, "exit 3", ""),
            (51.2, "", "parent 4"),
            (52, "exit 4", ""),
            (52.4, "", "parent 5"),
            (53, "exit 5", "keep 2 v1, keep 1 v1"),
            (60, "exit 2 was killed by SIGKILL", "fork 6 by 1"),
        ],
    ),
    "a-parent-that-takes-too-long-is-killed-and-the-old-one-stays": History(
        1,
        [
            (0, "", "parent 1"),
            (2, "loaded 1", "fork 2 by 1"),
            (2, "serves 2", "attach 2"),
            (50, "touch", ""),
            (50, "retire 2 script_reload", "parent 3"),
            (50 + STARTUP, "", "kill 3, keep 2 v2, keep 1 v2"),
            (50 + STARTUP, "exit 3 was killed by SIGKILL", ""),
            (150, "exit 2 was killed by SIGKILL", "fork 4 by 1"),
        ],
    ),
    "new-processes-that-do-not-come-up-bring-the-old-parent-back": History(
        1,
        [
            (0, "", "parent 1"),
            (2, "loaded 1", "fork 2 by 1"),
            (2, "serves 2", "attach 2"),
            (50, "touch", ""),
            (50, "retire 2 script_reload", "parent 3"),
            (52, "loaded 3", "fork 4 by 3"),
            (52, "born 4", ""),
            (52, "exit 4", ""),
            (52.2, "", "fork 5 by 3"),
            (52.2, "exit 5", ""),
            (52.6, "", "fork 6 by 3"),
            (52.6, "exit 6", "keep 2 v2, stop 3, keep 1 v2"),
            (52.7, "kept 2", "resume 2"),
            (52.7, "exit 3", ""),
            (60, "exit 2 was killed by SIGKILL", "fork 7 by 1"),
        ],
    ),
    "a-process-that-does-not-load-after-its-birth-has-its-whole-time": History(
        1,
        [
            (0, "", "parent 1"),
            (2, "loaded 1", "fork 2 by 1"),
            (3, "born 2", ""),
            (2 + FORK, "", ""),
            (2 + STARTUP, "", "kill 2, refuse 0.2"),
            (2 + STARTUP, "exit 2 was killed by SIGKILL", ""),
            (2.2 + STARTUP, "", "fork 3 by 1"),
        ],
    ),
    "scale": History(
        1,
        [
            (0, "", "parent 1"),
            (2, "loaded 1", "fork 2 by 1"),
            (2, "serves 2", "attach 2"),
            (50, "scale 3", "fork 3 by 1, fork 4 by 1"),
            (50, "serves 3", "attach 3"),
            # A process that is not born yet is not waited for; its parent has done nothing wrong.
            (50, "scale 2", "kill 4"),
            (50, "unborn 4", ""),
            (60, "scale 3", "fork 5 by 1"),
        ],
    ),
    "stop-stops-all": History(
        2,
        [
            *STARTED,
            (50, "hup", "parent 4"),
            (51, "stop", "stop 2, stop 3, stop 1, kill 4"),
            (51 + LEAVE, "", "kill 1, kill 4"),
            (51 + KILL, "", "kill 2, kill 3"),
        ],
        says=("preload parent 1 does not leave; it is killed",),
    ),
    "what-the-machine-forbids-is-given-up": History(
        1,
        [
            (0, "", "parent 1"),
            (1, "hopeless 1", ""),
            (1.2, "", "parent 2"),
            (2, "hopeless 2", ""),
            (2.4, "", "parent 3"),
            (3, "hopeless 3", "refuse 60"),
            (99, "", ""),
            (100, "hup", "admit, parent 4"),
        ],
    ),
    "another-reload-while-the-old-generation-drains": History(
        1,
        [
            (0, "", "parent 1"),
            (2, "loaded 1", "fork 2 by 1"),
            (2, "serves 2", "attach 2"),
            (50, "hup", "parent 3"),
            (52, "loaded 3", "fork 4 by 3"),
            (52, "serves 4", "attach 4, detach 2, stop 1"),
            (53, "hup", "parent 5"),
            (55, "loaded 5", "fork 6 by 5"),
            (55, "serves 6", "attach 6, detach 4, stop 3"),
        ],
    ),
    "a-failure-of-what-is-out-of-date-keeps-nobody": History(
        2,
        [
            (0, "", "parent 1"),
            (2, "loaded 1", "fork 2 by 1, fork 3 by 1"),
            (3, "hup", "parent 4"),
            # Nobody does better: the processes of 1 have not come up yet.
            (4, "fails 4 v1", ""),
            (4, "serves 2", "attach 2"),
            (4, "serves 3", "attach 3, fork 5 by 4"),
            (5, "hup", "parent 6"),
            (6, "loaded 6", ""),
            # What 4 has read says nothing of what 6 has loaded: 2 and 3 are to go as before.
            (6, "serves 5", "kill 5"),
            (6, "exit 5 was killed by SIGKILL", ""),
            (6.2, "", "fork 7 by 6"),
            (6.2, "serves 7", "attach 7, detach 2, stop 1, stop 4, fork 8 by 6"),
            (6.2, "serves 8", "attach 8, detach 3"),
        ],
    ),
    "what-is-out-of-date-does-not-stop-the-parent-that-loads": History(
        1,
        [
            (0, "", "parent 1"),
            (2, "loaded 1", "fork 2 by 1"),
            (2, "serves 2", "attach 2"),
            (50, "hup", "parent 3"),
            (51, "loaded 3", "fork 4 by 3"),
            (51, "born 4", ""),
            (52, "retire 3 script_reload", "parent 5"),
            (51 + STARTUP, "", "kill 4"),
            (112, "loaded 5", "fork 6 by 5"),
            (112, "serves 6", "attach 6, detach 2, stop 1, stop 3"),
        ],
        limited=True,
    ),
    "who-kept-the-old-code-goes-when-the-new-comes-up-after-all": History(
        1,
        [
            (0, "", "parent 1"),
            (2, "loaded 1", "fork 2 by 1"),
            (2, "serves 2", "attach 2"),
            (50, "hup", "parent 3"),
            (50, "exit 1 was killed by SIGKILL", ""),
            (51, "loaded 3", "fork 4 by 3"),
            (51, "exit 4", ""),
            (51.2, "", "fork 5 by 3"),
            (51.2, "exit 5", ""),
            (51.6, "", "fork 6 by 3"),
            # There is no parent to go back to.
            (51.6, "exit 6", "keep 2 v1"),
            (60, "scale 2", "fork 7 by 3"),
            (60, "serves 7", "attach 7, fork 8 by 3"),
            (60, "serves 8", "attach 8, detach 2"),
        ],
    ),
    "the-old-parent-s-processes-do-not-replace-each-other": History(
        2,
        [
            *STARTED,
            (50, "hup", "parent 4"),
            (51, "fails 4 v1", "kill 4, keep 2 v1, keep 3 v1, keep 1 v1"),
            (51, "exit 4 was killed by SIGKILL", ""),
            (60, "exit 2 was killed by SIGKILL", "fork 5 by 1"),
            (60, "serves 5", "attach 5"),
            (99, "", ""),
        ],
    ),
    "the-parent-whose-processes-do-not-come-up-forks-ever-later": History(
        1,
        [
            (0, "", "parent 1"),
            (2, "loaded 1", "fork 2 by 1"),
            (2, "serves 2", "attach 2"),
            (50, "exit 1 was killed by SIGKILL", "parent 3"),
            (51, "loaded 3", ""),
            (60, "scale 2", "fork 4 by 3"),
            (60, "exit 4", ""),
            (60.2, "", "fork 5 by 3"),
            (60.2, "exit 5", ""),
            (60.6, "", "fork 6 by 3"),
            (60.6, "exit 6", "keep 2 v1"),
            (61.39, "", ""),
            (61.4, "", "fork 7 by 3"),
        ],
    ),
}


@pytest.mark.parametrize("name", HISTORIES)
def test_history(name: str) -> None:
    """A recorded history goes as it is written down."""
    history = HISTORIES[name]
    supervised = Preloaded(history.size, debug=history.debug, limited=history.limited)
    for now, event, wanted in history.steps:
        assert ", ".join(supervised.step(now, event)) == wanted, f"at {now}: {event}"
    for text in history.says:
        assert any(text in said for said in supervised.said), supervised.said


class World(Preloaded):
    """Children that do what they were told, or what chance wants; checks what must always hold."""

    def __init__(self, size: int, *, debug: bool = False) -> None:
        super().__init__(size, debug=debug)
        self.now = 0.0

    def happen_now(self, event: str) -> None:
        living = {*self.group.processes, *self.group.parents}
        for done in self.step(self.now, event):
            word, number, *_ = [*done.split(), ""]
            assert not (self.group.stopping and word in {"parent", "fork"}), f"{done} although all are to stop"
            assert word in {"parent", "fork", "refuse", "admit"} or int(number) in living, f"{done}: nobody knows it"
        group = self.group
        loading = [parent for parent in group.parents.values() if parent.state is State.STARTING]
        assert len(loading) <= 1, f"two parents load: {group!r}"
        deadline = group.next_deadline(self.now)
        assert deadline is None or deadline > self.now
        for process in [*group.processes.values(), *group.parents.values()]:
            if process.state in {State.STARTING, State.DRAINING}:
                assert process.deadline is not None, f"{process} may stay for ever"

    def behave(self) -> bool:
        """Let one child do what it was asked for; return False when nobody has anything to do."""
        for number, process in [*self.group.parents.items(), *self.group.processes.items()]:
            if process.state is State.STARTING and number in self.group.parents:
                self.happen_now(f"loaded {number}")
            elif process.state is State.STARTING:
                parent = self.group.parents.get(process.parent)
                gone = not process.pid and (parent is None or parent.cut_off)
                self.happen_now(f"unborn {number}" if gone else f"serves {number}")
            elif process.state is State.DRAINING:
                self.happen_now(f"detached {number}")
            elif process.state is State.STOPPING and not process.pid and number in self.group.processes:
                self.happen_now(f"unborn {number}")
            elif process.state is State.STOPPING or (number in self.group.parents and process.cut_off):
                self.happen_now(f"exit {number} exited with status 0")
            else:
                continue
            return True
        return False

    def settle(self) -> None:
        """Let everybody behave until nothing moves."""
        for _ in range(1000):
            if self.behave():
                continue
            deadline = self.group.next_deadline(self.now)
            if deadline is None:
                return
            self.now = deadline
            self.happen_now("")
        raise AssertionError(f"it never settles: {self.group!r}")


def random_event(world: World, chance: random.Random) -> str:
    """Return something that can happen to the group as it is."""
    group = world.group
    kinds = ["", "hup", "front", "front-lost", "touch", "look", f"scale {chance.randint(1, 4)}"]
    kinds += [f"renewal {chance.randint(1, 4)}"]
    everybody = [*group.processes.items(), *group.parents.items()]
    if everybody:
        number, process = chance.choice(everybody)
        is_parent = number in group.parents
        born = is_parent or process.pid
        if born:
            kinds += [f"exit {number} was killed by SIGKILL", f"exit {number}", f"hopeless {number}"]
        else:
            kinds += [f"unborn {number}"] * 2
        if process.state is State.STARTING:
            kinds += ([f"loaded {number}"] * 4 + [f"fails {number} v{world.version}"] * 3) if is_parent else []
            kinds += [] if is_parent else [f"serves {number}"] * 4
        if process.state in {State.RUNNING, State.DRAINING} and not is_parent:
            kinds += [f"detached {number}"]
        if process.state is State.RUNNING and is_parent:
            kinds += [f"lost {number}"]
        if process.state in {State.STARTING, State.RUNNING} and born:
            kinds += [f"retire {number} {reason.value}" for reason in ShutdownReason]
    return chance.choice(kinds)


@settings(max_examples=300, deadline=None)
@given(
    size=st.integers(1, 4),
    debug=st.booleans(),
    events=st.integers(1, 60),
    end=st.sampled_from(["hup", "renewal 3"]),
    chance=st.randoms(use_true_random=False),
)
def test_random_histories_end_well(size: int, debug: bool, events: int, end: str, chance: random.Random) -> None:
    """Whatever happens: one parent loads at a time, nobody unknown is named, plan() ends, no reload fails by what was
    there before it; and at last, when a reload has forgiven everything, it is done: `size` healthy processes that came
    after it run, and one parent.
    """
    world = World(size, debug=debug)
    world.happen_now("")
    for _ in range(events):
        world.now += chance.choice([0.0, 0.0, 0.01, 0.3, 1.0, 5.0, 20.0, 70.0])
        world.happen_now("")
        world.happen_now(random_event(world, chance))
    world.happen_now(end)
    world.settle()
    group = world.group
    running = list(group.processes.values())
    assert [process.state for process in running] == [State.RUNNING] * group.size, repr(group)
    assert not any(process.retire or process.failed or process.cut_off for process in running), repr(group)
    assert [parent.state for parent in group.parents.values()] == [State.RUNNING], repr(group)
    assert not {process.parent for process in running} & group._outdated, repr(group)
    assert group.replacement is not None
    assert group.replacement.progress is Progress.DONE, group.replacement


@settings(max_examples=100, deadline=None)
@given(
    size=st.integers(1, 4),
    end=st.sampled_from(["stop", "leave"]),
    events=st.integers(0, 30),
    later=st.integers(0, 5),
    chance=st.randoms(use_true_random=False),
)
def test_random_histories_end_when_told_to(size: int, end: str, events: int, later: int, chance: random.Random) -> None:
    """Whatever happens before and after, from `stop` or `leave` on nothing starts, and nothing is left when the
    children leave.
    """
    world = World(size)
    world.happen_now("")
    for number in range(events + later):
        if number == events:
            world.happen_now(end)
        world.now += chance.choice([0.0, 0.3, 1.0, 20.0])
        world.happen_now("")
        world.happen_now(random_event(world, chance))
    world.happen_now(end)
    world.settle()
    assert world.group.processes == {}
    assert world.group.parents == {}
