"""What SCRIPT names: a file or a module, and the callable object in it. Sans-I/O."""

import posixpath
import re
from collections.abc import Callable
from dataclasses import dataclass

from pydaemonwsgi.config.options import OPTIONS, ServeOptions
from pydaemonwsgi.config.values import is_callable_name
from pydaemonwsgi.errors import ConfigurationError

__all__ = ["ScriptSpec", "resolve_script"]


@dataclass(frozen=True, slots=True)
class ScriptSpec:
    """Where the application is: exactly one of `path` (absolute) and `module` is set."""

    path: str | None
    module: str | None
    callable_object: str


def resolve_script(options: ServeOptions, *, cwd: str, exists: Callable[[str], bool]) -> ScriptSpec:
    """Decide what SCRIPT names.

    A text that names an existing file, holds a "/" or ends in .py or .wsgi is a file; anything else is a
    module. Both may be followed by ":" and the name of the callable object.

    Args:
        options: whose `script` and `callable_object` count.
        cwd: the absolute directory against which a file name is completed.
        exists: whether there is a file (not a directory) of this absolute name.

    Raises:
        ConfigurationError: SCRIPT names no file, or can name neither a file nor a module.
    """
    text = options.script
    whole = _absolute(cwd, text)
    if exists(whole):
        return ScriptSpec(whole, None, options.callable_object)
    if factory := re.search(r":([\w.]+\(.*\))$", text):
        raise ConfigurationError(
            f"SCRIPT: {text!r} calls a factory, which is not supported; "
            f"assign its result to a name in a script (application = {factory[1]}) and serve that"
        )
    target, colon, name = text.rpartition(":")
    if colon and "/" not in name:
        callable_object = _choose_callable(options, name)
    else:
        target, callable_object = text, options.callable_object
    if not target:
        raise ConfigurationError(f"SCRIPT: {text!r} names no script; give a file or a module before the colon")
    path = _absolute(cwd, target)
    if exists(path):
        return ScriptSpec(path, None, callable_object)
    # "mysite.wsgi:application" is Django's usual module; nobody has a module that is called "py".
    if "/" in target or target.endswith(".py") or (target == text and target.endswith(".wsgi")):
        raise ConfigurationError(f"SCRIPT: there is no file {path}{_module_advice(target, callable_object)}")
    if not is_callable_name(target):
        raise ConfigurationError(
            f"SCRIPT: {text!r} is neither an existing file nor a module; there is no file {path}, "
            "and a module is written package.module"
        )
    return ScriptSpec(None, target, callable_object)


def _absolute(cwd: str, text: str) -> str:
    return posixpath.normpath(posixpath.join(cwd, text))


def _choose_callable(options: ServeOptions, name: str) -> str:
    if not is_callable_name(name):
        raise ConfigurationError(
            f"SCRIPT: {name!r} in {options.script!r} is not a Python name; give one such as application"
        )
    if options.callable_object not in (OPTIONS["callable_object"].default, name):
        raise ConfigurationError(
            f"SCRIPT names the callable object {name!r}, --callable-object {options.callable_object!r}; "
            "give only one of them"
        )
    return name


def _module_advice(target: str, callable_object: str) -> str:
    if target.endswith(".wsgi") and is_callable_name(target):
        return f"; for the module of that name give {target}:{callable_object}"
    return ""
