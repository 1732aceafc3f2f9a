"""A real server for a test: started as a user would start it, stopped by its pid, its log kept."""

import contextlib
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil

APPS = Path(__file__).resolve().parent.parent / "apps"
# How long, in seconds, anything is waited for; generous, because a test waits for conditions only.
PATIENCE = 30.0


def wait_for(condition: Callable[[], object], what: str, patience: float = PATIENCE) -> None:
    """Return once `condition()` is true; fail naming `what` otherwise."""
    deadline = time.monotonic() + patience
    while not condition():
        assert time.monotonic() < deadline, f"waited {patience} s in vain for: {what}"
        time.sleep(0.01)


class Server:
    """A running `pydaemonwsgi serve`."""

    def __init__(
        self,
        script: str | Path,
        *options: str,
        python: str = sys.executable,
        env: dict[str, str] | None = None,
        cwd: str | Path | None = None,
    ) -> None:
        self._log = tempfile.NamedTemporaryFile(prefix="pydaemonwsgi-test-", suffix=".log")  # noqa: SIM115 - closed by close()
        self.process = subprocess.Popen(
            [python, "-m", "pydaemonwsgi", "serve", str(script), "--port", "0", *options],
            stdin=subprocess.DEVNULL,
            stdout=self._log,
            stderr=subprocess.STDOUT,
            env={**os.environ, **(env or {})},
            cwd=cwd,
        )
        self.pid = self.process.pid
        self.port = 0

    def log(self) -> str:
        """Return everything that it has written to its logs."""
        return Path(self._log.name).read_text("utf-8", "replace")

    def wait_until_serving(self) -> None:
        """Return once the banner is out; the port is known then."""
        wait_for(lambda: self.process.poll() is not None or "listening on" in self.log(), "the banner")
        assert self.process.poll() is None, self.log()
        match = re.search(r"http://\S+:(\d+)/", self.log())
        if match is not None:
            self.port = int(match.group(1))

    def daemons(self) -> list[psutil.Process]:
        """Return its daemon processes."""
        return self._children("(wsgi:")

    def front(self) -> psutil.Process:
        """Return its front."""
        return self._children("pydaemonwsgi: front")[0]

    def _children(self, title: str) -> list[psutil.Process]:
        found = []
        for child in psutil.Process(self.pid).children():
            with contextlib.suppress(psutil.Error):
                if " ".join(child.cmdline()).startswith(title):
                    found.append(child)
        return found

    def connect(self) -> socket.socket:
        """Return a new client connection."""
        return socket.create_connection(("127.0.0.1", self.port), timeout=PATIENCE)

    def exchange(self, request: bytes, *, half_close: bool = False) -> bytes:
        """Send bytes on a new connection and return everything that comes until the server closes it."""
        with self.connect() as sock:
            sock.sendall(request)
            if half_close:
                sock.shutdown(socket.SHUT_WR)
            return read_all(sock)

    def get(self, path: str = "/", *headers: str, method: str = "GET", body: bytes = b"") -> "Answer":
        """Make one request on a connection of its own."""
        lines = [f"{method} {path} HTTP/1.1", "Host: test", "Connection: close", *headers]
        if body or method in {"POST", "PUT"}:
            lines.append(f"Content-Length: {len(body)}")
        return Answer(self.exchange("\r\n".join([*lines, "", ""]).encode("latin-1") + body))

    def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Send a signal, wait for the end and return the exit status."""
        if self.process.poll() is None:
            self.process.send_signal(number)
        try:
            return self.process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            for child in psutil.Process(self.pid).children(recursive=True):
                with contextlib.suppress(psutil.Error):
                    child.kill()
            self.process.kill()
            self.process.wait()
            raise
        finally:
            self._log.seek(0)

    def close(self) -> None:
        """Stop it whatever its state, and forget its log."""
        try:
            self.stop()
        finally:
            self._log.close()


class Answer:
    """One parsed response."""

    def __init__(self, data: bytes) -> None:
        self.raw = data
        head, _, self.rest = data.partition(b"\r\n\r\n")
        lines = head.decode("latin-1").split("\r\n")
        self.status = int(lines[0].split(" ")[1]) if data else 0
        self.reason = lines[0].partition(" ")[2]
        self.headers = [(name, value.strip()) for name, _, value in (line.partition(":") for line in lines[1:])]

    def header(self, name: str) -> str | None:
        """Return the first value of a header."""
        return next((value for key, value in self.headers if key.lower() == name.lower()), None)

    @property
    def body(self) -> bytes:
        """The body, without chunk framing; fails if a chunked body is not complete."""
        if (self.header("Transfer-Encoding") or "").lower() != "chunked":
            return self.rest
        body, rest = b"", self.rest
        while True:
            size, separator, rest = rest.partition(b"\r\n")
            assert separator, "the chunked body is cut"
            length = int(size, 16)
            if not length:
                assert rest == b"\r\n", "the chunked body does not end with its last chunk"
                return body
            assert len(rest) >= length + 2, "the chunked body is cut"
            body, rest = body + rest[:length], rest[length + 2 :]

    @property
    def text(self) -> str:
        """The body as text."""
        return self.body.decode("utf-8")


def read_all(sock: socket.socket) -> bytes:
    """Return everything until the far side closes; a reset counts as the end."""
    received = []
    with contextlib.suppress(ConnectionResetError):
        while data := sock.recv(65536):
            received.append(data)
    return b"".join(received)


@contextlib.contextmanager
def serving(
    script: str | Path,
    *options: str,
    python: str = sys.executable,
    env: dict[str, str] | None = None,
    cwd: str | Path | None = None,
) -> Iterator[Server]:
    """Run a server for the length of a `with` block; its log is shown when the block fails."""
    server = Server(script, *options, python=python, env=env, cwd=cwd)
    try:
        server.wait_until_serving()
        yield server
    except BaseException:
        print(server.log())
        raise
    finally:
        server.close()
