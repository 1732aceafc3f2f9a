"""output: what an application prints becomes records of the error log, each whole, with its own request's id."""

import contextlib
import logging
import re
import sys
import threading
from collections.abc import Callable, Iterator

import pytest

from pydaemonwsgi import logs
from pydaemonwsgi.daemon.log_handler import LogHandler
from pydaemonwsgi.daemon.output import (
    ErrorStream,
    StandardStream,
    current_request,
    forbid_streams,
    install_standard_streams,
    set_current_request,
)

Log = Callable[[], list[str]]
RECORD = re.compile(
    r"\[[-0-9]{10} [:0-9]{8}\.[0-9]{3}\] \[(\w+)\] \[pid \d+\] \[([^\]]*)\](?: \[request (\w+)\])? (.*)"
)


@pytest.fixture
def log(capfd: pytest.CaptureFixture[str]) -> Log:
    """Returns the texts of the records written since it was last called."""

    def read() -> list[str]:
        return [text for _, _, text in parsed(capfd)]

    return read


def parsed(capfd: pytest.CaptureFixture[str]) -> list[tuple[str, str | None, str]]:
    """Level, request id and text of every record on descriptor 2."""
    found = []
    for line in capfd.readouterr().err.splitlines():
        match = RECORD.fullmatch(line)
        assert match, line
        found.append((match[1], match[3], match[4]))
    return found


@pytest.fixture(autouse=True)
def no_request(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The test's thread runs no request before and after, and no record has been lost."""
    monkeypatch.setattr(logs, "_missing", 0)
    set_current_request(None)
    yield
    set_current_request(None)


# -- wsgi.errors


def test_a_line_is_a_record(capfd: pytest.CaptureFixture[str]) -> None:
    """A complete line is written at once, at level error, with pid and request id."""
    stream = ErrorStream("00ff")
    assert stream.write("hello\n") == 6
    assert parsed(capfd) == [("error", "00ff", "hello")]


@pytest.mark.parametrize("length", [8192, 8193, 16384, 20000])
def test_a_long_line_is_several_records_and_its_end_is_none(log: Log, length: int) -> None:
    """However long it is, and whether its end comes with it or later, as with print."""
    stream = ErrorStream("1")
    for parts in (("L" * length, "\n"), ("L" * length + "\n",)):
        for part in parts:
            stream.write(part)
        stream.write("after\n")
        *pieces, after = log()
        assert ("".join(pieces), after) == ("L" * length, "after")
        assert all(pieces)


def test_lines_wait_for_their_end(log: Log) -> None:
    """Parts of a line become one record when the line ends; several lines become several records."""
    stream = ErrorStream("1")
    stream.write("a")
    stream.write("b")
    assert log() == []
    stream.write("c\nd\n\ne")
    assert log() == ["abc", "d", ""]
    stream.flush()
    assert log() == ["e"]
    stream.flush()
    assert log() == []


def test_print_and_writelines(log: Log) -> None:
    """`print(file=...)` and `writelines` work as with any text file."""
    stream = ErrorStream("1")
    print("x", 1, file=stream)
    stream.writelines(["a\n", "b", "c\n"])
    assert log() == ["x 1", "a", "bc"]


def test_end_writes_what_is_left_and_refuses_the_rest(log: Log) -> None:
    """An incomplete line is written at the request's end; later use is a RuntimeError."""
    stream = ErrorStream("1")
    stream.write("unfinished")
    stream.end()
    assert log() == ["unfinished"]
    with pytest.raises(RuntimeError, match="after its request had ended"):
        stream.write("late\n")
    with pytest.raises(RuntimeError):
        stream.writelines(["late\n"])
    assert log() == []


@pytest.mark.parametrize("value", [b"bytes", None, 1])
def test_only_text_is_taken(value: object) -> None:
    """Anything but str is a TypeError into the application."""
    with pytest.raises(TypeError, match="takes str"):
        ErrorStream("1").write(value)  # type: ignore[arg-type]


@pytest.mark.parametrize("end", ["\n", ""], ids=["with its end", "without end"])
@pytest.mark.parametrize("length", [8191, 8192, 8193, 20_000, 100_000])
def test_long_lines_are_cut_and_nothing_is_lost(log: Log, length: int, end: str) -> None:
    """A line of any length becomes records of at most 8 KiB that together are the line."""
    text = ("0123456789" * (length // 10 + 1))[:length]
    stream = ErrorStream("1")
    stream.write(text + end)
    stream.end()
    found = log()
    assert "".join(found) == text
    assert max(map(len, found)) <= 8192


def test_an_endless_line_is_not_kept(log: Log) -> None:
    """An application that never ends its line does not fill the memory: records come before the end."""
    stream = ErrorStream("1")
    for _ in range(100):
        stream.write("x" * 1000)
    assert sum(map(len, log())) > 90_000


def test_lines_cannot_be_forged(log: Log) -> None:
    """Control characters are written escaped, so that a record is what it says."""
    ErrorStream("1").write("a\rb\x1b[31mc\n")
    assert log() == [r"a\x0db\x1b[31mc"]


def test_any_character_can_be_written(log: Log) -> None:
    """Characters that have no encoding are no obstacle."""
    ErrorStream("1").write("€ \ud800 \U0001f40d\n")
    (text,) = log()
    assert "€" in text
    assert "🐍" in text


def test_attributes_of_a_text_file() -> None:
    """Code that looks before it writes finds what it looks for."""
    stream = ErrorStream("1")
    assert (stream.name, stream.encoding, stream.isatty()) == ("<wsgi.errors>", "utf-8", False)


def test_there_is_no_descriptor() -> None:
    """`fileno()` is an OSError, as mod_wsgi.md section 5.5 has it."""
    with pytest.raises(OSError):  # noqa: PT011 - io.UnsupportedOperation is one without errno
        ErrorStream("1").fileno()


def test_a_full_log_fails_no_request(monkeypatch: pytest.MonkeyPatch) -> None:
    """An error log that cannot be written is no reason to fail the application."""

    def full(descriptor: int, data: bytes) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.write", full)
    assert ErrorStream("1").write("x\n") == 2


# -- sys.stdout and sys.stderr


@contextlib.contextmanager
def standard_streams() -> Iterator[None]:
    """The standard streams are the server's, labelled `jack-1`."""
    before = sys.stdout, sys.stderr
    install_standard_streams("jack-1")
    try:
        yield
    finally:
        install_standard_streams("daemon")
        sys.stdout, sys.stderr = before


def test_print_goes_to_the_request_of_the_thread(capfd: pytest.CaptureFixture[str]) -> None:
    """print() and sys.stderr in a request's thread carry its id; outside requests they carry none."""
    with standard_streams():
        print("before")
        request = ErrorStream("00aa")
        set_current_request(request)
        print("during")
        sys.stderr.write("also\n")
        assert current_request() is request
        request.end()
        print("after")

    assert parsed(capfd) == [
        ("error", None, "before"), ("error", "00aa", "during"), ("error", "00aa", "also"), ("error", None, "after")
    ]  # fmt: skip


def test_the_label_names_the_process(capfd: pytest.CaptureFixture[str]) -> None:
    """Records name the process group."""
    with standard_streams():
        print("x")
    assert "[jack-1] x\n" in capfd.readouterr().err


def test_the_request_is_the_thread_s_own(capfd: pytest.CaptureFixture[str]) -> None:
    """Threads that print at the same time never get each other's ids or each other's text."""
    stream = StandardStream("<stdout>")
    barrier = threading.Barrier(8)

    def work(number: int) -> None:
        request = ErrorStream(f"{number:04x}")
        set_current_request(request)
        barrier.wait(20)
        for turn in range(50):
            stream.write(f"thread {number} ")
            stream.write(f"turn {turn}\n")
        request.end()

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    found = parsed(capfd)
    assert len(found) == 400
    assert all(text.startswith(f"thread {int(str(request), 16)} turn ") for _, request, text in found)


def test_an_unfinished_line_belongs_to_its_request(capfd: pytest.CaptureFixture[str]) -> None:
    """What one request printed without a line's end is not put in front of the next one's line."""
    stream = StandardStream("<stdout>")
    for number in (1, 2):
        request = ErrorStream(f"{number:04x}")
        set_current_request(request)
        stream.write(f"of request {number}")
        request.end()
    assert parsed(capfd) == [("error", "0001", "of request 1"), ("error", "0002", "of request 2")]


def test_bytes_by_the_buffer(log: Log) -> None:
    """`sys.stdout.buffer` takes bytes of any kind; what is not UTF-8 is replaced."""
    stream = StandardStream("<stdout>")
    assert stream.buffer.write(b"caf\xc3\xa9 \xff\n") == 8
    stream.buffer.write(bytearray(b"array\n"))
    stream.buffer.write(memoryview(b"view\n"))
    stream.buffer.flush()
    assert log() == ["café �", "array", "view"]


def test_a_standard_stream_is_a_text_file() -> None:
    """It says what it is, cannot be read, has no descriptor and is no terminal."""
    stream = StandardStream("<stdout>")
    assert (stream.name, stream.encoding, stream.errors, stream.isatty()) == ("<stdout>", "utf-8", "replace", False)
    assert stream.writable()
    with pytest.raises(OSError, match="fileno"):
        stream.fileno()


def test_flush_of_a_standard_stream(log: Log) -> None:
    """flush() makes the incomplete line a record, within a request and outside."""
    stream = StandardStream("<stdout>")
    stream.write("outside")
    stream.flush()
    set_current_request(ErrorStream("1"))
    stream.write("inside")
    stream.flush()
    assert log() == ["outside", "inside"]


def test_logging_to_the_standard_error(capfd: pytest.CaptureFixture[str]) -> None:
    """A handler that an application made for sys.stderr writes whole records with the request's id."""
    handler = logging.StreamHandler(StandardStream("<stderr>"))
    set_current_request(ErrorStream("00bb"))
    handler.emit(logging.LogRecord("app", logging.INFO, __file__, 1, "two\nlines", None, None))
    assert parsed(capfd) == [("error", "00bb", "two"), ("error", "00bb", "lines")]


def test_a_forbidden_stream_raises_whatever_is_done_with_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """The interpreter, which flushes what is open when it ends, takes it for closed."""
    monkeypatch.setattr(sys, "stdin", sys.stdin)
    monkeypatch.setattr(sys, "stdout", sys.stdout)
    forbid_streams(stdin=True, stdout=True)
    with pytest.raises(OSError, match=r"sys\.stdin may not be used here \(WSGIRestrictStdin On\)"):
        sys.stdin.read()
    with pytest.raises(OSError, match="WSGIRestrictStdout"):
        print("x")
    assert sys.stdout.closed


def test_records_of_the_application_are_written_while_no_logger_is_enabled(
    log: Log, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From Python 3.13.4 on none is as long as a record is being handled, which is when ours are written."""
    ours = logging.getLogger("pydaemonwsgi")
    monkeypatch.setattr(ours, "handlers", [logs._HANDLER])
    monkeypatch.setattr(ours, "level", logging.INFO)
    monkeypatch.setattr(logging.Logger, "isEnabledFor", lambda logger, level: False)
    for level in (logging.DEBUG, logging.WARNING):
        LogHandler().handle(logging.makeLogRecord({"name": "app", "levelno": level, "msg": f"level {level}"}))
    assert log() == ["level 30"]
