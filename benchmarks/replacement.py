"""How long a client waits when the only daemon process is killed: `python -m benchmarks.replacement`.

The script takes a known time to import. From `kill -9` of the only daemon process to the first answer of its successor,
asked for on a connection that is open already, by one client that asks right after the kill.
"""

import argparse
import os
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

SCRIPT = """\
import os, time
time.sleep({seconds})
DATA = [bytes(1000) + str(number).encode() for number in range({megabytes} * 1000)]
def application(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [str(os.getpid()).encode()]
"""
PATIENCE = 60.0
# Seconds between two kills: longer than a process has to live for its death not to count as a failed start.
PAUSE = 1.2


def free_port() -> int:
    """Return a port that nobody listens on now."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port: int = sock.getsockname()[1]
        return port


def ask(sock: socket.socket) -> int:
    """Return the pid of the daemon process that answers."""
    sock.sendall(b"GET / HTTP/1.1\r\nHost: here\r\n\r\n")
    data = b""
    while b"\r\n\r\n" not in data or not data.partition(b"\r\n\r\n")[2]:
        received = sock.recv(65536)
        if not received:
            raise ConnectionError("the connection was closed")
        data += received
    head, _, body = data.partition(b"\r\n\r\n")
    if b" 200 " not in head.split(b"\r\n")[0]:
        raise RuntimeError(data.decode("latin-1"))
    return int(body)


def connect(port: int) -> socket.socket:
    """Return a connection to the server, once it is there."""
    end = time.monotonic() + PATIENCE
    while True:
        try:
            return socket.create_connection(("127.0.0.1", port), timeout=PATIENCE)
        except OSError:
            if time.monotonic() > end:
                raise
            time.sleep(0.05)


def measure(seconds: float, megabytes: int, rounds: int, *options: str) -> list[float]:
    """Return the milliseconds of each round."""
    with tempfile.TemporaryDirectory(prefix="pydaemonwsgi-replacement-") as directory:
        script, log = Path(directory) / "app.wsgi", Path(directory) / "log"
        script.write_text(SCRIPT.format(seconds=seconds, megabytes=megabytes), "utf-8")
        port = free_port()
        command = [sys.executable, "-m", "pydaemonwsgi", "serve", str(script), "--port", str(port), *options]
        with log.open("wb") as output:
            server = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT)
        try:
            with connect(port) as sock:
                pid = ask(sock)
                took = []
                for _ in range(rounds):
                    time.sleep(PAUSE)
                    started = time.perf_counter()
                    os.kill(pid, signal.SIGKILL)
                    successor = ask(sock)
                    # A request that the dying process still takes is not measured; it cannot answer it.
                    took.append((time.perf_counter() - started) * 1000)
                    if successor == pid:
                        raise RuntimeError("a killed process has answered")
                    pid = successor
                return took
        finally:
            server.terminate()
            server.wait()


def main() -> int:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(prog="benchmarks.replacement", description=__doc__.splitlines()[0])
    parser.add_argument("--import-time", type=float, default=0.5, help="seconds that the import takes")
    parser.add_argument("--megabytes", type=int, default=50, help="memory that the script fills")
    parser.add_argument("--rounds", type=int, default=10)
    arguments = parser.parse_args()
    print(f"import {arguments.import_time:g} s, {arguments.megabytes} MB, {arguments.rounds} rounds; milliseconds")
    print("| options | median | least | most |\n|---|---|---|---|")
    for options in ((), ("--preload",), ("--preload", "--threads", "1")):
        took = measure(arguments.import_time, arguments.megabytes, arguments.rounds, *options)
        print(
            f"| {' '.join(options) or 'none'} | {statistics.median(took):.1f} | {min(took):.1f} | {max(took):.1f} |",
            flush=True,
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())
