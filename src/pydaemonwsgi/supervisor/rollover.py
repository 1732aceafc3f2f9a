"""Which daemon process starts, takes over, drains and stops, and when. Sans-I/O.

Theory of operation. A group wants `size` processes that serve. Events (loaded, retire, exit …) change what is known
of each; `plan` compares that with what is wanted and returns actions, until there is nothing to do. So the order of
events does not matter, and any number of them may come between two plans.

    - A process that is to be replaced (`retire`) goes on serving until its successor runs: start before stop.
    - Successors start one at a time; but where processes are missing, all at once, and a process whose script has
      changed counts as missing, because it hands every request back.
    - A successor for which a script does not load that an older process has is stopped, and those that it was to
      replace keep the code they have, until a later one does load it. Where there is nothing better it serves: requests
      for that script get 500, until the file changes or a later attempt succeeds.
    - Only a process that is to stay speaks for the code. Where a reload or a change of the script finds one that still
      loads, its failure is its own: nobody keeps anything for it, and its successor will tell.
    - What keeps failing is tried again after growing delays (`trouble`). A successor that dies while it loads is tried
      again too, but the third failure in a row, or one that takes longer than it may, counts as a script that does
      not load. While nothing serves and little hope is left, the front is told to refuse requests.
    - A process that gives no sign of life is killed, after it was made to say where its threads are; its successor does
      not wait for that.
    - The size may change at any time. What is too much drains: first what is still starting, then what is of no use,
      then the oldest.
"""

from collections.abc import Mapping
from typing import Final

from pydaemonwsgi.supervisor.actions import Action, Admit, Attach, Detach, Dump, Keep, Kill, Refuse, Resume, Spawn, Stop
from pydaemonwsgi.supervisor.lifecycle import Event, Process, State
from pydaemonwsgi.supervisor.pulse import Pulse
from pydaemonwsgi.supervisor.replacement import Replacement
from pydaemonwsgi.supervisor.roster import Roster
from pydaemonwsgi.supervisor.timeouts import Timeouts
from pydaemonwsgi.supervisor.trouble import Trouble
from pydaemonwsgi.vocabulary import ShutdownReason

__all__ = ["LARGEST_GROUP", "Group", "Timeouts", "names_of"]

LARGEST_GROUP: Final = 1024
"""Processes of a group that may be asked for while it runs: a typing error, or a script that sends SIGTTIN without
end, must not fork until the machine stands still."""

# A process that dies this soon, in seconds, counts as one that failed to start (supervisord's startsecs).
_START_SECONDS: Final = 1.0
# Seconds beyond the shutdown time-out before SIGKILL: the process ends itself first, and says why.
_KILL_AFTER: Final = 2.0
# Seconds for a process whose channel has ended to be dead; one that lives on is stopped.
_CUT_OFF: Final = 1.0
# Seconds for a process that is to be killed to say where its threads are.
_DUMP: Final = 0.3
# Seconds between two looks at a script whose process does not start.
_LOOK: Final = 1.0
# Seconds after which clients may ask again where nobody knows when it is worth while.
_LONGEST_REFUSAL: Final = 60.0
# Reasons whose replacement is pointless while the script does not load.
_NEW_CODE: Final = frozenset(
    (
        ShutdownReason.SCRIPT_RELOAD,
        ShutdownReason.GRACEFUL_SIGNAL,
        ShutdownReason.EVICTION_SIGNAL,
        ShutdownReason.SHUTDOWN_SIGNAL,
    )
)


class Group:
    """The planner of one process group.

    Args:
        name: for messages.
        size: how many processes should serve.
        timeouts: see `Timeouts`.
        debug: a successor that does not load replaces a process that did, so that its error page is seen.

    Attributes:
        size: how many processes should serve now.
        timeouts: see `Timeouts`.
        debug: as the argument.
        stopping: whether all are to end.
        processes: the living ones by number.
        trouble: what has failed lately.
        replacement: the last reload or restart that was asked for, None before the first.
    """

    def __init__(self, name: str, size: int, timeouts: Timeouts, *, debug: bool = False) -> None:
        self.name = name
        self.size = size
        self.timeouts = timeouts
        self.debug = debug
        self._refused_until: float | None = None
        self._failed_version = 0
        self._pending: list[Action] = []
        self.stopping = False
        self.processes = Roster()
        self.trouble = Trouble()
        self.replacement: Replacement | None = None
        self.messages: list[tuple[str, str]] = []

    def __repr__(self) -> str:
        """Return the states of all processes."""
        states = ", ".join(
            f"{process.number} {process.state.value}"
            + (f" ({process.retire.value})" if process.retire else "")
            + (" failed" if process.failed else "")
            + (" cut off" if process.cut_off else "")
            for process in self.processes.values()
        )
        return f"<Group {self.name}: {states or 'no process'}>"

    def _say(self, level: str, text: str) -> None:
        self.messages.append((level, f"process group {self.name}: {text}"))

    def take_messages(self) -> list[tuple[str, str]]:
        """Return what the operator should read, as pairs of level and text."""
        messages, self.messages = self.messages, []
        return messages

    # -- events

    def on_spawned(self, number: int, now: float, version: int = 0) -> Process:
        """A process has been forked for a `Spawn`.

        Args:
            number: never used before, in this group or another.
            now: monotonic seconds.
            version: of the script just before the fork, 0 where it is not known.
        """
        process = self.processes[number] = self._start(Process(number, now, version=version), now)
        return process

    def _start(self, process: Process, now: float) -> Process:
        """Give a process its time to load the script, and note whether it is only to see if that is possible."""
        if self.timeouts.startup:
            process.deadline = now + self.timeouts.startup
        process.probe = self._wants_probe(now) and not self.processes.missing(self.size)
        if process.probe:
            # One attempt; the next comes after a longer delay.
            self.trouble.probe_backoff.fail(now)
        return process

    def on_loading(self, number: int, versions: Mapping[str, int]) -> None:
        """A process begins to load its scripts: their names and versions."""
        process = self.processes.get(number)
        if process is not None and process.state is State.STARTING:
            process.versions = versions

    def on_loaded(self, number: int, now: float, *, failed: Mapping[str, int], error: str = "") -> None:
        """A process has loaded its scripts.

        Args:
            number: which.
            now: monotonic seconds.
            failed: the names and versions of those that did not load.
            error: why they did not.
        """
        process = self.processes.get(number)
        if process is None or process.state is not State.STARTING:
            return
        if failed:
            error = f"{names_of(failed)} not load" + (f": {error}" if error else "")
            self.trouble.note(now, error)
            self._fail_replacement(process, error)
            if self._discard(process, now, failed, error):
                return
        process.apply(Event.LOADED, now)
        process.pulse = Pulse(self.timeouts.deadlock, now)
        process.failed = frozenset(failed)
        self._pending.append(Attach(number))
        if failed:
            if not self.trouble.probe_backoff.until:
                self.trouble.probe_backoff.fail(now)
            self._say("error", f"{names_of(failed)} not load; requests for it are answered with 500")
        else:
            self.trouble.succeed()
        for other in self.processes.values():
            if other.state is not State.RUNNING or other.retire is not None:
                continue
            if other.failed - process.failed:
                other.retire = ShutdownReason.SCRIPT_RELOAD
            elif 0 < other.keeps_from <= process.loader and not process.failed:
                other.retire = ShutdownReason.GRACEFUL_SIGNAL
                self._say("info", f"{other.name} is to be replaced: it has kept older code than loads by now")

    def _discard(self, process: Process, now: float, failed: Mapping[str, int], error: str) -> bool:
        """Stop a process whose scripts did not all load, if others do better than it; return whether they do."""
        serving = self.processes.running
        better = self.processes.better_than(failed)
        improves = any(other.failed > frozenset(failed) for other in serving)
        if not (better and not self.debug) and not (process.probe and serving and not improves):
            return False
        self._stop(process, now)
        delay = self.trouble.fail(now, error)
        if not self._keep_old(process, now, failed) and not process.probe:
            self._say("error", f"{names_of(failed)} not load; trying again in {delay:.1f} s")
        return True

    def _speaks_for_code(self, process: Process) -> bool:
        """Whether what becomes of a process tells something of the code that is wanted now.

        Of one that is to be replaced it does not: its successor will tell.
        """
        return process.retire is None

    def _keep_old(self, process: Process, now: float, versions: Mapping[str, int]) -> bool:
        """Have running processes keep the code they have; return whether any was to go for newer code.

        Args:
            process: the one that could not load the newer code.
            now: monotonic seconds.
            versions: of the scripts that it could not load, by name.
        """
        if not self._speaks_for_code(process):
            return False
        healthy = self.processes.better_than(versions)
        kept = [other for other in healthy if other.retire in _NEW_CODE]
        for other in healthy:
            # Those that are to go for another reason hand requests back as well: the script is newer than they are.
            self._pending.append(Keep(other.number, versions))
            if other in kept or any(other.versions.get(name) != version for name, version in versions.items()):
                other.keeps_from = process.loader
        for other in kept:
            other.retire = None
        if not kept:
            return False
        self._say_kept(versions)
        for other in self.processes.in_state(State.STARTING):
            self._stop(other, now)
        return True

    def _say_kept(self, versions: Mapping[str, int]) -> None:
        text = f"{names_of(versions, ' as it is now')} not load"
        self._say("error", f"{text}; running processes keep the code they have")

    def on_kept(self, number: int) -> None:
        """A process has done what `Keep` says, and takes requests again."""
        process = self.processes.get(number)
        if process is not None and process.state is State.RUNNING:
            self._pending.append(Resume(number))

    def on_retire(self, number: int, reason: ShutdownReason) -> None:
        """A process asks to be replaced."""
        process = self.processes.get(number)
        if process is None or process.state not in {State.STARTING, State.RUNNING}:
            return
        if process.retire is None or reason is ShutdownReason.SCRIPT_RELOAD:
            process.retire = reason
            self._say("info", f"{process.name} is to be replaced: {reason.value}")
        if reason is ShutdownReason.SCRIPT_RELOAD:
            # New code deserves a new attempt at once.
            self.trouble.succeed()

    def on_detached(self, number: int, now: float) -> None:
        """The front has closed the channel of a process: its last request has ended, or it has died."""
        process = self.processes.get(number)
        if process is None:
            return
        if process.state is State.DRAINING:
            process.apply(Event.DETACHED, now)
            self._give_time_to_stop(process, now)
        elif process.state is State.RUNNING:
            process.cut_off = True
            process.deadline = now + _CUT_OFF

    def on_front_lost(self, now: float) -> None:
        """The front has died, and every channel with it: what was draining has nothing left to do."""
        for process in self.processes.in_state(State.DRAINING):
            self.on_detached(process.number, now)

    def on_heartbeat(self, number: int, beat: float, now: float) -> None:
        """A process has given its last sign of life at `beat`, by its own clock; called about once a second."""
        process = self.processes.get(number)
        if process is None or process.pulse is None or process.state not in {State.RUNNING, State.DRAINING}:
            return
        if not process.pulse.look(beat, now):
            return
        self._say(
            "error",
            f"{process.name} has given no sign of life for {process.pulse.silence:.1f} s (deadlock-timeout); "
            "it is killed once it has said where its threads are",
        )
        if process.state is State.RUNNING:
            self._pending.append(Detach(number))
        self._pending.append(Dump(number))
        process.retire = ShutdownReason.DEADLOCK_TIMEOUT
        process.apply(Event.LATE, now)
        process.deadline = now + _DUMP

    def on_exit(self, number: int, now: float, how: str, *, hopeless: bool = False, struck: bool = False) -> None:
        """A process has exited.

        Args:
            number: which.
            now: monotonic seconds.
            how: its wait status in words.
            hopeless: it said that the machine does not let it be what it should be.
            struck: it was ended by a signal that the supervisor has not sent.
        """
        process = self.processes.pop(number)
        before = process.state
        process.apply(Event.EXIT, now)
        if before is State.STARTING or (
            before is State.RUNNING and now - process.started < _START_SECONDS and "SIG" not in how
        ):
            text = f"process {number} {how}, {now - process.started:.1f} s after its start"
            self._failed_version = process.version
            delay = self.trouble.fail(now, text, hopeless=hopeless)
            failures = self.trouble.backoff.failures
            if self.trouble.fatal:
                self._say("error", f"{text}; given up: mend what the messages above say, then reload the server")
            else:
                self._say("error", f"{text}; starting again in {delay:.1f} s (failure {failures} in a row)")
            if self.trouble.is_lasting:
                self._fail_replacement(process, text)
                if before is State.STARTING and process.versions:
                    self._keep_old(process, now, process.versions)
        elif before is State.RUNNING:
            self.trouble.note(now, f"process {number} {how}")
            self._say("error", f"process {number} {how}, unasked; it is replaced at once")
        elif process.retire is ShutdownReason.DEADLOCK_TIMEOUT:
            self._say("error", f"process {number} {how}: {process.retire.value}")
        elif struck:
            why = f" ({process.retire.value})" if process.retire is not None else ""
            self._say("error", f"process {number} {how}, before it had left as it was asked to{why}")
        else:
            self._say("info", f"process {number} {how}, as it was asked to")

    def on_reload(self, now: float) -> None:
        """Every process is to be replaced (SIGHUP); `replacement` tells what becomes of it."""
        del now
        self.trouble.succeed()
        generation = self.replacement.generation + 1 if self.replacement is not None else 1
        self.replacement = Replacement(generation, frozenset(self.processes))
        for process in self.processes.values():
            if process.state in {State.STARTING, State.RUNNING} and process.retire is None:
                process.retire = ShutdownReason.GRACEFUL_SIGNAL

    def on_arrival(self) -> None:
        """The group is new, and somebody waits for its processes: `replacement` tells what becomes of them."""
        if self.replacement is None:
            self.replacement = Replacement(1, frozenset())

    def on_version(self, version: int) -> None:
        """The script's file is of this version; if the failures were another's, the next attempt is made at once."""
        if self._failed_version and version and version != self._failed_version:
            self._failed_version = 0
            self.trouble.succeed()

    def on_scale(self, size: int) -> None:
        """From now on, `size` processes should serve: at least one, at most `LARGEST_GROUP`."""
        # Who has been started with more may keep them.
        bounded = min(max(1, size), max(LARGEST_GROUP, self.size))
        if bounded != self.size:
            self._say("info", f"{bounded} processes instead of {self.size}")
        elif bounded != size:
            self._say("warning", f"{size} processes cannot be: there are 1 to {LARGEST_GROUP}; it stays at {self.size}")
        self.size = bounded

    def on_renewal(self, plan: "Group", now: float) -> None:
        """What the group should be has changed: every process is to be replaced by one that is so.

        Args:
            plan: a planner that has done nothing yet, and is as this one should be.
            now: monotonic seconds.
        """
        assert type(plan) is type(self)
        self.size, self.timeouts, self.debug = plan.size, plan.timeouts, plan.debug
        self.on_reload(now)

    def on_front(self) -> None:
        """A front is there to be connected to: give it every process that serves."""
        self._pending += [Attach(process.number) for process in self.processes.running]
        self._refused_until = None  # it knows nothing of what the one before was told

    def stop(self, now: float) -> None:
        """Stop every process; no other is started."""
        self.stopping = True
        for process in self.processes.values():
            self._stop(process, now)

    def leave(self, now: float) -> None:
        """Let every process answer what it has, and end; no other is started."""
        self.stopping = True
        for process in self.processes.values():
            if process.state is State.RUNNING and not process.cut_off:
                process.retire = process.retire or ShutdownReason.SCALE_DOWN
                self._drain(process, now)
            elif process.state is not State.DRAINING:
                self._stop(process, now)

    # -- planning

    def plan(self, now: float) -> list[Action]:
        """Return what is to be done now."""
        self._find_late(now)
        if not self.stopping:
            self._shrink(now)
            self._relieve(now)
            self._tell_front(now)
        if self.replacement is not None:
            self.replacement.look(self.processes.values(), self.size)
        actions, self._pending = self._pending, []
        if not self.stopping:
            actions += self._spawns(now)
        return actions

    def is_waiting(self, now: float) -> bool:
        """Whether it would start a process if the last ones had not failed; `on_version` is worth calling."""
        return not self.stopping and now < self.trouble.backoff.until

    def next_deadline(self, now: float) -> float | None:
        """Return the monotonic time at which `plan` should be asked again without any event, or None."""
        times = self.processes.deadlines(now)
        if not self.stopping:
            if self.trouble.backoff.until > now:
                times.append(min(self.trouble.backoff.until, now + _LOOK))
            if self.trouble.probe_backoff.until > now:
                times.append(self.trouble.probe_backoff.until)
        return min(times, default=None)

    def _wants_probe(self, now: float) -> bool:
        """Whether it is time to see if the script loads by now."""
        # Without a time, because a reload or new code has cleared it, the time is now: a failed process that nobody
        # looks after would answer 500 for ever.
        return now >= self.trouble.probe_backoff.until and self.processes.has_failed

    def _spawns(self, now: float) -> list[Action]:
        if now < self.trouble.backoff.until or self.trouble.fatal:
            return []
        count = self.processes.wanted(self.size)
        if count <= 0 and not self.processes.in_state(State.STARTING) and self._wants_probe(now):
            count = 1
        return [Spawn() for _ in range(count)]

    def _shrink(self, now: float) -> None:
        """Have those leave that are too many, because fewer are wanted."""
        starting, lasting = self.processes.excess(self.size)
        for process in starting:
            self._stop(process, now)
        for process in lasting:
            process.retire = ShutdownReason.SCALE_DOWN

    def _tell_front(self, now: float) -> None:
        """Have the front refuse requests while nobody will take them, and let them wait otherwise."""
        until = None if self.processes.running else self.trouble.refuses_until()
        if until == self._refused_until:
            return
        self._refused_until = until
        self._pending.append(Admit() if until is None else Refuse(min(_LONGEST_REFUSAL, max(0.0, until - now))))

    def _fail_replacement(self, process: Process, error: str) -> None:
        if self.replacement is not None and self._speaks_for_code(process):
            self.replacement.fail(error)

    def _relieve(self, now: float) -> None:
        """Let processes that have a successor drain."""
        for process in self.processes.replaced(self.size):
            self._drain(process, now)

    def _drain(self, process: Process, now: float) -> None:
        process.apply(Event.DETACH, now)
        if drain := self.timeouts.drain(process.retire):
            process.deadline = now + drain
        self._pending.append(Detach(process.number))

    def _find_late(self, now: float) -> None:
        for process in list(self.processes.values()):
            if process.deadline is None or process.deadline > now:
                continue
            state = process.state
            process.apply(Event.LATE, now)
            if state is State.STARTING:
                text = f"{process.name} has not loaded its script within {self.timeouts.startup:g} s (startup-timeout)"
                self._say("error", f"{text}; it is killed")
                self.trouble.fail(now, text, late=True)
                self._fail_replacement(process, text)
                self._pending.append(Kill(process.number))
                if process.versions:
                    self._keep_old(process, now, process.versions)
            elif state is State.RUNNING:
                self._say("error", f"{process.name} has lost its channel and lives on; it is stopped")
                self._give_time_to_stop(process, now)
            elif state is State.DRAINING:
                name = "eviction" if process.retire is ShutdownReason.EVICTION_SIGNAL else "graceful"
                self._say(
                    "warning",
                    f"{process.name} still has requests after {self.timeouts.drain(process.retire):g} s "
                    f"({name}-timeout); it is stopped",
                )
                self._give_time_to_stop(process, now)
            else:
                if process.retire is not ShutdownReason.DEADLOCK_TIMEOUT:
                    self._say("warning", f"{process.name} does not leave; it is killed")
                self._pending.append(Kill(process.number))

    def _stop(self, process: Process, now: float) -> None:
        if process.state in {State.STOPPING, State.EXITED}:
            return
        starting = process.state is State.STARTING
        process.apply(Event.STOP, now)
        if starting:
            # It runs no request, and does not listen while it loads.
            self._pending.append(Kill(process.number))
        else:
            self._give_time_to_stop(process, now)

    def _give_time_to_stop(self, process: Process, now: float) -> None:
        shutdown = self.timeouts.shutdown
        self._pending.append(Stop(process.number, shutdown))
        if shutdown:
            process.deadline = now + shutdown + _KILL_AFTER


def names_of(scripts: Mapping[str, int], state: str = "") -> str:
    """Return scripts in some state as the subject of a sentence that goes on with `not`."""
    first, *others = scripts
    if not others:
        return f"{first}{state} does"
    return f"{first} and {len(others)} other{'s' if len(others) > 1 else ''}{state} do"
