"""What may be said of telemetry means what mod_wsgi says it means."""

import pytest

from pydaemonwsgi.config.telemetry import captured, telemetry_interval, telemetry_option, telemetry_target
from pydaemonwsgi.config.values import BadValueError

UA = ("CaptureUserAgent",)


def words(text: str) -> tuple[str, ...]:
    return tuple(telemetry_option().parse(word)[0] for word in text.split())


@pytest.mark.parametrize(
    ("before", "written", "after"),
    [
        ((), "None", ()),
        ((), "All", UA),
        ((), "CaptureUserAgent", UA),
        ((), "captureuseragent", UA),
        ((), "+CaptureUserAgent", UA),
        (UA, "None", ()),
        (UA, "-CaptureUserAgent", ()),
        (UA, "+CaptureUserAgent -CaptureUserAgent", ()),
        (UA, "-All", ()),
        (UA, "None CaptureUserAgent", UA),
    ],
)
def test_words_replace_what_was_said_and_signs_change_it(
    before: tuple[str, ...], written: str, after: tuple[str, ...]
) -> None:
    assert captured(before, words(written)) == after


@pytest.mark.parametrize("written", ["All -CaptureUserAgent", "+CaptureUserAgent None"])
def test_signs_for_some_of_the_words_are_refused(written: str) -> None:
    with pytest.raises(BadValueError, match="give all a sign, or none"):
        captured((), words(written))


@pytest.mark.parametrize("written", ["", "+", "+None", "-None", "++All", "CaptureCookies", "-+CaptureUserAgent"])
def test_other_words_are_refused(written: str) -> None:
    with pytest.raises(BadValueError):
        telemetry_option().parse(written)


@pytest.mark.parametrize(
    "written", ["/run/t.sock", "unix:", "unix:/run/", "udp:1.2.3.4", "unix:/" + "x" * 107, "unix:a\nb"]
)
def test_what_is_no_socket_is_refused(written: str) -> None:
    with pytest.raises(BadValueError):
        telemetry_target().parse(written)


@pytest.mark.parametrize(("written", "seconds"), [("0.5", 0.5), ("500ms", 0.5), ("1.0", 1.0), ("60", 60.0)])
def test_half_a_second_is_the_shortest_interval(written: str, seconds: float) -> None:
    assert telemetry_interval().parse(written) == seconds
    with pytest.raises(BadValueError, match="too small"):
        telemetry_interval().parse("0.49")
