"""argv to exit status: `pydaemonwsgi serve SCRIPT`. Composes the rooms; decides nothing itself."""

import contextlib
import dataclasses
import importlib.util
import logging
import os
import shlex
import socket
import sys
from collections.abc import Sequence
from importlib.machinery import PathFinder
from typing import TYPE_CHECKING

from pydaemonwsgi import __version__
from pydaemonwsgi.config.command_line import parse_serve
from pydaemonwsgi.config.options import ServeOptions
from pydaemonwsgi.config.script import ScriptSpec, resolve_script
from pydaemonwsgi.config.values import ListenAddress
from pydaemonwsgi.errors import ConfigurationError, PydaemonwsgiError, StartError
from pydaemonwsgi.front.access_log import compile_format
from pydaemonwsgi.logs import setup_error_log
from pydaemonwsgi.supervisor.main import Supervisor
from pydaemonwsgi.supervisor.plan import GroupPlan, Plan
from pydaemonwsgi.supervisor.rollover import Group, Timeouts
from pydaemonwsgi.system import descriptors, sockets
from pydaemonwsgi.system.identities import Identity, resolve_identity
from pydaemonwsgi.system.readability import check_readable_as

if TYPE_CHECKING:
    from pydaemonwsgi.daemon.settings import DaemonSettings
    from pydaemonwsgi.front.options import FrontOptions

__all__ = ["main"]

logger = logging.getLogger("pydaemonwsgi.supervisor")

_USAGE = """\
usage: pydaemonwsgi COMMAND …

commands:
  serve SCRIPT   serve a WSGI script or module; `pydaemonwsgi serve --help` lists the options
  version        print the version

Example: pydaemonwsgi serve app.wsgi --processes 2 --threads 25
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command; return its exit status: 0, 1 when it could not start, 2 when it was asked wrongly."""
    _fill_standard_streams()
    arguments = list(sys.argv[1:] if argv is None else argv)
    if not arguments or arguments[0] in {"-h", "--help", "help"}:
        print(_USAGE, end="", file=sys.stdout if arguments else sys.stderr)
        return 0 if arguments else 2
    command = arguments.pop(0)
    try:
        if command in {"version", "--version"}:
            print(f"pydaemonwsgi {__version__}")
            return 0
        if command == "serve":
            return _serve(parse_serve(arguments))
        raise ConfigurationError(f"unknown command {command!r}; the commands are serve and version")
    except PydaemonwsgiError as error:
        print(f"pydaemonwsgi: {error}", file=sys.stderr)
        return getattr(error, "exit_status", 1)
    except KeyboardInterrupt:
        return 130


def _fill_standard_streams() -> None:
    """Put /dev/null where a standard stream is closed; or a listener would become standard input."""
    while (descriptor := os.open(os.devnull, os.O_RDWR)) <= 2:
        os.set_inheritable(descriptor, True)
    os.close(descriptor)
    if sys.stdout is None:
        sys.stdout = open(1, "w", encoding="utf-8", closefd=False)  # noqa: SIM115 - for the process's life
    if sys.stderr is None:
        sys.stderr = open(2, "w", encoding="utf-8", closefd=False)  # noqa: SIM115


def _serve(options: ServeOptions) -> int:
    cwd = _current_directory()
    script = _script(options, cwd)
    compile_format(options.access_log_format)
    directory = _working_directory(options, cwd)
    identity = _identity(options)
    if options.spool_directory is not None and not os.path.isdir(options.spool_directory):
        raise ConfigurationError(f"--spool-directory: {options.spool_directory} is not a directory")
    _check_module(script, options, directory)
    _check_paths(script, identity, directory)
    # Everything that can be refused has been; from here on the machine may refuse, with status 1.
    error_log = descriptors.open_log(options.error_log) if options.error_log else None
    access_log = _open_access_log(options)
    descriptors.raise_descriptor_limit()
    addresses, listeners = _listen(options, identity)
    if error_log is not None:
        banner_to = os.dup(2)
        descriptors.redirect_standard_streams(error_log)
    else:
        banner_to = 2
        descriptors.redirect_standard_streams(2)
    setup_error_log(options.log_level, label="supervisor")
    _warn(options, identity)
    front_options = _front_options(options)
    settings = _daemon_settings(options, script, identity, directory)
    group = Group(
        options.group_name,
        options.process_count,
        Timeouts(
            startup=options.startup_timeout,
            graceful=options.graceful_timeout,
            shutdown=options.shutdown_timeout,
        ),
        debug=options.debug,
    )

    def announce() -> None:
        text = _banner(options, addresses, identity)
        with contextlib.suppress(OSError):  # nobody reads it: no reason not to serve
            os.write(banner_to, text.encode("utf-8", "replace"))

    def script_version() -> int:
        try:
            return 0 if script.path is None else os.stat(script.path).st_mtime_ns
        except OSError:
            return 0

    def run_front(control: socket.socket) -> int:
        # Imported in the child only: the supervisor holds no HTTP code.
        from pydaemonwsgi.front import main as front_main  # noqa: PLC0415

        return front_main.run(front_options, listeners, control, access_log, identity, options.log_level)

    def run_daemon(control: socket.socket, board: int) -> int:
        from pydaemonwsgi.daemon import main as daemon_main  # noqa: PLC0415

        return daemon_main.run(settings, control, board)

    supervisor = Supervisor(
        Plan(
            groups=(GroupPlan(group, options.threads, run_daemon, script_version),),
            listeners=listeners,
            front_descriptors=() if access_log is None else (access_log,),
            run_front=run_front,
            graceful_timeout=options.graceful_timeout,
            on_ready=announce,
        )
    )
    try:
        return supervisor.run()
    finally:
        for address in addresses:
            if address.path is not None:
                try:
                    os.unlink(address.path)
                except OSError as error:
                    logger.debug("cannot remove %s: %s", address.path, error)


def _current_directory() -> str:
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
    if options.working_directory is None:
        return cwd
    directory = os.path.join(cwd, options.working_directory)
    if not os.path.isdir(directory):
        raise ConfigurationError(f"--working-directory: {directory} is not a directory")
    return directory


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


def _check_paths(script: ScriptSpec, identity: Identity | None, directory: str) -> None:
    """Say what the run-as user cannot read, before anything is started."""
    if identity is None:
        return
    paths: list[tuple[str, str]] = []
    executables: list[tuple[str, str]] = []
    if script.path is not None:
        paths.insert(0, (script.path, "the script"))
    if identity.uid != os.geteuid():
        executables.append((os.path.realpath(sys.executable), "the interpreter"))
        paths += [
            (os.path.realpath(os.__file__), "the Python library"),
            (__file__, "the pydaemonwsgi package"),
        ]
        for name in ("setproctitle", "httptools", "watchdog"):
            spec = importlib.util.find_spec(name)
            if spec is not None and spec.origin is not None:
                paths.append((spec.origin, f"the package {name}"))
    problems = check_readable_as(
        identity, paths, executables=executables, directories=[(directory, "the working directory")]
    )
    if problems:
        # What stands in the way of one often stands in the way of others: the interpreter says it best.
        first = next((problem for problem in problems if problem.startswith("the interpreter")), problems[0])
        first = problems[0] if problems[0].startswith("the script") else first
        more = len(problems) - 1
        raise ConfigurationError(first + (f" (and {more} more such path{'s' if more > 1 else ''})" if more else ""))


def _check_module(script: ScriptSpec, options: ServeOptions, directory: str) -> None:
    """Refuse a module whose top-level package is nowhere; nothing of it is run."""
    if script.module is None:
        return
    package = script.module.partition(".")[0]
    extra = [os.path.abspath(entry) for entry in options.python_path]
    if any(name.endswith(".pth") for entry in extra if os.path.isdir(entry) for name in os.listdir(entry)):
        return  # those may add any directory
    if package in sys.builtin_module_names or PathFinder.find_spec(package, [directory, *extra, *sys.path]):
        return
    raise ConfigurationError(
        f"there is no module {package!r} in {directory} or elsewhere on the path; "
        "give --working-directory or --python-path, or the path of a file"
    )


def _open_access_log(options: ServeOptions) -> int | None:
    if options.access_log is None:
        return None
    return os.dup(1) if options.access_log == "-" else descriptors.open_log(options.access_log)


def _listen(options: ServeOptions, identity: Identity | None) -> tuple[list[ListenAddress], list[socket.socket]]:
    addresses: list[ListenAddress] = []
    listeners: list[socket.socket] = []
    for address in options.listeners:
        if address.path is not None:
            path = os.path.abspath(address.path)
            listener = sockets.bind_unix(path, options.listen_backlog)
            if identity is not None and identity.uid != os.geteuid():
                os.chown(path, identity.uid, identity.gid)
            addresses.append(ListenAddress("", 0, path))
        else:
            listener = sockets.bind_tcp(address.host, address.port, options.listen_backlog)
            addresses.append(ListenAddress(address.host, listener.getsockname()[1], None))
        listeners.append(listener)
    return addresses, listeners


def _warn(options: ServeOptions, identity: Identity | None) -> None:
    if identity is None:
        logger.warning(
            "started as root without --user: the application runs as root; give --user NAME for anything but a test"
        )
    elif os.geteuid() != 0 and options.user not in {None, identity.user_name, f"#{identity.uid}"}:
        logger.warning(
            "--user %s has no effect: only root can become another user; running as %s",
            options.user,
            identity.user_name,
        )
    for entry in options.python_path:
        if not os.path.isdir(entry):
            logger.warning("--python-path %s is not a directory", entry)
    try:
        with open("/proc/sys/net/core/somaxconn", encoding="ascii") as file:
            largest = int(file.read())
    except (OSError, ValueError):
        return
    if options.listen_backlog > largest:
        logger.warning(
            "--listen-backlog %d is cut to %d by the kernel; raise net.core.somaxconn",
            options.listen_backlog,
            largest,
        )


def _front_options(options: ServeOptions) -> "FrontOptions":
    from pydaemonwsgi.front.options import FrontOptions, GroupOptions  # noqa: PLC0415

    taken = {
        field.name: getattr(options, field.name) for field in dataclasses.fields(FrontOptions) if field.name != "groups"
    }
    if options.spool_directory is not None:
        taken["spool_directory"] = os.path.abspath(options.spool_directory)  # the front leaves this directory
    group = GroupOptions(options.group_name, options.queue_size, options.queue_timeout)
    return FrontOptions(groups=(group,), **taken)


def _daemon_settings(
    options: ServeOptions, script: ScriptSpec, identity: Identity | None, directory: str
) -> "DaemonSettings":
    from pydaemonwsgi.daemon.settings import DaemonSettings  # noqa: PLC0415

    return DaemonSettings(
        group=options.group_name,
        script=script.path,
        module=script.module,
        callable_object=script.callable_object,
        threads=options.threads,
        processes=options.process_count,
        multiprocess=options.processes is not None,
        maximum_requests=options.maximum_requests,
        python_path=tuple(os.path.abspath(entry) for entry in options.python_path),
        working_directory=directory,
        identity=identity,
        umask=options.umask,
        reloading=not options.disable_reloading,
        reload_on_changes=options.reload_on_changes,
        debug=options.debug,
        shutdown_timeout=options.shutdown_timeout,
        log_level=options.log_level,
    )


def _banner(options: ServeOptions, addresses: list[ListenAddress], identity: Identity | None) -> str:
    """Return what the user wants to know first."""
    lines = [f"pydaemonwsgi {__version__} serves {shlex.quote(options.script)}"]
    for address in addresses:
        if address.path is not None:
            lines.append(f"  listening on  unix:{address.path}")
        else:
            host = address.host or "localhost"
            host = f"[{host}]" if ":" in host else host
            mount = "/" if options.mount_point == "/" else f"{options.mount_point}/"
            lines.append(f"  listening on  http://{host}:{address.port}{mount}")
    lines += [
        f"  processes     {options.process_count} × {options.threads} threads, group {options.group_name}",
        f"  user          {identity.user_name if identity is not None else 'root'}",
        f"  supervisor    pid {os.getpid()} (Ctrl-C or SIGTERM stops, SIGHUP reloads)",
        f"  error log     {options.error_log or 'standard error'}",
        f"  access log    {'standard output' if options.access_log == '-' else options.access_log or 'off'}",
    ]
    return "\n".join(lines) + "\n"
