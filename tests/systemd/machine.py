"""A booted machine: systemd-nspawn on a Debian tree, which is not changed; what is done in it is forgotten."""

import contextlib
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psutil

from tests.helpers.server import wait_for

_NAMESPACES = ("--mount", "--uts", "--ipc", "--pid", "--cgroup")
_ENVIRONMENT = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LANG": "C.UTF-8"}
# Seconds that a command may take.
_PATIENCE = 120.0


class Machine:
    """A machine that runs.

    Attributes:
        root: its files, as seen from outside.
    """

    def __init__(self, leader: int, boot_log: Path) -> None:
        self._leader = leader
        self._boot_log = boot_log
        self.root = Path(f"/proc/{leader}/root")

    def begin(self, *command: str) -> "subprocess.Popen[str]":
        """Start a command in it as root; its output is piped."""
        return subprocess.Popen(
            ["nsenter", f"--target={self._leader}", *_NAMESPACES, "--root", "--wd", "--", *command],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=_ENVIRONMENT,
        )

    def ask(self, *command: str) -> "subprocess.CompletedProcess[str]":
        """Run a command in it as root; return how it ended."""
        with self.begin(*command) as process:
            try:
                output, errors = process.communicate(timeout=_PATIENCE)
            except BaseException:
                process.kill()
                raise
            return subprocess.CompletedProcess(command, process.returncode, output, errors)

    def run(self, *command: str) -> str:
        """Run a command in it as root, which must succeed; return what it has printed."""
        result = self.ask(*command)
        assert result.returncode == 0, f"{' '.join(command)}: {result.stdout}{result.stderr}"
        return result.stdout

    def show(self, unit: str, *names: str) -> dict[str, str]:
        """Return properties of a unit, as `systemctl show` has them."""
        lines = self.run("systemctl", "show", unit, *(f"--property={name}" for name in names)).splitlines()
        return dict(line.partition("=")[::2] for line in lines)

    def process(self, pid: int) -> psutil.Process:
        """Return the process that is `pid` inside."""
        for process in psutil.process_iter():
            with contextlib.suppress(OSError, StopIteration, psutil.Error):
                status = Path(f"/proc/{process.pid}/status").read_text("ascii")
                line = next(line for line in status.splitlines() if line.startswith("NSpid:"))
                if line.split()[2:] == [str(pid)] and self._is_inside(process.pid):
                    return process
        raise AssertionError(f"there is no process {pid} in the machine")

    def _is_inside(self, pid: int) -> bool:
        return os.path.samefile(f"/proc/{pid}/ns/pid", f"/proc/{self._leader}/ns/pid")

    def boot_log(self) -> str:
        """Return what it said while it booted."""
        return self._boot_log.read_text("utf-8", "replace")


@contextlib.contextmanager
def booted(tree: Path, bindings: dict[Path, str]) -> Iterator[Machine]:
    """Run a machine for the length of a `with` block.

    Args:
        tree: its files; they stay as they are, because a layer in memory takes what is written.
        bindings: directories of this machine that it sees, read-only, and where.
    """
    name = f"pydaemonwsgi-{os.getpid()}-{tree.name}"
    command = [
        *("systemd-nspawn", "--quiet", "--register=no", "--boot", "--volatile=overlay", "--console=pipe"),
        *("--link-journal=no", f"--machine={name}", f"--directory={tree}"),
        # Where no systemd is in charge, there is nobody to give it a scope.
        *(() if Path("/run/systemd/system").is_dir() else ("--keep-unit",)),
        *(f"--bind-ro={source}:{target}" for source, target in bindings.items()),
    ]
    directory = Path(tempfile.mkdtemp(prefix="pydaemonwsgi-machine-"))
    log = directory / "boot.log"
    with log.open("wb") as output:
        nspawn = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            # systemd 257 does not run with control groups of the first generation.
            env={**os.environ, "SYSTEMD_NSPAWN_UNIFIED_HIERARCHY": "1"},
        )
    try:
        leader = _leader(nspawn, log)
        machine = Machine(leader, log)
        wait_for(lambda: _is_up(machine), f"the machine; it says {log.read_text('utf-8', 'replace')}")
        yield machine
    finally:
        nspawn.terminate()
        try:
            nspawn.wait(30)
        except subprocess.TimeoutExpired:
            for child in psutil.Process(nspawn.pid).children(recursive=True):
                with contextlib.suppress(psutil.Error):
                    child.kill()
            nspawn.kill()
            nspawn.wait()
        shutil.rmtree(directory)


def _leader(nspawn: "subprocess.Popen[bytes]", log: Path) -> int:
    """Return the pid of the machine's init, as seen from outside."""
    found: list[int] = []

    def look() -> bool:
        assert nspawn.poll() is None, log.read_text("utf-8", "replace")
        with contextlib.suppress(psutil.Error, OSError):
            for child in psutil.Process(nspawn.pid).children(recursive=True):
                if not os.path.samefile(f"/proc/{child.pid}/ns/pid", "/proc/self/ns/pid"):
                    found.append(child.pid)
                    return True
        return False

    wait_for(look, "the machine's init")
    return found[0]


def _is_up(machine: Machine) -> bool:
    # Some units of a Debian do not start in a container; those are not ours to mend.
    return machine.ask("systemctl", "is-system-running").stdout.strip() in {"running", "degraded"}
