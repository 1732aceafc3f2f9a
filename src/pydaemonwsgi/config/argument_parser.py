"""An argument parser that raises in a line what is wrong; argparse prints its usage and ends the process. Sans-I/O."""

import argparse
from typing import NoReturn

__all__ = ["ArgumentParser"]


class ArgumentParser(argparse.ArgumentParser):
    """For the commands besides `serve`; no option may be shortened, for its name may become another's beginning.

    Args:
        command: its name.
        description: what it does.
        exit_status: the statuses and what they mean, for `--help`.
    """

    def __init__(self, command: str, description: str, exit_status: str) -> None:
        super().__init__(
            prog=f"pydaemonwsgi {command}",
            description=description,
            epilog=f"Exit status: {exit_status}.",
            allow_abbrev=False,
            exit_on_error=False,
        )

    def error(self, message: str) -> NoReturn:
        """Raise what argparse has found."""
        raise argparse.ArgumentError(None, message)
