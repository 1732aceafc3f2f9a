"""The planner of a group that runs a service script, told what happened and asked what it does."""

from pydaemonwsgi.supervisor.actions import Action, Refuse, Spawn, Stop
from pydaemonwsgi.supervisor.exits import Exit
from pydaemonwsgi.supervisor.lifecycle import State
from pydaemonwsgi.supervisor.rollover import Timeouts
from pydaemonwsgi.supervisor.service import ServiceGroup
from pydaemonwsgi.vocabulary import ShutdownReason
from tests.histories.test_rollover import exit_in_words


class World:
    """A group of service processes and what it has asked for; a process that is spawned runs at once."""

    def __init__(self, size: int = 1) -> None:
        self.group = ServiceGroup("cron", size, Timeouts(startup=60.0, graceful=15.0, shutdown=5.0, deadlock=5.0))
        self.now = 1000.0
        self.numbers = 0
        self.done: list[Action] = []

    def go(self, seconds: float = 0.0) -> list[Action]:
        """Let time pass; carry out what the group wants and return it."""
        self.now += seconds
        wanted: list[Action] = []
        while actions := self.group.plan(self.now):
            wanted += actions
            for action in actions:
                if isinstance(action, Spawn):
                    self.numbers += 1
                    self.group.on_spawned(self.numbers, self.now)
                    self.group.on_loaded(self.numbers, self.now, failed={})
        return wanted

    def end(self, number: int, how: str = "exited with status 0") -> None:
        """A process exits."""
        self.group.on_exit(number, self.now, exit_in_words(how.split()))

    @property
    def running(self) -> list[int]:
        """The numbers of the processes that run."""
        return [number for number, process in self.group.processes.items() if process.state is State.RUNNING]


def test_the_front_is_told_that_nobody_takes_requests() -> None:
    """Once, and again when there is another front."""
    world = World()
    assert Refuse(60.0) in world.go()
    assert world.go(1.0) == []
    world.group.on_front()
    assert world.go() == [Refuse(60.0)]


def test_a_script_that_ends_at_once_is_started_again_after_growing_delays() -> None:
    """Not a storm: 0.2 s, 0.4 s, 0.8 s and so on, up to half a minute."""
    world = World()
    world.go()
    delays = []
    for number in range(1, 12):
        began = world.now
        world.end(number)
        while world.running != [number + 1]:
            world.go(0.05)
        delays.append(world.now - began)
    assert delays == sorted(delays)
    assert delays[0] < 0.5
    assert 29 < delays[-1] < 31


def test_a_script_that_ends_after_a_good_life_is_started_again_soon() -> None:
    """What it did wrong long ago is forgotten."""
    world = World()
    world.go()
    for number in range(1, 8):
        world.end(number)
        world.go(40.0)
    world.go(60.0)
    world.end(8, "was killed by SIGKILL")
    assert world.go(0.1) == []
    world.go(0.15)
    assert world.running == [9]


def test_a_restart_stops_first_and_starts_when_it_has_gone() -> None:
    """Two at the same time would do everything twice."""
    for happen in ("reload", "retire"):
        world = World(size=2)
        world.go()
        if happen == "reload":
            world.group.on_reload(world.now)
        else:
            world.group.on_retire(1, ShutdownReason.MAXIMUM_MEMORY)
            world.group.on_retire(2, ShutdownReason.MAXIMUM_MEMORY)
        assert world.go() == [Stop(1, 5.0), Stop(2, 5.0)]
        world.end(1)
        assert world.go() == [Spawn()]
        assert world.running == [3]
        world.end(2)
        world.go()
        assert world.running == [3, 4]


def test_a_script_that_does_not_leave_is_killed_and_replaced() -> None:
    """shutdown-timeout and a little more, then SIGKILL."""
    world = World()
    world.go()
    world.group.on_reload(world.now)
    world.go()
    assert [type(action).__name__ for action in world.go(8.0)] == ["Kill"]
    world.end(1, "was killed by SIGKILL")
    world.go()
    assert world.running == [2]


def test_what_the_machine_forbids_is_given_up() -> None:
    """As with every group: the third time in a row is the last."""
    world = World()
    for number in (1, 2, 3):
        world.group.on_spawned(number, world.now)
        world.group.on_exit(number, world.now, Exit("exited with status 77", hopeless=True))
        world.now += 10.0
    assert world.group.trouble.fatal
    assert Spawn() not in world.go(100.0)


def test_a_script_need_give_no_sign_of_life() -> None:
    """deadlock-timeout is for processes with a monitor; a script may sleep for a week."""
    world = World()
    world.go()
    world.group.on_heartbeat(1, 0.0, world.now + 604800.0)
    assert world.go(604800.0) == []
    assert world.running == [1]


def test_nothing_is_started_once_the_server_stops() -> None:
    """The script is told to leave, and that was it."""
    world = World()
    world.go()
    world.group.stop(world.now)
    assert world.go() == [Stop(1, 5.0)]
    world.end(1)
    assert world.go(100.0) == []


def test_a_connection_that_the_script_closes_means_nothing() -> None:
    """Its process goes on."""
    world = World()
    world.go()
    world.group.on_detached(1, world.now)
    assert world.go(10.0) == []
    assert world.running == [1]
