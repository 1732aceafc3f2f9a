"""logs: one record, one write, every line with its prefix, and nothing that stops a request."""

import errno
import logging
import logging.config
import os
import re
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from pydaemonwsgi import logs
from pydaemonwsgi.errors import ConfigurationError
from pydaemonwsgi.logs import (
    NOTICE,
    HostLog,
    error_line,
    level_word,
    lost_records,
    parse_level,
    setup_error_log,
    write_record,
)

MOMENT = 1795413600.123456  # 2026-11-23 06:00:00.123 UTC


@pytest.fixture(autouse=True)
def utc(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Local time is UTC, and the second that was formatted last is forgotten, as what has been lost."""
    with monkeypatch.context() as patch:
        patch.setenv("TZ", "UTC")
        patch.setattr(logs, "_second", (-1, ""))
        patch.setattr(logs, "_missing", 0)
        patch.setattr(logs, "_cut", False)
        time.tzset()
        yield
    time.tzset()


@pytest.fixture
def written(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[bytes]]:
    """What is written to descriptor 2, one element for each write; logging is as before afterwards."""
    writes: list[bytes] = []

    def write(descriptor: int, data: bytes) -> int:
        assert descriptor == 2
        writes.append(data)
        return len(data)

    monkeypatch.setattr(os, "write", write)
    tree = logging.getLogger("pydaemonwsgi")
    root = logging.root
    before = root.handlers[:], root.level, tree.level, tree.propagate
    yield writes
    for logger in (root, tree):
        logger.removeHandler(logs._HANDLER)
    root.handlers[:], level, tree.level, tree.propagate = before
    root.setLevel(level)


def line(text: str, *, request_id: str | None = None, now: float = MOMENT) -> str:
    return error_line("info", text, label="front", request_id=request_id, now=now).decode()


PREFIX = f"[2026-11-23 06:00:00.123] [info] [pid {os.getpid()}] [front] "


# -- levels ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("word", "level"),
    [
        ("debug", 10),
        ("info", 20),
        ("notice", 25),
        ("warn", 30),
        ("error", 40),
        ("crit", 50),
        ("WARN", 30),
        ("warning", 30),
        ("critical", 50),
        ("alert", 50),
        ("emerg", 50),
        ("trace1", 10),
        ("trace8", 10),
    ],
)
def test_parse_level_knows_httpd_words(word: str, level: int) -> None:
    """Each of httpd's words, in any case, is a logging level."""
    assert parse_level(word) == level


@pytest.mark.parametrize("word", ["", "loud", "20", "trace9", " info"])
def test_parse_level_refuses_with_the_words(word: str) -> None:
    """An unknown word is refused with the list of the known ones."""
    with pytest.raises(ConfigurationError, match="is not one of: debug, info, notice, warn, error, crit"):
        parse_level(word)


@pytest.mark.parametrize(
    ("level", "word"),
    [
        (0, "debug"),
        (10, "debug"),
        (15, "debug"),
        (20, "info"),
        (24, "info"),
        (NOTICE, "notice"),
        (30, "warn"),
        (40, "error"),
        (50, "crit"),
        (99, "crit"),
    ],
)
def test_level_word_of_every_level(level: int, word: str) -> None:
    """A level has httpd's word, one in between the word below it."""
    assert level_word(level) == word


# -- lines -------------------------------------------------------------------------------


def test_error_line_has_everything() -> None:
    """A line has time with milliseconds, level, pid, label and message."""
    assert line("hello wörld") == f"{PREFIX}hello wörld\n"


def test_error_line_has_the_request() -> None:
    """A line of a request has its id."""
    assert line("hello", request_id="0123abcd") == f"{PREFIX}[request 0123abcd] hello\n"


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("", [""]),
        ("\n", [""]),
        ("a\n", ["a"]),
        ("a\nb", ["a", "b"]),
        ("a\r\nb\r\n", ["a", "b"]),
        ("a\n\nb\n", ["a", "", "b"]),
        ("\ta\tb", ["\ta\tb"]),
        ("a\rb", ["a\\x0db"]),
        ("a\x00\x1b[2J\x7f", ["a\\x00\\x1b[2J\\x7f"]),
        ("\x85\x9b1m", ["\\x85\\x9b1m"]),
        ("a\u2028b\u2029c", ["a\\u2028b\\u2029c"]),
        ("a\x0bb\x0cc\x1cd\x1ee", ["a\\x0bb\\x0cc\\x1cd\\x1ee"]),
        ("\udc80\ud800", ["\\udc80\\ud800"]),
        ("c:\\path", ["c:\\path"]),
        ("no-break\xa0space", ["no-break\xa0space"]),
    ],
)
def test_error_line_prefixes_each_line_and_escapes_controls(text: str, lines: list[str]) -> None:
    """Line feeds start a new prefixed line, tabs stay, every other control character is escaped."""
    assert line(text) == "".join(f"{PREFIX}{one}\n" for one in lines)


def test_error_line_cannot_be_forged_by_an_id() -> None:
    """Line ends in the request id or the label are escaped too."""
    record = error_line("info", "m", label="a\nb", request_id="x\ny\x1b", now=MOMENT)

    assert record.endswith(b"[a\\x0ab] [request x\\x0ay\\x1b] m\n")
    assert record.count(b"\n") == 1


@pytest.mark.parametrize(
    ("now", "stamp"),
    [
        (1795413600.0, "06:00:00.000"),
        (1795413600.9999, "06:00:00.999"),
        (1795413601.5, "06:00:01.500"),
        (1795413599.25, "05:59:59.250"),
        (1795413600.5, "06:00:00.500"),
    ],
)
def test_error_line_time_follows_the_clock(now: float, stamp: str) -> None:
    """The cached second is used for its own second only, also when the clock goes backwards."""
    line("before", now=MOMENT)

    assert f" {stamp}] " in line("after", now=now)


def test_error_line_formats_a_second_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Lines of the same second share one strftime."""
    calls: list[str] = []
    real = time.strftime

    def counted(layout: str, at: time.struct_time) -> str:
        calls.append(layout)
        return real(layout, at)

    monkeypatch.setattr(time, "strftime", counted)

    for step in range(10):
        line("x", now=MOMENT + step / 100)

    assert len(calls) == 1


def test_error_line_pid_is_of_the_process_after_fork() -> None:
    """A forked child writes its own pid."""
    line("parent")
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.write(writer, line("child").encode())
        os._exit(0)
    os.close(writer)
    with open(reader, "rb") as file:
        assert f"[pid {child}]".encode() in file.read()
    os.waitpid(child, 0)


# -- writing -----------------------------------------------------------------------------


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EPIPE, errno.EAGAIN, errno.EBADF, errno.EIO])
def test_write_record_never_raises(monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    """A log that cannot be written loses the record, counts it and carries on."""

    def refuse(descriptor: int, data: bytes) -> int:
        raise OSError(number, os.strerror(number))

    before = lost_records()
    monkeypatch.setattr(os, "write", refuse)

    assert not write_record(b"x\n")
    assert lost_records() == before + 1


def test_write_record_counts_a_cut_record(monkeypatch: pytest.MonkeyPatch) -> None:
    """A record of which only a part fitted is counted as lost."""
    before = lost_records()
    monkeypatch.setattr(os, "write", lambda descriptor, data: len(data) - 1)

    assert not write_record(b"hello\n")
    assert lost_records() == before + 1


def test_losses_are_told_before_the_next_record(monkeypatch: pytest.MonkeyPatch) -> None:
    """A log that is full, and then is not, says how many records are missing; what was cut has its line ended."""
    sizes = iter([3, None, None])
    log = b""

    def write(descriptor: int, data: bytes) -> int:
        nonlocal log
        size = next(sizes, len(data))
        if size is None:
            raise BlockingIOError(errno.EAGAIN, "full")
        log += data[:size]
        return size

    monkeypatch.setattr(os, "write", write)

    outcomes = [write_record(record) for record in (b"cut\n", b"lost\n", b"lost\n", b"one\n", b"two\n")]

    assert outcomes == [False, False, False, True, True]
    beginning, told, *rest = log.splitlines()
    assert beginning == b"cut"
    assert told.endswith(b"] records of this process that are missing before this one: 3; the log did not take them")
    assert rest == [b"one", b"two"]


def test_a_host_s_record_has_the_level_of_the_host(written: list[bytes]) -> None:
    """A record with a HostLog is written as that says, however loud the server's log is; others are as loud as ever."""
    quiet, loud = HostLog(2, logging.ERROR), HostLog(2, logging.DEBUG)
    setup_error_log("info", label="front", lowest="debug")
    logger = logging.getLogger("pydaemonwsgi.front")

    logger.info("server")
    logger.debug("server debug")
    logger.info("quiet", extra={"log": quiet})
    logger.error("quiet error", extra={"log": quiet})
    logger.debug("loud", extra={"log": loud})

    assert [line.split(b"] ")[-1] for line in written] == [b"server\n", b"quiet error\n", b"loud\n"]


def test_records_of_many_processes_do_not_mix(tmp_path: Path) -> None:
    """Processes that append to one log at the same time never interleave their records."""
    path = tmp_path / "log"
    path.touch()
    children = []
    for number in range(4):
        child = os.fork()
        if child == 0:
            os.dup2(os.open(path, os.O_WRONLY | os.O_APPEND), 2)
            record = error_line("info", f"{number}" * 5000, label="front", request_id=None, now=MOMENT)
            for _ in range(100):
                write_record(record)
            os._exit(0)
        children.append(child)
    for child in children:
        os.waitpid(child, 0)

    found = path.read_text().splitlines()
    assert len(found) == 400
    assert all(re.fullmatch(r"\[[^]]*\] \[info\] \[pid \d+\] \[front\] (\d)\1{4999}", one) for one in found)


# -- the logging module ------------------------------------------------------------------


def test_setup_sends_our_loggers_to_the_log(written: list[bytes]) -> None:
    """A record of our tree is one write with level and label, from the set level up."""
    setup_error_log("info", label="supervisor")

    logger = logging.getLogger("pydaemonwsgi.supervisor.main")
    logger.debug("hidden")
    logger.info("group %s: starting", "jack-1")
    logger.log(NOTICE, "seen")

    assert len(written) == 2
    assert b"] [info] [pid %d] [supervisor] group jack-1: starting\n" % os.getpid() in written[0]
    assert b"] [notice] " in written[1]


def test_setup_sends_other_loggers_to_the_log(written: list[bytes]) -> None:
    """What libraries log arrives too, once."""
    setup_error_log("warn", label="front")

    logging.getLogger("asyncio").warning("slow")
    logging.getLogger("asyncio").info("hidden")

    assert len(written) == 1
    assert written[0].endswith(b"[front] slow\n")


def test_setup_again_changes_label_and_level_only(written: list[bytes]) -> None:
    """After fork the label and level change and each record is still written once."""
    setup_error_log("info", label="supervisor")
    setup_error_log("info", label="supervisor")
    setup_error_log("error", label="jack-1")

    logging.getLogger("pydaemonwsgi.daemon").warning("hidden")
    logging.getLogger("pydaemonwsgi.daemon").error("seen")

    assert len(written) == 1
    assert written[0].endswith(b"[error] [pid %d] [jack-1] seen\n" % os.getpid())


def test_setup_without_root_leaves_the_root_logger_alone(written: list[bytes]) -> None:
    """root=False takes our handler off the root logger, so an application's basicConfig works; ours stays."""
    setup_error_log("info", label="supervisor")
    level = logging.root.level
    setup_error_log("debug", label="jack-1", root=False)

    logging.getLogger("pydaemonwsgi").info("ours")

    assert logs._HANDLER not in logging.root.handlers
    assert logging.root.level == level
    assert len(written) == 1


def test_setup_survives_an_application_that_configures_logging(written: list[bytes]) -> None:
    """An application's dictConfig does not take our log away; loggers it disabled come back with setup."""
    setup_error_log("info", label="jack-1")
    ours = logging.getLogger("pydaemonwsgi.daemon.pool")
    logging.config.dictConfig({"version": 1, "root": {"level": "ERROR", "handlers": []}})
    setup_error_log("info", label="jack-1", root=False)

    ours.info("still here")

    assert [one.endswith(b"still here\n") for one in written] == [True]


def test_setup_unknown_level_changes_nothing(written: list[bytes]) -> None:
    """An unknown level is refused before anything is installed."""
    with pytest.raises(ConfigurationError):
        setup_error_log("loud", label="x")

    assert logs._HANDLER not in logging.getLogger("pydaemonwsgi").handlers


def test_handler_shows_the_request_of_a_record(written: list[bytes]) -> None:
    """A record with the attribute request_id shows it."""
    setup_error_log("info", label="front")

    logging.getLogger("pydaemonwsgi").info("hello", extra={"request_id": "0123abcd"})

    assert written[0].endswith(b"[front] [request 0123abcd] hello\n")


def test_handler_prefixes_each_line_of_a_traceback(written: list[bytes]) -> None:
    """A traceback is one write, and each of its lines has the prefix and the request."""
    setup_error_log("info", label="jack-1")
    try:
        raise ValueError("two\nlines")
    except ValueError:
        logging.getLogger("pydaemonwsgi").exception("failed", extra={"request_id": "7"})

    assert len(written) == 1
    lines = written[0].decode().splitlines()
    assert all(re.match(r"\[[^]]+\] \[error\] \[pid \d+\] \[jack-1\] \[request 7\] ", one) for one in lines)
    assert lines[0].endswith(" failed")
    assert lines[1].endswith(" Traceback (most recent call last):")
    assert lines[-2].endswith(" ValueError: two")
    assert lines[-1].endswith(" lines")


def test_handler_writes_a_message_that_cannot_be_formatted(written: list[bytes]) -> None:
    """Arguments that do not fit do not lose the record, and do not raise."""
    setup_error_log("info", label="front")

    logging.getLogger("pydaemonwsgi").info("%d of %d", "one")  # noqa: PLE1206
    logging.getLogger("pydaemonwsgi").info(Unprintable())

    assert b"[front] '%d of %d' (cannot be formatted, logged at " in written[0]
    assert b"[front] Unprintable (cannot be formatted, logged at " in written[1]


class Unprintable:
    """An object that cannot be shown."""

    def __str__(self) -> str:
        raise RuntimeError


def test_handler_time_is_the_record_s(written: list[bytes]) -> None:
    """The time shown is when the record was made, not when it was written."""
    setup_error_log("info", label="front")
    record = logging.makeLogRecord({"msg": "old", "levelno": 20, "levelname": "INFO", "created": MOMENT})

    logging.getLogger("pydaemonwsgi").handle(record)

    assert written == [f"{PREFIX}old\n".encode()]


# -- systemd's journal


def test_a_line_in_the_journal_begins_with_its_priority(written: list[bytes], monkeypatch: pytest.MonkeyPatch) -> None:
    """Each line of a record does, for each is an entry of its own; what goes to a host's log does not."""
    found = os.fstat(2)
    monkeypatch.setenv("JOURNAL_STREAM", f"{found.st_dev}:{found.st_ino}")
    monkeypatch.setattr(logs, "_in_journal", False)
    setup_error_log("info", label="front")
    logging.getLogger("pydaemonwsgi.front").error("one\ntwo")
    logging.getLogger("pydaemonwsgi.front").info("three")
    assert [line[:4] for line in b"".join(written).splitlines()] == [b"<3>[", b"<3>[", b"<6>["]
    assert error_line("error", "m", label="front", request_id=None, now=MOMENT, descriptor=7).startswith(b"[")


@pytest.mark.parametrize("stream", ["", "1:1", "nonsense"])
def test_elsewhere_it_does_not(written: list[bytes], monkeypatch: pytest.MonkeyPatch, stream: str) -> None:
    """Whoever redirects standard error of a service has a file, whatever the environment says."""
    monkeypatch.setenv("JOURNAL_STREAM", stream)
    monkeypatch.setattr(logs, "_in_journal", False)
    setup_error_log("info", label="front")
    logging.getLogger("pydaemonwsgi.front").error("one")
    assert written[0].startswith(b"[")
