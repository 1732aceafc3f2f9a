"""A daemon process after the exec that gave it another interpreter: finds its things, and goes on. Shell."""

import logging
import os
import socket
from collections.abc import Callable
from typing import Final

from pydaemonwsgi import __version__
from pydaemonwsgi.daemon import orders
from pydaemonwsgi.daemon.becoming import introduce
from pydaemonwsgi.daemon.main import go_on
from pydaemonwsgi.daemon.preload import go_on_as_parent, parent_title
from pydaemonwsgi.daemon.settings import DaemonSettings
from pydaemonwsgi.errors import PrivilegeError
from pydaemonwsgi.system.credentials import drop_privileges
from pydaemonwsgi.vocabulary import StartFailure

__all__ = ["ROLES", "arrive"]

logger = logging.getLogger(__name__)

_SETTINGS: Final = 3  # see departure.py
_CONTROL: Final = 4
_BOARD: Final = 5


def _be_daemon_process(settings: DaemonSettings) -> int:
    introduce(settings, settings.display_name)
    os.set_inheritable(_BOARD, False)
    return _prove(settings) or go_on(settings, socket.socket(fileno=_CONTROL), _BOARD)


def _be_parent(settings: DaemonSettings) -> int:
    introduce(settings, parent_title(settings))
    return _prove(settings) or go_on_as_parent(settings, socket.socket(fileno=_CONTROL))


ROLES: Final[dict[str, Callable[[DaemonSettings], int]]] = {"daemon": _be_daemon_process, "parent": _be_parent}


def arrive() -> int:
    """Be what the descriptors say; return the exit status."""
    with os.fdopen(_SETTINGS, "rb") as file:
        version, role = file.readline().decode("ascii").split()
        data = file.read()
    os.set_inheritable(_CONTROL, False)
    try:
        settings = orders.decode(DaemonSettings, data)
    except ValueError as error:
        logger.critical("settings of pydaemonwsgi %s, read by %s: %s", version, __version__, error)
        settings = None
    if version != __version__ or settings is None:
        logger.critical(
            "the server runs pydaemonwsgi %s, but %s is installed by now; restart the server", version, __version__
        )
    return StartFailure.INTERPRETER if settings is None else ROLES[role](settings)


def _prove(settings: DaemonSettings) -> int:
    """Check once more, in this program, that it is the run-as user and nobody else."""
    try:
        if settings.identity is not None:
            drop_privileges(settings.identity)
    except PrivilegeError as error:
        logger.critical("an interpreter was executed with privileges: %s; the process ends", error)
        return StartFailure.CREDENTIALS
    return 0
