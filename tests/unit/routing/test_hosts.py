"""Names of hosts with wildcards."""

from fnmatch import fnmatchcase

from hypothesis import given
from hypothesis import strategies as st

from pydaemonwsgi.config.model import Host
from pydaemonwsgi.routing.hosts import is_named


@given(st.text("ab.*?", max_size=8).filter(lambda alias: "*" in alias or "?" in alias), st.text("ab.", max_size=12))
def test_a_wildcard_of_an_alias_stands_for_anything(alias: str, name: str) -> None:
    assert is_named(Host(server_aliases=(alias,)), name) is fnmatchcase(name, alias)
