"""Notices that any imported module's file changed (`--reload-on-changes`). Shell; a thread, by watchdog."""

import logging
import os
import sys
from collections.abc import Callable
from typing import Any

__all__ = ["ModuleWatch"]

logger = logging.getLogger(__name__)


class ModuleWatch:
    """Watches the files of all imported modules.

    Args:
        changed: called with a path, from the observer's thread, once for each change.
    """

    def __init__(self, changed: Callable[[str], None]) -> None:
        from watchdog.events import FileSystemEventHandler  # noqa: PLC0415 - only processes that watch need it
        from watchdog.observers import Observer  # noqa: PLC0415

        self._changed = changed
        self._files: dict[str, int] = {}
        self._directories: set[str] = set()
        watch = self

        class Handler(FileSystemEventHandler):
            def on_any_event(self, event: Any) -> None:
                for path in (event.src_path, getattr(event, "dest_path", "")):
                    if path:
                        watch.look_at(os.fsdecode(path))

        self._handler = Handler()
        self._observer = Observer()
        self._observer.daemon = True
        self._observer.start()

    def refresh(self) -> None:
        """Watch the modules that were imported since the last call."""
        for module in list(sys.modules.values()):
            path = getattr(module, "__file__", None)
            if isinstance(path, str) and path not in self._files:
                self._add(path)

    def _add(self, path: str) -> None:
        self._files[path] = _version(path)
        directory = os.path.dirname(path) or "."
        if directory not in self._directories:
            self._directories.add(directory)
            try:
                self._observer.schedule(self._handler, directory, recursive=False)
            except OSError as error:
                logger.warning("cannot watch %s for changes: %s", directory, error)

    def look_at(self, path: str) -> None:
        """Report `path` if it is a watched file with a new modification time."""
        known = self._files.get(path)
        if known is None:
            return
        version = _version(path)
        if version not in {known, 0}:
            self._files[path] = version
            self._changed(path)


def _version(path: str) -> int:
    try:
        return os.stat(path).st_mtime_ns
    except OSError:
        return 0
