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
        used_at: of a line of a macro, where that is used; each use has positions of its own.
    """

    file: str
    line: int
    used_at: "Position | None" = None

    def __str__(self) -> str:
        if not self.file:
            return "the command line"
        used = "" if self.used_at is None else f" (used in {self.used_at})"
        return f"{self.file}:{self.line}{used}"


NOWHERE = Position("", 0)
"""Where defaults and what the command line says come from."""
