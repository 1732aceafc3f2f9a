"""Listening where the options say, on sockets that are there already or on new ones. Shell."""

import logging
import os
import socket
from collections.abc import Sequence
from dataclasses import dataclass

from pydaemonwsgi.config.values import ListenAddress
from pydaemonwsgi.errors import StartError
from pydaemonwsgi.serve.blueprint import Blueprint
from pydaemonwsgi.serve.heritage import Heirloom
from pydaemonwsgi.serve.refusals import Refusals
from pydaemonwsgi.system import sockets
from pydaemonwsgi.system.identities import Identity, user_id

__all__ = ["Listener", "bind", "listen"]

logger = logging.getLogger("pydaemonwsgi.supervisor")

_EVERYWHERE = frozenset(("", "0.0.0.0", "::"))


@dataclass(frozen=True, slots=True)
class Listener:
    """A listening socket.

    Attributes:
        address: where it listens, port filled in.
        asked: where it was to listen.
        sock: the socket.
        ours: whether a server like this one has bound it, and so a Unix socket's file is ours to remove.
    """

    address: ListenAddress
    asked: ListenAddress
    sock: socket.socket
    ours: bool

    def withdraw(self) -> None:
        """Have whoever comes now find another listener, if there is one; see `sockets.withdraw`.

        A socket of the service manager's serves others when we have left it.
        """
        if self.ours:
            sockets.withdraw(self.sock)

    def close(self) -> None:
        """Close it, and remove the file of a Unix socket that is ours."""
        self.sock.close()
        if self.address.path is not None and self.ours:
            try:
                os.unlink(self.address.path)
            except OSError as error:
                logger.debug("cannot remove %s: %s", self.address.path, error)


def listen(
    blueprint: Blueprint, inherited: Sequence[Heirloom], refusals: Refusals, *, after_withdrawn: bool = False
) -> list[Listener]:
    """Return a listening socket for each address that can be listened on.

    Sockets of a `.socket` unit are taken where the options name them, and all of them if the options name nothing.
    Those that a server like this one has left are taken where the options still name them.

    Args:
        blueprint: the server.
        inherited: sockets that are there already.
        refusals: where the addresses are noted that cannot be listened on.
        after_withdrawn: whether listeners that a predecessor has withdrawn may not have ended yet.

    Raises:
        StartError: a `.socket` unit listens where the options do not.
    """
    remaining = list(inherited)
    nothing = "no --listen" if blueprint.site is None else "no Listen"
    listeners = []
    foreign = [heirloom for heirloom in inherited if not heirloom.ours]
    wanted = () if foreign and blueprint.listens_by_default else blueprint.listen
    found: list[tuple[ListenAddress, Heirloom | None]] = []
    for address in wanted:
        heirloom = next((one for one in remaining if _is_at(address, one.sock)), None)
        if heirloom is not None:
            remaining.remove(heirloom)
        found.append((address, heirloom))
    leaving = [heirloom.sock for heirloom in remaining if heirloom.ours]
    places = blueprint.places
    for address, heirloom in found:
        if heirloom is None:
            with refusals.noting(places[address], "Listen"):
                listeners.append(bind(blueprint, address, leaving, after_withdrawn=after_withdrawn))
        else:
            listeners.append(Listener(_address(heirloom.sock), address, heirloom.sock, heirloom.ours))
    for heirloom in remaining:
        if heirloom.ours:
            heirloom.sock.close()  # it was listened on before the options were changed
        elif wanted:
            raise StartError(
                f"the service manager listens on {_address(heirloom.sock)}, which {nothing} names; "
                "name it, or leave it out of the .socket unit"
            )
        else:
            here = _address(heirloom.sock)
            listeners.append(Listener(here, here, heirloom.sock, ours=False))
    return listeners


def _address(sock: socket.socket) -> ListenAddress:
    name = sock.getsockname()
    if sock.family == socket.AF_UNIX:
        return ListenAddress("", 0, os.fsdecode(name))
    host = "" if name[0] == "::" else str(name[0])
    return ListenAddress(host, int(name[1]))


def _is_at(address: ListenAddress, sock: socket.socket) -> bool:
    """Whether a socket is where an address says; port 0 is any."""
    here = _address(sock)
    if address.path is not None or here.path is not None:
        return address.path is not None and here.path == os.path.abspath(address.path)
    if address.port and address.port != here.port:
        return False
    if address.host in _EVERYWHERE or here.host in _EVERYWHERE:
        return address.host in _EVERYWHERE and here.host in _EVERYWHERE
    try:
        found = socket.getaddrinfo(address.host, here.port, type=socket.SOCK_STREAM)
    except socket.gaierror:
        return False
    return here.host in {str(entry[4][0]) for entry in found}


def bind(
    blueprint: Blueprint,
    address: ListenAddress,
    leaving: Sequence[socket.socket] = (),
    *,
    after_withdrawn: bool = False,
) -> Listener:
    """Return a new listening socket.

    Args:
        blueprint: the server.
        address: where to listen.
        leaving: listening sockets of ours that end soon, and may have the port until then.
        after_withdrawn: whether listeners of ours that were withdrawn may not have ended yet.

    Raises:
        StartError: the address cannot be listened on.
    """
    clients = blueprint.clients
    if address.path is not None:
        path = os.path.abspath(address.path)
        sock = sockets.bind_unix(path, clients.listen_backlog)
        _give_away(path, clients.socket_user, blueprint.identity)
        return Listener(ListenAddress("", 0, path), address, sock, ours=True)
    sock = sockets.bind_tcp(
        address.host, address.port, clients.listen_backlog, leaving, after_withdrawn=after_withdrawn
    )
    return Listener(ListenAddress(address.host, sock.getsockname()[1], None), address, sock, ours=True)


def _give_away(path: str, socket_user: str | None, identity: Identity | None) -> None:
    """Let the socket's file belong to whom it should, where that can be chosen."""
    owner = None if socket_user is None else user_id(socket_user)
    if os.geteuid() != 0:
        return
    if owner is not None:
        os.chown(path, owner, -1)
    elif identity is not None:
        os.chown(path, identity.uid, identity.gid)
