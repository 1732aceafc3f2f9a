"""Loading the WSGI script and noticing that it changed. Shell.

A script is read, compiled with its own path and executed as a module, whatever its extension; its directory is not
put on `sys.path`. The module is found in `sys.modules` under a name made from the path, as with mod_wsgi.
"""

import hashlib
import importlib
import importlib.util
import os
import site
import sys
import traceback
import types
from collections.abc import Callable, Iterable
from typing import Any, Final

__all__ = ["LoadError", "Script", "extend_path"]

WSGIApplication = Callable[..., Iterable[bytes]]
_ABSENT: Final = 0
_MISSING: Final = object()


class LoadError(Exception):
    """The script could not be loaded; the message is what the error log should show."""


class Script:
    """The file or module that holds the application.

    Args:
        path: absolute path of the script, or None where a module is given.
        module: dotted name of the module, or None.
        callable_object: name of the application inside; dots go into attributes.
    """

    def __init__(self, path: str | None, module: str | None, callable_object: str) -> None:
        self._path = path
        self._module = module
        self._callable_object = callable_object
        self._reload_required: Callable[[str], object] | None = None
        self.filename = path
        self.version = _ABSENT

    def current_version(self) -> int:
        """Return the file's modification time in nanoseconds as it is now; 0 when there is no file."""
        if self.filename is None:
            return _ABSENT
        try:
            return os.stat(self.filename).st_mtime_ns
        except OSError:
            return _ABSENT

    def has_changed(self) -> bool:
        """Whether the file differs from what was loaded; a missing file has not changed (it cannot be loaded)."""
        version = self.current_version()
        return version not in {self.version, _ABSENT}

    def asks_for_reload(self) -> bool:
        """Whether the script defines `reload_required(resource)` and it says so; it may raise."""
        return self._reload_required is not None and bool(self._reload_required(self.filename or ""))

    def skip(self) -> None:
        """Take the file as it is for known without loading it: only another change of it counts."""
        self.version = self.current_version()

    def load(self) -> WSGIApplication:
        """Import the script and return its application.

        Raises:
            LoadError: it cannot be read, compiled or executed, or has no such callable. Whatever the script
                raises is turned into this error, SystemExit and KeyboardInterrupt included.
        """
        try:
            module = self.run()
        except SystemExit as error:
            raise LoadError(f"{self.name} called sys.exit({error.code!r}) while it was loaded") from error
        application = self._find_application(module)
        reload_required = module.__dict__.get("reload_required")
        self._reload_required = reload_required if callable(reload_required) else None
        return application

    def run(self) -> types.ModuleType:
        """Import the script; return the module when it has come to its end.

        Raises:
            SystemExit: the script does.
            LoadError: it cannot be read or compiled, or raises anything else.
        """
        # The version is taken before the content: a change in between is seen as one more change, never missed.
        self.version = self.current_version()
        try:
            return self._import_path(self._path) if self._path else self._import_module()
        except SystemExit:
            raise
        except OSError as error:
            if error.filename == self._path:
                raise LoadError(f"cannot read {self.name}: {error.strerror}") from error
            raise LoadError(_without_our_frames(error)) from error
        except BaseException as error:
            raise LoadError(_without_our_frames(error)) from error

    def _find_application(self, module: types.ModuleType) -> WSGIApplication:
        first, *rest = self._callable_object.split(".")
        # By the dictionary, as mod_wsgi does: a module's own __getattr__ is none of our business.
        target: Any = module.__dict__.get(first, _MISSING)
        try:
            for part in rest:
                target = getattr(target, part, _MISSING)
        except Exception as error:
            raise LoadError(_without_our_frames(error)) from error
        if target is _MISSING:
            raise LoadError(
                f"{self.name} does not contain the WSGI application {self._callable_object!r}; "
                "name it so in the script, or give its name with --callable-object"
            )
        if not callable(target):
            raise LoadError(f"{self._callable_object!r} in {self.name} is a {type(target).__name__}, not callable")
        application: WSGIApplication = target
        return application

    @property
    def name(self) -> str:
        """What to call it in messages."""
        return f"script {self._path}" if self._path else f"module {self._module}"

    def _import_path(self, path: str) -> types.ModuleType:
        name = f"_mod_wsgi_{hashlib.md5(os.fsencode(path), usedforsecurity=False).hexdigest()}"
        with open(path, "rb") as file:
            source = file.read()
        module = types.ModuleType(name)
        module.__file__ = path
        sys.modules[name] = module
        try:
            exec(compile(source, path, "exec", dont_inherit=True), module.__dict__)  # noqa: S102 - the purpose
        except BaseException:
            # Half of a module must not be found by the next attempt.
            sys.modules.pop(name, None)
            raise
        module.__dict__["__mtime__"] = self.version // 1000
        return module

    def _import_module(self) -> types.ModuleType:
        assert self._module is not None
        # Found before it is run, so that a module that fails is tried again when its file changes.
        try:
            spec = importlib.util.find_spec(self._module)
        except ImportError:
            spec = None  # importing it says better why
        if spec is not None and spec.has_location:
            self.filename = spec.origin
            self.version = self.current_version()
        return importlib.import_module(self._module)


def _without_our_frames(error: BaseException) -> str:
    """Return the traceback without this file's frames at its beginning."""
    frames = error.__traceback__
    while frames is not None and (
        frames.tb_frame.f_code.co_filename == __file__ or "importlib" in frames.tb_frame.f_code.co_filename
    ):
        frames = frames.tb_next
    return "".join(traceback.format_exception(type(error), error, frames)).rstrip("\n")


def extend_path(directories: Iterable[str]) -> None:
    """Add `directories` by `site.addsitedir`, so that `.pth` files count, and move what is new to the front."""
    before = list(sys.path)
    for directory in directories:
        site.addsitedir(directory)
    new = [entry for entry in sys.path if entry not in before]
    # addsitedir ignores a directory that is on the path already; it keeps its place, as with mod_wsgi.
    sys.path[:] = new + [entry for entry in sys.path if entry not in new]
