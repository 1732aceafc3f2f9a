"""Which clients are ready, found by an epoll of their own inside asyncio's loop. Shell.

asyncio sees one descriptor, the epoll's, for all clients. What it would do for each event (a key, a handle, a
context) costs about 4 µs of the 15 that the front spends on a short request, and registering a descriptor with it
four times what it costs here; measured on CPython 3.11, see docs/design/performance.md.
"""

import asyncio
import select
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from pydaemonwsgi.front.clients import Client

__all__ = ["READ", "WRITE", "ClientPoller"]

READ: Final = select.EPOLLIN
WRITE: Final = select.EPOLLOUT
_GONE: Final = select.EPOLLHUP | select.EPOLLERR
# Events taken in one turn of the loop, so that channels and timers have their turn too.
_BATCH: Final = 512


class ClientPoller:
    """Calls `on_readable`, `on_writable` and `on_gone` of the clients that it knows."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._epoll = select.epoll()
        self._clients: dict[int, Client] = {}
        loop.add_reader(self._epoll.fileno(), self._on_ready)

    def add(self, descriptor: int, client: "Client") -> None:
        """Watch a client for reading."""
        self._clients[descriptor] = client
        self._epoll.register(descriptor, READ)

    def change(self, descriptor: int, events: int) -> None:
        """Watch a client for `READ`, `WRITE`, both or neither; that it has gone is always noticed."""
        self._epoll.modify(descriptor, events)

    def remove(self, descriptor: int) -> None:
        """Forget a client whose descriptor is about to be closed, which ends the kernel's watch."""
        self._clients.pop(descriptor, None)

    def _on_ready(self) -> None:
        clients = self._clients
        for descriptor, events in self._epoll.poll(0, _BATCH):
            client = clients.get(descriptor)
            if client is None:
                continue  # closed by what an earlier event of this batch led to
            if events & READ:
                client.on_readable()
                if events == READ:
                    continue
            elif events & _GONE:
                client.on_gone()
                continue
            if events & WRITE:
                client.on_writable()
