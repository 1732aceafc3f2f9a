"""The whole way from a request to its decision: order, internal redirects, what is remembered, what never leaves."""

import posixpath
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pydaemonwsgi.routing.checking import check_routing
from pydaemonwsgi.routing.decisions import Listing, Redirection, Refusal, Script, Static
from tests.helpers.routing import FILES, FakeFiles, ask, facts, router, server, summary

HOSTING = """
Listen 80
WSGIDaemonProcess jack-1 processes=2 threads=25 maximum_requests=10000
<VirtualHost *:80>
  ServerName www.site.com
  DocumentRoot /site/htdocs
  WSGIProcessGroup jack-1
  WSGIReloadMechanism Process
  <Directory /site/htdocs>
    Order deny,allow
    Allow from all
    Options MultiViews ExecCGI SymLinksIfOwnerMatch
    AddHandler wsgi-script .wsgi
    RewriteEngine On
    RewriteCond %{REQUEST_FILENAME} !-f
    RewriteRule ^(.*)$ /site.wsgi/$1 [QSA,PT,L]
  </Directory>
</VirtualHost>
"""


@pytest.mark.parametrize(
    ("target", "answer"),
    [
        ("/a.txt", "file /site/htdocs/a.txt"),
        ("/sub/x.txt", "file /site/htdocs/sub/x.txt"),
        ("/a", "file /site/htdocs/a.txt"),
        ("/other.wsgi", "run /site/htdocs/other.wsgi /other.wsgi -"),
        ("/other.wsgi/x", "run /site/htdocs/other.wsgi /other.wsgi /x"),
        ("/", "run /site/htdocs/site.wsgi /site.wsgi /"),
        ("/news/today?page=2", "run /site/htdocs/site.wsgi /site.wsgi /news/today"),
        ("/x%20y", "run /site/htdocs/site.wsgi /site.wsgi /x y"),
        ("/x%25y", "run /site/htdocs/site.wsgi /site.wsgi /x%y"),
        ("/other", "run /site/htdocs/site.wsgi /site.wsgi /other"),
        ("/sub/", "run /site/htdocs/site.wsgi /site.wsgi /sub/"),
        ("/sub", "301 http://www.site.com/sub/"),
        ("/x%3fy", "403"),
        ("/a%2fb", "404"),
        ("/" + "x" * 20, "run /site/htdocs/site.wsgi /site.wsgi /" + "x" * 20),
    ],
)
def test_a_hosting_server_serves_files_runs_scripts_and_sends_the_rest_to_one(target: str, answer: str) -> None:
    assert ask(router(HOSTING, FILES), target) == answer


def test_a_script_behind_an_internal_redirect_is_told_where_it_came_from() -> None:
    decision = router(HOSTING, FILES).decide(facts("/news?page=2"))
    assert isinstance(decision, Script)
    assert decision.target.process_group == "jack-1"
    assert dict(decision.common.environment) == {"REDIRECT_STATUS": "200", "REDIRECT_URL": "/news"}
    assert decision.common.was_redirected
    assert decision.query is None


PLAIN = "Listen 80\nWSGIDaemonProcess g\nWSGIProcessGroup g\nWSGIScriptAlias / /site/scripts/one.wsgi\n"


def test_a_plain_mount_asks_for_its_script_once_a_second() -> None:
    asked = router(PLAIN, FILES)
    files = asked._files
    assert isinstance(files, FakeFiles)
    for number in range(100):
        asked.decide(facts(f"/{number}", now=1000.0 + number / 200))
    assert files.questions == ["/site/scripts/one.wsgi"]
    asked.decide(facts("/", now=1001.5))
    assert len(files.questions) == 2


@pytest.mark.parametrize(
    "more",
    [
        "",
        "DocumentRoot /site/htdocs\nAlias /sub /site/htdocs/sub\nAliasMatch ^/x$ /site/htdocs/a.txt\n",
        "RewriteEngine On\nRewriteRule ^/old/ /new [R]\nRewriteRule ^/x$ /y [PT]\nRewriteRule ^/y/(.*) - [F]\n",
        "RewriteEngine On\nRewriteRule x /y [PT]\n",
        "<Location /x>\nSetEnv A 1\nHeader set B 2\n</Location>\n<LocationMatch y$>\nSetEnv C 3\n</LocationMatch>\n",
        "<Location /x>\nRequire ip 10\n</Location>\n<Location /sub>\nRequire all denied\n</Location>\n",
        "<Location /x/y>\nSetEnvIf User-Agent . D=1\n</Location>\n<Location /sub>\nAcceptPathInfo Off\n</Location>\n",
        "<Directory /site/scripts>\nRewriteEngine On\nRewriteRule ^x /z [L]\n</Directory>\n",
        "<Files one.wsgi>\nSetEnv E 1\n</Files>\nRedirect /old http://new.example/\n",
        "MergeSlashes Off\n<Location /x/y>\nSetEnv A 1\n</Location>\n",
    ],
)
def test_a_plain_mount_decides_as_the_whole_way_does(more: str) -> None:
    """Whatever else the host has, and in whatever order paths are asked for."""
    asked = router(more + PLAIN, FILES)
    for target in (
        "/old/a",
        "/sub/x.txt",
        "/x/y",
        "/y",
        "/y/x",
        "/x",
        "/sub",
        "/oldest",
        "/",
        "/x",
        "//x//y",
        "/x%20y",
        "/%E2%82%AC",
        "/a/../b",
        "/a%2fb",
        "/..",
        "/x?y",
    ):
        expected, _ = asked._decide(asked.site(facts(target)), facts(target), None)
        for _ in range(2):
            found = asked.decide(facts(target))
            assert summary(found) == summary(expected)
            assert found.common.environment == expected.common.environment
            assert found.common.response_edits == expected.common.response_edits


def test_a_script_that_goes_is_missed_within_a_second() -> None:
    files = dict(FILES)
    asked = router(PLAIN, files)
    assert ask(asked, "/x") == "run /site/scripts/one.wsgi - /x"
    asked._files.files.pop("/site/scripts/one.wsgi")  # type: ignore[attr-defined]
    assert summary(asked.decide(facts("/x", now=1000.5))) == "run /site/scripts/one.wsgi - /x"
    assert summary(asked.decide(facts("/x", now=1001.5))) == "404"
    asked._files.files["/site/scripts/one.wsgi"] = "W"  # type: ignore[attr-defined]
    asked.forget()
    assert summary(asked.decide(facts("/x", now=1001.6))) == "run /site/scripts/one.wsgi - /x"


@pytest.mark.parametrize(
    ("condition", "one", "other"),
    [
        ("%{HTTP_USER_AGENT} bot", {"user_agent": "bot"}, {"user_agent": "human"}),
        ("%{HTTP_USER_AGENT} bot", {"user_agent": "bot"}, {}),
        ("%{HTTP:X-Secret} =yes", {"x_secret": "yes"}, {"x_secret": "no"}),
        ("%{REMOTE_ADDR} ^10\\.", {"remote": "10.0.0.1"}, {"remote": "11.0.0.1"}),
        ("%{REMOTE_HOST} good$", {"remote_host": "a.good"}, {"remote_host": "a.bad"}),
        ("%{HTTP_HOST} ^x\\.", {"host": "x.site.com"}, {"host": "y.site.com"}),
        ("%{SERVER_PORT} =81", {"host": "a:81"}, {"host": "a:82"}),
        ("%{HTTPS} =on", {"scheme": "https"}, {"scheme": "http"}),
        ("%{TIME_YEAR} =1970", {"now": 1000.0}, {"now": 3e9}),
    ],
)
def test_a_remembered_decision_is_never_given_to_a_request_that_differs_in_what_it_looked_at(
    condition: str, one: dict[str, str], other: dict[str, str]
) -> None:
    rules = f"RewriteEngine On\nRewriteCond {condition}\nRewriteRule ^ - [F]\n"
    asked = router("Listen 80\n" + rules + PLAIN.removeprefix("Listen 80\n"), FILES)
    for _ in range(3):
        assert summary(asked.decide(facts("/x", **one))) == "403"  # type: ignore[arg-type]
        assert summary(asked.decide(facts("/x", **other))) == "run /site/scripts/one.wsgi - /x"  # type: ignore[arg-type]


def test_a_remembered_decision_counts_for_its_query_if_it_looked_at_it() -> None:
    rules = "RewriteEngine On\nRewriteCond %{QUERY_STRING} ^secret$\nRewriteRule ^ - [F]\n"
    asked = router("Listen 80\n" + rules + PLAIN.removeprefix("Listen 80\n"), FILES)
    for _ in range(2):
        assert summary(asked.decide(facts("/x?secret"))) == "403"
        assert summary(asked.decide(facts("/x?other"))) == "run /site/scripts/one.wsgi - /x"
        assert summary(asked.decide(facts("/x"))) == "run /site/scripts/one.wsgi - /x"


@pytest.mark.parametrize(
    ("text", "for_all"),
    [
        ("", True),
        ("RewriteEngine On\nRewriteCond %{HTTP_USER_AGENT} x\nRewriteRule ^ /other\n", True),
        ("RewriteEngine On\nRewriteCond %{REMOTE_ADDR} ^10\nRewriteRule ^ /other\n", False),
        ("RewriteEngine On\nRewriteCond %{TIME_HOUR} 12\nRewriteRule ^ /other\n", False),
        ("<Location />\nRequire ip 127.0.0.1\n</Location>\n", False),
        ("<Location />\nRequire host example.com\n</Location>\n", False),
        ("SetEnvIf Remote_Addr ^10 ten\n", False),
    ],
)
def test_a_decision_is_for_everybody_unless_it_looked_at_who_asks(text: str, for_all: bool) -> None:
    """Else it would be given to another client that sends the same head."""
    asked = router(f"Listen 80\nDocumentRoot /site/htdocs\n{text}", FILES)
    for target in ("/a.txt", "/none", "/a.txt"):
        _, expires = asked.decide_for_all(facts(target))
        assert (expires > 0) is for_all


def test_a_remembered_decision_counts_for_its_method() -> None:
    asked = router("Listen 80\nDocumentRoot /site/htdocs\n", FILES)
    assert [summary(asked.decide(facts("/a.txt", method))) for method in ("GET", "PUT", "GET", "OPTIONS")] == [
        "file /site/htdocs/a.txt",
        "405",
        "file /site/htdocs/a.txt",
        "200 GET,HEAD,OPTIONS,POST",
    ]


def test_what_is_remembered_is_bounded() -> None:
    asked = router("Listen 80\nDocumentRoot /site/htdocs\n", FILES)
    for number in range(10000):
        asked.decide(facts(f"/{number}"))
    assert len(asked._memories[0].decisions) <= 4096


def test_a_mount_with_conditions_on_headers_is_not_taken_for_a_plain_one() -> None:
    asked = router(PLAIN + "<Directory /site/scripts>\nRequire ip 10.0.0.0/8\n</Directory>\n", FILES)
    assert summary(asked.decide(facts("/x", remote="10.0.0.1"))) == "run /site/scripts/one.wsgi - /x"
    assert summary(asked.decide(facts("/x", remote="11.0.0.1"))) == "403"
    assert summary(asked.decide(facts("/y", remote="11.0.0.1"))) == "403"


def test_a_module_is_mounted_without_a_file() -> None:
    text = PLAIN.replace("/site/scripts/one.wsgi", "module:site.wsgi").replace("Alias / ", "Alias /app ")
    asked = router(text, {})
    decision = asked.decide(facts("/app/x"))
    assert isinstance(decision, Script)
    assert (decision.target.module, decision.script_name, decision.path_info) == ("site.wsgi", "/app", "/x")


def test_who_comes_by_a_unix_socket_has_come_to_no_port() -> None:
    asked = router(PLAIN.replace("Listen 80", "Listen unix:/run/a.sock"), FILES)
    decision = asked.decide(facts("/x", local=("", 0)))
    assert isinstance(decision, Script)
    assert ":" not in decision.target.application_group


@pytest.mark.parametrize(("setting", "group"), [("On", "a.example|/Shop"), ("Off", "a.example|/shop")])
def test_resources_that_differ_in_case_only_are_one_where_the_site_says_so(setting: str, group: str) -> None:
    """WSGICaseSensitivity is about the names of application groups."""
    text = f"Listen 80\nServerName a.example:80\nWSGICaseSensitivity {setting}\nWSGIScriptAlias /Shop /srv/site.wsgi\n"
    decision = router(text, {"/srv/site.wsgi": ""}).decide(facts("/Shop/x"))
    assert isinstance(decision, Script)
    assert decision.target.application_group == group


def test_more_than_ten_internal_redirects_are_500() -> None:
    text = (
        "Listen 80\nDocumentRoot /site/htdocs\n<Directory /site/htdocs>\nRewriteEngine On\n"
        "RewriteRule ^a(.*)$ /b$1 [L]\nRewriteRule ^b(.*)$ /a$1 [L]\n</Directory>\n"
    )
    decision = router(text, FILES).decide(facts("/a"))
    assert isinstance(decision, Refusal)
    assert decision.status == 500
    assert "internal redirects" in decision.reason


@pytest.mark.parametrize(
    ("text", "path", "reason"),
    [
        (
            "WSGIDaemonProcess a\nSetEnv G no\nWSGIScriptAlias / /site.wsgi process-group=%{ENV:G}\n",
            "/a",
            "there is no process group 'no'; there are 'a'",
        ),
        (
            "WSGIRestrictProcess a\nWSGIDaemonProcess a\nWSGIDaemonProcess b\nWSGIScriptAlias /b /site.wsgi\n",
            "/b",
            "process group 'embedded' (%{GLOBAL}) is not among those that WSGIRestrictProcess allows here",
        ),
        ("RewriteEngine On\nRewriteRule ^/a - [F]\n", "/a", "RewriteRule ^/a - [F] (/etc/site.conf:3)"),
        (
            "RewriteEngine On\nRewriteRule ^/a$ /b/%3f?x [R=503,L]\n",
            "/a",
            "RewriteRule ^/a$ /b/%3f?x [R=503,L] (/etc/site.conf:3)",
        ),
        (
            "RewriteEngine On\nRewriteRule ^/a(.*) /aa$1 [N=3]\n",
            "/a",
            "flag N of a rule has begun anew too often: RewriteRule ^/a(.*) /aa$1 [N=3] (/etc/site.conf:3)",
        ),
        (
            "RewriteEngine On\nRewriteRule ^/q/(.*) $1\n",
            "/q/x%3fy",
            "a question mark that the client has encoded would become a separator (flag UnsafeAllow3F): RewriteRule",
        ),
        (
            "DocumentRoot /site/htdocs\n<Directory /site>\nRewriteEngine On\nRewriteRule a$ - [G]\n</Directory>\n",
            "/a",
            "RewriteRule a$ - [G] (/etc/site.conf:5)",
        ),
    ],
)
def test_who_is_refused_is_refused_with_a_reason_for_the_log(text: str, path: str, reason: str) -> None:
    """Where there are fifty rules, `RewriteRule` alone says nothing."""
    decision = router("Listen 80\n" + text, FILES | {"/site.wsgi": ""}).decide(facts(path))
    assert isinstance(decision, Refusal)
    assert decision.reason.startswith(reason)


def test_forms_see_what_setenv_sets_and_setenvif_before_it() -> None:
    """As mod_wsgi does, at whose time mod_env has come: process group, application group, callable object."""
    text = """
        WSGIDaemonProcess a
        WSGIDaemonProcess b
        SetEnv GROUP a
        SetEnv NAME set
        SetEnv APP other
        SetEnvIf Request_URI ^/if GROUP=b
        <Location /in>
            SetEnv NAME in
        </Location>
        WSGIProcessGroup %{ENV:GROUP}
        WSGIApplicationGroup %{ENV:NAME}
        WSGICallableObject %{ENV:APP}
        WSGIScriptAlias / /site.wsgi
        """
    asked = router("Listen 80\n" + text, {"/site.wsgi": ""})
    found = []
    for path in ("/x", "/if", "/in"):
        decision = asked.decide(facts(path))
        assert isinstance(decision, Script)
        target = decision.target
        found.append((target.process_group, target.application_group, target.callable_object))
    assert found == [("a", "set", "other"), ("b", "set", "other"), ("a", "in", "other")]


class TestErrorDocuments:
    """ErrorDocument: a text, another path of this server, a URL."""

    TEXT = (
        "Listen 80\nDocumentRoot /site/htdocs\nErrorDocument 404 /a.txt\nErrorDocument 403 text\n"
        "ErrorDocument 500 http://x.example/\nErrorDocument 410 /none\nErrorDocument 405 default\n"
    )

    def test_a_path_is_decided_as_an_internal_redirect(self) -> None:
        asked = router(self.TEXT, FILES)
        request = facts("/missing", "POST")
        decision = asked.decide(request)
        shown = asked.error_document(request, decision.common, 404)
        assert isinstance(shown, Static)
        assert shown.filename == "/site/htdocs/a.txt"
        environment = dict(shown.common.environment)
        assert (environment["REDIRECT_STATUS"], environment["REDIRECT_URL"]) == ("404", "/missing")

    def test_text_and_url_and_default_are_told_apart(self) -> None:
        asked = router(self.TEXT, FILES)
        request = facts("/missing")
        common = asked.decide(request).common
        assert asked.error_document(request, common, 403) == "text"
        assert isinstance(asked.error_document(request, common, 500), Redirection)
        assert asked.error_document(request, common, 405) is None
        assert asked.error_document(request, common, 501) is None

    def test_a_document_that_is_missing_itself_is_none(self) -> None:
        asked = router(self.TEXT, FILES)
        request = facts("/missing")
        assert asked.error_document(request, asked.decide(request).common, 410) is None


def test_everything_that_is_wrong_is_found_at_once_and_names_its_directive() -> None:
    text = (
        "Listen 80\n<Directory /a>\nRequire not ip 10\nHeader set X %l\n</Directory>\n"
        "<VirtualHost *:80>\nServerName a\n"
        "RewriteEngine On\nRewriteCond %{NONSENSE} x\nRewriteCond a -F\nRewriteRule ^ /%{NOTHING}\n"
        "RewriteRule ^ - [E=x:%{SSL:y}]\nHeader set Y %i\n</VirtualHost>\n"
        "<VirtualHost *:80>\nServerName b\n</VirtualHost>\n"
    )
    found = sorted(str(problem).split(": ")[:3] for problem in check_routing(server(text)))
    assert [(place.removeprefix("/etc/site.conf:"), directive) for place, _, directive in found] == [
        ("10", "RewriteCond"),
        ("11", "RewriteRule"),
        ("12", "RewriteRule"),
        ("13", "Header"),
        ("3", "Require"),
        ("4", "Header"),
        ("9", "RewriteCond"),
    ]


_SEGMENTS = st.lists(
    st.sampled_from(
        [
            "..",
            ".",
            "",
            "a.txt",
            "sub",
            "x.txt",
            "linkdir",
            "%2e%2e",
            "%2f",
            "%00",
            "%",
            "%ff",
            "site.wsgi",
            "é",
            " ",
            "%25",
        ]
    )
    | st.text(max_size=4),
    max_size=8,
)


@given(_SEGMENTS, st.sampled_from(["off", "on", "nodecode"]), st.booleans())
def test_a_decoded_path_never_leaves_the_document_root(segments: list[str], slashes: str, merge: bool) -> None:
    path = "/" + "/".join(quote(segment, safe="%") if not segment.isascii() else segment for segment in segments)
    path = quote(path.partition("?")[0], safe="/%:;=@!$&'()*+,~")
    text = f"AllowEncodedSlashes {slashes}\nMergeSlashes {'On' if merge else 'Off'}\nDocumentRoot /site/htdocs\n"
    decision = router("Listen 80\n" + text, FILES).decide(facts(path))
    if isinstance(decision, Static | Listing):
        found = decision.filename if isinstance(decision, Static) else decision.directory
        assert posixpath.normpath(found).startswith("/site/htdocs")
        assert "/../" not in found


@given(
    st.text(alphabet="/.%abcdefAWsitexu0123456789-?é ", max_size=30), st.sampled_from(["GET", "POST", "OPTIONS", "X"])
)
def test_no_path_is_too_strange_for_a_decision(path: str, method: str) -> None:
    asked = router(HOSTING, FILES)
    assert summary(asked.decide(facts("/" + path, method))) == summary(asked.decide(facts("/" + path, method)))
