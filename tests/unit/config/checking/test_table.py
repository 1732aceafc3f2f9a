"""Each check finds what it is for, at its line, and leaves the right configuration alone."""

import pytest

from pydaemonwsgi.config.application_groups import application_groups
from pydaemonwsgi.config.checking.table import CHECKS, check
from pydaemonwsgi.config.problems import Severity
from tests.unit.config.checking.fake_machine import FakeMachine, server_of, warnings_of

GOOD = """\
Listen 8080
WSGIDaemonProcess site user=jack threads=5 python-home=/srv/venv
<VirtualHost *:8080>
ServerName a.example
DocumentRoot /srv/a
Alias /static /srv/static
WSGIScriptAlias / /srv/app.wsgi
WSGIProcessGroup site
</VirtualHost>
"""


def host(lines: str, *, server: str = "", group: str = "WSGIDaemonProcess site") -> str:
    """One host; its lines begin with line 4."""
    return f"Listen 8080\n{group}\n<VirtualHost *:8080>\n{lines}\nWSGIProcessGroup site\n</VirtualHost>\n{server}"


def test_a_good_configuration_is_left_alone() -> None:
    assert warnings_of(GOOD) == []


@pytest.mark.parametrize(
    ("options", "warning"),
    [
        ("request-timeout=60 graceful-timeout=10", "graceful-timeout=10s is shorter than request-timeout=60s"),
        ("request-timeout=60 graceful-timeout=60 eviction-timeout=5", "eviction-timeout=5s is shorter than"),
        ("restart-interval=30 startup-timeout=60 request-timeout=20 graceful-timeout=25", "may be replaced before"),
        ("request-timeout=10 interrupt-timeout=20", "lower interrupt-timeout"),
        ("shutdown-timeout=0", "a process that hangs is never killed"),
        ("processes=100 threads=200", "20000 threads can never be busy"),
        ("processes=40 threads=50", "2000 threads are more than the kernel holds connections for (1024)"),
        ("threads=50 queue-size=10", "50 threads may run as many requests at once, but only 10 may wait"),
        ("processes=5 threads=10 queue-size=49", "50 threads may run as many requests at once, but only 49 may wait"),
        ("threads=50 virtual-memory-limit=100M", "does not hold the stacks of 50 threads (400 MiB)"),
    ],
)
def test_options_of_a_group_that_defeat_each_other_are_found(options: str, warning: str) -> None:
    found = warnings_of(host("WSGIScriptAlias / /a.wsgi", group=f"WSGIDaemonProcess site {options}"))
    assert [text.startswith("2: WSGIDaemonProcess: ") and warning in text for text in found] == [True]


@pytest.mark.parametrize(
    "options",
    [
        "",
        "request-timeout=0 graceful-timeout=1",
        "request-timeout=60 graceful-timeout=0",
        "request-timeout=30 graceful-timeout=30",
        "threads=50 virtual-memory-limit=100M stack-size=1M",
        "threads=50 queue-size=50",
    ],
)
def test_options_of_a_group_that_fit_are_left_alone(options: str) -> None:
    assert warnings_of(host("WSGIScriptAlias / /a.wsgi", group=f"WSGIDaemonProcess site {options}")) == []


# --- Groups


def test_a_group_that_nothing_goes_to_is_found() -> None:
    text = host("WSGIScriptAlias / /a.wsgi", server="WSGIDaemonProcess other processes=3")
    assert [line.partition("; ")[0] for line in warnings_of(text)] == [
        "7: WSGIDaemonProcess: nothing goes to the process group 'other', but its 3 processes will run"
    ]


@pytest.mark.parametrize(
    "use",
    [
        "WSGIScriptAlias /b /b.wsgi process-group=other",
        "<Location /b>\nWSGIProcessGroup other\n</Location>",
        "WSGIImportScript /b.wsgi process-group=other application-group=%{GLOBAL}",
        "WSGIHandlerScript h /b.wsgi process-group=other",
        "WSGIScriptAlias /b /b.wsgi process-group=%{ENV:GROUP}",
    ],
)
def test_a_group_that_something_may_go_to_is_left_alone(use: str) -> None:
    assert warnings_of(host(use, server="WSGIDaemonProcess other")) == []


def test_a_script_outside_of_the_declared_groups_is_found() -> None:
    section = "<Location /x>\nWSGIProcessGroup site\n</Location>\n"
    found = warnings_of(f"Listen 8080\nWSGIDaemonProcess site\n{section}WSGIScriptAlias / /a.wsgi\n")
    assert [line.partition(": no WSGIProcessGroup counts here")[0] for line in found] == ["6: WSGIScriptAlias"]
    section = "<Location /x>\nWSGIProcessGroup %{GLOBAL}\n</Location>\n"
    text = f"Listen 8080\nWSGIDaemonProcess site\nWSGIDaemonProcess other\n{section}WSGIScriptAlias /x /a.wsgi\n"
    assert "counts here" not in "".join(warnings_of(text)), "whoever writes it means it"


@pytest.mark.parametrize("where", ["<Location />", "<Directory /srv>", "<Files a.wsgi>", "<LocationMatch ^/>"])
def test_a_section_around_a_script_says_its_group(where: str) -> None:
    name = where.strip("<>").split(maxsplit=1)[0]
    section = f"{where}\nWSGIProcessGroup site\n</{name}>\n"
    assert warnings_of(f"Listen 8080\nWSGIDaemonProcess site\n{section}WSGIScriptAlias / /srv/a.wsgi\n") == []


def test_a_script_whose_group_a_dispatch_script_says_is_left_alone() -> None:
    section = "<Location /a>\nWSGIDispatchScript /d.py\n</Location>\n"
    aliases = "WSGIScriptAlias /a /a.wsgi\nWSGIScriptAlias /b /b.wsgi\n"
    found = warnings_of(f"Listen 8080\nWSGIDaemonProcess site\n{section}{aliases}")
    assert [line.partition(":")[0] for line in found if "no WSGIProcessGroup" in line] == ["7"]


def test_embedded_mode_on_purpose_is_left_alone() -> None:
    aliases = "WSGIScriptAlias /b /b.wsgi process-group=site\nWSGIScriptAlias / /a.wsgi\n"
    text = f"Listen 8080\nWSGIDaemonProcess site\nWSGIProcessGroup %{{GLOBAL}}\n{aliases}"
    assert [line for line in warnings_of(text) if "no WSGIProcessGroup" in line] == []


def test_processes_that_do_not_fit_into_memory_are_found() -> None:
    limited = host("", group="WSGIDaemonProcess site processes=8 memory-limit=1G")
    assert "8 processes with memory-limit=1.0 GiB may use 8.0 GiB together, and there are 4.0 GiB" in "".join(
        warnings_of(limited, FakeMachine(total_memory=4 << 30))
    )
    many = host("", group="WSGIDaemonProcess site processes=100")
    assert "100 processes without memory-limit= have 10 MiB each" in "".join(
        warnings_of(many, FakeMachine(total_memory=1 << 30))
    )
    assert warnings_of(limited, FakeMachine(total_memory=16 << 30)) == []


def test_a_backlog_that_the_kernel_cuts_is_found() -> None:
    assert warnings_of(host(""), FakeMachine(backlog=128)) == [
        "1: ListenBacklog: 1024 is cut to 128 by the kernel; raise net.core.somaxconn"
    ]


def test_an_application_that_would_run_as_root_is_found() -> None:
    assert ["would run as root" in text for text in warnings_of(host(""), FakeMachine(root=True))] == [True]
    assert warnings_of(host("", server="User jack"), FakeMachine(root=True)) == []


# --- Hosts


@pytest.mark.parametrize(
    ("first", "second", "hidden"),
    [
        ("Alias /a /x", "Alias /a/b /y", "5: Alias: /a/b"),
        ("Alias /a /x", "Alias /a /y", "5: Alias: /a"),
        ("Alias /a/ /x/", "Alias /a/b /y", "5: Alias: /a/b"),
        ("WSGIScriptAlias / /x.wsgi", "WSGIScriptAlias /b /y.wsgi", "5: WSGIScriptAlias: /b"),
        ("WSGIScriptAlias /b/c /x.wsgi", "Alias /b /y", "4: WSGIScriptAlias: /b/c"),
    ],
)
def test_an_alias_that_hides_another_is_found(first: str, second: str, hidden: str) -> None:
    found = warnings_of(host(f"{first}\n{second}"))
    assert [text.partition(" is never reached")[0] for text in found] == [hidden]


@pytest.mark.parametrize("line", ["WSGIScriptAlias / /own.wsgi", "Alias / /srv/own"])
def test_a_host_that_overrides_an_alias_of_the_main_server_hides_nothing(line: str) -> None:
    """Another host has it still."""
    other = "<VirtualHost *:8080>\nServerName b.example\nWSGIProcessGroup site\n</VirtualHost>"
    text = host(f"ServerName a.example\n{line}", server=f"WSGIProcessGroup site\nWSGIScriptAlias / /main.wsgi\n{other}")
    assert [found for found in warnings_of(text) if "never reached" in found] == []


@pytest.mark.parametrize(
    "lines",
    [
        "Alias /a/b /y\nAlias /a /x",
        "Alias /a /x\nAlias /ab /y",
        "Alias /a/ /x/\nAlias /a /y",
        "Alias /static /x\nWSGIScriptAlias / /y.wsgi",
        "AliasMatch ^/a /x\nAlias /a /y",
    ],
)
def test_aliases_that_hide_nothing_are_left_alone(lines: str) -> None:
    assert warnings_of(host(lines)) == []


def test_hosts_of_the_same_name_are_found() -> None:
    second = (
        "<VirtualHost *:8080>\nServerName b.example\nServerAlias a.example\nWSGIProcessGroup site\n</VirtualHost>\n"
    )
    found = warnings_of(host("ServerName a.example", server=second))
    assert [text.partition(" too")[0] for text in found] == [
        "7: <VirtualHost>: a.example is a name of the host in /etc/site.conf:3"
    ]


def test_a_host_without_a_name_that_is_not_the_first_is_found() -> None:
    found = warnings_of(host("ServerName a.example", server="<VirtualHost *:8080>\n</VirtualHost>\n"))
    assert [text.partition(",")[0] for text in found] == [
        "7: <VirtualHost>: it has no ServerName and is not the first of its address"
    ]


def test_a_host_whose_port_nobody_listens_on_is_found() -> None:
    found = warnings_of(host("", server="<VirtualHost *:8081>\n</VirtualHost>\n"))
    assert found == ["7: <VirtualHost>: nothing listens on port 8081, so no request comes for it; write Listen 8081"]


def test_scripts_without_execcgi_are_found() -> None:
    lines = "<Directory /srv>\nAddHandler wsgi-script .wsgi\n</Directory>"
    assert [text.partition(",")[0] for text in warnings_of(host(lines))] == [
        "5: AddHandler: no Options ExecCGI counts here"
    ]
    allowed = "<Directory /srv>\nOptions +ExecCGI\nAddHandler wsgi-script .wsgi\n</Directory>"
    assert warnings_of(host(allowed)) == []


def test_rules_that_are_not_used_are_found() -> None:
    assert [text.partition(",")[0] for text in warnings_of(host("RewriteRule ^/a /b"))] == [
        "4: RewriteRule: no RewriteEngine On counts here"
    ]
    assert warnings_of(host("RewriteEngine On\nRewriteRule ^/a /b")) == []


def test_a_section_that_denies_everybody_is_found() -> None:
    assert warnings_of(host('<Files ~ "^\\.ht">\nOrder allow,deny\nDeny from all\n</Files>')) == []
    lines = "<Directory /srv>\nOrder allow,deny\n</Directory>"
    assert [text.partition(";")[0] for text in warnings_of(host(lines))] == [
        "5: Order: nobody is allowed anything here"
    ]


def test_headers_that_everybody_may_send_are_found() -> None:
    lines = "WSGITrustedProxyHeaders X-Forwarded-For"
    assert [text.partition(" what")[0] for text in warnings_of(host(lines))] == [
        "4: WSGITrustedProxyHeaders: every client is believed"
    ]
    assert warnings_of(host(f"{lines}\nWSGITrustedProxies 127.0.0.1")) == []


def test_proxies_that_cannot_come_by_the_only_sockets_are_found() -> None:
    lines = "WSGITrustedProxyHeaders X-Forwarded-For\nWSGITrustedProxies 127.0.0.1"
    text = host(lines).replace("Listen 8080", "Listen unix:/run/a.sock").replace("*:8080", "*")
    assert [text.partition(",")[0] for text in warnings_of(text)] == [
        "5: WSGITrustedProxies: every Listen is a Unix socket"
    ]
    assert warnings_of(text.replace("127.0.0.1", "127.0.0.1 unix:")) == []
    assert warnings_of(f"Listen 8080\n{text}") == []


def test_a_script_that_everybody_can_read_is_found() -> None:
    lines = "DocumentRoot /srv/a\nWSGIScriptAlias /app /srv/a/x/app.wsgi"
    assert [text.partition(";")[0] for text in warnings_of(host(lines))] == [
        "5: WSGIScriptAlias: the script lies in the DocumentRoot, so everybody can read it as /x/app.wsgi"
    ]
    assert warnings_of(host(lines.replace("/app /", "/ /"))) == []


# --- Files


@pytest.mark.parametrize(
    ("lines", "missing", "found"),
    [
        ("WSGIScriptAlias / /srv/a.wsgi", "/srv/a.wsgi", "4: WSGIScriptAlias: there is no script /srv/a.wsgi"),
        ("WSGIScriptAlias / /srv/a/", "/srv/a/", "4: WSGIScriptAlias: there is no directory /srv/a/"),
        ("WSGIAccessScript /srv/b.wsgi", "/srv/b.wsgi", "5: WSGIAccessScript: there is no script /srv/b.wsgi"),
        ("DocumentRoot /srv/a", "/srv/a", "4: DocumentRoot: there is no directory /srv/a"),
        ("RewriteMap m txt:/srv/m", "/srv/m", "4: RewriteMap: there is no file /srv/m, so nothing is found in it"),
        ("Alias /x /srv/x", "/srv/x", "4: Alias: there is neither a file nor a directory /srv/x"),
        (
            'ErrorLog "|/usr/bin/rotatelogs /srv/log/%Y 86400"',
            "/usr/bin/rotatelogs",
            "4: ErrorLog: there is no program /usr/bin/rotatelogs, so the log that it reads cannot be opened",
        ),
        ("ErrorLog /srv/log/e", "/srv/log", "4: ErrorLog: there is no directory /srv/log, so the log cannot be opened"),
        (
            "CustomLog /srv/log/a common",
            "/srv/log",
            "4: CustomLog: there is no directory /srv/log, so the log cannot be opened",
        ),
    ],
)
def test_what_is_missing_is_found(lines: str, missing: str, found: str) -> None:
    if lines.startswith("WSGIAccess"):
        lines = f"<Location />\n{lines}\n</Location>"
    assert warnings_of(host(lines), FakeMachine(missing=frozenset({missing}))) == [found]


@pytest.mark.parametrize(
    ("option", "missing", "found"),
    [
        ("user=jack", "jack", "there is no user 'jack'"),
        ("group=staff", "staff", "there is no group 'staff'"),
        ("supplementary-groups=a,b", "b", "there is no group 'b'"),
        ("python-home=/srv/venv", "/srv/venv", "python-home=: there is no directory /srv/venv"),
        ("python-path=/a:/b", "/b", "python-path=: there is no directory /b"),
        ("home=/srv", "/srv", "home=: there is no directory /srv"),
        ("script-user=jill", "jill", "there is no user 'jill'"),
        ("script-group=editors", "editors", "there is no group 'editors'"),
    ],
)
def test_what_a_group_names_and_is_not_there_is_found(option: str, missing: str, found: str) -> None:
    text = host("", group=f"WSGIDaemonProcess site {option}")
    assert warnings_of(text, FakeMachine(missing=frozenset({missing}))) == [f"2: WSGIDaemonProcess: {found}"]


@pytest.mark.parametrize(
    ("line", "missing", "found"),
    [
        ("User www", "www", "2: User: there is no user 'www'"),
        ("User www\nGroup web", "web", "3: Group: there is no group 'web'"),
        ("ServeOption socket-user proxy", "proxy", "2: ServeOption: there is no user 'proxy'"),
        ("ServeOption spool-directory /spool", "/spool", "2: ServeOption: there is no directory /spool"),
        ("PidFile /run/site/pid", "/run/site", "2: PidFile: there is no directory /run/site"),
    ],
)
def test_what_the_server_names_and_is_not_there_is_found(line: str, missing: str, found: str) -> None:
    text = f"Listen 8000\n{line}\n"
    assert warnings_of(text, FakeMachine(missing=frozenset({missing}))) == [found]


@pytest.mark.parametrize(
    ("lines", "found"),
    [
        ("User www", (2, "User", "there is no user 'www'")),
        ("User jack\nGroup www", (3, "Group", "there is no group 'www'")),
        ("ServeOption socket-user www\nListen unix:/run/a.sock", (2, "ServeOption", "there is no user 'www'")),
        ("WSGIDaemonProcess a user=www", (2, "WSGIDaemonProcess", "there is no user 'www'")),
        ("WSGIDaemonProcess a group=www", (2, "WSGIDaemonProcess", "there is no group 'www'")),
        ("User root", (2, "User", "applications never run as root, and 'root' is root; name another user")),
        (
            "WSGIDaemonProcess a user=root",
            (2, "WSGIDaemonProcess", "applications never run as root, and 'root' is root; name another user"),
        ),
        (
            "User root\nWSGIDaemonProcess a",
            (2, "User", "applications never run as root, and 'root' is root; name another user"),
        ),
    ],
)
def test_accounts_that_a_server_does_not_start_with_are_errors(lines: str, found: tuple[int, str, str]) -> None:
    problems = check(server_of(f"Listen 8000\n{lines}\n"), FakeMachine(missing=frozenset({"www"})))
    errors = [problem for problem in problems if problem.severity is Severity.ERROR]
    assert [(problem.position.line, problem.directive, problem.text) for problem in errors] == [found]


def test_handlers_that_nothing_is_behind_are_found() -> None:
    """Files are not sent in the place of a handler's answer, so every request for them is 500."""
    lines = """WSGIHandlerScript mine /srv/mine.wsgi
        AddHandler mine .mine
        AddHandler cgi-script .cgi
        <Files x>
        SetHandler php
        </Files>
        <Files y>
        SetHandler None
        </Files>"""
    give = "give wsgi-script, default-handler, or the name of a WSGIHandlerScript"
    why = f"so what it is for is answered with 500; {give}"
    assert warnings_of(host(lines)) == [
        f"6: AddHandler: there is no handler 'cgi-script', {why}",
        f"8: SetHandler: there is no handler 'php', {why}",
    ]


def test_a_script_that_the_groups_user_cannot_read_is_found() -> None:
    machine = FakeMachine(secret=frozenset({"/srv/app.wsgi"}), root=True)
    assert warnings_of(GOOD, machine) == ["2: WSGIDaemonProcess: user jack cannot reach the script /srv/app.wsgi"]
    assert machine.asked == ["/srv/app.wsgi", "/srv/venv"]


def test_a_log_that_root_writes_where_others_may_put_links_is_found() -> None:
    logs = "ErrorLog /srv/jack/logs/e\nCustomLog /srv/jack/logs/a common\nTransferLog /var/log/a\n"
    text = f"Listen 80\nUser www\n{logs}"
    strangers = {"/srv/jack/logs": "user jack"}
    [warning] = warnings_of(text, FakeMachine(root=True, strangers=strangers))
    assert warning.startswith("3: ErrorLog: root writes to the log in /srv/jack/logs, where user jack may put a link")
    assert warnings_of(text, FakeMachine(root=True)) == []
    assert "1: ErrorLog" not in str(warnings_of(text, FakeMachine(strangers=strangers)))


def test_a_port_that_only_root_may_listen_on_is_found() -> None:
    text = "Listen 80\nListen 1024\nUser jack\n"
    assert warnings_of(text) == ["1: Listen: port 80 needs root, or the capability CAP_NET_BIND_SERVICE"]
    assert warnings_of(text, FakeMachine(root=True)) == []


def test_every_check_says_what_it_is_for() -> None:
    assert all(check.meaning and check.meaning[0].islower() for check in CHECKS)


# --- Application groups


@pytest.mark.parametrize(
    ("options", "runs_as"),
    [
        ("", "1 process with 15 threads of its own"),
        ("processes=2 threads=25", "2 processes with 25 threads of its own"),
    ],
)
def test_an_application_group_has_processes_of_its_own(options: str, runs_as: str) -> None:
    lines = "ServerName a.example\nWSGIScriptAlias / /a.wsgi"
    (group,) = application_groups(server_of(host(lines, group=f"WSGIDaemonProcess site {options}")))
    assert str(group).endswith(f": {runs_as}")


def test_requests_that_go_to_service_scripts_are_found() -> None:
    """An alias that names both groups is what the service runs, if nothing else says what that is."""
    service = "WSGIDaemonProcess s threads=0\nWSGIImportScript /s.py process-group=s application-group=%{GLOBAL}"
    lines = "ServerName x\nWSGIScriptAlias /a /a.wsgi process-group=s\nWSGIScriptAlias /b /b.wsgi"
    text = host(lines, group=f"WSGIDaemonProcess site\n{service}")
    both = text.replace(
        "process-group=s\nWSGIScriptAlias /b", "process-group=s application-group=x\nWSGIScriptAlias /b"
    )
    for written in (text, both):
        [found] = [warning for warning in warnings_of(written) if "service scripts" in warning]
        assert found.startswith("7: WSGIScriptAlias: requests for /a go to the process group 's'")
    alone = both.replace("WSGIImportScript /s.py process-group=s application-group=%{GLOBAL}\n", "")
    assert alone != both
    assert not [warning for warning in warnings_of(alone) if "service scripts" in warning]


def test_more_application_groups_than_there_may_be_are_found() -> None:
    """At the line of the first that gets nothing, because requests for it are refused when the others are in use."""
    aliases = "".join(f"WSGIScriptAlias /{name} /{name}.wsgi\n" for name in "abcd")
    group = "WSGIDaemonProcess site maximum-application-groups=3"
    text = f"Listen 8000\nServerName x\n{group}\nWSGIProcessGroup site\n{aliases}"
    [found] = [warning for warning in warnings_of(text) if "application groups" in warning]
    assert found.startswith("8: WSGIApplicationGroup: the process group 'site' may have 3 application groups")
    assert not [warning for warning in warnings_of(text.replace("=3", "=4")) if "application groups" in warning]


def test_sub_interpreters_for_a_python_that_has_none_are_an_error() -> None:
    """The server does not start with them; a service script needs none."""
    group = "Listen 8000\nWSGIDaemonProcess site application-groups=interpreters"
    alias = "WSGIScriptAlias / /a.wsgi process-group=site"
    [found] = check(server_of(f"{group}\n{alias}"), FakeMachine(old_python=True))
    assert (found.severity, found.position.line) == (Severity.ERROR, 2)
    assert found.text == "the process group 'site': this Python is too old"
    assert not check(server_of(f"{group}\n{alias}"), FakeMachine())
    script = "WSGIImportScript /a.wsgi process-group=site application-group=%{GLOBAL}"
    service = f"{group} threads=0\n{script}"
    assert not [
        one for one in check(server_of(service), FakeMachine(old_python=True)) if one.severity is Severity.ERROR
    ]


def test_a_python_with_a_gil_where_there_should_be_none_is_found() -> None:
    """For each process group that has one, with the line that asks for it; Off asks for nothing."""
    text = """\
Listen 8080
WSGIDaemonProcess old
WSGIDaemonProcess new python-home=/free
WSGIDaemonProcess off
WSGIFreeThreading On
<WSGIInterpreterOptions process-group=off>
WSGIFreeThreading Off
</WSGIInterpreterOptions>
"""
    found = [
        (one.severity, one.position.line, one.text)
        for one in check(server_of(text), FakeMachine(free_threaded=frozenset({"/free"})))
        if one.directive == "WSGIFreeThreading"
    ]
    assert found == [(Severity.WARNING, 5, "it has no effect for the process group 'old': it has a GIL")]


def test_what_runs_in_sub_interpreters_says_so() -> None:
    """For the main interpreter nothing changes."""
    text = """\
Listen 8080
WSGIDaemonProcess site threads=5 application-groups=interpreters
WSGIProcessGroup site
WSGIPerInterpreterGIL On
WSGIScriptAlias /a /a.wsgi application-group=a
WSGIScriptAlias /b /b.wsgi application-group=%{GLOBAL}
<WSGIInterpreterOptions application-group=c>
WSGIPerInterpreterGIL Off
</WSGIInterpreterOptions>
WSGIScriptAlias /c /c.wsgi application-group=c
"""
    assert {group.name: group.runs_as for group in application_groups(server_of(text))} == {
        "a": "a sub-interpreter in its process, with 5 threads and a GIL of its own",
        "": "the main interpreter of its processes",
        "c": "a sub-interpreter in its process, with 5 threads and the GIL of the main one",
    }


def test_the_main_interpreter_is_no_application_group_apart() -> None:
    text = GOOD + "WSGIApplicationGroup %{GLOBAL}\n"
    assert [group.runs_as for group in application_groups(server_of(text))] == ["the main interpreter of its processes"]


def test_application_groups_are_named_as_mod_wsgi_names_them() -> None:
    text = """\
Listen 8080
ServerName a.example:8080
WSGIDaemonProcess site
WSGIProcessGroup site
WSGIScriptAlias /a /a.wsgi
WSGIScriptAlias /b /b.wsgi application-group=%{SERVER}
WSGIScriptAlias /c /c.wsgi application-group=mine
WSGIScriptAlias /d /d.wsgi application-group=mine
AddHandler wsgi-script .wsgi
"""
    names = [group.name for group in application_groups(server_of(text))]
    assert names == ["a.example:8080|/a", "a.example:8080", "mine", "a.example:8080|each script"]


@pytest.mark.parametrize(
    ("listeners", "names"),
    [
        ("Listen 8080\nServerName a.example", ["a.example:8080|/a"]),
        ("Listen 80\nServerName a.example", ["a.example|/a"]),
        ("Listen 8080\nListen 8081\nServerName a.example", ["a.example:8080|/a", "a.example:8081|/a"]),
        ("Listen 8080\nListen 8081\nServerName a.example:443", ["a.example|/a"]),
        ("Listen 80\nListen unix:/run/a.sock\nServerName a.example", ["a.example|/a"]),
        ("Listen 8080", ["localhost:8080|/a"]),
    ],
)
def test_a_name_without_a_port_has_the_listeners(listeners: str, names: list[str]) -> None:
    """Each of them, for to mod_wsgi they are as many application groups."""
    text = f"{listeners}\nWSGIDaemonProcess site\nWSGIScriptAlias /a /a.wsgi process-group=site\n"
    assert [group.name for group in application_groups(server_of(text))] == names


def test_a_host_has_the_ports_that_it_is_reached_by() -> None:
    text = host("ServerName a.example\nWSGIScriptAlias /a /a.wsgi", server="Listen 8081")
    assert [group.name for group in application_groups(server_of(text))] == ["a.example:8080|/a"]


ENDLESS = r"""
RewriteEngine On
RewriteCond %{HTTP_HOST} !-f
RewriteCond %{HTTP_HOST} (x+x+)+y
RewriteRule ^/old/(a+)+$ /new
SetEnvIf Referer (b|bb)+$ c
AliasMatch ^/(d+)*e /srv
RedirectMatch (e*)*f /
Header edit X-A (k*)*l m
RequestHeader edit* X-B (n*)*o p
<LocationMatch (g|g)*h>
RedirectMatch (i*)*j /
</LocationMatch>
"""


def test_patterns_that_a_client_can_keep_busy_are_found() -> None:
    """Each is asked for with what it begins with, and characters of its own."""
    patterns = (
        r"(x+x+)+y",
        r"^/old/(a+)+\Z",
        r"(b|bb)+\Z",
        "^/(d+)*e",
        "(e*)*f",
        "(g|g)*h",
        "(i*)*j",
        "(k*)*l",
        "(n*)*o",
    )
    machine = FakeMachine(endless=frozenset(patterns))
    found = warnings_of(host(ENDLESS, group="WSGIDaemonProcess site\nWSGIScriptAlias / /a.wsgi"), machine)
    busy = [line.partition(": a client can keep")[0] for line in found if "a client can keep" in line]
    assert busy == [
        "8: RewriteCond",
        "9: RewriteRule",
        "10: SetEnvIf",
        "11: AliasMatch",
        "12: RedirectMatch",
        "13: Header",
        "14: RequestHeader",
        "15: <LocationMatch>",
        "16: RedirectMatch",
    ]
    assert any(text.startswith("/old/") for text in machine.searched)
