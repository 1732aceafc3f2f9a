"""What the commands of the control socket do. Shell."""

import logging
import os
import time
from collections.abc import Callable, Sequence
from typing import Any, Final

from pydaemonwsgi import __version__
from pydaemonwsgi.channel.commands import DONE, FAILED, WRONG, Answer, Request
from pydaemonwsgi.channel.control import Word
from pydaemonwsgi.supervisor.control import Peer, Reply, Waiting
from pydaemonwsgi.supervisor.errands import Errands
from pydaemonwsgi.supervisor.front import Front
from pydaemonwsgi.supervisor.groups import ProcessGroup
from pydaemonwsgi.supervisor.lifecycle import State
from pydaemonwsgi.supervisor.replacement import Progress
from pydaemonwsgi.supervisor.report import HEALTHY, report_group, report_interpreter
from pydaemonwsgi.supervisor.stacks import Stacks
from pydaemonwsgi.system.memory import create_shared
from pydaemonwsgi.system.usage import usage_of
from pydaemonwsgi.vocabulary import LARGEST_GROUP

__all__ = ["Commands"]

logger = logging.getLogger(__name__)

# Bytes for the front's report: some thousand requests.
_REPORT_SIZE: Final = 2 * 1024 * 1024
# Seconds for the front to write its report; one that is busy for longer has trouble itself.
_REPORT_TIME: Final = 3.0
# Seconds for a process to write them; one in which no thread gets on does not.
_DUMP_TIME: Final = 2.0
# Processes at once; more descriptors do not travel in one message.
_DUMPS: Final = 64


class Commands:
    """Carries out requests.

    Args:
        groups: the process groups.
        front: the front.
        errands: where questions to children are noted.
        addresses: what the server listens on, in words.
        begin_stop: stops the server, for the reason given.
        reload: reads the configuration again and replaces processes; returns what went wrong.
        reopen_logs: opens the logs anew; returns what went wrong, "" if nothing did.
    """

    def __init__(
        self,
        groups: Sequence[ProcessGroup],
        front: Front,
        errands: Errands,
        addresses: Callable[[], Sequence[str]],
        *,
        begin_stop: Callable[[str], None],
        reload: Callable[[], str],
        reopen_logs: Callable[[], str],
    ) -> None:
        self._groups = groups
        self._front = front
        self._errands = errands
        self._addresses = addresses
        self._begin_stop = begin_stop
        self._reload_all = reload
        self._reopen_logs = reopen_logs
        self._started = time.monotonic()
        self._commands: dict[str, Callable[[Request], Reply | Waiting]] = {
            "status": self._status,
            "ps": self._ps,
            "reload": self._reload,
            "restart": self._restart,
            "stop": self._stop,
            "scale": self._scale,
            "dump": self._dump,
            "reopen-logs": self._reopen,
        }

    def obey(self, request: Request, peer: Peer) -> Reply | Waiting:
        """Carry out a request; return its answer, or what will be it."""
        if request.command not in {"status", "ps"}:
            logger.info("%s: asked for by %s on the control socket", _words(request), peer)
        return self._commands[request.command](request)

    # -- looking

    def _status(self, request: Request) -> Waiting:
        del request
        return self._with_front_report(self._report(), requests=False)

    def _ps(self, request: Request) -> Waiting:
        del request
        return self._with_front_report({}, requests=True)

    def _report(self) -> dict[str, Any]:
        now = time.monotonic()
        front = self._front.child
        usage = usage_of(front.pid) if front is not None else None
        groups = [
            report_group(
                group.planner,
                {number: group.scoreboards_of(daemon) for number, daemon in group.daemons.items()},
                usage_of,
                threads=group.plan.threads,
                ended_before=group.ended_before,
                now=now,
            )
            | {
                "process_group": group.plan.belongs_to,
                "application_group": group.plan.application_group,
                "interpreters": [report_interpreter(one) for one in group.interpreters],
            }
            for group in self._groups
        ]
        return {
            "version": __version__,
            "pid": os.getpid(),
            "state": "STOPPING" if self._front.stopping else "RUNNING",
            "age": now - self._started,
            "addresses": list(self._addresses()),
            "healthy": all(group["state"] in HEALTHY for group in groups),
            "front": {
                "pid": front.pid if front is not None else 0,
                "state": self._front.state,
                "since": now - self._front.started,
                "rss": usage.rss if usage is not None else None,
                "cpu_seconds": usage.cpu_seconds if usage is not None else None,
            },
            "groups": groups,
        }

    def _with_front_report(self, result: dict[str, Any], *, requests: bool) -> Waiting:
        """Have the front write what it has into memory that goes to the client: it holds what clients sent."""
        memory = create_shared("report", _REPORT_SIZE)
        token = self._errands.begin()
        until = time.monotonic() + _REPORT_TIME
        asked = self._front.ready and self._front.say(Word.REPORT, (memory,), token=token, requests=requests)

        def look(now: float) -> Reply | None:
            if asked and not self._errands.is_open(token):
                return Reply(Answer(DONE, result), (memory,))
            if asked and now < until and self._front.child is not None:
                return None
            forget()
            error = "the front does not answer" if asked else "there is no front at the moment"
            # Half of the truth is better than none: without the front's part the rest is still true.
            return Reply(Answer(DONE if result else FAILED, result, error))

        def forget() -> None:
            self._errands.abandon(token)
            os.close(memory)

        return Waiting(look, until, forget)

    def _dump(self, request: Request) -> Reply | Waiting:
        """Have processes write their stacks into memory that goes to the client: they hold what users wrote."""
        daemons = [
            (group, daemon)
            for group in self._groups
            for daemon in group.served_by
            if request.pid in {0, daemon.child.pid}
        ]
        if not daemons:
            return Reply(Answer(WRONG, {}, f"pid {request.pid} is no daemon process of this server; see status"))
        stacks: list[Stacks] = []
        try:
            for group, daemon in daemons[:_DUMPS]:
                stacks.append(Stacks(group, daemon, self._errands))
        except OSError:
            for one in stacks:
                one.forget()
            raise
        until = time.monotonic() + _DUMP_TIME

        def look(now: float) -> Reply | None:
            if now < until and any(one.is_awaited for one in stacks):
                return None
            return _dumped(stacks, left_out=len(daemons) - len(stacks))

        def forget() -> None:
            for one in stacks:
                one.forget()

        return Waiting(look, until, forget)

    # -- replacing

    def _reload(self, request: Request) -> Reply | Waiting:
        if self._front.stopping:
            return _stopping()
        before = [(group, group.planner.replacement) for group in self._groups]
        if error := self._reload_all():
            return Reply(Answer(FAILED, {}, error))
        # A group that a changed configuration leaves alone keeps its processes, and what became of its last reload.
        untouched = [group for group, replacement in before if group.planner.replacement is replacement]
        touched = [group for group in self._groups if group not in untouched]
        for group in touched:
            group.planner.on_arrival()
        return self._replacing(touched, request)

    def _restart(self, request: Request) -> Reply | Waiting:
        if self._front.stopping:
            return _stopping()
        groups = [
            group
            for group in self._groups
            if (not request.group or group.plan.is_called(request.group)) and not group.planner.stopping
        ]
        if not groups:
            return self._no_such_group(request.group)
        for group in groups:
            group.planner.on_reload(time.monotonic())
        return self._replacing(groups, request)

    def _replacing(self, groups: Sequence[ProcessGroup], request: Request) -> Reply | Waiting:
        result = {"groups": [group.name for group in groups]}
        if not request.wait:
            return Reply(Answer(DONE, result))

        def look(now: float) -> Reply | None:
            del now
            if self._front.stopping:
                return _stopping()
            # Who has been asked to leave meanwhile is replaced by nobody.
            replacements = [(one.name, one.planner.replacement) for one in groups if not one.planner.stopping]
            failed = [(name, it) for name, it in replacements if it is not None and it.progress is Progress.FAILED]
            if failed:
                errors = "; ".join(f"process group {name}: {it.error}" for name, it in failed)
                return Reply(Answer(FAILED, result, f"{errors}\nRunning processes keep the code they have."))
            done = all(it is None or it.progress is Progress.DONE for _, it in replacements)
            return Reply(Answer(DONE, result)) if done else None

        return Waiting(look)

    def _scale(self, request: Request) -> Reply | Waiting:
        if self._front.stopping:
            return _stopping()
        groups = [one for one in self._groups if one.plan.is_called(request.group) and not one.planner.stopping]
        if not groups:
            return self._no_such_group(request.group)
        size = request.size
        if not 1 <= size <= LARGEST_GROUP:
            return Reply(Answer(WRONG, {}, f"{size} processes cannot be; give a number from 1 to {LARGEST_GROUP}"))
        before = groups[0].planner.size
        for group in groups:
            group.planner.on_scale(size)
        result = {"group": request.group, "before": before, "size": size}
        if not request.wait:
            return Reply(Answer(DONE, result))
        asked = time.monotonic()

        def look(now: float) -> Reply | None:
            del now
            if self._front.stopping:
                return _stopping()
            replies = [_look_at_size(group, size, asked, result) for group in groups if not group.planner.stopping]
            if all(reply is not None and reply.answer.exit == DONE for reply in replies):
                return Reply(Answer(DONE, result))
            return next((reply for reply in replies if reply is not None and reply.answer.exit != DONE), None)

        return Waiting(look)

    def _no_such_group(self, name: str) -> Reply:
        host = next((group for group in self._groups if group.holds(name)), None)
        if host is not None:
            text = f"{name[:80]!r} runs in the processes of {host.name}, together with others; say {host.name}"
            return Reply(Answer(WRONG, {}, f"{text} (application-groups=interpreters)"))
        names = ", ".join(group.name for group in self._groups)
        return Reply(Answer(WRONG, {}, f"there is no process group {name[:80]!r}; there is {names}"))

    # -- the server

    def _stop(self, request: Request) -> Reply:
        del request
        if not self._front.stopping:
            self._begin_stop("stop")
        return Reply(Answer(DONE, {"pid": os.getpid()}))

    def _reopen(self, request: Request) -> Reply:
        del request
        error = self._reopen_logs()
        return Reply(Answer(FAILED if error else DONE, {}, error))


def _look_at_size(group: ProcessGroup, size: int, asked: float, result: dict[str, Any]) -> Reply | None:
    """Return what became of an order for `size` processes, given at `asked` (monotonic); None for nothing yet."""
    planner = group.planner
    if planner.size != size:
        return Reply(Answer(FAILED, result, f"meanwhile somebody asked for {planner.size} processes"))
    running = [process for process in planner.processes.values() if process.state is State.RUNNING]
    if len(running) == size and not any(process.failed for process in running):
        return Reply(Answer(DONE, result))
    last = planner.trouble.last
    if last is not None and last.at >= asked and (planner.trouble.is_lasting or planner.trouble.fatal):
        return Reply(Answer(FAILED, result, f"process group {group.name}: {last.text}"))
    return None


def _dumped(stacks: Sequence[Stacks], *, left_out: int) -> Reply:
    told = [one for one in stacks if one.is_told]
    silent = [one for one in stacks if not one.is_told]
    errors = [f"pid {one.pid} does not answer: {one.insist()}" for one in silent]
    for one in silent:
        one.forget()
    if left_out:
        errors.append(f"{left_out} processes are left out; give a PID")
    result = {
        "processes": [
            {"group": one.group.name, "pid": one.pid, "application_group": one.application_group} for one in told
        ]
    }
    answer = Answer(FAILED if silent else DONE, result, "; ".join(errors))
    return Reply(answer, tuple(one.memory for one in told))


def _stopping() -> Reply:
    return Reply(Answer(FAILED, {}, "the server is stopping"))


def _words(request: Request) -> str:
    parts = [request.command, request.group, str(request.size or ""), str(request.pid or "")]
    return " ".join(filter(None, parts))
