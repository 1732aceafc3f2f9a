"""Binding what the options say. Shell."""

import os
import socket

from pydaemonwsgi.config.options import ServeOptions
from pydaemonwsgi.config.values import ListenAddress
from pydaemonwsgi.system import sockets
from pydaemonwsgi.system.identities import Identity, user_id

__all__ = ["listen"]


def listen(options: ServeOptions, identity: Identity | None) -> tuple[list[ListenAddress], list[socket.socket]]:
    """Return the addresses as they are, ports filled in, and a listening socket for each.

    Raises:
        StartError: an address cannot be listened on.
    """
    addresses: list[ListenAddress] = []
    listeners: list[socket.socket] = []
    for address in options.listeners:
        if address.path is not None:
            path = os.path.abspath(address.path)
            listener = sockets.bind_unix(path, options.listen_backlog)
            _give_away(path, options.socket_user, identity)
            addresses.append(ListenAddress("", 0, path))
        else:
            listener = sockets.bind_tcp(address.host, address.port, options.listen_backlog)
            addresses.append(ListenAddress(address.host, listener.getsockname()[1], None))
        listeners.append(listener)
    return addresses, listeners


def _give_away(path: str, socket_user: str | None, identity: Identity | None) -> None:
    """Let the socket's file belong to whom it should, where that can be chosen."""
    owner = None if socket_user is None else user_id(socket_user)
    if os.geteuid() != 0:
        return
    if owner is not None:
        os.chown(path, owner, -1)
    elif identity is not None:
        os.chown(path, identity.uid, identity.gid)
