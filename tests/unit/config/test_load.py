"""From the text of a configuration to the model: what each directive says, and every mistake at once."""

from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pydaemonwsgi.config.apache.files import FilesInMemory
from pydaemonwsgi.config.checking.table import check
from pydaemonwsgi.config.directives.table import DIRECTIVES
from pydaemonwsgi.config.group_options import GroupOptions
from pydaemonwsgi.config.grouping import free_threading_of
from pydaemonwsgi.config.load import Loaded, load
from pydaemonwsgi.config.model import (
    AccessList,
    AccessLog,
    AccessRule,
    Combination,
    Expiry,
    ExtensionRule,
    HeaderRule,
    Host,
    HostAddress,
    ImportScript,
    InterpreterOptions,
    Listener,
    LogTarget,
    LogTargetKind,
    Matching,
    Methods,
    Options,
    Order,
    ProcessGroup,
    Redirect,
    Require,
    RequireBlock,
    Rewrite,
    RewriteCondition,
    RewriteFlag,
    RewriteMap,
    RewriteRule,
    Section,
    SectionKind,
    Server,
    Settings,
)
from pydaemonwsgi.config.problems import Severity
from pydaemonwsgi.config.values import ListenAddress
from pydaemonwsgi.errors import ConfigurationError
from tests.unit.config.checking.fake_machine import FakeMachine

SEED = r"""
<VirtualHost *:80>

    ServerName www.site.com
    DocumentRoot /usr/local/sites/www.site.com/htdocs

    ErrorLog "/usr/local/sites/www.site.com/logs/error_log"
    CustomLog "/usr/local/sites/www.site.com/logs/access_log" common
    LogLevel info

    WSGIDaemonProcess jack-1 user=jack processes=2 threads=25 maximum_requests=10000 \
      python-path=/usr/local/sites/www.site.com/lib/python2.5/site-packages
    WSGIProcessGroup jack-1
    WSGIReloadMechanism Process

    <Directory /usr/local/sites/www.site.com/htdocs>
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


def loaded(text: str, others: Mapping[str, str] | None = None) -> Loaded:
    return load("/etc/site.conf", FilesInMemory({"/etc/site.conf": text, **(others or {})}))


def server_of(text: str, others: Mapping[str, str] | None = None) -> Server:
    return loaded(text, others).required()


def errors_of(text: str) -> list[str]:
    return [str(problem) for problem in loaded(text).of(Severity.ERROR)]


def error_of(text: str) -> str:
    """The one error, without file and severity: `line: directive: text`."""
    (problem,) = loaded(text).of(Severity.ERROR)
    return f"{problem.position.line}: {problem.directive}: {problem.text}"


def warnings_of(text: str) -> list[str]:
    return [problem.text for problem in loaded(text).of(Severity.WARNING)]


def host_of(text: str) -> Host:
    """The main server of a configuration that listens."""
    return server_of(f"Listen 80\n{text}").main


def settings_of(text: str) -> Settings:
    return host_of(text).settings


def section_of(text: str) -> Section:
    (section,) = host_of(text).sections
    return section


# --- The whole


def test_the_page_that_this_project_started_from_means_what_it_says() -> None:
    site = "/usr/local/sites/www.site.com"
    error_log = LogTarget(LogTargetKind.FILE, f"{site}/logs/error_log")
    rule = RewriteRule(
        "^(.*)$",
        "/site.wsgi/$1",
        flags=(RewriteFlag("QSA"), RewriteFlag("PT"), RewriteFlag("L")),
        conditions=(RewriteCondition("%{REQUEST_FILENAME}", "-f", negated=True),),
    )
    directory = Section(
        SectionKind.DIRECTORY,
        Matching.LITERAL,
        f"{site}/htdocs",
        Settings(
            options=Options(frozenset({"multiviews", "execcgi", "symlinksifownermatch"})),
            extensions=(ExtensionRule("wsgi", "handler", "wsgi-script"),),
            access_list=AccessList(((Order.DENY_ALLOW, None),), (AccessRule(True, "all"),)),
            rewrite=Rewrite(engine=True, rules=(rule,), directory=f"{site}/htdocs"),
        ),
    )
    host = Host(
        addresses=(HostAddress("*", 80),),
        server_name="www.site.com",
        document_root=f"{site}/htdocs",
        error_log=error_log,
        access_logs=(AccessLog(LogTarget(LogTargetKind.FILE, f"{site}/logs/access_log"), "common"),),
        log_levels=(("", "info"),),
        settings=Settings(process_group="jack-1", reload_mechanism="process"),
        sections=(directory,),
    )
    group = ProcessGroup(
        "jack-1",
        GroupOptions(
            user="jack",
            processes=2,
            threads=25,
            maximum_requests=10000,
            python_path=(f"{site}/lib/python2.5/site-packages",),
        ),
        server_name="www.site.com",
        error_log=error_log,
        log_level="info",
    )
    assert server_of(SEED) == Server(
        listeners=(Listener(ListenAddress("", 80)),), virtual_hosts=(host,), groups=(group,), server_root="/etc"
    )


def test_what_was_written_knows_its_line() -> None:
    server = server_of(SEED)
    (host,) = server.virtual_hosts
    rewrite = host.sections[0].settings.rewrite
    assert rewrite is not None
    places = [server.groups[0].position, host.settings.origins["process_group"], rewrite.rules[0].position]
    assert [str(place) for place in places] == ["/etc/site.conf:11", "/etc/site.conf:13", "/etc/site.conf:25"]


def test_ten_mistakes_get_ten_messages() -> None:
    text = """\
Listen 80
Lisen 81
ServerName bad name
<VirtualHost *:99999>
</VirtualHost>
WSGIDaemonProcess a procesess=2
WSGIProcessGroup b
<Directory relative>
</Directory>
RewriteRule ^( /x [Lats]
Options +Indexes ExecCGI
ErrorDocument 600 /x
ServerPath /x
"""
    assert [line.removeprefix("/etc/site.conf:") for line in errors_of(text)] == [
        "2: error: Lisen: there is no such directive; did you mean Listen?",
        "3: error: ServerName: takes 1 argument, not 2: ServerName [SCHEME://]NAME[:PORT]",
        "4: error: <VirtualHost>: '*:99999': the port is not a number from 1 to 65535",
        "6: error: WSGIDaemonProcess: there is no option 'procesess'; did you mean processes?",
        "7: error: WSGIProcessGroup: there is no process group 'b'; declare it with WSGIDaemonProcess",
        "8: error: <Directory>: 'relative' is not absolute; it must begin with /",
        "10: error: RewriteRule: there is no flag 'Lats'; did you mean last?",
        "11: error: Options: either all options have a + or - in front, or none has",
        "12: error: ErrorDocument: '600' is no status of an error; give 400 to 599",
        "13: error: ServerPath: not supported: it was for clients of the last century that send no Host",
    ]


def test_a_configuration_with_errors_is_refused_with_all_of_them() -> None:
    with pytest.raises(ConfigurationError, match=r"2 errors\n/etc/site.conf:1: .*\n/etc/site.conf:2: "):
        server_of("Foo\nBar\nListen 80\n")


# --- What single directives say


@pytest.mark.parametrize(
    ("line", "field", "value"),
    [
        ("WSGIProcessGroup %{GLOBAL}", "process_group", ""),
        ("WSGIProcessGroup %{ENV:GROUP}", "process_group", "%{ENV:GROUP}"),
        ("WSGIApplicationGroup %{SERVER}", "application_group", "%{SERVER}"),
        ("WSGICallableObject my.app", "callable_object", "my.app"),
        ("WSGIRestrictProcess %{GLOBAL}", "restrict_process", frozenset({""})),
        ("WSGIPassAuthorization Off", "pass_authorization", False),
        ("wsgiscriptreloading oFF", "script_reloading", False),
        ("WSGIReloadMechanism Interpreter", "reload_mechanism", "interpreter"),
        ("WSGIErrorOverride On", "error_override", True),
        ("WSGIChunkedRequest Off", "chunked_request", False),
        ("WSGIMapHEADToGET On", "map_head_to_get", "on"),
        ("WSGIIgnoreActivity On", "ignore_activity", True),
        ("WSGITrustedProxyHeaders X-Real-IP", "trusted_proxy_headers", ("HTTP_X_REAL_IP",)),
        ("WSGITrustedProxies 10.1.2.3/8 ::1 Unix:", "trusted_proxies", ("10.0.0.0/8", "::1", "unix:")),
        ("DirectoryIndex index.html index.wsgi", "directory_index", ("index.html", "index.wsgi")),
        ("DirectoryIndex disabled", "directory_index", ()),
        ("DirectorySlash Off", "directory_slash", False),
        ("FallbackResource disabled", "fallback_resource", ""),
        ("SetHandler none", "set_handler", ""),
        ("ForceType text/plain", "force_type", "text/plain"),
        ("AddDefaultCharset utf-8", "default_charset", "utf-8"),
        ("AddDefaultCharset On", "default_charset", "iso-8859-1"),
        ("AddDefaultCharset Off", "default_charset", ""),
        ("FileETag None", "file_etag", frozenset()),
        ("FileETag MTime Size", "file_etag", frozenset({"mtime", "size"})),
        ("AcceptPathInfo Off", "accept_path_info", "off"),
        ("LimitRequestBody 10M", "limit_request_body", 10 << 20),
        ("UseCanonicalName On", "use_canonical_name", "on"),
        ("ServerSignature EMail", "server_signature", "email"),
        ("ExpiresActive On", "expires_active", True),
        ('ExpiresDefault "access plus 1 month"', "expires_default", Expiry("", False, 30 * 86400)),
        ('ExpiresDefault "now 2 Days 1 minute"', "expires_default", Expiry("", False, 2 * 86400 + 60)),
        ("ExpiresDefault access", "expires_default", Expiry("", False, 0)),
        ("ExpiresDefault m30", "expires_default", Expiry("", True, 30)),
        ("Options None", "options", Options(frozenset())),
        ("Options All", "options", Options(frozenset({"indexes", "followsymlinks", "execcgi", "includes"}))),
        ("Options +Indexes -ExecCGI", "options", Options(None, frozenset({"indexes"}), frozenset({"execcgi"}))),
    ],
)
def test_a_directive_sets_its_field(line: str, field: str, value: object) -> None:
    settings = settings_of(line)
    assert getattr(settings, field) == value
    assert str(settings.origins[field]) == "/etc/site.conf:2"


@pytest.mark.parametrize(
    ("line", "field", "entries"),
    [
        ("AddHandler WSGI-Script .WSGI py", "extensions", [("wsgi", "wsgi-script"), ("py", "wsgi-script")]),
        ("AddType text/x-foo .foo", "extensions", [("foo", "text/x-foo")]),
        ("RemoveHandler .wsgi", "extensions", [("wsgi", None)]),
        ("SetEnv A", "environment", [("A", "")]),
        ('SetEnv A "b c"', "environment", [("A", "b c")]),
        ("UnsetEnv A B", "environment", [("A", None), ("B", None)]),
        ("PassEnv A", "environment", [("A", None)]),
    ],
)
def test_a_directive_adds_to_its_list(line: str, field: str, entries: list[tuple[str, str | None]]) -> None:
    names = {"extensions": "extension", "environment": "name"}
    found = getattr(settings_of(line), field)
    assert [(getattr(entry, names[field]), entry.value) for entry in found] == entries


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("Redirect /a /b", Redirect(302, "/a", "/b")),
        ("Redirect permanent /a http://x/b", Redirect(301, "/a", "http://x/b")),
        ("Redirect 410 /a", Redirect(410, "/a", None)),
        ("Redirect gone /a", Redirect(410, "/a", None)),
        ("RedirectMatch 303 ^/a(.*)$ /b$1", Redirect(303, "^/a(.*)$", "/b$1", is_regex=True)),
        ("RedirectMatch ^/a(.*)$ https://x$1", Redirect(302, "^/a(.*)$", "https://x$1", is_regex=True)),
        ("RedirectPermanent /a /b", Redirect(301, "/a", "/b")),
        ("RedirectTemp /a /b", Redirect(302, "/a", "/b")),
    ],
)
def test_redirects_are_the_hosts_outside_of_sections_and_the_sections_inside(line: str, expected: Redirect) -> None:
    assert host_of(line).redirects == (expected,)
    assert section_of(f"<Location />\n{line}\n</Location>").settings.redirects == (expected,)


@pytest.mark.parametrize(
    ("line", "status", "target"),
    [
        ("Redirect http://h/", 302, "http://h/"),
        ("Redirect permanent http://h/x?y", 301, "http://h/x?y"),
        ("Redirect /there", 302, "/there"),
        ("Redirect gone", 410, None),
        ("Redirect 404", 404, None),
    ],
)
def test_a_redirect_without_a_path_is_for_all_of_its_section(line: str, status: int, target: str | None) -> None:
    """Of a `<Location>` it is the host's, for it counts before access is looked at; the last one counts first."""
    lines = f"Redirect /a/b /c\n<Location /a>\nRedirect http://first/\n{line}\n</Location>\n"
    host = host_of(f"{lines}<Location /s/>\n{line}\n</Location>\n<Location />\n{line}\n</Location>")
    assert [(one.status, one.pattern, one.target) for one in host.redirects] == [
        (status, "^/", target),
        (status, "^/s/", target),
        (status, "^/a(?:/|$)", target),
        (302, "^/a(?:/|$)", "http://first/"),
        (302, "/a/b", "/c"),
    ]
    for section in ("<LocationMatch ^/a>", "<Location /a*>", "<Directory /a>", "<Files a>"):
        end = f"</{section[1:].partition(' ')[0]}>"
        settings = section_of(f"{section}\nRedirect /a/b /c\n{line}\n{end}").settings
        assert [one.pattern for one in settings.redirects] == ["^", "/a/b"]
        assert settings.redirects[0] == Redirect(status, "^", target, is_regex=True)


def test_a_redirect_for_all_of_a_section_refers_to_no_groups() -> None:
    result = loaded("Listen 80\n<LocationMatch ^/a(.*)>\nRedirect http://h/$1x\n</LocationMatch>\n")
    assert [problem.text.partition(";")[0] for problem in result.problems] == [
        "$1 and its like are empty here, as under httpd"
    ]
    assert result.required().main.sections[0].settings.redirects[0].target == "http://h/x"


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("Header set X-A b", HeaderRule(False, "set", "X-A", "b")),
        ('Header always append X-A "b c" env=V', HeaderRule(False, "append", "X-A", "b c", always=True, condition="V")),
        ("Header unset X-A env=!V", HeaderRule(False, "unset", "X-A", condition="!V")),
        ("Header edit X-A ^a b", HeaderRule(False, "edit", "X-A", "^a", "b")),
        ("Header edit* X-A: a b", HeaderRule(False, "edit*", "X-A", "a", "b")),
        ("Header echo ^X-", HeaderRule(False, "echo", "^X-")),
        ('Header set X-T "%t %D %{V}e %%"', HeaderRule(False, "set", "X-T", "%t %D %{V}e %%")),
        ("RequestHeader setifempty X-A b", HeaderRule(True, "setifempty", "X-A", "b")),
    ],
)
def test_headers_are_read_as_mod_headers_reads_them(line: str, expected: HeaderRule) -> None:
    assert settings_of(line).headers == (expected,)


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("SetEnvIf Request_URI ^/x a=1 !b c", ("Request_URI", "^/x", (("a", "1"), ("b", None), ("c", "1")), False)),
        ("SetEnvIfNoCase Referer x a", ("Referer", "x", (("a", "1"),), True)),
        ("BrowserMatch MSIE a=b=c", ("User-Agent", "MSIE", (("a", "b=c"),), False)),
        ("BrowserMatchNoCase msie a", ("User-Agent", "msie", (("a", "1"),), True)),
    ],
)
def test_conditional_variables_are_read(line: str, expected: tuple[object, ...]) -> None:
    (rule,) = settings_of(line).environment_conditions
    assert (rule.attribute, rule.pattern, rule.variables, rule.ignore_case) == expected


def _infos(text: str) -> list[str]:
    return [problem.text for problem in loaded(text).problems if problem.severity is Severity.INFO]


def test_variables_for_clients_of_the_last_century_are_said_to_be_without_effect() -> None:
    [info] = _infos('Listen 80\nBrowserMatch "RealPlayer 4" force-response-1.0 nokeepalive\n')
    assert info.startswith("force-response-1.0 is without effect")


@pytest.mark.parametrize(
    ("line", "kind", "value"),
    [
        ("ErrorDocument 404 /missing.html", "path", "/missing.html"),
        ("ErrorDocument 500 https://x/", "url", "https://x/"),
        ('ErrorDocument 503 "Back soon"', "text", "Back soon"),
        ("ErrorDocument 404 default", "default", ""),
    ],
)
def test_error_documents_are_of_four_kinds(line: str, kind: str, value: str) -> None:
    (document,) = settings_of(line).error_documents
    assert (document.kind, document.value) == (kind, value)


def test_an_index_that_is_not_redirected_to_is_warned_of() -> None:
    assert warnings_of("Listen 80\nDirectoryIndexRedirect Off\n") == []
    for word in ("On", "permanent", "303"):
        [warning] = warnings_of(f"Listen 80\nDirectoryIndexRedirect {word}\n")
        assert warning.startswith("it has no effect: a directory's index is sent at the directory's own URL")
    assert "'maybe' is not supported" in error_of("Listen 80\nDirectoryIndexRedirect maybe\n")


@pytest.mark.parametrize(
    ("line", "warning"),
    [
        ("ErrorDocument 301 /x", "301 is no error, so it has no effect: a redirect has the server's own page"),
        ("ErrorDocument 302 http://x/", "302 is no error, so it has no effect: a redirect has the server's own page"),
        ("ErrorDocument 200 /x", "200 is no error, so it has no effect; give 400 to 599"),
        ("ErrorDocument 401 http://x/", "a URL is ignored for 401, as by httpd: the client would never be asked"),
    ],
)
def test_error_documents_that_nobody_sees_are_warned_of(line: str, warning: str) -> None:
    """httpd starts with them, so a site has them; what was said before them counts on."""
    result = loaded(f"Listen 80\nErrorDocument 401 /before\n{line}\n")
    assert [problem.text.startswith(warning) for problem in result.problems] == [True]
    assert [document.value for document in result.required().main.settings.error_documents] == ["/before"]


# --- Access


@pytest.mark.parametrize(
    ("line", "provider", "arguments"),
    [
        ("Require all granted", "all", ("granted",)),
        ("Require ip 10.1 192.0.2.7 2001:db8::/32", "ip", ("10.1.0.0/16", "192.0.2.7", "2001:db8::/32")),
        ("Require host Example.org", "host", ("example.org",)),
        ("Require local", "local", ()),
        ("Require env a b", "env", ("a", "b")),
        ("Require method get post", "method", ("GET", "POST")),
    ],
)
def test_requirements_are_read(line: str, provider: str, arguments: tuple[str, ...]) -> None:
    require = section_of(f"<Location />\n{line}\n</Location>").settings.require
    assert require == RequireBlock(Combination.ANY, (Require(provider, arguments),))


def test_blocks_of_requirements_are_nested() -> None:
    lines = "<RequireAll>\nRequire all granted\n<RequireNone>\nRequire ip 10\n</RequireNone>\n</RequireAll>\n"
    require = section_of(f"<Location />\n{lines}Require not env x\n</Location>").settings.require
    none = RequireBlock(Combination.NONE, (Require("ip", ("10.0.0.0/8",)),))
    inner = RequireBlock(Combination.ALL, (Require("all", ("granted",)), none))
    assert require == RequireBlock(Combination.ANY, (inner, Require("env", ("x",), negated=True)))


def test_limit_restricts_access_to_methods() -> None:
    section = section_of("<Location />\n<LimitExcept GET>\nDeny from all\n</LimitExcept>\n</Location>")
    methods = Methods(frozenset({"GET", "HEAD"}), inverted=True)
    assert section.settings.access_list == AccessList((), (AccessRule(False, "all", methods),))


def test_methods_that_nobody_knows_are_warned_of() -> None:
    """Where a letter is wrong nothing is protected, and nobody notices."""
    lines = "<Limit GET PSOT>\nDeny from all\n</Limit>\n<LimitExcept HED>\nDeny from all\n</LimitExcept>"
    found = warnings_of(f"Listen 80\n<Location />\n{lines}\nRequire method DELET\n</Location>\n")
    assert found == [
        "HTTP has no method PSOT, so nobody sends it; did you mean POST?",
        "HTTP has no method HED, so nobody sends it; did you mean HEAD?",
        "HTTP has no method DELET, so nobody sends it; did you mean DELETE?",
    ]


def test_allow_and_deny_take_networks_names_and_variables() -> None:
    section = section_of("<Location />\nOrder Allow,Deny\nAllow from 10.1 .example.org env=ok ::1\n</Location>")
    access = section.settings.access_list
    assert access is not None
    assert [rule.who for rule in access.rules] == ["10.1.0.0/16", ".example.org", "env=ok", "::1"]
    assert access.orders == ((Order.ALLOW_DENY, None),)


# --- Rewriting


def test_rewrite_rules_keep_their_backslashes_and_quotes() -> None:
    rewrite = host_of('RewriteEngine On\nRewriteRule "^/a b\\.x$" "/c d" [NC,R]\nRewriteRule ^/e\\ f$ - [F]').rewrite
    assert rewrite is not None
    assert [(rule.pattern, rule.substitution) for rule in rewrite.rules] == [("^/a b\\.x$", "/c d"), ("^/e\\ f$", "-")]
    assert rewrite.rules[0].flags == (RewriteFlag("NC"), RewriteFlag("R", "302"))


def test_conditions_belong_to_the_next_rule_only() -> None:
    lines = "RewriteCond %{HTTPS} !=on [NC,OR]\nRewriteCond %1 -eq\nRewriteRule a b\nRewriteRule c d"
    rewrite = host_of(lines).rewrite
    assert rewrite is not None
    assert [len(rule.conditions) for rule in rewrite.rules] == [2, 0]
    assert rewrite.rules[0].conditions[0] == RewriteCondition("%{HTTPS}", "=on", True, True, True)


@pytest.mark.parametrize(
    ("flag", "expected"),
    [
        ("redirect=permanent", RewriteFlag("R", "301")),
        ("R=404", RewriteFlag("R", "404")),
        ("E=a:b", RewriteFlag("E", "a:b")),
        ("skip=2", RewriteFlag("S", "2")),
        ("passthrough", RewriteFlag("PT")),
        ("T=text/plain", RewriteFlag("T", "text/plain")),
        ("end", RewriteFlag("END")),
    ],
)
def test_flags_are_in_their_short_form(flag: str, expected: RewriteFlag) -> None:
    rewrite = host_of(f"RewriteRule a b [{flag}]").rewrite
    assert rewrite is not None
    assert rewrite.rules[0].flags == (expected,)


def test_maps_are_the_hosts_before_the_servers() -> None:
    lines = "RewriteMap b rnd:/m\n<VirtualHost *>\nRewriteMap a int:escape\nRewriteMap a TXT:conf/a.txt\n</VirtualHost>"
    server = loaded(f"Listen 80\nServerRoot /etc\nRewriteMap a /n\n{lines}\n").required()
    assert server.main.rewrite_maps == (RewriteMap("a", "txt", "/n"), RewriteMap("b", "rnd", "/m"))
    assert server.virtual_hosts[0].rewrite_maps == (
        RewriteMap("a", "txt", "/etc/conf/a.txt"),
        *server.main.rewrite_maps,
    )


def test_an_alias_in_a_location_is_for_that() -> None:
    server = loaded("Listen 80\nAlias /a /b\n<Location /x>\nAlias /srv/x\n</Location>\n").required()
    assert [(alias.url, alias.target, alias.position.line) for alias in server.main.aliases] == [
        ("/a", "/b", 2),
        ("/x", "/srv/x", 4),
    ]


def test_a_condition_without_a_rule_is_a_warning() -> None:
    assert warnings_of("Listen 80\nRewriteCond %{HTTPS} on\n") == ["no RewriteRule follows, so it has no effect"]


@pytest.mark.parametrize(
    ("text", "left", "warning"),
    [
        (
            "%{HTTP_X_REAL_IP}|%{https}",
            "|%{https}",
            "%{HTTP_X_REAL_IP}, so it is empty, as under httpd; for the header",
        ),
        ("%{REQEST_URI}x", "x", "%{REQEST_URI}, so it is empty, as under httpd; did you mean REQUEST_URI?"),
        ("a%{REDIRECT_STATUS}", "a", "an environment variable %{ENV:REDIRECT_STATUS}"),
        ("${m:%{NONE}}", "${m:}", "there is no variable %{NONE}"),
        ("%{}", "", "there is no variable %{}"),
        (r"\%{NONE}%{ENV:x}%{HTTP:Y}%{LA-U:z}%{SCRIPT_USER}", r"\%{NONE}%{ENV:x}%{HTTP:Y}%{LA-U:z}%{SCRIPT_USER}", ""),
    ],
)
def test_variables_that_there_are_not_are_left_out_with_a_warning(text: str, left: str, warning: str) -> None:
    """As httpd does it in silence; what it knows and we do not is refused by whoever reads the rules."""
    lines = f"Listen 80\nRewriteCond {text} x\nRewriteRule a {text} [E=v:{text}]\n"
    result = load("/a.conf", FilesInMemory({"/a.conf": lines}), variables=["HTTPS", "REQUEST_URI"])
    texts = [problem.text for problem in result.of(Severity.WARNING)]
    assert [warning in found for found in texts] == ([True] * 3 if warning else [])
    assert not result.of(Severity.ERROR)
    rewrite = result.required().main.rewrite
    assert rewrite is not None
    [rule] = rewrite.rules
    assert (rule.conditions[0].test, rule.substitution, rule.flags[0].value) == (left, left, f"v:{left}")


@pytest.mark.parametrize("rule", ["^/a /b [Lats]", "( /b", "^/a"])
def test_a_condition_before_a_rule_that_cannot_be_meant_is_no_second_mistake(rule: str) -> None:
    result = loaded(f"Listen 80\nRewriteCond %{{HTTPS}} on\nRewriteRule {rule}\n")
    assert [(problem.position.line, problem.directive) for problem in result.problems] == [(3, "RewriteRule")]


# --- Hosts


def test_a_virtual_host_inherits_what_it_does_not_say() -> None:
    server = server_of("""\
Listen 80
ServerAdmin a@example
DocumentRoot /main
ErrorLog /main.log
LogLevel warn wsgi:debug
CustomLog /access.log common
Timeout 30
KeepAlive Off
Alias /main /m
WSGIScriptAlias /main /m.wsgi
ErrorDocument 404 /main
RewriteRule a b
<Directory /main>
</Directory>
<VirtualHost *:80>
  ServerName h.example
  Alias /host /h
  WSGIScriptAlias /host /h.wsgi
  ErrorDocument 404 /host
  LogLevel rewrite:trace3
  KeepAlive On
  <Directory /host>
  </Directory>
</VirtualHost>
""")
    (host,) = server.virtual_hosts
    assert (host.server_admin, host.document_root) == ("a@example", "/main")
    assert host.error_log == server.main.error_log is not None
    assert host.access_logs == server.main.access_logs
    assert host.log_levels == (("", "warning"), ("wsgi", "debug"), ("rewrite", "debug"))
    assert (host.connection.timeout, host.connection.keep_alive) == (30.0, True)
    assert [alias.url for alias in host.aliases] == ["/host", "/main"]
    assert [alias.url for alias in host.script_aliases] == ["/host", "/main"]
    assert [document.value for document in host.settings.error_documents] == ["/main", "/host"]
    assert [section.pattern for section in host.sections] == ["/main", "/host"]
    assert host.rewrite is None


def test_a_host_with_an_access_log_does_not_write_to_the_servers() -> None:
    server = server_of(
        'Listen 80\nCustomLog /a common\n<VirtualHost *>\nCustomLog "|cat -u" "%h" env=!x\n</VirtualHost>\n'
    )
    assert server.virtual_hosts[0].access_logs == (AccessLog(LogTarget(LogTargetKind.PIPE, "cat -u"), "%h", "!x"),)


@pytest.mark.parametrize(
    ("word", "target"),
    [
        ("/var/log/x", LogTarget(LogTargetKind.FILE, "/var/log/x")),
        ("logs/x", LogTarget(LogTargetKind.FILE, "/etc/logs/x")),
        ("/dev/stderr", LogTarget(LogTargetKind.STREAM, "stderr")),
        ('"||rotate /x 1d"', LogTarget(LogTargetKind.PIPE, "rotate /x 1d")),
        ('"|$a | b"', LogTarget(LogTargetKind.PIPE, "a | b", shell=True)),
        ("syslog", LogTarget(LogTargetKind.SYSLOG, "")),
        ("syslog:local1:me", LogTarget(LogTargetKind.SYSLOG, "local1:me")),
    ],
)
def test_logs_go_to_files_streams_commands_and_syslog(word: str, target: LogTarget) -> None:
    assert host_of(f"ErrorLog {word}").error_log == target


def test_a_global_log_is_every_host_s() -> None:
    """Hosts with logs of their own write to it, too; the others have all of the main server's."""
    server = server_of(
        "Listen 80\nCustomLog /a common\nGlobalLog /g %h env=x\n"
        "<VirtualHost *>\nServerName a\nCustomLog /b common\n</VirtualHost>\n"
        "<VirtualHost *>\nServerName b\n</VirtualHost>\n"
    )
    logs = [[(log.target.value, log.condition) for log in host.access_logs] for host in server.hosts]
    assert logs == [
        [("/a", None), ("/g", "x")],
        [("/b", None), ("/g", "x")],
        [("/a", None), ("/g", "x")],
    ]


def test_a_nickname_may_be_defined_after_it_is_used() -> None:
    assert host_of('CustomLog /a mine\nLogFormat "%h %D" mine').access_logs[0].format == "%h %D"


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ("*:80", HostAddress("*", 80)),
        ("*", HostAddress("*", None)),
        ("*:*", HostAddress("*", None)),
        ("_default_:443", HostAddress("*", 443)),
        ("192.0.2.1", HostAddress("192.0.2.1", None)),
        ("192.0.2.1:80", HostAddress("192.0.2.1", 80)),
        ("[2001:db8::1]:80", HostAddress("2001:db8::1", 80)),
        ("[::1]", HostAddress("::1", None)),
    ],
)
def test_addresses_of_hosts_are_read(word: str, expected: HostAddress) -> None:
    assert server_of(f"Listen 80\n<VirtualHost {word}>\n</VirtualHost>\n").virtual_hosts[0].addresses == (expected,)


def test_a_host_name_as_an_address_is_looked_up() -> None:
    files = FilesInMemory({"/a.conf": "Listen 80\n<VirtualHost www:80>\n</VirtualHost>\n"})
    server = load("/a.conf", files, lookup=lambda name: ["192.0.2.1", "::1"]).required()
    assert server.virtual_hosts[0].addresses == (HostAddress("192.0.2.1", 80), HostAddress("::1", 80))


@pytest.mark.parametrize(
    ("word", "address"),
    [
        ("80", ListenAddress("", 80)),
        ("*:80", ListenAddress("", 80)),
        ("192.0.2.1:80 http", ListenAddress("192.0.2.1", 80)),
        ("[::]:80", ListenAddress("::", 80)),
        ("unix:/run/x.sock", ListenAddress("", 0, "/run/x.sock")),
    ],
)
def test_listeners_are_read(word: str, address: ListenAddress) -> None:
    assert server_of(f"Listen {word}\n").listeners == (Listener(address),)


def test_without_listen_the_ports_of_the_hosts_are_listened_on_once() -> None:
    hosts = "".join(
        f"<VirtualHost {address}>\n</VirtualHost>\n" for address in ("*:80", "192.0.2.1:80", "192.0.2.1:81")
    )
    addresses = [listener.address for listener in server_of(hosts).listeners]
    assert addresses == [ListenAddress("", 80), ListenAddress("192.0.2.1", 81)]


def test_a_name_is_read_with_its_scheme_and_port() -> None:
    host = host_of("ServerName https://WWW.Example.org:8443\nServerAlias *.Example.org x")
    assert (host.scheme, host.server_name, host.server_port) == ("https", "www.example.org", 8443)
    assert host.server_aliases == ("*.example.org", "x")


# --- Groups


def test_a_group_takes_user_and_timeout_of_the_server_unless_it_has_its_own() -> None:
    server = server_of("""\
WSGIDaemonProcess a
WSGIDaemonProcess b user=eve socket-timeout=5
Listen 80
User jack
Group staff
Timeout 90
WSGIPythonHome /venv
""")
    found = [(group.options.user, group.options.group, group.options.socket_timeout) for group in server.groups]
    assert found == [("jack", "staff", 90.0), ("eve", None, 5.0)]
    assert [group.options.python_home for group in server.groups] == ["/venv", "/venv"]


def test_a_group_may_be_declared_after_it_is_named() -> None:
    server = server_of("Listen 80\nWSGIScriptAlias / /a.wsgi process-group=a\nWSGIDaemonProcess a\n")
    assert [group.name for group in server.groups] == ["a"]


def test_a_group_of_one_virtual_host_is_not_for_another() -> None:
    text = """\
Listen 80
<VirtualHost *:80>
ServerName a.example
WSGIDaemonProcess a
</VirtualHost>
<VirtualHost *:81>
ServerName a.example
WSGIProcessGroup a
</VirtualHost>
<VirtualHost *:80>
ServerName b.example
WSGIProcessGroup a
</VirtualHost>
"""
    assert error_of(text).startswith(
        "12: WSGIProcessGroup: the process group 'a' is declared inside the virtual host a"
    )


@pytest.mark.parametrize(
    ("lines", "there"),
    [
        ("WSGIScriptAlias / /a.wsgi", True),
        ("WSGIScriptAlias / /a.wsgi process-group=%{GLOBAL}", True),
        ("WSGIScriptAlias / /a.wsgi process-group=g", False),
        ("WSGIProcessGroup g\nWSGIScriptAlias / /a.wsgi", False),
        ("<Location />\nWSGIProcessGroup g\n</Location>\nWSGIScriptAlias / /a.wsgi", False),
        ("AddHandler wsgi-script .wsgi", True),
        ("WSGIProcessGroup g\nAddHandler wsgi-script .wsgi", False),
        ("WSGIProcessGroup g\nWSGIDispatchScript /d.wsgi", True),
        ("WSGIImportScript /a.wsgi process-group=%{GLOBAL} application-group=%{GLOBAL}", True),
        ("Alias / /srv", False),
    ],
)
def test_there_is_a_group_for_embedded_mode_if_anything_can_go_there(lines: str, there: bool) -> None:
    server = server_of(f"Listen 80\nUser jack\nWSGIDaemonProcess g\n{lines}\n")
    assert [group.options.user for group in server.groups if group.name == ""] == (["jack"] if there else [])


def test_an_alias_that_names_both_groups_is_loaded_before_the_first_request() -> None:
    lines = "WSGIScriptAlias / /a.wsgi process-group=g application-group=%{GLOBAL}"
    server = server_of(f"Listen 80\nWSGIDaemonProcess g\n{lines}\nWSGIScriptAlias /b /b.wsgi process-group=g\n")
    assert server.import_scripts == (ImportScript("/a.wsgi", "g", ""),)


def test_interpreter_options_stand_in_blocks_or_for_all() -> None:
    server = server_of("""\
Listen 80
WSGIDaemonProcess g
WSGISwitchInterval 0.01
<WSGIInterpreterOptions process-group=g application-group=%{GLOBAL}>
WSGIPythonPath /a:/b
WSGIPythonPath /c
WSGIRestrictStdin On
</WSGIInterpreterOptions>
""")
    assert server.interpreters == (
        InterpreterOptions(switch_interval=0.01),
        InterpreterOptions("g", "", ("/a", "/b", "/c"), restrict_stdin=True),
    )


@pytest.mark.parametrize(
    ("lines", "wanted"),
    [
        ("", None),
        ("WSGIFreeThreading On", True),
        ("WSGIFreeThreading Off", False),
        ("WSGIFreeThreading On\n<WSGIInterpreterOptions process-group=g>\nWSGIFreeThreading Off", False),
        ("<WSGIInterpreterOptions process-group=g>\nWSGIFreeThreading On", True),
        ("<WSGIInterpreterOptions process-group=h>\nWSGIFreeThreading On", None),
        ("<WSGIInterpreterOptions>\nWSGIFreeThreading Off\n</WSGIInterpreterOptions>\nWSGIFreeThreading On", False),
    ],
)
def test_free_threading_is_said_for_process_groups(lines: str, wanted: bool | None) -> None:
    """A block that names the group wins; then the later one, what stands in no block being the first of all."""
    end = "\n</WSGIInterpreterOptions>" if lines.count("WSGIInterpreterOptions") == 1 else ""
    block = free_threading_of(server_of(f"Listen 80\nWSGIDaemonProcess g\nWSGIDaemonProcess h\n{lines}{end}\n"), "g")
    assert (None if block is None else block.free_threading) is wanted


def test_request_read_timeout_becomes_the_fronts_options() -> None:
    clients = server_of("Listen 80\nRequestReadTimeout header=20-40,MinRate=600 body=10\n").clients
    assert (clients.header_timeout, clients.header_max_timeout, clients.header_min_rate) == (20.0, 40.0, 600)
    assert (clients.body_timeout, clients.body_max_timeout, clients.body_min_rate) == (10.0, 0.0, 0)


# --- Mistakes


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("Listen 443 https", "there is no TLS here"),
        ("Listen 80", "80 is listened to already in /etc/site.conf:1"),
        ("Listen 127.0.0.1:80", "127.0.0.1:80 is part of :80, which is listened to in /etc/site.conf:1; leave"),
        ("Listen 81\nListen 0.0.0.0:81", "0.0.0.0:81 is part of :81, which is listened to in /etc/site.conf:2; leave"),
        ("Listen 127.0.0.1:81\nListen *:81", ":81 has 127.0.0.1:81 in it, which is listened to in /etc/site.conf:2"),
        (
            "Define A " + "x" * 1025 + "\nError " + "${A}" * 1024,
            "its variables make the line longer than 1048576 characters",
        ),
        ("<Location /x\n</Location>", "the > at the end of the line is missing"),
        ("Require all granted", "may not stand in the server's own configuration; its place is <Directory>"),
        ("<Directory /x>\nListen 81\n</Directory>", "may not stand in <Directory>; its place is the server's own"),
        ("<Location />\n<Directory /x>\n</Directory>\n</Location>", "may not stand in <Location>"),
        ("Directory /x", "is written <Directory …> with </Directory>"),
        ("<Listen 81>\n</Listen>", "is written Listen without < and >"),
        ("<Directry /x>\n</Directry>", "there is no such section; did you mean Directory?"),
        ("WSGIDaemonProcess", "the name of the process group is missing"),
        ("WSGIDaemonProcess user=jack", "the name of the process group comes first"),
        ("WSGIDaemonProcess a threads = 5", "no blank may stand around the ="),
        ("<WSGIInterpreterOptions process-group=a process-group=b>\n</WSGIInterpreterOptions>", "is given twice"),
        ("<Location />\nRequire all granted # y\n</Location>", "denied; a # inside a line begins no comment: put it"),
        ("ServerName a # y", "; a # inside a line begins no comment: put it into a line of its own"),
        ("WSGIDaemonProcess a threads=5 # y", "'#' is no option; options are written name=value; a # inside a line"),
        ("<Location /a # y>\n</Location>", "; a # inside a line begins no comment"),
        ("WSGIDaemonProcess a threads=5abc", "'5abc' is not a whole number"),
        ("WSGIDaemonProcess a processes=0", "'0' is too small"),
        ("WSGIDaemonProcess a Threads=5", "there is no option 'Threads'; did you mean threads?"),
        ("WSGIDaemonProcess a x=1 threads=y", "there is no option 'x'; threads=y: 'y' is not a whole number"),
        ("WSGIDaemonProcess a\nWSGIDaemonProcess a", "'a' is declared already in /etc/site.conf:2"),
        ("WSGIScriptAlias / /a.wsgi enable-sendfile=On", "there is no option 'enable-sendfile'"),
        ("WSGIScriptAlias a /a.wsgi", "'a' is no URL path"),
        ("WSGIScriptAlias /a", "takes two arguments, and options"),
        ("WSGIScriptAlias / /a.wsgi process-group=nobody", "there is no process group 'nobody'"),
        (
            "WSGIDaemonProcess a preload=On application-groups=interpreters",
            "preload= and application-groups=interpreters exclude each other",
        ),
        (
            "<WSGIInterpreterOptions application-group=a>\nWSGIFreeThreading On\n</WSGIInterpreterOptions>",
            "it is for whole processes; take application-group= out",
        ),
        ("WSGIDaemonProcess s threads=0", "write WSGIImportScript FILE process-group=s"),
        ("WSGIProcessGroup %{GLOBL}", "'%{GLOBL}' is a form that is not known"),
        ("WSGIErrorOverride Maybe", "'Maybe' is neither On nor Off; give On or Off"),
        ("WSGIImportScript /a process-group=g", "takes a file and both groups"),
        ("WSGITrustedProxies 10.0.0.300", "'10.0.0.300' is neither an IP address nor a network"),
        ("WSGITrustedProxyHeaders X-Forwarded-Fro", "did you mean X-Forwarded-For?"),
        ('Options ""', "there is no option ''"),
        ("Options +Index", "there is no option '+Index'; did you mean Indexes?"),
        ("ExpiresDefault access plus 1 month", 'takes 1 argument, not 4: ExpiresDefault "TIME"'),
        ("ExpiresDefault tomorrow", "'tomorrow' does not begin with access, now or modification; give \"access plus"),
        ('ExpiresDefault "access plus a month"', "'a' is not a whole number"),
        ('ExpiresDefault "access plus 1 mont"', "there is no unit 'mont'; did you mean months?"),
        ('ExpiresDefault "access plus 1"', "a unit must follow the 1"),
        ("ExpiresByType css A5", "'css' is no media type such as text/css or image/*"),
        ("RewriteMap m prg:/bin/x", "prg: maps are not supported; no programs are run for rules; write a txt: file"),
        ("RewriteMap m dbm=sdbm:/x", "dbm: maps are not supported; write its keys and values into a txt: file"),
        ("RewriteMap m int:lower", "there is no function 'lower'; did you mean tolower?; give one of tolower, toupper"),
        ("RewriteMap m map.txt", "'map.txt' is none of txt:FILE, rnd:FILE and int:FUNCTION"),
        ("RewriteMap m txt:", "'txt:' is none of txt:FILE"),
        ("RewriteMap a:b int:tolower", "'a:b' cannot be a map's name"),
        (
            "<Location />\nRewriteMap m int:tolower\n</Location>",
            "may not stand in <Location>; its place is the server's",
        ),
        ("<Location /x>\nAlias /x /srv\n</Location>", "takes one argument in a <Location>, which is the URL path"),
        ("<Location ~ /x>\nAlias /srv\n</Location>", "is a pattern; write an AliasMatch outside of it"),
        ("<LocationMatch /x>\nAlias /srv\n</LocationMatch>", "is a pattern; write an AliasMatch outside of it"),
        ("Alias /srv", "takes two arguments: Alias URL-PATH FILE"),
        ("<Location />\nRequire expr true\n</Location>", "expressions are not supported; write SetEnvIf, and Require"),
        ("Redirect 200 /a /b", "200 is no status for a redirect"),
        ("Redirect 301 /a", "needs a URL to go to"),
        ("Redirect gone /a /b", "status 410 takes no URL"),
        ("Redirect http://h/", "a redirect with status 302 needs a URL to go to"),
        ("Redirect gone", "which URL path?"),
        ("<Location />\nRedirect permanent\n</Location>", "which URL path?"),
        ("<Location />\nRedirect http://%{HTTP_HOST}/\n</Location>", "expressions (%{…}) are not supported; write a"),
        ("<Location />\nRedirect there\n</Location>", "'there' is neither a URL nor an URL path"),
        ("<Location />\nRedirectTemp http://h/\n</Location>", "takes 2 arguments, not 1: RedirectTemp URL-PATH URL"),
        ("RewriteRule a", "takes two or three arguments"),
        ("RewriteRule (a b", "(a"),
        ("RewriteRule a b [P]", "there is no proxy here"),
        ("RewriteRule a b [L, R]", "takes two or three arguments"),
        ("RewriteCond %{X} y [ZZ]", "there is no flag 'ZZ'"),
        ("RewriteBase /x", "may not stand in the server's own configuration"),
        ("Header sett X-A b", "there is no action 'sett'; did you mean set?"),
        ("Header set X-A b c", "'c' is no condition"),
        ("Header set X-A b expr=true", "expressions are not supported; write SetEnvIf, and env= with its variable"),
        ("RequestHeader set X-A expr=%{REQUEST_SCHEME}", "expressions are not supported; give a text, in which"),
        ("Header edit X-A a expr=%{REQUEST_SCHEME}", "expressions are not supported; give a text, in which"),
        ("Header set X-A %q", "'%q' is no item of a header's value"),
        ("CustomLog /a comon", "no LogFormat has the nickname 'comon'; did you mean common?"),
        ("CustomLog /a common expr=x", "'expr=x' is no condition"),
        ("LogLevel loud", "'loud' is not a log level"),
        (
            "ServeOption maximum-connection 5",
            "there is no option 'maximum-connection'; did you mean maximum-connections?",
        ),
        ("RequestReadTimeout header=40-20", "the second time must be longer than the first"),
        ("Error ${HOME}", "${HOME}"),
        ("ProxyPass / http://x/", "not supported: there is no proxy here"),
        ("php_value memory_limit 64M", "not supported: there is no PHP here"),
        ("AllowMethods GET POST", "not supported: write <LimitExcept"),
        ("Substitute s/a/b/", "not supported: answers are not changed on their way"),
        ("PythonHandler mod_python.publisher", "not supported: it is mod_python's"),
        ("DAV On", "not supported: there is no WebDAV here"),
        ("SSLFIPS on", "not supported: there is no TLS here"),
        ("ProxyErrorOverride On", "not supported: there is no proxy here"),
        ("<If true>\n</If>", "not supported: expressions are not supported"),
        ("SSLEngine on", "not supported: there is no TLS here"),
        ("AuthType Basic", "not supported: the server authenticates nobody"),
        ("<Location />\nRequire valid-user\n</Location>", "'valid-user' needs authentication"),
        ("<Location />\n<RequireAll>\n</RequireAll>\n</Location>", "there is no Require in it"),
        ("<Location />\nOrder deny, allow\n</Location>", "takes 1 argument, not 2"),
        ("<Files a/b>\n</Files>", "'a/b' holds a /"),
        ("<DirectoryMatch (>\n</DirectoryMatch>", "("),
        ("<Location /a b>\n</Location>", "takes one argument; quote it if it holds blanks"),
    ],
)
def test_a_mistake_is_named_with_what_to_do(line: str, message: str) -> None:
    assert message in error_of(f"Listen 80\n{line}\n")


@pytest.mark.parametrize("other", ["[::1]:80", "[::]:80", "unix:/run/a", "127.0.0.1:81", "site.test:80"])
def test_listeners_that_may_stand_beside_one_for_all_addresses_are_no_mistake(other: str) -> None:
    """IPv6 has ports of its own here and there, and what a name means is not known before the start."""
    assert errors_of(f"Listen 80\nListen {other}\n") == []


@pytest.mark.parametrize(
    ("written", "name", "value"),
    [
        ("user=a user=b", "user", "b"),
        ("threads=5 threads=6", "threads", 6),
        ("maximum_requests=5 maximum-requests=6", "maximum_requests", 6),
        ("python-path=/a python-path=''", "python_path", ()),
    ],
)
def test_of_an_option_that_is_given_twice_the_last_counts_as_in_mod_wsgi(
    written: str, name: str, value: object
) -> None:
    text = f"Listen 80\nWSGIDaemonProcess g {written}\n"
    (group,) = server_of(text).groups
    assert getattr(group.options, name) == value
    assert [warning.split("=", 1)[1] for warning in warnings_of(text)] == [" is given twice; the last one counts"]


def test_of_an_aliass_option_that_is_given_twice_the_last_counts_as_in_mod_wsgi() -> None:
    text = "Listen 80\nWSGIDaemonProcess a\nWSGIScriptAlias / /a.wsgi process-group=b process-group=a\n"
    (alias,) = server_of(text).main.script_aliases
    assert alias.process_group == "a"
    assert warnings_of(text) == ["process-group= is given twice; the last one counts"]


@pytest.mark.parametrize("wrong", ["g threads=x", "g threads = 5", "g user", "g/h"])
def test_a_group_that_is_declared_wrong_is_no_unknown_one_besides(wrong: str) -> None:
    name = wrong.split(maxsplit=1)[0]
    assert len(errors_of(f"Listen 80\nWSGIDaemonProcess {wrong}\nWSGIProcessGroup {name}\n")) == 1


@pytest.mark.parametrize(
    "written",
    [
        *("python-path=''", "python-eggs=''", "python-home=''", "lang=''", "locale=''", "display-name=''"),
        "response-buffer-size=0",
    ],
)
def test_what_mod_wsgi_express_writes_for_nothing_is_as_if_not_written(written: str) -> None:
    text = f"Listen 80\nWSGIDaemonProcess g {written}\n"
    (group,) = server_of(text).groups
    assert group.options == GroupOptions()
    assert warnings_of(text) == []


@pytest.mark.parametrize("number", ["2147483647", "604801", "9" * 400])
@pytest.mark.parametrize("name", ["socket-timeout", "restart-interval", "cpu-time-limit"])
def test_more_seconds_than_there_are_count_as_the_most(name: str, number: str) -> None:
    """mod_wsgi takes any number; FreeIPA writes the largest."""
    text = f"Listen 80\nWSGIDaemonProcess g {name}={number}\n"
    (group,) = server_of(text).groups
    assert getattr(group.options, name.replace("-", "_")) == 7 * 24 * 3600
    assert warnings_of(text) == [f"{name}={number} is more than there is; it counts as 168h"]


@pytest.mark.parametrize("line", ["Timeout 2147483647", "KeepAliveTimeout 2147483647", "WSGISlowRequests 2147483647"])
def test_more_seconds_than_a_host_can_have_count_as_the_most(line: str) -> None:
    assert warnings_of(f"Listen 80\n{line}\n") == ["2147483647 is more than there is; it counts as 168h"]
    assert host_of(line).connection.timeout in (None, 7 * 24 * 3600)


@pytest.mark.parametrize("written", ["socket-timeout=169h", "switch-interval=0", "socket-timeout=-1"])
def test_a_time_that_is_no_number_of_seconds_too_many_is_refused(written: str) -> None:
    assert f"{written}: " in error_of(f"Listen 80\nWSGIDaemonProcess g {written}\n")


@pytest.mark.parametrize(
    "name",
    [
        "GssapiCredStore", "KrbAuthRealms", "ShibRequestSetting", "CosignAllowPublicAccess", "OIDCClientID", "CASScope",
        "LookupUserByCertificate", "SessionCookieName", "SessionMaxAge", "AuthLDAPGroupAttribute",
        "AuthFormLogoutLocation", "AuthDigestNcCheck", "authbasicusedigestalgorithm", "MellonEnable",
    ],
)  # fmt: skip
def test_what_authenticates_is_refused_as_such_whichever_module_it_is_of(name: str) -> None:
    assert error_of(f"Listen 80\n{name} x\n") == (
        f"2: {name}: not supported: the server authenticates nobody; let the application or the proxy in front do it"
    )


def test_what_is_refused_for_the_same_reason_is_one_error_for_each_file() -> None:
    text = (
        "Listen 80\nSSLEngine On\nSSLProtocol all\nProxyVia On\nInclude b\n<Location /a>\nSSLEngine On\n</Location>\n"
    )
    tls = "there is no TLS here; let nginx or HAProxy terminate it (see conf/), and keep the rest of the host"
    proxy = "there is no proxy here; let nginx or HAProxy in front of the server route these URLs"
    assert list(map(str, loaded(text, {"/etc/b": "SSLEngine On\n"}).of(Severity.ERROR))) == [
        f"/etc/site.conf:2: error: SSLEngine: not supported: {tls}; likewise SSLProtocol (line 3), SSLEngine (line 7)",
        f"/etc/site.conf:4: error: ProxyVia: not supported: {proxy}",
        f"/etc/b:1: error: SSLEngine: not supported: {tls}",
    ]


def test_what_cgi_scripts_would_answer_is_not_found() -> None:
    """Neither another alias nor DocumentRoot, which would send a script's source, has it."""
    text = "Listen 80\nDocumentRoot /srv\nScriptAlias /cgi-bin/ /srv/cgi-bin/\nWSGIScriptAlias / /a.wsgi\n"
    assert server_of(text).main.redirects == (Redirect(404, "/cgi-bin/", None),)
    assert warnings_of(text) == ["CGI scripts are not run, so /cgi-bin/ is answered with 404; run them elsewhere"]


@pytest.mark.parametrize(
    "line", ["ScriptAlias / /srv/hgweb.cgi/", "ScriptAliasMatch ^/(.*) /srv/$1", "ScriptAlias x /y"]
)
def test_a_site_of_cgi_scripts_is_refused(line: str) -> None:
    assert len(errors_of(f"Listen 80\n{line}\n")) == 1


def test_a_directive_with_a_row_of_its_own_is_not_refused_for_how_it_begins() -> None:
    assert errors_of("Listen 80\n<Location />\nAuthMerging Or\nAuthzSendForbiddenOnFailure On\n</Location>\n") == []


@pytest.mark.parametrize("line", ["Gssap x", "AuthTyp", "Shi x"])
def test_a_family_of_directives_is_no_name_that_could_be_meant(line: str) -> None:
    assert "*" not in error_of(f"Listen 80\n{line}\n")


def test_x_sendfile_is_refused_with_what_to_do_instead() -> None:
    """An application that relies on it sends no body itself."""
    assert "wsgi.file_wrapper" in error_of("Listen 80\nXSendFile On\n")
    assert "wsgi.file_wrapper" in error_of("Listen 80\nXSendFileIgnoreEtag On\n")


@pytest.mark.parametrize("line", ["SSLEngine Off", "SSLEngine off", "AuthType None", "SuexecUserGroup jack jack"])
def test_what_is_not_supported_may_be_switched_off(line: str) -> None:
    """Nothing is missed then; it is told in one line, as what does not matter is."""
    result = loaded(f"Listen 80\n{line}\n")
    assert result.server is not None
    assert [problem.severity for problem in result.problems] == [Severity.INFO]


@pytest.mark.parametrize(
    "line",
    [
        "XBitHack on",
        "CacheEnable disk /",
        "RLimitMEM 100000000",
        "H2Push on",
        "CookieTracking on",
        "MMapFile /a /b",
        "WSGILazyInitialization On",
    ],
)
def test_what_of_httpd_nobody_would_miss_is_accepted(line: str) -> None:
    result = loaded(f"Listen 80\n{line}\n")
    assert result.server is not None
    assert [problem.severity for problem in result.problems] == [Severity.INFO]


def test_a_directive_that_does_not_matter_costs_one_line_however_often_it_is_written() -> None:
    result = loaded("Listen 80\nLoadModule a b\nLoadModule c d\nStartServers 5\n")
    assert [(problem.position.line, problem.directive, problem.severity) for problem in result.problems] == [
        (2, "LoadModule", Severity.INFO),
        (4, "StartServers", Severity.INFO),
    ]


def test_a_fragment_without_listen_is_an_error_and_is_checked_all_the_same() -> None:
    """A file of conf.d/ is right but for the listener, which stands elsewhere."""
    result = loaded("WSGIScriptAlias / /gone.wsgi\n")
    assert result.server is not None
    found = check(result.server, FakeMachine(missing=frozenset({"/gone.wsgi"})))
    assert "there is no script /gone.wsgi" in [problem.text for problem in found]
    with pytest.raises(ConfigurationError, match="Listen: there is none"):
        result.required()


@pytest.mark.parametrize("line", ["Listen 443 https", "<VirtualHost 1.2.3>\n</VirtualHost>"])
def test_a_listener_that_is_written_wrong_is_no_missing_one_besides(line: str) -> None:
    assert "there is none" not in error_of(line + "\n")


PASSED_OVER = "<IfModule mod_ssl.c>\nWSGIScriptAlias / /a.wsgi\n</IfModule>\n"


def test_a_site_that_a_missing_module_takes_away_whole_is_said_to_be_nothing() -> None:
    found = loaded(f"Listen 80\n{PASSED_OVER}{PASSED_OVER}").of(Severity.WARNING)
    assert [problem.position.line for problem in found] == [2, 2, 5]
    assert found[1].text == "nothing is left to serve, so every request gets 404"


@pytest.mark.parametrize(
    "line", ["WSGIScriptAlias / /a.wsgi", "DocumentRoot /srv", "Alias /a /srv", "Redirect / http://a/"]
)
def test_a_site_of_which_something_is_left_is_not_said_to_be_nothing(line: str) -> None:
    assert len(loaded(f"{PASSED_OVER}<VirtualHost *:80>\n{line}\n</VirtualHost>\n").of(Severity.WARNING)) == 1


def test_an_empty_configuration_says_that_nothing_is_listened_on() -> None:
    assert errors_of("") == [
        "/etc/site.conf:1: error: Listen: there is none, and no <VirtualHost> names a port; write Listen 8000"
    ]


# --- Whatever comes

NAMES = st.sampled_from([row.name for row in DIRECTIVES.values()])
WORDS = st.one_of(
    st.sampled_from(
        ["On", "/", "/a", "*:80", "a=b", "process-group=g", "^(.*)$", "(", "[L]", "[", "%{GLOBAL}", "-f", "~", "not"]
    ),
    st.sampled_from(
        ["all", "granted", "from", "env=", "404", "80", "0", "-1", '""', '"a', "x:y", "|", "set", "header=1"]
    ),
    st.text(max_size=5),
)
LINES = st.builds(lambda name, words: (name, " ".join(words)), NAMES, st.lists(WORDS, max_size=5))


def text_of(lines: list[tuple[str, str]]) -> str:
    """Lines as a configuration; a section holds all that follows."""
    text, ends = "Listen 80\nWSGIDaemonProcess g\n", ""
    for name, words in lines:
        line = " ".join(words.split("\n"))
        if name.startswith("<"):
            text += f"{name[:-1]} {line}>\n"
            ends = f"</{name[1:]}\n{ends}"
        else:
            text += f"{name} {line}\n"
    return text + ends


@given(st.lists(LINES, max_size=8).map(text_of))
def test_whatever_is_written_is_loaded_or_refused_with_its_line(text: str) -> None:
    result = loaded(text)
    assert (result.server is None) == bool(result.of(Severity.ERROR))
    assert all(problem.text for problem in result.problems)
    if result.server is not None:
        check(result.server, FakeMachine())


def test_a_file_that_cannot_be_read_is_one_error() -> None:
    """What it does not say is no further mistake."""
    loaded = load("/etc/site.conf", FilesInMemory({}))
    assert [problem.text for problem in loaded.problems] == ["/etc/site.conf cannot be read: No such file or directory"]
