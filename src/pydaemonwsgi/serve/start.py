"""Starting a server: what was asked for becomes logs, listeners and a plan for the supervisor. Shell."""

import contextlib
import gc
import logging
import os
from typing import Final

import pydaemonwsgi
from pydaemonwsgi.config.model import NOWHERE, Position
from pydaemonwsgi.config.options import ServeOptions
from pydaemonwsgi.errors import PydaemonwsgiError
from pydaemonwsgi.logs import setup_error_log
from pydaemonwsgi.serve.assembly import Assembly, draw
from pydaemonwsgi.serve.banner import banner
from pydaemonwsgi.serve.blueprint import Blueprint
from pydaemonwsgi.serve.control import make_control_socket
from pydaemonwsgi.serve.heritage import Heritage, take_heritage
from pydaemonwsgi.serve.listening import listen
from pydaemonwsgi.serve.logs import open_logs
from pydaemonwsgi.serve.refusals import Refusals
from pydaemonwsgi.supervisor.main import Supervisor
from pydaemonwsgi.supervisor.plan import Plan
from pydaemonwsgi.supervisor.upgrade import say_failed
from pydaemonwsgi.system import descriptors
from pydaemonwsgi.system.imports import read_modules
from pydaemonwsgi.system.pid_file import PidFile
from pydaemonwsgi.system.processes import directory_as_called
from pydaemonwsgi.system.sockets import number

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
    try:
        return _serve(options, heritage)
    except PydaemonwsgiError as error:
        if heritage.predecessor is not None:
            say_failed(heritage.predecessor, str(error))
        raise


def _serve(options: ServeOptions, heritage: Heritage) -> int:
    is_heir = heritage.predecessor is not None
    # A server that takes over from another one serves what that one served, or not at all.
    blueprint = draw(options, lenient=not is_heir)
    # Everything that can be refused has been; from here on the machine may refuse, with status 1.
    descriptors.raise_descriptor_limit()
    refusals = Refusals()
    with refusals.noting(_place_of_pid_file(options, blueprint), "PidFile"):
        pid_file = PidFile(blueprint.pid_file, heir=is_heir)
    opened = open_logs(blueprint, os.getcwd(), refusals)
    logs = opened.logs
    inherited = frozenset(number(heirloom.sock) for heirloom in heritage.listeners)
    listening = listen(blueprint, heritage.listeners, refusals, after_withdrawn=is_heir)
    try:
        refusals.raise_all()
    except PydaemonwsgiError:
        # What was there before is others' still.
        before = {heirloom.sock for heirloom in heritage.listeners}
        for listener in listening:
            if listener.sock not in before:
                listener.close()
        raise
    addresses = [listener.address for listener in listening]
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
    assembly = Assembly(options, blueprint, opened, listening)

    def announce() -> None:
        pid_file.write()
        path = control_socket.path if control_socket is not None else None
        text = banner(blueprint, addresses, path)
        with contextlib.suppress(OSError):  # nobody reads it: no reason not to serve
            os.write(logs.console, text.encode("utf-8", "replace"))

    startup_timeouts = [group.options.startup_timeout for group in blueprint.groups]
    supervisor = Supervisor(
        Plan(
            groups=assembly.groups,
            listeners=assembly.sockets,
            addresses=assembly.addresses,
            logs=logs,
            control_socket=control_socket,
            run_front=assembly.run_front,
            front_timeout=options.front_timeout,
            graceful_timeout=_longest([group.options.graceful_timeout for group in blueprint.groups], 15.0),
            on_ready=announce,
            notifier=heritage.notifier,
            predecessor=heritage.predecessor,
            inherited=inherited,
            heirlooms=assembly.heirlooms,
            directory=directory_as_called(),
            upgrade_timeout=_longest(startup_timeouts, 0.0) + _UPGRADE_MARGIN
            if all(startup_timeouts)
            else _UPGRADE_TIMEOUT,
            renew=None if options.config is None else assembly.renew,
        )
    )
    # What a child imports only once it has been forked: its code is that of this server, whatever is installed by then.
    read_modules((pydaemonwsgi.__name__,))
    # What is here now stays for ever, in every child as well: a collection there must not write to what is shared.
    gc.collect()
    gc.freeze()
    try:
        return supervisor.run()
    finally:
        pid_file.remove()
        # Where somebody else listens, clients look for him.
        for listener in assembly.listening:
            if not supervisor.has_left(str(listener.address)):
                listener.close()


def _place_of_pid_file(options: ServeOptions, blueprint: Blueprint) -> Position:
    written = blueprint.site is not None and options.pid_file is None
    return blueprint.site.main.where("PidFile") if written and blueprint.site is not None else NOWHERE


def _longest(timeouts: list[float], default: float) -> float:
    """Return the longest of them, of which 0 is none at all."""
    return 0.0 if 0.0 in timeouts else max(timeouts, default=default)


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
