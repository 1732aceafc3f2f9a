"""Where a log goes, as `ErrorLog`, `CustomLog`, `--error-log` and `--access-log` write it. Sans-I/O."""

import posixpath
import shlex
from collections.abc import Callable
from typing import Final

from pydaemonwsgi.config.model import LogTarget, LogTargetKind
from pydaemonwsgi.config.values import BadValueError

__all__ = ["FACILITIES", "command_words", "read_log_target", "syslog_words", "write_log_target"]

FACILITIES: Final = {
    "kern": 0,
    "user": 1,
    "mail": 2,
    "daemon": 3,
    "auth": 4,
    "syslog": 5,
    "lpr": 6,
    "news": 7,
    "uucp": 8,
    "cron": 9,
    "authpriv": 10,
    "ftp": 11,
    **{f"local{number}": 16 + number for number in range(8)},
}
"""The facilities of syslog by name: their numbers in RFC 5424, section 6.2.1."""

_DEFAULT_FACILITY: Final = "local7"  # httpd's
_DEFAULT_TAG: Final = "pydaemonwsgi"
_STREAMS: Final = {
    "/dev/stdout": "stdout",
    "/proc/self/fd/1": "stdout",
    "/dev/stderr": "stderr",
    "/proc/self/fd/2": "stderr",
}


def read_log_target(word: str, absolute: Callable[[str], str]) -> LogTarget:
    """Return what the name of a log means.

    Args:
        word: `|COMMAND`, `||COMMAND` and `|$COMMAND` (with the shell), `syslog[:FACILITY[:TAG]]`, or a file.
        absolute: makes the name of a file absolute.

    Raises:
        BadValueError: it means nothing; the message is a sentence of its own.
    """
    if word.startswith("|"):
        shell = word.startswith("|$")
        target = LogTarget(LogTargetKind.PIPE, (word[2:] if shell else word.lstrip("|")).strip(), shell)
        if not target.value:
            raise BadValueError("there is no command behind the |")
        command_words(target)
        return target
    if word == "syslog" or word.startswith("syslog:"):
        target = LogTarget(LogTargetKind.SYSLOG, word.partition(":")[2])
        syslog_words(target)
        return target
    if word in _STREAMS:
        return LogTarget(LogTargetKind.STREAM, _STREAMS[word])
    if not word:
        raise BadValueError("the file name is empty")
    return LogTarget(LogTargetKind.FILE, posixpath.normpath(absolute(word)))


def write_log_target(target: LogTarget) -> str:
    """Return a text that `read_log_target` reads back."""
    if target.kind is LogTargetKind.PIPE:
        return ("|$" if target.shell else "|") + target.value
    if target.kind is LogTargetKind.SYSLOG:
        return f"syslog:{target.value}" if target.value else "syslog"
    return f"/dev/{target.value}" if target.kind is LogTargetKind.STREAM else target.value


def command_words(target: LogTarget) -> list[str]:
    """Return the argument list of a PIPE.

    Raises:
        BadValueError: a quote is not closed.
    """
    if target.shell:
        return ["/bin/sh", "-c", target.value]
    try:
        return shlex.split(target.value)
    except ValueError as error:
        raise BadValueError(f"the command {target.value!r} cannot be split into words: {str(error).lower()}") from None


def syslog_words(target: LogTarget) -> tuple[int, str]:
    """Return the number of the facility and the tag of a SYSLOG.

    Raises:
        BadValueError: there is no such facility.
    """
    name, _, tag = target.value.partition(":")
    facility = FACILITIES.get((name or _DEFAULT_FACILITY).lower())
    if facility is None:
        raise BadValueError(f"there is no syslog facility {name!r}; there are: {', '.join(FACILITIES)}")
    return facility, tag or _DEFAULT_TAG
