"""Checks of telemetry: a collector that nobody can reach, and options without one. Sans-I/O."""

import posixpath
from collections.abc import Iterator

from pydaemonwsgi.config.checking.machine import Machine
from pydaemonwsgi.config.checking.row import Check, Finding
from pydaemonwsgi.config.chroot import seen_from_inside
from pydaemonwsgi.config.model import Server
from pydaemonwsgi.errors import ConfigurationError

__all__ = ["CHECKS"]

_SERVICE = "WSGITelemetryService"


def _socket(server: Server, machine: Machine) -> Iterator[Finding]:
    telemetry = server.telemetry
    if telemetry is None:
        return
    directory = posixpath.dirname(telemetry.path)
    if not machine.is_directory(directory):
        text = f"there is no directory {directory}, so no collector can listen there"
        yield Finding(telemetry.position, _SERVICE, f"{text}; make it, or correct the path")
    elif machine.is_file(telemetry.path):
        yield Finding(telemetry.position, _SERVICE, f"{telemetry.path} is a file and no socket; correct the path")
    for group in server.groups:
        try:
            seen_from_inside(telemetry.path, group.options.chroot, "the collector's socket")
        except ConfigurationError:
            yield Finding(
                telemetry.position,
                _SERVICE,
                f"the processes of the process group {group.title!r} send nothing: {telemetry.path} is outside of "
                f"their root, {group.options.chroot}; put the socket below it, or take chroot= out",
            )


def _options(server: Server, _: Machine) -> Iterator[Finding]:
    if server.telemetry_captures and server.telemetry is None:
        yield Finding(
            server.main.where("WSGITelemetryOptions"),
            "WSGITelemetryOptions",
            f"nobody collects; write {_SERVICE} unix:PATH",
        )


CHECKS = (
    Check("a collector of telemetry that cannot be reached", _socket),
    Check("options of telemetry that nobody collects", _options),
)
