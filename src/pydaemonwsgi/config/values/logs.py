"""What the logs hold: levels and formats. Sans-I/O."""

from pydaemonwsgi.config.values.kinds import BadValueError, ValueKind, has_control

__all__ = ["LOG_LEVELS", "access_log_format", "log_level"]


LOG_LEVELS = ("debug", "info", "notice", "warning", "error", "critical")
"""The levels that `log_level` gives, least severe first; `logs.parse_level` knows their numbers."""


HTTPD_LOG_LEVELS = {"warn": "warning", "crit": "critical", "alert": "critical", "emerg": "critical"} | {
    f"trace{depth}": "debug" for depth in range(1, 9)
}


def log_level() -> ValueKind[str]:
    """One of `LOG_LEVELS`; httpd's other words are translated."""

    def parse(text: str) -> str:
        word = HTTPD_LOG_LEVELS.get(text.lower(), text.lower())
        if word not in LOG_LEVELS:
            raise BadValueError("is not a log level")
        return word

    *names, last = LOG_LEVELS
    return ValueKind("LEVEL", f"{', '.join(names)} or {last}, or httpd's word for it", parse, str)


def access_log_format() -> ValueKind[str]:
    """`common`, `combined`, `vhost_combined` or a format string."""

    def parse(text: str) -> str:
        if has_control(text):
            raise BadValueError("holds a control character")
        if text not in ("common", "combined", "vhost_combined") and "%" not in text:
            raise BadValueError("is neither a known format nor a format string with % directives")
        return text

    return ValueKind("FORMAT", "common, combined or a format string such as '%h %r %s'", parse, str)
