"""mod_wsgi's directives about telemetry. Sans-I/O."""

from pydaemonwsgi.config.directives.row import SERVER, Line, Row, parsed
from pydaemonwsgi.config.model import Telemetry
from pydaemonwsgi.config.telemetry import captured, telemetry_interval, telemetry_option, telemetry_target

__all__ = ["ROWS"]


def _service(line: Line) -> None:
    interval = line.word(1)
    path = line.path(parsed(telemetry_target(), line.words[0]))
    line.draft.single["telemetry"] = Telemetry(
        parsed(telemetry_target(), f"unix:{path}"),  # completed, it may have become too long
        Telemetry.interval if interval is None else parsed(telemetry_interval(), interval),
        line.position,
    )


def _options(line: Line) -> None:
    words = [parsed(telemetry_option(), word)[0] for word in line.words]
    line.draft.single["telemetry_captures"] = captured(line.draft.single.get("telemetry_captures", ()), words)


ROWS = (
    Row(
        "WSGITelemetryService",
        SERVER,
        "unix:PATH [SECONDS]",
        "The datagram socket of a collector that daemon processes report to every SECONDS, 0.5 at least "
        "([telemetry](telemetry.md)).",
        _service,
        "none, and every second",
    ),
    Row(
        "WSGITelemetryOptions",
        SERVER,
        "[+|-]OPTION ...",
        "What slow requests are reported with: `None`, `All`, or `CaptureUserAgent`; `+` and `-` change what was "
        "written before.",
        _options,
        "None",
    ),
)
