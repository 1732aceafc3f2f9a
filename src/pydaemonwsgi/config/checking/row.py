"""A row of the table of checks. Sans-I/O."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from pydaemonwsgi.config.checking.machine import Machine
from pydaemonwsgi.config.model import Position, Server
from pydaemonwsgi.config.problems import Severity

__all__ = ["Check", "Finding"]


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that somebody will regret.

    Attributes:
        directive: whose place it is.
        text: what happens, and what to do about it.
        severity: an error is what the server will not start with.
    """

    position: Position
    directive: str
    text: str
    severity: Severity = Severity.WARNING


@dataclass(frozen=True, slots=True)
class Check:
    """One check.

    Attributes:
        meaning: what it looks for; ends the sentence "Warns of ...".
        look: finds it.
    """

    meaning: str
    look: Callable[[Server, Machine], Iterator[Finding]]
