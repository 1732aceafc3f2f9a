"""When which fault happens, by chance that can be repeated. Sans-I/O."""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

__all__ = ["SCENARIOS", "Event", "Scenario", "draw"]


@dataclass(frozen=True)
class Event:
    """A fault at `at` seconds after the start; `draw` is its own randomness, 0 to 1."""

    at: float
    fault: str
    draw: float


@dataclass(frozen=True)
class Scenario:
    """Which faults, how often.

    Attributes:
        every: mean seconds between two of each fault.
        kinds: kinds of request; empty for all.
        options: of the server.
        closed: connections that each send the next request when the last is answered; 0 for a steady rate.
    """

    every: dict[str, float]
    kinds: tuple[str, ...] = ()
    options: tuple[str, ...] = ()
    closed: int = 0


_PROCESSES: Final = ("--processes", "2", "--threads", "8")

SCENARIOS: Final = {
    "everything": Scenario(
        every={
            "kill": 2.5,
            "kill-front": 20.0,
            "stop": 4.0,
            "stop-front": 10.0,
            "hup": 6.0,
            "touch": 6.0,
            "recycle": 5.0,
            "scale": 8.0,
            "loiter": 8.0,
            "disk-full": 15.0,
            "descriptors": 15.0,
        },
        options=(*_PROCESSES, "--maximum-requests", "2000"),
    ),
    "replace": Scenario(every={"hup": 3.0, "scale": 3.0, "recycle": 3.0}, options=_PROCESSES),
    "kill": Scenario(every={"kill": 1.0}, kinds=("post", "ponder"), options=_PROCESSES),
    "recycling": Scenario(every={}, kinds=("get",), options=(*_PROCESSES, "--maximum-requests", "50"), closed=16),
}


def draw(every: dict[str, float], seconds: float, seed: int, counts: Sequence[tuple[str, int]] = ()) -> list[Event]:
    """Return the faults of a run, in order.

    Args:
        every: mean seconds between two of each fault.
        seconds: how long the run is; nothing happens in its first and last tenth.
        seed: the same seed draws the same faults.
        counts: faults that happen exactly so often instead, evenly spread.
    """
    chance = random.Random(seed)
    first, last = seconds * 0.1, seconds * 0.9
    exact = dict(counts)
    events = []
    for fault, mean in every.items():
        if fault in exact:
            step = (last - first) / max(1, exact[fault])
            moments = [first + step * (number + chance.random()) for number in range(exact[fault])]
        else:
            moments, at = [], first + chance.uniform(0, mean)
            while at < last:
                moments.append(at)
                at += mean * chance.uniform(0.5, 1.5)
            # A short run has each fault at least once, or it would promise what it has not tried.
            moments = moments or [chance.uniform(first, last)]
        events += [Event(at, fault, chance.random()) for at in moments]
    return sorted(events, key=lambda event: event.at)
