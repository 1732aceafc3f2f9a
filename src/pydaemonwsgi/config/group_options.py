"""What a process group may be told: the options of `WSGIDaemonProcess`. Sans-I/O.

A field here is an option of every process group: the flag of `pydaemonwsgi serve` (`queue_timeout` is
`--queue-timeout`) and the option of `WSGIDaemonProcess` (`queue-timeout=`). Names and defaults are mod_wsgi's; a
comment says why where the default differs.
"""

from dataclasses import dataclass

from pydaemonwsgi.config import values
from pydaemonwsgi.config.option import option, timeout

__all__ = ["GroupOptions"]

_MIB = 1 << 20
_LARGEST_SIZE = (1 << 63) - 1


@dataclass(frozen=True, kw_only=True)
class GroupOptions:
    """One process group, but for its name."""

    python_path: tuple[str, ...] = option(
        (),
        "Directory to search for modules before the others.",
        values.directories(),
        heading="Application",
        unset="none",
        repeatable=True,
    )
    debug: bool = option(
        False,
        "Show tracebacks of the application in the browser; for development only.",
        heading="Application",
    )
    processes: int | None = option(
        None,
        "Daemon processes in the process group; if given, even as 1, wsgi.multiprocess is true.",
        values.whole_number(1),
        heading="Processes",
        unset="1, and wsgi.multiprocess is false",
    )
    # mod_wsgi's own default; mod_wsgi-express has 5.
    threads: int = option(
        15, "Worker threads in each daemon process.", values.whole_number(1, 65534), heading="Processes"
    )
    queue_size: int = option(
        1000,
        "Requests that wait for a worker thread at the same time; more are answered with 503.",
        values.whole_number(1),
        heading="Processes",
        unit="requests",
    )
    maximum_requests: int = option(
        0,
        "Requests after which a daemon process is replaced by a fresh one.",
        values.whole_number(0),
        heading="Processes",
        unit="requests",
        zero="never",
    )
    user: str | None = option(
        None,
        "User as whom the daemon processes run, when started as root.",
        values.account_name(),
        heading="Identity",
        unset="the user who starts the server",
    )
    group: str | None = option(
        None,
        "Group as which the daemon processes run, when started as root.",
        values.account_name(),
        heading="Identity",
        unset="the user's own group",
    )
    supplementary_groups: tuple[str, ...] | None = option(
        None,
        "The only further groups of the daemon processes, when started as root.",
        values.account_names(),
        heading="Identity",
        unset="those of the user",
    )
    umask: int | None = option(
        None,
        "Permissions that files created by the application do not get, in octal.",
        values.octal_mask(),
        heading="Identity",
        unset="inherited",
    )
    reload_on_changes: bool = option(
        False, "Load the application anew when any module of it has changed.", heading="Reloading"
    )
    disable_reloading: bool = option(
        False, "Do not look whether the script has changed before each request.", heading="Reloading"
    )
    socket_timeout: float = timeout(60.0, "Time for which a client may take nothing of its response.")
    queue_timeout: float = timeout(45.0, "Time for which a request may wait for a worker thread before it is refused.")
    graceful_timeout: float = timeout(15.0, "Time for running requests to end before a daemon process is told to stop.")
    shutdown_timeout: float = timeout(5.0, "Time for a daemon process to stop before it is killed.")
    # 15 s in mod_wsgi-express; large applications on a cold disk need more.
    startup_timeout: float = timeout(60.0, "Time for a daemon process to load the script.")
    response_buffer_size: int = option(
        _MIB,
        "Part of a response that is kept in memory for a slow client; a larger one goes to a spool file.",
        values.size(1, _LARGEST_SIZE),
        heading="Buffers",
    )

    @property
    def process_count(self) -> int:
        """How many daemon processes to run; whether the number was given is `processes is not None`."""
        return self.processes or 1
