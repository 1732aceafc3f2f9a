"""The server under test and the places it writes to. Shell."""

import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import psutil

__all__ = ["SoakServer", "StartError", "serving", "workplace"]

_APP: Final = Path(__file__).with_name("app.wsgi")
_PATIENCE: Final = 20.0
_STOP_PATIENCE: Final = 40.0
# Room for the bodies of a few uploads at once, little to fill.
_SPOOL_BYTES: Final = 16 * 1024 * 1024


class StartError(Exception):
    """The server did not come up."""


class SoakServer:
    """A running `pydaemonwsgi serve` of the suite's application.

    Args:
        directory: where script, ledger and log are.
        spool: where it spools bodies.
        options: of the command line.
    """

    def __init__(self, directory: Path, spool: Path, options: Sequence[str]) -> None:
        self.directory = directory
        self.script = directory / "app.wsgi"
        self.ledger = directory / "ledger"
        self._log = directory / "log"
        shutil.copy(_APP, self.script)
        self.ledger.touch()
        command = [sys.executable, "-m", "pydaemonwsgi", "serve", str(self.script), "--port", "0"]
        with self._log.open("wb") as log:
            self.process = subprocess.Popen(
                [*command, "--spool-directory", str(spool), *options],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env={**os.environ, "SOAK_LEDGER": str(self.ledger)},
            )
        self.port = 0

    def log(self) -> str:
        """Return what it has written."""
        return self._log.read_text("utf-8", "replace")

    def await_ready(self) -> None:
        """Return once it says where it listens and all processes have loaded the script."""
        deadline = time.monotonic() + _PATIENCE
        while not self.port:
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise StartError(f"the server did not come up:\n{self.log()}")
            match = re.search(r"http://\S+:(\d+)/", self.log())
            if match is not None:
                self.port = int(match.group(1))
            time.sleep(0.02)

    def runs(self) -> Counter[int]:
        """Return how often the application has begun each id."""
        found: Counter[int] = Counter()
        for line in self.ledger.read_text(encoding="ascii").splitlines():
            found[int(line.partition(" ")[0])] += 1
        return found

    def stop(self) -> list[str]:
        """Stop it as an operator would; return what did not go as it should."""
        complaints = []
        family = []
        if self.process.poll() is None:
            family = psutil.Process(self.process.pid).children(recursive=True)
            self.process.send_signal(signal.SIGTERM)
        try:
            status = self.process.wait(_STOP_PATIENCE)
            if status:
                complaints.append(f"the supervisor ended with status {status}")
        except subprocess.TimeoutExpired:
            complaints.append(f"the supervisor did not end within {_STOP_PATIENCE:g} s")
            self.process.kill()
            self.process.wait()
        for child in psutil.wait_procs(family, timeout=2)[1]:
            complaints.append(f"pid {child.pid} was left behind")
            child.kill()
        return complaints


@contextmanager
def workplace() -> Iterator[tuple[Path, Path, bool]]:
    """Yield a directory, a directory to spool to, and whether that is a small file system of its own."""
    directory = Path(tempfile.mkdtemp(prefix="pydaemonwsgi-soak-"))
    spool = directory / "spool"
    spool.mkdir()
    mounted = False
    try:
        directory.chmod(0o755)
        if os.geteuid() == 0 and shutil.which("mount") is not None:
            command = ["mount", "-t", "tmpfs", "-o", f"size={_SPOOL_BYTES},mode=1777", "tmpfs", str(spool)]
            mounted = subprocess.run(command, check=False, capture_output=True).returncode == 0
        yield directory, spool, mounted
    finally:
        if mounted:
            subprocess.run(["umount", "--lazy", str(spool)], check=False, capture_output=True)
        shutil.rmtree(directory, ignore_errors=True)


@contextmanager
def serving(directory: Path, spool: Path, options: Sequence[str]) -> Iterator[SoakServer]:
    """Run a server until the end of the block, whatever happens in it."""
    server = SoakServer(directory, spool, options)
    try:
        server.await_ready()
        yield server
    finally:
        if server.process.poll() is None:
            server.stop()
