"""Prepares the Python that the application will find: environment, path, standard streams, modules. Shell."""

import locale
import logging
import os
import sys

from pydaemonwsgi.daemon.events import Events
from pydaemonwsgi.daemon.inquiry import Inquiry
from pydaemonwsgi.daemon.module import install_modules
from pydaemonwsgi.daemon.output import forbid_streams, install_logging, install_standard_streams
from pydaemonwsgi.daemon.requests import RunningRequests
from pydaemonwsgi.daemon.scripts import extend_path
from pydaemonwsgi.daemon.settings import DaemonSettings

__all__ = ["prepare_python", "restore_standard_descriptors"]

logger = logging.getLogger(__name__)


def prepare_python(
    settings: DaemonSettings, label: str, events: Events, requests: RunningRequests, inquiry: Inquiry
) -> None:
    """Make this interpreter the one that mod_wsgi would give an application; called before the script is loaded.

    Args:
        settings: the process's orders.
        label: what names the process in the error log.
        events: takes the application's subscriptions.
        requests: knows what is running.
        inquiry: asks about the whole server.
    """
    install_standard_streams(label)
    install_logging()
    forbid_streams(stdin=settings.restrict_stdin, stdout=settings.restrict_stdout)
    if settings.locale is not None:
        _set_locale(settings.locale)
    if settings.switch_interval is not None:
        sys.setswitchinterval(settings.switch_interval)
    # Where the command `pydaemonwsgi` lies is no place for an application to import from.
    if sys.argv and sys.argv[0]:
        command_directory = os.path.dirname(os.path.abspath(sys.argv[0]))
        sys.path[:] = [entry for entry in sys.path if entry != command_directory]
    sys.argv = ["mod_wsgi"]
    extend_path(settings.python_path)
    if settings.working_directory is not None:
        sys.path.insert(0, settings.working_directory)
    install_modules(
        group=settings.group,
        # As it is in the environ: bytes, each as a character (PEP 3333).
        application_group=os.fsencode(settings.application_group or "").decode("latin-1"),
        processes=settings.processes,
        threads=settings.threads,
        events=events,
        requests=requests,
        inquiry=inquiry,
    )


def _set_locale(name: str) -> None:
    try:
        locale.setlocale(locale.LC_ALL, name)
    except locale.Error:
        # As mod_wsgi: an application that speaks another language is better than none.
        logger.warning("this machine has no locale %s, so only LC_ALL says it; `locale -a` lists those it has", name)


def restore_standard_descriptors() -> None:
    """Put /dev/null where the script closed a standard stream, so that nothing of ours gets its number."""
    for number in (0, 1, 2):
        try:
            os.fstat(number)
        except OSError:
            descriptor = os.open(os.devnull, os.O_RDWR)
            if descriptor != number:
                os.dup2(descriptor, number)
                os.close(descriptor)
