"""Going on in another interpreter: the exec that `python-home` and the interpreter's options take. Shell.

Theory of operation. The child is the run-as user already, and proved to be: no line of the other environment, no
`.pth` file and no `sitecustomize` of its, ever runs with more rights. `bootstrap.py` is its first program. It finds
its descriptors at fixed numbers, its settings behind one of them, so nothing travels in arguments that `ps` shows.

    0, 1, 2   as they were: nothing to read, the error log
    3         our version, the role, and the settings as JSON; to be read once
    4         control connection
    5         memory of the scoreboard, where the role has one

The arguments begin with the path of the interpreter, because it finds its environment by that.
"""

import fcntl
import logging
import os
import sys
from collections.abc import Mapping
from typing import Final

from pydaemonwsgi import __version__
from pydaemonwsgi.daemon import orders
from pydaemonwsgi.daemon.settings import DaemonSettings, PythonSettings
from pydaemonwsgi.errors import ConfigurationError
from pydaemonwsgi.system.descriptors import close_all_except, memfd
from pydaemonwsgi.system.interpreters import environment_for, find_interpreter
from pydaemonwsgi.vocabulary import StartFailure

__all__ = ["arguments", "depart", "environment"]

logger = logging.getLogger(__name__)

_PROGRAM: Final = os.path.join(os.path.dirname(os.path.abspath(__file__)), "bootstrap.py")


def arguments(python: PythonSettings, executable: str, program: str) -> list[str]:
    """Return the command line that runs `program` with the options of the settings."""
    flags = []
    if python.optimize:
        flags.append("-" + "O" * python.optimize)
    if python.dont_write_bytecode:
        flags.append("-B")
    for warning in python.warnings:
        flags += ["-W", warning]
    if python.free_threading is not None:
        # Not PYTHON_GIL: the application's own children would have it too, and a Python that has a GIL for good does
        # not start with PYTHON_GIL=0.
        flags += ["-X", f"gil={0 if python.free_threading else 1}"]
    return [executable, *flags, program]


def environment(python: PythonSettings, environ: Mapping[str, str]) -> dict[str, str]:
    """Return the environment for the interpreter of the settings."""
    result = dict(environ) if python.home is None else environment_for(python.home, environ)
    if python.hash_seed is not None:
        result["PYTHONHASHSEED"] = python.hash_seed
    return result


def depart(settings: DaemonSettings, role: str, *descriptors: int) -> int:
    """Execute the interpreter of the settings; return an exit status only when that is not possible.

    Args:
        settings: the orders.
        role: what to be there, a key of `arrival.ROLES`.
        descriptors: what the role takes along, its control connection first.
    """
    python = settings.python
    try:
        executable = sys.executable if python.home is None else find_interpreter(python.home)
    except ConfigurationError as error:
        logger.critical("%s; the process ends", error)
        return StartFailure.INTERPRETER
    text = memfd("settings")
    os.write(text, f"{__version__} {role}\n".encode("ascii") + orders.encode(settings))
    os.lseek(text, 0, os.SEEK_SET)
    _place(text, *descriptors)
    try:
        os.execve(executable, arguments(python, executable, _PROGRAM), environment(python, os.environ))  # noqa: S606
    except OSError as error:
        logger.critical("cannot execute %s: %s; the process ends", executable, error.strerror)
    return StartFailure.INTERPRETER


def _place(*descriptors: int) -> None:
    """Give descriptors the numbers from 3 on, to survive the exec; all others end here."""
    above = 3 + len(descriptors)
    copies = [fcntl.fcntl(descriptor, fcntl.F_DUPFD_CLOEXEC, above) for descriptor in descriptors]
    for number, copy in enumerate(copies, 3):
        os.dup2(copy, number, inheritable=True)
        os.close(copy)
    close_all_except(range(above))
