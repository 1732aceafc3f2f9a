"""Alias, WSGIScriptAlias, Redirect and their Match variants.

The answers are those of httpd 2.4.71 with mod_wsgi, asked with the same configuration; where this server means to
differ, the test says so.
"""

import pytest

from tests.helpers.routing import ask, asked, router

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


A_PATH_IS_MAPPED_TO_THE_DOCUMENT_ROOT = r"""

"""


@pytest.mark.parametrize(
    ("request_line", "answer"),
    [
        ("/", "file /site/htdocs/index.html"),
        ("/a.txt", "file /site/htdocs/a.txt"),
        ("/sub", "301 http://www.site.com/sub/"),
        ("/sub?x=1", "301 http://www.site.com/sub/?x=1"),
        ("/sub/", "403"),
        ("/sub/x.txt", "file /site/htdocs/sub/x.txt"),
        ("/nix", "404"),
        ("/linkdir/f.txt", "file /site/htdocs/linkdir/f.txt"),
        ("/link.txt", "file /site/htdocs/link.txt"),
        ("/images/", "403"),
        ("/a.txt/x", "404"),
        ("/.hidden", "file /site/htdocs/.hidden"),
        ("/a%20b.txt", "file /site/htdocs/a b.txt"),
        ("/a%25b.txt", "file /site/htdocs/a%b.txt"),
        ("/SUB/", "404"),
        ("/sub//x.txt", "file /site/htdocs/sub/x.txt"),
        ("/sub/x.txt/", "404"),
        ("/sub/../a.txt", "file /site/htdocs/a.txt"),
        ("/%2e%2e/x", "400"),
        ("/a%2fb", "404"),
        ("/%00", "400"),
        ("POST /a.txt", "file /site/htdocs/a.txt"),
        ("POST /a.txt/x", "404"),
        ("PUT /a.txt", "405"),
        ("PUT /a.txt/x", "405"),
        ("PROPFIND /a.txt", "405"),
        ("FOO /a.txt", "501"),
        ("OPTIONS /a.txt", "200 GET,HEAD,OPTIONS,POST"),
        ("OPTIONS /a.txt/x", "200 GET,HEAD,OPTIONS,POST"),
        ("OPTIONS /nix", "200 GET,HEAD,OPTIONS,POST"),
        ("HEAD /a.txt", "file /site/htdocs/a.txt"),
        ("/sub  host=Foo.Example:81", "301 http://foo.example:81/sub/"),
    ],
)
def test_a_path_is_mapped_to_the_document_root(request_line: str, answer: str) -> None:
    assert asked(SITE % A_PATH_IS_MAPPED_TO_THE_DOCUMENT_ROOT, request_line) == answer


THE_FIRST_ALIAS_THAT_FITS_MAPS_A_PATH = r"""
Alias /f/ /site/files/
  Alias /g /site/files
  Alias /file /site/files/f.txt
  AliasMatch ^/m/(.*)\.x$ /site/files/$1.txt
  WSGIScriptAlias /app /site/scripts/one.wsgi
  WSGIScriptAlias /two/ /site/scripts/
  WSGIScriptAlias /bad/ /site/scripts/one.wsgi
  WSGIScriptAliasMatch ^/mm/([a-z]+) /site/scripts/$1.wsgi
  WSGIScriptAliasMatch ^/pfx([0-9]*)(/.*)?$ /site/scripts/one.wsgi$2
  WSGIScriptAlias /missing /site/scripts/none.wsgi
  WSGIScriptAlias /dir /site/scripts
  Alias /app/static /site/files
"""


@pytest.mark.parametrize(
    ("request_line", "answer"),
    [
        ("/f", "404"),
        ("/f/", "403"),
        ("/f/f.txt", "file /site/files/f.txt"),
        ("/f//f.txt", "file /site/files/f.txt"),
        ("/g", "301 http://www.site.com/g/"),
        ("/g/f.txt", "file /site/files/f.txt"),
        ("/gx", "404"),
        ("/file", "file /site/files/f.txt"),
        ("/file/x", "404"),
        ("/m/f.x", "file /site/files/f.txt"),
        ("/m/q.x", "404"),
        ("/app", "run /site/scripts/one.wsgi /app -"),
        ("/app/", "run /site/scripts/one.wsgi /app /"),
        ("/app/a/b", "run /site/scripts/one.wsgi /app /a/b"),
        ("/application", "404"),
        ("/app//x///y", "run /site/scripts/one.wsgi /app /x/y"),
        ("//app/a", "run /site/scripts/one.wsgi /app /a"),
        ("/APP", "404"),
        ("/app/a%20b?x=%20", "run /site/scripts/one.wsgi /app /a b"),
        ("/app/../x", "404"),
        ("/app/%E2%82%AC", "run /site/scripts/one.wsgi /app /€"),
        ("/two", "404"),
        ("/two/", "403"),
        ("/two/one.wsgi", "run /site/scripts/one.wsgi /two/one.wsgi -"),
        ("/two/one.wsgi/a", "run /site/scripts/one.wsgi /two/one.wsgi /a"),
        ("/two/two.py/z", "run /site/scripts/two.py /two/two.py /z"),
        ("/two/none", "404"),
        ("/bad/x", "404"),
        ("/bad/", "run /site/scripts/one.wsgi /bad/ -"),
        ("/mm/one", "run /site/scripts/one.wsgi /mm/one -"),
        ("/mm/one/rest/x", "run /site/scripts/one.wsgi /mm/one /rest/x"),
        ("/mm/none", "404"),
        ("/pfx", "run /site/scripts/one.wsgi /pfx -"),
        ("/pfx1/a", "run /site/scripts/one.wsgi /pfx1 /a"),
        ("/pfx1", "run /site/scripts/one.wsgi /pfx1 -"),
        ("/missing", "404"),
        ("/missing/x", "404"),
        ("/dir", "301 http://www.site.com/dir/"),
        ("/dir/", "403"),
        ("/dir/one.wsgi/q", "run /site/scripts/one.wsgi /dir/one.wsgi /q"),
        ("/app/static/f.txt", "file /site/files/f.txt"),
        ("/app/static", "301 http://www.site.com/app/static/"),
        ("/f/../g/f.txt", "file /site/files/f.txt"),
        ("/app/a%2Fb", "404"),
        ("PUT /app/x", "run /site/scripts/one.wsgi /app /x"),
        ("OPTIONS /app/x", "run /site/scripts/one.wsgi /app /x"),
    ],
)
def test_the_first_alias_that_fits_maps_a_path(request_line: str, answer: str) -> None:
    assert asked(SITE % THE_FIRST_ALIAS_THAT_FITS_MAPS_A_PATH, request_line) == answer


AN_ALIAS_OF_THE_ROOT_TAKES_WHAT_ALIASES_LEAVE = r"""
Alias /static/ /site/files/
  WSGIScriptAlias / /site/scripts/one.wsgi
"""


@pytest.mark.parametrize(
    ("request_line", "answer"),
    [
        ("/", "run /site/scripts/one.wsgi - /"),
        ("/x", "run /site/scripts/one.wsgi - /x"),
        ("/x/y/", "run /site/scripts/one.wsgi - /x/y/"),
        ("/static/f.txt", "file /site/files/f.txt"),
        ("/static/nix", "404"),
        ("/static", "run /site/scripts/one.wsgi - /static"),
        ("//", "run /site/scripts/one.wsgi - /"),
        ("//x//y", "run /site/scripts/one.wsgi - /x/y"),
        ("/%20", "run /site/scripts/one.wsgi - / "),
        ("/x;y=1", "run /site/scripts/one.wsgi - /x;y=1"),
        ("/a?", "run /site/scripts/one.wsgi - /a"),
        ("/a?b=c", "run /site/scripts/one.wsgi - /a"),
        ("/x%3Fy", "run /site/scripts/one.wsgi - /x?y"),
    ],
)
def test_an_alias_of_the_root_takes_what_aliases_leave(request_line: str, answer: str) -> None:
    assert asked(SITE % AN_ALIAS_OF_THE_ROOT_TAKES_WHAT_ALIASES_LEAVE, request_line) == answer


AN_ALIAS_OF_THE_ROOT_TO_A_DIRECTORY_NAMES_SCRIPTS = r"""
WSGIScriptAlias / /site/scripts/
"""


@pytest.mark.parametrize(
    ("request_line", "answer"),
    [
        ("/", "403"),
        ("/one.wsgi", "run /site/scripts/one.wsgi /one.wsgi -"),
        ("/one.wsgi/x", "run /site/scripts/one.wsgi /one.wsgi /x"),
        ("/two.py", "run /site/scripts/two.py /two.py -"),
        ("/none", "404"),
        ("/one.wsgi//x", "run /site/scripts/one.wsgi /one.wsgi /x"),
    ],
)
def test_an_alias_of_the_root_to_a_directory_names_scripts(request_line: str, answer: str) -> None:
    assert asked(SITE % AN_ALIAS_OF_THE_ROOT_TO_A_DIRECTORY_NAMES_SCRIPTS, request_line) == answer


A_REDIRECT_SENDS_THE_CLIENT_ELSEWHERE = r"""
Redirect /old http://new.example/base
  Redirect permanent /perm /new
  Redirect temp /temp https://x.example/
  Redirect seeother /see http://x.example/y
  Redirect gone /gone
  Redirect 410 /g2
  Redirect 404 /nf
  Redirect 307 /t307 /elsewhere?q=1
  RedirectMatch ^/rm/(.*)\.gif$ http://img.example/$1.png
  RedirectMatch 301 /anywhere/(.*)$ /to/$1
  RedirectMatch gone ^/mgone
  RedirectPermanent /rp http://p.example
  RedirectTemp /rt http://t.example/x
  Redirect /trail/ http://t.example/y/
  WSGIScriptAlias / /site/scripts/one.wsgi
"""


@pytest.mark.parametrize(
    ("request_line", "answer"),
    [
        ("/old", "302 http://new.example/base"),
        ("/old/x", "302 http://new.example/base/x"),
        ("/old/x?a=b", "302 http://new.example/base/x?a=b"),
        ("/oldx", "run /site/scripts/one.wsgi - /oldx"),
        ("/perm/a%20b", "301 http://www.site.com/new/a%20b"),
        ("/perm", "301 http://www.site.com/new"),
        ("/temp/z", "302 https://x.example//z"),
        ("/see", "303 http://x.example/y"),
        ("/gone/x", "410"),
        ("/g2", "410"),
        ("/nf", "404"),
        ("/t307/a?b=c", "307 http://www.site.com/elsewhere?q=1/a"),
        ("/t307", "307 http://www.site.com/elsewhere?q=1"),
        ("/rm/a/b.gif", "302 http://img.example/a/b.png"),
        ("/rm/a%20b.gif", "302 http://img.example/a%20b.png"),
        ("/x/anywhere/q?z=1", "301 http://www.site.com/to/q?z=1"),
        ("/mgone1", "410"),
        ("/rp/a", "301 http://p.example/a"),
        ("/rt", "302 http://t.example/x"),
        ("/trail", "run /site/scripts/one.wsgi - /trail"),
        ("/trail/z", "302 http://t.example/y/z"),
        ("/old/%E2%82%AC", "302 http://new.example/base/%e2%82%ac"),
        ("/old/a%3Fb", "302 http://new.example/base/a%3fb"),
        ("/rm/a%3Fb.gif", "302 http://img.example/a?b.png"),
        ("/perm  host=www.site.com:8080", "301 http://www.site.com:8080/new"),
    ],
)
def test_a_redirect_sends_the_client_elsewhere(request_line: str, answer: str) -> None:
    assert asked(SITE % A_REDIRECT_SENDS_THE_CLIENT_ELSEWHERE, request_line) == answer


@pytest.mark.parametrize(
    ("target", "location"),
    [
        ("/a?b%20c", "http://www.site.com/a?b%20c"),
        ("/a?b=$1#f", "http://www.site.com/a?b=x%0d%0ay#f"),
        ("/$1#f", "http://www.site.com/x%0d%0ay#f"),
        ("http://else.test/a b?c=d%26", "http://else.test/a%20b?c=d%26"),
    ],
)
def test_query_and_fragment_of_a_redirect_stay_as_they_were_written(target: str, location: str) -> None:
    """But for what could begin another header; the path is escaped."""
    text = f'Listen 80\nRedirectMatch "^/from/(?s)(.*)$" "{target}"\n'
    assert ask(router(text), "/from/x%0d%0ay") == f"302 {location}"


def test_the_clients_query_comes_before_a_fragment() -> None:
    """Behind it, it would be part of it."""
    asked = router("Listen 80\nRedirectMatch ^/from$ /to#f\n")
    assert ask(asked, "/from?a=b") == "302 http://www.site.com/to?a=b#f"
