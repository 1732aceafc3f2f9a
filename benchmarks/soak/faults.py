"""What is done to the server: each fault by its name, and when it was in force. Shell."""

import itertools
import os
import resource
import signal
import socket
import time
from collections.abc import Callable
from pathlib import Path

import psutil

from benchmarks.soak.schedule import Event
from benchmarks.soak.verdict import Window

__all__ = ["Faults"]

_LOITERERS = 100
_FILLER = "filler"


class Faults:
    """Does faults to a server, and undoes those that last.

    Args:
        pid: of the supervisor.
        address: where the server listens.
        script: the file whose touch means new code.
        spool: the small file system that request bodies are spooled to; None where there is none.
    """

    def __init__(self, pid: int, address: tuple[str, int], script: Path, spool: Path | None) -> None:
        self._supervisor = psutil.Process(pid)
        self._address = address
        self._script = script
        self._spool = spool
        self._undo: list[tuple[float, Callable[[], None]]] = []
        self.windows: list[Window] = []
        self.done: dict[str, int] = {}
        self.skipped: dict[str, str] = {}
        self._acts: dict[str, Callable[[Event], float | None]] = {
            "kill": lambda event: self._signal_daemon(event, signal.SIGKILL),
            "kill-front": self._kill_front,
            "stop": self._stop_daemon,
            "stop-front": self._stop_front,
            "hup": lambda _: self._signal_supervisor(signal.SIGHUP),
            "touch": self._touch,
            "recycle": lambda event: self._signal_daemon(event, signal.SIGUSR1),
            "scale": self._scale,
            "loiter": self._loiter,
            "disk-full": self._fill_disk,
            "descriptors": self._exhaust_descriptors,
        }

    def do(self, event: Event) -> bool:
        """Do one fault now; return False if whom it is for is not there, because of another fault."""
        begin = time.monotonic()
        lasting = self._acts[event.fault](event)
        if lasting is None:
            return event.fault in self.skipped
        self.done[event.fault] = self.done.get(event.fault, 0) + 1
        # Whoever was killed is missed for a moment: what it ran is answered when its channel ends.
        self.windows.append(Window(event.fault, begin, time.monotonic() + lasting))
        return True

    def step(self) -> None:
        """Undo what has lasted long enough."""
        now = time.monotonic()
        due = [undo for at, undo in self._undo if at <= now]
        self._undo = [(at, undo) for at, undo in self._undo if at > now]
        for undo in due:
            undo()

    def end(self) -> None:
        """Undo everything."""
        for _, undo in self._undo:
            undo()
        self._undo.clear()

    @property
    def lasting(self) -> bool:
        """Whether something is still to be undone."""
        return bool(self._undo)

    def daemons(self) -> list[psutil.Process]:
        """Return the daemon processes that are alive and running."""
        return [child for child in self._supervisor.children() if _title(child).startswith("(wsgi:")]

    def front(self) -> psutil.Process | None:
        """Return the front, if there is one at the moment."""
        return next(
            (child for child in self._supervisor.children() if _title(child).startswith("pydaemonwsgi: front")), None
        )

    # -- the faults; each returns how many seconds it is in force, or None if it could not be done

    def _signal_supervisor(self, number: signal.Signals) -> float | None:
        self._supervisor.send_signal(number)
        return 0.0

    def _signal_daemon(self, event: Event, number: signal.Signals) -> float | None:
        victims = self.daemons()
        if not victims:
            return None
        victims[int(event.draw * len(victims))].send_signal(number)
        return 0.0

    def _kill_front(self, _: Event) -> float | None:
        front = self.front()
        if front is None:
            return None
        front.kill()
        return 0.0

    def _stop_daemon(self, event: Event) -> float | None:
        victims = self.daemons()
        if not victims:
            return None
        return self._pause(victims[int(event.draw * len(victims))], 0.2 + event.draw)

    def _stop_front(self, event: Event) -> float | None:
        front = self.front()
        return None if front is None else self._pause(front, 0.2 + event.draw)

    def _pause(self, process: psutil.Process, seconds: float) -> float:
        process.suspend()
        self._later(seconds, lambda: _resume(process))
        return seconds

    def _touch(self, _: Event) -> float | None:
        os.utime(self._script)
        return 0.0

    def _scale(self, _: Event) -> float | None:
        """One process more, and one fewer a little later."""
        if not _catches(self._supervisor.pid, signal.SIGTTIN):
            self.skipped["scale"] = "the supervisor does not catch SIGTTIN"
            return None
        self._supervisor.send_signal(signal.SIGTTIN)
        self._later(1.0, lambda: self._supervisor.send_signal(signal.SIGTTOU))
        return 1.0

    def _loiter(self, _: Event) -> float | None:
        """Clients that send half a head and wait."""
        clients = []
        for _number in range(_LOITERERS):
            client = socket.socket()
            client.setblocking(False)
            client.connect_ex(self._address)
            clients.append(client)

        def begin() -> None:
            for client in clients:
                try:
                    client.send(b"POST /0/1/digest HTTP/1.1\r\nHost: so")
                except OSError:
                    pass

        def leave() -> None:
            for client in clients:
                client.close()

        self._later(0.2, begin)
        self._later(3.0, leave)
        return 3.0

    def _fill_disk(self, _: Event) -> float | None:
        if self._spool is None:
            self.skipped["disk-full"] = "no file system of its own could be mounted; it needs root"
            return None
        filler = self._spool / _FILLER
        with filler.open("wb", buffering=0) as file:
            try:
                while file.write(b"\0" * 65536):
                    pass
            except OSError:
                pass

        def empty() -> None:
            filler.unlink(missing_ok=True)

        self._later(2.0, empty)
        return 2.0

    def _exhaust_descriptors(self, _: Event) -> float | None:
        front = self.front()
        if front is None:
            return None
        soft, hard = resource.prlimit(front.pid, resource.RLIMIT_NOFILE)
        try:
            # Up to the lowest that is free: accepting, spool files and descriptors that are passed are all refused.
            taken = {int(name) for name in os.listdir(f"/proc/{front.pid}/fd")}
            free = next(number for number in itertools.count() if number not in taken)
            resource.prlimit(front.pid, resource.RLIMIT_NOFILE, (free, hard))
        except OSError as error:
            self.skipped["descriptors"] = str(error)
            return None

        def lift() -> None:
            try:
                resource.prlimit(front.pid, resource.RLIMIT_NOFILE, (soft, hard))
            except ProcessLookupError:
                pass  # a later fault has killed it

        self._later(1.5, lift)
        return 1.5

    def _later(self, seconds: float, undo: Callable[[], None]) -> None:
        self._undo.append((time.monotonic() + seconds, undo))


def _resume(process: psutil.Process) -> None:
    try:
        process.resume()
    except psutil.NoSuchProcess:
        pass


def _title(process: psutil.Process) -> str:
    try:
        return " ".join(process.cmdline())
    except psutil.Error:
        return ""


def _catches(pid: int, number: signal.Signals) -> bool:
    for line in Path(f"/proc/{pid}/status").read_text(encoding="ascii").splitlines():
        name, _, value = line.partition(":")
        if name == "SigCgt":
            return bool(int(value, 16) >> (number - 1) & 1)
    return False
