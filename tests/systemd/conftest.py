"""The machines, and the service in them."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.systemd.machine import Machine, booted
from tests.systemd.service import FIGURES, Service, install
from tests.systemd.tree import CHECKOUT, debian_tree, python_version, wheels

# Debian 12 has systemd 252 and Python 3.11, Debian 13 has 257 and 3.13.
RELEASES = ("bookworm", "trixie")


@pytest.fixture(scope="session")
def wheel_directory() -> Iterator[Path]:
    """Wheels for every release's Python."""
    missing = [name for name in ("systemd-nspawn", "debootstrap", "nsenter") if shutil.which(name) is None]
    if missing or os.geteuid() != 0:
        pytest.exit(
            f"needs root, and systemd-nspawn, debootstrap, nsenter; not here: {', '.join(missing) or 'root'}", 1
        )
    directory = Path(tempfile.mkdtemp(prefix="pydaemonwsgi-wheels-"))
    try:
        wheels(directory, [python_version(debian_tree(release)) for release in RELEASES])
        yield directory
    finally:
        shutil.rmtree(directory)


@pytest.fixture(scope="session", params=RELEASES)
def machine(request: pytest.FixtureRequest, wheel_directory: Path) -> Iterator[Machine]:
    """A booted machine of each release, with the service installed."""
    tree = debian_tree(request.param)
    with booted(tree, {wheel_directory: "/wheels", CHECKOUT / "conf": "/conf"}) as machine:
        install(machine)
        yield machine


@pytest.fixture
def service(machine: Machine) -> Iterator[Service]:
    """The service as it is shipped, stopped; its log is shown if the test fails."""
    service = Service(machine)
    service.reset()
    try:
        yield service
    finally:
        print(service.everything())
        service.reset()


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say what has been counted and measured."""
    terminalreporter.section("figures")
    for figure in FIGURES:
        terminalreporter.write_line(figure)
