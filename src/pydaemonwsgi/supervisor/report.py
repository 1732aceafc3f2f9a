"""What `pydaemonwsgi status` tells of a process group, from what the planner and the scoreboards know. Sans-I/O.

States are supervisord's words: STARTING, RUNNING, DRAINING (it finishes what it has), STOPPING, BACKOFF (what failed is
tried again later), FATAL (it is not tried again). All times are seconds from now.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from pydaemonwsgi.metrics.scoreboard import Scoreboard
from pydaemonwsgi.supervisor.daemons import Interpreter
from pydaemonwsgi.supervisor.lifecycle import Process, State
from pydaemonwsgi.supervisor.rollover import Group
from pydaemonwsgi.system.usage import Usage

__all__ = ["HEALTHY", "group_state", "report_group", "report_interpreter"]

HEALTHY = frozenset(("RUNNING", "STARTING", "STOPPING"))
"""States of a group in which nothing is wrong."""


def group_state(group: Group) -> str:
    """Return a group's state in one word; what is worst of it."""
    if group.stopping:
        return "STOPPING"
    if group.trouble.fatal:
        return "FATAL"
    running = [process for process in group.processes.values() if process.state is State.RUNNING]
    if group.trouble.backoff.failures or any(process.failed for process in running):
        return "BACKOFF"
    return "RUNNING" if len(running) >= group.size else "STARTING"


def report_group(
    group: Group,
    scoreboards: Mapping[int, Sequence[Scoreboard]],
    usage_of: Callable[[int], Usage | None],
    *,
    threads: int,
    ended_before: int,
    now: float,
) -> dict[str, Any]:
    """Return a group's report, as JSON has it.

    Args:
        group: its planner.
        scoreboards: of its processes, by number; of each interpreter one.
        usage_of: asked with a pid.
        threads: worker threads of each interpreter.
        ended_before: requests that processes have ended which are gone now.
        now: monotonic seconds.
    """
    processes = [
        _report_process(process, scoreboards.get(process.number, ()), usage_of, threads, now)
        for process in group.processes.values()
    ]
    trouble = group.trouble
    replacement = group.replacement
    waits = not group.stopping and not trouble.fatal
    return {
        "name": group.name,
        "state": group_state(group),
        "size": group.size,
        "running": sum(process["state"] == "RUNNING" for process in processes),
        "threads": threads,
        "busy": sum(process["busy"] for process in processes),
        "requests": ended_before + sum(process["requests"] for process in processes),
        "failures": trouble.backoff.failures,
        "next_try": _next_try(group, now) if waits else None,
        "fatal": trouble.fatal,
        "last_failure": None if trouble.last is None else {"ago": now - trouble.last.at, "text": trouble.last.text},
        "replacement": None
        if replacement is None
        else {
            "generation": replacement.generation,
            "progress": replacement.progress.value,
            "error": replacement.error,
        },
        "processes": processes,
    }


def report_interpreter(interpreter: Interpreter) -> dict[str, Any]:
    """Return a sub-interpreter's report, as JSON has it."""
    board = interpreter.scoreboard
    return {
        "application_group": interpreter.application_group,
        "process": interpreter.host,
        "pid": interpreter.child.pid,
        "loaded": interpreter.loaded,
        "requests": board.requests,
        "busy": len(board.rows()),
        "threads": board.threads,
    }


def _next_try(group: Group, now: float) -> float | None:
    """Return in how many seconds a start is tried again; None where none is waited for."""
    trouble = group.trouble
    if trouble.backoff.until > now:
        return trouble.backoff.until - now
    if any(process.failed and process.state is State.RUNNING for process in group.processes.values()):
        return max(0.0, trouble.probe_backoff.until - now)
    return None


def _report_process(
    process: Process,
    boards: Sequence[Scoreboard],
    usage_of: Callable[[int], Usage | None],
    threads: int,
    now: float,
) -> dict[str, Any]:
    usage = usage_of(process.pid) if process.pid else None
    if process.retire is not None:
        why = process.retire.value
    elif process.failed:
        why = "its script does not load; it answers 500"
    elif process.probe and process.state is State.STARTING:
        why = "looks whether the script loads by now"
    else:
        why = ""
    return {
        "number": process.number,
        "pid": process.pid,
        "state": process.state.name,
        "since": now - process.since,
        "age": now - process.started,
        "why": why,
        "failed": bool(process.failed),
        "requests": sum(board.requests for board in boards),
        "busy": sum(len(board.rows()) for board in boards),
        "threads": threads * max(1, len(boards)),
        "rss": usage.rss if usage is not None else None,
        "cpu_seconds": usage.cpu_seconds if usage is not None else None,
    }
