"""One thread of the pool, as the others see it. Shell."""

import threading

from pydaemonwsgi.daemon.adapter import Job
from pydaemonwsgi.daemon.exchange import Exchange
from pydaemonwsgi.system import scheduling

__all__ = ["Worker"]


class Worker:
    """One thread of the pool.

    Attributes:
        index: its row in the scoreboard.
        ident: of its thread; 0 before that runs.
        wake: released to make this worker leader, or to have it run `job`.
        inline_since: when the request that it runs as leader began (perf_counter), 0.0 when there is none.
        exchange: of the request that it began last.
        batch: whether it lets others finish when it wakes: for one that runs batches of short requests.
        job: what it was woken to run; None when it was woken to lead.
    """

    __slots__ = ("_may_be_batch", "batch", "exchange", "ident", "index", "inline_since", "job", "wake")

    def __init__(self, index: int) -> None:
        self.index = index
        self.ident = 0
        self.wake = threading.Lock()
        self.wake.acquire()
        self.inline_since = 0.0
        self.batch = False
        self._may_be_batch = False
        self.exchange: Exchange | None = None
        self.job: tuple[Job, Exchange, str] | None = None

    def begin(self) -> None:
        """Be the thread that this is called on."""
        self.ident = threading.get_ident()
        # An administrator who wants something else of the kernel knows why.
        self._may_be_batch = scheduling.is_plain()

    def set_batch(self, wanted: bool) -> None:
        """Interrupt nobody when it wakes, or be as threads usually are; called on its own thread."""
        self.batch = wanted
        if self._may_be_batch:
            self._may_be_batch = scheduling.set_batch(wanted)
