"""A preload parent: loads the script once, and forks a daemon process whenever the supervisor asks for one. Shell.

It has become the run-as user before it loads anything, and what it forks is that user, too. It serves nobody, and has
no thread of ours: what is forked is the whole of its one thread. What lives after loading is frozen, so that the
garbage collectors of the daemon processes do not write to the memory that they share.

It ends without the application's atexit functions. Those are for processes that have served; and what they clean up
may be in use by processes that it has forked.
"""

import gc
import logging
import os
import select
import signal
import socket
import threading
import time
from typing import Final

from pydaemonwsgi.channel.control import Message, Word
from pydaemonwsgi.daemon.becoming import become, introduce
from pydaemonwsgi.daemon.control import ControlConnection
from pydaemonwsgi.daemon.departure import depart
from pydaemonwsgi.daemon.forking import Forker
from pydaemonwsgi.daemon.interpreter import restore_standard_descriptors
from pydaemonwsgi.daemon.loading import Workplace, load, prepare
from pydaemonwsgi.daemon.main import serve
from pydaemonwsgi.daemon.retirement import Retirement
from pydaemonwsgi.daemon.settings import DaemonSettings
from pydaemonwsgi.daemon.signals import SignalInbox
from pydaemonwsgi.daemon.waker import Waker
from pydaemonwsgi.system.descriptors import replace_error_log
from pydaemonwsgi.system.processes import die_with_parent, set_title
from pydaemonwsgi.system.sockets import LOST_DESCRIPTOR, close_received
from pydaemonwsgi.vocabulary import ShutdownReason

__all__ = ["go_on_as_parent", "parent_title", "run"]

logger = logging.getLogger(__name__)

# Seconds between two looks at the script.
_LOOK: Final = 1.0
_LEAVING: Final = frozenset((signal.SIGTERM, signal.SIGINT, signal.SIGUSR1))


def parent_title(settings: DaemonSettings) -> str:
    """Return what `ps` shows of a preload parent; not what it shows of daemon processes, which people count."""
    return f"pydaemonwsgi: preload {settings.group}"


def run(settings: DaemonSettings, control_socket: socket.socket) -> int:
    """Be a preload parent; return the exit status, of it or of a daemon process that it has forked.

    Called in a fresh child with only its own descriptors open.

    Args:
        settings: the orders.
        control_socket: connection to the supervisor.
    """
    introduce(settings, parent_title(settings))
    if status := become(settings):
        return status
    if not settings.python.is_inherited:
        return depart(settings, "parent", control_socket.fileno())
    return go_on_as_parent(settings, control_socket)


def go_on_as_parent(settings: DaemonSettings, control_socket: socket.socket) -> int:
    """Load the script and fork; return an exit status. The process is who and where it should be."""
    waker = Waker()
    supervisor = ControlConnection(control_socket, waker.wake)
    signals = SignalInbox(waker.sink, restricted=settings.restrict_signal)
    forker = Forker()
    workplace = prepare(settings)
    die_with_parent(os.getppid(), signal.SIGKILL)  # it has nothing to finish
    try:
        failed = load(workplace.applications, settings, supervisor)
    except EOFError:
        return 0  # nobody is there to load anything for
    restore_standard_descriptors()
    born = _Parent(settings, workplace, supervisor, waker, signals, forker).run(failed)
    if born is None:
        return 0
    # From here on this is a daemon process, and the first that it does is to give up what is its parent's.
    own_control, board = born
    own_waker = Waker()
    signals = SignalInbox(own_waker.sink, restricted=settings.restrict_signal)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _LEAVING)
    supervisor.close()
    waker.close()
    set_title(settings.display_name)
    supervisor = ControlConnection(own_control, own_waker.wake)
    try:
        failed = load(workplace.applications, settings, supervisor, again=True)
    except EOFError:
        return 0  # the supervisor did not want to wait any longer
    return serve(settings, workplace, failed, supervisor, own_waker, signals, board)


class _Parent:
    """The parent's loop."""

    def __init__(
        self,
        settings: DaemonSettings,
        workplace: Workplace,
        supervisor: ControlConnection,
        waker: Waker,
        signals: SignalInbox,
        forker: Forker,
    ) -> None:
        self._settings = settings
        self._applications = workplace.applications
        self._reloading = workplace.reloading
        self._supervisor = supervisor
        self._waker = waker
        self._signals = signals
        self._forker = forker
        self._retirement = Retirement(supervisor)

    def run(self, failed: dict[str, int]) -> tuple[socket.socket, int] | None:
        """Fork until told to leave; return None then, and the new process's connection and scoreboard in that.

        Args:
            failed: what did not load.
        """
        supervisor = self._supervisor
        if self._settings.reload_on_changes:
            # No thread of watchdog's: none would be left in what is forked.
            self._reloading.watch_modules(self._note_changed, observe=False)
        gc.collect()
        gc.freeze()
        _warn_of_threads()
        supervisor.say(Word.LOADED, failed=failed, error="\n".join(self._applications.errors))
        poller = select.poll()
        poller.register(supervisor.fileno(), select.POLLIN)
        poller.register(self._waker.source, select.POLLIN)
        next_look = time.monotonic() + _LOOK
        while True:
            now = time.monotonic()
            if now >= next_look:
                next_look = now + _LOOK
                self._look()
            supervisor.flush()
            wait = 0.01 if supervisor.unsent else next_look - now
            for descriptor, _ in poller.poll(max(1.0, wait * 1000)):
                if descriptor == self._waker.source:
                    self._waker.drain()
            for number in self._signals.take():
                if number in _LEAVING:
                    self._retirement.ask(ShutdownReason.SHUTDOWN_SIGNAL)
            try:
                received = supervisor.receive()
            except EOFError:
                return None  # without a supervisor there is nobody to fork for
            if received is None:
                continue
            message, descriptors = received
            if message.word is Word.STOP:
                return None
            if message.word is Word.KEEP:
                self._reloading.keep(message.numbers("versions"))
                self._retirement.forget()
            elif message.word is Word.LOGS:
                _take_log(descriptors)
            elif message.word is Word.FORK and (born := self._fork(message, descriptors)) is not None:
                return born

    def _look(self) -> None:
        self._reloading.refresh()
        if self._reloading.has_changed():
            self._note_changed()

    def _note_changed(self) -> None:
        self._retirement.ask(ShutdownReason.SCRIPT_RELOAD)

    def _fork(self, message: Message, descriptors: list[int]) -> tuple[socket.socket, int] | None:
        """Fork a daemon process; return its connection and scoreboard in it, None here."""
        number = message.number("process")
        if LOST_DESCRIPTOR in descriptors or len(descriptors) != 2:
            self._say_unforked(number, "no descriptors are left in the preload parent")
            close_received(descriptors)
            return None
        connection, board = socket.socket(fileno=descriptors[0]), descriptors[1]
        # A signal that comes before the new process has an inbox of its own would be noted in its parent's.
        signal.pthread_sigmask(signal.SIG_BLOCK, _LEAVING)
        try:
            if self._forker.fork(connection):
                return connection, board
        except OSError as error:
            self._say_unforked(number, error.strerror or str(error))
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _LEAVING)
        connection.close()
        os.close(board)
        return None

    def _say_unforked(self, number: int, error: str) -> None:
        """Tell the supervisor before it finds the connection closed, which would mean that this parent is of no use."""
        self._supervisor.say(Word.UNFORKED, process=number, error=error)
        self._supervisor.flush()


def _take_log(descriptors: list[int]) -> None:
    """Write to the error log that has been opened anew, and so will those that are forked."""
    if len(descriptors) == 1 and descriptors[0] != LOST_DESCRIPTOR:
        replace_error_log(descriptors[0])
        os.close(descriptors[0])


def _warn_of_threads() -> None:
    """Name the threads that the application has started: they will not be in what is forked."""
    known = [thread for thread in threading.enumerate() if thread is not threading.main_thread()]
    ids = {thread.native_id for thread in known}
    names = [thread.name for thread in known]
    tasks = os.listdir("/proc/self/task")
    names += [_native_name(task) for task in tasks if int(task) not in ids and int(task) != os.getpid()]
    if names:
        logger.warning(
            "the application has started threads while it was loaded: %s. They run in the preload parent only, not in "
            "the daemon processes, and a lock that one of them holds during a fork stays locked there. Start them in "
            "each daemon process, by os.register_at_fork(after_in_child=...) or with the first request, or do without "
            "preload",
            ", ".join(sorted(names)),
        )


def _native_name(task: str) -> str:
    try:
        with open(f"/proc/self/task/{task}/comm", encoding="utf-8", errors="replace") as file:
            return f"{file.read().strip()} (not Python's)"
    except OSError:
        return f"thread {task}"
