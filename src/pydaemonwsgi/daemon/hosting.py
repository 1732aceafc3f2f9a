"""The sub-interpreters of a daemon process, as its main interpreter sees them: opened, told of signals, ended. Shell.

Theory of operation. With `application-groups=interpreters` a daemon process runs each application group in an
interpreter of its own; the main one has %{GLOBAL}'s. Each has its own control connection, channel, scoreboard and pool,
so that the supervisor and the front deal with it as with a daemon process; what they have in common is the process:

    supervisor ──OPEN (control connection, scoreboard, orders)──▶ monitor of the main interpreter
                                                                   │ a thread for each
                                                                   ▼
                    ◀──OPENED, LOADED, RETIRE …── monitor in the sub-interpreter (`subinterpreter`), its worker threads

The thread that opens an interpreter is its main thread for all of its life. Signals are the main interpreter's: it
passes them on. An interpreter is never taken down, because CPython cannot (3.13.0: Py_EndInterpreter aborts the
process while threads are left): when every monitor has come to its end, the atexit functions of each are run in it,
and the process leaves by `os._exit`.
"""

import logging
import os
import random
import signal
import socket
import sys
import threading
from typing import Final

import pydaemonwsgi
from pydaemonwsgi.daemon import orders
from pydaemonwsgi.daemon.ledger import LEDGER_SIZE, MOST_ROWS, Ledger
from pydaemonwsgi.daemon.passed_signals import pass_on
from pydaemonwsgi.daemon.recycling import jittered_limit
from pydaemonwsgi.daemon.settings import DaemonSettings
from pydaemonwsgi.system import subinterpreters
from pydaemonwsgi.system.memory import create_shared, map_shared
from pydaemonwsgi.system.sockets import LOST_DESCRIPTOR

__all__ = ["Hosting", "host_for"]

logger = logging.getLogger(__name__)

# Our package is found by its path: in another environment it is on no path.
_PREFACE: Final = """\
import sys
from importlib import util
sys.path[:] = {path!r}
spec = util.spec_from_file_location("pydaemonwsgi", {directory!r} + "/__init__.py",
                                    submodule_search_locations=[{directory!r}])
sys.modules["pydaemonwsgi"] = package = util.module_from_spec(spec)
spec.loader.exec_module(package)
del spec, package, util
"""
_LIVE: Final = "from pydaemonwsgi.daemon.subinterpreter import live\nlive({arguments})\n"
_END: Final = "from pydaemonwsgi.daemon.ending import end_interpreter\nend_interpreter({timeout!r})\n"


def host_for(settings: DaemonSettings) -> "Hosting | None":
    """Return what opens sub-interpreters in this process; None where application groups have processes."""
    return Hosting(settings) if settings.application_groups == "interpreters" else None


class Hosting:
    """See the module's docstring; made before anything of the application runs.

    Args:
        settings: the process's orders.

    Attributes:
        ledger: the main interpreter's view of what all of them count.
        limit: requests of all of them after which the process asks to be replaced; 0 for never.
    """

    def __init__(self, settings: DaemonSettings) -> None:
        self._path = list(sys.path)
        self._memory = create_shared("ledger", LEDGER_SIZE)
        self.ledger = Ledger(map_shared(self._memory, LEDGER_SIZE), 0)
        self.limit = jittered_limit(settings.maximum_requests, random.Random())  # noqa: S311 - jitter
        self._sinks: list[int] = []
        self._threads: list[threading.Thread] = []
        self._running: set[int] = set()
        self._ended = threading.Condition()
        self._may_end = threading.Event()

    def open(self, descriptors: list[int]) -> None:
        """Open an interpreter: control connection, scoreboard and orders are behind the descriptors.

        One that cannot be opened closes its connection, and the supervisor asks again later.
        """
        row = len(self._threads) + 1
        if len(descriptors) != 3 or LOST_DESCRIPTOR in descriptors or row >= MOST_ROWS:
            for descriptor in descriptors:
                if descriptor != LOST_DESCRIPTOR:
                    os.close(descriptor)
            logger.error("out of descriptors: an application group gets no interpreter; raise LimitNOFILE")
            return
        control, board, memory = descriptors
        text = os.pread(memory, os.fstat(memory).st_size, 0)
        os.close(memory)
        settings = orders.decode(DaemonSettings, text)
        connection = socket.socket(fileno=control)
        try:
            source, sink = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
            arguments = ", ".join(map(repr, (text, control, board, (source, sink), self._memory, row, self.limit)))
            thread = threading.Thread(
                target=self._run,
                args=(row, settings, connection, _LIVE.format(arguments=arguments)),
                name=f"interpreter of {settings.application_group}",
                daemon=True,
            )
            self._running.add(row)
            self.ledger.add_rows(1)
            thread.start()
        except (OSError, RuntimeError) as error:  # no descriptors, no thread
            self._running.discard(row)
            connection.close()
            os.close(board)
            logger.critical(
                "the application group %r gets no interpreter: %s; fewer application groups or threads, or a higher "
                "limit (LimitNOFILE, virtual-memory-limit, TasksMax) may help",
                settings.application_group,
                error,
            )
            return
        self._sinks.append(sink)
        self._threads.append(thread)

    def pass_on(self, number: signal.Signals) -> None:
        """Have every interpreter take a signal as its own."""
        for sink in self._sinks:
            pass_on(number, sink)

    def finish(self) -> int:
        """Return when every interpreter has come to its end, with the worst of their statuses; the main one has.

        There is no time-out here: each is told to stop as this one was, and has its own.
        """
        with self._ended:
            self._ended.wait_for(lambda: not self._running)
        self._may_end.set()
        for thread in self._threads:
            thread.join()
        return self.ledger.status

    def _run(self, row: int, settings: DaemonSettings, connection: socket.socket, live: str) -> None:
        """Be the main thread of an interpreter."""
        name = settings.application_group
        preface = _PREFACE.format(path=self._path, directory=os.path.dirname(os.path.abspath(pydaemonwsgi.__file__)))
        failure = ""
        try:
            number = subinterpreters.create(own_gil=settings.per_interpreter_gil)
            failure = subinterpreters.execute(number, preface + live)
        except BaseException as error:
            # Whatever it is, the supervisor must hear that this interpreter is none.
            failure = f"{type(error).__name__}: {error}"
        if failure:
            logger.critical("the interpreter of the application group %r failed: %s", name, failure.strip())
        try:
            connection.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass  # the supervisor has gone
        connection.close()
        with self._ended:
            self._running.discard(row)
            self._ended.notify_all()
        if failure or not settings.destroy_interpreter:
            return
        self._may_end.wait()
        subinterpreters.execute(number, _END.format(timeout=settings.shutdown_timeout))
