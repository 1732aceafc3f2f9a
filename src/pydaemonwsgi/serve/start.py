"""Starting a server: what was asked for becomes logs, listeners and a plan for the supervisor. Shell."""

import contextlib
import logging
import os
import socket
from typing import Final

from pydaemonwsgi.config.options import ServeOptions
from pydaemonwsgi.logs import setup_error_log
from pydaemonwsgi.serve.banner import banner
from pydaemonwsgi.serve.control import make_control_socket
from pydaemonwsgi.serve.heritage import take_heritage
from pydaemonwsgi.serve.listening import listen
from pydaemonwsgi.serve.orders import daemon_settings, front_options
from pydaemonwsgi.serve.preflight import check
from pydaemonwsgi.serve.warnings import warn
from pydaemonwsgi.supervisor.logs import LogFiles
from pydaemonwsgi.supervisor.main import Supervisor
from pydaemonwsgi.supervisor.plan import GroupPlan, Plan
from pydaemonwsgi.supervisor.preloading import PreloadedGroup
from pydaemonwsgi.supervisor.rollover import Group, Timeouts
from pydaemonwsgi.supervisor.service import ServiceGroup
from pydaemonwsgi.supervisor.upgrade import FOREIGN, LISTENER
from pydaemonwsgi.system import descriptors
from pydaemonwsgi.system.pid_file import PidFile
from pydaemonwsgi.system.processes import directory_as_called

__all__ = ["serve"]

logger = logging.getLogger("pydaemonwsgi.supervisor")

# Seconds that a new supervisor has to become ready: those of its script, and some for everything else.
_UPGRADE_MARGIN: Final = 15.0
_UPGRADE_TIMEOUT: Final = 300.0


def serve(options: ServeOptions) -> int:
    """Serve until told to stop; return the exit status.

    Raises:
        ConfigurationError: the options cannot be obeyed.
        StartError: the machine refuses something.
    """
    heritage = take_heritage(os.environ)
    checked = check(options)
    identity = checked.identity
    pid_file = PidFile(options.pid_file, heir=heritage.predecessor is not None)
    # Everything that can be refused has been; from here on the machine may refuse, with status 1.
    error_log = descriptors.open_log(options.error_log) if options.error_log else None
    access_log = _open_access_log(options)
    descriptors.raise_descriptor_limit()
    listening = listen(options, identity, heritage.listeners)
    addresses = [listener.address for listener in listening]
    listeners = [listener.sock for listener in listening]
    control_socket, control_problem = heritage.control_socket, ""
    if heritage.predecessor is None:
        control_socket, control_problem = make_control_socket(options, addresses)
    if error_log is not None:
        banner_to = os.dup(2)
        descriptors.redirect_standard_streams(error_log)
        os.close(error_log)
    else:
        banner_to = 2
        descriptors.redirect_standard_streams(2)
    setup_error_log(options.log_level, label="supervisor")
    warn(options, checked)
    if control_problem:
        logger.warning("%s; pydaemonwsgi status, reload and the other commands do not work", control_problem)
    for_front = front_options(options)
    for_daemons = daemon_settings(options, checked)
    planner = ServiceGroup if not options.threads else PreloadedGroup if options.preload else Group
    group = planner(
        options.group_name,
        options.process_count,
        Timeouts(
            startup=options.startup_timeout,
            graceful=options.graceful_timeout,
            shutdown=options.shutdown_timeout,
            eviction=options.eviction_timeout,
            deadlock=options.deadlock_timeout,
        ),
        debug=options.debug,
    )

    def announce() -> None:
        pid_file.write()
        path = control_socket.path if control_socket is not None else None
        text = banner(options, addresses, identity, path)
        with contextlib.suppress(OSError):  # nobody reads it: no reason not to serve
            os.write(banner_to, text.encode("utf-8", "replace"))

    def script_version() -> int:
        try:
            return 0 if checked.script.path is None else os.stat(checked.script.path).st_mtime_ns
        except OSError:
            return 0

    def run_front(control: socket.socket, heartbeat: memoryview) -> int:
        # Imported in the child only: the supervisor holds no HTTP code.
        from pydaemonwsgi.front import main as front_main  # noqa: PLC0415

        return front_main.run(for_front, listeners, control, access_log, identity, options.log_level, heartbeat)

    def run_daemon(control: socket.socket, board: int) -> int:
        from pydaemonwsgi.daemon import main as daemon_main  # noqa: PLC0415

        return daemon_main.run(for_daemons, control, board)

    def run_parent(control: socket.socket) -> int:
        from pydaemonwsgi.daemon import preload  # noqa: PLC0415

        return preload.run(for_daemons, control)

    stored = tuple(one.sock.fileno() for one in listening if one.ours) if heritage.notifier else ()
    supervisor = Supervisor(
        Plan(
            groups=(
                GroupPlan(
                    group,
                    options.threads,
                    run_daemon,
                    script_version,
                    channel_buffers=(options.send_buffer_size, options.receive_buffer_size),
                    maximum_memory=options.maximum_memory,
                    run_parent=run_parent,
                ),
            ),
            listeners=listeners,
            addresses=tuple(map(str, addresses)),
            logs=LogFiles(
                error_log=_absolute(options.error_log),
                access_log=_absolute(options.access_log) if options.access_log != "-" else None,
                access_descriptor=-1 if access_log is None else access_log,
            ),
            control_socket=control_socket,
            run_front=run_front,
            front_timeout=options.front_timeout,
            graceful_timeout=options.graceful_timeout,
            on_ready=announce,
            notifier=heritage.notifier,
            predecessor=heritage.predecessor,
            stored=stored,
            heirlooms=tuple((LISTENER if one.ours else FOREIGN, one.sock.fileno()) for one in listening),
            directory=directory_as_called(),
            upgrade_timeout=options.startup_timeout + _UPGRADE_MARGIN if options.startup_timeout else _UPGRADE_TIMEOUT,
        )
    )
    try:
        return supervisor.run()
    finally:
        pid_file.remove()
        # What the service manager keeps for our successor must stay where clients look for it.
        for listener in listening if supervisor.owns_files and not stored else ():
            if listener.address.path is not None and listener.ours:
                try:
                    os.unlink(listener.address.path)
                except OSError as error:
                    logger.debug("cannot remove %s: %s", listener.address.path, error)


def _absolute(path: str | None) -> str | None:
    return None if path is None else os.path.abspath(path)


def _open_access_log(options: ServeOptions) -> int | None:
    if options.access_log is None:
        return None
    return os.dup(1) if options.access_log == "-" else descriptors.open_log(options.access_log)
