"""The service of conf/, installed in a booted machine as the how-to page says, and asked over its socket."""

import re
import socket
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import psutil
from benchmarks.soak.load import Load
from benchmarks.soak.traffic import KINDS
from benchmarks.soak.verdict import settle

from tests.helpers.server import PATIENCE, Answer, read_all
from tests.systemd.machine import Machine

UNIT = "pydaemonwsgi.service"
SOCKET_UNIT = "pydaemonwsgi.socket"
SCRIPT = "def application(environ, start_response):\n    start_response('200 OK', [])\n    return [b'%d']\n"
# What has been counted and measured, for the reader.
FIGURES: list[str] = []
_BINARY = "/srv/app/venv/bin/pydaemonwsgi"
_DROP_INS = "/etc/systemd/system/pydaemonwsgi.service.d"
_SOAK = Path(__file__).resolve().parents[2] / "benchmarks" / "soak" / "app.wsgi"
# Requests per second of the load.
_RATE = 100.0
# Seconds after which nothing that clients wait for comes any more.
_LONGEST = 60.0
# Seconds between two questions to systemd.
_PAUSE = 0.3


def eventually(condition: Callable[[], object], what: str) -> None:
    """Return once `condition()` is true.

    It is not asked more often: a systemd that answers questions all the time comes to nothing else, such as noticing
    that a control group has become empty.
    """
    deadline = time.monotonic() + _LONGEST
    while not condition():
        assert time.monotonic() < deadline, f"waited {_LONGEST} s in vain for: {what}"
        time.sleep(_PAUSE)


def install(machine: Machine) -> None:
    """Do what the how-to page says, once for each machine; /wheels stands for the network."""
    # A minimal Debian has none.
    machine.run("sh", "-c", "test -e /etc/hosts || echo 127.0.0.1 localhost > /etc/hosts")
    machine.run("useradd", "--system", "--home-dir", "/srv/app", "--create-home", "--shell", "/usr/sbin/nologin", "app")
    machine.run("chmod", "750", "/srv/app")
    machine.run("python3", "-m", "venv", "--without-pip", "/srv/app/venv")
    (pip,) = (machine.root / "wheels").glob("pip-*.whl")
    machine.run(
        *("/srv/app/venv/bin/python", f"/wheels/{pip.name}/pip", "install", "--no-index", "--find-links=/wheels"),
        "pydaemonwsgi",
    )
    machine.run("sh", "-c", "cp /conf/pydaemonwsgi.service /conf/pydaemonwsgi.socket /etc/systemd/system/")


@dataclass(frozen=True)
class Outcome:
    """What became of a command while clients asked for things.

    Attributes:
        status: its exit status.
        errors: what it has written to standard error.
    """

    status: int
    errors: str


class Service:
    """The installed service; every test begins with it stopped and as it is shipped.

    Attributes:
        machine: where it is.
    """

    def __init__(self, machine: Machine) -> None:
        self.machine = machine
        self._requests: list[Load] = []
        self._since = ""

    def figure(self, text: str) -> None:
        """Have something said when all tests have run."""
        FIGURES.append(f"systemd {self.machine.run('systemctl', '--version').split()[1]}: {text}")

    # -- its files

    def reset(self) -> None:
        """Stop it; take away what a test has changed."""
        for load in self._requests:
            load.close()
        self._requests.clear()
        self.machine.run("systemctl", "stop", SOCKET_UNIT, UNIT)
        self.machine.ask("systemctl", "reset-failed")
        self.machine.run("rm", "-rf", _DROP_INS, "/srv/app/ledger", "/run/pydaemonwsgi")
        self.machine.run("install", "-d", _DROP_INS)
        # The application of the reliability suite records there what it runs.
        self.configure(Environment="SOAK_LEDGER=/srv/app/ledger")
        self.write(_SOAK.read_text("utf-8"))
        self._since = self.machine.run("date", "+@%s.%N").strip()

    def write(self, script: str) -> None:
        """Replace the script; the file is the user's, whom the server is to become."""
        path = self.machine.root / "srv/app/app.wsgi"
        path.write_text(script)
        self.machine.run("chown", "-R", "app:app", "/srv/app/app.wsgi")

    def configure(self, *options: str, **settings: str) -> Path:
        """Change the unit by a drop-in: options for the command line, settings of [Service]; "" empties one.

        Return the drop-in.
        """
        lines = ["[Service]", *(f"{name}={value}" for name, value in settings.items())]
        if options:
            unit = (self.machine.root / "etc/systemd/system" / UNIT).read_text("utf-8")
            match = re.search(r"^ExecStart=(.*)$", unit, re.MULTILINE)
            assert match is not None
            lines += ["ExecStart=", f"ExecStart={match.group(1)} {' '.join(options)}"]
        directory = self.machine.root / _DROP_INS.lstrip("/")
        name = f"{len(list(directory.iterdir()))}.conf"
        (directory / name).write_text("\n".join(lines) + "\n")
        self.machine.run("systemctl", "daemon-reload")
        return directory / name

    # -- what it does

    def systemctl(self, *command: str) -> None:
        """Have systemctl do something, which must succeed."""
        self.machine.run("systemctl", *command)

    def start(self) -> None:
        """Start it; it is ready then."""
        self.systemctl("start", UNIT)

    def shown(self, name: str) -> str:
        """Return a property, as `systemctl show` has it."""
        return self.machine.show(UNIT, name)[name]

    def journal(self) -> str:
        """Return what is in the journal of it since the test began, without times."""
        return self.machine.run("journalctl", "--no-pager", f"--unit={UNIT}", "--output=cat", f"--since={self._since}")

    def everything(self) -> str:
        """Return what is in the journal since the test began."""
        return self.machine.run("journalctl", "--no-pager", "--output=short-precise", f"--since={self._since}")

    def command(self, *arguments: str) -> str:
        """Run a command of ours in the machine, which must succeed; return what it has printed."""
        return self.machine.run(_BINARY, *arguments)

    # -- its processes, as seen from outside

    def supervisor(self) -> psutil.Process:
        """Return the main process, as systemd has it."""
        return self.machine.process(int(self.shown("MainPID")))

    def children(self, title: str) -> list[psutil.Process]:
        """Return the supervisor's children whose title begins so."""
        return [child for child in self.supervisor().children() if " ".join(child.cmdline()).startswith(title)]

    def front(self) -> psutil.Process:
        """Return the front."""
        (front,) = self.children("pydaemonwsgi: front")
        return front

    def daemons(self) -> set[int]:
        """Return the pids of the daemon processes."""
        return {child.pid for child in self.children("(wsgi:")}

    # -- its clients

    @property
    def address(self) -> str:
        """The path of its socket, from outside."""
        return str(self.machine.root / "run/pydaemonwsgi/app.sock")

    def get(self, path: str = "/", name: str = "app.sock") -> Answer:
        """Make one request on a connection of its own, to a socket in the service's directory."""
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as client:
            client.settimeout(PATIENCE)
            client.connect(str(Path(self.address).with_name(name)))
            client.sendall(f"GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
            return Answer(read_all(client))

    def loading(self) -> Load:
        """Return clients that ask for all sorts of things, and account for every answer."""
        load = Load(self.address, KINDS, 3, _RATE)
        self._requests.append(load)
        return load

    def under(self, load: Load, *command: str) -> Outcome:
        """Have systemctl do something while the clients ask."""
        process = self.machine.begin("systemctl", *command)
        self.spin(load, lambda: process.poll() is not None)
        _, errors = process.communicate()
        return Outcome(process.returncode, errors)

    def spin(self, load: Load, condition: Callable[[], object] | None = None) -> None:
        """Let the clients ask until a condition is true; without one, for a hundred requests."""
        enough = len(load.requests) + 100
        begun = asked = time.monotonic()
        while True:
            now = time.monotonic()
            assert now < begun + _LONGEST, "the clients have asked for too long"
            load.turn(issuing=True)
            load.expire()
            if condition is None and len(load.requests) >= enough:
                return
            if condition is not None and now >= asked + _PAUSE:
                if condition():
                    return
                asked = time.monotonic()

    def settle(self, load: Load, what: str) -> int:
        """Let the clients have all their answers; fail unless each was the right one; return how many there were."""
        while load.in_flight:
            load.turn(issuing=False)
            load.expire()
        account = settle(load.requests, [], self.runs())
        self.figure(f"{what}: {len(load.requests)} requests, {account.failed} failed")
        assert not account.failures, account.examples
        assert not load.unasked
        assert not load.behind
        return len(load.requests)

    def runs(self) -> Counter[int]:
        """Return how often the application has begun each request."""
        ledger = self.machine.root / "srv/app/ledger"
        return Counter(int(line.partition(" ")[0]) for line in ledger.read_text("ascii").splitlines())
