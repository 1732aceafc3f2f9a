"""Until when caches may believe an answer: httpd 2.4.71 was asked first."""

import pytest

from pydaemonwsgi.routing.decisions import Static
from pydaemonwsgi.routing.headers import Occasion, apply_edits
from tests.helpers.routing import FILES, facts, router

NOON = 1_700_049_600  # 15 November 2023
SITE = """
Listen 80
ExpiresActive On
ExpiresDefault "access plus 1 hour"
DocumentRoot /site/htdocs
Header edit Expires GMT$ UTC
Header append Cache-Control private env=private
SetEnvIf X-Private . private
<Directory /site/htdocs/images>
    ExpiresByType image/png A2592000
    ExpiresByType text/* "access plus 1 year 2 months 3 weeks"
    ExpiresByType text/css "now plus 2 days 3 minutes 1 second"
    ExpiresByType text/x-past "modification plus 1 day"
    ExpiresByType text/x-future M31536000
</Directory>
<Directory /site/htdocs/sub>
    ExpiresActive Off
</Directory>
"""


def edited(
    path: str, *fields: tuple[str, str], status: int = 200, media_type: str = "", private: str = ""
) -> dict[str, str]:
    """Return the headers of an answer to a request of noon, a second later."""
    headers = {"x_private": private} if private else {}
    common = router(SITE, FILES).decide(facts(path, **headers)).common  # type: ignore[arg-type]
    occasion = Occasion({}, NOON * 1_000_000, 1_000_000, status, media_type)
    return dict(apply_edits(common.response_edits, list(fields), occasion))


@pytest.mark.parametrize(
    ("media_type", "age", "expires"),
    [
        ("image/png", 2_592_000, "Fri, 15 Dec 2023 12:00:01 UTC"),
        ("Image/PNG; x=y", 2_592_000, "Fri, 15 Dec 2023 12:00:01 UTC"),
        ("text/plain", 38_534_400, "Mon, 03 Feb 2025 12:00:01 UTC"),
        ("text/css", 172_981, "Fri, 17 Nov 2023 12:03:02 UTC"),
        ("video/mp4", 3600, "Wed, 15 Nov 2023 13:00:01 UTC"),
        (None, 3600, "Wed, 15 Nov 2023 13:00:01 UTC"),
    ],
)
def test_a_time_depends_on_the_type(media_type: str | None, age: int, expires: str) -> None:
    fields = () if media_type is None else (("Content-Type", media_type),)
    found = edited("/images/i.png", *fields)
    assert (found["Cache-Control"], found["Expires"]) == (f"max-age={age}", expires)


def test_a_type_may_be_known_without_a_header() -> None:
    """A 304 has none."""
    assert edited("/images/i.png", status=304, media_type="image/png")["Cache-Control"] == "max-age=2592000"


@pytest.mark.parametrize(
    ("media_type", "modified", "age"),
    [
        ("text/x-past", "Wed, 01 Nov 2023 12:00:00 GMT", 0),
        ("text/x-past", "Wed, 15 Nov 2023 11:00:01 GMT", 23 * 3600),
        ("text/x-future", "Wed, 15 Nov 2023 12:00:01 GMT", 31_536_000),
        ("text/x-future", "yesterday", None),
        ("text/x-future", None, None),
    ],
)
def test_a_time_may_count_from_the_modification(media_type: str, modified: str | None, age: int | None) -> None:
    """And what has expired by then has expired now."""
    fields = [("Content-Type", media_type), *([("Last-Modified", modified)] if modified else [])]
    found = edited("/images/i.png", *fields)
    assert found.get("Cache-Control") == (None if age is None else f"max-age={age}")
    assert ("Expires" in found) is (age is not None)
    if age == 0:
        assert found["Expires"] == "Wed, 15 Nov 2023 12:00:01 UTC"


def test_what_an_application_says_of_itself_stays() -> None:
    assert edited("/a.txt", ("expires", "0")) == {"expires": "0"}
    assert edited("/a.txt", ("cache-control", "no-cache"))["Cache-Control"] == "no-cache, max-age=3600"


def test_headers_are_changed_afterwards() -> None:
    assert edited("/a.txt", private="1")["Cache-Control"] == "max-age=3600, private"


@pytest.mark.parametrize(("status", "there"), [(204, True), (302, True), (304, True), (404, False), (500, False)])
def test_errors_are_good_for_nobody(status: int, *, there: bool) -> None:
    assert ("Expires" in edited("/a.txt", status=status)) is there


def test_a_directory_may_be_without() -> None:
    assert edited("/sub/x.txt") == {}


def test_a_file_is_of_the_type_that_decides() -> None:
    decision = router(SITE, FILES).decide(facts("/images/i.png"))
    assert isinstance(decision, Static)
    assert decision.media_type == "image/png"
