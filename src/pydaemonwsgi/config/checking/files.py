"""Checks of what the configuration names and the machine should have: files, directories, accounts. Sans-I/O."""

import posixpath
from collections import defaultdict
from collections.abc import Iterator

from pydaemonwsgi.config.checking.machine import Machine
from pydaemonwsgi.config.checking.row import Check, Finding
from pydaemonwsgi.config.grouping import group_of
from pydaemonwsgi.config.log_targets import command_words
from pydaemonwsgi.config.model import Host, LogTarget, LogTargetKind, Position, ProcessGroup, Server
from pydaemonwsgi.config.problems import Severity

__all__ = ["CHECKS"]


def _missing_scripts(server: Server, machine: Machine) -> Iterator[Finding]:
    for path, directive, position in _scripts(server):
        if path.endswith("/") or machine.is_file(path):
            if path.endswith("/") and not machine.is_directory(path):
                yield Finding(position, directive, f"there is no directory {path}")
        elif not machine.is_directory(path):
            yield Finding(position, directive, f"there is no script {path}")


def _scripts(server: Server) -> Iterator[tuple[str, str, Position]]:
    seen = set()
    for host in server.hosts:
        for alias in host.script_aliases:
            if not alias.is_regex and not alias.target.startswith("module:") and alias.position not in seen:
                seen.add(alias.position)
                yield alias.target, "WSGIScriptAlias", alias.position
        for settings in (host.settings, *(section.settings for section in host.sections)):
            for script, directive in (
                (settings.dispatch_script, "WSGIDispatchScript"),
                (settings.access_script, "WSGIAccessScript"),
            ):
                if script is not None and script.position not in seen:
                    seen.add(script.position)
                    yield script.path, directive, script.position
            for handler in settings.handler_scripts:
                if handler.position not in seen:
                    seen.add(handler.position)
                    yield handler.path, "WSGIHandlerScript", handler.position
    for imported in server.import_scripts:
        if imported.position not in seen and not imported.path.startswith("module:"):
            yield imported.path, "WSGIImportScript", imported.position


def _missing_directories(server: Server, machine: Machine) -> Iterator[Finding]:
    for directory, directive in (
        (server.pid_file and posixpath.dirname(server.pid_file), "PidFile"),
        (server.clients.spool_directory, "ServeOption spool-directory"),
    ):
        if directory and not machine.is_directory(directory):
            place = server.main.where(directive)
            yield Finding(place, directive.partition(" ")[0], f"there is no directory {directory}")
    seen: set[str] = set()
    for host in server.hosts:
        root = host.document_root
        if root is not None and root not in seen and not machine.is_directory(root):
            seen.add(root)
            yield Finding(host.where("DocumentRoot"), "DocumentRoot", f"there is no directory {root}")
        for alias in host.aliases:
            if alias.is_regex or alias.target in seen:
                continue
            seen.add(alias.target)
            if not machine.is_file(alias.target) and not machine.is_directory(alias.target):
                yield Finding(alias.position, "Alias", f"there is neither a file nor a directory {alias.target}")
        for target, directive, position in _logs(host):
            directory = posixpath.dirname(target.value)
            if target.kind is LogTargetKind.FILE and directory not in seen and not machine.is_directory(directory):
                seen.add(directory)
                yield Finding(position, directive, f"there is no directory {directory}, so the log cannot be opened")


def _missing_maps(server: Server, machine: Machine) -> Iterator[Finding]:
    for host in server.hosts:
        for one in host.rewrite_maps:
            if one.kind != "int" and not machine.is_file(one.source):
                yield Finding(one.position, "RewriteMap", f"there is no file {one.source}, so nothing is found in it")


def _borrowed_log_directories(server: Server, machine: Machine) -> Iterator[Finding]:
    if not machine.is_root():
        return
    seen: set[str] = set()
    for host in server.hosts:
        for target, directive, position in _logs(host):
            directory = posixpath.dirname(target.value)
            if target.kind is not LogTargetKind.FILE or directory in seen:
                continue
            seen.add(directory)
            strangers = machine.strangers_in(directory)
            if strangers is not None:
                yield Finding(
                    position,
                    directive,
                    f"root writes to the log in {directory}, where {strangers} may put a link in its place; "
                    f"chown root {directory}, chmod go-w {directory}",
                )


def _logs(host: Host) -> Iterator[tuple[LogTarget, str, Position]]:
    if host.error_log is not None:
        yield host.error_log, "ErrorLog", host.error_log.position
    for log in host.access_logs:
        yield log.target, log.directive, log.position


def _missing_programs(server: Server, machine: Machine) -> Iterator[Finding]:
    seen: set[str] = set()
    for host in server.hosts:
        for target, directive, position in _logs(host):
            if target.kind is not LogTargetKind.PIPE or target.shell:
                continue
            program = command_words(target)[0]
            # Without a slash it is looked for on the path of whoever starts the server.
            if "/" in program and program not in seen:
                seen.add(program)
                path = posixpath.join(server.server_root or "/", program)
                if not machine.is_file(path):
                    yield Finding(
                        position,
                        directive,
                        f"there is no program {path}, so the log that it reads cannot be opened",
                    )


def _missing_accounts(server: Server, machine: Machine) -> Iterator[Finding]:
    if server.user is not None and not machine.has_user(server.user):
        yield Finding(server.main.where("User"), "User", f"there is no user {server.user!r}", Severity.ERROR)
    owner = server.clients.socket_user
    if owner is not None and not machine.has_user(owner):
        place = server.main.where("ServeOption socket-user")
        has_sockets = any(listener.address.path is not None for listener in server.listeners)
        severity = Severity.ERROR if has_sockets else Severity.WARNING
        yield Finding(place, "ServeOption", f"there is no user {owner!r}", severity)
    if server.group is not None and not machine.has_group(server.group):
        yield Finding(server.main.where("Group"), "Group", f"there is no group {server.group!r}", Severity.ERROR)
    for group in server.groups:
        options = group.options
        # Those of User and Group have been said.
        for name in filter(None, (options.user, options.script_user)):
            if name != server.user and not machine.has_user(name):
                yield Finding(group.position, "WSGIDaemonProcess", f"there is no user {name!r}", Severity.ERROR)
        for name in filter(None, (options.group, options.script_group, *(options.supplementary_groups or ()))):
            if name != server.group and not machine.has_group(name):
                yield Finding(group.position, "WSGIDaemonProcess", f"there is no group {name!r}", Severity.ERROR)


def _superusers(server: Server, machine: Machine) -> Iterator[Finding]:
    named = [(server.user, server.main.where("User"), "User")]
    # A group without user= has the server's.
    named += [(group.options.user, group.position, "WSGIDaemonProcess") for group in server.groups]
    for number, (user, position, directive) in enumerate(named):
        if user is not None and (not number or user != server.user) and machine.is_superuser(user):
            text = f"applications never run as root, and {user!r} is root; name another user"
            yield Finding(position, directive, text, Severity.ERROR)


def _missing_environments(server: Server, machine: Machine) -> Iterator[Finding]:
    for group in server.groups:
        for path, option in _directories(group):
            if not machine.is_directory(path):
                # Without a directory of modules there may be modules enough elsewhere.
                severity = Severity.WARNING if option == "python-path" else Severity.ERROR
                yield Finding(group.position, "WSGIDaemonProcess", f"{option}=: there is no directory {path}", severity)


def _unusable_interpreters(server: Server, machine: Machine) -> Iterator[Finding]:
    for group in server.groups:
        options = group.options
        home = options.python_home
        # With another root it is the start that looks at it; that it is not there has been said already.
        if home is None or options.chroot is not None or not machine.is_directory(home):
            continue
        why = machine.lacks_interpreter(options)
        if why is not None:
            yield Finding(group.position, "WSGIDaemonProcess", why, Severity.ERROR)


def _directories(group: ProcessGroup) -> Iterator[tuple[str, str]]:
    options = group.options
    for path in options.python_path:
        yield path, "python-path"
    for given, option in ((options.home, "home"), (options.python_home, "python-home"), (options.chroot, "chroot")):
        if given is not None:
            yield given, option


def _unreachable(server: Server, machine: Machine) -> Iterator[Finding]:
    # Once for all groups: there may be a thousand of both.
    scripts: defaultdict[str, dict[tuple[str, str], None]] = defaultdict(dict)
    for host in server.hosts:
        for alias in host.script_aliases:
            if not alias.is_regex and machine.is_file(alias.target):
                scripts[group_of(host, alias)][alias.target, "the script"] = None
    for group in server.groups:
        options = group.options
        if options.chroot is not None or (options.user is not None and not machine.has_user(options.user)):
            continue  # the paths are others inside, or it has been said already
        directories = [(path, f"{option}=") for path, option in _directories(group) if machine.is_directory(path)]
        if server.telemetry is not None and machine.is_directory(posixpath.dirname(server.telemetry.path)):
            directories.append((posixpath.dirname(server.telemetry.path), "the directory of WSGITelemetryService"))
        for sentence in machine.unreadable(options, list(scripts[group.name]), directories):
            yield Finding(group.position, "WSGIDaemonProcess", sentence)


def _low_ports(server: Server, machine: Machine) -> Iterator[Finding]:
    if machine.is_root():
        return
    for listener in server.listeners:
        if 0 < listener.address.port < 1024:
            yield Finding(
                listener.position,
                "Listen",
                f"port {listener.address.port} needs root, or the capability CAP_NET_BIND_SERVICE",
            )


CHECKS = (
    Check("scripts that are missing", _missing_scripts),
    Check("directories that are missing", _missing_directories),
    Check("rewrite maps that are missing", _missing_maps),
    Check("logs that root writes where others may put links", _borrowed_log_directories),
    Check("programs that are to read a log and are missing", _missing_programs),
    Check("users and groups that do not exist", _missing_accounts),
    Check("users who are root", _superusers),
    Check("directories of a process group that are missing", _missing_environments),
    Check("interpreters that cannot be used", _unusable_interpreters),
    Check("scripts, directories and interpreters that a process group's user cannot reach", _unreachable),
    Check("ports that only root may listen on", _low_ports),
)
