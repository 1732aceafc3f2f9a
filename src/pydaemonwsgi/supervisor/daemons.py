"""A daemon process as the supervisor has it. Sans-I/O."""

from collections.abc import Mapping

from pydaemonwsgi.metrics.scoreboard import Scoreboard
from pydaemonwsgi.supervisor.children import Child

__all__ = ["Daemon", "Interpreter"]


class Daemon:
    """A daemon process, or an interpreter of one: whom we talk to, and what it shares.

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

    @property
    def process(self) -> int:
        """The number of the process."""
        return self.number


class Interpreter(Daemon):
    """A sub-interpreter of a daemon process; its `child` is our connection to it, with the pid of the process.

    Attributes:
        host: the number of its daemon process.
        key: what the front calls its application group.
        application_group: whose it is.
        loaded: whether it has come so far as to load its scripts.
        failed: the names and versions of those that did not load.
        error: why they did not.
        thread: the id of its main thread; 0 before it has said so.
    """

    __slots__ = ("application_group", "error", "failed", "host", "key", "loaded", "thread")

    def __init__(
        self,
        child: Child,
        number: int,
        board: int,
        scoreboard: Scoreboard,
        *,
        host: int,
        key: str,
        application_group: str,
    ) -> None:
        super().__init__(child, number, board, scoreboard)
        self.host = host
        self.key = key
        self.application_group = application_group
        self.loaded = False
        self.failed: Mapping[str, int] = {}
        self.error = ""
        self.thread = 0

    @property
    def process(self) -> int:
        """The number of the process."""
        return self.host
