"""What was decided on the way, for `pydaemonwsgi explain`. Sans-I/O.

Deciding code asks `if trace is not None` before it makes a text, so that nothing is paid where nobody looks.
"""

from typing import NamedTuple

from pydaemonwsgi.config.model import NOWHERE, Position

__all__ = ["Step", "Trace"]


class Step(NamedTuple):
    """One thing that was decided.

    Attributes:
        stage: a word of the pipeline: host, rewrite, redirect, alias, section, file, access, type, group, answer.
        depth: internal redirects before it.
    """

    stage: str
    text: str
    position: Position
    depth: int


class Trace:
    """Collects the steps of one decision."""

    __slots__ = ("depth", "steps")

    def __init__(self) -> None:
        self.steps: list[Step] = []
        self.depth = 0

    def note(self, stage: str, text: str, position: Position = NOWHERE) -> None:
        """Add a step."""
        self.steps.append(Step(stage, text, position, self.depth))
