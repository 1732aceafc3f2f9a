"""A machine that has what it is told."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from pydaemonwsgi.config.apache.files import FilesInMemory
from pydaemonwsgi.config.checking.table import check
from pydaemonwsgi.config.group_options import GroupOptions
from pydaemonwsgi.config.load import load
from pydaemonwsgi.config.model import Server

__all__ = ["FakeMachine", "server_of", "warnings_of"]


@dataclass
class FakeMachine:
    """Has every file and account, but for those named here."""

    missing: frozenset[str] = frozenset()
    secret: frozenset[str] = frozenset()
    total_memory: int | None = None
    backlog: int | None = None
    root: bool = False
    old_python: bool = False
    unusable: frozenset[str | None] = frozenset()
    free_threaded: frozenset[str | None] = frozenset()
    strangers: dict[str, str] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    endless: frozenset[str] = frozenset()
    searched: list[str] = field(default_factory=list)

    def is_file(self, path: str) -> bool:
        return path not in self.missing and not path.endswith("/")

    def is_directory(self, path: str) -> bool:
        return path not in self.missing and not path.endswith(".wsgi")

    def has_user(self, name: str) -> bool:
        return name not in self.missing

    def has_group(self, name: str) -> bool:
        return name not in self.missing

    def is_superuser(self, name: str) -> bool:
        return name == "root"

    def strangers_in(self, directory: str) -> str | None:
        return self.strangers.get(directory)

    def unreadable(
        self, options: GroupOptions, paths: Sequence[tuple[str, str]], directories: Sequence[tuple[str, str]]
    ) -> list[str]:
        self.asked += [path for path, _ in (*paths, *directories)]
        return [
            f"user {options.user} cannot reach {what} {path}"
            for path, what in (*paths, *directories)
            if path in self.secret
        ]

    def lacks_interpreter(self, options: GroupOptions) -> str | None:
        return "it does not run" if options.python_home in self.unusable else None

    def lacks_subinterpreters(self, options: GroupOptions) -> str | None:
        del options
        return "this Python is too old" if self.old_python else None

    def lacks_free_threading(self, options: GroupOptions) -> str | None:
        return None if options.python_home in self.free_threaded else "it has a GIL"

    def takes_long(self, pattern: re.Pattern[str], text: str) -> bool:
        self.searched.append(text)
        return pattern.pattern in self.endless

    def memory(self) -> int | None:
        return self.total_memory

    def longest_backlog(self) -> int | None:
        return self.backlog

    def is_root(self) -> bool:
        return self.root


def server_of(text: str) -> Server:
    return load("/etc/site.conf", FilesInMemory({"/etc/site.conf": text})).required()


def warnings_of(text: str, machine: FakeMachine | None = None) -> list[str]:
    """`line: directive: text` of each."""
    found = check(server_of(text), machine or FakeMachine())
    return [f"{problem.position.line}: {problem.directive}: {problem.text}" for problem in found]
