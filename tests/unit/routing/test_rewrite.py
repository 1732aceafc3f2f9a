"""Rewriting in server and in directory context.

The answers are those of httpd 2.4.71 with mod_wsgi, asked with the same configuration; where this server means to
differ, the test says so.
"""

import pytest

from pydaemonwsgi.routing.headers import Occasion, apply_edits
from tests.helpers.routing import FILES, ask, asked, facts, router

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


RULES_OF_A_HOST_REWRITE_PATHS = r"""
RewriteEngine On
RewriteRule ^/a$ /a.txt
RewriteRule ^/b$ /app/b
RewriteRule ^/c$ /app/c [PT]
RewriteRule ^/d$ /nix [F]
RewriteRule ^/e$ - [G]
RewriteRule ^/f$ - [R=404]
RewriteRule ^/g(.*)$ http://other.example/x$1 [R]
RewriteRule ^/h(.*)$ /new$1 [R=301,L]
RewriteRule ^/i(.*)$ http://www.site.com/a.txt
RewriteRule ^/j$ http://other.example/j?x=1
RewriteRule ^/k$ http://other.example/k?x=1 [QSA]
RewriteRule ^/l$ /app/l?z=1 [PT]
RewriteRule ^/m$ /app/m?z=1 [PT,QSA]
RewriteRule ^/n$ /app/n? [PT]
RewriteRule ^/o$ /app/o [PT,QSD]
RewriteRule ^/p(.*)$ /app/p [PT,E=E_ONE:$1,E=E_TWO:x]
RewriteRule ^/q$ srv/foo
RewriteRule ^/r$ /site/files/f.txt
RewriteRule ^/s/(.*)$ /$1
RewriteRule ^/t/(.*)$ %{DOCUMENT_ROOT}/$1
RewriteRule ^/u/(.*)$ $1
RewriteRule ^/v$ /a\.txt\$1 [R]
RewriteRule ^/w(.*)$ http://x.example/w%20x/$1 [R,NE]
RewriteRule ^/x(.*)$ http://x.example/w%20x/$1 [R]
RewriteRule ^/y$ /z [C]
RewriteRule ^/z$ /app/yz [PT]
RewriteRule ^/z2$ /nope [S=1]
RewriteRule ^/nope$ /app/no [PT]
RewriteRule ^/3(.*)$ /app/three/$1 [NC,PT,B]
RewriteRule ^/4(.*)a(.*)$ /4$1b$2 [N]
RewriteRule ^/4(b*)$ /app/$1 [PT]
RewriteRule ^/5$ /app/5 [R,PT]
RewriteRule !^/(app|[a-z6]|index|sub|srv|files) /app/negated [PT]
RewriteRule ^/6 - [L]
RewriteRule ^/6 /app/never [PT]
WSGIScriptAlias /app /site/scripts/one.wsgi
"""


@pytest.mark.parametrize(
    ("request_line", "answer"),
    [
        ("/a", "file /site/htdocs/a.txt"),
        ("/b", "404"),
        ("/c", "run /site/scripts/one.wsgi /app /c"),
        ("/c/x", "404"),
        ("/d", "403"),
        ("/e", "410"),
        ("/f", "404"),
        ("/g", "run /site/scripts/one.wsgi /app /negated"),
        ("/gx?q=1", "run /site/scripts/one.wsgi /app /negated"),
        ("/gx%20y", "run /site/scripts/one.wsgi /app /negated"),
        ("/h", "301 http://www.site.com/new"),
        ("/h/a%20b", "301 http://www.site.com/new/a%20b"),
        ("/h/x?y=1", "301 http://www.site.com/new/x?y=1"),
        ("/i", "run /site/scripts/one.wsgi /app /negated"),
        ("/i?x", "run /site/scripts/one.wsgi /app /negated"),
        ("/j", "run /site/scripts/one.wsgi /app /negated?x=1"),
        ("/j?y=2", "run /site/scripts/one.wsgi /app /negated?x=1"),
        ("/k?y=2", "run /site/scripts/one.wsgi /app /negated?x=1&y=2"),
        ("/k", "run /site/scripts/one.wsgi /app /negated?x=1"),
        ("/l", "run /site/scripts/one.wsgi /app /l?z=1"),
        ("/l?y=2", "run /site/scripts/one.wsgi /app /l?z=1"),
        ("/m?y=2", "run /site/scripts/one.wsgi /app /m?z=1&y=2"),
        ("/m", "run /site/scripts/one.wsgi /app /m?z=1"),
        ("/n?y=2", "run /site/scripts/one.wsgi /app /n?"),
        ("/o?y=2", "run /site/scripts/one.wsgi /app /o?"),
        ("/pabc", "run /site/scripts/one.wsgi /app /p"),
        ("/q", "404"),
        ("/r", "file /site/files/f.txt"),
        ("/s/a.txt", "file /site/htdocs/a.txt"),
        ("/s/etc/passwd", "404"),
        ("/t/a.txt", "file /site/htdocs/a.txt"),
        ("/t/etc/passwd", "404"),
        ("/u/etc/passwd", "404"),
        ("/u/a.txt", "file /site/htdocs/a.txt"),
        ("/v", "run /site/scripts/one.wsgi /app /negated"),
        ("/wz%20q", "run /site/scripts/one.wsgi /app /negated"),
        ("/xz%20q", "run /site/scripts/one.wsgi /app /negated"),
        ("/y", "run /site/scripts/one.wsgi /app /yz"),
        ("/z", "404"),
        ("/z2", "404"),
        ("/nope", "run /site/scripts/one.wsgi /app /no"),
        ("/3A%2BB&c", "run /site/scripts/one.wsgi /app /three/A%2bB%26c"),
        ("/3a/b%20c?d", "run /site/scripts/one.wsgi /app /three/a%2fb+c"),
        ("/4aaa", "run /site/scripts/one.wsgi /app /bbb"),
        ("/9", "run /site/scripts/one.wsgi /app /negated"),
        ("/9/foo", "run /site/scripts/one.wsgi /app /negated"),
        ("/6", "404"),
        ("/x%3fy", "403"),
        ("/s/%3fx", "403"),
        ("/g%3fx", "403"),
        ("/app/q", "run /site/scripts/one.wsgi /app /q"),
    ],
)
def test_rules_of_a_host_rewrite_paths(request_line: str, answer: str) -> None:
    assert asked(SITE % RULES_OF_A_HOST_REWRITE_PATHS, request_line) == answer


RULES_OF_A_DIRECTORY_REWRITE_FILES = r"""
<Directory /site/htdocs>
Options FollowSymLinks ExecCGI
AddHandler wsgi-script .wsgi
RewriteEngine On
RewriteRule ^b$ a.txt
RewriteRule ^c$ /a.txt
RewriteRule ^d$ - [F]
RewriteRule ^e$ sub/x.txt [L]
RewriteRule ^f(.*)$ http://x.example/f$1 [R=301,L]
RewriteRule ^g(.*)$ /new$1 [R,L]
RewriteRule ^h(.*)$ rel$1 [R,L]
RewriteRule ^i$ site.wsgi/i [E=E_A:1,L]
RewriteRule ^j(.*)$ site.wsgi?q=j$1 [QSA,L]
RewriteRule ^k$ site.wsgi? [L]
RewriteRule ^l/(.*)$ site.wsgi/$1 [END]
RewriteRule ^m$ m [L]
RewriteRule ^n(.*)$ o$1
RewriteRule ^o(.*)$ site.wsgi/o$1 [L]
RewriteRule ^p$ /app/p [L]
RewriteRule ^q$ /site/files/f.txt [L]
RewriteRule ^r/(.*)$ r/x$1 [L]
RewriteRule ^t$ - [H=wsgi-script]
RewriteRule ^u\.txt$ - [T=text/html]
RewriteRule ^v$ a.txt [E=!x,CO=n:v:.site.com]
RewriteRule ^w/(.*)$ site.wsgi/w/$1 [DPI,L]
RewriteRule ^x$ ../private/p.txt [L]
RewriteRule ^y(.*)$ site.wsgi/$1 [B,L]
</Directory>

WSGIScriptAlias /app /site/scripts/one.wsgi
"""


@pytest.mark.parametrize(
    ("request_line", "answer"),
    [
        ("/", "file /site/htdocs/index.html"),
        ("/b", "file /site/htdocs/a.txt"),
        ("/c", "file /site/htdocs/a.txt"),
        ("/d", "403"),
        ("/e", "file /site/htdocs/sub/x.txt"),
        ("/f", "301 http://x.example/f"),
        ("/fx?y", "301 http://x.example/fx?y"),
        ("/g", "302 http://www.site.com/new"),
        ("/g?x=1", "302 http://www.site.com/new?x=1"),
        ("/gq%20r", "302 http://www.site.com/newq%20r"),
        ("/h", "302 http://www.site.com/site/htdocs/rel"),
        ("/h1", "302 http://www.site.com/site/htdocs/rel1"),
        ("/i", "run /site/htdocs/site.wsgi /site.wsgi /i"),
        ("/j", "run /site/htdocs/site.wsgi /site.wsgi -?q=j"),
        ("/j1?z=2", "run /site/htdocs/site.wsgi /site.wsgi -?q=j1&z=2"),
        ("/j%20x", "403"),
        ("/k?a=1", "run /site/htdocs/site.wsgi /site.wsgi -?"),
        ("/l/x/y", "run /site/htdocs/site.wsgi /site.wsgi /x/y"),
        ("/l/", "run /site/htdocs/site.wsgi /site.wsgi /"),
        ("/m", "404"),
        ("/n", "run /site/htdocs/site.wsgi /site.wsgi /o"),
        ("/n1", "run /site/htdocs/site.wsgi /site.wsgi /o1"),
        ("/nn/a", "run /site/htdocs/site.wsgi /site.wsgi /on/a/a"),
        ("/p", "run /site/scripts/one.wsgi /app /p"),
        ("/p?x", "run /site/scripts/one.wsgi /app /p"),
        ("/q", "404"),
        ("/r/y", "500"),
        ("/t", "404"),
        ("/u.txt", "404"),
        ("/v", "file /site/htdocs/a.txt"),
        ("/w/a/b", "run /site/htdocs/site.wsgi /site.wsgi /w/a/b"),
        ("/x", "400"),
        ("/y%2Ba%20b", "run /site/htdocs/site.wsgi /site.wsgi /+a+b"),
        ("/sub/b", "404"),
        ("/sub/", "403"),
        ("/sub", "301 http://www.site.com/sub/"),
        ("/a.txt", "file /site/htdocs/a.txt"),
        ("/b/x", "404"),
        ("/nix/b", "run /site/htdocs/site.wsgi /site.wsgi /oix/b/b"),
    ],
)
def test_rules_of_a_directory_rewrite_files(request_line: str, answer: str) -> None:
    assert asked(SITE % RULES_OF_A_DIRECTORY_REWRITE_FILES, request_line) == answer


A_BASE_STANDS_FOR_THE_DIRECTORY = r"""
<Directory /site/htdocs>
Options FollowSymLinks ExecCGI
AddHandler wsgi-script .wsgi
RewriteEngine On
RewriteBase /
RewriteRule ^b$ a.txt
RewriteRule ^h(.*)$ rel$1 [R,L]
RewriteRule ^h2(.*)$ /abs$1 [R,L]
RewriteRule ^i$ site.wsgi/i [L]
RewriteRule ^sub/z$ x.txt [L]
</Directory>

WSGIScriptAlias /app /site/scripts/one.wsgi
"""


@pytest.mark.parametrize(
    ("request_line", "answer"),
    [
        ("/b", "file /site/htdocs/a.txt"),
        ("/h", "302 http://www.site.com/rel"),
        ("/h2", "302 http://www.site.com/rel2"),
        ("/i", "run /site/htdocs/site.wsgi /site.wsgi /i"),
        ("/sub/z", "404"),
    ],
)
def test_a_base_stands_for_the_directory(request_line: str, answer: str) -> None:
    assert asked(SITE % A_BASE_STANDS_FOR_THE_DIRECTORY, request_line) == answer


A_BASE_STANDS_FOR_AN_ALIASED_DIRECTORY = r"""
<Directory /site/files>
Options FollowSymLinks ExecCGI
AddHandler wsgi-script .wsgi
RewriteEngine On
RewriteBase /f
RewriteRule ^b$ f.txt
RewriteRule ^h(.*)$ rel$1 [R,L]
RewriteRule ^i$ /a.txt [L]
</Directory>
Alias /f /site/files
WSGIScriptAlias /app /site/scripts/one.wsgi
"""


@pytest.mark.parametrize(
    ("request_line", "answer"),
    [
        ("/f/b", "file /site/files/f.txt"),
        ("/f/h", "302 http://www.site.com/f/rel"),
        ("/f/i", "file /site/htdocs/a.txt"),
        ("/f/f.txt", "file /site/files/f.txt"),
    ],
)
def test_a_base_stands_for_an_aliased_directory(request_line: str, answer: str) -> None:
    assert asked(SITE % A_BASE_STANDS_FOR_AN_ALIASED_DIRECTORY, request_line) == answer


AN_ALIASED_DIRECTORY_NEEDS_NO_BASE = r"""
<Directory /site/files>
Options FollowSymLinks ExecCGI
AddHandler wsgi-script .wsgi
RewriteEngine On
RewriteRule ^b$ f.txt
RewriteRule ^h(.*)$ rel$1 [R,L]
RewriteRule ^i$ /a.txt [L]
</Directory>
Alias /f /site/files
WSGIScriptAlias /app /site/scripts/one.wsgi
"""


@pytest.mark.parametrize(
    ("request_line", "answer"),
    [
        ("/f/b", "file /site/files/f.txt"),
        ("/f/h", "302 http://www.site.com/site/files/rel"),
        ("/f/i", "file /site/htdocs/a.txt"),
        ("/f/f.txt", "file /site/files/f.txt"),
    ],
)
def test_an_aliased_directory_needs_no_base(request_line: str, answer: str) -> None:
    assert asked(SITE % AN_ALIASED_DIRECTORY_NEEDS_NO_BASE, request_line) == answer


WHAT_IS_NO_FILE_GOES_TO_A_SCRIPT = r"""
<Directory /site/htdocs>
Options FollowSymLinks ExecCGI
AddHandler wsgi-script .wsgi
RewriteEngine On
RewriteCond %{REQUEST_FILENAME} !-f
RewriteCond %{REQUEST_FILENAME} !-d
RewriteRule ^ site.wsgi%{REQUEST_URI} [L]
</Directory>

WSGIScriptAlias /app /site/scripts/one.wsgi
"""


@pytest.mark.parametrize(
    ("request_line", "answer"),
    [
        ("/", "file /site/htdocs/index.html"),
        ("/a.txt", "file /site/htdocs/a.txt"),
        ("/sub/", "403"),
        ("/sub", "301 http://www.site.com/sub/"),
        ("/sub/none", "run /site/htdocs/site.wsgi /site.wsgi /sub/none"),
        ("/none/x", "run /site/htdocs/site.wsgi /site.wsgi /none/x"),
        ("/site.wsgi/q", "run /site/htdocs/site.wsgi /site.wsgi /q"),
    ],
)
def test_what_is_no_file_goes_to_a_script(request_line: str, answer: str) -> None:
    assert asked(SITE % WHAT_IS_NO_FILE_GOES_TO_A_SCRIPT, request_line) == answer


RULES_THAT_GO_ROUND_IN_CIRCLES_ARE_500 = r"""
<Directory /site/htdocs>
Options FollowSymLinks ExecCGI
AddHandler wsgi-script .wsgi
RewriteEngine On
RewriteCond %{REQUEST_FILENAME}.txt -f
RewriteRule ^(.*)$ $1.txt [L]
RewriteCond %{REQUEST_URI} ^/sub/(q.*)$
RewriteCond %{DOCUMENT_ROOT}/a.txt -f
RewriteRule . /site.wsgi/%1 [L]
RewriteRule ^loop$ /loop2 [L]
RewriteRule ^loop2$ /loop [L]
</Directory>

WSGIScriptAlias /app /site/scripts/one.wsgi
"""


@pytest.mark.parametrize(
    ("request_line", "answer"),
    [
        ("/a", "file /site/htdocs/a.txt"),
        ("/a.txt", "file /site/htdocs/a.txt"),
        ("/sub/x", "file /site/htdocs/sub/x.txt"),
        ("/sub/qq", "run /site/htdocs/site.wsgi /site.wsgi /qq"),
        ("/loop", "500"),
        ("/sub/x/y", "500"),
    ],
)
def test_rules_that_go_round_in_circles_are_500(request_line: str, answer: str) -> None:
    assert asked(SITE % RULES_THAT_GO_ROUND_IN_CIRCLES_ARE_500, request_line) == answer


A_HOST_NAME_IS_MADE_CANONICAL = r"""
<Directory /site/htdocs>
Options FollowSymLinks ExecCGI
AddHandler wsgi-script .wsgi
RewriteEngine On
RewriteCond %{HTTP_HOST} !^www\. [NC]
RewriteRule ^(.*)$ http://www.%{HTTP_HOST}/$1 [R=301,L,QSA]
</Directory>

WSGIScriptAlias /app /site/scripts/one.wsgi
"""


@pytest.mark.parametrize(
    ("request_line", "answer"),
    [
        ("/x?y=1  host=site.com", "301 http://www.site.com/x?y=1"),
        ("/x  host=www.site.com", "404"),
        ("/a%20b%3Fc?q  host=Site.com:8080", "403"),
    ],
)
def test_a_host_name_is_made_canonical(request_line: str, answer: str) -> None:
    assert asked(SITE % A_HOST_NAME_IS_MADE_CANONICAL, request_line) == answer


REWRITING_NEEDS_LINKS_TO_BE_FOLLOWED = r"""
<Directory /site/htdocs>
Options None
RewriteEngine On
RewriteRule ^b$ a.txt
</Directory>
"""


@pytest.mark.parametrize(
    ("request_line", "answer"),
    [
        ("/b", "403"),
        ("/a.txt", "403"),
    ],
)
def test_rewriting_needs_links_to_be_followed(request_line: str, answer: str) -> None:
    assert asked(SITE % REWRITING_NEEDS_LINKS_TO_BE_FOLLOWED, request_line) == answer


RULES_OF_A_DEEPER_DIRECTORY_REPLACE_THOSE_ABOVE = r"""
<Directory /site/htdocs>
RewriteEngine On
RewriteRule ^(.*)b$ /a.txt
</Directory>
<Directory /site/htdocs/sub>
RewriteRule ^c$ x.txt
</Directory>
"""


@pytest.mark.parametrize(
    ("request_line", "answer"),
    [
        ("/b", "file /site/htdocs/a.txt"),
        ("/sub/b", "404"),
        ("/sub/c", "file /site/htdocs/sub/x.txt"),
        ("/c", "404"),
    ],
)
def test_rules_of_a_deeper_directory_replace_those_above(request_line: str, answer: str) -> None:
    assert asked(SITE % RULES_OF_A_DEEPER_DIRECTORY_REPLACE_THOSE_ABOVE, request_line) == answer


THE_ENGINE_IS_SWITCHED_OFF_BELOW = r"""
<Directory /site/htdocs>
RewriteEngine On
RewriteRule ^(.*)b$ /a.txt
</Directory>
<Directory /site/htdocs/sub>
RewriteEngine Off
</Directory>
"""


@pytest.mark.parametrize(
    ("request_line", "answer"),
    [
        ("/b", "file /site/htdocs/a.txt"),
        ("/sub/b", "404"),
        ("/sub/c", "404"),
        ("/c", "404"),
    ],
)
def test_the_engine_is_switched_off_below(request_line: str, answer: str) -> None:
    assert asked(SITE % THE_ENGINE_IS_SWITCHED_OFF_BELOW, request_line) == answer


VARYING = r"""
RewriteEngine On
RewriteCond %{HTTP_HOST} ^www [OR]
RewriteCond %{HTTP:X-Never} x
RewriteCond %{HTTP:X-Device} !phone
RewriteCond %{HTTP_COOKIE} ^ [NV]
RewriteRule ^/a$ /a.txt
RewriteCond %{HTTP:X-Other} none
RewriteRule ^/a$ - [F]
Header append Vary Own
"""


@pytest.mark.parametrize(
    ("target", "headers", "vary"),
    [
        ("/a", {"x_device": "desk", "cookie": "c=1"}, "X-Device, Own"),
        ("/a", {"cookie": "c=1"}, "Own"),
        ("/a.txt", {"x_device": "desk"}, "Own"),
    ],
)
def test_headers_that_conditions_have_looked_at_are_told_to_caches(
    target: str, headers: dict[str, str], vary: str
) -> None:
    """As by mod_rewrite: those of conditions that held, and only if the client has sent them."""
    common = router(SITE % VARYING, FILES).decide(facts(target, **headers)).common  # type: ignore[arg-type]
    assert apply_edits(common.response_edits, [], Occasion({})) == [("Vary", vary)]


def test_matrix_parameters_stay_as_they_are_in_redirects() -> None:
    """httpd escapes no semicolon."""
    text = "RewriteEngine On\nRewriteRule ^/old/(.*)$ http://else.test/$1 [R,L]\n"
    assert ask(router(f"Listen 80\n{text}"), "/old/a;b=c") == "302 http://else.test/a;b=c"


@pytest.mark.parametrize(("action", "value", "first"), [
    ("append", "z", "a=1, z"), ("merge", "z", "a=1, z"), ("merge", "b=2", "a=1"),
])  # fmt: skip
def test_what_is_appended_goes_to_the_first_of_several_lines(action: str, value: str, first: str) -> None:
    """Cookies stand in lines of their own, and are no list."""
    common = router(f"Listen 80\nHeader {action} Set-Cookie {value}\n").decide(facts("/")).common
    cookies = [("Set-Cookie", "a=1"), ("X", "y"), ("Set-Cookie", "b=2")]
    after = apply_edits(common.response_edits, cookies, Occasion({}))
    assert after == [("Set-Cookie", first), ("X", "y"), ("Set-Cookie", "b=2")]


@pytest.mark.parametrize(
    ("outer", "inner", "answers"),
    [
        ("", "", ["404", "302 http://www.site.com/inner"]),
        ("InheritDown", "", ["302 http://www.site.com/outer", "302 http://www.site.com/inner"]),
        ("InheritDownBefore", "", ["302 http://www.site.com/outer", "302 http://www.site.com/both"]),
        ("InheritDown", "IgnoreInherit", ["404", "302 http://www.site.com/inner"]),
        ("", "InheritBefore", ["302 http://www.site.com/outer", "302 http://www.site.com/both"]),
    ],
)
def test_rules_may_be_given_to_hosts(outer: str, inner: str, answers: list[str]) -> None:
    """Behind those of the host or before them, unless it wants none."""
    text = f"""
Listen 80
RewriteEngine On
{f"RewriteOptions {outer}" if outer else ""}
RewriteRule ^/old$ /outer [R,L]
RewriteRule ^/two$ /both [R,L]
<VirtualHost *:80>
ServerName www.site.com
RewriteEngine On
{f"RewriteOptions {inner}" if inner else ""}
RewriteRule ^/two$ /inner [R,L]
</VirtualHost>
"""
    asked = router(text, {})
    assert [ask(asked, target) for target in ("/old", "/two")] == answers
