"""What is wrong with a configuration that only routing can tell, and where. Sans-I/O."""

from pydaemonwsgi.config.model import Position
from pydaemonwsgi.errors import ConfigurationError

__all__ = ["MistakeError"]


class MistakeError(ConfigurationError):
    """A pattern, a variable, an address that cannot be meant.

    Attributes:
        position: where it was written.
        text: what is wrong and what to do about it, without the place.
    """

    def __init__(self, position: Position, problem: object) -> None:
        super().__init__(f"{position}: {problem}")
        self.position = position
        self.text = str(problem)
