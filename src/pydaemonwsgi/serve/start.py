"""Starting a server: what was asked for becomes logs, listeners and a plan for the supervisor. Shell."""

import contextlib
import dataclasses
import functools
import logging
import os
import socket
from typing import Final

from pydaemonwsgi.config.options import ServeOptions
from pydaemonwsgi.logs import setup_error_log
from pydaemonwsgi.serve import single_script, site
from pydaemonwsgi.serve.banner import banner
from pydaemonwsgi.serve.blueprint import Blueprint, GroupBlueprint
from pydaemonwsgi.serve.control import make_control_socket
from pydaemonwsgi.serve.heritage import take_heritage
from pydaemonwsgi.serve.listening import listen
from pydaemonwsgi.serve.logs import open_logs
from pydaemonwsgi.serve.orders import front_options
from pydaemonwsgi.serve.partitions import fits_base, partition_of
from pydaemonwsgi.supervisor.main import Supervisor
from pydaemonwsgi.supervisor.plan import Division as PlannedDivision
from pydaemonwsgi.supervisor.plan import GroupPlan, Plan
from pydaemonwsgi.supervisor.preloading import PreloadedGroup
from pydaemonwsgi.supervisor.rollover import Group, Timeouts
from pydaemonwsgi.supervisor.service import ServiceGroup
from pydaemonwsgi.supervisor.upgrade import FOREIGN, LISTENER
from pydaemonwsgi.system import descriptors
from pydaemonwsgi.system.limits import cpu_limits
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
        ConfigurationError: the options or the configuration cannot be obeyed.
        StartError: the machine refuses something.
    """
    heritage = take_heritage(os.environ)
    blueprint = single_script.draw(options) if options.config is None else site.draw(options)
    pid_file = PidFile(blueprint.pid_file, heir=heritage.predecessor is not None)
    # Everything that can be refused has been; from here on the machine may refuse, with status 1.
    descriptors.raise_descriptor_limit()
    opened = open_logs(blueprint, os.getcwd())
    logs = opened.logs
    listening = listen(blueprint, heritage.listeners)
    addresses = [listener.address for listener in listening]
    listeners = [listener.sock for listener in listening]
    control_socket, control_problem = heritage.control_socket, ""
    if heritage.predecessor is None:
        control_socket, control_problem = make_control_socket(options.control_socket, blueprint.name, addresses)
    logs.redirect()
    setup_error_log(blueprint.log_level, label="supervisor")
    for text in blueprint.notes:
        logger.info("%s", text)
    for text in (*blueprint.warnings, *_backlog_warnings(blueprint)):
        logger.warning("%s", text)
    if control_problem:
        logger.warning("%s; pydaemonwsgi status, reload and the other commands do not work", control_problem)
    for_front = front_options(blueprint, opened)

    def announce() -> None:
        pid_file.write()
        path = control_socket.path if control_socket is not None else None
        text = banner(blueprint, addresses, path)
        with contextlib.suppress(OSError):  # nobody reads it: no reason not to serve
            os.write(logs.console, text.encode("utf-8", "replace"))

    def run_front(control: socket.socket, heartbeat: memoryview) -> int:
        # Imported in the child only: the supervisor holds no HTTP code.
        from pydaemonwsgi.front import main as front_main  # noqa: PLC0415

        return front_main.run(for_front, listeners, control, blueprint.identity, blueprint.log_level, heartbeat)

    stored = tuple(one.sock.fileno() for one in listening if one.ours) if heritage.notifier else ()
    startup_timeouts = [group.options.startup_timeout for group in blueprint.groups]
    supervisor = Supervisor(
        Plan(
            groups=tuple(_group_plan(group, opened.of_group(group)) for group in blueprint.groups),
            listeners=listeners,
            addresses=tuple(map(str, addresses)),
            logs=logs,
            control_socket=control_socket,
            run_front=run_front,
            front_timeout=options.front_timeout,
            graceful_timeout=_longest([group.options.graceful_timeout for group in blueprint.groups], 15.0),
            on_ready=announce,
            notifier=heritage.notifier,
            predecessor=heritage.predecessor,
            stored=stored,
            heirlooms=tuple((LISTENER if one.ours else FOREIGN, one.sock.fileno()) for one in listening),
            directory=directory_as_called(),
            upgrade_timeout=_longest(startup_timeouts, 0.0) + _UPGRADE_MARGIN
            if all(startup_timeouts)
            else _UPGRADE_TIMEOUT,
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


def _group_plan(blueprint: GroupBlueprint, error_log: int) -> GroupPlan:
    """Return the plan of a process group's own processes, and how it is divided."""
    division = blueprint.division
    if division is None:
        return _plan_of(blueprint, error_log)

    def plan(application_group: str) -> GroupPlan:
        return _plan_of(partition_of(blueprint, application_group), error_log, blueprint.name)

    def bound(application_group: str) -> GroupPlan:
        # An unbound base becomes the application group's that is wanted first; every other is a partition.
        return _plan_of(partition_of(blueprint, application_group, base=True), error_log, blueprint.name)

    return dataclasses.replace(
        _plan_of(partition_of(blueprint, division.base, base=True), error_log),
        division=PlannedDivision(
            division.base, division.early, division.limit, functools.partial(fits_base, blueprint), plan, bound
        ),
    )


def _plan_of(group: GroupBlueprint, error_log: int, process_group: str = "") -> GroupPlan:
    options, settings = group.options, group.settings
    planner = ServiceGroup if not options.threads else PreloadedGroup if options.preload else Group
    timeouts = Timeouts(
        startup=options.startup_timeout,
        graceful=options.graceful_timeout,
        shutdown=options.shutdown_timeout,
        eviction=options.eviction_timeout,
        deadlock=options.deadlock_timeout,
    )

    def script_version() -> int:
        return max((_version(script) for script in group.scripts), default=0)

    def run_daemon(control: socket.socket, board: int) -> int:
        from pydaemonwsgi.daemon import main as daemon_main  # noqa: PLC0415

        return daemon_main.run(settings, control, board)

    def run_parent(control: socket.socket) -> int:
        from pydaemonwsgi.daemon import preload  # noqa: PLC0415

        return preload.run(settings, control)

    return GroupPlan(
        planner(group.name, options.process_count, timeouts, debug=options.debug),
        options.threads,
        run_daemon,
        script_version,
        channel_buffers=(options.send_buffer_size, options.receive_buffer_size),
        maximum_memory=options.maximum_memory,
        cpu_time=max(cpu_limits(options.cpu_time_limit, options.shutdown_timeout)),
        run_parent=run_parent,
        error_log=error_log,
        process_group=process_group,
        application_group=settings.application_group,
    )


def _longest(timeouts: list[float], default: float) -> float:
    """Return the longest of them, of which 0 is none at all."""
    return 0.0 if 0.0 in timeouts else max(timeouts, default=default)


def _version(script: str) -> int:
    try:
        return os.stat(script).st_mtime_ns
    except OSError:
        return 0


def _backlog_warnings(blueprint: Blueprint) -> list[str]:
    try:
        with open("/proc/sys/net/core/somaxconn", encoding="ascii") as file:
            largest = int(file.read())
    except (OSError, ValueError):
        return []
    wanted = blueprint.clients.listen_backlog
    if wanted <= largest:
        return []
    return [f"--listen-backlog {wanted} is cut to {largest} by the kernel; raise net.core.somaxconn"]
