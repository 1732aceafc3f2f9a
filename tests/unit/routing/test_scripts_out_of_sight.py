"""Scripts below directories that the front may not enter: their user runs them, nobody else sees them."""

import pytest

from pydaemonwsgi.routing.files import FORBIDDEN, FileFacts
from pydaemonwsgi.routing.router import Router
from tests.helpers.routing import FakeFiles, facts, server, summary

SITE = """
Listen 80
WSGIDaemonProcess jack
WSGIProcessGroup jack
WSGIScriptAlias /app /home/jack/site.wsgi
WSGIScriptAlias /many /home/jack/scripts/
Alias /files /home/jack/files
<Directory /home/jack>
    %s
</Directory>
"""


class PrivateHomes(FakeFiles):
    """`/home/jack` is there, and what is in it is only for jack."""

    def stat(self, path: str) -> FileFacts:
        return FORBIDDEN if path.startswith("/home/jack/") else super().stat(path)


def asked(request_line: str, setting: str = "") -> str:
    method, path = request_line.split()
    router = Router(server(SITE % setting), PrivateHomes({"/home/jack": None}))
    first = summary(router.decide(facts(path, method)))
    assert summary(router.decide(facts(path, method))) == first, "what is remembered is something else"
    return first


@pytest.mark.parametrize(
    ("request_line", "answer"),
    [
        ("GET /app", "run /home/jack/site.wsgi /app -"),
        ("GET /app/a/b", "run /home/jack/site.wsgi /app /a/b"),
        ("GET /app/a//b", "run /home/jack/site.wsgi /app /a/b"),
        ("GET /many/one.wsgi", "403"),
        ("GET /files/a.txt", "403"),
    ],
)
def test_the_script_of_an_alias_is_left_to_its_user(request_line: str, answer: str) -> None:
    """Which file of a directory is meant, and what a file holds, only the front could say, and it cannot."""
    assert asked(request_line) == answer


@pytest.mark.parametrize("setting", ["Require all denied", "Options -FollowSymLinks", "Options SymLinksIfOwnerMatch"])
def test_what_the_directory_says_counts(setting: str) -> None:
    """Links that may not be followed as one likes cannot be checked, so nothing is run there."""
    assert asked("GET /app", setting) == "403"
