"""What answers for a file or a directory: handlers, indexes, MultiViews, Options, links.

The answers are those of httpd 2.4.71 with mod_wsgi, asked with the same configuration; where this server means to
differ, the test says so.
"""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pydaemonwsgi.routing.decisions import Script, Static
from pydaemonwsgi.routing.headers import Occasion, apply_edits
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


MULTIVIEWS_CHOOSE_BY_WHAT_THE_CLIENT_ACCEPTS = r"""
AddLanguage en .en
AddLanguage de .de
AddLanguage fr .fr
AddEncoding gzip .gz
AddCharset utf-8 .utf8
AddHandler wsgi-script .wsgi
<Directory /site/htdocs>
Options MultiViews ExecCGI FollowSymLinks
</Directory>
"""


@pytest.mark.parametrize(
    ("request_line", "answer"),
    [
        ("/mv  accept_language=en", "file /site/htdocs/mv.html.en"),
        ("/mv  accept_language=de", "file /site/htdocs/mv.html.de"),
        ("/mv  accept_language=de;q=0.5,fr", "file /site/htdocs/mv.html.fr"),
        ("/mv  accept_language=de;q=0.2,fr;q=0.3,en;q=0.1", "file /site/htdocs/mv.html.fr"),
        ("/mv  accept_language=en-US,en;q=0.5", "file /site/htdocs/mv.html.en"),
        ("/mv  accept_language=de-CH", "file /site/htdocs/mv.html.de"),
        ("/only  accept=text/plain", "file /site/htdocs/only.txt"),
        ("/only  accept=image/*", "file /site/htdocs/only.png"),
        ("/only  accept=image/png;q=0.5,text/plain", "file /site/htdocs/only.txt"),
        ("/only  accept=text/html", "406"),
        ("/only  accept=text/html,application/xml;q=0.9,*/*;q=0.8", "file /site/htdocs/only.png"),
        ("/gz  accept_encoding=gzip", "file /site/htdocs/gz.html.gz"),
        ("/gz", "file /site/htdocs/gz.html"),
        ("/gz  accept_encoding=x-gzip", "file /site/htdocs/gz.html.gz"),
        ("/gz  accept_encoding=gzip;q=0.5", "file /site/htdocs/gz.html.gz"),
        ("/gz  accept_encoding=gzip;q=0.5,identity;q=0.9", "file /site/htdocs/gz.html"),
        ("/gz  accept_encoding=gzip,identity;q=0.5", "file /site/htdocs/gz.html.gz"),
        ("/gz  accept_encoding=identity;q=0,gzip", "file /site/htdocs/gz.html.gz"),
        ("/gz  accept_encoding=gzip;q=0,identity;q=0", "406"),
        ("/gz  accept_encoding=*;q=0", "406"),
        ("/gz  accept_encoding=deflate,*;q=0", "406"),
        ("/gz  accept_encoding=*;q=0.5,gzip;q=0.2", "file /site/htdocs/gz.html"),
        ("/gz  accept_encoding=deflate", "file /site/htdocs/gz.html"),
        ("/gz  accept_encoding=gzip;q=0", "file /site/htdocs/gz.html"),
        ("/gz  accept_encoding=identity", "file /site/htdocs/gz.html"),
        # What language a text has counts for more than how it is packed.
        ("/packed", "file /site/htdocs/packed.html.de"),
        ("/packed  accept_language=en,de;q=0.5", "file /site/htdocs/packed.html.en.gz"),
        ("/packed  accept_language=en,de;q=0.5 accept_encoding=gzip;q=0.3", "file /site/htdocs/packed.html.en.gz"),
        ("/packed  accept_language=en;q=0.5,de accept_encoding=gzip", "file /site/htdocs/packed.html.de"),
        ("/unk", "404"),
        ("/a", "file /site/htdocs/a.txt"),
        ("/a.t", "404"),
        ("/sub/x", "file /site/htdocs/sub/x.txt"),
        ("/a/b", "404"),
    ],
)
def test_multiviews_choose_by_what_the_client_accepts(request_line: str, answer: str) -> None:
    assert asked(SITE % MULTIVIEWS_CHOOSE_BY_WHAT_THE_CLIENT_ACCEPTS, request_line) == answer


def test_that_nothing_is_acceptable_depends_on_what_the_client_accepts() -> None:
    """Or a cache would give the refusal to others."""
    decision = router(SITE % MULTIVIEWS_CHOOSE_BY_WHAT_THE_CLIENT_ACCEPTS, FILES).decide(
        facts("/gz", accept_encoding="*;q=0")
    )
    assert decision.common.added_headers == (("Vary", "negotiate, accept-encoding"),)


MULTIVIEWS_FIND_SCRIPTS_IF_HANDLERS_MATCH = r"""
AddLanguage en .en
AddLanguage de .de
AddLanguage fr .fr
AddEncoding gzip .gz
AddCharset utf-8 .utf8
AddHandler wsgi-script .wsgi
<Directory /site/htdocs>
Options MultiViews ExecCGI FollowSymLinks
MultiviewsMatch Handlers
</Directory>
"""


@pytest.mark.parametrize(
    ("request_line", "answer"),
    [
        ("/other", "run /site/htdocs/other.wsgi /other.wsgi -"),
        ("/other/x/y", "run /site/htdocs/other.wsgi /other.wsgi /x/y"),
    ],
)
def test_multiviews_find_scripts_if_handlers_match(request_line: str, answer: str) -> None:
    assert asked(SITE % MULTIVIEWS_FIND_SCRIPTS_IF_HANDLERS_MATCH, request_line) == answer


MULTIVIEWS_FIND_UNKNOWN_EXTENSIONS_IF_ANY_MATCHES = r"""
<Directory /site/htdocs>
Options MultiViews FollowSymLinks
MultiviewsMatch Any
</Directory>
"""


@pytest.mark.parametrize(
    ("request_line", "answer"),
    [
        ("/unk", "file /site/htdocs/unk.html.zzz"),
    ],
)
def test_multiviews_find_unknown_extensions_if_any_matches(request_line: str, answer: str) -> None:
    assert asked(SITE % MULTIVIEWS_FIND_UNKNOWN_EXTENSIONS_IF_ANY_MATCHES, request_line) == answer


LINKS_ARE_REFUSED_WITHOUT_AN_OPTION = r"""
<Directory /site/htdocs>
Options None
</Directory>
"""


@pytest.mark.parametrize(
    ("request_line", "answer"),
    [
        ("/", "file /site/htdocs/index.html"),
        ("/a.txt", "file /site/htdocs/a.txt"),
        ("/sub", "301 http://www.site.com/sub/"),
        ("/sub/", "403"),
        ("/sub/x.txt", "file /site/htdocs/sub/x.txt"),
        ("/nix", "404"),
        ("/images/i.png", "file /site/htdocs/images/i.png"),
        ("/images/", "403"),
        ("/link.txt", "403"),
        ("/linkdir/f.txt", "403"),
        ("/foreign.txt", "403"),
    ],
)
def test_links_are_refused_without_an_option(request_line: str, answer: str) -> None:
    assert asked(SITE % LINKS_ARE_REFUSED_WITHOUT_AN_OPTION, request_line) == answer


LINKS_ARE_FOLLOWED_TO_FILES_OF_THEIR_OWNER = r"""
<Directory /site/htdocs>
Options SymLinksIfOwnerMatch
</Directory>
"""


@pytest.mark.parametrize(
    ("request_line", "answer"),
    [
        ("/link.txt", "file /site/htdocs/link.txt"),
        ("/linkdir/f.txt", "403"),
        ("/foreign.txt", "403"),
        ("/linkdir/", "403"),
    ],
)
def test_links_are_followed_to_files_of_their_owner(request_line: str, answer: str) -> None:
    assert asked(SITE % LINKS_ARE_FOLLOWED_TO_FILES_OF_THEIR_OWNER, request_line) == answer


LINKS_COUNT_BY_THE_OPTIONS_OF_THEIR_DIRECTORY = r"""
<Directory />
Options None
</Directory>
<Directory /site/htdocs>
Options +FollowSymLinks
</Directory>
"""


@pytest.mark.parametrize(
    ("request_line", "answer"),
    [
        ("/link.txt", "file /site/htdocs/link.txt"),
        ("/a.txt", "file /site/htdocs/a.txt"),
    ],
)
def test_links_count_by_the_options_of_their_directory(request_line: str, answer: str) -> None:
    assert asked(SITE % LINKS_COUNT_BY_THE_OPTIONS_OF_THEIR_DIRECTORY, request_line) == answer


A_DIRECTORY_IS_LISTED_WITH_OPTION_INDEXES = r"""
<Directory /site/htdocs>
Options Indexes
</Directory>
"""


@pytest.mark.parametrize(
    ("request_line", "answer"),
    [
        ("/", "file /site/htdocs/index.html"),
        ("/sub/", "list /site/htdocs/sub/"),
        ("/images/", "list /site/htdocs/images/"),
        ("/sub", "301 http://www.site.com/sub/"),
        ("HEAD /sub/", "list /site/htdocs/sub/"),
    ],
)
def test_a_directory_is_listed_with_option_indexes(request_line: str, answer: str) -> None:
    assert asked(SITE % A_DIRECTORY_IS_LISTED_WITH_OPTION_INDEXES, request_line) == answer


THE_FIRST_INDEX_THAT_IS_THERE_IS_SENT = r"""
<Directory /site/htdocs>
Options Indexes
DirectoryIndex nix.html x.txt /a.txt
</Directory>
"""


@pytest.mark.parametrize(
    ("request_line", "answer"),
    [
        ("/", "file /site/htdocs/a.txt"),
        ("/sub/", "file /site/htdocs/sub/x.txt"),
        ("/images/", "file /site/htdocs/a.txt"),
    ],
)
def test_the_first_index_that_is_there_is_sent(request_line: str, answer: str) -> None:
    assert asked(SITE % THE_FIRST_INDEX_THAT_IS_THERE_IS_SENT, request_line) == answer


AN_INDEX_MAY_BE_A_SCRIPT = r"""
AddHandler wsgi-script .wsgi
<Directory /site/htdocs>
Options ExecCGI
DirectoryIndex site.wsgi
</Directory>
"""


@pytest.mark.parametrize(
    ("request_line", "answer"),
    [
        ("/", "run /site/htdocs/site.wsgi /site.wsgi -"),
        ("/?q=1", "run /site/htdocs/site.wsgi /site.wsgi -"),
        ("/sub/", "403"),
    ],
)
def test_an_index_may_be_a_script(request_line: str, answer: str) -> None:
    assert asked(SITE % AN_INDEX_MAY_BE_A_SCRIPT, request_line) == answer


NO_INDEX_IS_LOOKED_FOR_WHEN_DISABLED = r"""
<Directory /site/htdocs>
Options Indexes
DirectoryIndex disabled
</Directory>
"""


@pytest.mark.parametrize(
    ("request_line", "answer"),
    [
        ("/", "list /site/htdocs/"),
        ("/sub/", "list /site/htdocs/sub/"),
    ],
)
def test_no_index_is_looked_for_when_disabled(request_line: str, answer: str) -> None:
    assert asked(SITE % NO_INDEX_IS_LOOKED_FOR_WHEN_DISABLED, request_line) == answer


THE_SLASH_IS_NOT_ADDED_WHEN_IT_IS_OFF = r"""
<Directory /site/htdocs>
Options Indexes
DirectorySlash Off
</Directory>
"""


@pytest.mark.parametrize(
    ("request_line", "answer"),
    [
        ("/sub", "list /site/htdocs/sub"),
        ("/sub/", "list /site/htdocs/sub/"),
    ],
)
def test_the_slash_is_not_added_when_it_is_off(request_line: str, answer: str) -> None:
    assert asked(SITE % THE_SLASH_IS_NOT_ADDED_WHEN_IT_IS_OFF, request_line) == answer


A_FORBIDDEN_INDEX_IS_NOT_REPLACED_BY_A_LISTING = r"""
<Directory /site/htdocs>
Options Indexes
</Directory>
<Files index.html>
Require all denied
</Files>
"""


@pytest.mark.parametrize(
    ("request_line", "answer"),
    [
        ("/", "403"),
        ("/sub/", "403"),
    ],
)
def test_a_forbidden_index_is_not_replaced_by_a_listing(request_line: str, answer: str) -> None:
    assert asked(SITE % A_FORBIDDEN_INDEX_IS_NOT_REPLACED_BY_A_LISTING, request_line) == answer


A_FALLBACK_ANSWERS_FOR_WHAT_IS_NOT_THERE = r"""
AddHandler wsgi-script .wsgi
<Directory /site/htdocs>
Options ExecCGI
FallbackResource /site.wsgi
</Directory>
"""


@pytest.mark.parametrize(
    ("request_line", "answer"),
    [
        ("/nix", "run /site/htdocs/site.wsgi /site.wsgi -"),
        ("/nix/y?a=b", "run /site/htdocs/site.wsgi /site.wsgi -"),
        ("/sub/", "run /site/htdocs/site.wsgi /site.wsgi -"),
        ("/sub/q", "run /site/htdocs/site.wsgi /site.wsgi -"),
        ("/a.txt", "file /site/htdocs/a.txt"),
        ("/", "file /site/htdocs/index.html"),
        ("/nix.wsgi", "404"),
    ],
)
def test_a_fallback_answers_for_what_is_not_there(request_line: str, answer: str) -> None:
    assert asked(SITE % A_FALLBACK_ANSWERS_FOR_WHAT_IS_NOT_THERE, request_line) == answer


def test_a_fallback_leaves_directories_alone_that_shall_have_no_index() -> None:
    site = SITE % A_FALLBACK_ANSWERS_FOR_WHAT_IS_NOT_THERE.replace("Options", "DirectoryIndex disabled\nOptions")
    assert [asked(site, path) for path in ("/", "/sub/")] == ["403", "403"]
    assert asked(site, "/sub/q") == "run /site/htdocs/site.wsgi /site.wsgi -"


A_SCRIPT_NEEDS_EXECCGI = r"""
AddHandler wsgi-script .wsgi
"""


@pytest.mark.parametrize(
    ("request_line", "answer"),
    [
        ("/site.wsgi", "403"),
        ("/nix.wsgi", "403"),
        ("/site.wsgi/x", "403"),
    ],
)
def test_a_script_needs_execcgi(request_line: str, answer: str) -> None:
    assert asked(SITE % A_SCRIPT_NEEDS_EXECCGI, request_line) == answer


A_HANDLER_MAY_BE_SET_FOR_EVERYTHING = r"""
<Directory /site/htdocs>
Options ExecCGI
SetHandler wsgi-script
</Directory>
"""


@pytest.mark.parametrize(
    ("request_line", "answer"),
    [
        ("/site.wsgi", "run /site/htdocs/site.wsgi /site.wsgi -"),
        ("/site.wsgi/x", "run /site/htdocs/site.wsgi /site.wsgi /x"),
        ("/nix", "404"),
        ("/sub/", "403"),
    ],
)
def test_a_handler_may_be_set_for_everything(request_line: str, answer: str) -> None:
    assert asked(SITE % A_HANDLER_MAY_BE_SET_FOR_EVERYTHING, request_line) == answer


A_HANDLER_MAY_BE_TAKEN_BACK = r"""
<Directory /site/htdocs>
Options ExecCGI
AddHandler wsgi-script .wsgi
<Files other.wsgi>
SetHandler none
</Files>
<Files site.*>
SetHandler default-handler
</Files>
</Directory>
"""


@pytest.mark.parametrize(
    ("request_line", "answer"),
    [
        ("/site.wsgi", "file /site/htdocs/site.wsgi"),
        ("/other.wsgi", "run /site/htdocs/other.wsgi /other.wsgi -"),
    ],
)
def test_a_handler_may_be_taken_back(request_line: str, answer: str) -> None:
    assert asked(SITE % A_HANDLER_MAY_BE_TAKEN_BACK, request_line) == answer


PATH_INFO_IS_ACCEPTED_FOR_FILES_WHEN_ON = r"""
<Directory /site/htdocs>
AcceptPathInfo On
</Directory>
"""


@pytest.mark.parametrize(
    ("request_line", "answer"),
    [
        ("/a.txt/x/y", "file /site/htdocs/a.txt"),
    ],
)
def test_path_info_is_accepted_for_files_when_on(request_line: str, answer: str) -> None:
    assert asked(SITE % PATH_INFO_IS_ACCEPTED_FOR_FILES_WHEN_ON, request_line) == answer


PATH_INFO_IS_REFUSED_FOR_SCRIPTS_WHEN_OFF = r"""
<Directory /site/scripts>
AcceptPathInfo Off
</Directory>
WSGIScriptAlias /app /site/scripts/one.wsgi
"""


@pytest.mark.parametrize(
    ("request_line", "answer"),
    [
        ("/app", "run /site/scripts/one.wsgi /app -"),
        ("/app/", "404"),
        ("/app/x", "404"),
    ],
)
def test_path_info_is_refused_for_scripts_when_off(request_line: str, answer: str) -> None:
    assert asked(SITE % PATH_INFO_IS_REFUSED_FOR_SCRIPTS_WHEN_OFF, request_line) == answer


ENCODED_SLASHES_ARE_DECODED_WHEN_ON = r"""
AllowEncodedSlashes On
WSGIScriptAlias /app /site/scripts/one.wsgi
"""


@pytest.mark.parametrize(
    ("request_line", "answer"),
    [
        ("/app/a%2Fb", "run /site/scripts/one.wsgi /app /a/b"),
        ("/app/a%2fb", "run /site/scripts/one.wsgi /app /a/b"),
        ("/app/%2F%2F/x", "run /site/scripts/one.wsgi /app /x"),
        ("/app/a%2F..%2Fb", "run /site/scripts/one.wsgi /app /b"),
        ("/sub%2Fx.txt", "file /site/htdocs/sub/x.txt"),
        ("/%2F..%2F..%2Fetc", "400"),
    ],
)
def test_encoded_slashes_are_decoded_when_on(request_line: str, answer: str) -> None:
    assert asked(SITE % ENCODED_SLASHES_ARE_DECODED_WHEN_ON, request_line) == answer


ENCODED_SLASHES_STAY_WITH_NODECODE = r"""
AllowEncodedSlashes NoDecode
WSGIScriptAlias /app /site/scripts/one.wsgi
"""


@pytest.mark.parametrize(
    ("request_line", "answer"),
    [
        ("/app/a%2Fb", "run /site/scripts/one.wsgi /app /a%2Fb"),
        ("/app/a%2fb", "run /site/scripts/one.wsgi /app /a%2fb"),
        ("/app/%252f", "run /site/scripts/one.wsgi /app /%2f"),
        ("/app/a%2F..%2Fb", "run /site/scripts/one.wsgi /app /a%2F..%2Fb"),
    ],
)
def test_encoded_slashes_stay_with_nodecode(request_line: str, answer: str) -> None:
    assert asked(SITE % ENCODED_SLASHES_STAY_WITH_NODECODE, request_line) == answer


SLASHES_STAY_WHEN_THEY_ARE_NOT_MERGED = r"""
MergeSlashes Off
WSGIScriptAlias /app /site/scripts/one.wsgi
<Location /sub/x.txt>
Require all denied
</Location>
<LocationMatch ^//sub>
Require all denied
</LocationMatch>
"""


@pytest.mark.parametrize(
    ("request_line", "answer"),
    [
        ("/app//a///b", "run /site/scripts/one.wsgi /app /a/b"),
        ("//app/a", "run /site/scripts/one.wsgi /app /a"),
        ("//sub/x.txt", "403"),
        ("/sub//x.txt", "403"),
        ("/sub/x.txt", "403"),
    ],
)
def test_slashes_stay_when_they_are_not_merged(request_line: str, answer: str) -> None:
    assert asked(SITE % SLASHES_STAY_WHEN_THEY_ARE_NOT_MERGED, request_line) == answer


A_CANONICAL_NAME_IS_THAT_OF_THE_CONFIGURATION = r"""
UseCanonicalName On
Redirect /x /y
"""


@pytest.mark.parametrize(
    ("request_line", "answer"),
    [
        ("/sub  host=foo:81", "301 http://www.site.com/sub/"),
        ("/x  host=foo", "302 http://www.site.com/y"),
    ],
)
def test_a_canonical_name_is_that_of_the_configuration(request_line: str, answer: str) -> None:
    assert asked(SITE % A_CANONICAL_NAME_IS_THAT_OF_THE_CONFIGURATION, request_line) == answer


A_CANONICAL_NAME_MAY_HAVE_SCHEME_AND_PORT = r"""
ServerName https://www.site.com:8443
UseCanonicalName On
Redirect /x /y
"""


@pytest.mark.parametrize(
    ("request_line", "answer"),
    [
        ("/sub  host=foo:81", "301 https://www.site.com:8443/sub/"),
        ("/x  host=foo", "302 https://www.site.com:8443/y"),
    ],
)
def test_a_canonical_name_may_have_scheme_and_port(request_line: str, answer: str) -> None:
    assert asked(SITE % A_CANONICAL_NAME_MAY_HAVE_SCHEME_AND_PORT, request_line) == answer


PRIORITY = r"""
<Directory /site/htdocs>
Options MultiViews
AddLanguage en .en
AddLanguage de .de
AddLanguage fr .fr
LanguagePriority fr en
ForceLanguagePriority %s
</Directory>
"""


@pytest.mark.parametrize(
    ("force", "header", "answer"),
    [
        ("Prefer", "", "fr"),
        ("Prefer", "  accept_language=de,fr", "fr"),
        ("Prefer", "  accept_language=de", "de"),
        ("Prefer", "  accept_language=*", "fr"),
        ("Prefer", "  accept_language=es", "406"),
        ("Fallback", "", "de"),
        ("Fallback", "  accept_language=es", "fr"),
        ("Fallback", "  accept_language=es,de;q=0.1", "de"),
        ("Prefer Fallback", "  accept_language=es", "fr"),
        ("None", "  accept_language=es", "406"),
    ],
)
def test_the_server_has_languages_that_it_prefers(force: str, header: str, answer: str) -> None:
    found = asked(SITE % (PRIORITY % force), f"/mv{header}")
    assert found.rpartition(".")[2] == answer


A_MEDIA_TYPE_MAY_BE_A_HANDLER = r"""
<Directory /site/htdocs>
Options ExecCGI FollowSymLinks
RewriteEngine On
RewriteRule ^other.wsgi$ - [T=application/x-httpd-wsgi,L]
</Directory>
<Directory /site/htdocs/sub>
AddType application/x-httpd-wsgi .txt
</Directory>
<Files a.txt>
ForceType wsgi-script
</Files>
"""


@pytest.mark.parametrize(
    ("request_line", "answer"),
    [
        ("/other.wsgi", "run /site/htdocs/other.wsgi /other.wsgi -"),
        ("/sub/x.txt/y", "run /site/htdocs/sub/x.txt /sub/x.txt /y"),
        ("/a.txt", "run /site/htdocs/a.txt /a.txt -"),
        ("/site.wsgi", "file /site/htdocs/site.wsgi"),
    ],
)
def test_a_media_type_may_be_a_handler(request_line: str, answer: str) -> None:
    """Where none is named, as under httpd: the source of a script that is run there is never sent."""
    assert asked(SITE % A_MEDIA_TYPE_MAY_BE_A_HANDLER, request_line) == answer


A_RULE_MAY_NAME_A_HANDLER = r"""
<Directory /site/htdocs>
Options ExecCGI FollowSymLinks
RewriteEngine On
RewriteRule ^run/(.*)$ other.wsgi/$1 [H=wsgi-script,L]
RewriteRule ^type$ other.wsgi [T=application/x-httpd-wsgi,L]
</Directory>
"""


@pytest.mark.parametrize(
    ("request_line", "answer"),
    [
        ("/run/x", "run /site/htdocs/other.wsgi /other.wsgi /x"),
        ("/type", "run /site/htdocs/other.wsgi /other.wsgi -"),
        ("/other.wsgi", "file /site/htdocs/other.wsgi"),
    ],
)
def test_a_rule_may_name_the_handler_of_what_it_leads_to(request_line: str, answer: str) -> None:
    """httpd forgets it on the way there, and sends the source."""
    assert asked(SITE % A_RULE_MAY_NAME_A_HANDLER, request_line) == answer


A_SCRIPT_ALIAS_MAY_BE_TAKEN_BACK = r"""
WSGIScriptAlias / /site/htdocs/site.wsgi
<Location /none>
SetHandler none
</Location>
<Location /file>
SetHandler default-handler
</Location>
<Location /status>
SetHandler server-status
</Location>
"""


@pytest.mark.parametrize(
    ("request_line", "answer"),
    [
        ("/x", "run /site/htdocs/site.wsgi - /x"),
        ("/none", "run /site/htdocs/site.wsgi - /none"),
        ("/file", "404"),
        ("/status", "500"),
    ],
)
def test_a_script_alias_may_be_taken_back(request_line: str, answer: str) -> None:
    """By another handler, whose source is not sent in its place (httpd would send it)."""
    assert asked(SITE % A_SCRIPT_ALIAS_MAY_BE_TAKEN_BACK, request_line) == answer


AN_ALIAS_MAY_ADD_TO_THE_PATH = r"""
AliasMatch ^/repos/([^/]+)/api/(.*)$ /site/htdocs/site.wsgi/$1/$2
WSGIScriptAlias /more /site/htdocs/site.wsgi/added
WSGIScriptAliasMatch ^/whole /site/htdocs/site.wsgi/other
<Directory /site/htdocs>
Options ExecCGI
AddHandler wsgi-script .wsgi
</Directory>
"""


@pytest.mark.parametrize(
    ("request_line", "answer"),
    [
        ("/repos/one/api/v1/x", "run /site/htdocs/site.wsgi /repos/one/api /one/v1/x"),
        ("/more", "run /site/htdocs/site.wsgi /more /added"),
        ("/more/x", "run /site/htdocs/site.wsgi /more /added/x"),
        ("/more/x//y", "run /site/htdocs/site.wsgi /more /added/x/y"),
        ("/whole", "run /site/htdocs/site.wsgi /whole /other"),
    ],
)
def test_what_an_alias_adds_is_path_info_and_no_part_of_the_scripts_name(request_line: str, answer: str) -> None:
    """Whatever the path: an application group that is named after the script is one, not one for each URL."""
    assert asked(SITE % AN_ALIAS_MAY_ADD_TO_THE_PATH, request_line) == answer


@given(st.lists(st.sampled_from("ab/"), max_size=8).map("".join), st.sampled_from(["", "/a", "/b/a"]))
def test_a_mount_at_the_root_has_no_name_whatever_its_script_is_followed_by(path: str, added: str) -> None:
    """SCRIPT_NAME of everything below `/` is empty."""
    asked = router(SITE % f"WSGIScriptAlias / /site/htdocs/site.wsgi{added}", FILES)
    decision = asked.decide(facts("/" + path))
    assert isinstance(decision, Script)
    assert decision.script_name == ""


AFTER_NEGOTIATION = "<Directory /site/htdocs>\nOptions MultiViews\nAcceptPathInfo On\n</Directory>\n"


@pytest.mark.parametrize(("target", "location"), [("/a", "a.txt"), ("/a/more", None)])
def test_a_negotiated_file_with_path_info_has_no_location(target: str, location: str | None) -> None:
    """Its own URL would be another resource's relative one."""
    decision = router(SITE % AFTER_NEGOTIATION, FILES).decide(facts(target))
    assert isinstance(decision, Static)
    assert decision.location == location


@pytest.mark.parametrize(
    ("media_type", "told"),
    [
        ("text/html", "text/html; charset=utf-8"),
        ("text/plain;format=flowed", "text/plain;format=flowed; charset=utf-8"),
        ("text/html; Charset=latin1", "text/html; Charset=latin1"),
        ("image/png", "image/png"),
    ],
)
def test_the_default_charset_is_for_applications_too(media_type: str, told: str) -> None:
    """For plain text and HTML that name none."""
    text = "AddDefaultCharset utf-8\nWSGIScriptAlias / /site/htdocs/site.wsgi"
    edits = router(SITE % text, FILES).decide(facts("/x")).common.response_edits
    assert apply_edits(edits, [("Content-Type", media_type)], Occasion({})) == [("Content-Type", told)]
