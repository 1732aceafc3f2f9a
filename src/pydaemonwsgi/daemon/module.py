"""The modules `mod_wsgi` and `apache` that code inside a daemon process can import, as under mod_wsgi."""

import sys
import types
from collections.abc import MutableSequence
from importlib.machinery import PathFinder

from pydaemonwsgi.daemon.environ import APACHE_VERSION, MOD_WSGI_VERSION
from pydaemonwsgi.daemon.events import Events
from pydaemonwsgi.daemon.file_wrapper import FileWrapper
from pydaemonwsgi.daemon.inquiry import Inquiry
from pydaemonwsgi.daemon.interruption import RequestTimeout
from pydaemonwsgi.daemon.log_handler import LogHandler
from pydaemonwsgi.daemon.recorder import Recorder
from pydaemonwsgi.daemon.requests import RunningRequests

__all__ = ["install_modules", "tell_application_group"]


class _ModWsgi(types.ModuleType):
    """The module, and whatever package of its name pip has installed for this interpreter: `mod_wsgi.express`."""

    @property
    def __path__(self) -> MutableSequence[str]:  # type: ignore[override]  # typeshed has an attribute
        """Where its submodules are; looked for whenever one is imported, for `sys.path` may have grown."""
        found = PathFinder.find_spec("mod_wsgi")
        if found is None or not found.submodule_search_locations:
            raise AttributeError("no package mod_wsgi is installed")
        return list(found.submodule_search_locations)


def install_modules(
    *,
    group: str,
    application_group: str,
    processes: int,
    threads: int,
    events: Events,
    requests: RunningRequests,
    inquiry: Inquiry,
) -> None:
    """Put the modules into `sys.modules`; a package `mod_wsgi` from pip stays reachable below it.

    Args:
        group: name of the process group.
        application_group: name of the application group.
        processes: daemon processes in the group.
        threads: worker threads of each.
        events: takes the application's subscriptions.
        requests: knows what is running.
        inquiry: asks about the whole server.
    """
    recorder = Recorder(events, requests, threads)
    mod_wsgi = _ModWsgi("mod_wsgi", "What the server says about itself.")
    mod_wsgi.__dict__.update(
        version=MOD_WSGI_VERSION,
        process_group=group,
        application_group=application_group,
        maximum_processes=processes,
        threads_per_process=threads,
        FileWrapper=FileWrapper,
        RequestTimeout=RequestTimeout,
        LogHandler=LogHandler,
        start_recording_metrics=recorder.start_recording_metrics,
        request_metrics=recorder.request_metrics,
        process_metrics=recorder.process_metrics,
        server_metrics=inquiry.server_metrics,
        subscribe_events=events.subscribe_events,
        subscribe_shutdown=events.subscribe_shutdown,
        subscribe_signals=events.subscribe_signals,
        event_callbacks=events.event_callbacks,
        shutdown_callbacks=events.shutdown_callbacks,
        signal_callbacks=events.signal_callbacks,
        active_requests=requests,
        request_data=requests.request_data,
    )
    sys.modules["mod_wsgi"] = mod_wsgi
    apache = types.ModuleType("apache", "What the web server says about itself.")
    apache.__dict__.update(
        version=APACHE_VERSION,
        description="pydaemonwsgi",
        maximum_processes=processes,
        threads_per_process=threads,
    )
    sys.modules["apache"] = apache


def tell_application_group(name: str) -> None:
    """Have the module say the application group that the process has turned out to be for."""
    module = sys.modules.get("mod_wsgi")
    if module is not None:
        module.__dict__["application_group"] = name
