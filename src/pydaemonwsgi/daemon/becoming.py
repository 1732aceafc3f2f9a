"""What a fresh child becomes before it runs any Python of the user's: all that the kernel keeps across an exec. Shell.

The order is mod_wsgi's: title, then what only root may do (priority, chroot, user), then what the user may do
(directory, umask, limits, environment). It is done once in a process's life, and proved; an interpreter that is
executed afterwards starts as the run-as user. Where mod_wsgi installs signal handlers before the limits, here they
come after: no handler outlives an exec, and no process has used up its CPU time by then.

A step that fails ends the process with a status of its own, because a process that is less limited than it was told
to be must not run.
"""

import logging
import os
from collections.abc import Callable
from typing import Final

from pydaemonwsgi.daemon.settings import DaemonSettings
from pydaemonwsgi.errors import PrivilegeError
from pydaemonwsgi.logs import setup_error_log
from pydaemonwsgi.system.credentials import drop_privileges
from pydaemonwsgi.system.identities import identity_environment
from pydaemonwsgi.system.limits import (
    cpu_limits,
    enter_root,
    limit_address_space,
    limit_cpu_time,
    limit_data,
    set_priority,
)
from pydaemonwsgi.system.processes import set_title
from pydaemonwsgi.vocabulary import StartFailure

__all__ = ["become", "introduce", "label_of"]

logger = logging.getLogger(__name__)

# Characters of an application group's name in each record; clients may choose it.
_LONGEST_LABEL: Final = 100


def label_of(settings: DaemonSettings) -> str:
    """Return what the error log calls a daemon process of this group, or a sub-interpreter of one."""
    title = f"wsgi:{settings.group}"
    if settings.application_groups != "interpreters" or not settings.application_group:
        return title
    # Its records have the pid of all of them.
    return f"{title}|{settings.application_group[:_LONGEST_LABEL]}"


def introduce(settings: DaemonSettings, title: str) -> None:
    """Set the title and the error log up; done again after an exec."""
    set_title(title)
    setup_error_log(settings.log_level, label=label_of(settings), root=False)


def become(settings: DaemonSettings) -> int:
    """Become what the settings say, where they say; return 0, or the exit status of a process that cannot.

    Called in a fresh child, once; it has been introduced, so that it can say what goes wrong.
    """
    for step, what, failure in _STEPS:
        try:
            step(settings)
        except (OSError, PrivilegeError) as error:
            reason = (error.strerror or str(error)) if isinstance(error, OSError) else str(error)
            logger.critical("%s: %s; the process ends", what.format(it=settings), reason)
            return failure
    if settings.umask is not None:
        os.umask(settings.umask)
    os.environ.update(_environment(settings))
    return 0


def _set_priority(settings: DaemonSettings) -> None:
    if settings.cpu_priority:
        set_priority(settings.cpu_priority)


def _enter_root(settings: DaemonSettings) -> None:
    if settings.chroot is not None:
        enter_root(settings.chroot)


def _drop_privileges(settings: DaemonSettings) -> None:
    if settings.identity is not None:
        drop_privileges(settings.identity)


def _enter_directory(settings: DaemonSettings) -> None:
    if settings.working_directory is not None:
        os.chdir(settings.working_directory)


def _limit_cpu_time(settings: DaemonSettings) -> None:
    if settings.cpu_time_limit:
        limit_cpu_time(*cpu_limits(settings.cpu_time_limit, settings.shutdown_timeout))


def _limit_data(settings: DaemonSettings) -> None:
    if settings.memory_limit:
        limit_data(settings.memory_limit)


def _limit_address_space(settings: DaemonSettings) -> None:
    if settings.virtual_memory_limit:
        limit_address_space(settings.virtual_memory_limit)


def _environment(settings: DaemonSettings) -> dict[str, str]:
    environ = dict(os.environ)
    if settings.identity is not None:
        environ = identity_environment(settings.identity, environ)
    given = {"LANG": settings.lang, "LC_ALL": settings.locale, "PYTHON_EGG_CACHE": settings.python_eggs}
    return environ | {name: value for name, value in given.items() if value is not None}


_Step = tuple[Callable[[DaemonSettings], None], str, StartFailure]
# In the order in which they are taken: what to do, the beginning of what is said if it fails, the exit status then.
_STEPS: Final[tuple[_Step, ...]] = (
    (_set_priority, "cannot take cpu-priority {it.cpu_priority}", StartFailure.PRIORITY),
    (_enter_root, "cannot make {it.chroot} the root (chroot)", StartFailure.CHROOT),
    (_drop_privileges, "cannot become the run-as user", StartFailure.CREDENTIALS),
    (_enter_directory, "cannot enter the working directory {it.working_directory}", StartFailure.DIRECTORY),
    (_limit_cpu_time, "cannot set cpu-time-limit {it.cpu_time_limit:g} s", StartFailure.LIMIT),
    (_limit_data, "cannot set memory-limit {it.memory_limit} bytes", StartFailure.LIMIT),
    (_limit_address_space, "cannot set virtual-memory-limit {it.virtual_memory_limit} bytes", StartFailure.LIMIT),
)
