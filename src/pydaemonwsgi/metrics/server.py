"""What `mod_wsgi.server_metrics()` tells: the whole server, in the words of httpd's scoreboard. Sans-I/O.

A worker is a thread of a daemon process. Of httpd's status letters there are `_` (idle), `W` (runs a request), `S` (its
process starts), and `G` (idle, and its process takes no more requests).
"""

import os
from collections.abc import Iterable, Mapping
from typing import Any

__all__ = ["server_metrics"]


def server_metrics(told: Mapping[str, Any], requests: Iterable[Mapping[str, Any]], now: float) -> dict[str, Any]:
    """Return the figures, with mod_wsgi's names.

    Args:
        told: what the supervisor says; see `supervisor.surveys`.
        requests: what the front says of each request that is not answered; see `front.report`.
        now: seconds since the epoch.
    """
    running = {(row["process"], row["stream"]): row for row in requests if row["process"] is not None}
    processes = [_process(process, running) for process in told["processes"]]
    return {
        "server_limit": len(processes),
        "thread_limit": max((len(process["workers"]) for process in processes), default=0),
        "running_generation": told["generation"],
        "restart_time": told["started"],
        "current_time": now,
        "running_time": now - told["started"],
        "processes": processes,
    }


def _process(told: Mapping[str, Any], running: Mapping[tuple[int, int], Mapping[str, Any]]) -> dict[str, Any]:
    workers: list[dict[str, Any]] = []
    idle = "S" if told["starting"] else "G" if told["quiescing"] else "_"
    for interpreter in told["interpreters"]:
        application_group = os.fsencode(interpreter["application_group"]).decode("latin-1")
        for stream, started, ended, stopped in interpreter["threads"]:
            row = running.get((interpreter["number"], stream)) if stream else None
            workers.append(
                {
                    "thread_num": len(workers),
                    "generation": told["generation"],
                    "status": "W" if stream else idle,
                    "access_count": ended,
                    "bytes_served": 0,  # the front sends them, and does not count them by thread
                    "start_time": started,
                    # As httpd: a request that runs has not stopped.
                    "stop_time": 0.0 if stream else stopped,
                    "last_used": max(started, stopped),
                    "client": _client(row),
                    "request": "" if row is None else f"{row['method']} {row['url']} {row['protocol']}",
                    "vhost": "" if row is None else row["host"],
                    "application_group": application_group,
                }
            )
    return {
        "process_num": told["number"],
        "pid": told["pid"],
        "generation": told["generation"],
        "quiescing": told["quiescing"],
        "process_group": told["process_group"],
        "workers": workers,
    }


def _client(row: Mapping[str, Any] | None) -> str:
    """Return a client's address without its port; "" where it is not known, or has gone."""
    peer = "" if row is None else row["client"] or ""
    address, colon, _ = peer.rpartition(":")
    return address.strip("[]") if colon else ""
