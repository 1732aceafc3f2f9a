"""Makes a child that answers nothing say where its threads are. Shell."""

import logging
import os
from typing import Final

from pydaemonwsgi.system.processes import process_state
from pydaemonwsgi.vocabulary import DUMP_SIGNAL

__all__ = ["dump"]

logger = logging.getLogger(__name__)

# The letters of /proc/PID/stat.
_STATES: Final = {
    "T": "is stopped by a signal (SIGSTOP), and says nothing until it is continued",
    "t": "is stopped by a debugger",
    "D": "waits for a device",
    "R": "runs; what its threads do follows",
    "S": "sleeps; what its threads do follows",
}


def dump(pid: int) -> str:
    """Have a child write the stacks of its threads to the error log, after a record that says whose they are.

    Returns:
        Its state, the letter of /proc/PID/stat.

    A handler in C does it (faulthandler), which needs neither the interpreter lock nor the main thread.
    """
    state = process_state(pid)
    logger.error("pid %d %s", pid, _STATES.get(state, f"is in state {state}"))
    try:
        os.kill(pid, DUMP_SIGNAL)
    except ProcessLookupError:
        pass
    return state
