"""A daemon process from fork to exit: become the user, load the script, run the pool, obey the supervisor. Shell.

The main thread is the monitor: it ticks the pool, reads the supervisor's messages and looks at the script once a
second. Requests run in the pool's threads.
"""

import atexit
import contextlib
import fcntl
import gc
import logging
import os
import random
import select
import signal
import socket
import sys
import threading
import time
from collections import deque
from types import FrameType
from typing import Any, Final

from pydaemonwsgi.channel import control
from pydaemonwsgi.channel.control import Word
from pydaemonwsgi.channel.frames import RejectReason
from pydaemonwsgi.daemon.adapter import Adapter
from pydaemonwsgi.daemon.becoming import become, introduce, label_of
from pydaemonwsgi.daemon.environ import EnvironBuilder
from pydaemonwsgi.daemon.file_wrapper import FileWrapper
from pydaemonwsgi.daemon.link import Link
from pydaemonwsgi.daemon.module import install_modules
from pydaemonwsgi.daemon.output import install_logging, install_standard_streams
from pydaemonwsgi.daemon.pool import Pool
from pydaemonwsgi.daemon.recycling import RequestLimit, jittered_limit
from pydaemonwsgi.daemon.scripts import LoadError, Script, WSGIApplication, extend_path
from pydaemonwsgi.daemon.settings import DaemonSettings
from pydaemonwsgi.daemon.watch import ModuleWatch
from pydaemonwsgi.errors import ChannelError
from pydaemonwsgi.metrics.scoreboard import Scoreboard, scoreboard_size
from pydaemonwsgi.system.memory import map_shared
from pydaemonwsgi.system.processes import die_with_parent
from pydaemonwsgi.system.sockets import receive_with_descriptors
from pydaemonwsgi.vocabulary import ShutdownReason

__all__ = ["run"]

logger = logging.getLogger(__name__)

# Seconds between two looks at the script.
_LOOK: Final = 1.0
# Seconds that a process whose supervisor has died waits for the front to finish.
_ORPHANED: Final = 20.0

_OWNED_SIGNALS: Final = (signal.SIGTERM, signal.SIGINT, signal.SIGUSR1, signal.SIGHUP, signal.SIGUSR2)


def run(settings: DaemonSettings, control_socket: socket.socket, board: int) -> int:
    """Be a daemon process; return its exit status. Called in a fresh child with only its own descriptors open.

    Args:
        settings: the orders.
        control_socket: connection to the supervisor.
        board: descriptor of the scoreboard's memory, shared with supervisor and front.
    """
    introduce(settings, f"({label_of(settings)})")
    return become(settings) or go_on(settings, control_socket, board)


def go_on(settings: DaemonSettings, control_socket: socket.socket, board: int) -> int:
    """Load the script and serve; return the exit status. The process is who and where it should be."""
    memory = map_shared(board, scoreboard_size(settings.threads))
    os.close(board)
    return _DaemonProcess(settings, control_socket, memory, label_of(settings)).run()


class _DaemonProcess:
    def __init__(
        self,
        settings: DaemonSettings,
        control_socket: socket.socket,
        scoreboard_memory: memoryview,
        label: str,
    ) -> None:
        self._settings = settings
        self._control = control_socket
        self._control.setblocking(False)
        self._scoreboard = Scoreboard(scoreboard_memory, settings.threads)
        self._label = label
        self._parent = os.getppid()
        self._script = Script(settings.script, settings.module, settings.callable_object)
        self._watch: ModuleWatch | None = None
        self._kept_version = -1
        self._module_changed = False
        self._retired: ShutdownReason | None = None
        self._term_signals = 0
        self._outbox: deque[bytes] = deque()
        self._orphaned = False
        self._link_is_lost = False
        self._stop_at: float | None = None
        self._waker_in, self._waker_out = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        self._pool: Pool | None = None

    # -- life

    def run(self) -> int:
        settings = self._settings
        self._prepare_python()
        die_with_parent(self._parent, signal.SIGKILL)  # while it loads, it hears nothing
        application, failure = self._load()
        die_with_parent(self._parent, 0)
        _restore_standard_descriptors()
        run_once = settings.threads == 1 and settings.maximum_requests == 1
        environs = EnvironBuilder(
            group=settings.group,
            application_group="",
            callable_object=settings.callable_object,
            script_filename=settings.script,
            multithread=settings.threads != 1,
            multiprocess=settings.multiprocess,
            run_once=run_once,
            file_wrapper=FileWrapper,
        )
        self._pool = pool = Pool(
            threads=settings.threads,
            adapter=Adapter(application, failure, environs, debug=settings.debug),
            scoreboard=self._scoreboard,
            limit=RequestLimit(jittered_limit(settings.maximum_requests, random.Random())),  # noqa: S311 - jitter
            changed=self._has_changed,
            retire=self._retire,
            link_lost=self._note_link_lost,
            wake_monitor=self._wake,
            strict_limit=run_once,
        )
        if settings.reload_on_changes:
            self._watch = ModuleWatch(self._note_module_changed)
            self._watch.refresh()
        # What is alive now stays for the process's life; looking through it at every collection is waste.
        gc.collect()
        gc.freeze()
        self._watch_forks()
        pool.start()
        self._say(Word.LOADED, version=self._script.version, failed=bool(failure), error=failure)
        return self._finish(self._loop(pool))

    def _prepare_python(self) -> None:
        settings = self._settings
        signal.set_wakeup_fd(self._waker_out, warn_on_full_buffer=False)
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._on_terminate)
        signal.signal(signal.SIGUSR1, self._on_graceful)
        for number in (signal.SIGHUP, signal.SIGUSR2):
            signal.signal(number, _on_ignored)
        _protect_signals()
        install_standard_streams(self._label)
        install_logging()
        # Where the command `pydaemonwsgi` lies is no place for an application to import from.
        command_directory = os.path.dirname(os.path.abspath(sys.argv[0]))
        sys.path[:] = [entry for entry in sys.path if entry != command_directory]
        sys.argv = ["mod_wsgi"]
        extend_path(settings.python_path)
        if settings.working_directory is not None:
            sys.path.insert(0, settings.working_directory)
        install_modules(
            group=settings.group,
            application_group="",
            processes=settings.processes,
            threads=settings.threads,
        )

    def _load(self) -> tuple[WSGIApplication | None, str]:
        started = time.monotonic()
        try:
            application = self._script.load()
        except LoadError as error:
            logger.error("%s could not be loaded:\n%s", self._script.name, error)
            return None, str(error)
        logger.info("%s loaded in %.2f s", self._script.name, time.monotonic() - started)
        return application, ""

    def _loop(self, pool: Pool) -> int:
        poller = select.poll()
        poller.register(self._control.fileno(), select.POLLIN)
        poller.register(self._waker_in, select.POLLIN)
        next_look = time.monotonic() + _LOOK
        while True:
            now = time.monotonic()
            if now >= next_look:
                next_look = now + _LOOK
                self._look()
            self._flush_outbox()
            wait = pool.tick(time.perf_counter())
            if self._outbox or self._stop_at is not None:
                wait = min(wait, 0.01)
            for descriptor, _ in poller.poll(max(1.0, min(wait, next_look - now) * 1000)):
                if descriptor == self._waker_in:
                    with contextlib.suppress(BlockingIOError):
                        os.read(self._waker_in, 4096)
                elif not self._obey():
                    poller.unregister(self._control.fileno())
            if self._term_signals > 1 and self._stop_at is None:
                self._stop(self._settings.shutdown_timeout)
            if self._orphaned and self._link_is_lost:
                return 0
            if self._stop_at is not None:
                if not pool.busy:
                    pool.flush()
                    return 0
                if time.monotonic() >= self._stop_at:
                    logger.warning("leaving with %d requests still running: their time is over", pool.busy)
                    return 1

    def _finish(self, status: int) -> int:
        """End as an interpreter would: join threads, run atexit functions; but not for longer than allowed."""
        if status:
            return status
        timeout = self._settings.shutdown_timeout
        if timeout:
            reaper = threading.Timer(timeout, os._exit, (1,))
            reaper.daemon = True
            reaper.start()
        with contextlib.suppress(BaseException):
            threading._shutdown()  # type: ignore[attr-defined]  # noqa: SLF001 - what the interpreter calls
        with contextlib.suppress(BaseException):
            atexit._run_exitfuncs()  # noqa: SLF001
        for stream in (sys.stdout, sys.stderr):
            with contextlib.suppress(BaseException):
                stream.flush()
        return 0

    def _watch_forks(self) -> None:
        """Have what the application forks be no daemon process from its first instruction on.

        The signals that we own are blocked across the fork: one that came before the child had let go of our
        handlers would be noted by them, in a process where nobody reads the notes.
        """
        kept = threading.local()

        def before() -> None:
            kept.mask = signal.pthread_sigmask(signal.SIG_BLOCK, _OWNED_SIGNALS)

        def in_parent() -> None:
            signal.pthread_sigmask(signal.SIG_SETMASK, kept.mask)

        def in_child() -> None:
            self._become_stranger()
            signal.pthread_sigmask(signal.SIG_SETMASK, kept.mask)

        os.register_at_fork(before=before, after_in_parent=in_parent, after_in_child=in_child)

    def _become_stranger(self) -> None:
        """In a process that the application forked: be no daemon process any more.

        It has the channel and the signal handlers of its parent, and must use neither.
        """
        if self._pool is not None:
            self._pool.note_fork()
        # The thread that forked is the main thread of the new process, so it may do this.
        signal.set_wakeup_fd(-1)
        for number in _OWNED_SIGNALS:
            signal.signal(number, signal.SIG_DFL)
        self._control.close()

    # -- change

    def _has_changed(self) -> bool:
        if self._module_changed:
            return True
        if not self._settings.reloading:
            return False
        version = self._script.current_version()
        if version not in {self._script.version, 0, self._kept_version}:
            return True
        try:
            return self._script.asks_for_reload()
        except Exception:
            # The application's own function; as under mod_wsgi its failure means that nothing is reloaded.
            logger.exception("reload_required() of %s raised", self._script.name)
            return False

    def _look(self) -> None:
        pool = self._pool
        assert pool is not None
        if self._watch is not None:
            self._watch.refresh()
        if pool.reject_reason is None and self._has_changed():
            pool.reject_reason = RejectReason.RELOAD
            self._retire(ShutdownReason.SCRIPT_RELOAD)

    def _note_module_changed(self, path: str) -> None:
        logger.info("%s has changed", path)
        self._module_changed = True
        pool = self._pool
        if pool is not None and pool.reject_reason is None:
            pool.reject_reason = RejectReason.RELOAD
            self._retire(ShutdownReason.SCRIPT_RELOAD)

    # -- talking to the supervisor

    def _say(self, word: Word, **fields: Any) -> None:
        self._outbox.append(control.encode(word, **fields))
        self._wake()

    def _flush_outbox(self) -> None:
        while self._outbox:
            try:
                self._control.send(self._outbox[0])
            except BlockingIOError:
                return
            except OSError:
                self._outbox.clear()
                return
            self._outbox.popleft()

    def _wake(self) -> None:
        with contextlib.suppress(BlockingIOError):
            os.write(self._waker_out, b"\0")

    def _retire(self, reason: ShutdownReason) -> None:
        """Ask to be replaced; the first reason counts, but that the script has changed is always said."""
        if self._retired is None or (
            reason is ShutdownReason.SCRIPT_RELOAD and self._retired is not ShutdownReason.SCRIPT_RELOAD
        ):
            self._retired = reason
            self._say(Word.RETIRE, reason=reason.value)

    def _note_link_lost(self) -> None:
        self._link_is_lost = True
        self._wake()

    def _obey(self) -> bool:
        """Read one message; return False when the supervisor has gone."""
        try:
            data, descriptors = receive_with_descriptors(self._control, control.MAXIMUM_MESSAGE)
        except BlockingIOError:
            return True
        except OSError:
            data, descriptors = b"", []
        if not data:
            if not self._orphaned:
                logger.warning("the supervisor has gone; leaving when the front has")
                self._orphaned = True
                if self._pool is not None and not self._link_is_lost:
                    reaper = threading.Timer(_ORPHANED, os._exit, (1,))
                    reaper.daemon = True
                    reaper.start()
            return False
        message = control.decode(data)
        pool = self._pool
        assert pool is not None
        if message.word is Word.CHANNEL:
            if len(descriptors) != 1:
                raise ChannelError("a channel message without its descriptor")
            self._link_is_lost = False
            # Above the standard streams: an application that closed one of those would print into the channel.
            channel = fcntl.fcntl(descriptors[0], fcntl.F_DUPFD_CLOEXEC, 3)
            os.close(descriptors[0])
            pool.attach(Link(socket.socket(fileno=channel)))
        elif message.word is Word.KEEP:
            self._kept_version = message.number("version")
            self._module_changed = False
            self._retired = None
            pool.reject_reason = None
            # Only now may the front give us requests again: one that came before would have been handed back.
            self._say(Word.KEPT)
        elif message.word is Word.STOP:
            self._stop(message.seconds("timeout"))
        return True

    def _stop(self, timeout: float) -> None:
        assert self._pool is not None
        self._pool.reject_reason = RejectReason.LEAVING
        if self._stop_at is None:
            # A time-out of 0 means, as with mod_wsgi, that nobody hurries the requests.
            self._stop_at = time.monotonic() + timeout if timeout else float("inf")

    # -- signals

    def _on_terminate(self, number: int, frame: FrameType | None) -> None:
        del number, frame
        self._term_signals += 1
        self._retire(ShutdownReason.SHUTDOWN_SIGNAL)

    def _on_graceful(self, number: int, frame: FrameType | None) -> None:
        del number, frame
        self._retire(ShutdownReason.GRACEFUL_SIGNAL)


def _restore_standard_descriptors() -> None:
    """Put /dev/null where the script closed a standard stream, so that nothing of ours gets its number."""
    for number in (0, 1, 2):
        try:
            os.fstat(number)
        except OSError:
            descriptor = os.open(os.devnull, os.O_RDWR)
            if descriptor != number:
                os.dup2(descriptor, number)
                os.close(descriptor)


def _on_ignored(number: int, frame: FrameType | None) -> None:
    """Take a signal that is not for ending, so that it ends nothing."""
    del number, frame


def _protect_signals() -> None:
    """Make `signal.signal` keep its hands off the signals by which the process is managed (WSGIRestrictSignal)."""
    real = signal.signal
    owner = os.getpid()

    def restricted(number: int, handler: Any, /) -> Any:
        if number in _OWNED_SIGNALS and os.getpid() == owner:
            logger.info("the application's handler for signal %d is not installed: the server needs it", number)
            return handler
        return real(number, handler)

    signal.signal = restricted  # type: ignore[assignment]
