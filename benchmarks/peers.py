"""Installs the peers, each on first use, into a virtual environment of the benchmark's own."""

import importlib.metadata
import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
HOME = ROOT / ".venv-bench"
LIST = Path(__file__).with_name("peers.txt")
INSTALL_TIMEOUT = 900


class NotInstallableError(Exception):
    """A peer could not be installed; the text is one line."""


@dataclass(frozen=True)
class Environment:
    """A virtual environment; `base` is the interpreter that it is made from."""

    directory: Path
    base: Path

    @property
    def python(self) -> str:
        """The environment's interpreter."""
        return str(self.directory / "bin" / "python")

    def program(self, name: str) -> str:
        """The path of a program of the environment."""
        return str(self.directory / "bin" / name)

    def version_of(self, package: str) -> str | None:
        """Return the installed version of a package."""
        folders = [str(folder) for folder in self.directory.glob("lib/python3.*/site-packages")]
        for distribution in importlib.metadata.distributions(path=folders):
            if distribution.name.lower().replace("-", "_") == package.lower().replace("-", "_"):
                return distribution.version
        return None


def requirement(package: str) -> str:
    """Return the package's line of `peers.txt`."""
    for line in LIST.read_text().splitlines():
        text = line.partition("#")[0].strip()
        if text.lower().startswith(package.lower()):
            return text
    raise NotInstallableError(f"{package} is not in {LIST.name}")


def last_line(text: str) -> str:
    """Return the last line that says something."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1] if lines else "no output"


def run(command: list[str]) -> None:
    """Run one step of an installation."""
    try:
        result = subprocess.run(command, capture_output=True, text=True, timeout=INSTALL_TIMEOUT, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise NotInstallableError(str(error)) from error
    if result.returncode != 0:
        raise NotInstallableError(last_line(result.stderr or result.stdout))


def install(environment: Environment, package: str) -> str:
    """Make sure that a package is in the environment; return its version."""
    version = environment.version_of(package)
    if version is None:
        if not Path(environment.python).exists():
            print(f"making {environment.directory.name} with {environment.base.name}", flush=True)
            run([str(environment.base), "-m", "venv", str(environment.directory)])
            (environment.directory / ".gitignore").write_text("*\n")
        print(f"installing {package}", flush=True)
        # A cached wheel of uWSGI or mod_wsgi may be linked to another build of the same Python: build anew.
        run([environment.python, "-m", "pip", "install", "--quiet", "--no-cache-dir", requirement(package)])
        version = environment.version_of(package)
    if version is None:
        raise NotInstallableError("pip installed it, but it is not there")
    return version


def readable_by_all(path: Path) -> bool:
    """Whether an unprivileged user can reach a path, links followed."""
    real = Path(os.path.realpath(path))
    return real.exists() and all(parent.stat().st_mode & 0o001 for parent in (real, *real.parents))


def base_python() -> Path:
    """Return the interpreter this process's own environment was made from."""
    return Path(os.path.realpath(sys.executable))


def common_environment() -> Environment:
    """The environment of all peers that keep the user they are started as."""
    return Environment(HOME / "common", base_python())


def unprivileged_environment() -> Environment:
    """The environment of a server that drops to a user who must be able to read its interpreter.

    That is the common one unless this process is root and its interpreter or checkout is closed to others;
    then the system's Python of the same minor version serves, in a directory that everybody can read.
    """
    if os.getuid() != 0:
        return common_environment()
    wanted = f"{sys.version_info.major}.{sys.version_info.minor}"
    candidates = [base_python(), Path(f"/usr/bin/python{wanted}")]
    base = next((path for path in candidates if readable_by_all(path)), None)
    if base is None:
        raise NotInstallableError(f"no Python {wanted} that an unprivileged user can read")
    if base == candidates[0] and readable_by_all(ROOT):
        return common_environment()
    if readable_by_all(ROOT):
        return Environment(HOME / "unprivileged", base)
    return Environment(Path(tempfile.gettempdir()) / "pydaemonwsgi-venv-bench", base)
