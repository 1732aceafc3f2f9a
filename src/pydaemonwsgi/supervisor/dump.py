"""Makes a child that answers nothing say where its threads are. Shell."""

import logging
import os
from typing import Final

from pydaemonwsgi.system.processes import process_state, signal_thread
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


def dump(pid: int, thread: int = 0, application_group: str = "") -> str:
    """Have a child write the stacks of its threads to the error log, after a record that says whose they are.

    Args:
        pid: the child's.
        thread: id of one of its threads in the sub-interpreter whose stacks are wanted; 0 for the main interpreter's.
        application_group: of the sub-interpreter.

    Returns:
        Its state, the letter of /proc/PID/stat.

    A handler in C does it (faulthandler), which needs neither the interpreter lock nor the main thread. It writes the
    stacks of the interpreter that the thread is in which the signal interrupts.
    """
    state = process_state(pid)
    whose = f", application group {application_group}," if thread else ""
    logger.error("pid %d%s %s", pid, whose, _STATES.get(state, f"is in state {state}"))
    try:
        if thread:
            signal_thread(pid, thread, DUMP_SIGNAL)
        else:
            os.kill(pid, DUMP_SIGNAL)
    except ProcessLookupError:
        pass
    return state
