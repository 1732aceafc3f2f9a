"""`pydaemonwsgi explain` on this machine, as a user gives it."""

import json
from pathlib import Path

import pytest

from tests.helpers.command import run

SITE = """\
Listen 8000
WSGIDaemonProcess jack-1 processes=2
<VirtualHost *:8000>
  ServerName www.site.com
  DocumentRoot {root}
  WSGIProcessGroup jack-1
  <Directory {root}>
    Options ExecCGI SymLinksIfOwnerMatch
    AddHandler wsgi-script .wsgi
    RewriteEngine On
    RewriteCond %{{REQUEST_FILENAME}} !-f
    RewriteRule ^(.*)$ /site.wsgi/$1 [QSA,PT,L]
  </Directory>
</VirtualHost>
<VirtualHost *:8000>
  ServerName other.com
  <Location /private>
    Require ip 10.0.0.0/8
  </Location>
</VirtualHost>
"""


@pytest.fixture
def site(tmp_path: Path) -> str:
    """The name of a configuration."""
    root = tmp_path / "htdocs"
    root.mkdir()
    (root / "site.wsgi").write_text("application = None\n", encoding="ascii")
    (root / "a.txt").write_text("A", encoding="ascii")
    file = tmp_path / "site.conf"
    file.write_text(SITE.format(root=root), encoding="utf-8")
    return str(file)


def test_explain_names_the_line_of_every_step(site: str) -> None:
    result = run("explain", site, "/news/today?page=2")
    assert (result.returncode, result.stderr) == (0, "")
    lines = result.stdout.splitlines()
    assert lines[:2] == ["host         <VirtualHost *:8000> www.site.com", f"             {site}:3"]
    rule = next(number for number, line in enumerate(lines) if line.startswith("rewrite      'news/today' fits"))
    assert lines[rule + 1].strip() == f"{site}:12"
    assert [line.split(None, 1) for line in lines if line.startswith(("  SCRIPT_NAME", "  PATH_INFO"))] == [
        ["SCRIPT_NAME", "/site.wsgi"],
        ["PATH_INFO", "/news/today"],
    ]


@pytest.mark.parametrize(
    ("url", "step"),
    [
        ("http://www.site.com/", "listener     nobody listens on port 80; taken as for port 8000"),
        ("http://www.site.com:81/", "listener     nobody listens on port 81; taken as for port 8000"),
        ("http://www.site.com:8000/", None),
        ("https://www.site.com/", None),
        ("/", None),
    ],
)
def test_explain_says_that_nobody_listens_where_the_url_leads(site: str, url: str, step: str | None) -> None:
    """With a proxy in front that is as it should be; without one it is the answer to the question."""
    first = run("explain", site, url).stdout.splitlines()[0]
    assert first == step if step else first.startswith("host ")


def test_explain_says_which_condition_failed(site: str) -> None:
    assert "(%{REQUEST_FILENAME}) does not fit !-f" in run("explain", site, "/a.txt").stdout


def test_explain_names_the_group_of_scripts_that_name_none(tmp_path: Path) -> None:
    """As every other message calls it."""
    (tmp_path / "app.wsgi").touch()
    file = tmp_path / "site.conf"
    file.write_text(f"Listen 8000\nWSGIScriptAlias / {tmp_path}/app.wsgi\n")
    text = run("explain", str(file), "/x").stdout
    assert "process group 'embedded'" in text
    assert "process group ''" not in text
    (tmp_path / "site.conf").write_text(
        f"Listen 8000\nWSGIApplicationGroup %{{GLOBAL}}\nWSGIScriptAlias / {tmp_path}/app.wsgi\n"
    )
    assert "application group '%{GLOBAL}'" in run("explain", str(file), "/x").stdout


def test_explain_of_a_refused_request_ends_with_status_1(site: str) -> None:
    result = run("explain", site, "http://other.com/private/x")
    assert result.returncode == 1
    assert "Require ip 10.0.0.0/8: denied" in result.stdout
    assert result.stdout.splitlines()[-1].startswith("  because")


@pytest.mark.parametrize(
    ("document", "shown"),
    [
        ("/a.txt", "/a.txt: file {root}/a.txt"),
        ("/site.wsgi/oops", "/site.wsgi/oops: script {root}/site.wsgi, process group 'jack-1'"),
        ("/gone.html", "/gone.html: an error as well, so the server's own page is shown; explain that path to see why"),
        ("/away", "/away: a redirect to http://elsewhere.example/"),
        ("https://help.example/", "https://help.example/: 302 https://help.example/"),
        ('"Back soon"', "Back soon: this text"),
        ("default", "default: the server's own page"),
    ],
)
def test_explain_says_which_page_an_error_has(tmp_path: Path, site: str, document: str, shown: str) -> None:
    """The last that counts, with its line; a path is followed as the server follows it."""
    lines = f"ErrorDocument 410 /never\nErrorDocument 410 {document}\nRedirect /away http://elsewhere.example/\n"
    text = Path(site).read_text(encoding="utf-8").replace("RewriteRule ^(.*)$", "RewriteRule ^nothing$")
    Path(site).write_text(text.replace("</VirtualHost>", f"Redirect gone /old\n{lines}</VirtualHost>", 1))
    result = run("explain", site, "/old")
    steps = [line for line in result.stdout.splitlines() if not line.startswith("  ")]
    assert steps[-1] == f"document     ErrorDocument 410 {shown.format(root=tmp_path / 'htdocs')}"
    assert result.stdout.splitlines()[result.stdout.splitlines().index(steps[-1]) + 1].strip() == f"{site}:16"
    assert result.returncode == 1


def test_explain_takes_the_client_and_the_method(site: str) -> None:
    result = run("explain", site, "http://other.com/private/x", "--from", "10.1.2.3", "-X", "POST")
    assert "Require ip 10.0.0.0/8: granted" in result.stdout


def test_explain_takes_a_url_as_a_browser_shows_it(site: str) -> None:
    """Its fragment is the browser's own: no server sees it."""
    result = run("explain", site, "http://www.site.com:8000/a.txt#part")
    assert (result.returncode, result.stdout) == (0, run("explain", site, "http://www.site.com:8000/a.txt").stdout)


def test_explain_gives_programs_the_same_as_json(site: str) -> None:
    content = json.loads(run("explain", "--json", site, "/a.txt").stdout)
    assert content["answer"] == "Static"
    assert {"stage": "host", "line": 3, "file": site} == {
        key: content["steps"][0][key] for key in ("stage", "line", "file")
    }


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("nonsense",), "is neither a path nor an http URL"),
        (("/x/../..",), "the path climbs above the root"),
        (("/", "-H", "Accept"), "has no colon"),
        (("/", "--fast"), "'--fast' is not known"),
        (("/", "--from", "10.1.2"), "--from: '10.1.2' is no IP address"),
        (("/", "--to", "localhost"), "--to: 'localhost' is no IP address"),
        ((), "pydaemonwsgi: explain: the following arguments are required: URL; "),
    ],
)
def test_explain_refuses_what_cannot_be_meant(site: str, arguments: tuple[str, ...], message: str) -> None:
    result = run("explain", site, *arguments)
    assert (result.returncode, result.stdout) == (2, "")
    assert message in result.stderr


def test_explain_of_a_broken_configuration_prints_its_errors(tmp_path: Path) -> None:
    file = tmp_path / "site.conf"
    file.write_text("RewriteRule ( /\n", encoding="ascii")
    result = run("explain", str(file), "/")
    assert result.returncode == 2
    assert f"{file}:1: error: RewriteRule" in result.stderr


def test_explain_gives_up_where_the_server_would(tmp_path: Path) -> None:
    file = tmp_path / "site.conf"
    file.write_text("Listen 80\nRewriteEngine On\nRewriteRule ^/(a+)+$ /x\n", encoding="ascii")
    result = run("explain", str(file), f"/{'a' * 60}!")
    assert result.returncode == 1
    assert f"RewriteRule ^/(a+)+$ /x ({file}:3)" in result.stdout


def test_check_finds_what_only_routing_can_tell(tmp_path: Path) -> None:
    file = tmp_path / "site.conf"
    file.write_text("Listen 80\nRewriteEngine On\nRewriteCond %{LA-U:X} x\nRewriteRule ^ - [F]\n", encoding="ascii")
    result = run("check", str(file))
    assert result.returncode == 2
    assert f"{file}:3: error: RewriteCond: %{{LA-U:X}} looks ahead" in result.stdout


def test_a_variable_that_there_is_not_is_empty_as_under_httpd(tmp_path: Path) -> None:
    """Whoever has it in a configuration is told what to write, and served."""
    file = tmp_path / "site.conf"
    condition = "RewriteCond %{HTTP_X_FORWARDED_PROTO} !https"
    file.write_text(f"Listen 80\nRewriteEngine On\n{condition}\nRewriteRule ^ - [F]\n", encoding="ascii")
    text = "there is no variable %{HTTP_X_FORWARDED_PROTO}, so it is empty, as under httpd"
    result = run("check", str(file))
    assert f"{file}:3: warning: RewriteCond: {text}; for the header write %{{HTTP:X-Forwarded-Proto}}" in result.stdout
    assert "403" in run("explain", str(file), "/", "-H", "X-Forwarded-Proto: https").stdout
