"""The end of a process that was forked: it leaves by `os._exit`, so what an interpreter does is done here. Shell."""

import atexit
import contextlib
import os
import sys
import threading

__all__ = ["end_interpreter"]


def end_interpreter(timeout: float = 0.0) -> None:
    """Join threads, run atexit functions, flush; for no longer than `timeout` seconds, 0 for as long as it takes."""
    if timeout:
        reaper = threading.Timer(timeout, os._exit, (1,))
        reaper.daemon = True
        reaper.start()
    with contextlib.suppress(BaseException):
        threading._shutdown()  # type: ignore[attr-defined]  # noqa: SLF001 - what the interpreter calls
    with contextlib.suppress(BaseException):
        atexit._run_exitfuncs()  # noqa: SLF001
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(BaseException):
            stream.flush()
