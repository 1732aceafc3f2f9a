"""Which sections apply, and which of them wins.

The answers are those of httpd 2.4.71 with mod_wsgi, asked with the same configuration; where this server means to
differ, the test says so.
"""

import pytest

from tests.helpers.routing import FILES, asked, facts, router

SITE = """
Listen 80
ServerName main.example.com
WSGIDaemonProcess g
WSGIDaemonProcess g2
<VirtualHost *:80>
  ServerName www.site.com
  ServerAlias *.alias.com site
  DocumentRoot /site/htdocs
  WSGIProcessGroup g
  %s
</VirtualHost>
"""


A_LONGER_DIRECTORY_WINS = r"""
<Directory /site/htdocs>
Require all denied
</Directory>
<Directory /site/htdocs/sub>
Require all granted
</Directory>
"""


@pytest.mark.parametrize(
    ("request_line", "answer"),
    [
        ("/", "403"),
        ("/a.txt", "403"),
        ("/sub", "301 http://www.site.com/sub/"),
        ("/sub/", "403"),
        ("/sub/x.txt", "file /site/htdocs/sub/x.txt"),
        ("/nix", "403"),
        ("/images/i.png", "403"),
        ("/images/", "403"),
        ("/site.html", "403"),
        ("/.hidden", "403"),
    ],
)
def test_a_longer_directory_wins(request_line: str, answer: str) -> None:
    assert asked(SITE % A_LONGER_DIRECTORY_WINS, request_line) == answer


A_LONGER_DIRECTORY_WINS_WHEREVER_IT_STANDS = r"""
<Directory /site/htdocs/sub>
Require all granted
</Directory>
<Directory /site/htdocs>
Require all denied
</Directory>
"""


@pytest.mark.parametrize(
    ("request_line", "answer"),
    [
        ("/", "403"),
        ("/a.txt", "403"),
        ("/sub", "301 http://www.site.com/sub/"),
        ("/sub/", "403"),
        ("/sub/x.txt", "file /site/htdocs/sub/x.txt"),
        ("/nix", "403"),
        ("/images/i.png", "403"),
        ("/images/", "403"),
        ("/site.html", "403"),
        ("/.hidden", "403"),
    ],
)
def test_a_longer_directory_wins_wherever_it_stands(request_line: str, answer: str) -> None:
    assert asked(SITE % A_LONGER_DIRECTORY_WINS_WHEREVER_IT_STANDS, request_line) == answer


A_WILDCARD_DOES_NOT_MATCH_A_SLASH = r"""
<Directory /site/*>
Require all denied
</Directory>
<Directory /site/*/images>
Require all granted
</Directory>
"""


@pytest.mark.parametrize(
    ("request_line", "answer"),
    [
        ("/", "403"),
        ("/a.txt", "403"),
        ("/sub", "403"),
        ("/sub/", "403"),
        ("/sub/x.txt", "403"),
        ("/nix", "403"),
        ("/images/i.png", "file /site/htdocs/images/i.png"),
        ("/images/", "403"),
        ("/site.html", "403"),
        ("/.hidden", "403"),
    ],
)
def test_a_wildcard_does_not_match_a_slash(request_line: str, answer: str) -> None:
    assert asked(SITE % A_WILDCARD_DOES_NOT_MATCH_A_SLASH, request_line) == answer


A_WILDCARD_MATCHES_WITHIN_A_NAME = r"""
<Directory /site/*/s?b>
Require all denied
</Directory>
"""


@pytest.mark.parametrize(
    ("request_line", "answer"),
    [
        ("/", "file /site/htdocs/index.html"),
        ("/a.txt", "file /site/htdocs/a.txt"),
        ("/sub", "403"),
        ("/sub/", "403"),
        ("/sub/x.txt", "403"),
        ("/nix", "404"),
        ("/images/i.png", "file /site/htdocs/images/i.png"),
        ("/images/", "403"),
        ("/site.html", "file /site/htdocs/site.html"),
        ("/.hidden", "file /site/htdocs/.hidden"),
    ],
)
def test_a_wildcard_matches_within_a_name(request_line: str, answer: str) -> None:
    assert asked(SITE % A_WILDCARD_MATCHES_WITHIN_A_NAME, request_line) == answer


A_DIRECTORY_SECTION_MAY_NAME_A_FILE = r"""
<Directory /site/htdocs/a.txt>
Require all denied
</Directory>
"""


@pytest.mark.parametrize(
    ("request_line", "answer"),
    [
        ("/", "file /site/htdocs/index.html"),
        ("/a.txt", "403"),
        ("/sub", "301 http://www.site.com/sub/"),
        ("/sub/", "403"),
        ("/sub/x.txt", "file /site/htdocs/sub/x.txt"),
        ("/nix", "404"),
        ("/images/i.png", "file /site/htdocs/images/i.png"),
        ("/images/", "403"),
        ("/site.html", "file /site/htdocs/site.html"),
        ("/.hidden", "file /site/htdocs/.hidden"),
    ],
)
def test_a_directory_section_may_name_a_file(request_line: str, answer: str) -> None:
    assert asked(SITE % A_DIRECTORY_SECTION_MAY_NAME_A_FILE, request_line) == answer


A_DIRECTORY_PATTERN_IS_SEARCHED_IN_THE_WHOLE_NAME = r"""
<DirectoryMatch "\.txt$">
Require all denied
</DirectoryMatch>
"""


@pytest.mark.parametrize(
    ("request_line", "answer"),
    [
        ("/", "file /site/htdocs/index.html"),
        ("/a.txt", "403"),
        ("/sub", "301 http://www.site.com/sub/"),
        ("/sub/", "403"),
        ("/sub/x.txt", "403"),
        ("/nix", "404"),
        ("/images/i.png", "file /site/htdocs/images/i.png"),
        ("/images/", "403"),
        ("/site.html", "file /site/htdocs/site.html"),
        ("/.hidden", "file /site/htdocs/.hidden"),
    ],
)
def test_a_directory_pattern_is_searched_in_the_whole_name(request_line: str, answer: str) -> None:
    assert asked(SITE % A_DIRECTORY_PATTERN_IS_SEARCHED_IN_THE_WHOLE_NAME, request_line) == answer


A_DIRECTORY_PATTERN_COMES_AFTER_DIRECTORIES = r"""
<DirectoryMatch "^/site/htdocs/sub">
Require all denied
</DirectoryMatch>
<Directory /site/htdocs/sub>
Require all granted
</Directory>
"""


@pytest.mark.parametrize(
    ("request_line", "answer"),
    [
        ("/", "file /site/htdocs/index.html"),
        ("/a.txt", "file /site/htdocs/a.txt"),
        ("/sub", "403"),
        ("/sub/", "403"),
        ("/sub/x.txt", "403"),
        ("/nix", "404"),
        ("/images/i.png", "file /site/htdocs/images/i.png"),
        ("/images/", "403"),
        ("/site.html", "file /site/htdocs/site.html"),
        ("/.hidden", "file /site/htdocs/.hidden"),
    ],
)
def test_a_directory_pattern_comes_after_directories(request_line: str, answer: str) -> None:
    assert asked(SITE % A_DIRECTORY_PATTERN_COMES_AFTER_DIRECTORIES, request_line) == answer


A_TILDE_MAKES_A_PATTERN = r"""
<Directory ~ "^/site/htdocs/s.b/">
Require all denied
</Directory>
"""


@pytest.mark.parametrize(
    ("request_line", "answer"),
    [
        ("/", "file /site/htdocs/index.html"),
        ("/a.txt", "file /site/htdocs/a.txt"),
        ("/sub", "301 http://www.site.com/sub/"),
        ("/sub/", "403"),
        ("/sub/x.txt", "403"),
        ("/nix", "404"),
        ("/images/i.png", "file /site/htdocs/images/i.png"),
        ("/images/", "403"),
        ("/site.html", "file /site/htdocs/site.html"),
        ("/.hidden", "file /site/htdocs/.hidden"),
    ],
)
def test_a_tilde_makes_a_pattern(request_line: str, answer: str) -> None:
    assert asked(SITE % A_TILDE_MAKES_A_PATTERN, request_line) == answer


FILES_ARE_MATCHED_BY_THEIR_NAME = r"""
<Files "a.txt">
Require all denied
</Files>
<FilesMatch "^\.h">
Require all denied
</FilesMatch>
<Files ~ "^i\.">
Require all denied
</Files>
"""


@pytest.mark.parametrize(
    ("request_line", "answer"),
    [
        ("/", "file /site/htdocs/index.html"),
        ("/a.txt", "403"),
        ("/sub", "301 http://www.site.com/sub/"),
        ("/sub/", "403"),
        ("/sub/x.txt", "file /site/htdocs/sub/x.txt"),
        ("/nix", "404"),
        ("/images/i.png", "403"),
        ("/images/", "403"),
        ("/site.html", "file /site/htdocs/site.html"),
        ("/.hidden", "403"),
    ],
)
def test_files_are_matched_by_their_name(request_line: str, answer: str) -> None:
    assert asked(SITE % FILES_ARE_MATCHED_BY_THEIR_NAME, request_line) == answer


FILES_ARE_MATCHED_BY_A_WILDCARD = r"""
<Files *.txt>
Require all denied
</Files>
"""


@pytest.mark.parametrize(
    ("request_line", "answer"),
    [
        ("/", "file /site/htdocs/index.html"),
        ("/a.txt", "403"),
        ("/sub", "301 http://www.site.com/sub/"),
        ("/sub/", "403"),
        ("/sub/x.txt", "403"),
        ("/nix", "404"),
        ("/images/i.png", "file /site/htdocs/images/i.png"),
        ("/images/", "403"),
        ("/site.html", "file /site/htdocs/site.html"),
        ("/.hidden", "file /site/htdocs/.hidden"),
        ("/a.txt/x", "403"),
    ],
)
def test_files_are_matched_by_a_wildcard(request_line: str, answer: str) -> None:
    assert asked(SITE % FILES_ARE_MATCHED_BY_A_WILDCARD, request_line) == answer


FILES_IN_A_DIRECTORY_COUNT_THERE_ONLY = r"""
<Directory /site/htdocs/sub>
<Files x.*>
Require all denied
</Files>
</Directory>
<Files x.txt>
Require all granted
</Files>
"""


@pytest.mark.parametrize(
    ("request_line", "answer"),
    [
        ("/", "file /site/htdocs/index.html"),
        ("/a.txt", "file /site/htdocs/a.txt"),
        ("/sub", "301 http://www.site.com/sub/"),
        ("/sub/", "403"),
        ("/sub/x.txt", "403"),
        ("/nix", "404"),
        ("/images/i.png", "file /site/htdocs/images/i.png"),
        ("/images/", "403"),
        ("/site.html", "file /site/htdocs/site.html"),
        ("/.hidden", "file /site/htdocs/.hidden"),
    ],
)
def test_files_in_a_directory_count_there_only(request_line: str, answer: str) -> None:
    assert asked(SITE % FILES_IN_A_DIRECTORY_COUNT_THERE_ONLY, request_line) == answer


A_LOCATION_MATCHES_WHOLE_SEGMENTS = r"""
<Location /sub>
Require all denied
</Location>
<Location /images/>
Require all denied
</Location>
"""


@pytest.mark.parametrize(
    ("request_line", "answer"),
    [
        ("/", "file /site/htdocs/index.html"),
        ("/a.txt", "file /site/htdocs/a.txt"),
        ("/sub", "403"),
        ("/sub/", "403"),
        ("/sub/x.txt", "403"),
        ("/nix", "404"),
        ("/images/i.png", "403"),
        ("/images/", "403"),
        ("/site.html", "file /site/htdocs/site.html"),
        ("/.hidden", "file /site/htdocs/.hidden"),
        ("/subx", "404"),
        ("/sub/none", "403"),
        ("/images", "301 http://www.site.com/images/"),
        ("//sub//x.txt", "403"),
    ],
)
def test_a_location_matches_whole_segments(request_line: str, answer: str) -> None:
    assert asked(SITE % A_LOCATION_MATCHES_WHOLE_SEGMENTS, request_line) == answer


A_LATER_LOCATION_WINS = r"""
<Location />
Require all denied
</Location>
<Location /a.txt>
Require all granted
</Location>
"""


@pytest.mark.parametrize(
    ("request_line", "answer"),
    [
        ("/", "403"),
        ("/a.txt", "file /site/htdocs/a.txt"),
        ("/sub", "403"),
        ("/sub/", "403"),
        ("/sub/x.txt", "403"),
        ("/nix", "403"),
        ("/images/i.png", "403"),
        ("/images/", "403"),
        ("/site.html", "403"),
        ("/.hidden", "403"),
    ],
)
def test_a_later_location_wins(request_line: str, answer: str) -> None:
    assert asked(SITE % A_LATER_LOCATION_WINS, request_line) == answer


A_LOCATION_MAY_BE_A_PATTERN = r"""
<LocationMatch "^/(sub|images)/.*t$">
Require all denied
</LocationMatch>
<Location ~ png>
Require all denied
</Location>
"""


@pytest.mark.parametrize(
    ("request_line", "answer"),
    [
        ("/", "file /site/htdocs/index.html"),
        ("/a.txt", "file /site/htdocs/a.txt"),
        ("/sub", "301 http://www.site.com/sub/"),
        ("/sub/", "403"),
        ("/sub/x.txt", "403"),
        ("/nix", "404"),
        ("/images/i.png", "403"),
        ("/images/", "403"),
        ("/site.html", "file /site/htdocs/site.html"),
        ("/.hidden", "file /site/htdocs/.hidden"),
    ],
)
def test_a_location_may_be_a_pattern(request_line: str, answer: str) -> None:
    assert asked(SITE % A_LOCATION_MAY_BE_A_PATTERN, request_line) == answer


A_LOCATION_MAY_HAVE_WILDCARDS = r"""
<Location /s*/x.txt>
Require all denied
</Location>
"""


@pytest.mark.parametrize(
    ("request_line", "answer"),
    [
        ("/", "file /site/htdocs/index.html"),
        ("/a.txt", "file /site/htdocs/a.txt"),
        ("/sub", "301 http://www.site.com/sub/"),
        ("/sub/", "403"),
        ("/sub/x.txt", "403"),
        ("/nix", "404"),
        ("/images/i.png", "file /site/htdocs/images/i.png"),
        ("/images/", "403"),
        ("/site.html", "file /site/htdocs/site.html"),
        ("/.hidden", "file /site/htdocs/.hidden"),
    ],
)
def test_a_location_may_have_wildcards(request_line: str, answer: str) -> None:
    assert asked(SITE % A_LOCATION_MAY_HAVE_WILDCARDS, request_line) == answer


LOCATIONS_WIN_OVER_FILES_OVER_DIRECTORIES = r"""
<Directory /site/htdocs>
Require all denied
</Directory>
<Files *.txt>
Require all granted
</Files>
<Location /sub>
Require all denied
</Location>
"""


@pytest.mark.parametrize(
    ("request_line", "answer"),
    [
        ("/", "403"),
        ("/a.txt", "file /site/htdocs/a.txt"),
        ("/sub", "403"),
        ("/sub/", "403"),
        ("/sub/x.txt", "403"),
        ("/nix", "403"),
        ("/images/i.png", "403"),
        ("/images/", "403"),
        ("/site.html", "403"),
        ("/.hidden", "403"),
    ],
)
def test_locations_win_over_files_over_directories(request_line: str, answer: str) -> None:
    assert asked(SITE % LOCATIONS_WIN_OVER_FILES_OVER_DIRECTORIES, request_line) == answer


LIMIT_COUNTS_FOR_ITS_METHODS = r"""
<Directory /site/htdocs>
<Limit POST>
Require all denied
</Limit>
</Directory>
"""


@pytest.mark.parametrize(
    ("request_line", "answer"),
    [
        ("/a.txt", "file /site/htdocs/a.txt"),
        ("POST /a.txt", "403"),
        ("OPTIONS /a.txt", "200 GET,HEAD,OPTIONS,POST"),
    ],
)
def test_limit_counts_for_its_methods(request_line: str, answer: str) -> None:
    assert asked(SITE % LIMIT_COUNTS_FOR_ITS_METHODS, request_line) == answer


LIMIT_EXCEPT_COUNTS_FOR_THE_OTHERS = r"""
<Directory /site/htdocs>
<LimitExcept GET>
Require all denied
</LimitExcept>
</Directory>
"""


@pytest.mark.parametrize(
    ("request_line", "answer"),
    [
        ("/a.txt", "file /site/htdocs/a.txt"),
        ("POST /a.txt", "403"),
        ("HEAD /a.txt", "file /site/htdocs/a.txt"),
        ("PUT /a.txt", "403"),
    ],
)
def test_limit_except_counts_for_the_others(request_line: str, answer: str) -> None:
    assert asked(SITE % LIMIT_EXCEPT_COUNTS_FOR_THE_OTHERS, request_line) == answer


LIMIT_COUNTS_FOR_ORDER_TOO = r"""
<Directory /site/htdocs>
<Limit GET>
Order allow,deny
Deny from all
</Limit>
</Directory>
"""


@pytest.mark.parametrize(
    ("request_line", "answer"),
    [
        ("/a.txt", "403"),
        ("POST /a.txt", "file /site/htdocs/a.txt"),
        ("HEAD /a.txt", "403"),
    ],
)
def test_limit_counts_for_order_too(request_line: str, answer: str) -> None:
    assert asked(SITE % LIMIT_COUNTS_FOR_ORDER_TOO, request_line) == answer


NAMED = r"""
Listen 80
WSGIDaemonProcess g
WSGIScriptAlias /app /site/scripts/one.wsgi
<LocationMatch "^/app/(?<kind>[a-z]+)(/(?<more>x))?">
  RequestHeader set X-Kind "%{MATCH_KIND}e"
</LocationMatch>
<DirectoryMatch "/(?<where>scripts)/">
</DirectoryMatch>
<FilesMatch "(?<stem>.*)\.wsgi">
</FilesMatch>
"""


def test_named_groups_of_a_sections_pattern_are_variables() -> None:
    """As in httpd; what did not take part is not set."""
    asked = router(NAMED, FILES)
    for path, kind in (("/app/blue/y", "blue"), ("/app/red", "red")):
        decision = asked.decide(facts(path))
        assert dict(decision.common.environment) == {"MATCH_KIND": kind, "MATCH_WHERE": "scripts", "MATCH_STEM": "one"}
        assert decision.common.request_headers == (("x-kind", kind),)
    assert "MATCH_MORE" in dict(asked.decide(facts("/app/blue/x")).common.environment)
