"""A process group's blueprint as the supervisor carries it out. Shell: what it makes forks and looks at files."""

import dataclasses
import functools
import os
import socket

# Here and not in the child: so a server goes on with the code that it was started with when another version is
# installed, its children share the memory, and a replacement does not wait for imports.
from pydaemonwsgi.daemon import main as daemon_main
from pydaemonwsgi.daemon import orders, preload
from pydaemonwsgi.serve.blueprint import GroupBlueprint
from pydaemonwsgi.serve.partitions import fits_base, partition_of
from pydaemonwsgi.supervisor.plan import Division, GroupPlan
from pydaemonwsgi.supervisor.preloading import PreloadedGroup
from pydaemonwsgi.supervisor.rollover import Group, Timeouts
from pydaemonwsgi.supervisor.service import ServiceGroup
from pydaemonwsgi.system.limits import cpu_limits

__all__ = ["group_plan"]


def group_plan(blueprint: GroupBlueprint, error_log: int) -> GroupPlan:
    """Return the plan of a process group's own processes, and how it is divided."""
    division = blueprint.division
    if division is None:
        return _plan_of(blueprint, error_log)

    def plan(application_group: str) -> GroupPlan:
        own = partition_of(blueprint, application_group)
        result = _plan_of(own, error_log, blueprint.name)
        return dataclasses.replace(result, interpreter=orders.encode(own.settings)) if division.together else result

    def bound(application_group: str) -> GroupPlan:
        # An unbound base becomes the application group's that is wanted first; every other is a partition.
        return _plan_of(partition_of(blueprint, application_group, base=True), error_log, blueprint.name)

    return dataclasses.replace(
        _plan_of(partition_of(blueprint, division.base, base=True), error_log),
        division=Division(
            division.base,
            division.early,
            division.limit,
            functools.partial(fits_base, blueprint),
            plan,
            bound,
            division.together,
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
        return daemon_main.run(settings, control, board)

    def run_parent(control: socket.socket) -> int:
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
        server_metrics=options.server_metrics,
        process_group=process_group,
        application_group=settings.application_group,
    )


def _version(script: str) -> int:
    try:
        return os.stat(script).st_mtime_ns
    except OSError:
        return 0
