"""Loading a WSGI script and noticing that it changed. Shell.

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

__all__ = ["LoadError", "Script", "WSGIApplication", "extend_path"]

WSGIApplication = Callable[..., Iterable[bytes]]
_ABSENT: Final = 0
_MISSING: Final = object()


class LoadError(Exception):
    """The script could not be loaded; the message is what the error log should show.

    Attributes:
        status: what a client who asked for it is answered with, as in a status line.
    """

    def __init__(self, message: str, status: str = "500 Internal Server Error") -> None:
        super().__init__(message)
        self.status = status


class Script:
    """A file or module that holds applications.

    Args:
        path: absolute path of the script, or None where a module is given.
        module_name: dotted name of the module, or None.

    Attributes:
        module: what was loaded last, whole; None before. A later attempt that fails leaves it as it is.
        filename: of the script, or of the module once that is known.
        version: the file's modification time in nanoseconds when it was last tried to load it; 0 before.
    """

    def __init__(self, path: str | None, module_name: str | None) -> None:
        self._path = path
        self._module_name = module_name
        self._kept: int | None = None
        self._mtime: object = None
        self.module: types.ModuleType | None = None
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
        if version in {_ABSENT, self._kept}:
            return False
        if version != self.version:
            return True
        # mod_wsgi compares with the module's own `__mtime__`: a script that deletes or changes it is loaded anew.
        return self.module is not None and self.module.__dict__.get("__mtime__") != self._mtime

    def keep(self, version: int) -> None:
        """Do not count this version of the file as a change: it does not load."""
        self._kept = version

    def asks_for_reload(self, resource: str | None = None) -> bool:
        """Whether the script defines `reload_required(resource)` and it says so; it may raise.

        Args:
            resource: the file that was asked for; None is the script itself.
        """
        if self.module is None:
            return False
        reload_required = self.module.__dict__.get("reload_required")
        return callable(reload_required) and bool(reload_required(resource or self.filename or ""))

    def load(self) -> types.ModuleType:
        """Import the script, once more if it has been loaded before, and return its module.

        Raises:
            LoadError: it cannot be read, compiled or executed. Whatever the script raises is turned into this error,
                SystemExit and KeyboardInterrupt included.
        """
        try:
            module = self.run()
        except SystemExit as error:
            raise LoadError(f"{self.name} called sys.exit({error.code!r}) while it was loaded") from error
        self.module = module
        return module

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
            if error.filename == self._path and self._path is not None:
                raise LoadError(f"cannot read {self.name}: {error.strerror}", _status(error)) from error
            raise LoadError(_without_our_frames(error)) from error
        except BaseException as error:
            raise LoadError(_without_our_frames(error)) from error

    def find(self, callable_object: str) -> WSGIApplication:
        """Return an application of the script, which has been loaded.

        Args:
            callable_object: its name; dots go into attributes.

        Raises:
            LoadError: there is none of this name, or it is not callable.
        """
        assert self.module is not None
        first, *rest = callable_object.split(".")
        # By the dictionary, as mod_wsgi does: a module's own __getattr__ is none of our business.
        target: Any = self.module.__dict__.get(first, _MISSING)
        try:
            for part in rest:
                target = getattr(target, part, _MISSING)
        except Exception as error:
            raise LoadError(_without_our_frames(error)) from error
        if target is _MISSING:
            raise LoadError(
                f"{self.name} does not contain the WSGI application {callable_object!r}; "
                "name it so in the script, or give its name with --callable-object (WSGICallableObject)"
            )
        if not callable(target):
            raise LoadError(f"{callable_object!r} in {self.name} is a {type(target).__name__}, not callable")
        application: WSGIApplication = target
        return application

    @property
    def is_nowhere(self) -> bool:
        """Whether neither a file nor a module was named."""
        return self._path is None and self._module_name is None

    @property
    def reloads_in_place(self) -> bool:
        """Whether it can be loaded once more beside what runs; a module that others import cannot."""
        return self._path is not None

    @property
    def name(self) -> str:
        """What to call it in messages."""
        return f"script {self._path}" if self._path else f"module {self._module_name}"

    def _import_path(self, path: str) -> types.ModuleType:
        name = f"_mod_wsgi_{hashlib.md5(os.fsencode(path), usedforsecurity=False).hexdigest()}"
        with open(path, "rb") as file:
            source = file.read()
        module = types.ModuleType(name)
        module.__file__ = path
        before = sys.modules.get(name)
        sys.modules[name] = module
        try:
            exec(compile(source, path, "exec", dont_inherit=True), module.__dict__)  # noqa: S102 - the purpose
        except BaseException:
            # Half of a module must not be found by the next attempt, nor by the code that goes on in its place.
            sys.modules.pop(name, None)
            if before is not None:
                sys.modules[name] = before
            raise
        module.__dict__["__mtime__"] = self._mtime = self.version // 1000
        return module

    def _import_module(self) -> types.ModuleType:
        assert self._module_name is not None
        # Found before it is run, so that a module that fails is tried again when its file changes.
        try:
            spec = importlib.util.find_spec(self._module_name)
        except ImportError:
            spec = None  # importing it says better why
        if spec is not None and spec.has_location:
            self.filename = spec.origin
            self.version = self.current_version()
        module = importlib.import_module(self._module_name)
        self._mtime = module.__dict__.get("__mtime__")
        return module


def _status(error: OSError) -> str:
    """Return what a client is told about a script that cannot be read, as httpd says it."""
    if isinstance(error, (FileNotFoundError, NotADirectoryError)):
        return "404 Not Found"
    return "403 Forbidden" if isinstance(error, IsADirectoryError) else "500 Internal Server Error"


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
