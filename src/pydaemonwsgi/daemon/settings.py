"""What a daemon process has to know before it starts. Sans-I/O; plain values only, so that it can cross an exec."""

from dataclasses import dataclass

from pydaemonwsgi.system.identities import Identity

__all__ = ["DaemonSettings"]


@dataclass(frozen=True, slots=True)
class DaemonSettings:
    """One daemon process's orders.

    Attributes:
        group: the name of its process group.
        script: absolute path of the WSGI script, or None where `module` is given.
        module: dotted name of the module that holds the application.
        callable_object: name of the application inside the script or module.
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
        debug: whether error pages show tracebacks, and a script that does not load replaces one that did.
        shutdown_timeout: seconds that running requests get once the process must leave.
        log_level: level of the error log.
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
