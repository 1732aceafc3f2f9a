"""Whether the code that this process runs is out of date. Shell."""

import logging
import time
from collections.abc import Callable, Mapping

from pydaemonwsgi.daemon.applications import Applications
from pydaemonwsgi.daemon.watch import ModuleWatch

__all__ = ["Reloading"]

logger = logging.getLogger(__name__)


class Reloading:
    """Compares the code as it is with the code as it was loaded.

    Args:
        applications: what was loaded.
    """

    def __init__(self, applications: Applications) -> None:
        self._applications = applications
        self._module_changed = False
        self._watch: ModuleWatch | None = None

    def watch_modules(self, noticed: Callable[[], None], *, observe: bool = True) -> None:
        """Have every imported module count too; called again after a fork, when nobody watches any more.

        Args:
            noticed: called, from the observer's thread or from `refresh`, when a module has changed.
            observe: whether a thread may watch.
        """

        def note(path: str) -> None:
            logger.info("%s has changed", path)
            self._module_changed = True
            noticed()

        known = None if self._watch is None else self._watch.versions
        self._watch = ModuleWatch(note, known=known, observe=observe)
        self._watch.refresh()

    def refresh(self) -> None:
        """Take notice of modules that were imported since the last call."""
        if self._watch is not None:
            self._watch.refresh()

    def has_changed(self) -> bool:
        """Whether newer code than ours is there."""
        return self._module_changed or self._applications.any_outdated()

    def is_overdue(self, startup_timeout: float) -> bool:
        """Whether requests could load nothing for so many seconds that only a clean interpreter may help."""
        return self._applications.overdue(time.monotonic(), startup_timeout)

    def keep(self, versions: Mapping[str, int]) -> None:
        """Go on with our code: these versions of these scripts do not load."""
        self._applications.keep(versions)
        self._module_changed = False
