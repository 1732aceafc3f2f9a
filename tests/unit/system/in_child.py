"""What changes credentials runs in a forked child, so the test process keeps its own."""

import os
import pwd
from collections.abc import Callable

import pytest

from pydaemonwsgi.system.credentials import drop_privileges
from pydaemonwsgi.system.identities import Identity, resolve_identity

NOBODY = pwd.getpwnam("nobody")
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs to be started as root")
needs_user = pytest.mark.skipif(os.geteuid() == 0, reason="needs to be started as an ordinary user")


def in_child(act: Callable[[], object]) -> str:
    """What `act` returns in a forked child, or the exception it raised, as text."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            try:
                answer = str(act())
            except BaseException as error:
                answer = f"{type(error).__name__}: {error}"
            os.write(writer, answer.encode())
        finally:
            os._exit(0)
    os.close(writer)
    with open(reader, "rb") as file:
        answer = file.read().decode()
    os.waitpid(child, 0)
    return answer


def as_nobody(act: Callable[[], object]) -> str:
    """What `act` returns in a child that has become nobody."""

    def dropped() -> object:
        drop_privileges(nobody())
        return act()

    return in_child(dropped)


def nobody() -> Identity:
    return resolve_identity("nobody", None, None)
