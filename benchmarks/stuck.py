"""How soon a request or process that is stuck is found and replaced: `python -m benchmarks.stuck`.

Milliseconds from the end of the timeout (two seconds) to what a client sees: the 504 of its request, or the first
answer of a successor. One daemon process of two threads; the script is the one of the tests.
"""

import argparse
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path

import psutil

from benchmarks.replacement import ask, connect, free_port

SCRIPT = Path(__file__).resolve().parent.parent / "tests" / "apps" / "fault_stuck.wsgi"
TIMEOUT = 2.0
PATIENCE = 60.0
Measure = Callable[[int, subprocess.Popen[bytes]], float]


def _request(port: int, path: str) -> bytes:
    """Return everything that comes back for a request."""
    received = b""
    with connect(port) as sock:
        sock.sendall(f"GET {path} HTTP/1.1\r\nHost: here\r\nConnection: close\r\n\r\n".encode())
        try:
            while data := sock.recv(65536):
                received += data
        except ConnectionResetError:
            pass  # it was cut
    return received


def _answer_of_another(port: int, pid: int) -> None:
    """Return once another process than `pid` has answered; one client, which asks again after each answer."""
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        with connect(port) as sock:
            if ask(sock) != pid:
                return
    raise TimeoutError("no other process has answered")


def _pid(port: int) -> int:
    with connect(port) as sock:
        return ask(sock)


def interrupted(port: int, server: subprocess.Popen[bytes]) -> float:
    """A request that is interrupted at --request-timeout."""
    del server
    started = time.perf_counter()
    answer = _request(port, "/nap")
    if b" 504 " not in answer.split(b"\r\n")[0]:
        raise RuntimeError(answer.decode("latin-1"))
    return time.perf_counter() - started - TIMEOUT


def held(port: int, server: subprocess.Popen[bytes]) -> float:
    """A process whose interpreter lock never comes free, from the moment in which it is taken."""
    del server
    before = _pid(port)
    started = time.perf_counter()
    threading.Thread(target=_request, args=(port, "/hold"), daemon=True).start()
    time.sleep(0.1)  # it is the first of the two requests that is to be stuck
    _answer_of_another(port, before)
    return time.perf_counter() - started - TIMEOUT


def stopped(port: int, server: subprocess.Popen[bytes]) -> float:
    """A daemon process that SIGSTOP holds."""
    del server
    before = _pid(port)
    os.kill(before, signal.SIGSTOP)
    started = time.perf_counter()
    _answer_of_another(port, before)
    return time.perf_counter() - started - TIMEOUT


def front_stopped(port: int, server: subprocess.Popen[bytes]) -> float:
    """A front that SIGSTOP holds."""
    [front] = [child for child in psutil.Process(server.pid).children() if "front" in " ".join(child.cmdline())]
    front.suspend()
    started = time.perf_counter()
    _pid(port)
    return time.perf_counter() - started - TIMEOUT


CASES: dict[str, tuple[Measure, tuple[str, ...]]] = {
    "a stuck request is interrupted and answered with 504": (
        interrupted,
        ("--request-timeout", f"{TIMEOUT}s", "--interrupt-timeout", "20s"),
    ),
    "a process whose interpreter lock never comes free: its successor answers": (
        held,
        ("--deadlock-timeout", f"{TIMEOUT}s"),
    ),
    "a daemon process that SIGSTOP holds: its successor answers": (stopped, ("--deadlock-timeout", f"{TIMEOUT}s")),
    "a front that SIGSTOP holds: its successor answers": (front_stopped, ("--front-timeout", f"{TIMEOUT}s")),
}


def measure(case: Measure, options: tuple[str, ...], rounds: int) -> list[float]:
    """Return the milliseconds of each round; a server of one daemon process."""
    with tempfile.TemporaryFile() as log:
        port = free_port()
        command = [sys.executable, "-m", "pydaemonwsgi", "serve", str(SCRIPT), "--port", str(port), "--threads", "2"]
        server = subprocess.Popen([*command, *options], stdout=log, stderr=subprocess.STDOUT)
        try:
            took = []
            for _ in range(rounds):
                _pid(port)
                time.sleep(1.2)  # a process that dies younger counts as one that did not start
                took.append(case(port, server) * 1000)
            return took
        finally:
            server.terminate()
            server.wait()


def main() -> int:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(prog="benchmarks.stuck", description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=8)
    rounds = parser.parse_args().rounds
    print(f"{rounds} rounds; milliseconds after a timeout of {TIMEOUT:g} s")
    print("| what | median | least | most |\n|---|---|---|---|")
    for name, (case, options) in CASES.items():
        took = measure(case, options, rounds)
        print(f"| {name} | {statistics.median(took):.0f} | {min(took):.0f} | {max(took):.0f} |", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
