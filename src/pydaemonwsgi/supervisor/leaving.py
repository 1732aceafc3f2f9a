"""How a daemon process leaves, step by step, each with its time. Sans-I/O.

Theory of operation. A process that serves drains first: the front gives it no more, and closes its channel after the
last answer. Then it is told to stop, and ends itself, with whatever requests are left, within `shutdown-timeout`. What
has not left by then is killed. Nobody waits for one that has no request: what is still starting is killed at once, as
it does not listen while it loads.

| state | is not wanted | its channel has ended | its time is over |
|---|---|---|---|
| STARTING | Kill | – | its script has not loaded: see `rollover` |
| RUNNING | Stop; `drain`: Detach | cut off: has a second to be dead | Stop |
| DRAINING | Stop | Stop | Stop |
| STOPPING | – | – | Kill |

Each function takes a step for a process and returns what is to be done.
"""

from typing import Final

from pydaemonwsgi.supervisor.actions import Action, Detach, Dump, Kill, Stop
from pydaemonwsgi.supervisor.lifecycle import Event, Process, State
from pydaemonwsgi.supervisor.timeouts import Timeouts
from pydaemonwsgi.vocabulary import ShutdownReason

__all__ = ["drain", "kill_stuck", "lose_channel", "overstay", "stop"]

# Seconds beyond the shutdown time-out before SIGKILL: the process ends itself first, and says why.
_KILL_AFTER: Final = 2.0
# Seconds for a process whose channel has ended to be dead; one that lives on is stopped.
_CUT_OFF: Final = 1.0
# Seconds for a process that is to be killed to say where its threads are.
_DUMP: Final = 0.3


def drain(process: Process, timeouts: Timeouts, now: float) -> list[Action]:
    """Let a process that runs answer what it has."""
    process.apply(Event.DETACH, now)
    if seconds := timeouts.drain(process.retire):
        process.deadline = now + seconds
    return [Detach(process.number)]


def stop(process: Process, timeouts: Timeouts, now: float) -> list[Action]:
    """Have a process go that is not wanted any more, whatever it is doing."""
    if process.state in {State.STOPPING, State.EXITED}:
        return []
    starting = process.state is State.STARTING
    process.apply(Event.STOP, now)
    return [Kill(process.number)] if starting else [_ask_to_stop(process, timeouts, now)]


def lose_channel(process: Process, timeouts: Timeouts, now: float) -> list[Action]:
    """The channel of a process has ended: after its last request, or because it has died."""
    if process.state is State.DRAINING:
        process.apply(Event.DETACHED, now)
        return [_ask_to_stop(process, timeouts, now)]
    if process.state is State.RUNNING:
        process.cut_off = True
        process.deadline = now + _CUT_OFF
    return []


def overstay(process: Process, timeouts: Timeouts, now: float) -> tuple[tuple[str, str] | None, list[Action]]:
    """The time of a process that is leaving, or whose channel has ended, is over.

    Returns:
        What the operator should read, as level and text, or None; and what is to be done.
    """
    before = process.state
    assert before is not State.STARTING, "what has not loaded is more than late"
    process.apply(Event.LATE, now)
    if before is State.RUNNING:
        said = "error", f"{process.name} has lost its channel and lives on; it is stopped"
    elif before is State.DRAINING:
        option = "eviction" if process.retire is ShutdownReason.EVICTION_SIGNAL else "graceful"
        seconds = timeouts.drain(process.retire)
        said = "warning", f"{process.name} still has requests after {seconds:g} s ({option}-timeout); it is stopped"
    else:
        # Of one that is stuck it has been said that it is killed.
        stuck = process.retire is ShutdownReason.DEADLOCK_TIMEOUT
        return None if stuck else ("warning", f"{process.name} does not leave; it is killed"), [Kill(process.number)]
    return said, [_ask_to_stop(process, timeouts, now)]


def kill_stuck(process: Process, now: float) -> list[Action]:
    """Have a process killed that gives no sign of life, once it has said where its threads are."""
    actions: list[Action] = [Detach(process.number)] if process.state is State.RUNNING else []
    process.retire = ShutdownReason.DEADLOCK_TIMEOUT
    process.apply(Event.LATE, now)
    process.deadline = now + _DUMP
    return [*actions, Dump(process.number)]


def _ask_to_stop(process: Process, timeouts: Timeouts, now: float) -> Action:
    if timeouts.shutdown:
        process.deadline = now + timeouts.shutdown + _KILL_AFTER
    return Stop(process.number, timeouts.shutdown)
