"""What a process group may be told: the options of `WSGIDaemonProcess`. Sans-I/O.

A field here is an option of every process group: the flag of `pydaemonwsgi serve` (`queue_timeout` is
`--queue-timeout`) and the option of `WSGIDaemonProcess` (`queue-timeout=`). Names and defaults are mod_wsgi's; a
comment says why where the default differs.
"""

from dataclasses import dataclass

from pydaemonwsgi.config import values
from pydaemonwsgi.config.option import option, timeout
from pydaemonwsgi.vocabulary import LARGEST_GROUP

__all__ = ["GroupOptions"]

_KIB = 1 << 10
_MIB = 1 << 20
# Less holds no Python; who writes 512 for 512M hears of it at once.
_LEAST_MEMORY = 16 * _MIB
_LARGEST_SIZE = (1 << 63) - 1


@dataclass(frozen=True, kw_only=True)
class GroupOptions:
    """One process group, but for its name."""

    home: str | None = option(
        None,
        "Directory in which the daemon processes run; it also comes first in sys.path.",
        values.absolute_directory(),
        heading="Environment",
        unset="--working-directory",
    )
    python_path: tuple[str, ...] = option(
        (),
        "Directory to search for modules before the others.",
        values.directories(),
        heading="Environment",
        unset="none",
        repeatable=True,
    )
    python_eggs: str | None = option(
        None,
        "Directory for unpacked Python eggs, as PYTHON_EGG_CACHE.",
        values.file_name("a directory", metavar="DIRECTORY"),
        heading="Environment",
        unset="none",
    )
    lang: str | None = option(
        None,
        "Value of LANG in the application's environment.",
        values.locale_name(),
        heading="Environment",
        unset="inherited",
    )
    locale: str | None = option(
        None,
        "Locale of the daemon processes, and value of LC_ALL.",
        values.locale_name(),
        heading="Environment",
        unset="inherited",
    )
    python_home: str | None = option(
        None,
        "Virtual environment, or installation of Python 3.10 or newer, whose interpreter runs the daemon processes.",
        values.file_name("a directory", metavar="DIRECTORY", standard_stream=False),
        heading="Environment",
        unset="the server's own",
    )
    preload: bool = option(
        False,
        "Load the script once, in a parent process that then forks the daemon processes.",
        heading="Processes",
    )
    debug: bool = option(
        False,
        "Show tracebacks of the application in the browser; for development only.",
        heading="Application",
    )
    processes: int | None = option(
        None,
        "Daemon processes in the process group; if given, even as 1, wsgi.multiprocess is true.",
        values.whole_number(1, LARGEST_GROUP),
        heading="Processes",
        unset="1, and wsgi.multiprocess is false",
    )
    # mod_wsgi's own default; mod_wsgi-express has 5.
    threads: int = option(
        15,
        "Worker threads in each daemon process.",
        values.whole_number(0, 65534),
        heading="Processes",
        zero="the script is a service: it runs on the main thread, and takes no requests",
    )
    queue_size: int = option(
        1000,
        "Requests that wait for a worker thread at the same time; more are answered with 503.",
        values.whole_number(1),
        heading="Processes",
        unit="requests",
    )
    # mod_wsgi has sub-interpreters only; docs/design/application-groups.md says what speaks for which.
    application_groups: str = option(
        values.AUTO,
        "Whether each application group has daemon processes of its own, or a sub-interpreter in each of the process "
        "group's (Python 3.13 or newer); `auto`: the latter where there can be several and its Python has them.",
        values.choice(values.AUTO, values.PROCESSES, values.INTERPRETERS),
        heading="Processes",
    )
    # mod_wsgi has no such limit; each is as many processes again, and clients may choose names (%{HOST}).
    maximum_application_groups: int = option(
        32,
        "Application groups that a process group may have at the same time.",
        values.whole_number(1, 10_000),
        heading="Processes",
    )
    maximum_requests: int = option(
        0,
        "Requests after which a daemon process is replaced by a fresh one.",
        values.whole_number(0),
        heading="Processes",
        unit="requests",
        zero="never",
    )
    # httpd's own name in mod_wsgi; a title that says what the process is helps more.
    display_name: str = option(
        values.GROUP_TITLE,
        "Title of the daemon processes in ps; %{GROUP} alone stands for (wsgi:NAME) with the process group's name.",
        values.process_title(),
        heading="Processes",
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
    chroot: str | None = option(
        None,
        "Directory that becomes the root of the daemon processes; only root can. Paths are given as seen from outside.",
        values.absolute_directory(),
        heading="Identity",
        unset="none",
    )
    script_user: str | None = option(
        None,
        "User who must own the script and its directory, and alone may write there; otherwise requests get 403.",
        values.account_name(),
        heading="Identity",
        unset="anybody",
    )
    script_group: str | None = option(
        None,
        "Group that must own the script and its directory, which others may not write to; otherwise requests get 403.",
        values.account_name(),
        heading="Identity",
        unset="any",
    )
    cpu_time_limit: float = option(
        0.0,
        "CPU time after which a daemon process is replaced by a fresh one; one that cannot be is killed soon after.",
        values.duration(whole=True),
        heading="Resources",
        zero="no limit",
    )
    cpu_priority: int = option(
        0,
        "Nice value of the daemon processes: 20 yields to everybody; below 0 needs root.",
        values.whole_number(-20, 20),
        heading="Resources",
        zero="inherited",
    )
    memory_limit: int = option(
        0,
        "Private memory that a daemon process may have (RLIMIT_DATA); beyond it the application gets MemoryError.",
        values.size(_LEAST_MEMORY, _LARGEST_SIZE, or_zero=True),
        heading="Resources",
        zero="no limit",
    )
    virtual_memory_limit: int = option(
        0,
        "Addresses that a daemon process may have (RLIMIT_AS), used or not; thread stacks and mapped files count.",
        values.size(_LEAST_MEMORY, _LARGEST_SIZE, or_zero=True),
        heading="Resources",
        zero="no limit",
    )
    # mod_wsgi has none; gunicorn and uWSGI users miss it.
    maximum_memory: int = option(
        0,
        "Resident memory beyond which a daemon process is replaced by a fresh one, after its requests have ended.",
        values.size(_LEAST_MEMORY, _LARGEST_SIZE, or_zero=True),
        heading="Resources",
        zero="no limit",
    )
    stack_size: int = option(
        0,
        "Stack of each worker thread.",
        # What Python allows at least, and more than any thread can fill.
        values.size(32 * _KIB, 1 << 30, or_zero=True),
        heading="Resources",
        zero="the platform's, most often 8M",
    )
    switch_interval: float | None = option(
        None,
        "Time after which a thread lets another run Python.",
        values.duration(shortest=0.0001),
        heading="Resources",
        unset="Python's, 5ms",
    )
    server_metrics: bool = option(
        False,
        "Let the application ask what every process of the server does, and for whom: mod_wsgi.server_metrics().",
        heading="Control",
    )
    reload_on_changes: bool = option(
        False, "Load the application anew when any module of it has changed.", heading="Reloading"
    )
    disable_reloading: bool = option(
        False, "Do not look whether the script has changed before each request.", heading="Reloading"
    )
    socket_timeout: float = timeout(60.0, "Time for which a client may take nothing of its response.")
    queue_timeout: float = timeout(45.0, "Time for which a request may wait for a worker thread before it is refused.")
    # 15 s in mod_wsgi, where a process is there before it has loaded a script; here it is not, and some load long.
    connect_timeout: float = timeout(
        0.0,
        "Time for which a request may find no daemon process at all before it is answered with 503.",
        zero="as long as --queue-timeout",
    )
    response_socket_timeout: float = timeout(
        0.0, "Time for which a client may take nothing of its response.", zero="that of --socket-timeout"
    )
    # mod_wsgi has none; mod_wsgi-express, and advice from the field, 60 s.
    request_timeout: float = timeout(
        60.0, "Time that a request may run before it counts as stuck: it is logged, and its process replaced."
    )
    slow_requests: float = timeout(
        0.0, "Time from which on a request that waited and ran for so long is logged as slow.", zero="none is logged"
    )
    compat_request_timeout: str = option(
        "exact",
        "Whether --request-timeout is exact, or scaled by 1 + ln(threads) as by mod_wsgi.",
        values.choice("exact", "log"),
        heading="Timeouts",
    )
    interrupt_timeout: float = timeout(
        0.0,
        "Time for a stuck request to end after RequestTimeout was raised in it; only then is its process replaced.",
        zero="no request is interrupted",
    )
    # 300 s in mod_wsgi, 60 s in mod_wsgi-express: a process that holds the interpreter lock serves nobody.
    deadlock_timeout: float = timeout(
        60.0, "Time for which a daemon process may give no sign of life before it is killed and replaced."
    )
    inactivity_timeout: float = timeout(
        0.0,
        "Time without any request after which a daemon process is replaced by a fresh one.",
        zero="never",
    )
    restart_interval: float = timeout(
        0.0,
        "Age at which a daemon process is replaced by a fresh one; each is replaced up to a tenth earlier.",
        zero="never",
    )
    eviction_timeout: float = timeout(
        0.0,
        "Time for running requests to end after SIGUSR1 to their daemon process.",
        zero="that of --graceful-timeout",
    )
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
    header_buffer_size: int = option(
        0,
        "Longest header line of a response, name and value together; a longer one is answered with 500.",
        # mod_wsgi's minimum; and a frame holds a whole head (channel.frames.MAXIMUM_PAYLOAD).
        values.size(8 * _KIB, 2 * _MIB, or_zero=True),
        heading="Buffers",
        zero="32k",
    )
    send_buffer_size: int = option(
        0,
        "Kernel's buffer for what is sent between the front and a daemon process (SO_SNDBUF).",
        values.size(512, 1 << 30, or_zero=True),
        heading="Buffers",
        zero="1M, or what the kernel allows",
    )
    receive_buffer_size: int = option(
        0,
        "Kernel's buffer for what is received between the front and a daemon process (SO_RCVBUF).",
        values.size(512, 1 << 30, or_zero=True),
        heading="Buffers",
        zero="1M, or what the kernel allows",
    )

    @property
    def process_count(self) -> int:
        """How many daemon processes to run; whether the number was given is `processes is not None`."""
        return self.processes or 1
