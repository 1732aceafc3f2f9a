"""A daemon process as the supervisor has it. Sans-I/O."""

from pydaemonwsgi.metrics.scoreboard import Scoreboard
from pydaemonwsgi.supervisor.children import Child

__all__ = ["Daemon"]


class Daemon:
    """A daemon process: the child and what it shares.

    Attributes:
        child: the child.
        number: the supervisor's number for it; no two processes of a server have the same.
        board: descriptor of the scoreboard's memory.
        scoreboard: what it is running.
        attached_to: the front that has its channel.
        lost: what the front says it was running when its channel ended; None until it does.
    """

    __slots__ = ("attached_to", "board", "child", "lost", "number", "scoreboard")

    def __init__(self, child: Child, number: int, board: int, scoreboard: Scoreboard) -> None:
        self.child = child
        self.number = number
        self.board = board
        self.scoreboard = scoreboard
        self.attached_to: Child | None = None
        self.lost: str | None = None
