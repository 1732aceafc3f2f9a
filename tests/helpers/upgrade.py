"""SIGUSR2 in tests: a script whose answers tell its versions apart, the upgrade, and the end of who took over."""

import os
import re
import signal

import psutil

from tests.helpers.server import Server, wait_for

SCRIPT = "def application(environ, start_response):\n    start_response('200 OK', [])\n    return [b'%d']\n"
TAKEN = re.compile(r"pid (\d+) is the server now")


def end(pid: int) -> None:
    """Stop a supervisor that is nobody's child any more."""
    if psutil.pid_exists(pid):
        os.kill(pid, signal.SIGTERM)
        wait_for(lambda: not psutil.pid_exists(pid) or psutil.Process(pid).status() == "zombie", "its end")


def upgrade(server: Server) -> int:
    """Send SIGUSR2; return the pid of the supervisor that has taken over."""
    server.process.send_signal(signal.SIGUSR2)
    wait_for(lambda: TAKEN.search(server.log()), "the new supervisor")
    match = TAKEN.search(server.log())
    assert match is not None
    return int(match.group(1))
