"""What the front is to be once the configuration has been read again: the supervisor tells a front that runs. Sans-I/O.

The orders travel as a pickle in shared memory, from the supervisor to its own child and never the other way. New
listeners and logs travel along as descriptors, in the order in which they are named here.
"""

import pickle
from dataclasses import dataclass

from pydaemonwsgi.front.options import FrontOptions

__all__ = ["Orders"]


@dataclass(frozen=True, slots=True)
class Orders:
    """What the front is to be.

    Attributes:
        options: all of them, not only what is new.
        log_level: of the error log.
        listeners: the names of all listeners.
        new_listeners: the names of those that travel along.
        new_logs: the numbers of the logs that travel along, after the listeners.
        gone_logs: the numbers of those that nobody uses any more.
    """

    options: FrontOptions
    log_level: str
    listeners: tuple[str, ...]
    new_listeners: tuple[str, ...] = ()
    new_logs: tuple[int, ...] = ()
    gone_logs: tuple[int, ...] = ()

    def encode(self) -> bytes:
        """Return the orders as bytes."""
        return pickle.dumps(self, pickle.HIGHEST_PROTOCOL)

    @staticmethod
    def decode(data: bytes) -> "Orders":
        """Return the orders of a supervisor; nobody else may have written them."""
        orders = pickle.loads(data)  # noqa: S301 - from the supervisor only
        assert isinstance(orders, Orders)
        return orders
