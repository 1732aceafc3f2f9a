"""Forking a daemon process from a preload parent. Shell.

Theory of operation. A daemon process is to be the supervisor's child, so that its exit status is the supervisor's to
wait for. So the parent forks a process that forks the daemon process and ends at once: the supervisor, the nearest
subreaper, adopts what it leaves.

    preload parent ──fork──▶ process in between ──fork──▶ daemon process
                                    ends                    waits until it has been adopted, says BORN

The application must not notice that there are two forks. What it has given to `os.register_at_fork` runs for the
second only: `before` in the process in between, `after_in_child` in the daemon process. `after_in_parent` does not
run: what `before` has done, it has done in a process that ends. Forks of the application's own are left alone.
"""

import functools
import logging
import os
import socket
import sys
import time
import warnings
from collections.abc import Callable
from typing import Any, Final

from pydaemonwsgi.channel import control
from pydaemonwsgi.channel.control import Word

__all__ = ["Forker"]

logger = logging.getLogger(__name__)

# Seconds between two looks whether the process in between has ended; it takes less than a millisecond.
_LOOK: Final = 0.0002


class Forker:
    """Forks daemon processes; made before the application is loaded, once in a process's life."""

    def __init__(self) -> None:
        self._forking: int = 0  # 1 and 2 while the first and the second fork of ours are under way
        self._between = 0
        self._newborn: socket.socket | None = None
        # Before all of the application's: whatever those do, the supervisor knows the pid.
        os.register_at_fork(after_in_child=self._announce)
        os.register_at_fork = self._wrap(os.register_at_fork)

    def _wrap(self, real: Callable[..., None]) -> Callable[..., None]:
        @functools.wraps(real)
        def register_at_fork(**functions: Any) -> None:
            for name, function in functions.items():
                if callable(function):
                    functions[name] = self._guard(function, in_parent=name == "after_in_parent")
            real(**functions)

        return register_at_fork

    def _guard(self, function: Callable[[], object], *, in_parent: bool) -> Callable[[], None]:
        def run() -> None:
            if not self._forking or (self._forking == 2 and not in_parent):
                function()

        return run

    def fork(self, control_socket: socket.socket) -> bool:
        """Fork a daemon process; return True in it, False in this one.

        Args:
            control_socket: the daemon process's end of its control connection.

        Raises:
            OSError: it could not be forked.
        """
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
        self._forking = 1
        try:
            between = _fork()
        finally:
            self._forking = 0
        if between:
            status = os.waitstatus_to_exitcode(os.waitpid(between, 0)[1])
            if status:
                raise OSError(status, os.strerror(status) if status > 0 else f"killed by signal {-status}")
            return False
        self._forking = 2
        self._between = os.getpid()
        self._newborn = control_socket
        try:
            pid = _fork()
        except OSError as error:
            os._exit(error.errno or 255)
        except BaseException:
            logger.exception("a function that the application gave to os.register_at_fork raised")
            os._exit(255)
        if pid:
            os._exit(0)
        self._forking = 0
        os.setsid()
        return True

    def _announce(self) -> None:
        """In a new process: if it is ours, say so once the supervisor has adopted it."""
        newborn, self._newborn = self._newborn, None
        if newborn is None:
            return
        while os.getppid() == self._between:
            time.sleep(_LOOK)
        try:
            newborn.send(control.encode(Word.BORN))
        except OSError:
            pass  # the supervisor does not want it any more; it will hear so


def _fork() -> int:
    """Fork without Python's word about threads: what there is to say of them has been said, by name."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        return os.fork()
