"""An interpreter, the package and scripts that every user may read: for servers that give up being root."""

import contextlib
import importlib.util
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

import pydaemonwsgi
from tests.helpers.server import APPS, PATIENCE

PACKAGES = ("httptools", "psutil", "setproctitle", "watchdog")


def may_be_entered_by_all(path: Path) -> bool:
    """Return whether anybody may come to `path`: every directory above it lets others pass."""
    return all(directory.stat().st_mode & 0o001 for directory in path.resolve().parents)


class Public:
    """An interpreter, our package and a script that everybody may read.

    Attributes:
        directory: what lies here is removed at the end.
        python: an interpreter of this one's minor version.
        script: the report application.
        env: makes the interpreter find the packages.
    """

    def __init__(self, directory: Path, python: Path) -> None:
        self.directory = directory
        self.python = str(python)
        self.script = directory / "app.wsgi"
        self.env = {"PYTHONPATH": str(directory / "packages"), "PYTHONDONTWRITEBYTECODE": "1"}

    def command(self, *options: str, script: Path | None = None) -> list[str]:
        return [self.python, "-m", "pydaemonwsgi", "serve", str(script or self.script), *options]

    def run(self, *options: str, script: Path | None = None) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            self.command(*options, script=script),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
            env={**os.environ, **self.env},
            cwd=self.directory,
        )


@contextlib.contextmanager
def public_copies() -> Iterator[Public]:
    """Copies of what a server needs, for an interpreter that everybody may read."""
    candidates = [Path(sys._base_executable), Path("/usr/bin/python3"), Path("/usr/local/bin/python3")]  # type: ignore[attr-defined]
    wanted = f"{sys.version_info.major}.{sys.version_info.minor}"
    question = "import sys; print('%d.%d' % sys.version_info[:2])"
    for python in candidates:
        if python.exists() and may_be_entered_by_all(python):
            found = subprocess.run([python, "-c", question], capture_output=True, text=True, check=False).stdout.strip()
            if found == wanted:
                break
    else:
        pytest.skip(f"there is no Python {wanted} that user nobody may read")
    directory = Path(os.path.realpath(tempfile.mkdtemp(prefix="pydaemonwsgi-public-")))
    shutil.copytree(Path(pydaemonwsgi.__file__).parent, directory / "packages" / "pydaemonwsgi")
    for name in PACKAGES:
        spec = importlib.util.find_spec(name)
        assert spec is not None
        assert spec.origin is not None
        shutil.copytree(Path(spec.origin).parent, directory / "packages" / name)
    shutil.copy(APPS / "life_report.py", directory / "app.wsgi")
    shutil.copy(APPS / "limits.wsgi", directory / "limits.wsgi")
    for path in (directory, *directory.rglob("*")):
        path.chmod(0o755 if path.is_dir() else 0o644)
    try:
        yield Public(directory, python)
    finally:
        shutil.rmtree(directory)
