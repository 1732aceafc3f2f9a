"""Directives of the logs. Sans-I/O."""

from dataclasses import replace

from pydaemonwsgi.config import values
from pydaemonwsgi.config.directives.drafts import LogDraft
from pydaemonwsgi.config.directives.row import HOSTS, SERVER, Line, Row, parsed
from pydaemonwsgi.config.log_targets import read_log_target
from pydaemonwsgi.config.model import LogFormat
from pydaemonwsgi.config.values import BadValueError

__all__ = ["BUILT_IN_FORMATS", "ROWS"]

BUILT_IN_FORMATS = ("common", "combined", "vhost_combined")
"""Nicknames that count although no LogFormat defines them; most httpd.conf files do."""


def _error_log(line: Line) -> None:
    target = read_log_target(line.words[0], line.path)
    line.place.host.single["error_log"] = replace(target, position=line.position)


def _condition(word: str | None) -> str | None:
    if word is None:
        return None
    kind, equals, name = word.partition("=")
    if kind.lower() != "env" or not equals or name in ("", "!"):
        raise BadValueError(f"{word!r} is no condition; give env=NAME or env=!NAME (expressions are not supported)")
    return name


def _access_log(line: Line) -> None:
    """`CustomLog`, `GlobalLog` and `TransferLog`, which has no format of its own."""
    name = line.row.name
    target = read_log_target(line.words[0], line.path)
    draft = LogDraft(target, line.word(1), _condition(line.word(2)), name, line.position, is_global=name == "GlobalLog")
    line.place.host.logs.append(draft)


def _log_format(line: Line) -> None:
    text, nickname = line.words[0], line.word(1)
    host = line.place.host
    if nickname is None:
        host.transfer_format = text
    elif "%" in nickname:
        raise BadValueError(f"{nickname!r} cannot be a nickname: it holds a %")
    else:
        host.nicknames[nickname] = text
    host.lists["log_formats"].append(LogFormat(text, line.position))


def _log_level(line: Line) -> None:
    levels: dict[str, str] = {}
    for word in line.words:
        module, colon, level = word.rpartition(":")
        name = module.lower().removesuffix(".c").removesuffix("_module").removeprefix("mod_")
        if colon and not name:
            raise BadValueError(f"{word!r} names no module before the colon")
        levels[name] = parsed(values.log_level(), level)
        if name not in ("", "wsgi"):
            hint = "; `pydaemonwsgi explain` shows what rules do with a URL" if name == "rewrite" else ""
            line.info(f"{word} is ignored: only wsgi has a level of its own{hint}")
    line.place.host.single["log_levels"] = tuple(levels.items())


ROWS = (
    Row(
        "ErrorLog",
        HOSTS,
        "FILE|COMMAND|syslog[:FACILITY[:TAG]]",
        "Where errors go: a file, a command that reads them (`|command`), or syslog.",
        _error_log,
        "standard error",
    ),
    Row(
        "LogLevel",
        HOSTS,
        "[MODULE:]LEVEL ...",
        "Least severity of what is written to the error log; `wsgi:info` for the application's side.",
        _log_level,
        "info",
    ),
    Row(
        "CustomLog",
        HOSTS,
        "FILE|COMMAND FORMAT|NICKNAME [env=[!]NAME]",
        "An access log; several add up. A virtual host with a log of its own does not write to the server's.",
        _access_log,
    ),
    Row(
        "GlobalLog",
        SERVER,
        "FILE|COMMAND FORMAT|NICKNAME [env=[!]NAME]",
        "An access log of every host, also of those with logs of their own.",
        _access_log,
    ),
    Row("TransferLog", HOSTS, "FILE|COMMAND", "An access log in the format of the last LogFormat.", _access_log),
    Row(
        "LogFormat",
        HOSTS,
        "FORMAT [NICKNAME]",
        "A format for access logs; `common`, `combined` and `vhost_combined` are there already.",
        _log_format,
    ),
)
