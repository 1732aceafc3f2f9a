"""loop: who is called in a turn."""

import selectors
import socket

from pydaemonwsgi.supervisor.loop import turn


def test_whoever_is_forgotten_in_a_turn_is_not_called_in_it() -> None:
    """What one says may be the end of another who has something to say in the very same turn."""
    called = []
    with selectors.DefaultSelector() as selector:
        pairs = [socket.socketpair() for _ in range(2)]

        def hear(which: int) -> None:
            called.append(which)
            other = pairs[1 - which][0]
            selector.unregister(other)
            other.close()

        for which, (ours, theirs) in enumerate(pairs):
            selector.register(ours, selectors.EVENT_READ, lambda which=which: hear(which))
            theirs.send(b"hello")
        turn(selector, 0.0)
        assert len(called) == 1
        for pair in pairs:
            for sock in pair:
                sock.close()


def test_a_descriptor_that_is_used_again_in_a_turn_is_not_taken_for_the_old_one() -> None:
    """The kernel gives the lowest number that is free to whoever asks next."""
    called = []
    with selectors.DefaultSelector() as selector:
        first, peer_of_first = socket.socketpair()
        second, peer_of_second = socket.socketpair()
        replacements: list[socket.socket] = []

        def hear(name: str, other: socket.socket) -> None:
            called.append(name)
            if replacements:
                return
            number = other.fileno()
            selector.unregister(other)
            other.close()
            new = socket.socket(socket.AF_UNIX)
            replacements.append(new)
            assert new.fileno() == number
            selector.register(new, selectors.EVENT_READ, lambda: called.append("new"))

        selector.register(first, selectors.EVENT_READ, lambda: hear("first", second))
        selector.register(second, selectors.EVENT_READ, lambda: hear("second", first))
        peer_of_first.send(b"hello")
        peer_of_second.send(b"hello")
        turn(selector, 0.0)
        assert called in (["first"], ["second"])
        for sock in (first, second, peer_of_first, peer_of_second, *replacements):
            sock.close()
