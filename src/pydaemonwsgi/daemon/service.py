"""A daemon process without worker threads: it runs a service script on its main thread. Shell.

As with mod_wsgi, there is no pool, no monitor and no channel; `signal.signal` is the script's own. SIGTERM raises
SystemExit in the main thread unless the script installs another handler; the other signals that manage a daemon process
are without effect until it does. When the script ends, the process ends as an interpreter does: threads are joined,
atexit functions run. The supervisor starts it again.
"""

import contextlib
import logging
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Sequence
from types import FrameType
from typing import NoReturn

from pydaemonwsgi.channel import control
from pydaemonwsgi.channel.control import Word
from pydaemonwsgi.daemon.ending import end_interpreter
from pydaemonwsgi.daemon.routes import target_of
from pydaemonwsgi.daemon.scripts import LoadError, Script
from pydaemonwsgi.daemon.settings import DaemonSettings
from pydaemonwsgi.system.processes import die_with_parent
from pydaemonwsgi.vocabulary import DUMP_SIGNAL

__all__ = ["run_service"]

logger = logging.getLogger(__name__)


def run_service(settings: DaemonSettings, control_socket: socket.socket) -> int:
    """Run the script to its end; return the exit status. The interpreter has been prepared."""
    # A service that nobody supervises would run beside the next supervisor's.
    die_with_parent(os.getppid(), signal.SIGTERM)
    for number in (signal.SIGINT, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2):
        signal.signal(number, _ignore)
    for number in (signal.SIGTERM, signal.SIGXCPU):
        signal.signal(number, _exit)
    import faulthandler  # noqa: PLC0415 - it refuses sub-interpreters, which import this module too

    faulthandler.register(DUMP_SIGNAL, file=2, all_threads=True, chain=False)
    faulthandler.enable(file=2, all_threads=True)
    scripts = [Script(settings.script, settings.module)] if settings.script or settings.module else []
    targets = [target_of(path, "") for path in settings.import_scripts]
    scripts += [Script(target.path, target.module) for target in targets]
    with contextlib.suppress(OSError):  # the supervisor has gone, and SIGTERM is on its way
        # What every daemon process is told first. Nothing of it is for a service; but a connection that is closed with
        # something unread in it is reset, and what was said with it lost.
        control_socket.recv(control.MAXIMUM_MESSAGE)
        control_socket.send(control.encode(Word.LOADED, failed={}, error=""))
    # The script's children must not hold the supervisor's connection, nor the script itself: it has nothing to say.
    control_socket.close()
    status = _run(scripts)
    end_interpreter()
    return status


def _run(scripts: Sequence[Script]) -> int:
    """Run the scripts one after the other; return the exit status."""
    started = time.monotonic()
    name = ""
    try:
        for script in scripts:
            name = script.name
            logger.info("%s runs as a service", name)
            script.run()
        # As at the end of a program: what it has started in threads is a part of it.
        threading._shutdown()  # type: ignore[attr-defined]  # noqa: SLF001 - what the interpreter calls
    except SystemExit as error:
        return _status_of(error.code)
    except LoadError as error:
        logger.error("%s failed:\n%s", name, error)
        return 1
    logger.info("%s has come to its end after %.1f s", name, time.monotonic() - started)
    return 0


def _status_of(code: object) -> int:
    """Return the exit status that an interpreter would end with; a message goes to standard error."""
    if code is None or isinstance(code, int):
        return int(code or 0) & 0xFF
    print(code, file=sys.stderr)  # noqa: T201 - as an interpreter
    return 1


def _exit(number: int, frame: FrameType | None) -> NoReturn:
    del number, frame
    raise SystemExit(0)


def _ignore(number: int, frame: FrameType | None) -> None:
    del number, frame
