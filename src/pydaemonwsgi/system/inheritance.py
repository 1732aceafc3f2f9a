"""Descriptors that whoever started us has opened for us: systemd's socket activation protocol. No policy.

LISTEN_FDS descriptors from 3 on, named by LISTEN_FDNAMES, for the process LISTEN_PID. systemd passes the sockets of a
`.socket` unit and the content of its descriptor store that way; a supervisor passes its own to its successor likewise.
"""

import fcntl
import os
import socket
import stat
from collections.abc import Iterable, Mapping, MutableMapping
from dataclasses import dataclass
from typing import Final

from pydaemonwsgi.errors import StartError

__all__ = ["Inherited", "hand_down", "take_inherited"]

_FIRST: Final = 3
_VARIABLES: Final = ("LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES")
# Above every descriptor that is going to be handed down, while they are put in order.
_ASIDE: Final = 200


@dataclass(frozen=True, slots=True)
class Inherited:
    """One descriptor and what it was called; the default name of systemd is the unit's, or `unknown`."""

    name: str
    descriptor: int

    def listener(self) -> socket.socket | None:
        """Return it as a listening stream socket, or None if it is none; the descriptor then belongs to the socket."""
        if not stat.S_ISSOCK(os.fstat(self.descriptor).st_mode):
            return None
        sock = socket.socket(fileno=self.descriptor)
        listening = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN)
        if sock.type != socket.SOCK_STREAM or not listening:
            sock.detach()
            return None
        sock.setblocking(False)
        return sock


def take_inherited(environ: MutableMapping[str, str]) -> list[Inherited]:
    """Return the descriptors that were passed to this process, closed on exec; the variables are removed.

    Raises:
        StartError: the variables promise descriptors that are not open.
    """
    pid, count, names = (environ.pop(name, "") for name in _VARIABLES)
    if pid != str(os.getpid()) or not count.isdecimal():
        return []
    named = names.split(":") if names else []
    found = []
    for number in range(int(count)):
        descriptor = _FIRST + number
        try:
            os.set_inheritable(descriptor, False)
        except OSError as error:
            raise StartError(f"LISTEN_FDS={count} promises descriptor {descriptor}, which is not open") from error
        found.append(Inherited(named[number] if number < len(named) else "unknown", descriptor))
    return found


def hand_down(descriptors: Iterable[tuple[str, int]]) -> Mapping[str, str]:
    """Put descriptors where `take_inherited` finds them after exec, and return the variables that say so.

    For a child just before exec: descriptors from 3 on are overwritten.
    """
    # Copies first: a place that is written to may be another's original.
    aside = [(name, fcntl.fcntl(descriptor, fcntl.F_DUPFD_CLOEXEC, _ASIDE)) for name, descriptor in descriptors]
    for number, (_, descriptor) in enumerate(aside):
        os.dup2(descriptor, _FIRST + number, inheritable=True)
    return {
        "LISTEN_PID": str(os.getpid()),
        "LISTEN_FDS": str(len(aside)),
        "LISTEN_FDNAMES": ":".join(name for name, _ in aside),
    }
