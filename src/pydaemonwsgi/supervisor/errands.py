"""What children have been asked to do and have not yet said that it is done; and what they ask. Sans-I/O."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pydaemonwsgi.supervisor.children import Child

__all__ = ["Errands"]


class Errands:
    """Tokens for questions to children: a late answer to an old question is no answer to a new one.

    Attributes:
        surveys: the children that want to know what all processes do, each with the token of its last question.
    """

    __slots__ = ("_last", "_open", "surveys")

    def __init__(self) -> None:
        self._last = 0
        self._open: set[int] = set()
        self.surveys: dict[Child, int] = {}

    def begin(self) -> int:
        """Return the token of a new errand."""
        self._last += 1
        self._open.add(self._last)
        return self._last

    def finish(self, token: int) -> None:
        """A child says that it is done; what nobody waits for is ignored."""
        self._open.discard(token)

    def is_open(self, token: int) -> bool:
        """Whether nobody has said that it is done."""
        return token in self._open

    def abandon(self, token: int) -> None:
        """Nobody waits any more."""
        self._open.discard(token)
