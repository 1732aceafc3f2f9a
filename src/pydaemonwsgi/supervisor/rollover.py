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

from pydaemonwsgi.supervisor import leaving
from pydaemonwsgi.supervisor.actions import Action, Attach, Keep, Kill, Resume, Spawn
from pydaemonwsgi.supervisor.exits import Exit, Meaning, meaning_of
from pydaemonwsgi.supervisor.lifecycle import Event, Process, State
from pydaemonwsgi.supervisor.pulse import Pulse
from pydaemonwsgi.supervisor.replacement import Replacement
from pydaemonwsgi.supervisor.roster import Roster
from pydaemonwsgi.supervisor.timeouts import Timeouts
from pydaemonwsgi.supervisor.trouble import Trouble
from pydaemonwsgi.vocabulary import LARGEST_GROUP, ShutdownReason

__all__ = ["Group", "Timeouts"]

"""Processes of a group that may be asked for while it runs: a typing error, or a script that sends SIGTTIN without
end, must not fork until the machine stands still."""


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
        self._pending: list[Action] = []
        self.stopping = False
        self.processes = Roster()
        self.trouble = Trouble()
        self.replacement: Replacement | None = None
        self.messages: list[tuple[str, str]] = []

    def __repr__(self) -> str:
        """Return the states of all processes."""
        return f"<Group {self.name}: {', '.join(map(str, self.processes.values())) or 'no process'}>"

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
        if failed and self._is_stopped_for(failed, error, process, now):
            return
        process.apply(Event.LOADED, now)
        process.pulse = Pulse(self.timeouts.deadlock, now)
        process.failed = frozenset(failed)
        self._pending.append(Attach(number))
        if failed:
            if not self.trouble.probe_backoff.until:
                self.trouble.probe_backoff.fail(now)
            self._say("error", f"{_names_of(failed)} not load; requests for it are answered with 500")
        else:
            self.trouble.succeed()
        for other, reason in self.processes.outdone_by(process):
            other.retire = reason
            if reason is ShutdownReason.GRACEFUL_SIGNAL:
                self._say("info", f"{other.name} is to be replaced: it has kept older code than loads by now")

    def _is_stopped_for(self, failed: Mapping[str, int], error: str, process: Process, now: float) -> bool:
        """Note that scripts did not load; stop the process if others do better than it, and return whether they do."""
        error = f"{_names_of(failed)} not load" + (f": {error}" if error else "")
        self.trouble.note(now, error)
        self._fail_replacement(process, error)
        if not self.processes.can_spare(process, failed, debug=self.debug):
            return False
        self._stop(process, now)
        delay = self.trouble.fail(now, error)
        if not self._keep_old(process, now, failed) and not process.probe:
            self._say("error", f"{_names_of(failed)} not load; trying again in {delay:.1f} s")
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
        told, kept = self.processes.keep(versions, process.loader)
        self._pending += [Keep(other.number, versions) for other in told]
        if not kept:
            return False
        self._say_kept(versions)
        for other in self.processes.in_state(State.STARTING):
            self._stop(other, now)
        return True

    def _say_kept(self, versions: Mapping[str, int]) -> None:
        text = f"{_names_of(versions, ' as it is now')} not load"
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
        if process is not None:
            self._pending += leaving.lose_channel(process, self.timeouts, now)

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
        self._pending += leaving.kill_stuck(process, now)

    def on_exit(self, number: int, now: float, ended: Exit) -> None:
        """Process `number` has ended at `now`, monotonic seconds."""
        process = self.processes.pop(number)
        before, meaning = process.state, meaning_of(ended, process, now)
        process.apply(Event.EXIT, now)
        text = f"process {number} {ended.how}"
        match meaning:
            case Meaning.FAILED_TO_START:
                self._fail_start(process, before, now, f"process {number}", ended)
            case Meaning.UNASKED:
                self.trouble.note(now, text)
                self._say("error", f"{text}, unasked; it is replaced at once")
            case Meaning.STUCK:
                self._say("error", f"{text}: {ShutdownReason.DEADLOCK_TIMEOUT.value}")
            case Meaning.STRUCK:
                why = f" ({process.retire.value})" if process.retire is not None else ""
                self._say("error", f"{text}, before it had left as it was asked to{why}")
            case Meaning.ASKED:
                self._say("info", f"{text}, as it was asked to")

    def _fail_start(self, process: Process, before: State, now: float, name: str, ended: Exit) -> None:
        """A process, or a preload parent, has ended as it started; `before` is the state that it was in then."""
        text = f"{name} {ended.how}, {now - process.started:.1f} s after its start"
        delay = self.trouble.fail(now, text, hopeless=ended.hopeless, version=process.version)
        if self.trouble.fatal:
            self._say("error", f"{text}; given up: mend what the messages above say, then reload the server")
        else:
            failures = self.trouble.backoff.failures
            self._say("error", f"{text}; starting again in {delay:.1f} s (failure {failures} in a row)")
        if self.trouble.is_lasting:
            self._fail_replacement(process, text)
            if before is State.STARTING and process.versions:
                self._keep_old(process, now, process.versions)

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
        self.trouble.forgive_other_than(version)

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
        self.trouble.on_front()

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
        return not self.stopping and self.trouble.is_waiting(now)

    def next_deadline(self, now: float) -> float | None:
        """Return the monotonic time at which `plan` should be asked again without any event, or None."""
        times = self.processes.deadlines(now)
        if not self.stopping:
            times += self.trouble.deadlines(now)
        return min(times, default=None)

    def _wants_probe(self, now: float) -> bool:
        """Whether it is time to see if the script loads by now."""
        # Without a time, because a reload or new code has cleared it, the time is now: a failed process that nobody
        # looks after would answer 500 for ever.
        return now >= self.trouble.probe_backoff.until and self.processes.has_failed

    def _spawns(self, now: float) -> list[Action]:
        if not self.trouble.allows_start(now):
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
        self._pending += self.trouble.tell_front(now, serves=bool(self.processes.running))

    def _fail_replacement(self, process: Process, error: str) -> None:
        if self.replacement is not None and self._speaks_for_code(process):
            self.replacement.fail(error)

    def _relieve(self, now: float) -> None:
        """Let processes that have a successor drain."""
        for process in self.processes.replaced(self.size):
            self._drain(process, now)

    def _drain(self, process: Process, now: float) -> None:
        self._pending += leaving.drain(process, self.timeouts, now)

    def _find_late(self, now: float) -> None:
        for process in list(self.processes.values()):
            if process.deadline is None or process.deadline > now:
                continue
            if process.state is State.STARTING:
                self._kill_late(process, now)
                continue
            said, actions = leaving.overstay(process, self.timeouts, now)
            if said is not None:
                self._say(*said)
            self._pending += actions

    def _kill_late(self, process: Process, now: float) -> None:
        """A process, or a preload parent, has had its time to load its scripts."""
        process.apply(Event.LATE, now)
        text = f"{process.name} has not loaded its script within {self.timeouts.startup:g} s (startup-timeout)"
        self._say("error", f"{text}; it is killed")
        self.trouble.fail(now, text, late=True)
        self._fail_replacement(process, text)
        self._pending.append(Kill(process.number))
        if process.versions:
            self._keep_old(process, now, process.versions)

    def _stop(self, process: Process, now: float) -> None:
        self._pending += leaving.stop(process, self.timeouts, now)


def _names_of(scripts: Mapping[str, int], state: str = "") -> str:
    """Return scripts in some state as the subject of a sentence that goes on with `not`."""
    first, *others = scripts
    if not others:
        return f"{first}{state} does"
    return f"{first} and {len(others)} other{'s' if len(others) > 1 else ''}{state} do"
