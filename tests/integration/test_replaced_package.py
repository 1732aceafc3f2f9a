"""A server whose package is replaced on disk while it runs: it goes on with the code that it was started with."""

import os
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

import pydaemonwsgi
from tests.helpers.server import Server, serving, wait_for
from tests.helpers.upgrade import SCRIPT


@pytest.fixture
def installed(tmp_path: Path) -> Iterator[tuple[Server, Path]]:
    """A server from a package of its own, and that package."""
    package = tmp_path / "installed" / "pydaemonwsgi"
    shutil.copytree(Path(pydaemonwsgi.__file__).parent, package)
    script = tmp_path / "app.wsgi"
    script.write_text(SCRIPT % 1)
    with serving(script, "--processes", "1", env={"PYTHONPATH": str(package.parent)}) as server:
        yield server, package


def test_front_is_started_again_from_the_code_that_the_server_has(installed: tuple[Server, Path]) -> None:
    """A half installed package, or another version's, is no reason to have no front."""
    server, package = installed
    assert server.get().status == 200
    shutil.rmtree(package)
    front = server.front().pid
    os.kill(front, signal.SIGKILL)
    wait_for(lambda: "the front (pid" in server.log(), "its death")
    wait_for(lambda: server.get().status == 200, "the next front")
    assert server.front().pid != front
    assert "Traceback" not in server.log()
