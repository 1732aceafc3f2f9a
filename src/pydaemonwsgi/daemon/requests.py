"""The requests that are running, as the application can see them. Shell."""

import threading
from collections.abc import Iterator, Mapping
from typing import Any

from pydaemonwsgi.daemon.exchange import Exchange
from pydaemonwsgi.daemon.pool import Pool

__all__ = ["RunningRequests"]


class RunningRequests(Mapping[str, dict[str, Any]]):
    """`mod_wsgi.active_requests`: request id to the request's own dictionary.

    Looked up when it is asked for, so that a request that nobody asks about pays nothing.
    """

    def __init__(self) -> None:
        self._pool: Pool | None = None

    def watch(self, pool: Pool) -> None:
        """Show what this pool runs; before, nothing is running."""
        self._pool = pool

    def exchanges(self) -> list[Exchange]:
        """Return the requests themselves."""
        return [] if self._pool is None else self._pool.running

    @property
    def ended(self) -> int:
        """How many requests have ended in this process."""
        return 0 if self._pool is None else self._pool.ended

    def __getitem__(self, request_id: str) -> dict[str, Any]:
        """Return the dictionary of a running request."""
        for exchange in self.exchanges():
            if exchange.errors.request_id == request_id:
                return exchange.data
        raise KeyError(request_id)

    def __iter__(self) -> Iterator[str]:
        """Iterate over the request ids."""
        return iter([str(exchange.errors.request_id) for exchange in self.exchanges()])

    def __len__(self) -> int:
        """Return how many requests are running."""
        return len(self.exchanges())

    def __repr__(self) -> str:
        """Return what a dictionary would."""
        return repr(dict(self))

    def request_data(self) -> dict[str, Any]:
        """Return the dictionary of the request that this thread runs, for the application to keep things in.

        Raises:
            RuntimeError: it runs none.
        """
        thread = threading.get_ident()
        for exchange in self.exchanges():
            if self._pool is not None and self._pool.thread_of(exchange) == thread:
                return exchange.data
        raise RuntimeError("request_data() was called outside of a request's thread")
