"""The commands that talk to a running server, as a user gives them."""

import json
import re
import subprocess
from typing import Any

from tests.helpers.command import run
from tests.helpers.server import Server, wait_for


def control_socket(server: Server) -> str:
    """Return the path of a server's control socket, from its banner."""
    wait_for(lambda: "\n  control  " in server.log(), "the banner")
    match = re.search(r"^  control +(\S+)$", server.log(), re.MULTILINE)
    assert match is not None
    return match[1]


def order(server: Server, *arguments: str) -> "subprocess.CompletedProcess[str]":
    """Run a command on a server to its end."""
    return run(*arguments, "--control-socket", control_socket(server))


def done(server: Server, *arguments: str) -> dict[str, Any]:
    """Run a command that must be done; return its result."""
    finished = order(server, *arguments, "--json")
    assert finished.returncode == 0, finished.stdout + finished.stderr
    result: dict[str, Any] = json.loads(finished.stdout)["result"]
    return result


def only_group(server: Server) -> dict[str, Any]:
    """Return what `status` tells of the only process group, whatever its state."""
    [group] = json.loads(order(server, "status", "--json").stdout)["result"]["groups"]
    assert isinstance(group, dict)
    return group
