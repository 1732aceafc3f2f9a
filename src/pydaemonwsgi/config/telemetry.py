"""What may be said of telemetry: where it goes, and what it may hold besides figures. Sans-I/O."""

from collections.abc import Sequence

from pydaemonwsgi.config.values.addresses import LONGEST_SOCKET_PATH
from pydaemonwsgi.config.values.kinds import BadValueError, ValueKind, has_control
from pydaemonwsgi.config.values.numbers import duration

__all__ = ["CAPTURE_USER_AGENT", "captured", "telemetry_interval", "telemetry_option", "telemetry_target"]

CAPTURE_USER_AGENT = "CaptureUserAgent"
_CAPTURES = (CAPTURE_USER_AGENT,)
_WORDS = {word.lower(): word for word in ("None", "All", *_CAPTURES)}


def telemetry_target() -> ValueKind[str]:
    """The collector's socket: `unix:` and its path; the value is the path."""

    def parse(text: str) -> str:
        path = text.removeprefix("unix:")
        if path == text:
            raise BadValueError("does not begin with unix:")
        if not path or path.endswith("/") or has_control(path):
            raise BadValueError("names no socket file")
        if len(path.encode("utf-8", "surrogateescape")) > LONGEST_SOCKET_PATH:
            raise BadValueError(f"is longer than a socket's path may be ({LONGEST_SOCKET_PATH} bytes)")
        return path

    return ValueKind("TARGET", "unix: and the path of the collector's datagram socket", parse, "unix:{}".format)


def telemetry_interval() -> ValueKind[float]:
    """Seconds between two reports; mod_wsgi's bound."""
    return duration(shortest=0.5)


def telemetry_option() -> ValueKind[tuple[str, ...]]:
    """What a slow request may be told with; a tuple, because the option is repeatable."""

    def parse(text: str) -> tuple[str, ...]:
        word = _WORDS.get(text.lstrip("+-").lower())
        if word is None or len(text) > len(word) + 1 or (word == "None" and text[:1] in {"+", "-"}):
            raise BadValueError("is not one of these")
        return (text[: len(text) - len(word)] + word,)

    accepted = "None, All or CaptureUserAgent, or +CaptureUserAgent or -CaptureUserAgent"
    return ValueKind("WORD", accepted, parse, ",".join)


def captured(before: Sequence[str], words: Sequence[str]) -> tuple[str, ...]:
    """Return what is told, sorted, after words that `telemetry_option` has read.

    Args:
        before: what was told before, which words with a sign change and others replace.
        words: at least one.

    Raises:
        BadValueError: some of them have a sign, and some have none.
    """
    signed = [word for word in words if word[0] in "+-"]
    if signed and len(signed) < len(words):
        plain = next(word for word in words if word[0] not in "+-")
        raise BadValueError(f"{signed[0]} changes what was said before, {plain} replaces it; give all a sign, or none")
    found = set(before if signed else ())
    for word in words:
        name = word.lstrip("+-")
        meant = set() if name == "None" else set(_CAPTURES) if name == "All" else {name}
        found = found - meant if word.startswith("-") else found | meant
    return tuple(sorted(found))
