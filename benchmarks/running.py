"""Starts one server, waits until it answers, and ends it with everything that it started."""

import http.client
import importlib.util
import os
import runpy
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil

from benchmarks.cases import MEGABYTES_100, Case
from benchmarks.peers import ROOT, last_line
from benchmarks.servers import Server, Site
from benchmarks.transfer import MIB, pattern

APP = Path(__file__).with_name("app.wsgi")
SOURCE = ROOT / "src"
START_TIMEOUT = 20.0
STOP_TIMEOUT = 8.0
CPU_SECONDS = 0.002
PROBE_LOOPS = 20_000


class StartError(Exception):
    """A server did not come up or does not answer as it should; the text is one line."""


@contextmanager
def workplace() -> Iterator[Path]:
    """Yield a temporary directory that all users can read: the application under both names, and the file."""
    directory = Path(tempfile.mkdtemp(prefix="pydaemonwsgi-bench-"))
    try:
        directory.chmod(0o755)
        for name in ("app.wsgi", "bench_app.py"):
            shutil.copy(APP, directory / name)
            (directory / name).chmod(0o644)
        with (directory / "down.bin").open("wb") as file:
            for _ in range(MEGABYTES_100 // MIB):
                file.write(pattern())
        yield directory
    finally:
        shutil.rmtree(directory, ignore_errors=True)


def calibrate() -> int:
    """Return the loop count that takes `CPU_SECONDS` in the application's own function."""
    burn = runpy.run_path(str(APP))["burn"]
    best = float("inf")
    for _ in range(25):
        started = time.perf_counter()
        burn(PROBE_LOOPS)
        best = min(best, time.perf_counter() - started)
    return round(PROBE_LOOPS * CPU_SECONDS / best)


def free_port() -> int:
    """Return a port of 127.0.0.1 that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def get(port: int, path: str, timeout: float = 5.0) -> tuple[int, int]:
    """Return status and body length of one request."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=timeout)
    try:
        connection.request("GET", path)
        response = connection.getresponse()
        return response.status, len(response.read())
    finally:
        connection.close()


class Running:
    """The processes of one server."""

    def __init__(self, server: Server, site: Site, variables: dict[str, str]) -> None:
        self.server = server
        self.site = site
        self.log = site.directory / f"{server.name}-{site.port}.log"
        environment = {**os.environ, **variables, "PYTHONUNBUFFERED": "1"}
        if server.package is None and importlib.util.find_spec(server.name) is None:
            environment["PYTHONPATH"] = os.pathsep.join(filter(None, [str(SOURCE), environment.get("PYTHONPATH")]))
        self.processes: list[subprocess.Popen[bytes]] = []
        place = None if server.package is None else site.directory
        with self.log.open("wb") as log:
            for command in server.commands(server.environment(), site):
                self.processes.append(
                    subprocess.Popen(
                        command,
                        stdin=subprocess.DEVNULL,
                        stdout=log,
                        stderr=subprocess.STDOUT,
                        cwd=place,
                        env=environment,
                        start_new_session=True,
                    )
                )

    @property
    def main(self) -> subprocess.Popen[bytes]:
        """The process that answers."""
        return self.processes[-1]

    def complaint(self) -> str:
        """The last line the server wrote."""
        return last_line(self.log.read_text(errors="replace"))

    def await_ready(self) -> None:
        """Return when GET / is answered with 200."""
        deadline = time.monotonic() + START_TIMEOUT
        while time.monotonic() < deadline:
            for process in self.processes:
                if process.poll() is not None:
                    raise StartError(f"ended with status {process.returncode}: {self.complaint()}")
            try:
                if get(self.site.port, "/")[0] == 200:
                    return
            except (OSError, http.client.HTTPException):
                pass
            time.sleep(0.05)
        raise StartError(f"did not answer within {START_TIMEOUT:.0f} s: {self.complaint()}")

    def check(self, case: Case) -> None:
        """Make sure that the case's path is answered with the right length."""
        if case.path in {"/down", "/up"}:
            return
        try:
            status, length = get(self.site.port, case.path)
        except (OSError, http.client.HTTPException) as error:
            raise StartError(f"GET {case.path}: {type(error).__name__}: {error}") from error
        if (status, length) != (200, case.body_length):
            raise StartError(f"GET {case.path} answered {status} with {length} bytes")

    def stop(self) -> None:
        """End the processes, politely first; then everything they left behind, by process id."""
        family: list[psutil.Process] = []
        for process in self.processes:
            try:
                family += psutil.Process(process.pid).children(recursive=True)
            except psutil.NoSuchProcess:
                continue
        for process in reversed(self.processes):
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
            try:
                process.wait(STOP_TIMEOUT)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        for child in psutil.wait_procs(family, timeout=1)[1]:
            try:
                child.kill()
            except psutil.NoSuchProcess:
                continue


@contextmanager
def serving(server: Server, directory: Path, variables: dict[str, str]) -> Iterator[Running]:
    """Run a server until the end of the block; raise `StartError` when it does not come up."""
    try:
        running = Running(server, Site(directory, free_port()), variables)
    except OSError as error:
        raise StartError(str(error)) from error
    try:
        running.await_ready()
        yield running
    finally:
        running.stop()
