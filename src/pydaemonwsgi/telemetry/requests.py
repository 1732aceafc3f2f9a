"""What telemetry says of one slow request. Sans-I/O."""

from collections.abc import Mapping
from typing import Any, Final

from pydaemonwsgi.telemetry.datagrams import text_of

__all__ = ["MOST_RUNNING", "SlowRequests", "described", "measured"]

# Slow requests that are told at a time. Where there are more, which they are matters less than how many.
_MOST_ENDED: Final = 64
MOST_RUNNING: Final = 32
"""Requests that run, and are slow already, that are told at a time."""

_TEXTS: Final = {
    "method": "REQUEST_METHOD",
    "scheme": "REQUEST_SCHEME",
    "host": "HTTP_HOST",
    "server_name": "SERVER_NAME",
    "script": "SCRIPT_FILENAME",
    "script_name": "SCRIPT_NAME",
    "protocol": "SERVER_PROTOCOL",
    "remote_addr": "REMOTE_ADDR",
}
_MEASURED: Final = (
    *("application_time", "input_reads", "input_length", "input_time"),
    *("output_writes", "output_length", "output_time", "cpu_user_time", "cpu_system_time", "status"),
)


class SlowRequests:
    """Those that have ended since they were told last; any thread may add.

    Attributes:
        left_out: how many were more than are told.
    """

    def __init__(self) -> None:
        self._ended: list[dict[str, Any]] = []
        self.left_out = 0

    def add(self, record: dict[str, Any]) -> None:
        """Keep one."""
        if len(self._ended) < _MOST_ENDED:
            self._ended.append(record)
        else:
            self.left_out += 1

    def take(self) -> list[dict[str, Any]]:
        """Return them, and forget them."""
        taken, self._ended = self._ended, []
        return taken


def described(variables: Mapping[str, str], *, user_agent: bool) -> dict[str, Any]:
    """Return what the client asked for, without the query, which may hold what nobody else should read.

    Args:
        variables: CGI variables of the request, as latin-1.
        user_agent: whether the client's User-Agent may be told.
    """
    found: dict[str, Any] = {name: text_of(variables.get(key, "")) for name, key in _TEXTS.items()}
    uri = variables.get("REQUEST_URI") or variables.get("PATH_INFO", "")
    found["path"] = text_of(uri.partition("?")[0].partition("#")[0])
    if user_agent:
        found["user_agent"] = text_of(variables.get("HTTP_USER_AGENT", ""))
    return found


def measured(finished: Mapping[str, Any]) -> dict[str, Any]:
    """Return what the event `request_finished` says of a request's phases and its work."""
    begin = finished["application_finish"] - finished["application_time"]
    return {
        "queue_time": max(0.0, finished["daemon_start"] - finished["queue_start"]),
        "daemon_time": max(0.0, begin - finished["daemon_start"]),
        **{name: finished[name] for name in _MEASURED},
    }
