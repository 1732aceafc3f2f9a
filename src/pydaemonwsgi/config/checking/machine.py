"""What the checks ask of the machine. Sans-I/O: `inspection.machine` has the real one."""

import re
from collections.abc import Sequence
from typing import Protocol

from pydaemonwsgi.config.group_options import GroupOptions

__all__ = ["Machine"]


class Machine(Protocol):
    """Answers about files, accounts and the kernel; nothing is changed by asking."""

    def is_file(self, path: str) -> bool:
        """Whether there is a regular file of this absolute name."""

    def is_directory(self, path: str) -> bool:
        """Whether there is a directory of this absolute name."""

    def has_user(self, name: str) -> bool:
        """Whether an account of this name, or `#` and number, exists."""

    def has_group(self, name: str) -> bool:
        """Whether a group of this name, or `#` and number, exists."""

    def is_superuser(self, name: str) -> bool:
        """Whether an account of this name, or `#` and number, is root's."""

    def strangers_in(self, directory: str) -> str | None:
        """Who but root may put files into a directory of this absolute name, in words; None: nobody."""

    def unreadable(
        self,
        options: GroupOptions,
        paths: Sequence[tuple[str, str]],
        directories: Sequence[tuple[str, str]],
    ) -> list[str]:
        """A sentence for each path, and each directory to enter, that a process group's user cannot reach.

        Args:
            options: whose user and groups count.
            paths: each with what it is for ("the script"); all exist.
            directories: the same, to be entered.
        """

    def lacks_interpreter(self, options: GroupOptions) -> str | None:
        """Why the interpreter in a process group's `python-home` cannot be used; None if it can, or cannot be asked."""

    def lacks_subinterpreters(self, options: GroupOptions) -> str | None:
        """Why the Python of a process group cannot have sub-interpreters; None if it can, or cannot be asked."""

    def lacks_free_threading(self, options: GroupOptions) -> str | None:
        """Why the Python of a process group cannot go without a GIL; None if it can, or cannot be asked."""

    def takes_long(self, pattern: re.Pattern[str], text: str) -> bool:
        """Whether a search for a pattern takes longer than the front lets it."""

    def memory(self) -> int | None:
        """Bytes of memory that the machine, or the container, has."""

    def longest_backlog(self) -> int | None:
        """The kernel's net.core.somaxconn."""

    def is_root(self) -> bool:
        """Whether the server would be started as root by whoever asks."""
