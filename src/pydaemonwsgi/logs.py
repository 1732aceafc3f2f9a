"""The error log: one record, one write to descriptor 2, every line with its prefix. *Shell.*

    [2026-11-23 06:00:00.123] [info] [pid 123] [supervisor] group jack-1: starting process 124
    [2026-11-23 06:00:01.456] [error] [pid 124] [jack-1] [request 0123abcd] Traceback (most recent call last):

All processes append to one file (O_APPEND), so a record is never interleaved with another as long as it is
one write. Descriptor 2 is looked up by number at each write: whoever re-opens the log only has to dup2.
Control characters are escaped, so what a client or an application sends cannot forge a line or drive a
terminal.

A log that cannot be written (disk full, reader gone or too slow) never stops a request: the record is counted and
lost, and the next one that can be written is preceded by one that says how many those were.

Standard library of Python 3.9 only: daemon processes of any Python import this.
"""

from __future__ import annotations

import logging
import os
import re
import time
from dataclasses import dataclass, field

from pydaemonwsgi.errors import ConfigurationError
from pydaemonwsgi.system.writing import write_within

__all__ = [
    "ERROR_LOG",
    "NOTICE",
    "HostLog",
    "error_line",
    "level_word",
    "lost_records",
    "one_line",
    "parse_level",
    "setup_error_log",
    "write_record",
]

ERROR_LOG = 2  # the descriptor, in every process
NOTICE = 25  # httpd's level between info and warn: what an operator should see in normal life

_TREE = "pydaemonwsgi"

# httpd's words, lowest first. emerg, alert and trace1..8 are understood but never written.
_WORDS = {
    "debug": logging.DEBUG,
    "info": logging.INFO,
    "notice": NOTICE,
    "warn": logging.WARNING,
    "error": logging.ERROR,
    "crit": logging.CRITICAL,
}
_SYNONYMS = {
    "warning": logging.WARNING,
    "critical": logging.CRITICAL,
    "alert": logging.CRITICAL,
    "emerg": logging.CRITICAL,
    **{f"trace{number}": logging.DEBUG for number in range(1, 9)},
}
_WORD_OF = {number: word for word, number in _WORDS.items()}

# C0 but tab (line feeds are gone by then), DEL and C1 (0x9b starts a terminal command), Unicode line ends.
_UNSAFE = re.compile("[\x00-\x08\x0a-\x1f\x7f-\x9f\u2028\u2029]")

# syslog's numbers, which the journal takes at the beginning of a line.
_PRIORITIES = {"debug": 7, "info": 6, "notice": 5, "warn": 4, "error": 3, "crit": 2}
_in_journal = False

_second: tuple[int, str] = (-1, "")  # the second last formatted; swapped whole, so threads need no lock
_lost = 0
_missing = 0  # of those, how many the log has not been told of
_cut = False  # the record last written has lost its end, so that the next one must begin a line
_stalled = False  # the reader did not take the record last written: it is not waited for again until it takes one
# Seconds that a reader of the error log is waited for.
_PATIENCE = 0.1


@dataclass(frozen=True)
class HostLog:
    """A virtual host's error log: a record with it as `extra={"log": ...}` goes there, from `level` on."""

    descriptor: int
    level: int
    owner: object = field(default=None, compare=False, repr=False)  # keeps the descriptor open


def parse_level(word: str) -> int:
    """The logging level for one of httpd's words, in any case.

    Raises:
        ConfigurationError: there is no such level.
    """
    key = word.lower()
    level = _WORDS.get(key, _SYNONYMS.get(key))
    if level is None:
        raise ConfigurationError(f"log level {word!r} is not one of: {', '.join(_WORDS)}")
    return level


def level_word(level: int) -> str:
    """httpd's word for a logging level; a level in between gets the word below it."""
    word = _WORD_OF.get(level)
    if word is None:
        word = next((one for one, number in reversed(_WORDS.items()) if number <= level), "debug")
    return word


def error_line(
    level: str, text: str, *, label: str, request_id: str | None, now: float, descriptor: int = ERROR_LOG
) -> bytes:
    """One record as the bytes of the log: each line of the text with the prefix, ready for one write.

    Where the error log is systemd's journal, each line begins with its priority (sd-daemon(3)), for `journalctl -p`.

    Args:
        level: one of httpd's words; written as it is.
        label: the process's role or its process group.
        now: seconds since the epoch; shown in local time.
        descriptor: where it is going to be written.
    """
    global _second
    second = int(now)
    at, stamp = _second
    if at != second:
        stamp = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(second))
        _second = (second, stamp)
    request = "" if request_id is None else f" [request {_escaped(request_id)}]"
    millis = int((now - second) * 1000)
    prefix = f"[{stamp}.{millis:03d}] [{level}] [pid {os.getpid()}] [{_escaped(label)}]{request} "
    if _in_journal and descriptor == ERROR_LOG:
        prefix = f"<{_PRIORITIES.get(level, 3)}>{prefix}"
    if text.isprintable():
        return f"{prefix}{text}\n".encode("utf-8", "backslashreplace")
    lines = text.replace("\r\n", "\n").split("\n")
    if len(lines) > 1 and not lines[-1]:
        lines.pop()
    whole = "".join([f"{prefix}{_escaped(line)}\n" for line in lines])
    return whole.encode("utf-8", "backslashreplace")


def write_record(record: bytes, descriptor: int = ERROR_LOG) -> bool:
    """Write a record, with one write if there is room; False if it or its end was lost, which is counted.

    Who reads the error log may stop to do so (a pager, a container's runtime): it is waited for a little, once.
    """
    global _lost, _missing, _cut, _stalled
    before = b""
    if descriptor == ERROR_LOG and (_missing or _cut):
        before = _amends(time.time())
    try:
        if descriptor == ERROR_LOG:
            taken = write_within(descriptor, before + record, 0.0 if _stalled else _PATIENCE)
        else:
            taken = os.write(descriptor, before + record)
        lacking = len(before) + len(record) - taken if taken else -1
    except OSError:  # ENOSPC, EPIPE, EAGAIN, EBADF: the log is gone, the requests are not
        lacking = -1
    if descriptor == ERROR_LOG:
        _stalled = lacking != 0
    if before and 0 <= lacking <= len(record):
        _missing, _cut = 0, False
    if not lacking:
        return True
    _lost += 1
    _missing += 1
    if lacking > 0 and descriptor == ERROR_LOG:
        _cut = True
    return False


def _amends(now: float) -> bytes:
    """What goes before the first record after others were lost: a line's end, and how many they were."""
    text = f"records of this process that are missing before this one: {_missing}; the log did not take them"
    return b"\n" * _cut + (
        error_line("error", text, label=_HANDLER.label, request_id=None, now=now) if _missing else b""
    )


def _leads_to_journal(stream: str) -> bool:
    """Whether descriptor 2 is what systemd says is connected with the journal: `DEVICE:INODE` (systemd.exec(5))."""
    try:
        found = os.fstat(ERROR_LOG)
    except OSError:
        return False
    return stream == f"{found.st_dev}:{found.st_ino}"


def lost_records() -> int:
    """How many records this process could not write."""
    return _lost


def setup_error_log(level: str, *, label: str, root: bool = True, lowest: str | None = None) -> None:
    """Send all logging of this process to the error log; call it again after fork with the new label.

    Our own loggers have the handler themselves and do not propagate, so an application that configures the
    root logger neither loses nor doubles them. Loggers that an application's dictConfig disabled work again.

    Args:
        level: one of httpd's words.
        label: shown in each line: the process's role or its process group.
        root: also take what others log. False leaves the root logger to the application, whose
            logging.basicConfig() does nothing if it finds a handler there.
        lowest: the lowest level of any `HostLog`, if it is below `level`.

    Raises:
        ConfigurationError: there is no such level.
    """
    global _missing, _cut, _in_journal
    number = parse_level(level)
    _in_journal = _leads_to_journal(os.environ.get("JOURNAL_STREAM", ""))
    _missing, _cut = 0, False  # what the process lost that this one was forked from, that one tells
    logging.addLevelName(NOTICE, "NOTICE")
    _HANDLER.label = label
    _HANDLER.least = 0 if lowest is None else number  # the tree lets more through for the sake of a host
    tree = logging.getLogger(_TREE)
    tree.propagate = False
    tree.setLevel(number if lowest is None else min(number, parse_level(lowest)))
    tree.addHandler(_HANDLER)  # adding it twice is adding it once
    for name, logger in list(logging.root.manager.loggerDict.items()):
        if isinstance(logger, logging.Logger) and (name == _TREE or name.startswith(f"{_TREE}.")):
            logger.disabled = False
    if root:
        logging.root.setLevel(number)
        logging.root.addHandler(_HANDLER)
    else:
        logging.root.removeHandler(_HANDLER)


class _ErrorLogHandler(logging.Handler):
    """Formats with error_line, writes with write_record; holds no descriptor: fork and close do no harm."""

    def __init__(self) -> None:
        super().__init__()
        self.label = ""
        self.least = 0
        self.formatter = logging.Formatter("%(message)s")

    def emit(self, record: logging.LogRecord) -> None:
        log = getattr(record, "log", None)
        if not isinstance(log, HostLog):
            log = None
        if record.levelno < (self.least if log is None else log.level):
            return
        try:
            text = self.format(record)
        except Exception:  # arguments that do not fit, or whose __str__ raises: a log never stops a request
            message = repr(record.msg) if isinstance(record.msg, str) else type(record.msg).__name__
            text = f"{message} (cannot be formatted, logged at {record.pathname}:{record.lineno})"
        request_id = getattr(record, "request_id", None)
        line = error_line(
            level_word(record.levelno),
            text,
            label=self.label,
            request_id=None if request_id is None else str(request_id),
            now=record.created,
            descriptor=ERROR_LOG if log is None else log.descriptor,
        )
        write_record(line, ERROR_LOG if log is None else log.descriptor)


_HANDLER = _ErrorLogHandler()


def one_line(text: str) -> str:
    """Return a text of which no part begins a record: for what clients choose, such as a path with a line feed."""
    return text.replace("\n", "\\x0a")


def _escaped(text: str) -> str:
    if text.isprintable():
        return text
    return _UNSAFE.sub(_escape, text)


def _escape(match: re.Match[str]) -> str:
    code = ord(match.group())
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"
