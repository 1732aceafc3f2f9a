"""Real frameworks under a real server: Flask, and a Django project with a database and the admin."""

import http.cookiejar
import json
import os
import re
import subprocess
import sys
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.helpers.server import APPS, PATIENCE, Server, serving

pytest.importorskip("flask")
pytest.importorskip("django")
SITE = APPS / "django_site"
PASSWORD = "correct horse battery staple"


class Browser:
    """Keeps cookies and follows redirections."""

    def __init__(self, server: Server, mount: str = "") -> None:
        self.base = f"http://127.0.0.1:{server.port}{mount}"
        self.cookies = http.cookiejar.CookieJar()
        self._opener = urllib.request.build_opener(
            urllib.request.ProxyHandler({}), urllib.request.HTTPCookieProcessor(self.cookies)
        )

    def open(self, path: str, form: dict[str, str] | None = None) -> tuple[int, str, str]:
        """Return status, final address and page; with a form it is posted."""
        data = None if form is None else urllib.parse.urlencode(form).encode("ascii")
        try:
            with self._opener.open(self.base + path, data, PATIENCE) as answer:
                return answer.status, answer.url.removeprefix(self.base), answer.read().decode("utf-8")
        except urllib.error.HTTPError as error:
            with error:
                return error.code, path, error.read().decode("utf-8")


# -- Flask


@pytest.fixture(scope="module")
def flask() -> Iterator[Server]:
    """Flask's application, as a module and by two processes."""
    with serving("flask_site", "--python-path", str(APPS), "--processes", "2") as server:
        yield server


def test_flask_says_hello(flask: Server) -> None:
    """The page of Flask's first tutorial."""
    answer = flask.get()
    assert (answer.status, answer.text) == (200, "<p>Hello, World!</p>")
    assert answer.header("Content-Type") == "text/html; charset=utf-8"


def test_flask_takes_an_upload(flask: Server) -> None:
    """A form with a file arrives whole, though it is larger than the buffers."""
    part = '--b\r\nContent-Disposition: form-data; name="{}"{}\r\n\r\n'
    body = part.format("name", "").encode() + b"Jack\r\n"
    body += part.format("file", '; filename="f.bin"').encode() + b"\0\xff" * 200_000 + b"\r\n--b--\r\n"
    answer = flask.get("/form", "Content-Type: multipart/form-data; boundary=b", method="POST", body=body)
    assert answer.status == 200
    assert json.loads(answer.text) == {"name": "Jack", "file": "f.bin", "size": 400_000}


def test_flask_keeps_a_session_over_processes(flask: Server) -> None:
    """A signed cookie counts on, whichever process answers."""
    browser = Browser(flask)
    assert [browser.open("/count")[2] for _ in range(6)] == ["1", "2", "3", "4", "5", "6"]


def test_flask_streams(flask: Server) -> None:
    """A generator's answer arrives complete."""
    assert flask.get("/stream").text == "".join(f"line {number}\n" for number in range(1000))


def test_an_error_in_flask_is_in_the_log(flask: Server) -> None:
    """The page says 500, the error log has the traceback with the process that wrote it."""
    answer = flask.get("/error")
    assert answer.status == 500
    assert "on purpose" not in answer.text
    assert "RuntimeError: on purpose" in flask.log()


# -- Django


def manage(database: Path, *arguments: str) -> None:
    """Run the project's manage.py."""
    subprocess.run(
        [sys.executable, str(SITE / "manage.py"), *arguments],
        check=True,
        capture_output=True,
        env={
            **os.environ,
            "SITE_DATABASE": str(database),
            "DJANGO_SUPERUSER_PASSWORD": PASSWORD,
            "PYTHONDONTWRITEBYTECODE": "1",
        },
    )


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A migrated database with one superuser."""
    path = tmp_path_factory.mktemp("django") / "site.sqlite3"
    manage(path, "migrate", "--verbosity", "0")
    manage(path, "createsuperuser", "--noinput", "--username", "jack", "--email", "jack@example.org")
    return path


@pytest.fixture(scope="module", params=["", "/shop"], ids=["at-the-root", "mounted"])
def mount(request: pytest.FixtureRequest) -> str:
    """Where the project is mounted."""
    path: str = request.param
    return path


@pytest.fixture(scope="module")
def django(database: Path, mount: str) -> Iterator[Server]:
    """The project as its users would start it: two processes with threads."""
    options = ("--processes", "2", "--threads", "4", "--mount-point", mount or "/")
    env = {"SITE_DATABASE": str(database), "PYTHONDONTWRITEBYTECODE": "1"}
    with serving("site_project.wsgi:application", "--python-path", str(SITE), *options, env=env) as server:
        yield server


def test_django_says_hello(django: Server, mount: str) -> None:
    """The project finds where it is mounted."""
    answer = django.get(f"{mount}/")
    assert (answer.status, answer.text) == (200, f"Hello from {mount}/ under {mount or '/'}")


def token(page: str) -> str:
    match = re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', page)
    assert match is not None, page
    return match[1]


def test_djangos_admin_logs_in(django: Server, mount: str) -> None:
    """The login page, a wrong and a right password by POST with CSRF, and the admin's index with the user's name."""
    browser = Browser(django, mount)
    status, where, page = browser.open("/admin/")
    assert (status, where) == (200, "/admin/login/?next=" + urllib.parse.quote(f"{mount}/admin/"))
    form = {"username": "jack", "password": "wrong", "next": f"{mount}/admin/", "csrfmiddlewaretoken": token(page)}
    status, where, page = browser.open(where, form)
    assert status == 200
    assert "Please enter the correct username and password" in page
    form = {**form, "password": PASSWORD, "csrfmiddlewaretoken": token(page)}
    status, where, page = browser.open("/admin/login/", form)
    assert (status, where) == (200, "/admin/")
    assert "<strong>jack</strong>" in page
    assert "Site administration" in page
    # The session lives in the database, so it counts in every process.
    for _ in range(4):
        assert "<strong>jack</strong>" in browser.open("/admin/")[2]
    assert "jack@example.org" in browser.open("/admin/auth/user/")[2]


def test_django_refuses_a_forged_login(django: Server, mount: str) -> None:
    """A POST without the token is 403."""
    assert Browser(django, mount).open("/admin/login/", {"username": "jack", "password": PASSWORD})[0] == 403


def test_django_stays_logged_in_over_a_reload(django: Server, mount: str) -> None:
    """A user who is logged in does not notice that every process is replaced."""
    browser = Browser(django, mount)
    _, where, page = browser.open("/admin/")
    form = {"username": "jack", "password": PASSWORD, "next": f"{mount}/admin/", "csrfmiddlewaretoken": token(page)}
    assert browser.open(where, form)[0] == 200
    before = {process.pid for process in django.daemons()}
    os.kill(django.pid, 1)
    while {process.pid for process in django.daemons()} & before:
        assert "<strong>jack</strong>" in browser.open("/admin/")[2]
    assert "<strong>jack</strong>" in browser.open("/admin/")[2]
