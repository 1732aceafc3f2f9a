"""Names of clients, for those who ask for them: looked up by threads, checked forwards, remembered. Shell."""

import asyncio
import contextlib
import ipaddress
import logging
import socket
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Final

__all__ = ["Resolver"]

logger = logging.getLogger(__name__)

_THREADS: Final = 4
# Seconds that a request waits for a name; who has none by then is nobody, and `Require host` denies.
_PATIENCE: Final = 5.0
# Seconds that a name is believed; that there is none is believed for less.
_KNOWN: Final = 300.0
_UNKNOWN: Final = 30.0
_REMEMBERED: Final = 4096


class Resolver:
    """Finds the name that a client's address has, if that name has the address.

    Args:
        loop: where answers are given.
        look_up: does the work, in a thread.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, look_up: "Callable[[str], str] | None" = None) -> None:
        self._loop = loop
        self._look_up = look_up or confirmed_name
        self._executor: ThreadPoolExecutor | None = None
        self._known: dict[str, tuple[float, str]] = {}
        self._waiting: dict[str, list[Callable[[str], None]]] = {}

    def find(self, address: str, then: Callable[[str], None]) -> None:
        """Call `then` with the name of an address, or with "" if it has none; at once where that is known."""
        found = self._known.get(address)
        if found is not None and time.monotonic() < found[0]:
            then(found[1])
            return
        waiting = self._waiting.get(address)
        if waiting is not None:
            waiting.append(then)
            return
        self._waiting[address] = [then]
        if self._executor is None:
            self._executor = ThreadPoolExecutor(_THREADS, "names")
        future = self._executor.submit(self._look_up, address)
        timer = self._loop.call_later(_PATIENCE, self._give_up, address, future)

        def done() -> None:
            if not future.cancelled():
                timer.cancel()
                self._note(address, "" if future.exception() is not None else future.result())

        def hand_back(_: "Future[str]") -> None:
            with contextlib.suppress(RuntimeError):  # the loop has ended: nobody waits for the name any more
                self._loop.call_soon_threadsafe(done)

        future.add_done_callback(hand_back)

    def _give_up(self, address: str, future: "Future[str]") -> None:
        logger.warning("the name of %s was not found within %g s; it counts as having none", address, _PATIENCE)
        # Whose turn has not come yet keeps nobody else from being looked up; what runs may find the name after all.
        future.cancel()
        self._note(address, "")

    def _note(self, address: str, name: str) -> None:
        if len(self._known) >= _REMEMBERED:
            self._known.clear()
        self._known[address] = (time.monotonic() + (_KNOWN if name else _UNKNOWN), name)
        self._tell(address, name)

    def _tell(self, address: str, name: str) -> None:
        for then in self._waiting.pop(address, ()):
            then(name)


def confirmed_name(address: str) -> str:
    """Return the name of an address in lower case, or "" if it has none, or one that has other addresses.

    Whoever owns an address says what its name is; only the name's owner says which addresses that has.
    """
    try:
        own = ipaddress.ip_address(address)
        name = socket.gethostbyaddr(address)[0]
        found = {ipaddress.ip_address(str(entry[4][0]).partition("%")[0]) for entry in socket.getaddrinfo(name, None)}
    except (OSError, ValueError, UnicodeError):
        return ""
    return name.lower().rstrip(".") if own in found else ""
