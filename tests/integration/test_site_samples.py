"""Each configuration in conf/ is served as it stands, but for its paths, its port and its users."""

import os
import pwd
import re
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.helpers.public import Public
from tests.helpers.server import wait_for
from tests.helpers.site import SiteServer, serving_site

pytestmark = [
    pytest.mark.root,
    pytest.mark.skipif(os.geteuid() != 0, reason="needs to be started as root"),
]
CONF = Path(__file__).parents[2] / "conf"
USERS = r"\b(user=|User )(?:www-data|jack|alice|bob|mysite|site)\b"
REPORT = """
import os, pwd, sys

def application(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    facts = [
        environ["mod_wsgi.process_group"],
        pwd.getpwuid(os.getuid()).pw_name,
        environ["REMOTE_ADDR"],
        environ["wsgi.url_scheme"],
        environ["SERVER_PORT"],
        os.path.basename(__file__),
    ]
    return ["\\n".join(facts).encode()]
"""


@contextmanager
def sample(public: Public, name: str, *scripts: str, **files: str) -> Iterator[SiteServer]:
    """Serve one, with scripts that report, and with other files by path below /srv or /home (`__` is a slash)."""
    text = (CONF / name).read_text("utf-8")
    text = re.sub(USERS, r"\1nobody", text)
    text = re.sub(r"(?<=[ =\"])(/srv|/home|/var/log)", r"{site}\1", text)
    text = re.sub(r"(?<=Listen )80\b|(?<=\*:)80\b|(?<=127\.0\.0\.1:)8000|(?<=PORT )8001", "{port}", text)
    homes = [home.removeprefix("{site}/") for home in re.findall(r"python-home=(\S+)", text)]
    content: dict[str, str | bytes | Path | None] = {"var/log/pydaemonwsgi": None}
    content |= dict.fromkeys(f"{directory.strip('/')}" for directory in ("srv", "home"))
    content |= {script.strip("/"): REPORT for script in scripts}
    content |= {path.replace("__", "/").replace("_DOT_", "."): text for path, text in files.items()}
    for home in homes:
        # Made before the server begins; serving_site knows nothing of environments.
        content[f"{home}/.keep"] = ""

    def make_environments(directory: Path) -> None:
        for home in homes:
            command = [public.python, "-m", "venv", "--without-pip", str(directory / home)]
            subprocess.run(command, check=True)

    with serving_site(text, content, python=public.python, env=public.env, prepare=make_environments) as site:
        yield site


def report(site: SiteServer, path: str, *headers: str) -> list[str]:
    answer = site.get(path, *headers)
    assert answer.status == 200, answer.raw
    return answer.text.split("\n")


def host(name: str) -> str:
    return f"Host: {name}"


def test_two_users(public: Public) -> None:
    """Each host's requests run in its own process group, and are in its own log."""
    scripts = ("/home/alice/site/alice.wsgi", "/home/bob/site/bob.wsgi")
    with sample(public, "two-users.conf", *scripts) as site:
        for name in ("alice", "bob"):
            answer = site.exchange(f"GET / HTTP/1.0\r\nHost: {name}.example.com\r\n\r\n".encode())
            assert f"\r\n\r\n{name}\nnobody\n" in answer.decode()
            log = site.directory / f"var/log/pydaemonwsgi/{name}.access.log"
            wait_for(log.read_text, "its record")
            assert log.read_text().startswith(f"{name}.example.com ")


def test_hosts_that_share_a_group(public: Public) -> None:
    """Both are in it, each as an application of its own; files come before scripts."""
    scripts = ("/srv/blog/blog.wsgi", "/srv/shop/shop.wsgi")
    files = {"srv__shop__static__a_DOT_txt": "a file", "srv__blog__htdocs__x": "", "srv__shop__htdocs__x": ""}
    with sample(public, "shared-group.conf", *scripts, **files) as site:
        for name, script in (("blog", "blog"), ("shop", "shop"), ("a.shop", "shop")):
            answer = site.exchange(f"GET / HTTP/1.0\r\nHost: {name}.example.com\r\n\r\n".encode()).decode()
            assert "\r\n\r\nshared\nnobody\n" in answer
            assert answer.endswith(f"\n{script}.wsgi")
        answer = site.exchange(b"GET /static/a.txt HTTP/1.0\r\nHost: shop.example.com\r\n\r\n").decode()
        assert answer.endswith("\r\n\r\na file")


@pytest.mark.parametrize("name", ["behind-nginx.conf", "behind-haproxy.conf"])
def test_behind_a_proxy(public: Public, name: str) -> None:
    """The proxy is believed, so the client's address, scheme and port are those that it tells."""
    with sample(public, name, "/srv/site/site.wsgi") as site:
        told = report(site, "/", "X-Forwarded-For: 192.0.2.7", "X-Forwarded-Proto: https", "X-Forwarded-Port: 443")
        assert told == ["site", pwd.getpwnam("nobody").pw_name, "192.0.2.7", "https", "443", "site.wsgi"]


@pytest.mark.parametrize(
    ("ours", "theirs"), [("behind-nginx.conf", "nginx-site.conf"), ("behind-haproxy.conf", "haproxy.cfg")]
)
def test_what_is_believed_is_what_the_proxy_sets(ours: str, theirs: str) -> None:
    """A header that is believed and not set would be the client's own."""
    (believed,) = re.findall(r"^WSGITrustedProxyHeaders (.*)$", (CONF / ours).read_text("utf-8"), re.MULTILINE)
    told = re.findall(r"set[-_]header (X-Forwarded-\w+) ", (CONF / theirs).read_text("utf-8"))
    assert believed.split() == told


def test_questions_of_haproxy_are_not_logged(public: Public) -> None:
    """The other requests are."""
    with sample(public, "behind-haproxy.conf", "/srv/site/site.wsgi") as site:
        report(site, "/alive")
        report(site, "/page")
        log = site.directory / f"var/log/pydaemonwsgi/{site.port}.access.log"
        wait_for(lambda: "GET /page" in log.read_text(), "the record of a page")
        assert "alive" not in log.read_text()


def test_a_django_project(public: Public) -> None:
    """Its static files are sent, with the header; what users have sent is not run; the rest is the project's."""
    files = {
        "srv__mysite__static__admin__base_DOT_css": "body {}",
        "srv__mysite__media__evil_DOT_wsgi": REPORT,
    }
    with sample(public, "django.conf", "/srv/mysite/mysite/wsgi.py", **files) as site:
        css = site.get("/static/admin/base.css")
        assert (css.text, css.header("Content-Type"), css.header("Cache-Control")) == (
            "body {}",
            "text/css",
            "public, max-age=3600",
        )
        assert site.get("/media/evil.wsgi").text == REPORT
        assert report(site, "/admin/")[0] == "mysite"


def test_every_option(public: Public) -> None:
    """With each at its default the script is served."""
    with sample(public, "every-option.conf", "/srv/app/app.wsgi") as site:
        assert report(site, "/")[-1] == "app.wsgi"
