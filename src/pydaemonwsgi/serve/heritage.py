"""What this server was given by whoever started it: sockets, a predecessor, a service manager. Shell."""

import os
import socket
from collections.abc import MutableMapping
from dataclasses import dataclass, field
from typing import Final

from pydaemonwsgi.supervisor.herald import STORED
from pydaemonwsgi.supervisor.upgrade import CONTROL, CONTROL_LOCK, LISTENER, PASSED_ON, PREDECESSOR
from pydaemonwsgi.system.control_sockets import ControlSocket
from pydaemonwsgi.system.inheritance import take_inherited
from pydaemonwsgi.system.notify import Notifier

__all__ = ["Heirloom", "Heritage", "take_heritage"]

_OURS: Final = frozenset((STORED, LISTENER))


@dataclass(frozen=True, slots=True)
class Heirloom:
    """A listening socket that was there before us.

    Attributes:
        sock: the socket.
        ours: a server like this one has bound it; otherwise a `.socket` unit has.
    """

    sock: socket.socket
    ours: bool


@dataclass(slots=True)
class Heritage:
    """Everything that was given.

    Attributes:
        notifier: the way to the service manager.
        listeners: listening sockets.
        control_socket: the predecessor's; None without one.
        predecessor: connection to the supervisor that this one is to replace; None where it replaces nobody.
    """

    notifier: Notifier
    listeners: list[Heirloom] = field(default_factory=list)
    control_socket: ControlSocket | None = None
    predecessor: socket.socket | None = None


def take_heritage(environ: MutableMapping[str, str]) -> Heritage:
    """Return what the environment says, and remove it there: nobody inherits it from us unasked.

    Raises:
        StartError: the environment promises descriptors that are not open.
    """
    heritage = Heritage(Notifier.take(environ))
    control = lock = -1
    for inherited in take_inherited(environ):
        if inherited.name == PREDECESSOR:
            heritage.predecessor = socket.socket(fileno=inherited.descriptor)
        elif inherited.name == CONTROL:
            control = inherited.descriptor
        elif inherited.name == CONTROL_LOCK:
            lock = inherited.descriptor
        elif (sock := inherited.listener()) is not None:
            heritage.listeners.append(Heirloom(sock, inherited.name in _OURS))
        else:
            # Something else in a descriptor store, or a datagram socket: of no use here.
            os.close(inherited.descriptor)
    if control >= 0 and lock >= 0:
        heritage.control_socket = ControlSocket.inherited(control, lock)
    assert PASSED_ON.isdisjoint(_OURS)
    return heritage
