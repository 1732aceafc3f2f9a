"""Ids and words that every room uses; the glossary. Imports nothing of ours.

process group      a name, N daemon processes, M threads each; the unit that is configured and recycled
application group  applications that share an interpreter; each of a process group has daemon processes of its own, or
                   a sub-interpreter in each of the process group's (application-groups= says which)
partition          the daemon processes of one application group of a process group
base               the partition whose processes are started with the server
daemon process     a process that runs the WSGI script in a pool of worker threads, as the run-as user
front              the process that owns every client connection and the queue
supervisor         the process that binds the listeners, forks, reaps and replaces; runs no user code
script             the file (or module) that holds the WSGI application
callable object    the name of the application inside the script
channel            the Unix stream socket between the front and one daemon process
stream             one request's life on a channel; ids grow by one and are never used twice
generation         counts up whenever a group's code is loaded anew on purpose
scoreboard         shared memory in which a daemon process notes the streams it has started
shutdown reason    why a daemon process was asked to leave
"""

import signal
from enum import Enum, IntEnum
from typing import Final

__all__ = ["DUMP_SIGNAL", "LARGEST_GROUP", "ProcessRole", "ShutdownReason", "StartFailure"]

# On this signal a child writes the stacks of its threads to the error log, whatever it is doing.
DUMP_SIGNAL: Final = signal.SIGQUIT
# So many daemon processes a process group has at most; more are a slip of the pen, for which a machine has no memory.
LARGEST_GROUP: Final = 1024


class ProcessRole(Enum):
    """Which of the three kinds of process this is."""

    SUPERVISOR = "supervisor"
    FRONT = "front"
    DAEMON = "daemon"


class ShutdownReason(Enum):
    """Why a daemon process leaves; mod_wsgi's words; scale_down and maximum_memory it does not know."""

    SHUTDOWN_SIGNAL = "shutdown_signal"
    GRACEFUL_SIGNAL = "graceful_signal"
    MAXIMUM_REQUESTS = "maximum_requests"
    SCRIPT_RELOAD = "script_reload"
    STARTUP_TIMEOUT = "startup_timeout"
    SCALE_DOWN = "scale_down"
    EVICTION_SIGNAL = "eviction_signal"
    RESTART_INTERVAL = "restart_interval"
    INACTIVITY_TIMEOUT = "inactivity_timeout"
    REQUEST_TIMEOUT = "request_timeout"
    DEADLOCK_TIMEOUT = "deadlock_timeout"
    CPU_TIME_LIMIT = "cpu_time_limit"
    MAXIMUM_MEMORY = "maximum_memory"


class StartFailure(IntEnum):
    """Exit statuses of a child that the machine does not let be what it was told to be: trying again is of no use.

    EX_NOPERM, EX_CONFIG (sysexits.h) and what follows them; far from 1 and 2 (Python, our own) and from 128+n.
    """

    CREDENTIALS = 77
    DIRECTORY = 78
    PRIORITY = 79
    CHROOT = 80
    LIMIT = 81
    THREADS = 82
    INTERPRETER = 83
