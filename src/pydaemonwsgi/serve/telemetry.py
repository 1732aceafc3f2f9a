"""What a daemon process has to know of the collector, and what may be wrong with its socket. Shell: looks at files."""

import os
from typing import TYPE_CHECKING

from pydaemonwsgi.config.chroot import seen_from_inside
from pydaemonwsgi.config.model import NOWHERE, Server
from pydaemonwsgi.config.telemetry import CAPTURE_USER_AGENT
from pydaemonwsgi.errors import ConfigurationError

# Imported where it is used otherwise: as with all of a daemon process's settings.
if TYPE_CHECKING:
    from pydaemonwsgi.telemetry.settings import TelemetrySettings

__all__ = ["telemetry_settings", "telemetry_warnings"]


def telemetry_settings(server: Server, chroot: str | None) -> "TelemetrySettings | None":
    """Return the orders of the processes of a group; None where nobody collects, or they cannot see the socket.

    Args:
        server: what was asked for.
        chroot: the directory that is their root, or None.
    """
    from pydaemonwsgi.telemetry.settings import TelemetrySettings  # noqa: PLC0415

    telemetry = server.telemetry
    if telemetry is None:
        return None
    try:
        path = seen_from_inside(telemetry.path, chroot, "the collector's socket")
    except ConfigurationError:
        return None  # two groups may have two roots: one that is without telemetry keeps no server from starting
    return TelemetrySettings(
        path,
        telemetry.interval,
        user_agent=CAPTURE_USER_AGENT in server.telemetry_captures,
        place="--telemetry-service" if telemetry.position == NOWHERE else f"WSGITelemetryService, {telemetry.position}",
    )


def telemetry_warnings(server: Server) -> list[str]:
    """Return what the operator should read before the server starts, a sentence each."""
    telemetry = server.telemetry
    if telemetry is None:
        return []
    given = "--telemetry-service" if telemetry.position == NOWHERE else f"{telemetry.position}: WSGITelemetryService"
    found = []
    directory = os.path.dirname(telemetry.path)
    if not os.path.isdir(directory):
        found.append(f"{given}: there is no directory {directory}, so no collector can listen there")
    return [
        *found,
        *(
            f"{given}: the processes of the process group {group.title!r} send nothing: {telemetry.path} is outside of "
            f"their root, {group.options.chroot}"
            for group in server.groups
            if telemetry_settings(server, group.options.chroot) is None
        ),
    ]
