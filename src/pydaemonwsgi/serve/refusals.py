"""What the machine refuses of what was asked for: collected, so that everything is told at once. Sans-I/O."""

import contextlib
from collections.abc import Iterator

from pydaemonwsgi.config.model import NOWHERE, Position
from pydaemonwsgi.config.problems import Problem, Severity
from pydaemonwsgi.errors import ConfigurationError, StartError

__all__ = ["Refusals"]


class Refusals:
    """Collects errors of the machine; whoever has tried everything calls `raise_all`."""

    def __init__(self) -> None:
        self._errors: list[tuple[Problem, ConfigurationError | StartError]] = []

    @contextlib.contextmanager
    def noting(self, position: Position, directive: str) -> Iterator[None]:
        """Note what is raised inside, as the fault of a directive; go on after it."""
        try:
            yield
        except (ConfigurationError, StartError) as error:
            self._errors.append((Problem(Severity.ERROR, position, directive, str(error)), error))

    def raise_all(self) -> None:
        """Raise what has been noted, if anything has.

        Raises:
            ConfigurationError: with a line for everything; one of them at least is for the user to mend.
            StartError: likewise; all of it may go well another time.
        """
        if not self._errors:
            return
        mine = any(isinstance(error, ConfigurationError) for _, error in self._errors)
        kind = ConfigurationError if mine else StartError
        # What two hosts share is refused to both.
        problems = list(dict.fromkeys(problem for problem, _ in self._errors))
        lines = [problem.text for problem in problems]
        if any(problem.position != NOWHERE for problem in problems):
            problems.sort(key=lambda one: (one.position.file, one.position.line))
            count = "1 error" if len(problems) == 1 else f"{len(problems)} errors"
            lines = [f"the machine refuses what the configuration asks for: {count}", *map(str, problems)]
        raise kind("\n".join(lines)) from self._errors[0][1]
