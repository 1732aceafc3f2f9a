"""From the text of a configuration to the model: what each directive says, and every mistake at once."""

from collections.abc import Mapping

import pytest

from pydaemonwsgi.config.apache.files import FilesInMemory
from pydaemonwsgi.config.group_options import GroupOptions
from pydaemonwsgi.config.load import Loaded, load
from pydaemonwsgi.config.model import (
    AccessList,
    AccessLog,
    AccessRule,
    ExtensionRule,
    Host,
    HostAddress,
    Listener,
    LogTarget,
    LogTargetKind,
    Matching,
    Options,
    Order,
    ProcessGroup,
    Rewrite,
    RewriteCondition,
    RewriteFlag,
    RewriteRule,
    Section,
    SectionKind,
    Server,
    Settings,
)
from pydaemonwsgi.config.problems import Severity
from pydaemonwsgi.config.values import ListenAddress
from pydaemonwsgi.errors import ConfigurationError

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
ErrorDocument 200 /x
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
        "12: error: ErrorDocument: '200' is no status of an error; give 400 to 599",
        "13: error: ServerPath: not supported: it was for clients of the last century that send no Host",
    ]


def test_a_configuration_with_errors_is_refused_with_all_of_them() -> None:
    with pytest.raises(ConfigurationError, match=r"2 errors\n/etc/site.conf:1: .*\n/etc/site.conf:2: "):
        server_of("Foo\nBar\nListen 80\n")
