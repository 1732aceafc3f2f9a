"""Telling the service manager how things are: sd_notify's protocol, spoken by ourselves. No policy.

A message is one datagram of `NAME=value` lines to the Unix socket that NOTIFY_SOCKET names; one that begins with @ is
in the abstract namespace. Without NOTIFY_SOCKET nothing happens at all, and a message that cannot be sent is lost: a
service must not fail because its manager does not listen.
"""

import array
import logging
import os
import socket
from collections.abc import MutableMapping, Sequence
from typing import Final

__all__ = ["Notifier"]

logger = logging.getLogger(__name__)

_VARIABLE: Final = "NOTIFY_SOCKET"
_WATCHDOG: Final = ("WATCHDOG_USEC", "WATCHDOG_PID")
_MICROSECONDS: Final = 1e6


class Notifier:
    """The way to the service manager.

    Args:
        address: of its socket, as NOTIFY_SOCKET has it; None for none.
        watchdog: seconds within which it wants to hear WATCHDOG=1; 0 for never.
    """

    def __init__(self, address: str | None, watchdog: float = 0.0) -> None:
        self._address = address if address is not None and address[:1] in {"/", "@"} else None
        self.watchdog = watchdog if self._address is not None else 0.0

    @classmethod
    def take(cls, environ: MutableMapping[str, str]) -> "Notifier":
        """Return what the environment says, and remove it there: children must not speak for the service."""
        address = environ.pop(_VARIABLE, None)
        microseconds, pid = (environ.pop(name, "") for name in _WATCHDOG)
        ours = not pid or pid == str(os.getpid())
        watchdog = int(microseconds) / _MICROSECONDS if ours and microseconds.isdecimal() else 0.0
        return cls(address, watchdog)

    def __bool__(self) -> bool:
        """Whether there is somebody to tell."""
        return self._address is not None

    def environment(self, pid: int) -> dict[str, str]:
        """Return the variables by which another process, `pid`, finds the service manager as we did."""
        if self._address is None:
            return {}
        found = {_VARIABLE: self._address}
        if self.watchdog:
            found |= {"WATCHDOG_USEC": str(round(self.watchdog * _MICROSECONDS)), "WATCHDOG_PID": str(pid)}
        return found

    def send(self, *lines: str, descriptors: Sequence[int] = ()) -> bool:
        """Send one message, with descriptors if it is FDSTORE=1; return whether it was taken.

        What stands in a line must not begin another one: line ends in it become blanks.
        """
        if self._address is None:
            return False
        data = "\n".join(" ".join(line.splitlines()) for line in lines).encode("utf-8", "replace")
        address = f"\0{self._address[1:]}" if self._address.startswith("@") else self._address
        rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", descriptors))] if descriptors else []
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sock:
                # A manager that does not read must not hold the supervisor up.
                sock.setblocking(False)
                sock.sendmsg([data], rights, 0, address)
        except OSError as error:
            logger.debug("cannot tell the service manager at %s %r: %s", self._address, lines[0], error)
            return False
        return True
