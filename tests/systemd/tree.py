"""What a machine is booted from: a Debian tree, and wheels of the project and of all that it needs."""

import os
import shutil
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[2]
# Trees and wheels are kept here: a tree takes a minute to make and 300 MB.
CACHE = Path(os.environ.get("PYDAEMONWSGI_TREES", "/var/cache/pydaemonwsgi"))
_PACKAGES = ("systemd", "systemd-sysv", "dbus", "python3")
_GLIBC_VERSIONS = (5, 12, 17, 28, 34)


def debian_tree(release: str) -> Path:
    """Return a minimal Debian with systemd and Python; make it if it is not there."""
    tree = CACHE / release
    if not tree.is_dir():
        CACHE.mkdir(parents=True, exist_ok=True)
        unfinished = Path(tempfile.mkdtemp(prefix=f"{release}-", dir=CACHE))
        try:
            command = ["debootstrap", "--variant=minbase", f"--include={','.join(_PACKAGES)}", release, str(unfinished)]
            result = subprocess.run(command, capture_output=True, text=True, check=False)
            assert result.returncode == 0, f"{' '.join(command)}: {result.stdout[-2000:]}{result.stderr}"
            unfinished.chmod(0o755)
            unfinished.rename(tree)
        except BaseException:
            shutil.rmtree(unfinished, ignore_errors=True)
            raise
    return tree


def python_version(tree: Path) -> str:
    """Return the version of a tree's Python, such as `3.13`."""
    return os.readlink(tree / "usr/bin/python3").removeprefix("python")


def wheels(directory: Path, versions: list[str]) -> None:
    """Fill a directory with wheels of the project, of what it needs with these versions of Python, and pip's own.

    What has been downloaded once is kept: the network is not needed again until something newer is asked for.
    """
    project = tomllib.loads((CHECKOUT / "pyproject.toml").read_text("utf-8"))
    store = CACHE / "wheels"
    store.mkdir(parents=True, exist_ok=True)
    needed = [*project["project"]["dependencies"], *project["build-system"]["requires"], "pip"]
    platforms = [f"--platform=manylinux_2_{minor}_{os.uname().machine}" for minor in _GLIBC_VERSIONS]
    for version in versions:
        command = ["download", "--only-binary=:all:", "--implementation=cp", f"--python-version={version}", *platforms]
        offline = ["--no-index", f"--find-links={store}", f"--dest={directory}"]
        if _pip(*command, *offline, *needed).returncode:
            _pip(*command, f"--dest={store}", *needed).check_returncode()
            _pip(*command, *offline, *needed).check_returncode()
    with tempfile.TemporaryDirectory(prefix="pydaemonwsgi-wheel-") as name:
        # Not in the checkout: what the build leaves behind would be part of the next wheel.
        copy = Path(name)
        shutil.copytree(CHECKOUT / "src", copy / "src", ignore=shutil.ignore_patterns("*.egg-info", "__pycache__"))
        for file in ("pyproject.toml", "README.md"):
            shutil.copy(CHECKOUT / file, copy)
        options = ("--no-deps", "--no-index", f"--find-links={store}", f"--wheel-dir={directory}")
        _pip("wheel", *options, str(copy)).check_returncode()


def _pip(*arguments: str) -> "subprocess.CompletedProcess[bytes]":
    # What it says is shown when a test fails.
    return subprocess.run([sys.executable, "-m", "pip", "--disable-pip-version-check", *arguments], check=False)
