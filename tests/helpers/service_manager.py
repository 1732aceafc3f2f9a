"""A service manager for tests: its notify socket, and a launcher that passes descriptors as systemd does."""

import array
import contextlib
import os
import socket
import struct
import sys
import tempfile
import threading
from collections.abc import Iterator, Sequence

from tests.helpers.server import wait_for

# What becomes the server: puts the descriptors that it has got from 3 on, says so in the environment, and execs.
_LAUNCHER = """
import fcntl, os, sys
numbers, names = sys.argv[1].split(","), sys.argv[2]
aside = [fcntl.fcntl(int(number), fcntl.F_DUPFD_CLOEXEC, 100) for number in numbers]
for place, number in enumerate(aside):
    os.dup2(number, 3 + place, inheritable=True)
os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS=str(len(aside)), LISTEN_FDNAMES=names)
os.execv(sys.executable, [sys.executable, *sys.argv[3:]])
"""


class ServiceManager:
    """Receives what a service says.

    Attributes:
        address: as NOTIFY_SOCKET has it.
        messages: (pid of the sender, lines) in their order.
        stored: descriptors that it was given to keep.
    """

    def __init__(self, address: str) -> None:
        self.address = address
        self.messages: list[tuple[int, list[str]]] = []
        self.stored: list[int] = []
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
        self._socket.bind(f"\0{address[1:]}" if address.startswith("@") else address)
        self._thread = threading.Thread(target=self._receive, daemon=True)
        self._thread.start()

    def _receive(self) -> None:
        while True:
            data, ancillary, _, _ = self._socket.recvmsg(4096, 1024)
            if data == b"end":
                return
            pid = 0
            for _, kind, content in ancillary:
                if kind == socket.SCM_CREDENTIALS:
                    pid = struct.unpack("3i", content)[0]
                elif kind == socket.SCM_RIGHTS:
                    self.stored += array.array("i", content)
            lines = data.decode().split("\n")
            if "FDSTOREREMOVE=1" in lines:
                self._forget()
            self.messages.append((pid, lines))

    def lines(self, name: str) -> list[str]:
        """Return every line that begins with `name`."""
        return [line for _, lines in self.messages for line in lines if line.startswith(name)]

    def wait_for(self, name: str, count: int = 1) -> None:
        """Return once `count` lines that begin with `name` have come."""
        wait_for(lambda: len(self.lines(name)) >= count, f"{count} times {name}")

    def close(self) -> None:
        """End."""
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
            sock.sendto(b"end", self._socket.getsockname())
        self._thread.join()
        self._socket.close()
        self._forget()

    def _forget(self) -> None:
        """Close what has been stored; all of it has one name."""
        for descriptor in self.stored:
            os.close(descriptor)
        self.stored.clear()


@contextlib.contextmanager
def managing(*, abstract: bool = False) -> Iterator[ServiceManager]:
    """Run a service manager for the length of a `with` block."""
    with tempfile.TemporaryDirectory(prefix="pydaemonwsgi-test-") as directory:
        path = f"{directory}/notify"
        manager = ServiceManager(f"@{path}" if abstract else path)
        try:
            yield manager
        finally:
            manager.close()


def passing(descriptors: Sequence[int], names: str, *arguments: str) -> list[str]:
    """Return the command of an interpreter with `arguments` that is given descriptors as systemd gives them."""
    for descriptor in descriptors:
        os.set_inheritable(descriptor, True)
    return [sys.executable, "-c", _LAUNCHER, ",".join(map(str, descriptors)), names, *arguments]
