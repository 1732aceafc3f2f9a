"""This machine, as the checks of a configuration ask about it. Shell."""

import os
import re
import stat
import sys
from collections.abc import Sequence

import psutil

from pydaemonwsgi.config.group_options import GroupOptions
from pydaemonwsgi.errors import ConfigurationError, OvertimeError, PydaemonwsgiError
from pydaemonwsgi.system.identities import Identity, group_id, resolve_identity, user_id
from pydaemonwsgi.system.interpreters import Environment, examine, explain_gil
from pydaemonwsgi.system.overtime import Overtime
from pydaemonwsgi.system.readability import check_readable_as, group_name, user_name
from pydaemonwsgi.system.subinterpreters import explain_missing

__all__ = ["LocalMachine"]


class LocalMachine:
    """`config.checking.machine.Machine` says what is promised; a process that looks as another user is forked."""

    def __init__(self) -> None:
        self._environments: dict[tuple[str, Identity | None], Environment | PydaemonwsgiError] = {}

    def is_file(self, path: str) -> bool:
        """Whether there is a regular file of this name."""
        return os.path.isfile(path)

    def is_directory(self, path: str) -> bool:
        """Whether there is a directory of this name."""
        return os.path.isdir(path)

    def has_user(self, name: str) -> bool:
        """Whether there is such an account."""
        try:
            user_id(name)
        except ConfigurationError:
            return False
        return True

    def has_group(self, name: str) -> bool:
        """Whether there is such a group."""
        try:
            group_id(name)
        except ConfigurationError:
            return False
        return True

    def is_superuser(self, name: str) -> bool:
        """Whether an account is root's."""
        try:
            return user_id(name) == 0
        except ConfigurationError:
            return False

    def strangers_in(self, directory: str) -> str | None:
        """Who but root may put files into a directory."""
        try:
            status = os.stat(directory)
        except OSError:
            return None
        if status.st_uid != 0:
            return f"user {user_name(status.st_uid)}"
        if status.st_mode & stat.S_IWOTH:
            return "everybody"
        if status.st_mode & stat.S_IWGRP and status.st_gid != 0:
            return f"group {group_name(status.st_gid)}"
        return None

    def unreadable(
        self,
        options: GroupOptions,
        paths: Sequence[tuple[str, str]],
        directories: Sequence[tuple[str, str]],
    ) -> list[str]:
        """A sentence for each path that the group's user cannot reach, and for its interpreter."""
        try:
            identity = self._identity(options)
        except ConfigurationError:
            return []  # that there is no such user is said elsewhere
        if identity is None:
            return []
        executables = []
        library = []
        if options.python_home is None and self.is_root():
            executables.append((os.path.realpath(sys.executable), "the interpreter"))
            library.append((os.path.realpath(os.__file__), "the Python library"))
        return check_readable_as(identity, [*paths, *library], executables=executables, directories=directories)

    def lacks_interpreter(self, options: GroupOptions) -> str | None:
        """Why the interpreter in a process group's `python-home` cannot be used."""
        try:
            identity = self._identity(options)
        except ConfigurationError:
            return None  # that there is no such user is said elsewhere
        try:
            self._environment(options.python_home or "", identity)
        except PydaemonwsgiError as error:
            return str(error)
        return None

    def lacks_subinterpreters(self, options: GroupOptions) -> str | None:
        """Why the Python of a process group cannot have sub-interpreters."""
        if options.python_home is None:
            return explain_missing()
        try:
            return explain_missing(self._environment(options.python_home, self._identity(options)).version)
        except PydaemonwsgiError:
            return None  # what is wrong with it is said elsewhere

    def lacks_free_threading(self, options: GroupOptions) -> str | None:
        """Why the Python of a process group cannot go without a GIL."""
        if options.python_home is None:
            return explain_gil(None)
        try:
            return explain_gil(self._environment(options.python_home, self._identity(options)))
        except PydaemonwsgiError:
            return None  # what is wrong with it is said elsewhere

    def has_subinterpreters(self, options: GroupOptions) -> bool:
        """Whether the Python of a process group has sub-interpreters; what is wrong with it is said elsewhere."""
        try:
            if options.python_home is not None:
                return explain_missing(self._environment(options.python_home, self._identity(options)).version) is None
        except PydaemonwsgiError:
            return False
        return explain_missing() is None

    def takes_long(self, pattern: re.Pattern[str], text: str) -> bool:
        """Whether a search takes longer than the front lets it; in the main thread only."""
        overtime = Overtime()
        overtime.start()
        try:
            overtime.begin()
            pattern.search(text)
        except OvertimeError:
            return True
        finally:
            overtime.end()
            overtime.stop()
        return False

    def memory(self) -> int | None:
        """Bytes of memory of the machine."""
        return psutil.virtual_memory().total

    def longest_backlog(self) -> int | None:
        """The kernel's net.core.somaxconn."""
        try:
            with open("/proc/sys/net/core/somaxconn", encoding="ascii") as file:
                return int(file.read())
        except (OSError, ValueError):
            return None

    def is_root(self) -> bool:
        """Whether this process is root's."""
        return os.geteuid() == 0

    def _environment(self, home: str, identity: Identity | None) -> Environment:
        """What the interpreter of an environment says to a user; it is run once.

        Raises:
            ConfigurationError: it cannot be used.
            StartError: this machine cannot start another process.
        """
        key = (home, identity)
        if key not in self._environments:
            try:
                self._environments[key] = examine(home, identity, os.environ)
            except PydaemonwsgiError as error:
                self._environments[key] = error
        found = self._environments[key]
        if isinstance(found, PydaemonwsgiError):
            raise found
        return found

    def _identity(self, options: GroupOptions) -> Identity | None:
        """Who the group's processes would be; None for root itself."""
        if not self.is_root():
            return resolve_identity(None, None, None)
        if options.user is None:
            return None
        return resolve_identity(options.user, options.group, options.supplementary_groups)
