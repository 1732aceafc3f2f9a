"""Whether the code that this process runs is out of date. Shell."""

import logging
from collections.abc import Callable

from pydaemonwsgi.daemon.ownership import OwnershipGate
from pydaemonwsgi.daemon.scripts import Script
from pydaemonwsgi.daemon.watch import ModuleWatch

__all__ = ["Reloading"]

logger = logging.getLogger(__name__)


class Reloading:
    """Compares the code as it is with the code as it was loaded.

    Args:
        script: what was loaded.
        enabled: whether a changed script counts.
        gate: what has kept the script from being loaded, if anything: once it opens, the script is there to load.
    """

    def __init__(self, script: Script, *, enabled: bool, gate: OwnershipGate | None = None) -> None:
        self._script = script
        self._enabled = enabled
        self._gate = gate
        self._module_changed = False
        self._kept_version = -1
        self._watch: ModuleWatch | None = None

    def watch_modules(self, noticed: Callable[[], None]) -> None:
        """Have every imported module count too.

        Args:
            noticed: called, from the observer's thread, when a module has changed.
        """

        def note(path: str) -> None:
            logger.info("%s has changed", path)
            self._module_changed = True
            noticed()

        self._watch = ModuleWatch(note)
        self._watch.refresh()

    def refresh(self) -> None:
        """Take notice of modules that were imported since the last call."""
        if self._watch is not None:
            self._watch.refresh()

    def has_changed(self) -> bool:
        """Whether newer code than ours is there."""
        if self._module_changed or (self._gate is not None and self._gate.refusal() is None):
            return True
        if not self._enabled:
            return False
        version = self._script.current_version()
        if version not in {self._script.version, 0, self._kept_version}:
            return True
        try:
            return self._script.asks_for_reload()
        except Exception:
            # The application's own function; as under mod_wsgi its failure means that nothing is reloaded.
            logger.exception("reload_required() of %s raised", self._script.name)
            return False

    def keep(self, version: int) -> None:
        """Go on with our code: this version of the script does not load."""
        self._kept_version = version
        self._module_changed = False
