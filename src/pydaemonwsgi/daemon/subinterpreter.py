"""The life of a sub-interpreter of a daemon process: one application group's monitor, pool and scripts. Shell.

It is a daemon process in all but the process: what is written for one runs here. It imports nothing that refuses
sub-interpreters (faulthandler and setproctitle for two).
"""

import os
import signal
import socket
import threading
from typing import Any

from pydaemonwsgi.channel.control import Word
from pydaemonwsgi.daemon import orders
from pydaemonwsgi.daemon.becoming import label_of
from pydaemonwsgi.daemon.control import ControlConnection
from pydaemonwsgi.daemon.fork_refusal import refuse_forks
from pydaemonwsgi.daemon.frames import confine_frames
from pydaemonwsgi.daemon.ledger import LEDGER_SIZE, Ledger
from pydaemonwsgi.daemon.loading import load, prepare
from pydaemonwsgi.daemon.main import attend
from pydaemonwsgi.daemon.passed_signals import PassedSignals
from pydaemonwsgi.daemon.refused_modules import explain_refusals
from pydaemonwsgi.daemon.settings import DaemonSettings
from pydaemonwsgi.logs import setup_error_log
from pydaemonwsgi.system.memory import map_shared
from pydaemonwsgi.vocabulary import StartFailure

__all__ = ["live"]


def live(text: bytes, control: int, board: int, pipe: tuple[int, int], memory: int, row: int, limit: int) -> None:
    """Load the application group's scripts and serve, until told to stop; the thread is the interpreter's main one.

    Args:
        text: the orders (`daemon.orders`).
        control: descriptor of the control connection, which the main interpreter closes at the end.
        board: descriptor of the scoreboard's memory.
        pipe: where signals come from; both ends.
        memory: descriptor of the ledger, which is the process's.
        row: of the ledger, this interpreter's own.
        limit: requests of the whole process after which it asks to be replaced; 0 for never.
    """
    settings = orders.decode(DaemonSettings, text)
    setup_error_log(settings.log_level, label=label_of(settings), root=False)
    threading.current_thread().name = "MainThread"  # CPython calls it Dummy-1
    confine_frames()
    refuse_forks(settings.group)
    explain_refusals(settings.group, settings.application_group or "", own_gil=settings.per_interpreter_gil)
    _leave_signals_alone(restricted=settings.restrict_signal)
    signals = PassedSignals(*pipe)
    supervisor = ControlConnection(socket.socket(fileno=os.dup(control)), signals.wake)
    supervisor.say(Word.OPENED, thread=threading.get_native_id())
    supervisor.flush()
    workplace = prepare(settings)
    try:
        failed = load(workplace.applications, settings, supervisor)
        ledger = Ledger(map_shared(memory, LEDGER_SIZE), row)
        status = attend(settings, workplace, failed, supervisor, signals, signals, board, ledger=ledger, limit=limit)
        if status not in frozenset(StartFailure):  # of that only this application group has to suffer
            ledger.note_status(status)
    except EOFError:
        pass  # nobody is there to load anything for
    finally:
        supervisor.close()


def _leave_signals_alone(*, restricted: bool) -> None:
    """Have `signal.signal` do nothing, as under mod_wsgi (WSGIRestrictSignal), instead of raising ValueError."""

    def ignored(number: int, handler: Any, /) -> Any:
        del number
        return handler

    if restricted:
        signal.signal = ignored  # type: ignore[assignment]
