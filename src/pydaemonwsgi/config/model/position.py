"""Where in the configuration something was written. Sans-I/O."""

from dataclasses import dataclass

__all__ = ["NOWHERE", "Position"]


@dataclass(frozen=True, slots=True)
class Position:
    """A line of a configuration file.

    Fields of this type are declared with `compare=False`: two configurations that say the same are equal,
    wherever they say it.

    Attributes:
        file: the file's name as it was opened; "" where there is no file, as with the command line.
        line: counts from 1; that of the directive's first line if it was continued.
    """

    file: str
    line: int

    def __str__(self) -> str:
        return f"{self.file}:{self.line}" if self.file else "the command line"


NOWHERE = Position("", 0)
"""Where defaults and what the command line says come from."""
