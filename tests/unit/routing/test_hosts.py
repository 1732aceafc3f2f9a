"""Which host a request is for, and what a host is called that nobody has given a name."""

from fnmatch import fnmatchcase

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pydaemonwsgi.config.model import Host
from pydaemonwsgi.routing.hosts import is_named
from tests.helpers.routing import facts, router, summary


@given(st.text("ab.*?", max_size=8).filter(lambda alias: "*" in alias or "?" in alias), st.text("ab.", max_size=12))
def test_a_wildcard_of_an_alias_stands_for_anything(alias: str, name: str) -> None:
    assert is_named(Host(server_aliases=(alias,)), name) is fnmatchcase(name, alias)


@pytest.mark.parametrize("address", ["*", "_default_", "0.0.0.0", "[::]"])
@pytest.mark.parametrize("local", ["127.0.0.1", "::1", "192.0.2.1"])
def test_every_interface_is_every_address(address: str, local: str) -> None:
    """As in httpd: also of the other family."""
    text = f"Listen 80\n<VirtualHost {address}:80>\nRedirect / http://here.example/\n</VirtualHost>\n"
    found = router(text).decide(facts("/x", local=(local, 80)))
    assert summary(found) == "302 http://here.example/x"


NAMELESS = """
Listen 8080
ServerName main.example
UseCanonicalName On
<VirtualHost %s:8080>
Redirect /r /there
WSGIScriptAlias / /site/scripts/one.wsgi
</VirtualHost>
"""


@pytest.mark.parametrize(("address", "name"), [("*", "main.example"), ("192.0.2.1", "192.0.2.1")])
def test_a_host_for_every_address_has_the_main_servers_name_if_it_has_none(address: str, name: str) -> None:
    """And the port that it is for."""
    found = router(NAMELESS % address).decide(facts("/r", local=("192.0.2.1", 8080)))
    assert summary(found) == f"302 http://{name}:8080/there"


@pytest.mark.parametrize(
    ("own", "port"), [("", ":8080"), ("ServerName own.example\n", ""), ("ServerName own.example:81\n", ":81")]
)
def test_the_port_is_that_of_the_host_where_the_client_says_none(own: str, port: str) -> None:
    """A name without a port means the scheme's own, as in httpd."""
    text = f"Listen 8080\n<VirtualHost *:8080>\n{own}Redirect /r /there\n</VirtualHost>\n"
    found = router(text).decide(facts("/r", host="asked.example", local=("192.0.2.1", 8080)))
    assert summary(found) == f"302 http://asked.example{port}/there"
