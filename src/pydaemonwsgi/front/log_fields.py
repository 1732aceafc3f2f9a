"""The fields of an access log's line: what each directive of httpd's LogFormat says of a record. *Sans-I/O.*"""

import re
from collections.abc import Callable
from operator import attrgetter
from time import localtime, strftime  # of a given second; this module reads no clock
from typing import TYPE_CHECKING
from urllib.parse import unquote_to_bytes

from pydaemonwsgi.errors import HttpError

if TYPE_CHECKING:
    from pydaemonwsgi.front.access_log import AccessRecord
    from pydaemonwsgi.routing.decisions import Decision

__all__ = ["PLAIN", "WITH_ARGUMENT", "Getter", "final_status"]

Getter = Callable[["AccessRecord"], object]
"""What a directive says of a record."""


# -- escaping

_find_unsafe = re.compile(r"[^ !#-\[\]-~]").search
_C_STYLE = {"\b": "\\b", "\n": "\\n", "\r": "\\r", "\t": "\\t", "\v": "\\v", "\\": "\\\\", '"': '\\"'}


def _escaped(text: str) -> str:
    """httpd's ap_escape_logitem; what is beyond latin-1 is escaped as its UTF-8 bytes."""
    if _find_unsafe(text) is None:
        return text
    return "".join([one if _find_unsafe(one) is None else _escaped_character(one) for one in text])


def _escaped_character(character: str) -> str:
    style = _C_STYLE.get(character)
    if style is not None:
        return style
    encoded = bytes([ord(character)]) if character <= "\xff" else character.encode("utf-8", "surrogatepass")
    return "".join([f"\\x{byte:02x}" for byte in encoded])


def _field(name: str) -> Getter:
    """A text attribute, escaped; "-" if empty."""
    get: Callable[[AccessRecord], str] = attrgetter(name)
    return lambda record: _escaped(get(record)) or "-"


# -- the request line


def _request_line(record: "AccessRecord") -> str:
    line = f"{record.method} {record.target} {record.protocol}" if record.method else record.refused_line or "-"
    return line if _find_unsafe(line) is None else _escaped(line)


def _path(record: "AccessRecord") -> str:
    """The path as httpd logs it: without scheme, host and query, and decoded as the host reads it."""
    path = record.target.partition("?")[0]
    if not path.startswith("/") and "://" in path:
        path = "/" + path.partition("://")[2].partition("/")[2]
    if "%" in path or "//" in path or "/." in path:
        path = _decoded(path.encode("latin-1", "replace"), record.decision).decode("latin-1")
    return _escaped(path) or "-"


def _decoded(path: bytes, decision: "Decision | None") -> bytes:
    # Imported here: the supervisor looks formats up, and holds no HTTP code.
    from pydaemonwsgi.http.targets import decode_path  # noqa: PLC0415

    host = None if decision is None else decision.common.site.host
    try:
        if host is None:
            return decode_path(path)[0]
        return decode_path(path, merge_slashes=host.merge_slashes, encoded_slashes=host.allow_encoded_slashes)[0]
    except HttpError:
        return unquote_to_bytes(path)  # it was refused for what it is; the log shows it nevertheless


def _query(record: "AccessRecord") -> str:
    _, mark, query = record.target.partition("?")
    return mark + _escaped(query)


_HOST = re.compile(r"(\[[^\]]*\]|[^:]*):[0-9]*")


def _named_host(record: "AccessRecord") -> str:
    """The host that the client named, without a port."""
    match = _HOST.fullmatch(record.host)
    return _escaped(record.host if match is None else match[1]) or "-"


def _host(record: "AccessRecord") -> str:
    """The name of the virtual host, whatever the client called it."""
    if record.decision is None:
        return _named_host(record)
    return record.decision.common.site.server_name or _escaped(record.local_addr) or "-"


def _used_host(record: "AccessRecord") -> str:
    """The name that UseCanonicalName makes count."""
    if record.decision is None or (record.host and record.decision.common.context.settings.use_canonical_name != "on"):
        return _named_host(record)
    return _host(record)


def _port(record: "AccessRecord") -> int:
    port = None if record.decision is None else record.decision.common.site.host.server_port
    return record.local_port if port is None else port


# -- what the configuration decided

final_status: Getter = attrgetter("status")


def _original_status(record: "AccessRecord") -> int:
    """The status before an ErrorDocument had its own."""
    return record.document_of or record.status


def _file(record: "AccessRecord") -> str:
    decision = record.decision
    return _escaped(getattr(decision, "filename", "") or getattr(decision, "directory", "") or _script(decision)) or "-"


def _script(decision: "Decision | None") -> str:
    target = getattr(decision, "target", None)
    return "" if target is None else str(target.filename)


def _handler(record: "AccessRecord") -> str:
    target = getattr(record.decision, "target", None)
    return "-" if target is None else _escaped(target.handler)


def _variable(name: str) -> Getter:
    def getter(record: "AccessRecord") -> str:
        if record.decision is not None:
            for one, value in record.decision.common.environment:
                if one == name:
                    return _escaped(value) or "-"
        return "-"

    return getter


# -- headers


def _raw_header(attribute: str, name: str) -> Callable[["AccessRecord"], list[str]]:
    """All values of a header; the block is searched as it is, never parsed."""
    get: Callable[[AccessRecord], bytes] = attrgetter(attribute)
    needle = f"\r\n{name.lower()}:".encode("latin-1", "replace")

    def getter(record: "AccessRecord") -> list[str]:
        block = b"\r\n" + get(record)
        lowered = block.lower()
        start = lowered.find(needle)
        values = []
        while start >= 0:
            start += len(needle)
            end = block.find(b"\r\n", start)
            values.append(block[start : None if end < 0 else end].strip(b" \t").decode("latin-1"))
            start = lowered.find(needle, start)
        return values

    return getter


def _header(attribute: str, name: str) -> Getter:
    """All values of a header, joined by a comma."""
    get = _raw_header(attribute, name)

    def getter(record: "AccessRecord") -> str:
        values = get(record)
        return _escaped(", ".join(values)) if values else "-"

    return getter


def _cookie(name: str) -> Getter:
    """The value of a cookie, whose name's case does not count in httpd either."""
    header, wanted = _raw_header("headers", "Cookie"), name.lower()

    def getter(record: "AccessRecord") -> str:
        for pair in ";".join(header(record)).split(";"):
            one, equals, value = pair.partition("=")
            if equals and one.strip().lower() == wanted:
                return _escaped(value.strip())
        return "-"

    return getter


# -- times

_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


def _microseconds(seconds: float) -> int:
    """The one place that rounds: 1.001 s are 1001 ms, though 1.001 * 1000 is a little less."""
    return round(seconds * 1_000_000)


_MOMENTS: dict[str, Callable[[float], object]] = {
    "sec": lambda seconds: _microseconds(seconds) // 1_000_000,
    "msec": lambda seconds: _microseconds(seconds) // 1000,
    "usec": _microseconds,
    "msec_frac": lambda seconds: f"{_microseconds(seconds) // 1000 % 1000:03d}",
    "usec_frac": lambda seconds: f"{_microseconds(seconds) % 1_000_000:06d}",
}
_DURATIONS: dict[str, Getter] = {
    "s": lambda record: _microseconds(record.duration) // 1_000_000,
    "ms": lambda record: _microseconds(record.duration) // 1000,
    "us": lambda record: _microseconds(record.duration),
}


def _common_time(second: int) -> str:
    """`[10/Oct/2000:13:55:36 -0700]`, with English months whatever the locale."""
    at = localtime(second)
    return strftime(f"[%d/{_MONTHS[at.tm_mon - 1]}/%Y:%H:%M:%S %z]", at)


def _per_second(render: Callable[[int], str]) -> Callable[[float], str]:
    """Render each second once; the pair is swapped whole."""
    cached = (-1, "")

    def moment(now: float) -> str:
        nonlocal cached
        second = int(now)
        at, text = cached
        if at != second:
            text = render(second)
            cached = (second, text)
        return text

    return moment


def _time(argument: str) -> Getter:
    is_end = argument.startswith("end:")
    layout = argument.removeprefix("end:" if is_end else "begin:")
    moment = _MOMENTS.get(layout)
    if moment is None:
        moment = _per_second(lambda second: strftime(layout, localtime(second)) if layout else _common_time(second))
    if is_end:
        return lambda record: moment(record.time + record.duration)
    return lambda record: moment(record.time)


# -- the directives

_REMOTE_ADDRESS = _field("remote_addr")


def _remote_host(record: "AccessRecord") -> str:
    """The client's name if it was looked up, for whatever reason, as under httpd; else its address."""
    return _escaped(record.remote_host or record.remote_addr) or "-"


# A text is a constant: what this server never knows (identd, the user, trailers, the time to the first byte) is "-".
PLAIN: dict[str, str | Getter] = {
    "%": "%",
    "a": _REMOTE_ADDRESS,
    "A": _field("local_addr"),
    "B": attrgetter("body_bytes"),
    "b": lambda record: record.body_bytes or "-",
    "D": _DURATIONS["us"],
    "f": _file,
    "h": _remote_host,
    "H": _field("protocol"),
    "I": attrgetter("bytes_in"),
    "k": attrgetter("connection_requests"),
    "l": "-",
    "L": _field("request_id"),
    "m": _field("method"),
    "O": attrgetter("bytes_out"),
    "p": _port,
    "P": lambda record: record.daemon_pid or "-",
    "q": _query,
    "r": _request_line,
    "R": _handler,
    "s": _original_status,
    "S": lambda record: record.bytes_in + record.bytes_out,
    "t": _time(""),
    "T": _DURATIONS["s"],
    "u": "-",
    "U": _path,
    "v": _host,
    "V": _used_host,
    "X": attrgetter("connection_status"),
    "^FB": "-",
    "^FU": "-",
}
_PORTS: dict[str, Getter] = {
    "canonical": _port,
    "local": attrgetter("local_port"),
    "remote": attrgetter("remote_port"),
}
_NOTES: dict[str, Getter] = {
    "mod_wsgi.process_group": _field("process_group"),
    "mod_wsgi.queue_time": lambda record: f"{record.queue_time:.6f}",
}


def _note(name: str) -> str | Getter:
    return _NOTES[name] if name.startswith("mod_wsgi.") else "-"


def _nothing(name: str) -> str:
    del name
    return "-"


# By letter: a function of the text in braces; KeyError if it does not know that text.
WITH_ARGUMENT: dict[str, Callable[[str], str | Getter]] = {
    "a": {"c": _REMOTE_ADDRESS}.__getitem__,
    "h": {"c": _remote_host}.__getitem__,
    "C": _cookie,
    "e": _variable,
    "i": lambda name: _header("headers", name),
    # Other modules of httpd's have notes of their own; a misspelt one of ours is a mistake.
    "n": _note,
    "o": lambda name: _header("response_headers", name),
    "p": _PORTS.__getitem__,
    "P": {"pid": PLAIN["P"], "tid": "-", "hextid": "-"}.__getitem__,
    "t": _time,
    "T": _DURATIONS.__getitem__,
    "u": {"c": "-"}.__getitem__,
    "x": _nothing,
    "^ti": _nothing,
    "^to": _nothing,
}
