"""Why this process asks to be replaced. Shell."""

import threading

from pydaemonwsgi.channel.control import Word
from pydaemonwsgi.daemon.control import ControlConnection
from pydaemonwsgi.vocabulary import ShutdownReason

__all__ = ["Retirement"]


class Retirement:
    """Asks the supervisor for a successor, once; the first reason counts.

    That the script has changed is said even after another reason: then the successor cannot wait.

    Attributes:
        reason: why it asked; None while it has not.
    """

    def __init__(self, supervisor: ControlConnection) -> None:
        self._supervisor = supervisor
        self._lock = threading.Lock()
        self.reason: ShutdownReason | None = None

    def ask(self, reason: ShutdownReason) -> None:
        """Ask to be replaced; from any thread."""
        reload = ShutdownReason.SCRIPT_RELOAD
        with self._lock:
            if self.reason is not None and (reason is not reload or self.reason is reload):
                return
            self.reason = reason
        self._supervisor.say(Word.RETIRE, reason=reason.value)

    def forget(self) -> None:
        """Be as if nothing had been asked: the supervisor wants this process to go on."""
        self.reason = None
