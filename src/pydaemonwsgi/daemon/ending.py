"""The end of a process that was forked: it leaves by `os._exit`, so what an interpreter does is done here. Shell."""

import atexit
import contextlib
import logging
import os
import sys
import threading
from typing import NoReturn

__all__ = ["end_for_lack_of_memory", "end_interpreter"]

logger = logging.getLogger(__name__)


def end_for_lack_of_memory() -> NoReturn:
    """End at once, with EX_OSERR: requests that have not started here go elsewhere, instead of waiting in vain."""
    try:
        logger.critical(
            "out of memory: not even what receives requests gets any (memory-limit, virtual-memory-limit, or the "
            "machine's own); the process ends"
        )
    finally:
        os._exit(os.EX_OSERR)


def end_interpreter(timeout: float = 0.0) -> None:
    """Join threads, run atexit functions, flush; for no longer than `timeout` seconds, 0 for as long as it takes."""
    if timeout:
        reaper = threading.Timer(timeout, os._exit, (1,))
        reaper.daemon = True
        # Without memory for a thread the supervisor ends us, two seconds later than we would.
        with contextlib.suppress(RuntimeError, MemoryError):
            reaper.start()
    with contextlib.suppress(BaseException):
        threading._shutdown()  # type: ignore[attr-defined]  # noqa: SLF001 - what the interpreter calls
    with contextlib.suppress(BaseException):
        atexit._run_exitfuncs()  # noqa: SLF001
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(BaseException):
            stream.flush()
