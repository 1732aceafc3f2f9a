"""The logs of the server: a table of opened targets, and opening them anew. Shell.

A log is known by its descriptor, which stays the same number for its whole life, in the supervisor and in the front:
what is opened anew is put in its place. The error log of the server is, besides, descriptor 2 of every process but
those of groups that have an error log of their own.

    logs = Logs(directory, identity)                       # before privileges are dropped
    logs.open(target, Use.SERVER_ERROR)
    access = logs.open(target, Use.ACCESS)                 # a descriptor, for the front
    group = logs.open(target, Use.GROUP_ERROR)             # a descriptor, for GroupPlan.error_log
    logs.redirect()                                        # now descriptor 2 is the server's error log

A file is a file. A command is a pipe, see `log_readers`. So is syslog, whose pipes are read by a process of ours that
runs as the front's user: whatever is written, by a C library too, arrives, and nobody waits for the syslog daemon.
"""

import fcntl
import logging
import os
import shutil
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Final

from pydaemonwsgi.config.log_targets import command_words, syslog_words, write_log_target
from pydaemonwsgi.config.model import LogTarget, LogTargetKind
from pydaemonwsgi.config.values import BadValueError
from pydaemonwsgi.errors import ConfigurationError
from pydaemonwsgi.supervisor.log_readers import LogReader, become_command
from pydaemonwsgi.system.descriptors import (
    log_pipe,
    make_nonblocking,
    open_log,
    redirect_standard_streams,
    replace_error_log,
)
from pydaemonwsgi.system.identities import Identity

__all__ = ["SERVER_ERROR_LOG", "Logs", "Reopened", "Use"]

logger = logging.getLogger(__name__)

SERVER_ERROR_LOG: Final = 2
"""The descriptor that is the server's error log."""

_SYSLOG_SOCKET: Final = "/dev/log"
# Descriptors in one message: the kernel takes 253, and the front must have room for them at once.
_BATCH: Final = 64


class Use(Enum):
    """What a log is for."""

    SERVER_ERROR = "error log of the server"
    GROUP_ERROR = "error log of a process group"
    HOST_ERROR = "error log of a virtual host, written by the front"
    ACCESS = "access log, written by the front"


class _Log:
    """An opened target; `reader` is whoever reads it, `source` the other end of a pipe that nobody reads yet."""

    __slots__ = ("descriptor", "is_error", "is_fronts", "reader", "source", "target")

    def __init__(self, target: LogTarget, descriptor: int, *, is_error: bool) -> None:
        self.target = target
        self.descriptor = descriptor
        self.is_error = is_error
        self.is_fronts = False
        self.reader: LogReader | None = None
        self.source = -1


@dataclass(frozen=True, slots=True)
class Reopened:
    """Logs that have been opened anew, for those who have given up the right to open them.

    Attributes:
        descriptors: by the number that each takes the place of; the server's error log is there as 2 as well.
        fronts: the numbers that the front knows.
        problems: what could not be opened; those logs go on as they are.
    """

    descriptors: Mapping[int, int]
    fronts: tuple[int, ...]
    problems: tuple[str, ...]

    def batches(self) -> Iterator[tuple[list[int], list[int]]]:
        """The numbers and the new descriptors that concern the front, as many together as go into one message."""
        for start in range(0, len(self.fronts), _BATCH):
            numbers = list(self.fronts[start : start + _BATCH])
            yield numbers, [self.descriptors[number] for number in numbers]

    def close(self) -> None:
        """Close the descriptors; what has been put in place by them stays."""
        for descriptor in set(self.descriptors.values()):
            os.close(descriptor)


class Logs:
    """See the module's docstring.

    Args:
        directory: where a command whose name has a slash is looked for; other commands are looked for on the path.
        identity: as whom the relay to syslog runs; None to stay who it is.
        syslog_socket: where the syslog daemon listens.

    Attributes:
        console: what was standard error before the server's error log took its place.
    """

    def __init__(
        self, directory: str = "/", identity: Identity | None = None, *, syslog_socket: str = _SYSLOG_SOCKET
    ) -> None:
        self._directory = directory
        self._identity = identity
        self._syslog_socket = syslog_socket
        self._table: dict[tuple[LogTarget, bool], _Log] = {}
        self._server: _Log | None = None
        self._readers: list[LogReader] = []
        self.console = SERVER_ERROR_LOG

    # -- opening

    def open(self, target: LogTarget, use: Use) -> int:
        """Open a log, once for all who use it; return its descriptor.

        Raises:
            ConfigurationError: it cannot be opened; the message names it.
        """
        # A program that reads two kinds of records could not tell them apart.
        key = (target, use is not Use.ACCESS)
        log = self._table.get(key)
        if log is None:
            descriptor, source = self._open(target)
            if target.kind is LogTargetKind.STREAM and use is Use.ACCESS:
                make_nonblocking(descriptor)
            log = self._table[key] = _Log(target, descriptor, is_error=use is not Use.ACCESS)
            log.source = source
        if use is Use.SERVER_ERROR:
            self._server = log
        else:
            log.is_fronts = log.is_fronts or use is not Use.GROUP_ERROR
        return log.descriptor

    def _open(self, target: LogTarget) -> tuple[int, int]:
        """Return a descriptor to write to, and the other end of a pipe, or -1."""
        if target.kind is LogTargetKind.FILE:
            return open_log(target.value), -1
        name = write_log_target(target)
        try:
            if target.kind is LogTargetKind.STREAM:
                stream = self.console if target.value == "stderr" else 1
                return fcntl.fcntl(stream, fcntl.F_DUPFD_CLOEXEC, 3), -1
            if target.kind is LogTargetKind.PIPE:
                self._command(target)
            else:
                syslog_words(target)
                os.stat(self._syslog_socket)
            source, descriptor = log_pipe()
        except BadValueError as error:
            raise ConfigurationError(f"cannot open the log {name}: {error}") from None
        except OSError as error:
            where = f"{error.filename}: " if error.filename else ""
            raise ConfigurationError(f"cannot open the log {name}: {where}{error.strerror}") from error
        return descriptor, source

    def _command(self, target: LogTarget) -> list[str]:
        """Return the path of a command's program, and its arguments.

        Raises:
            ConfigurationError: there is no such program.
        """
        program, *rest = command_words(target) or [""]
        path = os.path.join(self._directory, program) if "/" in program else program
        found = shutil.which(path)
        if found is None:
            raise ConfigurationError(f"cannot open the log {write_log_target(target)}: {path} is no program to execute")
        return [found, *rest]

    def redirect(self) -> None:
        """Have descriptor 2 of this process be the server's error log, and standard input be empty."""
        if self._server is None:
            redirect_standard_streams(SERVER_ERROR_LOG)
            return
        if self.console == SERVER_ERROR_LOG:
            self.console = fcntl.fcntl(SERVER_ERROR_LOG, fcntl.F_DUPFD_CLOEXEC, 3)
        redirect_standard_streams(self._server.descriptor)

    @property
    def numbers(self) -> list[int]:
        """The descriptors of all but the server's error log."""
        return [log.descriptor for log in self._table.values() if log is not self._server]

    @property
    def for_front(self) -> list[int]:
        """The descriptors that the front keeps."""
        return [log.descriptor for log in self._table.values() if log.is_fronts]

    def close(self, descriptors: Iterable[int]) -> None:
        """Forget logs that nobody uses any more; their readers end once everybody has let go."""
        gone = set(descriptors)
        for key, log in list(self._table.items()):
            if log.descriptor in gone and log is not self._server:
                del self._table[key]
                self._let_go(log)

    def _let_go(self, log: _Log) -> None:
        os.close(log.descriptor)
        if log.reader is not None:
            # The relay to syslog may have other logs to read.
            if all(log.reader is not other.reader for other in self._table.values()):
                log.reader.retire()
        elif log.source >= 0 and log.reader is None:
            os.close(log.source)

    # -- opening anew

    def reopen(self) -> Reopened:
        """Open files anew, start commands anew, and put them in the place of the old ones in this process.

        A command that runs reads its pipe to the end, which comes when the last process has taken the new one; so the
        two overlap, and nothing is lost. A log that cannot be opened stays as it is. Syslog needs no opening.
        """
        descriptors: dict[int, int] = {}
        problems: list[str] = []
        for log in self._table.values():
            if log.target.kind not in {LogTargetKind.FILE, LogTargetKind.PIPE}:
                continue
            try:
                descriptor, source = self._open(log.target)
            except ConfigurationError as error:
                problems.append(str(error))
                continue
            descriptors[log.descriptor] = descriptor
            os.dup2(descriptor, log.descriptor, inheritable=False)
            if log is self._server:
                descriptors[SERVER_ERROR_LOG] = descriptor
                replace_error_log(descriptor)
            if log.reader is not None:
                log.reader.retire()
            elif log.source >= 0:
                os.close(log.source)
            log.reader, log.source = None, source
        for reader in {log.reader for log in self._table.values() if log.reader is not None}:
            # The relay to syslog: what it complains of goes to the error log too.
            reader.renew()
        fronts = [*self.for_front, SERVER_ERROR_LOG]
        return Reopened(descriptors, tuple(number for number in fronts if number in descriptors), tuple(problems))

    # -- the processes that read

    def carry_out(self, now: float) -> None:
        """Start whoever is to read a log, and is not there."""
        self._add_readers()
        self._readers = [reader for reader in self._readers if not reader.finished]
        for reader in self._readers:
            reader.carry_out(now)

    def next_deadline(self) -> float | None:
        """Return the monotonic time at which `carry_out` has something to do, or None."""
        times = [reader.next_deadline() for reader in self._readers]
        return min((at for at in times if at is not None), default=None)

    def _add_readers(self) -> None:
        unread = [log for log in self._table.values() if log.source >= 0 and log.reader is None]
        for log in unread:
            if log.target.kind is LogTargetKind.PIPE:
                log.reader = self._make_command(log)
        relayed = [log for log in unread if log.target.kind is LogTargetKind.SYSLOG]
        if relayed:
            relay = self._make_relay(relayed)
            for log in relayed:
                log.reader = relay
        self._readers += dict.fromkeys(log.reader for log in unread if log.reader is not None)

    def _make_command(self, log: _Log) -> LogReader:
        target, source = log.target, log.source
        # What it complains of must not come back to it.
        stderr = self.console if log is self._server else SERVER_ERROR_LOG
        return LogReader(
            f"the log command {write_log_target(target)!r}",
            (source,),
            (stderr,),
            lambda: become_command(self._command(target), source, stderr),
        )

    def _make_relay(self, logs: list[_Log]) -> LogReader:
        routes = tuple((log.source, *syslog_words(log.target), log.is_error) for log in logs)
        stderr = self.console if self._server in logs else SERVER_ERROR_LOG

        def become() -> int:
            # Imported in the child only: what reads records has no place in the supervisor.
            from pydaemonwsgi.relay import main as relay_main  # noqa: PLC0415

            return relay_main.run(routes, self._syslog_socket, self._identity, stderr)

        return LogReader("the syslog relay", [log.source for log in logs], (stderr,), become)

    def bury(self, pid: int, status: int, now: float) -> bool:
        """A process has been reaped; return whether it was one of these."""
        for reader in self._readers:
            if reader.pid == pid:
                reader.bury(status, now)
                return True
        return False

    def stop(self, now: float) -> bool:
        """Everybody who wrote has ended: let the readers come to an end; return whether they have.

        What this process still has to say goes to the console, where a program reads the server's error log.
        """
        if self._server is not None and self._server.reader is not None and self.console != SERVER_ERROR_LOG:
            replace_error_log(self.console)
        for log in self._table.values():
            if log.source >= 0:
                os.close(log.descriptor)
                if log.reader is None:
                    os.close(log.source)
        self._table = {key: log for key, log in self._table.items() if log.source < 0}
        for reader in self._readers:
            reader.hurry(now)
        return all(reader.finished for reader in self._readers)
