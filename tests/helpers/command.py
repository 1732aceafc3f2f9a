"""The command line as a user has it: run to its end, or left running as a server with exactly these arguments."""

import contextlib
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from tests.helpers.server import PATIENCE, Server, wait_for


def run(
    *arguments: str,
    python: str = sys.executable,
    env: dict[str, str] | None = None,
    cwd: str | Path | None = None,
) -> "subprocess.CompletedProcess[str]":
    """Run `python -m pydaemonwsgi` to its end."""
    return subprocess.run(
        [python, "-m", "pydaemonwsgi", *arguments],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
        env={**os.environ, **(env or {})},
        cwd=cwd,
    )


class CommandServer(Server):
    """A server started by `command`, nothing added."""

    def __init__(self, command: list[str], *, env: dict[str, str] | None = None, cwd: str | Path | None = None) -> None:
        self._log = tempfile.NamedTemporaryFile(prefix="pydaemonwsgi-test-", suffix=".log")  # noqa: SIM115
        self.process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=self._log,
            stderr=subprocess.STDOUT,
            env={**os.environ, **(env or {})},
            cwd=cwd,
        )
        self.pid = self.process.pid
        self.port = 0

    def banner(self) -> dict[str, list[str]]:
        """Return the banner's lines by their first word or two."""
        found: dict[str, list[str]] = {}
        for name, value in re.findall(r"^  (\w+(?: \w+)?) {2,}(.*)$", self.log(), re.MULTILINE):
            found.setdefault(name, []).append(value)
        return found


@contextlib.contextmanager
def started(*command: str, env: dict[str, str] | None = None, cwd: str | Path | None = None) -> Iterator[CommandServer]:
    """Run a whole command for the length of a `with` block; its log is shown when the block fails."""
    server = CommandServer(list(command), env=env, cwd=cwd)
    try:
        server.wait_until_serving()
        wait_for(lambda: "access log" in server.log(), "the whole banner")
        yield server
    except BaseException:
        print(server.log())
        raise
    finally:
        server.close()
