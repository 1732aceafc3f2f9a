"""rollover: recorded histories, each a list of (time, what happened, what the planner wants done).

A history reads as the log of a supervisor: `loaded 1` is process 1 having loaded its script, `exit 1` its death,
`spawn 2` the wish for a second process, which is forked at once and becomes number 2. An empty event is the clock.
"""

import random
from collections.abc import Sequence
from dataclasses import dataclass

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pydaemonwsgi.supervisor.actions import (
    Action,
    Admit,
    Attach,
    Detach,
    Dump,
    Keep,
    Kill,
    Refuse,
    Resume,
    Spawn,
    SpawnParent,
    Stop,
)
from pydaemonwsgi.supervisor.exits import Exit
from pydaemonwsgi.supervisor.lifecycle import Process, State
from pydaemonwsgi.supervisor.replacement import Progress
from pydaemonwsgi.supervisor.rollover import Group, Timeouts
from pydaemonwsgi.vocabulary import ShutdownReason

STARTUP, GRACEFUL, SHUTDOWN = 60.0, 15.0, 5.0
# The supervisor kills this long after the process should have ended itself.
KILL = SHUTDOWN + 2.0


def exit_in_words(how: Sequence[str]) -> Exit:
    """Return the end of a process as a history writes it: `exit 1 was killed by SIGKILL`, or `exit 1`."""
    text = " ".join(how) or "exited with status 3"
    return Exit(text, by_signal="killed by SIG" in text)


class Supervised:
    """A group whose children and clock are the test's."""

    def __init__(self, size: int, *, debug: bool = False, limited: bool = True) -> None:
        seconds = (STARTUP, GRACEFUL, SHUTDOWN) if limited else (0.0, 0.0, 0.0)
        timeouts = Timeouts(startup=seconds[0], graceful=seconds[1], shutdown=seconds[2], eviction=3.0, deadlock=2.0)
        self.group = Group("test", size, timeouts, debug=debug)
        self.said: list[str] = []
        self.version = 1
        self.spawned = 0
        # What had been started when the last reload was asked for, and whether anything later has failed.
        self.old = 0
        self.failed = False

    def children(self) -> dict[int, Process]:
        """Return everybody who lives, by number."""
        return self.group.processes

    def step(self, now: float, event: str = "") -> list[str]:
        """Let something happen, carry out what is wanted, and return it in words."""
        self.watch(now, event)
        serving = [p.number for p in self.group.processes.values() if p.state is State.RUNNING and not p.cut_off]
        self.happen(now, event)
        done = []
        for _ in range(20):
            actions = self.group.plan(now)
            if not actions:
                break
            done += [self.carry_out(now, action) for action in actions]
        else:
            raise AssertionError(f"plan() goes on and on: {done[-5:]}")
        self.said += [text for _, text in self.group.take_messages()]
        if event == "leave":
            hasty = {f"{word} {number}" for word in ("stop", "kill") for number in serving}
            assert not hasty.intersection(done), f"who serves has requests to answer: {done}"
        replacement = self.group.replacement
        if replacement is not None and replacement.progress is Progress.FAILED:
            assert self.failed, f"a reload has failed, and nobody who came after it: {replacement.error}"
        return done

    def watch(self, now: float, event: str) -> None:
        """Note whether anybody fails from whom it follows that what was reloaded does not run."""
        match event.split():
            case ["hup" | "renewal", *_]:
                self.old, self.failed = self.spawned, False
            case ["exit" | "fails" | "hopeless", number, *_] if int(number) > self.old:
                self.failed = True
        self.failed |= any(
            process.state is State.STARTING and process.deadline is not None and process.deadline <= now
            for number, process in self.children().items()
            if number > self.old
        )

    def carry_out(self, now: float, action: Action) -> str:
        match action:
            case Spawn():
                self.spawned += 1
                self.group.on_spawned(self.spawned, now, self.version)
                self.group.on_loading(self.spawned, {"app.wsgi": self.version})
                return f"spawn {self.spawned}"
            case Stop(number, timeout):
                assert timeout in {SHUTDOWN, 0.0}
                return f"stop {number}"
            case Keep(number, versions):
                return f"keep {number} " + " ".join(
                    f"v{version}" if name == "app.wsgi" else f"{name}:v{version}" for name, version in versions.items()
                )
            case Refuse(seconds):
                return f"refuse {seconds:.3g}"
            case Admit():
                return "admit"
            case Attach(number) | Detach(number) | Kill(number) | Dump(number) | Resume(number):
                return f"{type(action).__name__.lower()} {number}"
            case SpawnParent():
                raise AssertionError("a group without preload has no parents")

    def happen(self, now: float, event: str) -> None:
        group = self.group
        match event.split():
            case []:
                pass
            case ["loaded", number]:
                group.on_loaded(int(number), now, failed={})
            case ["fails", number, *versions]:
                # `v2` is a version of the script, `b.wsgi:v2` one of another.
                scripts = [text.rpartition(":") for text in versions]
                failed = {name or "app.wsgi": int(version[1:]) for name, _, version in scripts}
                group.on_loaded(int(number), now, failed=failed)
            case ["retire", number, reason]:
                group.on_retire(int(number), ShutdownReason(reason))
            case ["beat", number, beat]:
                group.on_heartbeat(int(number), float(beat), now)
            case ["kept", number]:
                group.on_kept(int(number))
            case ["detached", number]:
                group.on_detached(int(number), now)
            case ["scale", size]:
                group.on_scale(int(size))
            case ["hopeless", number]:
                group.on_exit(int(number), now, Exit("exited with status 78", hopeless=True))
            case ["exit", number, *how]:
                group.on_exit(int(number), now, exit_in_words(how))
            case ["hup"]:
                group.on_reload(now)
            case ["renewal", size]:
                group.on_renewal(type(group)("test", int(size), group.timeouts, debug=group.debug), now)
            case ["leave"]:
                group.leave(now)
            case ["front"]:
                group.on_front()
            case ["front-lost"]:
                group.on_front_lost(now)
            case ["stop"]:
                group.stop(now)
            case ["look"]:
                group.on_version(self.version)
            case ["touch"]:
                self.version += 1
            case other:
                raise AssertionError(other)


@dataclass
class History:
    """Steps for a group of a size; a time is absolute."""

    size: int
    steps: list[tuple[float, str, str]]
    debug: bool = False
    limited: bool = True
    says: tuple[str, ...] = ()


HISTORIES = {
    "no-sign-of-life": History(
        1,
        [
            (0, "", "spawn 1"),
            (1, "beat 1 0", ""),
            (9, "beat 1 0", ""),
            (9, "loaded 1", "attach 1"),
            (10, "beat 1 5", ""),
            (11, "beat 1 6", ""),
            (12, "beat 1 6", ""),
            (13, "beat 1 6", "detach 1, dump 1, spawn 2"),
            (13.1, "beat 1 6", ""),
            (13.2, "loaded 2", "attach 2"),
            (13.3, "", "kill 1"),
            (13.4, "exit 1 was killed by SIGKILL", ""),
        ],
        says=("no sign of life for 2.0 s (deadlock-timeout)", "was killed by SIGKILL: deadlock_timeout"),
    ),
    "no-sign-of-life-while-it-drains": History(
        1,
        [
            (0, "", "spawn 1"),
            (1, "loaded 1", "attach 1"),
            (2, "retire 1 maximum_requests", "spawn 2"),
            (3, "loaded 2", "attach 2, detach 1"),
            (4, "beat 1 6", ""),
            (5, "beat 1 6", ""),
            (6, "beat 1 6", "dump 1"),
            (6.3, "", "kill 1"),
        ],
    ),
    "an-evicted-process-has-its-own-time": History(
        1,
        [
            (0, "", "spawn 1"),
            (1, "loaded 1", "attach 1"),
            (2, "retire 1 eviction_signal", "spawn 2"),
            (3, "loaded 2", "attach 2, detach 1"),
            (5.9, "", ""),
            (6, "", "stop 1"),
        ],
        says=("still has requests after 3 s (eviction-timeout)",),
    ),
    "another-configuration-makes-the-group-larger": History(
        1,
        [
            (0, "", "spawn 1"),
            (1, "loaded 1", "attach 1"),
            (2, "renewal 2", "spawn 2"),
            (3, "loaded 2", "attach 2, spawn 3"),
            (4, "loaded 3", "attach 3, detach 1"),
            (5, "detached 1", "stop 1"),
        ],
    ),
    "another-configuration-does-not-have-the-group": History(
        2,
        [
            (0, "", "spawn 1, spawn 2"),
            (1, "loaded 1", "attach 1"),
            (2, "leave", "detach 1, kill 2"),
            (3, "exit 2 was killed by SIGKILL", ""),
            (4, "detached 1", "stop 1"),
            (5, "exit 1 exited with status 0", ""),
            (100, "", ""),
        ],
    ),
    "a-group-that-leaves-does-not-try-a-script-that-failed": History(
        1,
        [
            (0, "", "spawn 1"),
            (1, "fails 1 v1", "attach 1"),
            (1.5, "leave", "detach 1"),
            (60, "", "stop 1"),
        ],
    ),
    "first-start-of-three": History(
        3,
        [
            (0, "", "spawn 1, spawn 2, spawn 3"),
            (1, "loaded 2", "attach 2"),
            (1, "loaded 1", "attach 1"),
            (2, "loaded 3", "attach 3"),
            (100, "", ""),
        ],
    ),
    "crash-while-running-is-replaced-at-once": History(
        2,
        [
            (0, "", "spawn 1, spawn 2"),
            (1, "loaded 1", "attach 1"),
            (1, "loaded 2", "attach 2"),
            (50, "exit 1 was killed by SIGSEGV", "spawn 3"),
            (51, "loaded 3", "attach 3"),
        ],
        says=("process 1 was killed by SIGSEGV, unasked; it is replaced at once",),
    ),
    "killed-within-its-first-second-is-replaced-at-once": History(
        1,
        [
            (0, "", "spawn 1"),
            (0.1, "loaded 1", "attach 1"),
            (0.2, "exit 1 was killed by SIGKILL", "spawn 2"),
        ],
    ),
    "exit-within-its-first-second-is-a-failed-start": History(
        1,
        [
            (0, "", "spawn 1"),
            (0.1, "loaded 1", "attach 1"),
            (0.5, "exit 1", ""),
            (0.69, "", ""),
            (0.7, "", "spawn 2"),
        ],
        says=("starting again in 0.2 s (failure 1 in a row)",),
    ),
    "crash-at-start-is-tried-again-after-growing-delays": History(
        1,
        [
            (0, "", "spawn 1"),
            (0.5, "exit 1", ""),
            (0.69, "", ""),
            (0.7, "", "spawn 2"),
            (1, "exit 2", ""),
            (1.39, "", ""),
            (1.4, "", "spawn 3"),
            # From the third on it is said to those who wait.
            (2, "exit 3", "refuse 0.8"),
            (2.79, "", ""),
            (2.8, "", "spawn 4"),
            (3, "loaded 4", "attach 4, admit"),
            (9, "exit 4", "spawn 5"),
            (10, "exit 5", ""),
            (10.2, "", "spawn 6"),
        ],
        says=(
            "process 1 exited with status 3, 0.5 s after its start; starting again in 0.2 s (failure 1 in a row)",
            "starting again in 0.4 s (failure 2 in a row)",
            "starting again in 0.8 s (failure 3 in a row)",
            "process 4 exited with status 3, unasked; it is replaced at once",
        ),
    ),
    "hup-replaces-three-one-at-a-time-successor-first": History(
        3,
        [
            (0, "", "spawn 1, spawn 2, spawn 3"),
            (1, "loaded 1", "attach 1"),
            (1, "loaded 2", "attach 2"),
            (1, "loaded 3", "attach 3"),
            (10, "hup", "spawn 4"),
            (11, "", ""),
            (12, "loaded 4", "attach 4, detach 1, spawn 5"),
            (12, "detached 1", "stop 1"),
            (12, "exit 1", ""),
            (13, "loaded 5", "attach 5, detach 2, spawn 6"),
            (14, "loaded 6", "attach 6, detach 3"),
            (15, "detached 2", "stop 2"),
            (15, "detached 3", "stop 3"),
            (15, "exit 3", ""),
            (15, "exit 2", ""),
            (100, "", ""),
        ],
    ),
    "hup-twice-is-hup-once": History(
        2,
        [
            (0, "", "spawn 1, spawn 2"),
            (1, "loaded 1", "attach 1"),
            (1, "loaded 2", "attach 2"),
            (10, "hup", "spawn 3"),
            (10, "hup", ""),
            # The second one came while 3 was starting: 3 goes once more.
            (11, "loaded 3", "attach 3, detach 1, spawn 4"),
            (12, "loaded 4", "attach 4, detach 2, spawn 5"),
            (13, "loaded 5", "attach 5, detach 3"),
            (99, "detached 1", "stop 1"),
        ],
        limited=False,
    ),
    "hup-while-starting-replaces-what-loads": History(
        1,
        [
            (0, "", "spawn 1"),
            (1, "hup", ""),
            (2, "loaded 1", "attach 1, spawn 2"),
            (3, "loaded 2", "attach 2, detach 1"),
        ],
    ),
    "changed-script-starts-all-successors-at-once": History(
        3,
        [
            (0, "", "spawn 1, spawn 2, spawn 3"),
            (1, "loaded 1", "attach 1"),
            (1, "loaded 2", "attach 2"),
            (1, "loaded 3", "attach 3"),
            (10, "retire 2 script_reload", "spawn 4"),
            (10, "retire 1 script_reload", "spawn 5"),
            (10, "retire 3 script_reload", "spawn 6"),
            (11, "loaded 5", "attach 5, detach 1"),
            (11, "loaded 4", "attach 4, detach 2"),
            (11, "loaded 6", "attach 6, detach 3"),
            (12, "detached 1", "stop 1"),
            (12, "exit 1", ""),
        ],
        says=("process 2 is to be replaced: script_reload",),
    ),
    "changed-script-during-a-hup-hurries": History(
        3,
        [
            (0, "", "spawn 1, spawn 2, spawn 3"),
            (1, "loaded 1", "attach 1"),
            (1, "loaded 2", "attach 2"),
            (1, "loaded 3", "attach 3"),
            (10, "hup", "spawn 4"),
            (10, "retire 1 script_reload", ""),
            (10, "retire 2 script_reload", "spawn 5"),
            (10, "retire 3 script_reload", "spawn 6"),
        ],
    ),
    "changed-script-that-does-not-load-keeps-the-old-code": History(
        2,
        [
            (0, "", "spawn 1, spawn 2"),
            (1, "loaded 1", "attach 1"),
            (1, "loaded 2", "attach 2"),
            (10, "touch", ""),
            (10, "retire 1 script_reload", "spawn 3"),
            (10, "retire 2 script_reload", "spawn 4"),
            (11, "fails 3 v2", "kill 3, keep 1 v2, keep 2 v2, kill 4"),
            # Each takes requests again once it has said that it does.
            (11, "kept 2", "resume 2"),
            (11, "kept 1", "resume 1"),
            (11, "exit 3 was killed by SIGKILL", ""),
            (11, "exit 4 was killed by SIGKILL", ""),
            (99, "", ""),
            # The mended one rolls as if nothing had been.
            (100, "retire 1 script_reload", "spawn 5"),
            (100, "retire 2 script_reload", "spawn 6"),
            (101, "loaded 5", "attach 5, detach 1"),
            (101, "loaded 6", "attach 6, detach 2"),
        ],
        says=("app.wsgi as it is now does not load; running processes keep the code they have",),
    ),
    "hup-with-a-script-that-does-not-load-keeps-the-old-code": History(
        2,
        [
            (0, "", "spawn 1, spawn 2"),
            (1, "loaded 1", "attach 1"),
            (1, "loaded 2", "attach 2"),
            (10, "hup", "spawn 3"),
            (11, "fails 3 v2", "kill 3, keep 1 v2, keep 2 v2"),
            (11, "exit 3", ""),
            (100, "", ""),
        ],
    ),
    "who-kept-the-old-code-goes-when-the-new-loads-after-all": History(
        2,
        [
            (0, "", "spawn 1, spawn 2"),
            (1, "loaded 1", "attach 1"),
            (1, "loaded 2", "attach 2"),
            # The file is as it should be; what it needs, a database perhaps, is away for a while.
            (10, "touch", ""),
            (10, "retire 1 script_reload", "spawn 3"),
            (11, "fails 3 v2", "kill 3, keep 1 v2, keep 2 v2"),
            (99, "exit 2 was killed by SIGKILL", "spawn 4"),
            (99, "loaded 4", "attach 4, spawn 5"),
            (99, "loaded 5", "attach 5, detach 1"),
        ],
        says=("process 1 is to be replaced: it has kept older code than loads by now",),
    ),
    "hup-while-a-successor-loads-what-does-not-load-tries-again": History(
        1,
        [
            (0, "", "spawn 1"),
            (1, "loaded 1", "attach 1"),
            (10, "hup", "spawn 2"),
            # The script is mended, after 2 has read it.
            (11, "hup", ""),
            (12, "fails 2 v2", "kill 2"),
            (12, "exit 2 was killed by SIGKILL", ""),
            (12.2, "", "spawn 3"),
            (13, "loaded 3", "attach 3, detach 1"),
        ],
        says=("app.wsgi does not load; trying again in 0.2 s",),
    ),
    "hup-while-a-successor-takes-too-long-tries-again": History(
        1,
        [
            (0, "", "spawn 1"),
            (1, "loaded 1", "attach 1"),
            (10, "hup", "spawn 2"),
            (11, "hup", ""),
            (10 + STARTUP, "", "kill 2"),
            (10.2 + STARTUP, "", "spawn 3"),
            (11 + STARTUP, "loaded 3", "attach 3, detach 1"),
        ],
    ),
    "maximum-requests-beside-a-script-that-does-not-load": History(
        1,
        [
            (0, "", "spawn 1"),
            (1, "loaded 1", "attach 1"),
            (10, "retire 1 maximum_requests", "spawn 2"),
            # It hands requests back because the script has changed, so it is told that it may go on.
            (11, "fails 2 v2", "kill 2, keep 1 v2"),
            (11, "kept 1", "resume 1"),
            (11, "exit 2", ""),
            (11.2, "", "spawn 3"),
            (12, "fails 3 v2", "kill 3, keep 1 v2"),
            (12.39, "", ""),
            (12.4, "", "spawn 4"),
            (13, "loaded 4", "attach 4, detach 1"),
        ],
        says=("app.wsgi does not load; trying again in 0.2 s", "trying again in 0.4 s"),
    ),
    "changed-script-that-kills-its-process-keeps-the-old-code-after-three": History(
        1,
        [
            (0, "", "spawn 1"),
            (1, "loaded 1", "attach 1"),
            (10, "touch", ""),
            (10, "retire 1 script_reload", "spawn 2"),
            (10.5, "exit 2", ""),
            (10.7, "", "spawn 3"),
            (11, "exit 3", ""),
            (11.4, "", "spawn 4"),
            (12, "exit 4", "keep 1 v2"),
            (12, "retire 1 script_reload", "spawn 5"),
            (12.5, "", ""),
            (13, "loaded 5", "attach 5, detach 1"),
            (99, "detached 1", "stop 1"),
            (99, "exit 1", ""),
            (100, "retire 5 script_reload", "spawn 6"),
            (101, "loaded 6", "attach 6, detach 5"),
        ],
    ),
    "successor-killed-by-somebody-is-simply-started-again": History(
        1,
        [
            (0, "", "spawn 1"),
            (1, "loaded 1", "attach 1"),
            (10, "touch", ""),
            (10, "retire 1 script_reload", "spawn 2"),
            (10.5, "exit 2 was killed by SIGKILL", ""),
            (10.7, "", "spawn 3"),
            (11, "loaded 3", "attach 3, detach 1"),
        ],
    ),
    "changed-script-that-hangs-keeps-the-old-code": History(
        1,
        [
            (0, "", "spawn 1"),
            (1, "loaded 1", "attach 1"),
            (10, "touch", ""),
            (10, "retire 1 script_reload", "spawn 2"),
            (70, "", "kill 2, keep 1 v2"),
            (70, "exit 2 was killed by SIGKILL", ""),
            (70, "kept 1", "resume 1"),
            (99, "", ""),
        ],
        says=("process 2 has not loaded its script within 60 s (startup-timeout); it is killed",),
    ),
    "first-start-that-does-not-load-serves-500-and-probes": History(
        2,
        [
            (0, "", "spawn 1, spawn 2"),
            (1, "fails 1 v1", "attach 1"),
            (1, "fails 2 v1", "attach 2"),
            (1.9, "", ""),
            (2, "", "spawn 3"),
            (2.5, "fails 3 v1", "kill 3"),
            (2.5, "exit 3 was killed by SIGKILL", ""),
            (3.9, "", ""),
            (4, "", "spawn 4"),
            (4.5, "fails 4 v1", "kill 4"),
            (4.5, "exit 4 was killed by SIGKILL", ""),
            (7.9, "", ""),
            (8, "", "spawn 5"),
            (9, "loaded 5", "attach 5, detach 1, spawn 6"),
            (10, "loaded 6", "attach 6, detach 2"),
            (99, "", "stop 1, stop 2"),
        ],
        says=("app.wsgi does not load; requests for it are answered with 500",),
    ),
    "first-start-that-does-not-load-then-is-mended": History(
        2,
        [
            (0, "", "spawn 1, spawn 2"),
            (1, "fails 1 v1", "attach 1"),
            (1, "fails 2 v1", "attach 2"),
            (1.5, "retire 1 script_reload", "spawn 3"),
            (1.5, "retire 2 script_reload", "spawn 4"),
            (2, "loaded 3", "attach 3, detach 1"),
            (2, "loaded 4", "attach 4, detach 2"),
        ],
    ),
    "first-start-that-does-not-load-then-is-broken-otherwise": History(
        1,
        [
            (0, "", "spawn 1"),
            (1, "fails 1 v1", "attach 1"),
            (1.5, "retire 1 script_reload", "spawn 2"),
            # Nothing better serves, so the new error is what is shown.
            (2, "fails 2 v2", "attach 2, detach 1"),
            (3, "", "spawn 3"),
        ],
    ),
    "one-of-two-fails-to-load-at-first": History(
        2,
        [
            (0, "", "spawn 1, spawn 2"),
            (1, "fails 1 v1", "attach 1"),
            (1, "loaded 2", "attach 2, spawn 3"),
            (2, "loaded 3", "attach 3, detach 1"),
        ],
    ),
    "debug-shows-the-error-instead-of-the-old-code": History(
        1,
        [
            (0, "", "spawn 1"),
            (1, "loaded 1", "attach 1"),
            (10, "retire 1 script_reload", "spawn 2"),
            (11, "fails 2 v2", "attach 2, detach 1"),
        ],
        debug=True,
    ),
    "maximum-requests-replaces-the-one": History(
        2,
        [
            (0, "", "spawn 1, spawn 2"),
            (1, "loaded 1", "attach 1"),
            (1, "loaded 2", "attach 2"),
            (10, "retire 2 maximum_requests", "spawn 3"),
            (11, "loaded 3", "attach 3, detach 2"),
            (12, "detached 2", "stop 2"),
            (12, "exit 2 exited with status 0", ""),
            (99, "", ""),
        ],
        says=("process 2 is to be replaced: maximum_requests", "process 2 exited with status 0"),
    ),
    "maximum-requests-of-all-at-once-goes-one-at-a-time": History(
        2,
        [
            (0, "", "spawn 1, spawn 2"),
            (1, "loaded 1", "attach 1"),
            (1, "loaded 2", "attach 2"),
            (10, "retire 2 maximum_requests", "spawn 3"),
            (10, "retire 1 maximum_requests", ""),
            (11, "loaded 3", "attach 3, detach 1, spawn 4"),
            (12, "loaded 4", "attach 4, detach 2"),
        ],
    ),
    "terminated-daemon-goes-after-its-successor-has-come": History(
        1,
        [
            (0, "", "spawn 1"),
            (1, "loaded 1", "attach 1"),
            (10, "retire 1 shutdown_signal", "spawn 2"),
            (11, "loaded 2", "attach 2, detach 1"),
            (12, "detached 1", "stop 1"),
        ],
    ),
    "startup-timeout-kills-and-tries-again": History(
        1,
        [
            (0, "", "spawn 1"),
            (59.9, "", ""),
            (60, "", "kill 1, refuse 0.2"),
            (60, "exit 1 was killed by SIGKILL", ""),
            (60.2, "", "spawn 2"),
            (61, "loaded 2", "attach 2, admit"),
        ],
        says=("process 1 has not loaded its script within 60 s (startup-timeout); it is killed",),
    ),
    "drain-deadline-stops-what-still-runs": History(
        1,
        [
            (0, "", "spawn 1"),
            (1, "loaded 1", "attach 1"),
            (10, "hup", "spawn 2"),
            (20, "loaded 2", "attach 2, detach 1"),
            (34.9, "", ""),
            (35, "", "stop 1"),
            (36, "exit 1", ""),
        ],
        says=("process 1 still has requests after 15 s (graceful-timeout); it is stopped",),
    ),
    "stop-deadline-kills": History(
        1,
        [
            (0, "", "spawn 1"),
            (1, "loaded 1", "attach 1"),
            (10, "hup", "spawn 2"),
            (20, "loaded 2", "attach 2, detach 1"),
            (25, "detached 1", "stop 1"),
            (25 + KILL - 0.1, "", ""),
            (25 + KILL, "", "kill 1"),
            (99, "", ""),
            (99, "exit 1 was killed by SIGKILL", ""),
        ],
        says=("process 1 does not leave; it is killed",),
    ),
    "no-timeouts-wait-for-ever": History(
        1,
        [
            (0, "", "spawn 1"),
            (1e6, "", ""),
            (1e6, "loaded 1", "attach 1"),
            (1e6, "hup", "spawn 2"),
            (1e6, "loaded 2", "attach 2, detach 1"),
            (2e6, "", ""),
            (2e6, "detached 1", "stop 1"),
            (3e6, "", ""),
        ],
        limited=False,
    ),
    "front-replaced-attaches-all-that-serve": History(
        3,
        [
            (0, "", "spawn 1, spawn 2, spawn 3"),
            (1, "loaded 1", "attach 1"),
            (1, "loaded 2", "attach 2"),
            (10, "front-lost", ""),
            (10.1, "front", "attach 1, attach 2"),
            (10.2, "loaded 3", "attach 3"),
        ],
    ),
    "front-lost-ends-the-draining": History(
        1,
        [
            (0, "", "spawn 1"),
            (1, "loaded 1", "attach 1"),
            (10, "hup", "spawn 2"),
            (11, "loaded 2", "attach 2, detach 1"),
            (12, "front-lost", "stop 1"),
            (12.1, "front", "attach 2"),
        ],
        limited=False,
    ),
    "channel-lost-by-a-dead-process": History(
        1,
        [
            (0, "", "spawn 1"),
            (1, "loaded 1", "attach 1"),
            (10, "detached 1", "spawn 2"),
            (10.1, "exit 1 was killed by SIGKILL", ""),
            (11, "loaded 2", "attach 2"),
        ],
        says=("process 1 was killed by SIGKILL, unasked; it is replaced at once",),
    ),
    "channel-lost-by-a-live-process": History(
        1,
        [
            (0, "", "spawn 1"),
            (1, "loaded 1", "attach 1"),
            (10, "detached 1", "spawn 2"),
            (10.9, "front", ""),
            (11, "", "stop 1"),
            (12, "exit 1", ""),
            (12, "loaded 2", "attach 2"),
        ],
        says=("process 1 has lost its channel and lives on; it is stopped",),
    ),
    "kill-storm": History(
        3,
        [
            (0, "", "spawn 1, spawn 2, spawn 3"),
            (1, "loaded 1", "attach 1"),
            (1, "loaded 2", "attach 2"),
            (1, "loaded 3", "attach 3"),
            (10, "exit 2 was killed by SIGKILL", "spawn 4"),
            (10, "exit 1 was killed by SIGKILL", "spawn 5"),
            (10, "exit 3 was killed by SIGKILL", "spawn 6"),
            (10.1, "loaded 5", "attach 5"),
            (10.2, "loaded 4", "attach 4"),
            (10.2, "exit 5 was killed by SIGKILL", "spawn 7"),
            (10.3, "exit 6 was killed by SIGKILL", ""),
            (10.4, "exit 7 was killed by SIGKILL", ""),
            (10.79, "", ""),
            (10.8, "", "spawn 8, spawn 9"),
            (11, "loaded 8", "attach 8"),
            (11, "loaded 9", "attach 9"),
        ],
    ),
    "successor-crashes-and-the-old-one-goes-on": History(
        1,
        [
            (0, "", "spawn 1"),
            (1, "loaded 1", "attach 1"),
            (10, "retire 1 maximum_requests", "spawn 2"),
            (10.1, "exit 2 was killed by SIGKILL", ""),
            (10.3, "", "spawn 3"),
            (10.4, "loaded 3", "attach 3, detach 1"),
        ],
    ),
    "old-one-dies-while-its-successor-starts": History(
        1,
        [
            (0, "", "spawn 1"),
            (1, "loaded 1", "attach 1"),
            (10, "hup", "spawn 2"),
            (10.1, "exit 1 was killed by SIGKILL", ""),
            (11, "loaded 2", "attach 2"),
        ],
    ),
    "scale-up-starts-all-that-are-missing": History(
        1,
        [
            (0, "", "spawn 1"),
            (1, "loaded 1", "attach 1"),
            (10, "scale 3", "spawn 2, spawn 3"),
            (11, "loaded 3", "attach 3"),
            (11, "loaded 2", "attach 2"),
            (99, "", ""),
            (99, "exit 1 was killed by SIGKILL", "spawn 4"),
        ],
        says=("3 processes instead of 1",),
    ),
    "scale-down-drains-the-oldest": History(
        3,
        [
            (0, "", "spawn 1, spawn 2, spawn 3"),
            (1, "loaded 2", "attach 2"),
            (2, "loaded 1", "attach 1"),
            (2, "loaded 3", "attach 3"),
            (10, "exit 1 was killed by SIGKILL", "spawn 4"),
            (11, "loaded 4", "attach 4"),
            (20, "scale 1", "detach 2, detach 3"),
            (21, "detached 3", "stop 3"),
            (21, "detached 2", "stop 2"),
            (22, "exit 2 exited with status 0", ""),
            (22, "exit 3 exited with status 0", ""),
            (99, "", ""),
        ],
    ),
    "scale-down-takes-what-has-not-started-first": History(
        1,
        [
            (0, "", "spawn 1"),
            (1, "loaded 1", "attach 1"),
            (10, "scale 4", "spawn 2, spawn 3, spawn 4"),
            (11, "loaded 2", "attach 2"),
            (12, "scale 2", "kill 4, kill 3"),
            (12, "exit 3 was killed by SIGKILL", ""),
            (12, "exit 4 was killed by SIGKILL", ""),
            (99, "", ""),
        ],
    ),
    "scale-down-during-a-reload-saves-a-successor": History(
        3,
        [
            (0, "", "spawn 1, spawn 2, spawn 3"),
            (1, "loaded 1", "attach 1"),
            (1, "loaded 2", "attach 2"),
            (1, "loaded 3", "attach 3"),
            (10, "hup", "spawn 4"),
            (11, "loaded 4", "attach 4, detach 1, spawn 5"),
            # Two are to stay: 4, and the one that comes for 3.
            (12, "scale 2", "detach 2"),
            (13, "loaded 5", "attach 5, detach 3"),
            (14, "detached 1", "stop 1"),
            (14, "detached 2", "stop 2"),
            (14, "detached 3", "stop 3"),
        ],
    ),
    "scale-up-during-a-drain-starts-another": History(
        2,
        [
            (0, "", "spawn 1, spawn 2"),
            (1, "loaded 1", "attach 1"),
            (1, "loaded 2", "attach 2"),
            (10, "scale 1", "detach 1"),
            (11, "scale 2", "spawn 3"),
            (12, "loaded 3", "attach 3"),
            (13, "detached 1", "stop 1"),
        ],
    ),
    "scale-never-goes-below-one": History(
        1,
        [
            (0, "", "spawn 1"),
            (1, "loaded 1", "attach 1"),
            (10, "scale 0", ""),
            (99, "", ""),
        ],
    ),
    "scale-down-takes-a-failed-one-first": History(
        2,
        [
            (0, "", "spawn 1, spawn 2"),
            (1, "loaded 1", "attach 1"),
            (1, "fails 2 v1", "attach 2"),
            (1.1, "scale 1", "detach 2"),
        ],
        debug=True,
    ),
    "scale-down-leaves-the-one-that-looks": History(
        2,
        [
            (0, "", "spawn 1, spawn 2"),
            (0, "fails 1 v1", "attach 1"),
            (0, "fails 2 v1", "attach 2"),
            (1, "", "spawn 3"),
            (6, "scale 1", "detach 1"),
            (7, "loaded 3", "attach 3, detach 2"),
        ],
    ),
    "scale-up-and-down-while-a-failed-one-is-replaced": History(
        1,
        [
            (0, "", "spawn 1"),
            (0, "fails 1 v1", "attach 1"),
            (0, "hup", "spawn 2"),
            (0, "scale 3", "spawn 3"),
            (0, "scale 1", "kill 3"),
            (1, "loaded 2", "attach 2, detach 1"),
        ],
    ),
    "forgotten-probe-time-still-means-a-probe": History(
        1,
        [
            (0, "", "spawn 1"),
            (1, "fails 1 v1", "attach 1"),
            (2, "", "spawn 2"),
            # The probe itself sees that the script has changed since: the time of the next probe is forgotten.
            (3, "retire 2 script_reload", ""),
            (3.5, "exit 2 was killed by SIGKILL", ""),
            (3.69, "", ""),
            (3.7, "", "spawn 3"),
            (4, "loaded 3", "attach 3, detach 1"),
        ],
    ),
    "reload-while-a-failed-process-serves-tries-again-until-it-loads": History(
        1,
        [
            (0, "", "spawn 1"),
            (1, "fails 1 v1", "attach 1"),
            (1.5, "hup", "spawn 2"),
            (2, "exit 2 was killed by SIGKILL", ""),
            (2.2, "", "spawn 3"),
            (3, "loaded 3", "attach 3, detach 1"),
        ],
    ),
    "new-code-ends-the-waiting": History(
        1,
        [
            (0, "", "spawn 1"),
            (0.1, "exit 1", ""),
            (1, "", "spawn 2"),
            (2, "exit 2", ""),
            (3, "", "spawn 3"),
            (4, "exit 3", "refuse 0.8"),
            (4.1, "look", ""),
            (4.2, "touch", ""),
            (4.3, "look", "admit, spawn 4"),
            (5, "loaded 4", "attach 4"),
        ],
    ),
    "what-the-machine-forbids-is-given-up-after-three": History(
        1,
        [
            (0, "", "spawn 1"),
            (1, "loaded 1", "attach 1"),
            (10, "exit 1 was killed by SIGKILL", "spawn 2"),
            (10, "hopeless 2", ""),
            (10.2, "", "spawn 3"),
            (10.2, "hopeless 3", ""),
            (10.6, "", "spawn 4"),
            (10.6, "hopeless 4", "refuse 60"),
            (1000, "", ""),
            # A new front has to be told, too.
            (1000, "front", "refuse 60"),
            (1001, "hup", "admit, spawn 5"),
            (1002, "loaded 5", "attach 5"),
        ],
        says=("given up: mend what the messages above say, then reload the server",),
    ),
    "what-the-machine-forbids-leaves-those-alone-that-run": History(
        2,
        [
            (0, "", "spawn 1, spawn 2"),
            (1, "loaded 1", "attach 1"),
            (1, "hopeless 2", ""),
            (1.2, "", "spawn 3"),
            (1.2, "hopeless 3", ""),
            (1.6, "", "spawn 4"),
            (1.6, "hopeless 4", "keep 1 v1"),
            (99, "", ""),
            (99, "exit 1 was killed by SIGKILL", "refuse 60"),
        ],
    ),
    "stop-stops-all-and-starts-none": History(
        3,
        [
            (0, "", "spawn 1, spawn 2, spawn 3"),
            (1, "loaded 1", "attach 1"),
            (1, "loaded 2", "attach 2"),
            (10, "stop", "stop 1, stop 2, kill 3"),
            (10, "exit 3 was killed by SIGKILL", ""),
            (11, "exit 1 exited with status 0", ""),
            (10 + KILL, "", "kill 2"),
            (18, "exit 2 was killed by SIGKILL", ""),
            (99, "", ""),
        ],
    ),
}


@pytest.mark.parametrize("history", HISTORIES.values(), ids=HISTORIES.keys())
def test_the_planner_answers_as_recorded(history: History) -> None:
    """Each event of the history is answered with exactly the actions that stand beside it."""
    supervised = Supervised(history.size, debug=history.debug, limited=history.limited)
    for now, event, wanted in history.steps:
        assert ", ".join(supervised.step(now, event)) == wanted, f"at {now}: {event}; {supervised.group!r}"
    for text in history.says:
        assert any(text in said for said in supervised.said), supervised.said


@pytest.mark.parametrize("history", HISTORIES.values(), ids=HISTORIES.keys())
def test_the_planner_asks_to_be_woken_in_time(history: History) -> None:
    """Whenever the clock alone makes the planner act, `next_deadline` had named that time or an earlier one."""
    supervised = Supervised(history.size, debug=history.debug, limited=history.limited)
    deadline: float | None = 0.0
    for now, event, _ in history.steps:
        done = supervised.step(now, event)
        if not event and done:
            assert deadline is not None
            assert deadline <= now
        deadline = supervised.group.next_deadline(now)
        assert deadline is None or deadline > now


def test_messages_name_the_group_and_are_taken_once() -> None:
    """What the operator should read begins with the group's name and is handed out once."""
    supervised = Supervised(1)
    supervised.step(0)
    supervised.group.on_exit(1, 0.1, Exit("exited with status 3"))
    [(level, text)] = supervised.group.take_messages()
    assert (level, text.partition(": ")[0]) == ("error", "process group test")
    assert supervised.group.take_messages() == []


def test_repr_tells_the_states() -> None:
    """The group's repr is what an operator wants to see in a debugger."""
    supervised = Supervised(2)
    supervised.step(0)
    supervised.step(1, "fails 1 v1")
    supervised.step(1, "hup")
    expected = "<Group test: 1 running (graceful_signal) failed, 2 starting (graceful_signal)>"
    assert repr(supervised.group) == expected


@pytest.mark.parametrize("event", ["loaded 9", "fails 9 v1", "retire 9 script_reload", "detached 9"], ids=str)
def test_news_of_a_process_that_is_gone_is_ignored(event: str) -> None:
    """A message that was overtaken by its sender's death changes nothing."""
    supervised = Supervised(1)
    supervised.step(0)
    before = repr(supervised.group)
    assert supervised.step(1, event) == []
    assert repr(supervised.group) == before


# -- random histories


class World(Supervised):
    """Children that do what they were told, or what chance wants; checks what must always hold."""

    def __init__(self, size: int, *, debug: bool) -> None:
        super().__init__(size, debug=debug)
        self.now = 0.0
        self.alive: set[int] = set()
        self.stopped: set[int] = set()
        self.refusing = False

    def happen_now(self, event: str) -> None:
        serving = len([p for p in self.group.processes.values() if p.state is State.RUNNING and not p.cut_off])
        took = sum(word in event for word in ("exit", "detached", "stop"))
        before = set(self.group.processes)
        for done in self.step(self.now, event):
            word, number, *_ = [*done.split(), ""]
            if word in {"refuse", "admit"}:
                self.refusing = word == "refuse"
            elif word == "spawn":
                assert not self.group.stopping, "a process was started although all are to stop"
            else:
                assert int(number) in before, f"{done}: nobody knows that number"
            if word == "stop":
                self.stopped.add(int(number))
        self.check(serving, took)

    def check(self, serving_before: int, took: int) -> None:
        group = self.group
        now_serving = [p for p in group.processes.values() if p.state is State.RUNNING and not p.cut_off]
        if not group.stopping:
            assert len(now_serving) >= min(serving_before, group.size) - took, f"too few serve: {group!r}"
            assert not (self.refusing and now_serving), f"requests are refused although some serve: {group!r}"
        # The bound: as many successors as there are places. Those that drain, leave or have lost their channel are
        # bounded by their deadlines only, because a touch every second may meet requests of a minute.
        starting = [p for p in group.processes.values() if p.state is State.STARTING]
        assert len(now_serving) + len(starting) <= 2 * group.size, repr(group)
        deadline = group.next_deadline(self.now)
        assert deadline is None or deadline > self.now
        for process in group.processes.values():
            if process.state in {State.STARTING, State.DRAINING}:
                assert process.deadline is not None, f"{process} may stay for ever"

    def behave(self) -> bool:
        """Let one child do what it was asked for; return False when nobody has anything to do."""
        for number, process in list(self.group.processes.items()):
            if process.state is State.STARTING:
                self.happen_now(f"loaded {number}")
            elif process.state is State.DRAINING:
                self.happen_now(f"detached {number}")
            elif process.state is State.STOPPING:
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
    numbers = sorted(world.group.processes)
    number = chance.choice(numbers) if numbers else 0
    process = world.group.processes.get(number)
    kinds = ["", "hup", "front", "front-lost", "touch", "look", f"scale {chance.randint(1, 5)}"]
    kinds += [f"renewal {chance.randint(1, 5)}"]
    if process is not None:
        kinds += [f"exit {number} was killed by SIGKILL", f"exit {number}"]
        if process.state is State.STARTING:
            kinds += [f"hopeless {number}"]
            kinds += [f"loaded {number}"] * 4 + [f"fails {number} v{world.version}"] * 3
        if process.state in {State.RUNNING, State.DRAINING}:
            kinds += [f"detached {number}", f"kept {number}"]
        if process.state in {State.STARTING, State.RUNNING}:
            kinds += [f"retire {number} {reason.value}" for reason in ShutdownReason]
    return chance.choice(kinds)


@settings(max_examples=300, deadline=None)
@given(size=st.integers(1, 5), debug=st.booleans(), events=st.integers(1, 60), chance=st.randoms(use_true_random=False))
def test_random_histories_keep_the_promises(size: int, debug: bool, events: int, chance: random.Random) -> None:
    """Whatever happens: no more than twice the size serves or starts, none that serves goes before a successor
    has come, no unknown process is named, plan() ends, no request is refused while one serves, no reload fails by
    what was there before it; and at last, when a reload has forgiven everything, `size` healthy processes run, and
    none from before the last reload unless that has failed.
    """
    world = World(size, debug=debug)
    world.happen_now("")
    for _ in range(events):
        world.now += chance.choice([0.0, 0.0, 0.01, 0.3, 1.0, 5.0, 20.0, 70.0])
        world.happen_now("")
        world.happen_now(random_event(world, chance))
    if world.group.trouble.fatal:
        world.happen_now("hup")
    world.settle()
    running = list(world.group.processes.values())
    assert [process.state for process in running] == [State.RUNNING] * world.group.size, repr(world.group)
    assert not world.refusing
    assert not any(process.retire or process.failed or process.cut_off for process in running), repr(world.group)
    replacement = world.group.replacement
    assert replacement is None or replacement.progress is not Progress.UNDERWAY
    assert world.failed or all(process.number > world.old for process in running), repr(world.group)


@settings(max_examples=100, deadline=None)
@given(
    size=st.integers(1, 5),
    end=st.sampled_from(["stop", "leave"]),
    events=st.integers(0, 30),
    later=st.integers(0, 5),
    chance=st.randoms(use_true_random=False),
)
def test_random_histories_end_when_told_to(size: int, end: str, events: int, later: int, chance: random.Random) -> None:
    """Whatever happens before and after, from `stop` or `leave` on nothing starts, and nothing is left when the
    children leave.
    """
    world = World(size, debug=False)
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


@settings(max_examples=100, deadline=None)
@given(size=st.integers(1, 5), events=st.integers(0, 30), chance=st.randoms(use_true_random=False))
def test_deaf_children_are_killed(size: int, events: int, chance: random.Random) -> None:
    """A child that does nothing that it is told to ends by SIGKILL, so none leaves later than its time-outs allow."""
    world = World(size, debug=False)
    world.happen_now("")
    for _ in range(events):
        world.now += chance.choice([0.0, 0.3, 1.0])
        world.happen_now("")
        world.happen_now(random_event(world, chance))
    world.happen_now("stop")
    world.now += GRACEFUL + KILL
    leaving = set(world.group.processes)
    killed = {number for number in leaving if world.group.processes[number].deadline is None}
    killed |= {int(done.split()[1]) for done in world.step(world.now) if done.startswith("kill")}
    assert killed == leaving


@pytest.mark.parametrize(
    ("size", "wanted", "got", "level"),
    [(1, 0, 1, "warning"), (1023, 1024, 1024, "info"), (1024, 1025, 1024, "warning"), (2000, 2001, 2000, "warning")],
)
def test_scale_is_bounded(size: int, wanted: int, got: int, level: str) -> None:
    """SIGTTIN without end does not fork without end; who was started with more keeps them."""
    group = Group("app", size, Timeouts(startup=STARTUP, graceful=GRACEFUL, shutdown=SHUTDOWN))
    group.on_scale(wanted)
    assert group.size == got
    assert [message[0] for message in group.take_messages()] == [level]
