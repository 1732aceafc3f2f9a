"""Regular expressions that hostile requests keep busy for longer than anybody can wait."""

from collections.abc import Iterator

import pytest

from tests.helpers.server import wait_for
from tests.helpers.site import SiteServer, serving_site

# Without a limit each of these would be at it for years.
HOSTILE = "a" * 60 + "!"
CONFIGURATION = """DocumentRoot {site}/htdocs
RewriteEngine On
RewriteRule ^/rule/(a+)+$ /page.txt [PT]
RewriteCond %{HTTP_USER_AGENT} ^(a+)+$
RewriteRule ^/condition /page.txt [PT]
SetEnvIf X-Hostile ^(a+)+$ hostile
AliasMatch ^/alias/(a+)+$ {site}/htdocs/page.txt
RedirectMatch ^/redirect/(a+)+$ /page.txt
<LocationMatch ^/location/(a+)+$>
    Require all denied
</LocationMatch>
RequestHeader edit X-Edited ^(a+)+$ none
ErrorDocument 500 "an error text"
"""


@pytest.fixture(scope="module")
def site() -> Iterator[SiteServer]:
    """A site of patterns that nobody should write."""
    with serving_site("\n" + CONFIGURATION, {"htdocs/page.txt": "page\n"}) as site:
        yield site


@pytest.mark.parametrize(
    ("path", "headers", "named"),
    [
        (f"/rule/{HOSTILE}", (), "RewriteRule ^/rule/(a+)+$ /page.txt [PT] ({conf}:5)"),
        ("/condition", (f"User-Agent: {HOSTILE}",), "RewriteRule ^/condition /page.txt [PT] ({conf}:7)"),
        ("/page.txt", (f"X-Hostile: {HOSTILE}",), "SetEnvIf X-Hostile ^(a+)+$ ({conf}:8)"),
        (f"/alias/{HOSTILE}", (), "AliasMatch ^/alias/(a+)+$ ({conf}:9)"),
        (f"/redirect/{HOSTILE}", (), "RedirectMatch ^/redirect/(a+)+$ ({conf}:10)"),
        (f"/location/{HOSTILE}", (), "<LocationMatch ^/location/(a+)+$> ({conf}:11)"),
        ("/page.txt", (f"X-Edited: {HOSTILE}",), ""),
    ],
)
def test_a_pattern_that_takes_too_long_is_given_up_and_named(
    site: SiteServer, path: str, headers: tuple[str, ...], named: str
) -> None:
    """And the request gets 500: the pattern may be the one that was to keep it out."""
    answer = site.get(path, *headers)
    assert (answer.status, answer.text) == (500, "an error text")
    assert site.get("/page.txt").text == "page\n"
    named = named.replace("{conf}", str(site.configuration))
    wait_for(lambda: f"GET {path}: it takes longer than" in site.log() and named in site.log(), "the reason in the log")
