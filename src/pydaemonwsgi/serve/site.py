"""The blueprint of `pydaemonwsgi serve --config FILE`: the hosts and process groups of a configuration. Shell."""

import dataclasses
import os
from collections.abc import Mapping
from typing import Any

from pydaemonwsgi.config.client_options import ClientOptions
from pydaemonwsgi.config.group_options import GroupOptions
from pydaemonwsgi.config.grouping import free_threading_of
from pydaemonwsgi.config.model import EMBEDDED, ProcessGroup, Server
from pydaemonwsgi.config.options import ServeOptions
from pydaemonwsgi.config.problems import Problem, Severity
from pydaemonwsgi.config.values import INTERPRETERS
from pydaemonwsgi.errors import ConfigurationError
from pydaemonwsgi.inspection.configuration import read_configuration
from pydaemonwsgi.serve.blueprint import Blueprint, GroupBlueprint
from pydaemonwsgi.serve.orders import settings_of_group
from pydaemonwsgi.serve.partitions import division_of, partition_of
from pydaemonwsgi.serve.preflight import check_interpreters, check_reach, check_root, describe, environment_of
from pydaemonwsgi.serve.telemetry import telemetry_warnings
from pydaemonwsgi.system.identities import Identity, group_id, resolve_identity
from pydaemonwsgi.system.interpreters import explain_gil

__all__ = ["draw"]

# Who the front becomes where the configuration names nobody.
_NOBODY = "nobody"


def draw(options: ServeOptions, before: Blueprint | None = None, *, lenient: bool = False) -> Blueprint:
    """Read the configuration, look at everything that it names, and return what is to be served.

    Args:
        options: of the command line.
        before: what was drawn when it was read last: interpreters that run already are not started again to be seen.
        lenient: whether a process group whose interpreter cannot be used is drawn all the same, if another one's can:
            after an upgrade of the system's Python one environment that was not made anew is no reason to serve nobody.
            What could not be used `before` need not be usable now.

    Raises:
        ConfigurationError: with a line for everything that is wrong with the configuration.
        StartError: the machine refuses something.
    """
    assert options.config is not None
    path = os.path.abspath(options.config)
    loaded = read_configuration(path, options.define)
    server = loaded.required()
    drawing = _Drawing(server, before, lenient=lenient)
    identity = drawing.front_identity()
    drawing.look_at_spool_directory()
    groups = drawing.groups()
    if drawing.problems:
        count = len(drawing.problems)
        raise ConfigurationError(
            "\n".join([f"the configuration has {count} error{'s' if count > 1 else ''}", *drawing.problems])
        )
    return Blueprint(
        subject=path,
        name=options.group_name,
        listen=tuple(listener.address for listener in server.listeners),
        listens_by_default=False,
        clients=_clients(server),
        mount_point="/",
        identity=identity,
        groups=groups,
        fallback=_fallback(server),
        error_log=server.main.error_log,
        log_level=dict(server.main.log_levels).get("", "info"),
        pid_file=options.pid_file or server.pid_file,
        access_logs=tuple(host.access_logs for host in server.hosts),
        site=server,
        examined=drawing.examined,
        unusable=frozenset(drawing.unusable),
        notes=(*(str(problem) for problem in loaded.of(Severity.INFO)), *drawing.notes),
        warnings=(
            *(str(problem) for problem in loaded.of(Severity.WARNING)),
            *drawing.warnings,
            *telemetry_warnings(server),
        ),
    )


def _clients(server: Server) -> ClientOptions:
    """The options of the front; those of the main server's connections are written elsewhere in the model."""
    connection = server.main.connection
    written: dict[str, Any] = {
        "keep_alive_timeout": connection.keep_alive_timeout,
        "limit_request_line": connection.limit_request_line,
        "limit_request_field_size": connection.limit_request_field_size,
        "limit_request_fields": connection.limit_request_fields,
    }
    return dataclasses.replace(server.clients, **{name: value for name, value in written.items() if value is not None})


def _fallback(server: Server) -> GroupOptions:
    timeout = server.main.connection.timeout
    return GroupOptions() if timeout is None else GroupOptions(socket_timeout=timeout)


class _Drawing:
    """Goes through the process groups; one that is wrong does not keep the others from being looked at.

    Attributes:
        problems: what is wrong, a line each.
        notes: what is worth knowing.
        warnings: what works, but hardly as it was meant.
        examined: the interpreters that have been looked at, and as whom; with each, why it cannot go without a GIL,
            None if it can.
        unusable: the interpreters that cannot be used, and as whom.
    """

    def __init__(self, server: Server, before: Blueprint | None, *, lenient: bool) -> None:
        self._server = server
        self._is_root = os.geteuid() == 0
        self._examined_before: Mapping[object, str | None] = {} if before is None else before.examined
        self._unusable_before = frozenset[object]() if before is None else before.unusable
        self._lenient = lenient
        self.examined: dict[object, str | None] = {}
        self.unusable: set[object] = set()
        self._out_of_order: list[tuple[ProcessGroup, str]] = []
        self.problems: list[str] = []
        self._told: set[str] = set()
        self.notes: list[str] = []
        self.warnings: list[str] = []

    def groups(self) -> tuple[GroupBlueprint, ...]:
        """Return the process groups, as far as they are possible."""
        drawn = []
        names: set[str] = set()
        for group in self._server.groups:
            try:
                if group.title in names:
                    raise ConfigurationError(
                        f"the name {EMBEDDED!r} is taken by the group for scripts that name none; choose another one"
                    )
                names.add(group.title)
                drawn.append(self._group(group))
            except ConfigurationError as error:
                if str(error) not in self._told:  # else it is what User or Group says, which the group inherits
                    self.problems.append(f"{group.position}: error: process group {group.title!r}: {error}")
        for group, why in self._out_of_order:
            if len(self._out_of_order) == len(self._server.groups):
                self.problems.append(f"{group.position}: error: process group {group.title!r}: {why}")
            else:
                self.warnings.append(
                    f"{group.position}: process group {group.title!r}: {why}; its requests are answered with 503 until "
                    "that is mended and the server reloaded"
                )
        return tuple(drawn)

    def front_identity(self) -> Identity | None:
        """Return who the front becomes."""
        server = self._server
        if not self._is_root:
            if server.user is not None:
                self.warnings.append(f"User {server.user} has no effect: only root can become another user")
            return resolve_identity(None, None, None)
        identity, group = None, server.group
        try:
            group_id(group or "#0")
        except ConfigurationError as error:
            self._problem("Group", str(error))
            group = None
        try:
            identity = resolve_identity(server.user or _NOBODY, group, None)
        except ConfigurationError as error:
            self._problem("User", str(error))
        return identity

    def look_at_spool_directory(self) -> None:
        """Refuse one that is not there: only long requests would notice it, and fail."""
        directory = self._server.clients.spool_directory
        if directory is not None and not os.path.isdir(directory):
            self._problem("ServeOption spool-directory", f"{directory} is not a directory")

    def _problem(self, directive: str, text: str) -> None:
        """Note what is wrong with a directive of the main server."""
        self._told.add(text)
        place = self._server.main.where(directive)
        self.problems.append(str(Problem(Severity.ERROR, place, directive, text)))

    def _group(self, group: ProcessGroup) -> GroupBlueprint:
        options = group.options
        identity = self._identity(group)
        check_root(options.chroot, identity)
        directory = self._directory(group, identity)
        why = self._examine(group, identity, directory)
        settings = settings_of_group(group, self._server, directory, identity, free_threaded=why is None)
        division = division_of(group, self._server)
        drawn = GroupBlueprint(group.title, options, settings, (), group.error_log, division)
        # What is wrong with one of them is wrong now, not when it is wanted.
        partition_of(drawn, division.base, base=True)
        for name in {*division.early, *(block.application_group for block in division.interpreters)} - {None}:
            partition_of(drawn, name)
        return drawn

    def _identity(self, group: ProcessGroup) -> Identity | None:
        options = group.options
        if self._is_root:
            if options.user is None:
                self.warnings.append(
                    f"{group.position}: process group {group.title!r} runs as root, for neither User nor user= names "
                    "anybody; write User for anything but a test"
                )
                return None
            return resolve_identity(options.user, options.group, options.supplementary_groups)
        own = resolve_identity(None, None, None)
        if options.user not in {None, own.user_name, f"#{own.uid}", self._server.user}:
            resolve_identity(options.user, options.group, options.supplementary_groups)
            self.warnings.append(
                f"{group.position}: process group {group.title!r}: user={options.user} has no effect: "
                f"only root can become another user; running as {own.user_name}"
            )
        return own

    def _directory(self, group: ProcessGroup, identity: Identity | None) -> str:
        """Return where the processes run, as seen from outside: `home`, the user's own home, or the root."""
        options = group.options
        if options.home is not None:
            if not os.path.isdir(options.home):
                raise ConfigurationError(f"home: {options.home} is not a directory")
            return options.home
        if options.chroot is not None:
            return options.chroot
        if identity is None or identity.uid == os.geteuid():
            return "/"
        if os.path.isdir(identity.home):
            return identity.home
        self.warnings.append(
            f"{group.position}: process group {group.title!r}: the home of {identity.user_name}, {identity.home}, "
            "is not a directory; its processes run in /, unless home= says where"
        )
        return "/"

    def _look_at_free_threading(self, group: ProcessGroup, why: str) -> None:
        """Say of a group that cannot go without a GIL, if it should, that it does not."""
        block = free_threading_of(self._server, group.name)
        if block is not None and block.free_threading:
            text = f"it has no effect for the process group {group.title!r}: {why}"
            place = block.free_threading_position
            self.warnings.append(str(Problem(Severity.WARNING, place, "WSGIFreeThreading", text)))

    def _examine(self, group: ProcessGroup, identity: Identity | None, directory: str) -> str | None:
        """Return why an interpreter cannot go without a GIL; None if it can.

        Raises:
            ConfigurationError: the user cannot have it. Scripts out of reach are their requests' trouble.
        """
        options = group.options
        key = (options.python_home, options.chroot, identity, directory, options.application_groups)
        known = {**self._examined_before, **self.examined}
        if key not in known:
            together = options.application_groups == INTERPRETERS
            check_reach((), identity, directory, options.chroot, imports_us=together)
            environment = None
            if options.python_home is not None:
                try:
                    environment = environment_of(options, identity)
                except ConfigurationError as error:
                    if not self._lenient and key not in self._unusable_before:
                        raise
                    self.unusable.add(key)
                    self._out_of_order.append((group, str(error)))
                    return str(error)
                self.notes += describe(environment, options)
            check_interpreters(options, environment)
            known[key] = explain_gil(environment)
        self.examined[key] = why = known[key]
        if why is not None:
            self._look_at_free_threading(group, why)
        return why
