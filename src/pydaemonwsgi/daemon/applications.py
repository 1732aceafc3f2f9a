"""The applications that this process runs: found for a request, loaded when they are first needed. Shell.

Theory of operation. A `Holder` is a script with its lock; an `Application` is one callable object in it. The leader of
the pool finds the application of a request (`Applications.find`) and looks once per batch of requests whether its
script has changed (`is_outdated`). Neither ever waits. Loading is done by the thread that runs the request, under the
holder's lock (`Application.obtain`): requests for the same script wait for it, those for others go on.

What did not load is not tried again by each request, as under mod_wsgi, but when its file has changed, or after a
growing delay: what it needs may be there by then. Until that time its requests get the failure that is known.
"""

import logging
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

from pydaemonwsgi.daemon.hooks import hook_application
from pydaemonwsgi.daemon.ownership import STATUS, Owner, OwnershipGate
from pydaemonwsgi.daemon.routes import Mechanism, Route, Target, read_route, read_target
from pydaemonwsgi.daemon.scripts import LoadError, Script, WSGIApplication

__all__ = ["Application", "Applications", "Holder"]

logger = logging.getLogger(__name__)

# Seconds before what did not load is tried again although its file is the same; doubled each time.
_FIRST_RETRY: Final = 1.0
_LONGEST_RETRY: Final = 60.0
# Scripts known at once. Those that were never loaded are forgotten first, because clients choose names of files.
_KNOWN: Final = 1000
# Callable objects known of one script; forgotten beyond, because a configuration may let clients choose them.
_CALLABLES: Final = 100
# Whom a request is for that names nobody, in a process group without a script of its own.
_NOBODY: Final = Target(None, None, "")


class Application:
    """One callable object of one script.

    Attributes:
        call: the WSGI application; None while it has to be obtained.
        holder: of its script.
    """

    __slots__ = ("_target", "call", "holder")

    def __init__(self, target: Target, holder: "Holder") -> None:
        self._target = target
        self.holder = holder
        self.call: WSGIApplication | None = None

    def obtain(self) -> WSGIApplication:
        """Return the WSGI application, loaded if it is not; may take its time.

        Raises:
            LoadError: there is none.
        """
        holder = self.holder
        with holder.lock:
            call = self.call
            if call is None:
                holder.bring_up()
                call = self._find()
                if holder.gate is not None:
                    call = holder.gate.guard(call)
                if not holder.stale:
                    self.call = call
            return call

    def _find(self) -> WSGIApplication:
        target, script = self._target, self.holder.script
        if target.hook is not None:
            return hook_application(target.hook, script)
        if not target.callable_object:
            return _nothing_to_call  # only loaded, never called
        try:
            return script.find(target.callable_object)
        except LoadError as error:
            logger.error("%s could not be loaded:\n%s", script.name, error)
            raise


class Holder:
    """A script in use.

    Args:
        target: where it is.
        applications: hears how it goes, and says whose it must be.

    Attributes:
        script: the script.
        gate: what lets it be run; None where anybody's may.
        lock: held while it is loaded.
        stale: it is to be loaded once more, in its place.
        looked: when the batch of requests was received for which it was looked at last.
        mechanism: what happens when it has changed, as the last request said.
        fresh: it was loaded before any request, and none has come for it yet.
    """

    def __init__(self, target: Target, applications: "Applications") -> None:
        self._target = target
        self._all = applications
        self._applications: dict[Target, Application] = {}
        self._failure: LoadError | None = None
        self._retry_at = 0.0
        self._delay = _FIRST_RETRY
        self.script = Script(target.path, target.module)
        # A module has no owner of its own: it is found on a path that only the settings say.
        owner = applications.owner
        self.gate = None if target.path is None or owner is None else OwnershipGate(target.path, owner)
        self.lock = threading.Lock()
        self.stale = False
        self.looked = 0.0
        self.mechanism = Mechanism.OFF
        self.fresh = False

    @property
    def failed(self) -> bool:
        """Whether the last attempt to load it failed."""
        return self._failure is not None

    def application(self, target: Target) -> Application:
        """Return one of its callable objects, loaded or not."""
        found = self._applications.get(target)
        if found is None:
            if len(self._applications) >= _CALLABLES:
                self._applications.clear()
            found = self._applications[target] = Application(target, self)
        return found

    def make_stale(self) -> None:
        """Have the next request load it once more; those that run keep what they have."""
        self.stale = True
        for application in list(self._applications.values()):
            application.call = None

    def bring_up(self) -> None:
        """Load the script, if it has to be; called with the lock.

        Raises:
            LoadError: it cannot be loaded, or could not a moment ago.
        """
        script = self.script
        if script.module is not None and not self.stale:
            return
        if script.is_nowhere:
            raise LoadError("neither the server's settings nor the request name a script to run")
        if self.gate is not None and (refusal := self.gate.refusal()) is not None:
            raise LoadError(f"{script.name} may not be run: {refusal}", STATUS)
        failure = self._failure
        same = failure is not None and script.current_version() == script.version
        if failure is not None and same and time.monotonic() < self._retry_at:
            raise failure
        self.stale = False
        started = time.monotonic()
        try:
            script.load()
        except LoadError as error:
            if script.module is not None and not self._all.debug:
                logger.error("%s as it is now could not be loaded; it keeps its code:\n%s", script.name, error)
                return
            self._fail(error)
            raise
        self._failure = None
        self._delay = _FIRST_RETRY
        logger.info("%s loaded in %.2f s", script.name, time.monotonic() - started)
        self._all.note_loaded(self._target)

    def wait_for_others(self) -> None:
        """Try again only when the file has changed: other processes try it meanwhile."""
        self._retry_at = float("inf")

    def _fail(self, error: LoadError) -> None:
        script = self.script
        logger.error("%s could not be loaded:\n%s", script.name, error)
        if error.status.startswith("5"):
            # A file that is missing costs no more than a look, so it is looked for each time.
            self._failure = error
            self._retry_at = time.monotonic() + self._delay
            self._delay = min(2 * self._delay, _LONGEST_RETRY)
            self._all.note_failure()
        if script.module is not None:
            script.module = None  # only with `debug`: the error is what people want to see


class Applications:
    """Every application of the process.

    Args:
        default: whom requests are for that say nothing; None where there is no such script.
        mechanism: what happens when a script has changed, where a request says nothing.
        callable_object: the name of an application, where a request says nothing.
        owner: whose every script must be; None for anybody's.
        debug: a new version that does not load replaces one that does, so that its error is seen.

    Attributes:
        default: see above.
        on_loaded: called, from whichever thread, with the target of a script that has been loaded.
        errors: why scripts did not load before the first request.
        on_first: called by the leader with the application group of the first request, before anything is loaded for
            it; None where that is known before.
    """

    def __init__(
        self,
        default: Target | None,
        *,
        mechanism: Mechanism = Mechanism.PROCESS,
        callable_object: str = "application",
        owner: Owner | None = None,
        debug: bool = False,
    ) -> None:
        self.default = default
        self._mechanism = mechanism
        self._callable_object = callable_object
        self.on_first: Callable[[str], None] | None = None
        self.owner = owner
        self.debug = debug
        self.on_loaded: Callable[[Target], None] = _note_nothing
        self._holders: dict[tuple[str | None, str | None], Holder] = {}
        self._first_failure: float | None = None
        self._any_loaded = False
        self.errors: list[str] = []

    def __repr__(self) -> str:
        """Return what an operator would ask for."""
        loaded = sum(holder.script.module is not None for holder in self._holders.values())
        return f"<Applications: {len(self._holders)} scripts known, {loaded} loaded>"

    # -- what the leader asks; nothing here waits

    def find(self, target: Target) -> Application:
        """Return the application that a request is for, loaded or not."""
        key = target[:2]
        holder = self._holders.get(key)
        if holder is None:
            if len(self._holders) >= _KNOWN:
                self._holders = {
                    known: other for known, other in self._holders.items() if other.script.module is not None
                }
            holder = self._holders[key] = Holder(target, self)
        return holder.application(target)

    def route(self, head: Mapping[str, str]) -> Route:
        """Return what the head of a request says: whom it is for, and the rest."""
        if self.on_first is not None:
            self.on_first(head.get("mod_wsgi.application_group", ""))
            self.on_first = None
        target = read_target(head, self._callable_object) or self.default or _NOBODY
        return read_route(head, self.find(target), Mechanism.MODULE if target.hook is not None else self._mechanism)

    def is_outdated(self, route: Route, batch: float) -> bool:
        """Whether only a newer process may answer a request; looks once for each batch and script.

        Args:
            route: of the request.
            batch: when the request was received; those that were received together say the same.
        """
        holder = route.application.holder
        # Once per batch is enough: a request that arrives after a change is in a batch that is looked at after it.
        if holder.looked == batch:
            return False
        holder.looked = batch
        holder.mechanism = mechanism = route.mechanism
        changed = mechanism is not Mechanism.OFF and self._has_changed(holder, route.resource)
        holder.fresh = False
        if not changed:
            return False
        if mechanism is Mechanism.MODULE and holder.script.reloads_in_place:
            holder.make_stale()
            return False
        return True

    def _has_changed(self, holder: Holder, resource: str | None) -> bool:
        script = holder.script
        if not script.version or holder.stale:
            return False  # nothing has been tried yet, or it is to be tried again anyway
        if script.has_changed():
            return True
        if holder.fresh:
            # It was loaded in the place of one that asked for that: or one that always asks would never be run.
            return False
        try:
            return script.asks_for_reload(resource)
        except BaseException:
            # The application's own function; as under mod_wsgi its failure means that nothing is reloaded.
            logger.exception("reload_required() of %s raised", script.name)
            return False

    # -- what the monitor asks

    def any_outdated(self) -> bool:
        """Whether a process should take this one's place, because a script has changed."""
        return any(
            self._has_changed(holder, None)
            for holder in list(self._holders.values())
            if holder.mechanism in {Mechanism.PROCESS, Mechanism.INTERPRETER}
        )

    def overdue(self, now: float, startup_timeout: float) -> bool:
        """Whether nothing at all has loaded for the start-up time-out, in seconds, since the first request's failed.

        What an attempt that failed has imported stays imported; another process tries in a clean interpreter.
        """
        first = self._first_failure
        return bool(startup_timeout) and not self._any_loaded and first is not None and now - first >= startup_timeout

    def keep(self, versions: Mapping[str, int]) -> None:
        """Go on with what is loaded: these versions of these scripts do not load."""
        for holder in list(self._holders.values()):
            version = versions.get(holder.script.name)
            if version is not None:
                holder.script.keep(version)

    # -- loading before any request

    def versions(self, targets: Iterable[Target]) -> dict[str, int]:
        """Return the scripts and their modification times as they are now, where they are there."""
        scripts = [self.find(target).holder.script for target in targets]
        return {script.name: version for script in scripts if (version := script.current_version())}

    def load(self, targets: Iterable[Target]) -> dict[str, int]:
        """Load scripts in their order, and find the applications that are named; failures stop nothing.

        Returns:
            Those that did not load, by name, with the version that was tried. A file that is not there, but for the
            default, or that may not be run, is no failure of the code.
        """
        failures: dict[str, int] = {}
        for target in targets:
            application = self.find(target)
            holder = application.holder
            holder.mechanism = self._mechanism
            try:
                application.obtain()
                holder.fresh = True
            except LoadError as error:
                if error.status.startswith("5") or (target == self.default and error.status.startswith("404")):
                    failures[holder.script.name] = holder.script.version
                self.errors.append(str(error))
                # The supervisor knows of it, and tries again in other processes, with clean interpreters.
                holder.wait_for_others()
        self._first_failure = None
        return failures

    def note_failure(self) -> None:
        """A script did not load."""
        if self._first_failure is None:
            self._first_failure = time.monotonic()

    def note_loaded(self, target: Target) -> None:
        """A script has loaded."""
        self._any_loaded = True
        self.on_loaded(target)


def _nothing_to_call(environ: Any, start_response: Any) -> Iterable[bytes]:
    del environ, start_response
    raise RuntimeError("a script that is only imported has no application to call")


def _note_nothing(target: Target) -> None:
    del target
