"""acceptor: what fails with one connection is nobody else's."""

import asyncio
import contextlib
import errno
import os
import socket
from collections.abc import Iterator
from typing import Any

import pytest

from pydaemonwsgi.front.acceptor import Acceptor
from pydaemonwsgi.system.sockets import number


class Listener(socket.socket):
    """A listening socket that gives errors first."""

    errors: list[int]

    def accept(self) -> tuple[socket.socket, Any]:
        """Raise the next error; accept once there is none."""
        if self.errors:
            code = self.errors.pop(0)
            raise OSError(code, os.strerror(code))
        return super().accept()


@contextlib.contextmanager
def listening(*errors: int) -> Iterator[Listener]:
    """A listener of this machine that gives these errors first."""
    with Listener() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        listener.setblocking(False)
        listener.errors = [*errors]
        yield listener


@pytest.mark.parametrize("number", [errno.ECONNABORTED, errno.EPROTO, errno.EHOSTUNREACH, errno.EPERM])
def test_a_connection_that_was_lost_before_it_was_accepted_is_passed_over(number: int) -> None:
    """The next one in the backlog is welcomed in the same turn."""
    welcomed: list[socket.socket] = []
    complaints: list[Any] = []

    async def accept(listener: Listener) -> None:
        asyncio.get_running_loop().set_exception_handler(lambda loop, context: complaints.append(context))
        acceptor = Acceptor(
            asyncio.get_running_loop(), {"": listener}, lambda: 10, lambda sock, address: welcomed.append(sock)
        )
        acceptor.open()
        while not welcomed:
            await asyncio.sleep(0)
        acceptor.pause()

    with listening(number) as listener, socket.create_connection(listener.getsockname()):
        asyncio.run(asyncio.wait_for(accept(listener), 20))
    for sock in welcomed:
        sock.close()
    assert not complaints


def test_a_front_that_is_full_says_so_once(caplog: pytest.LogCaptureFixture) -> None:
    """Clients wait without an answer then, so somebody has to read why; not for each that comes when one leaves."""
    welcomed: list[socket.socket] = []
    room = 1

    async def accept(listener: Listener) -> None:
        nonlocal room
        acceptor = Acceptor(
            asyncio.get_running_loop(),
            {"": listener},
            lambda: room - len(welcomed),
            lambda sock, address: welcomed.append(sock),
        )
        for places in (1, 2):
            room = places
            acceptor.open()
            while len(welcomed) < places:
                await asyncio.sleep(0)
        acceptor.pause()

    with listening() as listener:
        address = listener.getsockname()
        with socket.create_connection(address), socket.create_connection(address):
            asyncio.run(asyncio.wait_for(accept(listener), 20))
    for sock in welcomed:
        sock.close()
    said = [record.getMessage() for record in caplog.records]
    assert len([text for text in said if "(--maximum-connections, " in text]) == 1


def test_who_waits_at_a_listener_that_is_gone_is_welcomed() -> None:
    """Also who comes while it is leaving, for the kernel may finish a handshake then; at its end it is closed."""
    welcomed: list[socket.socket] = []

    async def leave(listener: Listener) -> None:
        acceptor = Acceptor(
            asyncio.get_running_loop(), {"": listener}, lambda: 10, lambda sock, address: welcomed.append(sock)
        )
        acceptor.open()
        acceptor.change((), {})
        while len(welcomed) < 1:
            await asyncio.sleep(0)
        with socket.create_connection(listener.getsockname()):
            while len(welcomed) < 2:
                await asyncio.sleep(0)
        while listener.fileno() >= 0:
            await asyncio.sleep(0.01)

    with listening() as listener, socket.create_connection(listener.getsockname()):
        asyncio.run(asyncio.wait_for(leave(listener), 20))
    for sock in welcomed:
        sock.close()


def test_a_full_front_takes_whom_a_listener_that_ends_has_told_it_is_there() -> None:
    """They would be reset otherwise; with the listener's end nobody else comes."""
    welcomed: list[socket.socket] = []

    async def end(listener: Listener) -> None:
        acceptor = Acceptor(
            asyncio.get_running_loop(), {"": listener}, lambda: 0, lambda sock, address: welcomed.append(sock)
        )
        acceptor.open()
        acceptor.close()

    with listening() as listener, socket.create_connection(listener.getsockname()):
        asyncio.run(asyncio.wait_for(end(listener), 20))
    assert len(welcomed) == 1
    welcomed[0].close()


def test_who_waits_at_a_listener_that_others_have_is_left_to_them() -> None:
    """They have the socket too: it goes on to listen, and they accept whom this front has not."""
    welcomed: list[socket.socket] = []

    async def end(ours: Listener, shared: Listener) -> None:
        listeners = {"ours": ours, "shared": shared}
        acceptor = Acceptor(
            asyncio.get_running_loop(), listeners, lambda: 10, lambda sock, address: welcomed.append(sock)
        )
        acceptor.close({number(shared)})

    with (
        listening() as ours,
        listening() as shared,
        socket.socket(fileno=os.dup(shared.fileno())) as theirs,
        socket.create_connection(ours.getsockname()) as here,
        socket.create_connection(theirs.getsockname()),
    ):
        asyncio.run(asyncio.wait_for(end(ours, shared), 20))
        assert [sock.getpeername() for sock in welcomed] == [here.getsockname()]
        theirs.accept()[0].close()
    welcomed[0].close()
