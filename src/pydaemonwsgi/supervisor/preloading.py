"""A process group with `preload`: which preload parent loads, which forks, and which goes. Sans-I/O.

Theory of operation. A preload parent loads the script once and forks the group's daemon processes, so a replacement
costs a fork. It is planned like a daemon process that never serves: its states are the same rows of the same table.

    - The **source** is the newest parent that runs and whose code is not out of date. It alone forks.
    - A parent's code is **out of date** once a process of its finds the script changed, it finds so itself, or somebody
      asks for a reload. From then on nothing is forked from it, but it stays until a process of its successor runs.
      So when the new script does not load, or none of the processes forked from it comes up, there is still one that
      can fork the code that does.
    - When a parent has loaded the script, all processes of parents that are out of date are to be replaced.
    - The supervisor adopts the daemon processes. A parent's death costs them nothing, and another parent is started
      with the same delays as a daemon process.
    - Where nothing older serves, a parent whose script does not load forks all the same: its processes answer with
      500, until another parent, started now and then to see, does better.

A process that is being forked has no pid until it has said a first word. If it is never born, because its parent died
or does not react, that is the parent's failure and not counted as its own.
"""

from collections.abc import Mapping
from typing import Final

from pydaemonwsgi.supervisor.actions import Action, Keep, Kill, Spawn, SpawnParent, Stop
from pydaemonwsgi.supervisor.exits import Exit, Meaning, meaning_of
from pydaemonwsgi.supervisor.lifecycle import Event, Process, State
from pydaemonwsgi.supervisor.rollover import Group, Timeouts
from pydaemonwsgi.vocabulary import ShutdownReason

__all__ = ["PreloadedGroup"]

# Seconds for a parent to fork; it takes milliseconds, and functions of the application may run before.
_FORK: Final = 10.0
# Seconds for a parent that was told to stop to have left: it has nothing to finish.
_LEAVE: Final = 5.0


class PreloadedGroup(Group):
    """The planner of a process group whose processes are forked from a preload parent.

    Attributes:
        parents: the living preload parents by number.
    """

    def __init__(self, name: str, size: int, timeouts: Timeouts, *, debug: bool = False) -> None:
        super().__init__(name, size, timeouts, debug=debug)
        self.parents: dict[int, Process] = {}
        self._outdated: set[int] = set()

    def __repr__(self) -> str:
        """Return the states of all processes and parents."""
        parents = ", ".join(
            f"{parent} out of date" if parent.number in self._outdated else str(parent)
            for parent in self.parents.values()
        )
        return f"{super().__repr__()[:-1]}; parents: {parents or 'none'}>"

    @property
    def source(self) -> Process | None:
        """The parent that forks now; None while there is none."""
        running = [
            parent
            for parent in self.parents.values()
            if parent.state is State.RUNNING and not parent.cut_off and parent.number not in self._outdated
        ]
        return max(running, key=lambda parent: parent.number, default=None)

    # -- events of processes

    def on_spawned(self, number: int, now: float, version: int = 0) -> Process:
        """A parent has been asked for a process; `version` does not count: it is the parent's."""
        del version
        source = self.source
        assert source is not None, "only a source forks"
        process = Process(number, now, version=source.version, parent=source.number, deadline=now + _FORK)
        process.versions = source.versions
        self.processes[number] = process
        return process

    def on_born(self, number: int, pid: int) -> None:
        """A process has been forked, and runs."""
        process = self.processes[number]
        process.pid = pid
        if process.state is State.STARTING:
            startup = self.timeouts.startup
            process.deadline = process.started + startup if startup else None

    def on_unborn(self, number: int) -> None:
        """A process will never be forked, or not be waited for: its parent has not done it, or it is not wanted."""
        process = self.processes.pop(number)
        parent = self.parents.get(process.parent)
        if parent is not None and process.state is State.STARTING:
            # Not asked again: either it has died, which will be heard of soon, or it is of no use.
            parent.cut_off = True

    def on_retire(self, number: int, reason: ShutdownReason) -> None:
        """A process or a parent asks to be replaced."""
        asks = self.parents.get(number) or self.processes.get(number)
        if asks is None or asks.state not in {State.STARTING, State.RUNNING}:
            return
        if reason is ShutdownReason.SCRIPT_RELOAD:
            self._outdated.add(asks.parent or number)
        if number not in self.parents:
            super().on_retire(number, reason)
            return
        if reason is ShutdownReason.SCRIPT_RELOAD:
            self.trouble.succeed()
        if asks.retire is None:
            asks.retire = reason
            self._say("info", f"{asks.name} is to be replaced: {reason.value}")

    # -- events of parents

    def on_parent_spawned(self, number: int, now: float, version: int = 0) -> Process:
        """A preload parent has been forked for a `SpawnParent`; the arguments are those of `on_spawned`."""
        parent = Process(number, now, version=version, role="preload parent")
        self.parents[number] = self._start(parent, now)
        return parent

    def on_parent_loading(self, number: int, versions: Mapping[str, int]) -> None:
        """A parent begins to load its scripts: their names and versions."""
        parent = self.parents.get(number)
        if parent is not None and parent.state is State.STARTING:
            parent.versions = versions

    def on_parent_loaded(self, number: int, now: float, *, failed: Mapping[str, int], error: str = "") -> None:
        """A parent has loaded its scripts; the arguments are those of `on_loaded`."""
        parent = self.parents.get(number)
        if parent is None or parent.state is not State.STARTING:
            return
        if failed and self._is_stopped_for(failed, error, parent, now):
            return
        parent.apply(Event.LOADED, now)
        parent.failed = frozenset(failed)
        for process in self.processes.values():
            if process.retire is not None or process.state not in {State.STARTING, State.RUNNING}:
                continue
            if process.failed - parent.failed:
                process.retire = ShutdownReason.SCRIPT_RELOAD
            elif process.parent in self._outdated:
                process.retire = ShutdownReason.GRACEFUL_SIGNAL

    def on_parent_lost(self, number: int) -> None:
        """A parent cannot be talked to any more."""
        parent = self.parents.get(number)
        if parent is not None and parent.state is not State.STOPPING:
            parent.cut_off = True
            self._pending.append(Kill(number))

    def on_parent_exit(self, number: int, now: float, ended: Exit) -> None:
        """Parent `number` has ended at `now`, monotonic seconds."""
        parent = self.parents.pop(number)
        before, meaning = parent.state, meaning_of(ended, parent, now, runs_requests=False)
        parent.apply(Event.EXIT, now)
        text = f"{parent.role} {number} {ended.how}"
        match meaning:
            case Meaning.FAILED_TO_START:
                self._fail_start(parent, before, now, f"{parent.role} {number}", ended)
            case Meaning.UNASKED:
                self.trouble.note(now, text)
                self._say("error", f"{text}, unasked; its processes serve on, and it is replaced")
            case _:
                self._say("info", f"{text}, as it was asked to")

    # -- events of the group

    def on_reload(self, now: float) -> None:
        """Every process is to be replaced, by processes of a new parent."""
        super().on_reload(now)
        self._outdated |= self.parents.keys()
        for parent in self.parents.values():
            if parent.state is State.STARTING:
                # What it has read may be older than what is to be loaded now.
                self._stop_parent(parent, now)

    def stop(self, now: float) -> None:
        """Stop every process and every parent."""
        super().stop(now)
        for parent in self.parents.values():
            self._stop_parent(parent, now)

    def leave(self, now: float) -> None:
        """Stop every parent, and every process once it has answered what it has."""
        super().leave(now)
        for parent in self.parents.values():
            self._stop_parent(parent, now)

    # -- planning

    def next_deadline(self, now: float) -> float | None:
        """Return the monotonic time at which `plan` should be asked again without any event, or None."""
        times = [super().next_deadline(now), *(parent.deadline for parent in self.parents.values())]
        return min((at for at in times if at is not None), default=None)

    def _spawns(self, now: float) -> list[Action]:
        if not self.trouble.allows_start(now):
            return []
        actions: list[Action] = []
        source = self.source
        if not any(parent.state is State.STARTING for parent in self.parents.values()) and (
            source is None
            or source.retire is not None
            or (self._wants_probe(now) and not self.processes.missing(self.size))
        ):
            actions.append(SpawnParent())
        if source is not None:
            actions += [Spawn(source.number)] * self.processes.wanted(self.size)
        return actions

    def _relieve(self, now: float) -> None:
        super()._relieve(now)
        self._outdated &= {*self.parents, *(process.parent for process in self.processes.values())}
        source = self.source
        if source is None:
            return
        proven = any(
            process.parent == source.number and process.state is State.RUNNING for process in self.processes.values()
        )
        for parent in self.parents.values():
            superseded = proven or parent.number not in self._outdated
            if superseded and parent is not source and parent.state is State.RUNNING:
                if parent.cut_off:
                    # It lives, so it could not fork; nor will its successor, unless something changes.
                    text = f"{parent.name} forks no process, and is replaced"
                    delay = self.trouble.fail(now, text)
                    self._say("error", f"{text}; its successor tries in {delay:.1f} s")
                self._stop_parent(parent, now)

    def _speaks_for_code(self, process: Process) -> bool:
        return super()._speaks_for_code(process) and self._outdated.isdisjoint((process.number, process.parent))

    def _keep_old(self, process: Process, now: float, versions: Mapping[str, int]) -> bool:
        """Go back to the newest parent that still runs with the code that its processes keep."""
        kept = super()._keep_old(process, now, versions)
        if not self._speaks_for_code(process) or not self.processes.better_than(versions):
            return kept
        outdated = [
            parent
            for parent in self.parents.values()
            if parent.state is State.RUNNING
            and parent.number in self._outdated
            and not parent.failed.issuperset(versions)
        ]
        if outdated:
            old = max(outdated, key=lambda parent: parent.number)
            for parent in self.parents.values():
                if parent.number > old.number:
                    self._outdated.add(parent.number)
                    self._stop_parent(parent, now)
            self._outdated.discard(old.number)
            self._pending.append(Keep(old.number, versions))
        source = self.source
        if source is None or source.number == process.parent:
            return kept
        # It forks what works: the failures of the others' code do not delay that.
        self.trouble.succeed()
        if not kept and (outdated or source.retire is not None):
            # A parent has noticed the change before any of its processes has.
            self._say_kept(versions)
            kept = True
        source.retire = None
        return kept

    def _find_late(self, now: float) -> None:
        for process in self.processes.in_state(State.STARTING):
            if process.deadline is not None and process.deadline <= now and not process.pid:
                self._give_up_birth(process, now)
        super()._find_late(now)
        for parent in list(self.parents.values()):
            if parent.deadline is None or parent.deadline > now:
                continue
            if parent.state is State.STARTING:
                self._kill_late(parent, now)
            else:
                parent.apply(Event.LATE, now)
                self._say("warning", f"{parent.name} does not leave; it is killed")
                self._pending.append(Kill(parent.number))

    def _give_up_birth(self, process: Process, now: float) -> None:
        parent = self.parents.get(process.parent)
        if parent is not None and parent.state is State.RUNNING and not parent.cut_off:
            self._say("error", f"{parent.name} has not forked within {_FORK:g} s; it is killed and replaced")
            parent.cut_off = True
            self._pending.append(Kill(parent.number))
        self._stop(process, now)

    def _stop(self, process: Process, now: float) -> None:
        if process.number in self.parents:
            self._stop_parent(process, now)
        else:
            super()._stop(process, now)

    def _is_stopped_for(self, failed: Mapping[str, int], error: str, process: Process, now: float) -> bool:
        stopped = super()._is_stopped_for(failed, error, process, now)
        if process.number in self.parents and stopped:
            self._outdated.add(process.number)
        return stopped

    def _stop_parent(self, parent: Process, now: float) -> None:
        if parent.state in {State.STOPPING, State.EXITED}:
            return
        starting = parent.state is State.STARTING
        parent.apply(Event.STOP, now)
        parent.deadline = now + _LEAVE
        self._pending.append(Kill(parent.number) if starting else Stop(parent.number, _LEAVE))
