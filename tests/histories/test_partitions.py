"""Both halves of partitions together, told random histories: messages cross, are late or get lost, fronts die.

Whatever happens: no request runs in another application group's processes, none waits for ever, and there are never
more partitions than there may be.
"""

import itertools
import random
import time
from collections import deque
from typing import Any

import pytest

from pydaemonwsgi.front.groups import ProcessGroup
from pydaemonwsgi.front.options import GroupOptions
from pydaemonwsgi.front.partitions import Partitions
from pydaemonwsgi.supervisor.partitions import Bind, Leave, Make, PartitionTable, Refuse, Tell

LIMIT = 3
NAMES = ("", "a", "b", "c", "d", "misfit")
EARLY = ("early",)


class Request:
    """A request for one application group; `end` is what became of it."""

    numbers = itertools.count(1)

    def __init__(self, name: str, group: ProcessGroup) -> None:
        self.name = name
        self.route: Any = type("Route", (), {})()
        self.route.group = group
        self.client: Any = self
        self.request_id = next(self.numbers)
        self.queue_start = time.time()
        self.waiting_since = self.queue_time = 0.0
        self.queue_deadline = float("inf")
        self.channel: Any = None
        self.end = ""


class Process:
    """A daemon process of one partition. Unbound ones become the application group's whose request they run first."""

    threads, short = 2, False

    def __init__(self, key: str, owner: str | None) -> None:
        self.key, self.owner = key, owner
        self.group: Any = None
        self.accepting = True
        self.running: list[Request] = []

    @property
    def in_flight(self) -> int:
        return len(self.running)

    def run(self, request: Any, stream: int) -> None:
        del stream
        if self.owner is None:
            self.owner = request.name
        assert self.owner == request.name, f"{request.name!r} runs where {self.owner!r} does"
        self.running.append(request)


class World:
    """A supervisor's table, a front, what they have said and not yet heard, and the processes."""

    def __init__(self, seed: int, base: str | None) -> None:
        self.random = random.Random(seed)
        keys = itertools.count(1)
        self.table = PartitionTable(
            "g",
            base=base,
            early=EARLY,
            limit=LIMIT,
            fits=lambda name: name != "misfit",
            new_key=lambda: f"g|{next(keys)}",
        )
        self.now = 1000.0
        self.to_front: deque[tuple[Any, ...]] = deque()
        self.to_supervisor: deque[tuple[str, str, str]] = deque()
        self.processes: list[Process] = []
        self.requests: list[Request] = []
        self.owner_of_base = base
        self.starting: list[tuple[str, str | None]] = [("g", base)]
        self.start_front()
        self.act(self.table.start())
        for _ in range(self.random.randrange(6)):
            self.start_process()
            self.hear_in_front()

    def start_front(self) -> None:
        """A front that knows nothing; what the one before had is lost with it, and its clients see that."""
        for request in self.requests:
            request.end = request.end or "front died"
        self.to_front.clear()
        self.to_supervisor.clear()
        self.groups = {"g": ProcessGroup(GroupOptions("g", 1000, 0.0, 0.0, 1000, 1000, 0.0, 0.0))}
        self.front = Partitions(self.groups, lambda *words: self.to_supervisor.append(words), self.fail)
        for partition in self.table.serving:
            self.to_front.append(("told", partition.application_group, partition.key))
        for process in self.processes:
            process.running, process.accepting, process.group = [], True, None
            self.to_front.append(("attach", process))

    def fail(self, exchange: Any) -> None:
        exchange.end = "500"

    def act(self, actions: list[Any]) -> None:
        for action in actions:
            match action:
                case Make(partition):
                    self.starting.append((partition.key, partition.application_group))
                case Bind(partition):
                    self.owner_of_base = partition.application_group
                case Tell(partition):
                    self.to_front.append(("told", partition.application_group, partition.key))
                case Leave(partition):
                    self.to_front.append(("leave", partition.key))
                    self.starting = [one for one in self.starting if one[0] != partition.key]
                case Refuse(name, _):
                    self.to_front.append(("crowded", name))
        assert len(self.table.serving) <= LIMIT
        names = [partition.application_group for partition in self.table.serving]
        assert len(names) == len(set(names))

    # -- what may happen

    def request(self) -> None:
        name = self.random.choice(NAMES)
        request: Any = Request(name, self.front.find("g", name))
        self.requests.append(request)
        request.route.group.submit(request)

    def upload(self) -> None:
        """A request whose queue is found long before it is put there."""
        name = self.random.choice(NAMES)
        request: Any = Request(name, self.front.find("g", name))
        front = self.front
        for _ in range(self.random.randrange(20)):
            self.happen(but="upload")
        if self.front is front:
            self.requests.append(request)
            request.route.group.submit(request)

    def hear_in_front(self) -> None:
        if not self.to_front:
            return
        match self.to_front.popleft():
            case ("told", name, key):
                self.front.note_told("g", name, key)
            case ("leave", key):
                self.front.note_leave(key)
            case ("crowded", name):
                self.front.note_crowded("g", name)
            case ("attach", process) if process in self.processes:
                group = self.groups.get(process.key)
                if group is None:
                    self.processes.remove(process)  # nobody has its channel; it is stopped
                else:
                    process.group = group
                    group.attach(process)

    def hear_in_supervisor(self) -> None:
        if self.to_supervisor:
            _, name, spare = self.to_supervisor.popleft()
            self.act(self.table.want(name, spare, self.now))

    def lose_a_question(self) -> None:
        if self.to_supervisor and self.random.random() < 0.3:
            self.to_supervisor.popleft()

    def start_process(self) -> None:
        if self.starting:
            key, owner = self.starting.pop(self.random.randrange(len(self.starting)))
            process = Process(key, self.owner_of_base if key == "g" else owner)
            self.processes.append(process)
            self.to_front.append(("attach", process))

    def answer(self) -> None:
        busy = [process for process in self.processes if process.running]
        if busy:
            process = self.random.choice(busy)
            process.running.pop(0).end = "200"
            if process.group is not None:
                process.group.dispatch()

    def end_process(self) -> None:
        """It dies, or is replaced; what it had not answered is put back."""
        if self.processes and self.random.random() < 0.1:
            self.remove(self.random.choice(self.processes))

    def remove(self, process: Process) -> None:
        self.processes.remove(process)
        group: Any = process.group
        if group is not None:
            group.forget(process)
            for request in process.running:
                exchange: Any = request
                request.route.group.queue_again(exchange)
        serving = {partition.key: partition.application_group for partition in self.table.serving}
        if process.key == "g" or process.key in serving:
            self.starting.append((process.key, serving.get(process.key)))

    def drain(self) -> None:
        """Processes that make room have answered what they had."""
        serving = {"g", *(partition.key for partition in self.table.serving)}
        for process in [one for one in self.processes if one.key not in serving and not one.running]:
            self.remove(process)
            if not any(one.key == process.key for one in self.processes):
                self.table.on_ended(process.key)

    def let_time_pass(self) -> None:
        self.now += self.random.choice((0.1, 0.5, 2.0, 100.0))
        self.look()

    def look(self) -> None:
        # The front's questions take the clock; everything was asked for, and last used, long before this.
        for want in self.front._wants.values():
            want.asked_at -= self.random.choice((0.0, 10.0))
            want.used_at -= self.random.choice((0.0, 100.0))
        self.front._full_until.clear()
        self.front.look(time.monotonic())

    def kill_front(self) -> None:
        if self.random.random() < 0.01:
            self.start_front()

    def happen(self, but: str = "") -> None:
        """One thing, whatever it is."""
        things = (
            "request request request upload hear_in_front hear_in_front hear_in_supervisor hear_in_supervisor "
            "lose_a_question start_process start_process answer answer end_process drain let_time_pass kill_front"
        )
        thing = self.random.choice([one for one in things.split() if one != but])
        getattr(self, thing)()

    def settle(self) -> None:
        """Nothing new comes, and nothing goes wrong any more: everybody does what is to be done."""
        for _ in range(300):
            for _ in range(5):
                self.hear_in_front()
                self.hear_in_supervisor()
                self.start_process()
                self.answer()
            self.drain()
            self.look()


@pytest.mark.parametrize("base", [None, "", "a"])
@pytest.mark.parametrize("seed", range(40))
def test_every_request_ends_where_it_belongs(seed: int, base: str | None) -> None:
    """Answered by processes of its own application group, or refused because there is no room."""
    world = World(seed, base)
    for _ in range(400):
        world.happen()
    world.settle()
    unanswered = [request.name for request in world.requests if not request.end]
    assert not unanswered, f"{unanswered} wait for ever; {world.table}, {world.groups}"
    assert {"200", "500"} <= {request.end for request in world.requests}
