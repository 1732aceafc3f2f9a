"""`wsgi.errors`, `sys.stdout` and `sys.stderr`: text that becomes records of the error log, one per line.

What a request's thread prints carries the request's id; what other threads print carries none.
"""

import io
import logging
import sys
import threading
import time
from collections.abc import Iterable
from typing import Any, Final

from pydaemonwsgi.logs import error_line, write_record

__all__ = [
    "ErrorStream",
    "StandardStream",
    "current_request",
    "forbid_streams",
    "install_standard_streams",
    "set_current_request",
]

# A line longer than this is cut into several records, as mod_wsgi does.
_LONGEST_LINE: Final = 8192

_current = threading.local()
_label = "daemon"


def current_request() -> "ErrorStream | None":
    """Return the error stream of the request that this thread runs, or None outside requests."""
    stream: ErrorStream | None = getattr(_current, "stream", None)
    return None if stream is None or stream.ended else stream


def set_current_request(stream: "ErrorStream | None") -> None:
    """Remember whose output this thread's is."""
    _current.stream = stream


class ErrorStream:
    """A text stream whose lines are records of the error log.

    Args:
        request_id: 16 hexadecimal digits, or None outside requests.
        level: the records' level, in httpd's words.
    """

    __slots__ = ("_partial", "ended", "level", "request_id")

    encoding = "utf-8"
    errors = "replace"
    name = "<wsgi.errors>"

    def __init__(self, request_id: str | None, level: str = "error") -> None:
        self.request_id = request_id
        self.level = level
        self._partial = ""
        self.ended = False

    def write(self, text: str, /) -> int:
        """Write `text`; every complete line becomes a record at once.

        Raises:
            RuntimeError: the request has ended.
        """
        if not isinstance(text, str):
            raise TypeError(f"wsgi.errors takes str, not {type(text).__name__}")
        if self.ended:
            raise RuntimeError("wsgi.errors was used after its request had ended")
        *lines, rest = (self._partial + text).split("\n")
        if len(rest) > _LONGEST_LINE:
            # Something is kept: the end of the line, when it comes, must not be a line of its own.
            whole = (len(rest) - 1) // _LONGEST_LINE * _LONGEST_LINE
            lines.append(rest[:whole])
            rest = rest[whole:]
        self._partial = rest
        for line in lines:
            self._record(line)
        return len(text)

    def _record(self, line: str) -> None:
        now = time.time()
        for start in range(0, len(line) or 1, _LONGEST_LINE):
            record = error_line(
                self.level,
                line[start : start + _LONGEST_LINE],
                label=_label,
                request_id=self.request_id,
                now=now,
            )
            write_record(record)

    def writelines(self, lines: Iterable[str], /) -> None:
        """Write each of `lines`."""
        for line in lines:
            self.write(line)

    def flush(self) -> None:
        """Make an incomplete line a record now."""
        if self._partial:
            line, self._partial = self._partial, ""
            self._record(line)

    def isatty(self) -> bool:
        """Return False."""
        return False

    def fileno(self) -> int:
        """Raise OSError: there is no descriptor behind it."""
        raise io.UnsupportedOperation("fileno")

    def end(self) -> None:
        """Flush, and refuse what is written later."""
        self.flush()
        self.ended = True


class StandardStream(io.TextIOBase):
    """Stands for `sys.stdout` or `sys.stderr`: passes text to the log of the request that the thread runs."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self._name = name
        self._outside = threading.local()
        self._bytes = _StandardBytes(self)

    @property
    def name(self) -> str:
        """`<stdout>` or `<stderr>`."""
        return self._name

    @property
    def encoding(self) -> str:  # type: ignore[override]
        """Return the encoding that the log has."""
        return "utf-8"

    @property
    def errors(self) -> str:  # type: ignore[override]
        """Return how characters that cannot be encoded are written."""
        return "replace"

    @property
    def buffer(self) -> io.RawIOBase:
        """The same stream for bytes."""
        return self._bytes

    def _stream(self) -> ErrorStream:
        stream = current_request()
        if stream is None:
            stream = getattr(self._outside, "stream", None)
            if stream is None:
                stream = self._outside.stream = ErrorStream(None)
        return stream

    def writable(self) -> bool:
        """Return True."""
        return True

    def write(self, text: str, /) -> int:
        """Write `text` to the log of this thread's request."""
        return self._stream().write(text)

    def flush(self) -> None:
        """Make an incomplete line a record now."""
        stream = current_request() or getattr(self._outside, "stream", None)
        if stream is not None:
            stream.flush()


class _StandardBytes(io.RawIOBase):
    def __init__(self, text: StandardStream) -> None:
        super().__init__()
        self._text = text

    def writable(self) -> bool:
        return True

    def write(self, data: "bytes | bytearray | memoryview", /) -> int:  # type: ignore[override]
        view = bytes(data)
        self._text.write(view.decode("utf-8", "replace"))
        return len(view)

    def flush(self) -> None:
        self._text.flush()


class ForbiddenStream:
    """In the place of a standard stream that applications may not use: whatever they do with it raises OSError.

    Args:
        name: what the application calls it.
        directive: what forbids it.
    """

    closed = True  # the interpreter, which flushes it at its end, leaves it alone then

    def __init__(self, name: str, directive: str) -> None:
        self._text = f"{name} may not be used here ({directive} On)"

    def __getattr__(self, attribute: str) -> Any:
        """Raise OSError."""
        raise OSError(self._text)


def forbid_streams(*, stdin: bool, stdout: bool) -> None:
    """Have applications use what they are given instead (WSGIRestrictStdin, WSGIRestrictStdout)."""
    if stdin:
        sys.stdin = ForbiddenStream("sys.stdin", "WSGIRestrictStdin")
    if stdout:
        sys.stdout = ForbiddenStream("sys.stdout", "WSGIRestrictStdout")


def install_standard_streams(label: str) -> None:
    """Replace `sys.stdout` and `sys.stderr` by streams to the error log; `label` names the process in records."""
    global _label
    _label = label
    sys.stdout = StandardStream("<stdout>")
    sys.stderr = StandardStream("<stderr>")


class _RootHandler(logging.Handler):
    """Where `logging` sends warnings and worse while the application has configured nothing itself."""

    def _is_handled(self, name: str) -> bool:
        """Whether the application has a handler for this logger: then it decides, as without us."""
        logger: logging.Logger | None = logging.getLogger(name)
        while logger is not None:
            if any(handler is not self for handler in logger.handlers):
                return True
            logger = logger.parent if logger.propagate else None
        return False

    def emit(self, record: logging.LogRecord) -> None:
        if self._is_handled(record.name):
            return
        request = current_request()
        if request is not None and not hasattr(record, "request_id"):
            record.request_id = request.request_id
        for handler in logging.getLogger("pydaemonwsgi").handlers:
            handler.handle(record)


def install_logging() -> None:
    """Give records of an unconfigured `logging` level and request; `basicConfig` works as if we were not there."""
    handler = _RootHandler()
    logging.root.handlers[:] = [handler]
    logging.root.setLevel(logging.WARNING)
    real = logging.basicConfig

    def basic_config(**settings: Any) -> None:
        logging.root.removeHandler(handler)
        real(**settings)

    logging.basicConfig = basic_config
