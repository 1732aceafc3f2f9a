"""What a fresh child becomes before it runs any Python of the user's: all that the kernel keeps across an exec. Shell.

The order is mod_wsgi's: title, then what only root may do, then the user, then what the user may do. It is done once
in a process's life, and proved; an interpreter that is executed afterwards starts as the run-as user.
"""

import logging
import os
from typing import Final

from pydaemonwsgi.daemon.settings import DaemonSettings
from pydaemonwsgi.errors import PrivilegeError
from pydaemonwsgi.logs import setup_error_log
from pydaemonwsgi.system.credentials import PRIVILEGE_EXIT_STATUS, drop_privileges
from pydaemonwsgi.system.identities import identity_environment
from pydaemonwsgi.system.processes import set_title

__all__ = ["become", "introduce", "label_of"]

logger = logging.getLogger(__name__)

# Exit status of a process that could not go to its working directory.
_DIRECTORY_EXIT_STATUS: Final = os.EX_CONFIG


def label_of(settings: DaemonSettings) -> str:
    """Return what the error log and the title call a daemon process of this group."""
    return f"wsgi:{settings.group}"


def introduce(settings: DaemonSettings, title: str) -> None:
    """Set the title and the error log up; done again after an exec."""
    set_title(title)
    setup_error_log(settings.log_level, label=label_of(settings), root=False)


def become(settings: DaemonSettings) -> int:
    """Become who the settings say, where they say; return 0, or the exit status of a process that cannot.

    Called in a fresh child, once; it has been introduced, so that it can say what goes wrong.
    """
    try:
        if settings.identity is not None:
            drop_privileges(settings.identity)
    except PrivilegeError as error:
        logger.critical("cannot become the run-as user: %s; the process ends", error)
        return PRIVILEGE_EXIT_STATUS
    if not _enter_directory(settings):
        return _DIRECTORY_EXIT_STATUS
    if settings.umask is not None:
        os.umask(settings.umask)
    if settings.identity is not None:
        os.environ.update(identity_environment(settings.identity, dict(os.environ)))
    return 0


def _enter_directory(settings: DaemonSettings) -> bool:
    if settings.working_directory is None:
        return True
    try:
        os.chdir(settings.working_directory)
    except OSError as error:
        logger.critical(
            "cannot enter the working directory %s: %s; the process ends",
            settings.working_directory,
            error.strerror,
        )
        return False
    return True
