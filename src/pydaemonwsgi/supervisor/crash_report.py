"""What the error log says of a process that has died. Sans-I/O.

One record: how it ended, then what is known of it, then what it was running. The first line is the planner's, as it
decides what follows; what it was running is the front's, which knows each request by its name.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

from pydaemonwsgi.metrics.scoreboard import Row

__all__ = ["Death", "LastWords", "Obituary", "describe_death", "indented"]

_MEGABYTE = 1_000_000
# The kernel counts what it limits and what it reports in different ways; seconds.
_CPU_MARGIN = 0.3


@dataclass(frozen=True, slots=True)
class Death:
    """What is known of a process that has died.

    Attributes:
        age: seconds that it lived.
        cpu: seconds on a processor.
        peak: bytes of resident memory at most.
        rss: bytes of resident memory when it was looked at last; None if it never was.
        looked: seconds before its end that this was.
        killed: whether it died by SIGKILL that was not ours.
        out_of_memory: how it is known that the kernel did that for lack of memory; None if nothing says so.
    """

    age: float
    cpu: float
    peak: int
    rss: int | None
    looked: float
    killed: bool
    out_of_memory: str | None


@dataclass(slots=True)
class Obituary:
    """A record that waits for the front to say what the process was running.

    Attributes:
        level: of the record.
        headline: its first line.
        facts: the lines after it.
        running: what the scoreboard says, should the front say nothing.
        lost: what the front says; None until it does.
        deadline: until when it is waited for, monotonic.
        wall: the time of death, seconds since the epoch.
    """

    level: str
    headline: str
    facts: list[str]
    running: Sequence[Row]
    lost: str | None
    deadline: float
    wall: float

    def text(self) -> str:
        """Return the record."""
        lines = [self.headline, *(f"  {fact}" for fact in self.facts)]
        if self.lost:
            lines += ["  it was running:", *indented(self.lost)]
        elif self.lost is None:
            lines += [
                f"  thread {row.thread + 1} was running a request for {self.wall - row.started:.3f} s"
                for row in self.running
            ]
        return "\n".join(lines)


@dataclass(slots=True)
class LastWords:
    """What a process with sub-interpreters was running, as the front says it of one interpreter after the other.

    Attributes:
        labels: the application groups, by the numbers that the front knows.
        told: what it has said.
    """

    labels: dict[int, str]
    told: dict[int, str] = field(default_factory=dict)

    @property
    def is_complete(self) -> bool:
        """Whether it has said all."""
        return self.labels.keys() <= self.told.keys()

    def text(self) -> str:
        """Return all that was running."""
        lines = []
        for number, label in self.labels.items():
            if requests := self.told[number]:
                lines.append(f"in the application group {label}:")
                lines += [f"  {line}" for line in requests.splitlines()]
        return "\n".join(lines)


def describe_death(death: Death, cpu_time: float = 0.0) -> list[str]:
    """Return what is known besides how it ended, a line each.

    Args:
        death: what is known.
        cpu_time: seconds on a processor at which the kernel kills it; 0 for never.
    """
    memory = f"memory {death.peak / _MEGABYTE:.1f} MB at most"
    if death.rss is not None:
        memory += f", {death.rss / _MEGABYTE:.1f} MB when looked at {death.looked:.1f} s before its end"
    lines = [f"it lived {death.age:.1f} s and used {death.cpu:.2f} s of CPU time; {memory}"]
    if death.out_of_memory is not None:
        lines.append(f"the kernel killed it for lack of memory: {death.out_of_memory}")
    elif death.killed and 0.0 < cpu_time <= death.cpu + _CPU_MARGIN:
        lines.append(
            f"the kernel killed it for its CPU time: it may use {cpu_time:g} s "
            "(cpu-time-limit, a second, and shutdown-timeout)"
        )
    elif death.killed:
        lines.append("nothing says that the kernel did that for lack of memory")
    return lines


def indented(text: str) -> list[str]:
    """Return what another process says as lines that cannot be taken for the beginning of a record of ours."""
    return [f"    {line}" for line in text.splitlines()]
