"""Other Pythons of this machine, and environments made with them."""

import functools
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

__all__ = ["interpreter", "make_environment", "site_packages"]


@functools.cache
def _found(version: str) -> str | None:
    """Return an interpreter of this minor version that can make environments."""
    candidates = [shutil.which(f"python{version}"), shutil.which("python3"), "/usr/bin/python3"]
    versions = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    candidates += [str(path / "bin" / "python3") for path in sorted(versions.glob(f"{version}.*"))]
    question = "import sys, venv; print('%d.%d' % sys.version_info[:2], sys.executable)"
    for candidate in filter(None, candidates):
        result = subprocess.run([candidate, "-c", question], capture_output=True, text=True, check=False, cwd="/")
        if result.returncode == 0 and result.stdout.split()[0] == version:
            return result.stdout.split(maxsplit=1)[1].strip()
    return None


def interpreter(version: str) -> str:
    """Return the path of an interpreter of a minor version; skip the test where there is none."""
    found = _found(version)
    if found is None:
        pytest.skip(f"there is no Python {version} on this machine")
    return found


def make_environment(directory: Path, python: str = sys.executable) -> Path:
    """Make a virtual environment that has no package at all."""
    subprocess.run(
        [python, "-m", "venv", "--without-pip", str(directory)], check=True, capture_output=True, timeout=60, cwd="/"
    )
    return directory


def site_packages(environment: Path) -> Path:
    """Return where an environment has its packages."""
    (directory,) = environment.glob("lib/python3*/site-packages")
    return directory
