"""Which daemon process starts, takes over, drains and stops, and when. Sans-I/O.

Theory of operation. A group wants `size` processes that serve. Events (loaded, retire, exit …) change what is known
of each; `plan` compares that with what is wanted and returns actions, until there is nothing to do. So the order of
events does not matter, and any number of them may come between two plans.

    - A process that is to be replaced (`retire`) goes on serving until its successor runs: start before stop.
    - Successors start one at a time; but where processes are missing, all at once, and a process whose script has
      changed counts as missing, because it hands every request back.
    - A successor whose script does not load is stopped, and those that it was to replace keep the code they have.
      Where there is nothing older it serves: with 500, until the file changes or a later attempt succeeds.
    - What keeps failing is tried again after growing delays. A successor that dies while it loads is tried again too,
      but the third failure in a row, or one that takes longer than it may, counts as a script that does not load.
"""

from typing import Final

from pydaemonwsgi.supervisor.actions import Action, Attach, Detach, Keep, Kill, Resume, Spawn, Stop
from pydaemonwsgi.supervisor.lifecycle import Backoff, Event, Process, State
from pydaemonwsgi.vocabulary import ShutdownReason

__all__ = ["Group", "Timeouts"]

# A process that dies this soon, in seconds, counts as one that failed to start (supervisord's startsecs).
_START_SECONDS: Final = 1.0
# Seconds beyond the shutdown time-out before SIGKILL: the process ends itself first, and says why.
_KILL_AFTER: Final = 2.0
# Successors that may die in a row while they load before the old code is kept (supervisord's startretries).
_START_RETRIES: Final = 3
# Seconds for a process whose channel has ended to be dead; one that lives on is stopped.
_CUT_OFF: Final = 1.0
# Reasons whose replacement is pointless while the script does not load.
_NEW_CODE: Final = frozenset(
    (ShutdownReason.SCRIPT_RELOAD, ShutdownReason.GRACEFUL_SIGNAL, ShutdownReason.SHUTDOWN_SIGNAL)
)


class Timeouts:
    """Seconds for each stage; 0 for no limit.

    Args:
        startup: until the script is loaded.
        graceful: until the requests of a process that is replaced have ended.
        shutdown: until a process that was told to stop has left.
    """

    __slots__ = ("graceful", "shutdown", "startup")

    def __init__(self, *, startup: float, graceful: float, shutdown: float) -> None:
        self.startup = startup
        self.graceful = graceful
        self.shutdown = shutdown


class Group:
    """The planner of one process group.

    Args:
        name: for messages.
        size: how many processes should serve.
        timeouts: see `Timeouts`.
        debug: a successor that does not load replaces a process that did, so that its error page is seen.
    """

    def __init__(self, name: str, size: int, timeouts: Timeouts, *, debug: bool = False) -> None:
        self.name = name
        self.size = size
        self._timeouts = timeouts
        self._debug = debug
        self._backoff = Backoff()
        self._probe_backoff = Backoff(first=1.0, longest=60.0)
        self._pending: list[Action] = []
        self.stopping = False
        self.processes: dict[int, Process] = {}
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
        process = Process(number, now, version=version)
        if self._timeouts.startup:
            process.deadline = now + self._timeouts.startup
        process.probe = self._wants_probe(now) and not self._missing()
        if process.probe:
            # One attempt; the next comes after a longer delay.
            self._probe_backoff.fail(now)
        self.processes[process.number] = process
        return process

    def on_loaded(self, number: int, now: float, *, failed: bool, version: int) -> None:
        """A process has loaded its script, or has failed to."""
        process = self.processes.get(number)
        if process is None or process.state is not State.STARTING:
            return
        if failed and self._discard(process, now, version):
            return
        process.apply(Event.LOADED)
        process.failed = failed
        self._pending.append(Attach(number))
        if failed:
            if not self._probe_backoff.until:
                self._probe_backoff.fail(now)
            self._say("error", "the script does not load; requests are answered with 500")
            return
        self._backoff.succeed()
        self._probe_backoff.succeed()
        for other in self.processes.values():
            if other.failed and other.state is State.RUNNING and other.retire is None:
                other.retire = ShutdownReason.SCRIPT_RELOAD

    def _discard(self, process: Process, now: float, version: int) -> bool:
        """Stop a process that did not load, if others do better than it; return whether they do."""
        serving = self._running()
        healthy = [other for other in serving if not other.failed]
        if not (healthy and not self._debug) and not (process.probe and serving):
            return False
        self._stop(process, now)
        delay = self._backoff.fail(now)
        if not self._keep_old(now, version) and not process.probe:
            self._say("error", f"the script does not load; trying again in {delay:.1f} s")
        return True

    def _keep_old(self, now: float, version: int) -> bool:
        """Have running processes keep the code they have; return whether any was to go for newer code."""
        healthy = [other for other in self._running() if not other.failed]
        kept = [other for other in healthy if other.retire in _NEW_CODE]
        for other in healthy:
            # Those that are to go for another reason hand requests back as well: the script is newer than they are.
            self._pending.append(Keep(other.number, version))
        for other in kept:
            other.retire = None
        if not kept:
            return False
        self._say("error", "the script as it is now does not load; running processes keep the code they have")
        for other in self._in_state(State.STARTING):
            self._stop(other, now)
        return True

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
            self._backoff.succeed()
            self._probe_backoff.succeed()

    def on_detached(self, number: int, now: float) -> None:
        """The front has closed the channel of a process: its last request has ended, or it has died."""
        process = self.processes.get(number)
        if process is None:
            return
        if process.state is State.DRAINING:
            process.apply(Event.DETACHED)
            self._give_time_to_stop(process, now)
        elif process.state is State.RUNNING:
            process.cut_off = True
            process.deadline = now + _CUT_OFF

    def on_front_lost(self, now: float) -> None:
        """The front has died, and every channel with it: what was draining has nothing left to do."""
        for process in self._in_state(State.DRAINING):
            self.on_detached(process.number, now)

    def on_exit(self, number: int, now: float, how: str) -> None:
        """A process has exited.

        Args:
            number: which.
            now: monotonic seconds.
            how: its wait status in words.
        """
        process = self.processes.pop(number)
        before = process.state
        process.apply(Event.EXIT)
        if before is State.STARTING or (
            before is State.RUNNING and now - process.started < _START_SECONDS and "SIG" not in how
        ):
            delay = self._backoff.fail(now)
            self._say(
                "error",
                f"process {number} {how}, {now - process.started:.1f} s after its start; "
                f"starting again in {delay:.1f} s (failure {self._backoff.failures} in a row)",
            )
            if before is State.STARTING and process.version and self._backoff.failures >= _START_RETRIES:
                self._keep_old(now, process.version)
        elif before is State.RUNNING:
            self._say("error", f"process {number} {how}, unasked; it is replaced at once")
        else:
            self._say("info", f"process {number} {how}, as it was asked to")

    def on_reload(self, now: float) -> None:
        """Every process is to be replaced (SIGHUP)."""
        del now
        self._backoff.succeed()
        self._probe_backoff.succeed()
        for process in self.processes.values():
            if process.state in {State.STARTING, State.RUNNING} and process.retire is None:
                process.retire = ShutdownReason.GRACEFUL_SIGNAL

    def on_front(self) -> None:
        """A front is there to be connected to: give it every process that serves."""
        self._pending += [Attach(process.number) for process in self._running()]

    def stop(self, now: float) -> None:
        """Stop every process; no other is started."""
        self.stopping = True
        for process in self.processes.values():
            self._stop(process, now)

    # -- planning

    def plan(self, now: float) -> list[Action]:
        """Return what is to be done now."""
        self._find_late(now)
        if not self.stopping:
            self._relieve(now)
        actions, self._pending = self._pending, []
        if not self.stopping:
            actions += self._spawns(now)
        return actions

    def next_deadline(self, now: float) -> float | None:
        """Return the monotonic time at which `plan` should be asked again without any event, or None."""
        times = [process.deadline for process in self.processes.values() if process.deadline is not None]
        if not self.stopping:
            if self._backoff.until > now:
                times.append(self._backoff.until)
            if self._probe_backoff.until > now:
                times.append(self._probe_backoff.until)
        return min(times, default=None)

    def _in_state(self, state: State) -> list[Process]:
        return [process for process in self.processes.values() if process.state is state]

    def _running(self) -> list[Process]:
        return [process for process in self._in_state(State.RUNNING) if not process.cut_off]

    def _missing(self) -> int:
        """Return how many processes too few serve, those that are starting not counted."""
        serving = sum(process.serves_this_code for process in self.processes.values())
        return max(0, self.size - serving)

    def _wants_probe(self, now: float) -> bool:
        """Whether it is time to see if the script loads by now."""
        # Without a time, because a reload or new code has cleared it, the time is now: a failed process that nobody
        # looks after would answer 500 for ever.
        return now >= self._probe_backoff.until and any(process.failed for process in self._running())

    def _spawns(self, now: float) -> list[Action]:
        if now < self._backoff.until:
            return []
        starting = len(self._in_state(State.STARTING))
        running = self._running()
        lasting = sum(process.retire is None for process in running)
        wanted = self.size - lasting - starting
        allowed = max(1, self._missing()) - starting
        count = min(wanted, allowed)
        if count <= 0 and not starting and self._wants_probe(now):
            count = 1
        return [Spawn() for _ in range(count)]

    def _relieve(self, now: float) -> None:
        """Let processes that have a successor drain."""
        running = self._running()
        surplus = len(running) - self.size
        retiring = sorted(
            (process for process in running if process.retire is not None),
            key=lambda process: (process.serves_this_code, not process.failed, process.started),
        )
        for process in retiring[: max(0, surplus)]:
            process.apply(Event.DETACH)
            if self._timeouts.graceful:
                process.deadline = now + self._timeouts.graceful
            self._pending.append(Detach(process.number))

    def _find_late(self, now: float) -> None:
        for process in list(self.processes.values()):
            if process.deadline is None or process.deadline > now:
                continue
            state = process.state
            process.apply(Event.LATE)
            if state is State.STARTING:
                self._say(
                    "error",
                    f"{process.name} has not loaded its script within {self._timeouts.startup:g} s "
                    "(startup-timeout); it is killed",
                )
                self._backoff.fail(now)
                self._pending.append(Kill(process.number))
                if process.version:
                    self._keep_old(now, process.version)
            elif state is State.RUNNING:
                self._say("error", f"{process.name} has lost its channel and lives on; it is stopped")
                self._give_time_to_stop(process, now)
            elif state is State.DRAINING:
                self._say(
                    "warning",
                    f"{process.name} still has requests after {self._timeouts.graceful:g} s "
                    "(graceful-timeout); it is stopped",
                )
                self._give_time_to_stop(process, now)
            else:
                self._say("warning", f"{process.name} does not leave; it is killed")
                self._pending.append(Kill(process.number))

    def _stop(self, process: Process, now: float) -> None:
        if process.state in {State.STOPPING, State.EXITED}:
            return
        starting = process.state is State.STARTING
        process.apply(Event.STOP)
        if starting:
            # It runs no request, and does not listen while it loads.
            self._pending.append(Kill(process.number))
        else:
            self._give_time_to_stop(process, now)

    def _give_time_to_stop(self, process: Process, now: float) -> None:
        shutdown = self._timeouts.shutdown
        self._pending.append(Stop(process.number, shutdown))
        if shutdown:
            process.deadline = now + shutdown + _KILL_AFTER
