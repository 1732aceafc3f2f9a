"""The log files of the server, and opening them anew after somebody has moved them away. Shell."""

import os
from dataclasses import dataclass

from pydaemonwsgi.errors import ConfigurationError
from pydaemonwsgi.system.descriptors import open_log, replace_error_log

__all__ = ["LogFiles", "Reopened"]


@dataclass(frozen=True, slots=True)
class Reopened:
    """Logs that have been opened anew: descriptors for those who have given up the right to open them.

    Attributes:
        error_log: descriptor of the error log, -1 where it is no file.
        access_log: descriptor of the access log, -1 where it is no file.
        problems: what could not be opened; those logs go on as they are.
    """

    error_log: int
    access_log: int
    problems: tuple[str, ...]

    def close(self) -> None:
        """Close the descriptors; what has been put in place by them stays."""
        for descriptor in (self.error_log, self.access_log):
            if descriptor >= 0:
                os.close(descriptor)


@dataclass(frozen=True, slots=True)
class LogFiles:
    """Where the logs are.

    Attributes:
        error_log: path of the error log, which is descriptor 2 of every process; None where it is no file of ours.
        access_log: path of the access log; None where there is none, or it is no file of ours.
        access_descriptor: the access log, open, in supervisor and front; -1 without one.
    """

    error_log: str | None = None
    access_log: str | None = None
    access_descriptor: int = -1

    def reopen(self) -> Reopened:
        """Open the files anew and put them in the place of the old ones in this process.

        A log that cannot be opened stays as it is, so nothing is lost.
        """
        problems: list[str] = []
        error_log = _open(self.error_log, problems)
        access_log = _open(self.access_log, problems)
        if error_log >= 0:
            replace_error_log(error_log)
        if access_log >= 0:
            os.dup2(access_log, self.access_descriptor, inheritable=False)
        return Reopened(error_log, access_log, tuple(problems))


def _open(path: str | None, problems: list[str]) -> int:
    if path is None:
        return -1
    try:
        return open_log(path)
    except ConfigurationError as error:
        problems.append(str(error))
        return -1
