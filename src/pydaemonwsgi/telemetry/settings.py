"""Where telemetry goes, and what it may hold. Sans-I/O; plain values only, so that it can cross an exec."""

from dataclasses import dataclass, field

__all__ = ["TelemetrySettings"]


@dataclass(frozen=True, slots=True)
class TelemetrySettings:
    """A daemon process's orders.

    Attributes:
        path: of the collector's socket, as the process sees it.
        interval: seconds between two reports.
        user_agent: whether a slow request is told with the client's User-Agent (CaptureUserAgent).
        place: where it was asked for, for people. No part of what two settings are equal by: a directive that has moved
            to another line replaces no process.
    """

    path: str
    interval: float = 1.0
    user_agent: bool = False
    place: str = field(default="", compare=False)
