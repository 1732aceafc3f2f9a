"""The option table: its defaults, its properties, its validation."""

from dataclasses import fields

import pytest

from pydaemonwsgi.config.group_options import GroupOptions
from pydaemonwsgi.config.option import Option, Scope
from pydaemonwsgi.config.options import OPTIONS, ServeOptions
from pydaemonwsgi.config.values import ListenAddress


def test_table_has_a_row_for_every_field() -> None:
    """Every field of ServeOptions is an option, those of one heading in their order."""
    assert set(OPTIONS) == {row.name for row in fields(ServeOptions)}
    headings = [row.heading for row in OPTIONS.values()]
    assert headings == sorted(headings, key=headings.index)


def test_first_row_is_the_script() -> None:
    """--help begins with what must be given."""
    assert next(iter(OPTIONS)) == "script"


@pytest.mark.parametrize("row", OPTIONS.values(), ids=OPTIONS)
def test_options_of_a_group_are_options_of_wsgidaemonprocess(row: Option) -> None:
    """What a process group has is written there under the flag's name; nothing else is."""
    if row.name in {field.name for field in fields(GroupOptions)}:
        assert row.scope is Scope.GROUP
        assert f"--{row.daemon_option}" == row.flag
    else:
        assert row.scope is not Scope.GROUP
        assert row.daemon_option is None


@pytest.mark.parametrize("row", OPTIONS.values(), ids=OPTIONS)
def test_row_is_complete(row: Option) -> None:
    """Every row has a sentence, a heading, and words for its default."""
    assert row.meaning.endswith(".")
    assert row.heading
    if row.is_positional:
        return
    assert row.default_text
    if row.kind is None:
        assert row.default is False
    else:
        assert row.metavar


@pytest.mark.parametrize("row", OPTIONS.values(), ids=OPTIONS)
def test_row_with_a_default_of_zero_says_what_it_means(row: Option) -> None:
    """Where the default is 0 the user is told what 0 does."""
    if row.default == 0 and row.kind is not None:
        assert row.default_text == f"0: {row.zero}"
        assert row.zero


def test_default_body_limit_is_that_of_express() -> None:
    """A request body is limited to 10 MiB unless told otherwise."""
    assert ServeOptions("app.wsgi").limit_request_body == 10485760


@pytest.mark.parametrize(
    ("options", "listeners"),
    [
        (ServeOptions("a"), (ListenAddress("127.0.0.1", 8000),)),
        (ServeOptions("a", host="::1", port=0), (ListenAddress("::1", 0),)),
        (ServeOptions("a", listen=(ListenAddress("", 80),)), (ListenAddress("", 80),)),
    ],
)
def test_listeners_are_those_of_listen_or_host_and_port(
    options: ServeOptions, listeners: tuple[ListenAddress, ...]
) -> None:
    """The listeners are those of --listen, or else the one of --host and --port."""
    assert options.listeners == listeners


@pytest.mark.parametrize(("processes", "count"), [(None, 1), (1, 1), (4, 4)])
def test_process_count_is_one_if_not_given(processes: int | None, count: int) -> None:
    """There is always at least one daemon process."""
    assert ServeOptions("a", processes=processes).process_count == count


@pytest.mark.parametrize(
    ("script", "name"),
    [
        ("app.wsgi", "app"),
        ("/srv/site/hello.py", "hello"),
        ("/srv/site/hello.v2.wsgi:main", "hello.v2"),
        ("dir/odd name.wsgi", "odd_name"),
        ("app.py:site.main", "app"),
        ("hello", "hello"),
        ("package.module", "package.module"),
        ("package.module:main", "package.module"),
        ("/", "wsgi"),
    ],
)
def test_group_name_derives_from_the_script(script: str, name: str) -> None:
    """Without --process-group the group has the script's name."""
    assert ServeOptions(script).group_name == name


def test_group_name_is_the_given_one() -> None:
    """--process-group names the group."""
    assert ServeOptions("app.wsgi", process_group="jack-1").group_name == "jack-1"
