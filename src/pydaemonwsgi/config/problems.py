"""What is wrong with a configuration, or worth knowing about it, and where. Sans-I/O."""

import difflib
from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum

from pydaemonwsgi.config.model.position import Position

__all__ = ["Problem", "Problems", "Severity", "nearest"]


class Severity(Enum):
    """How bad it is; the value is the word in messages."""

    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


@dataclass(frozen=True, slots=True)
class Problem:
    """One finding.

    Attributes:
        directive: whose; "" where it is no directive's.
        text: what is wrong and what to do about it.
    """

    severity: Severity
    position: Position
    directive: str
    text: str

    def __str__(self) -> str:
        directive = f"{self.directive}: " if self.directive else ""
        return f"{self.position}: {self.severity.value}: {directive}{self.text}"


class Problems:
    """Collects what is found; nothing stops at the first error."""

    def __init__(self) -> None:
        self.found: list[Problem] = []

    def info(self, position: Position, directive: str, text: str) -> None:
        """Add what is worth knowing and needs nobody."""
        self.found.append(Problem(Severity.INFO, position, directive, text))

    def warning(self, position: Position, directive: str, text: str) -> None:
        """Add what works, but hardly as it was meant."""
        self.found.append(Problem(Severity.WARNING, position, directive, text))

    def error(self, position: Position, directive: str, text: str) -> None:
        """Add what cannot be meant."""
        self.found.append(Problem(Severity.ERROR, position, directive, text))

    def of(self, severity: Severity) -> list[Problem]:
        """Those of one severity, in the order in which they were found."""
        return [problem for problem in self.found if problem.severity is severity]


def nearest(word: str, known: Iterable[str]) -> str:
    """`; did you mean X?`, or "" if nothing known is near; case does not count."""
    names = {name.lower(): name for name in known}
    close = difflib.get_close_matches(word.lower(), names, n=1, cutoff=0.7)
    return f"; did you mean {names[close[0]]}?" if close else ""
