"""A daemon process from fork to exit: become the user, load the script, run the pool, obey the supervisor. Shell.

The main thread becomes the monitor. Requests run in the pool's threads.
"""

import gc
import logging
import os
import random
import signal
import socket
import threading
import time

from pydaemonwsgi.channel.control import Word
from pydaemonwsgi.daemon.adapter import Adapter
from pydaemonwsgi.daemon.applications import Applications
from pydaemonwsgi.daemon.becoming import become, introduce
from pydaemonwsgi.daemon.control import ControlConnection
from pydaemonwsgi.daemon.departure import depart
from pydaemonwsgi.daemon.ending import end_interpreter
from pydaemonwsgi.daemon.environ import EnvironBuilder
from pydaemonwsgi.daemon.file_wrapper import FileWrapper
from pydaemonwsgi.daemon.fork_refusal import refuse_forks
from pydaemonwsgi.daemon.frames import confine_frames
from pydaemonwsgi.daemon.hosting import Hosting, host_for
from pydaemonwsgi.daemon.interpreter import restore_standard_descriptors
from pydaemonwsgi.daemon.interruption import async_raiser
from pydaemonwsgi.daemon.ledger import Ledger
from pydaemonwsgi.daemon.loading import Workplace, load, prepare
from pydaemonwsgi.daemon.monitor import Monitor
from pydaemonwsgi.daemon.pool import Pool
from pydaemonwsgi.daemon.recycling import RequestLimit, jittered_interval, jittered_limit
from pydaemonwsgi.daemon.retirement import Retirement
from pydaemonwsgi.daemon.service import run_service
from pydaemonwsgi.daemon.settings import DaemonSettings
from pydaemonwsgi.daemon.signals import SignalInbox, Signals
from pydaemonwsgi.daemon.telemetry import telemetry_for
from pydaemonwsgi.daemon.timekeeper import Timekeeper
from pydaemonwsgi.daemon.timers import Limits, Timers, request_limit
from pydaemonwsgi.daemon.waker import Waker
from pydaemonwsgi.metrics.scoreboard import ExtendedScoreboard, Scoreboard, scoreboard_size
from pydaemonwsgi.system.memory import map_shared
from pydaemonwsgi.system.processes import die_with_parent
from pydaemonwsgi.vocabulary import StartFailure

__all__ = ["attend", "go_on", "run", "serve"]

logger = logging.getLogger(__name__)


def run(settings: DaemonSettings, control_socket: socket.socket, board: int) -> int:
    """Be a daemon process; return its exit status. Called in a fresh child with only its own descriptors open.

    Args:
        settings: the orders.
        control_socket: connection to the supervisor.
        board: descriptor of the scoreboard's memory, shared with supervisor and front.
    """
    introduce(settings, settings.display_name)
    if status := become(settings):
        return status
    if not settings.python.is_inherited:
        return depart(settings, "daemon", control_socket.fileno(), board)
    return go_on(settings, control_socket, board)


def go_on(settings: DaemonSettings, control_socket: socket.socket, board: int) -> int:
    """Load the script and serve; return the exit status. The process is who and where it should be."""
    if not settings.threads:
        os.close(board)
        prepare(settings)
        return run_service(settings, control_socket)
    waker = Waker()
    supervisor = ControlConnection(control_socket, waker.wake)
    parent = os.getppid()
    signals = SignalInbox(waker.sink, restricted=settings.restrict_signal)
    hosting = host_for(settings)
    if hosting is not None:
        confine_frames()
        refuse_forks(settings.group)
    workplace = prepare(settings)
    die_with_parent(parent, signal.SIGKILL)  # while it loads, it hears nothing
    try:
        failed = load(workplace.applications, settings, supervisor)
    except EOFError:
        return 0  # nobody is there to load anything for
    die_with_parent(parent, 0)
    restore_standard_descriptors()
    return serve(settings, workplace, failed, supervisor, waker, signals, board, hosting)


def serve(
    settings: DaemonSettings,
    workplace: Workplace,
    failed: dict[str, int],
    supervisor: ControlConnection,
    waker: Waker,
    signals: Signals,
    board: int,
    hosting: Hosting | None = None,
) -> int:
    """Serve with what was loaded, in this process or in the one that it was forked from; return the exit status.

    With `hosting` the process has sub-interpreters, and ends when the last of them has come to its end.
    """
    status = attend(
        settings,
        workplace,
        failed,
        supervisor,
        waker,
        signals,
        board,
        hosting=hosting,
        ledger=None if hosting is None else hosting.ledger,
        limit=None if hosting is None else hosting.limit,
    )
    if hosting is not None:
        status = max(status, hosting.finish())
    if not status and settings.destroy_interpreter:
        end_interpreter(settings.shutdown_timeout)
    return status


def attend(
    settings: DaemonSettings,
    workplace: Workplace,
    failed: dict[str, int],
    supervisor: ControlConnection,
    waker: Waker,
    signals: Signals,
    board: int,
    *,
    hosting: Hosting | None = None,
    ledger: Ledger | None = None,
    limit: int | None = None,
) -> int:
    """Run the pool of this interpreter until told to stop; return the status to exit with.

    Args:
        settings: its orders.
        workplace: what was loaded.
        failed: what was not.
        supervisor: connection to it.
        waker: ends the monitor's wait.
        signals: what came.
        board: descriptor of the scoreboard's memory.
        hosting: opens sub-interpreters; None in them, and where there are none.
        ledger: what the interpreters of the process count together; None where there is but one.
        limit: requests of the process after which it asks to be replaced, 0 for never; None for its own.
    """
    memory = map_shared(board, scoreboard_size(settings.threads))
    scoreboard = Scoreboard(memory, settings.threads)
    if settings.extended_status:
        scoreboard = ExtendedScoreboard(memory, settings.threads, time.time)
    os.close(board)
    applications, reloading, events = workplace.applications, workplace.reloading, workplace.events
    retirement = Retirement(supervisor)
    run_once = settings.threads == 1 and settings.maximum_requests == 1
    pool = Pool(
        threads=settings.threads,
        adapter=Adapter(
            _environs(settings, applications, run_once=run_once),
            debug=settings.debug,
            events=events,
            raise_in=async_raiser() if settings.request_timeout and settings.interrupt_timeout else None,
        ),
        scoreboard=scoreboard,
        limit=RequestLimit(
            jittered_limit(settings.maximum_requests, random.Random()) if limit is None else limit,  # noqa: S311
            None if ledger is None else ledger.share,
        ),
        outdated=applications.is_outdated,
        retire=retirement.ask,
        link_lost=waker.wake,
        wake_monitor=waker.wake,
        strict_limit=run_once,
    )
    workplace.requests.watch(pool)
    is_main = ledger is None or hosting is not None
    telemetry = telemetry_for(settings, applications, events, workplace.requests, is_main=is_main)
    timers = Timers(_limits(settings), time.perf_counter())
    timekeeper = Timekeeper(pool, timers, retirement, ledger, settings.inactivity_timeout)
    monitor = Monitor(
        settings,
        supervisor,
        waker,
        signals,
        pool,
        reloading,
        retirement,
        timekeeper,
        scoreboard.heartbeat,
        events,
        workplace.inquiry,
        hosting,
        telemetry,
    )
    if settings.reload_on_changes:
        reloading.watch_modules(monitor.note_changed)
    # What is alive now stays for the process's life; looking through it at every collection is waste.
    gc.collect()
    gc.freeze()

    def become_stranger() -> None:
        # A process that the application forked has its parent's channel and control connection, and must use neither.
        pool.note_fork()
        workplace.inquiry.disconnect()
        supervisor.close()

    signals.watch_forks(become_stranger)
    if not _start(pool, settings, "process" if is_main else "interpreter"):
        return StartFailure.THREADS
    supervisor.say(Word.LOADED, failed=failed, error="\n".join(applications.errors))
    applications.on_loaded = lambda target: supervisor.say(
        Word.SCRIPT, path=target.text, callable_object=target.callable_object
    )
    workplace.inquiry.connect(supervisor)
    try:
        status = monitor.run()
    finally:
        workplace.inquiry.disconnect()  # threads of the application may go on for a while
    if telemetry is not None:
        telemetry.stopped(status)
    return status


def _start(pool: Pool, settings: DaemonSettings, what: str) -> bool:
    """Start the workers; return whether there are as many as there should be."""
    try:
        threading.stack_size(settings.stack_size)
        pool.start()
    except (ValueError, RuntimeError) as error:
        logger.critical(
            "cannot start %d worker threads%s: %s; fewer --threads, a smaller --stack-size, or a higher limit "
            "(virtual-memory-limit, ulimit -u, TasksMax) may help; the %s ends",
            settings.threads,
            f" with stacks of {settings.stack_size} bytes (stack-size)" if settings.stack_size else "",
            error,
            what,
        )
        return False
    finally:
        threading.stack_size(0)  # threads of the application are its own business
    return True


def _limits(settings: DaemonSettings) -> Limits:
    request, interrupt = settings.request_timeout, settings.interrupt_timeout
    return Limits(
        request=request_limit(request, settings.threads, logarithmic=settings.compat_request_timeout == "log"),
        interrupt=interrupt,
        # Not scaled, as with mod_wsgi.
        stale=request + interrupt if request else 0.0,
        inactivity=settings.inactivity_timeout,
        restart=jittered_interval(settings.restart_interval, random.Random()),  # noqa: S311 - jitter
        graceful=settings.graceful_timeout,
    )


def _environs(settings: DaemonSettings, applications: Applications, *, run_once: bool) -> EnvironBuilder:
    return EnvironBuilder(
        applications.route,
        group=settings.group,
        application_group=settings.application_group or "",
        callable_object=settings.callable_object,
        script_filename=settings.script,
        multithread=settings.threads != 1,
        multiprocess=settings.multiprocess,
        run_once=run_once,
        file_wrapper=FileWrapper,
    )
