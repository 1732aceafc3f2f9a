"""Preparing Python and loading scripts before any request: in a daemon process, or in a preload parent. Shell."""

from dataclasses import dataclass

from pydaemonwsgi.channel.control import Word
from pydaemonwsgi.daemon.applications import Applications
from pydaemonwsgi.daemon.becoming import label_of
from pydaemonwsgi.daemon.control import ControlConnection
from pydaemonwsgi.daemon.events import Events
from pydaemonwsgi.daemon.inquiry import Inquiry
from pydaemonwsgi.daemon.interpreter import prepare_python
from pydaemonwsgi.daemon.module import tell_application_group
from pydaemonwsgi.daemon.ownership import Owner
from pydaemonwsgi.daemon.reloading import Reloading
from pydaemonwsgi.daemon.requests import RunningRequests
from pydaemonwsgi.daemon.routes import Mechanism, Target, target_of
from pydaemonwsgi.daemon.settings import DaemonSettings

__all__ = ["Workplace", "load", "prepare"]


@dataclass(frozen=True, slots=True)
class Workplace:
    """What requests will find in this process, and in those that are forked from it.

    Attributes:
        applications: the scripts, loaded or not.
        reloading: knows when they are out of date.
        events: of the module `mod_wsgi`.
        requests: of the module `mod_wsgi`.
        inquiry: of the module `mod_wsgi`.
    """

    applications: Applications
    reloading: Reloading
    events: Events
    requests: RunningRequests
    inquiry: Inquiry


def prepare(settings: DaemonSettings) -> Workplace:
    """Make this interpreter the one that the settings describe; nothing of the application runs yet."""
    events, requests = Events(), RunningRequests()
    inquiry = Inquiry(permitted=settings.server_metrics)
    prepare_python(settings, label_of(settings), events, requests, inquiry)
    default = None
    if settings.script is not None or settings.module is not None:
        default = Target(settings.script, settings.module, settings.callable_object)
    owned = settings.script_user is not None or settings.script_group is not None
    applications = Applications(
        default,
        mechanism=Mechanism.PROCESS if settings.reloading else Mechanism.OFF,
        callable_object=settings.callable_object,
        owner=Owner(uid=settings.script_user, gid=settings.script_group) if owned else None,
        debug=settings.debug,
    )
    if settings.application_group is None:
        applications.on_first = tell_application_group
    return Workplace(applications, Reloading(applications), events, requests, inquiry)


def load(
    applications: Applications, settings: DaemonSettings, supervisor: ControlConnection, *, again: bool = False
) -> dict[str, int]:
    """Load what the settings name, and what the processes before this one had in use; return what did not load.

    Args:
        applications: where it is loaded.
        settings: the orders.
        supervisor: says what has been in use.
        again: the process that this one was forked from has done it; only what has come into use since then is loaded.

    Raises:
        EOFError: the supervisor has gone.
    """
    applications.errors.clear()
    targets = [] if applications.default is None else [applications.default]
    targets += [Target(path, None, "") for path in settings.import_scripts]
    # It comes first of all messages, however the process was made.
    targets += [target_of(text, name) for text, name in supervisor.wait().texts("scripts").items()]
    if not again:
        supervisor.say(Word.LOADING, versions=applications.versions(targets))
        supervisor.flush()
    return applications.load(targets)
