"""Regular expressions that hostile requests keep busy for longer than anybody can wait."""

import os
import sys
from collections.abc import Iterator
from pathlib import Path

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
<Location /glob/*a*a*a*a*a*a*a*a*a*b>
    Require all denied
</Location>
RequestHeader edit X-Edited ^(a+)+$ none
ErrorDocument 500 "an error text"
WSGIScriptAlias /app {site}/app.wsgi
Header edit X-Answer ^(a+)+$ none
SetEnvIf X-Copied (.*) copied=$1
Header always set X-Copy %{copied}e env=copied
Header always edit X-Copy ^(a+)+$ none
Redirect /gone http://else.test/
Header always set X-Kept yes
"""
APPLICATION = """def application(environ, start_response):
    start_response("200 OK", [("X-Answer", "a" * 60 + "!" if "hostile" in environ["PATH_INFO"] else "aa")])
    whole = [b"first", b"second"]
    return iter(whole) if "piecemeal" in environ["PATH_INFO"] else whole
"""


# The timer that watches over patterns ticks in the worst moment: when the event loop has been closed by half.
TICKING = """import asyncio.selector_events
import signal
close = asyncio.selector_events.BaseSelectorEventLoop._close_self_pipe
def close_and_tick(loop):
    close(loop)
    if signal.getsignal(signal.SIGVTALRM) != signal.SIG_DFL:
        signal.raise_signal(signal.SIGVTALRM)
asyncio.selector_events.BaseSelectorEventLoop._close_self_pipe = close_and_tick
"""


@pytest.fixture(scope="module")
def site() -> Iterator[SiteServer]:
    """A site of patterns that nobody should write."""
    with serving_site("\n" + CONFIGURATION, {"htdocs/page.txt": "page\n", "app.wsgi": APPLICATION}) as site:
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
        (f"/glob/{HOSTILE}", (), "<Location /glob/*a*a*a*a*a*a*a*a*a*b> ({conf}:14)"),
        ("/page.txt", (f"X-Edited: {HOSTILE}",), "RequestHeader edit X-Edited ^(a+)+$ none ({conf}:17)"),
        ("/app/hostile", (), "Header edit X-Answer ^(a+)+$ none ({conf}:20)"),
        ("/app/hostile/piecemeal", (), "Header edit X-Answer ^(a+)+$ none ({conf}:20)"),
        ("/page.txt", (f"X-Copied: {HOSTILE}",), "Header always edit X-Copy ^(a+)+$ none ({conf}:23)"),
        ("/gone", (f"X-Copied: {HOSTILE}",), "Header always edit X-Copy ^(a+)+$ none ({conf}:23)"),
        ("/nothing", (f"X-Copied: {HOSTILE}",), "Header always edit X-Copy ^(a+)+$ none ({conf}:23)"),
    ],
)
def test_a_pattern_that_takes_too_long_is_given_up_and_named(
    site: SiteServer, path: str, headers: tuple[str, ...], named: str
) -> None:
    """And the request gets 500: the pattern may be the one that was to keep it out."""
    answer = site.get(path, *headers)
    assert (answer.status, answer.text) == (500, "an error text")
    # Of the headers that the configuration sets, those that are not edited.
    assert (answer.header("X-Kept"), answer.header("X-Answer"), answer.header("X-Copy")) == ("yes", None, None)
    assert site.get("/page.txt").text == "page\n"
    named = named.replace("{conf}", str(site.configuration))
    wait_for(lambda: f"GET {path}: it takes longer than" in site.log() and named in site.log(), "the reason in the log")


def test_what_patterns_do_in_time_is_done(site: SiteServer) -> None:
    answer = site.get("/app/piecemeal", "X-Copied: aa")
    assert (answer.header("x-answer"), answer.header("x-copy"), answer.text) == ("none", "none", "firstsecond")


def test_no_name_keeps_the_wildcards_of_an_alias_busy() -> None:
    hosts = """
Listen 127.0.0.1:{port}
<VirtualHost *:{port}>
    ServerName first.test
    DocumentRoot {site}/htdocs
</VirtualHost>
<VirtualHost *:{port}>
    ServerName second.test
    ServerAlias *a*a*a*a*a*a*a*b a*.test
    DocumentRoot {site}/other
</VirtualHost>
"""
    with serving_site(hosts, {"htdocs/page.txt": "first\n", "other/page.txt": "second\n"}) as site:
        for name, text in (("a" * 200, "first\n"), ("a" * 200 + "b", "second\n"), ("ax.test", "second\n")):
            answer = site.exchange(f"GET /page.txt HTTP/1.1\r\nHost: {name}\r\nConnection: close\r\n\r\n".encode())
            assert answer.endswith(text.encode())


def test_the_front_ends_without_a_word(tmp_path: Path) -> None:
    """Nobody watches over patterns any more while it does."""
    (tmp_path / "sitecustomize.py").write_text(TICKING, encoding="utf-8")
    found = os.pathsep.join((str(tmp_path), *filter(None, sys.path)))
    with serving_site(CONFIGURATION, {"htdocs/page.txt": "page\n", "app.wsgi": ""}, env={"PYTHONPATH": found}) as site:
        assert site.get("/page.txt").status == 200
        assert site.server.stop() == 0
        assert "Exception ignored" not in site.log()
