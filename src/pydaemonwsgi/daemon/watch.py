"""Notices that any imported module's file changed (`--reload-on-changes`). Shell.

By a thread of watchdog's; where the process's environment has no watchdog, by looking at every file at each refresh.
"""

import logging
import os
import sys
from collections.abc import Callable, Mapping
from typing import Any

__all__ = ["ModuleWatch"]

logger = logging.getLogger(__name__)


class ModuleWatch:
    """Watches the files of all imported modules.

    Args:
        changed: called with a path, from the observer's thread or from `refresh`, once for each change.
        known: versions of files as they were loaded, of a watch that this one goes on for; changes since then count.
        observe: whether a thread may watch; without, each `refresh` looks at every file.
    """

    def __init__(
        self, changed: Callable[[str], None], *, known: Mapping[str, int] | None = None, observe: bool = True
    ) -> None:
        self._changed = changed
        self._files: dict[str, int] = {}
        self._directories: set[str] = set()
        self._observe = self._observer() if observe else None
        for path, version in (known or {}).items():
            self._add(path, version)
            self.look_at(path)

    @property
    def versions(self) -> Mapping[str, int]:
        """The watched files, and the modification time in nanoseconds at which each is known."""
        return self._files

    def _observer(self) -> Callable[[str], None] | None:
        """Start an observer; return how to have it watch a directory, None where there is no watchdog."""
        try:
            from watchdog.events import FileSystemEventHandler  # noqa: PLC0415 - only processes that watch need it
            from watchdog.observers import Observer  # noqa: PLC0415
        except ImportError:
            return None
        watch = self

        class Handler(FileSystemEventHandler):
            def on_any_event(self, event: Any) -> None:
                for path in (event.src_path, getattr(event, "dest_path", "")):
                    if path:
                        watch.look_at(os.fsdecode(path))

        handler, observer = Handler(), Observer()
        observer.daemon = True
        observer.start()

        def observe(directory: str) -> None:
            observer.schedule(handler, directory, recursive=False)

        return observe

    def refresh(self) -> None:
        """Watch the modules that were imported since the last call."""
        for module in list(sys.modules.values()):
            path = getattr(module, "__file__", None)
            if isinstance(path, str) and path not in self._files:
                self._add(path, _version(path))
        if self._observe is None:
            for path in list(self._files):
                self.look_at(path)

    def _add(self, path: str, version: int) -> None:
        self._files[path] = version
        directory = os.path.dirname(path) or "."
        if self._observe is not None and directory not in self._directories:
            self._directories.add(directory)
            try:
                self._observe(directory)
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
