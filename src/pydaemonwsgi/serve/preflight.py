"""What can be refused before anything is started: scripts, directories, users, paths out of reach. Shell."""

import importlib.util
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.machinery import PathFinder
from typing import Final

from pydaemonwsgi.config.chroot import seen_from_inside
from pydaemonwsgi.config.group_options import GroupOptions
from pydaemonwsgi.config.options import ServeOptions
from pydaemonwsgi.config.script import ScriptSpec, resolve_script
from pydaemonwsgi.config.values import INTERPRETERS
from pydaemonwsgi.errors import ConfigurationError, StartError
from pydaemonwsgi.front.access_log import compile_format
from pydaemonwsgi.system.identities import Identity, resolve_identity
from pydaemonwsgi.system.interpreters import Environment, examine
from pydaemonwsgi.system.readability import check_readable_as
from pydaemonwsgi.system.subinterpreters import explain_missing

__all__ = [
    "Checked",
    "check",
    "check_interpreters",
    "check_reach",
    "check_root",
    "current_directory",
    "describe",
    "environment_of",
]

# Daemon processes use these where their environment has them.
_USEFUL_PACKAGES: Final = ("psutil", "setproctitle", "watchdog")


@dataclass(frozen=True, slots=True)
class Checked:
    """What the options came to.

    Attributes:
        script: what to serve.
        directory: where the daemon processes run.
        identity: who the children become; None when they stay root, because nobody else was named.
        environment: what is in --python-home; None without one.
    """

    script: ScriptSpec
    directory: str
    identity: Identity | None
    environment: Environment | None


def check(options: ServeOptions) -> Checked:
    """Look at everything that the options name.

    Raises:
        ConfigurationError: something is not there, or the run-as user cannot reach it.
        StartError: the current directory has been removed.
    """
    cwd = current_directory()
    script = _script(options, cwd)
    compile_format(options.access_log_format)
    directory = _working_directory(options, cwd)
    identity = _identity(options)
    if options.spool_directory is not None and not os.path.isdir(options.spool_directory):
        raise ConfigurationError(f"--spool-directory: {options.spool_directory} is not a directory")
    if script.module is not None and (options.script_user or options.script_group):
        flag = "--script-user" if options.script_user else "--script-group"
        raise ConfigurationError(f"{flag} is about a script's file, and SCRIPT is a module; give the path of a file")
    check_root(options.chroot, identity)
    scripts = _module_files(script, options, directory) if script.path is None else [script.path]
    check_reach(scripts, identity, directory, options.chroot)
    environment = _check_module(script, options, identity, directory)
    return Checked(script, directory, identity, environment)


def current_directory() -> str:
    """Return where this command was given.

    Raises:
        StartError: that directory has been removed.
    """
    try:
        return os.getcwd()
    except OSError as error:
        raise StartError(f"the current directory is not there any more: {error.strerror}; cd elsewhere") from error


def _script(options: ServeOptions, cwd: str) -> ScriptSpec:
    path = os.path.join(cwd, options.script)
    try:
        script = resolve_script(options, cwd=cwd, exists=os.path.isfile)
    except ConfigurationError:
        if os.path.isdir(path):
            raise ConfigurationError(f"SCRIPT: {path} is a directory; give a file in it") from None
        if os.path.exists(path):
            raise ConfigurationError(f"SCRIPT: {path} is not a regular file") from None
        raise
    elsewhere = options.python_path or options.working_directory is not None
    if script.module is not None and os.path.isdir(path) and not elsewhere:
        # A name without dots is found without importing anything; a namespace package has no code to serve.
        spec = None if "." in script.module else importlib.util.find_spec(script.module)
        if spec is None or spec.origin is None:
            raise ConfigurationError(f"SCRIPT: {path} is a directory; give a file in it, or a module")
    return script


def _working_directory(options: ServeOptions, cwd: str) -> str:
    """Return where the daemon processes run, as seen from outside."""
    given = options.home or options.working_directory
    if given is None:
        root = options.chroot
        return cwd if root is None or os.path.commonpath((cwd, root)) == os.path.normpath(root) else root
    directory = os.path.join(cwd, given)
    if not os.path.isdir(directory):
        flag = "--working-directory" if options.home is None else "--home"
        raise ConfigurationError(f"{flag}: {directory} is not a directory")
    return directory


def check_root(root: str | None, identity: Identity | None) -> None:
    """Look at a directory that is to become the root of processes.

    Raises:
        ConfigurationError: it is not there, or cannot become it.
    """
    if root is None:
        return
    if not os.path.isdir(root):
        raise ConfigurationError(f"--chroot: {root} is not a directory")
    if os.geteuid() != 0:
        raise ConfigurationError("--chroot: only root can; start as root, or leave it out")
    if identity is None:
        raise ConfigurationError("--chroot needs --user as well: root finds its way out")


def _identity(options: ServeOptions) -> Identity | None:
    """Return who the children become; None when they stay root, because nobody else was named."""
    if os.geteuid() == 0:
        if options.user is not None:
            return resolve_identity(options.user, options.group, options.supplementary_groups)
        if options.group is not None or options.supplementary_groups is not None:
            raise ConfigurationError("--group and --supplementary-groups need --user as well")
        return None
    # As mod_wsgi: only root can become somebody else; the names are checked all the same.
    if options.user is not None:
        resolve_identity(options.user, options.group, options.supplementary_groups)
    return resolve_identity(None, None, None)


def check_reach(
    scripts: Sequence[str], identity: Identity | None, directory: str, root: str | None, *, imports_us: bool = False
) -> None:
    """Say what the run-as user cannot read, before anything is started.

    Args:
        scripts: absolute paths, as seen from outside.
        identity: who the processes become; None to stay root.
        directory: where they run, as seen from outside.
        root: what becomes their root; None for no such thing.
        imports_us: whether they import our package as that user, as a sub-interpreter does.

    Raises:
        ConfigurationError: something is out of reach.
    """
    if identity is None:
        return
    inside = "" if root is None else f" inside --chroot {root}"
    executables: list[tuple[str, str]] = []
    paths = [(seen_from_inside(script, root, "the script"), f"the script{inside}") for script in scripts]
    if root is not None:
        # Modules that are imported later are looked for there, under the path that they have here.
        paths.append((os.path.realpath(os.__file__), f"the Python library{inside}"))
        if imports_us:
            paths.append((__file__, f"the pydaemonwsgi package{inside}"))
    elif identity.uid != os.geteuid():
        executables.append((os.path.realpath(sys.executable), "the interpreter"))
        paths += [
            (os.path.realpath(os.__file__), "the Python library"),
            (__file__, "the pydaemonwsgi package"),
        ]
        for name in ("setproctitle", "httptools", "watchdog"):
            spec = importlib.util.find_spec(name)
            if spec is not None and spec.origin is not None:
                paths.append((spec.origin, f"the package {name}"))
    at = seen_from_inside(directory, root, "the working directory")
    problems = check_readable_as(
        identity, paths, executables=executables, directories=[(at, f"the working directory{inside}")], root=root
    )
    if problems:
        # What stands in the way of one often stands in the way of others: the interpreter says it best.
        first = next((problem for problem in problems if problem.startswith("the interpreter")), problems[0])
        first = problems[0] if problems[0].startswith("the script") else first
        more = len(problems) - 1
        raise ConfigurationError(first + (f" (and {more} more such path{'s' if more > 1 else ''})" if more else ""))


def _module_files(script: ScriptSpec, options: ServeOptions, directory: str) -> list[str]:
    """Return the files that importing the script's module reads first, as far as they are found without running any.

    To a user who may not enter their directory, Python says that there is no such module.
    """
    if script.module is None or options.chroot is not None:
        return []
    ours = sys.path if options.python_home is None else []
    places: list[str] | None = [directory, *(os.path.abspath(entry) for entry in options.python_path), *ours]
    files = []
    parts = script.module.split(".")
    for count in range(1, len(parts) + 1):
        spec = PathFinder.find_spec(".".join(parts[:count]), places)
        if spec is None or not spec.has_location or spec.origin is None:
            break  # nowhere, or a namespace package, whose directories only an import finds
        files.append(spec.origin)
        places = spec.submodule_search_locations
        if places is None:
            break
    return files


def _check_module(
    script: ScriptSpec, options: ServeOptions, identity: Identity | None, directory: str
) -> Environment | None:
    """Refuse a module whose top-level package is nowhere; nothing of it is run. Return what --python-home holds."""
    extra = [os.path.abspath(entry) for entry in options.python_path]
    module = None if script.module is None else script.module.partition(".")[0]
    if any(name.endswith(".pth") for entry in extra if os.path.isdir(entry) for name in os.listdir(entry)):
        module = None  # those may add any directory
    environment = None
    if options.python_home is not None:
        environment = environment_of(options, identity, module, [directory, *extra])
        found = environment.has_module
    else:
        found = module is None or module in sys.builtin_module_names
        found = found or PathFinder.find_spec(module or "", [directory, *extra, *sys.path]) is not None
    if not found:
        of = "" if environment is None else f" of {options.python_home}"
        raise ConfigurationError(
            f"there is no module {module!r} in {directory} or elsewhere on the path{of}; "
            "give --working-directory or --python-path, or the path of a file"
        )
    return environment


def environment_of(
    options: GroupOptions, identity: Identity | None, module: str | None = None, directories: Sequence[str] = ()
) -> Environment:
    """Have the interpreter of --python-home say what it is.

    Raises:
        ConfigurationError: there is none, or it cannot be used.
    """
    root = options.chroot
    return examine(
        seen_from_inside(os.path.abspath(options.python_home or ""), root, "--python-home"),
        identity,
        os.environ,
        packages=_USEFUL_PACKAGES,
        module=module,
        directories=[seen_from_inside(directory, root, "a directory of modules") for directory in directories],
        root=root,
    )


def check_interpreters(options: GroupOptions, environment: Environment | None) -> None:
    """Refuse sub-interpreters where the Python has none.

    Args:
        options: of the process group.
        environment: what is in python-home; None without one.

    Raises:
        ConfigurationError: they are wanted, and it has none.
    """
    if not options.threads or options.application_groups != INTERPRETERS:
        return
    why = explain_missing(None if environment is None else environment.version)
    if why is not None:
        raise ConfigurationError(why)


def describe(environment: Environment, options: GroupOptions) -> list[str]:
    """Return what is worth knowing about what --python-home holds."""
    home = options.python_home
    texts = [f"python-home {home}: Python {environment.version_text}"]
    missing = [name for name in _USEFUL_PACKAGES if name not in environment.packages]
    if "setproctitle" in missing:
        texts.append(f"python-home {home} has no setproctitle: long titles are cut")
    if "watchdog" in missing and options.reload_on_changes:
        texts.append(f"python-home {home} has no watchdog: modules are looked at once a second")
    return texts
