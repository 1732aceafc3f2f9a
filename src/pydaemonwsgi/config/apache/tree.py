"""The tree of directives that the reader gives: sections hold what stands in them. Sans-I/O."""

from dataclasses import dataclass

from pydaemonwsgi.config.apache.words import split_words
from pydaemonwsgi.config.model.position import Position

__all__ = ["Node"]


@dataclass(frozen=True, slots=True)
class Node:
    """A directive, or a section with what stands in it.

    Attributes:
        name: as written, without `<`.
        arguments: the text after the name, variables expanded, a section's `>` taken off; not yet split into words.
        children: None for a directive.
    """

    name: str
    arguments: str
    position: Position
    children: "tuple[Node, ...] | None" = None

    @property
    def is_section(self) -> bool:
        """Whether it was written with angle brackets."""
        return self.children is not None

    @property
    def title(self) -> str:
        """How messages call it: `ServerName`, `<Directory>`."""
        return f"<{self.name}>" if self.is_section else self.name

    def words(self) -> list[str]:
        """The arguments as words."""
        return split_words(self.arguments)
