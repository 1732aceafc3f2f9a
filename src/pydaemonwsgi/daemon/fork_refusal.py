"""Forks, where there are sub-interpreters: refused before they do harm. Shell.

CPython (3.13.0) kills the child of a fork in a process that has sub-interpreters with threads, whichever interpreter
forks; the parent sees a child that died by SIGSEGV or SIGABRT, and nobody sees why. What `subprocess` does without
`preexec_fn` is no such fork: the child runs no Python.
"""

import os
import sys
from typing import Any, NoReturn

__all__ = ["refuse_forks"]


def refuse_forks(group: str) -> None:
    """Have every fork of this interpreter that would run Python in the child raise RuntimeError.

    Args:
        group: the process group, for the message.
    """

    def refuse(what: str) -> NoReturn:
        raise RuntimeError(
            f"{what} is refused: CPython kills what is forked from a process that has sub-interpreters. Use subprocess "
            "without preexec_fn, or the method 'spawn' of multiprocessing; or give the application groups of the "
            f"process group {group} processes of their own (application-groups=processes)"
        )

    def fork() -> NoReturn:
        refuse("os.fork()")

    def forkpty() -> NoReturn:
        refuse("os.forkpty()")

    os.fork = fork
    os.forkpty = forkpty
    try:
        import _posixsubprocess  # noqa: PLC0415 - CPython's own, behind subprocess
    except ImportError:
        return
    real = _posixsubprocess.fork_exec

    def fork_exec(*arguments: Any) -> int:
        # Its one callable argument, if any, is preexec_fn.
        if any(map(callable, arguments)):
            refuse("preexec_fn")
        pid: int = real(*arguments)
        return pid

    _posixsubprocess.fork_exec = fork_exec
    subprocess = sys.modules.get("subprocess")
    if subprocess is not None and hasattr(subprocess, "_fork_exec"):
        subprocess.__dict__["_fork_exec"] = fork_exec
