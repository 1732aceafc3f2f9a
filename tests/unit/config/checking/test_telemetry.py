"""A collector that nobody can reach is found before the server starts."""

import pytest

from pydaemonwsgi.config.apache.files import FilesInMemory
from pydaemonwsgi.config.load import load
from tests.unit.config.checking.fake_machine import FakeMachine, server_of, warnings_of

SERVICE = "Listen 8080\nWSGITelemetryService unix:/run/x/t.sock 2.5\nWSGITelemetryOptions CaptureUserAgent\n"
NO_FILE = FakeMachine(missing=frozenset({"/run/x/t.sock"}))


def test_a_collector_that_may_come_is_left_alone() -> None:
    assert warnings_of(SERVICE, NO_FILE) == []
    telemetry = server_of(SERVICE).telemetry
    assert telemetry is not None
    assert (telemetry.path, telemetry.interval, str(telemetry.position)) == ("/run/x/t.sock", 2.5, "/etc/site.conf:2")


def test_a_directory_that_is_missing_is_found() -> None:
    (found,) = warnings_of(SERVICE, FakeMachine(missing=frozenset({"/run/x"})))
    assert found == (
        "2: WSGITelemetryService: there is no directory /run/x, so no collector can listen there; make it, or "
        "correct the path"
    )


def test_a_file_in_the_place_of_the_socket_is_found() -> None:
    assert warnings_of(SERVICE) == ["2: WSGITelemetryService: /run/x/t.sock is a file and no socket; correct the path"]


def test_options_without_a_collector_are_found() -> None:
    assert warnings_of("Listen 8080\nWSGITelemetryOptions All") == [
        "2: WSGITelemetryOptions: nobody collects; write WSGITelemetryService unix:PATH"
    ]


def test_a_root_that_does_not_hold_the_socket_is_found() -> None:
    group = "WSGIDaemonProcess site chroot=/srv/jail user=jack\nWSGIScriptAlias / /srv/jail/a.wsgi process-group=site\n"
    (found,) = [text for text in warnings_of(SERVICE + group, NO_FILE) if text.startswith("2:")]
    assert "the process group 'site' send nothing: /run/x/t.sock is outside of their root, /srv/jail" in found


def test_a_directory_that_the_user_may_not_enter_is_found() -> None:
    group = "WSGIDaemonProcess site user=jack\nWSGIScriptAlias / /srv/a.wsgi process-group=site\n"
    machine = FakeMachine(missing=frozenset({"/run/x/t.sock"}), secret=frozenset({"/run/x"}))
    assert "user jack cannot reach the directory of WSGITelemetryService /run/x" in "".join(
        warnings_of(SERVICE + group, machine)
    )


@pytest.mark.parametrize(
    ("line", "error"),
    [
        ("WSGITelemetryService unix:/t.sock 0.4", "'0.4' is too small; give seconds"),
        ("WSGITelemetryService /t.sock", "'/t.sock' does not begin with unix:; give unix: and the path"),
        ("WSGITelemetryOptions All +CaptureUserAgent", "give all a sign, or none"),
        ("WSGITelemetryOptions CaptureCookies", "'CaptureCookies' is not one of these; give None, All"),
    ],
)
def test_what_cannot_be_meant_is_an_error(line: str, error: str) -> None:
    loaded = load("/etc/site.conf", FilesInMemory({"/etc/site.conf": f"Listen 8080\n{line}"}))
    (problem,) = loaded.problems
    assert (str(problem.position), error in problem.text) == ("/etc/site.conf:2", True), problem.text
