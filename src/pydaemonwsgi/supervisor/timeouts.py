"""How long a daemon process may take for each stage of its life. Sans-I/O."""

from pydaemonwsgi.vocabulary import ShutdownReason

__all__ = ["Timeouts"]


class Timeouts:
    """Seconds for each stage; 0 for no limit.

    Args:
        startup: until the script is loaded.
        graceful: until the requests of a process that is replaced have ended.
        shutdown: until a process that was told to stop has left.
        eviction: instead of `graceful`, for a process that was told by SIGUSR1 to go; 0: `graceful`.
        deadlock: without a sign of life.
    """

    __slots__ = ("deadlock", "eviction", "graceful", "shutdown", "startup")

    def __init__(
        self, *, startup: float, graceful: float, shutdown: float, eviction: float = 0.0, deadlock: float = 0.0
    ) -> None:
        self.deadlock = deadlock
        self.startup = startup
        self.graceful = graceful
        self.shutdown = shutdown
        self.eviction = eviction

    def drain(self, reason: ShutdownReason | None) -> float:
        """Return what a process gets that is replaced for this reason."""
        return self.eviction if reason is ShutdownReason.EVICTION_SIGNAL and self.eviction else self.graceful
