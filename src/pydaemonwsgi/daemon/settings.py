"""What a daemon process has to know before it starts. Sans-I/O; plain values only, so that it can cross an exec."""

from dataclasses import dataclass, field

from pydaemonwsgi.system.identities import Identity
from pydaemonwsgi.telemetry.settings import TelemetrySettings

__all__ = ["DaemonSettings", "PythonSettings"]


@dataclass(frozen=True, slots=True)
class PythonSettings:
    """The interpreter of a daemon process; what differs from the supervisor's takes an exec.

    Attributes:
        home: root of a virtual environment or installation (`python-home`, WSGIPythonHome); None for the supervisor's.
        optimize: 1 for `-O`, 2 for `-OO` (WSGIPythonOptimize); None for the interpreter's default.
        dont_write_bytecode: `-B` (WSGIDontWriteBytecode).
        warnings: arguments of `-W`, in their order (WSGIPythonWarnings).
        hash_seed: PYTHONHASHSEED: `random` or a number (WSGIPythonHashSeed); None for that of the environment.
        free_threading: whether it goes without a GIL (WSGIFreeThreading); None for what PYTHON_GIL says, and for every
            build that has one for good, which refuses to start if it is told otherwise.
    """

    home: str | None = None
    optimize: int | None = None
    dont_write_bytecode: bool = False
    warnings: tuple[str, ...] = ()
    hash_seed: str | None = None
    free_threading: bool | None = None

    @property
    def is_inherited(self) -> bool:
        """Whether a fork of the supervisor has the right interpreter already."""
        return self == PythonSettings()


@dataclass(frozen=True, slots=True)
class DaemonSettings:
    """One daemon process's orders.

    Attributes:
        group: the name of its process group.
        script: absolute path of the script that requests are for which name none; None where there is none.
        module: dotted name of a module in its place, or None.
        callable_object: name of an application inside its script or module, where a request names none.
        threads: worker threads.
        processes: daemon processes in the group.
        multiprocess: value of `wsgi.multiprocess`.
        maximum_requests: after so many requests the process asks to be replaced; 0 for never.
        python_path: directories for `site.addsitedir`, put first on `sys.path`.
        working_directory: where to go before the script is loaded, and first on `sys.path`.
        identity: who to become; None to stay who it is.
        umask: file mode creation mask, or None to keep the supervisor's.
        reloading: whether a changed script replaces the process.
        reload_on_changes: whether every imported module is watched too.
        server_metrics: whether the application may ask what all processes of the server do.
        extended_status: whether each thread's requests are counted, because some process of the server may ask.
        debug: whether error pages show tracebacks, and a script that does not load replaces one that did.
        request_timeout: seconds that a request may run; 0 for any time.
        compat_request_timeout: `log` to scale it by 1 + ln(threads), as mod_wsgi does; else `exact`.
        interrupt_timeout: seconds that a request may go on after it has been interrupted; 0: none is interrupted.
        deadlock_timeout: seconds without a sign of life after which the supervisor kills the process; 0 for never.
        inactivity_timeout: seconds without a request after which the process is replaced; 0 for never.
        restart_interval: seconds of life after which it is replaced; 0 for never.
        eviction_timeout: seconds that requests get once the process was told by SIGUSR1 to go; 0: graceful_timeout.
        graceful_timeout: seconds that a stuck request may keep its client waiting; 0 for any time.
        shutdown_timeout: seconds that running requests get once the process must leave.
        log_level: level of the error log.
        display_name: what `ps` shows.
        cpu_priority: nice value; 0 to keep the supervisor's.
        chroot: directory that becomes the root; all other paths are as seen from inside. None for no such thing.
        cpu_time_limit: seconds of CPU time after which the process is replaced; 0 for no limit.
        memory_limit: bytes of private memory (RLIMIT_DATA); 0 for no limit.
        virtual_memory_limit: bytes of addresses (RLIMIT_AS); 0 for no limit.
        stack_size: bytes of each worker thread's stack; 0 for the platform's default.
        switch_interval: seconds after which a thread gives the interpreter to another; None for Python's default.
        lang: value of LANG, or None to keep the supervisor's.
        locale: value of LC_ALL and argument of setlocale, or None to keep the supervisor's.
        python_eggs: value of PYTHON_EGG_CACHE, or None.
        script_user: uid that must own the script and its directory, or None.
        script_group: gid that must own them, or None.
        python: the interpreter.
        application_group: whose applications it runs; "" is the main interpreter's, each other has processes, or
            sub-interpreters, of its own. None: that of the first request, because nobody can know it before.
        application_groups: `interpreters` if the process opens a sub-interpreter for each that it is told of.
        per_interpreter_gil: whether a sub-interpreter has a GIL of its own (WSGIPerInterpreterGIL).
        import_scripts: scripts to load before the first request, absolute paths (WSGIImportScript, WSGIScriptAlias).
        startup_timeout: seconds after which another process tries, if no script has loaded; 0 for never.
        destroy_interpreter: whether threads are joined and atexit functions run at the end (WSGIDestroyInterpreter).
        restrict_stdin: whether using `sys.stdin` raises OSError (WSGIRestrictStdin).
        restrict_stdout: the same of `sys.stdout` (WSGIRestrictStdout).
        restrict_signal: whether the application is kept from the signals by which the process is managed
            (WSGIRestrictSignal).
        slow_requests: seconds from which on a request is told to the collector as slow; 0 for never.
        telemetry: the collector; None where nobody collects.
    """

    group: str
    script: str | None
    module: str | None
    callable_object: str
    threads: int
    processes: int
    multiprocess: bool
    maximum_requests: int
    python_path: tuple[str, ...]
    working_directory: str | None
    identity: Identity | None
    umask: int | None
    reloading: bool
    reload_on_changes: bool
    debug: bool
    shutdown_timeout: float
    log_level: str
    display_name: str
    request_timeout: float = 0.0
    compat_request_timeout: str = "exact"
    interrupt_timeout: float = 0.0
    deadlock_timeout: float = 0.0
    inactivity_timeout: float = 0.0
    restart_interval: float = 0.0
    eviction_timeout: float = 0.0
    graceful_timeout: float = 0.0
    cpu_priority: int = 0
    chroot: str | None = None
    cpu_time_limit: float = 0.0
    memory_limit: int = 0
    virtual_memory_limit: int = 0
    stack_size: int = 0
    switch_interval: float | None = None
    lang: str | None = None
    locale: str | None = None
    python_eggs: str | None = None
    script_user: int | None = None
    script_group: int | None = None
    python: PythonSettings = field(default_factory=PythonSettings)
    application_group: str | None = ""
    application_groups: str = "processes"
    per_interpreter_gil: bool = False
    import_scripts: tuple[str, ...] = ()
    startup_timeout: float = 0.0
    destroy_interpreter: bool = True
    restrict_stdin: bool = False
    restrict_stdout: bool = False
    restrict_signal: bool = True
    slow_requests: float = 0.0
    telemetry: TelemetrySettings | None = None
    server_metrics: bool = False
    extended_status: bool = False
