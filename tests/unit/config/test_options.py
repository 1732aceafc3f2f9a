"""The option table: its defaults, its properties, its validation."""

from dataclasses import fields
from typing import Any

import pytest

from pydaemonwsgi.config.options import OPTIONS, Option, ServeOptions, validate
from pydaemonwsgi.config.values import ListenAddress
from pydaemonwsgi.errors import ConfigurationError


def test_table_has_a_row_for_every_field() -> None:
    """Every field of ServeOptions is an option, in the same order."""
    assert list(OPTIONS) == [row.name for row in fields(ServeOptions)]


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


def test_defaults_are_valid() -> None:
    """The defaults pass their own validation."""
    validate(ServeOptions("app.wsgi"))


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


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"threads": 0}, "--threads: '0' is too small; give 1 to 65534"),
        ({"threads": 65535}, "--threads: '65535' is too large"),
        ({"processes": 0}, "--processes: '0' is too small; give 1 or more"),
        ({"port": 65536}, "--port: '65536' is too large; give 0 to 65535"),
        ({"queue_timeout": -1.0}, "--queue-timeout: '-1s' is not a duration"),
        ({"queue_timeout": float("inf")}, "--queue-timeout: 'infs' is not a duration"),
        ({"mount_point": "app"}, "--mount-point: 'app' does not begin with /"),
        ({"script": ""}, "SCRIPT: '' is empty"),
        ({"listen": (ListenAddress("a b", 1),)}, "--listen: 'a b:1' is not a host"),
        (
            {"reload_on_changes": True, "disable_reloading": True},
            "--reload-on-changes and --disable-reloading contradict each other",
        ),
        ({"listen": (ListenAddress("", 80),), "port": 81}, "--port is without effect beside --listen"),
        ({"listen": (ListenAddress("", 80),), "host": "::1"}, "--host is without effect beside --listen"),
        ({"listen": (ListenAddress("", 80),) * 2}, "--listen :80 is given twice"),
        ({"header_timeout": 31.0}, "--header-timeout (31 s) is longer than --header-max-timeout (30 s)"),
        ({"body_max_timeout": 5.0}, "--body-timeout (15 s) is longer than --body-max-timeout (5 s)"),
    ],
)
def test_validate_refuses(given: dict[str, Any], words: str) -> None:
    """Values out of bounds and values that contradict each other are refused by name."""
    with pytest.raises(ConfigurationError) as caught:
        validate(ServeOptions(**{"script": "app.wsgi", **given}))
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "options",
    [
        ServeOptions("a", listen=(ListenAddress("", 0), ListenAddress("", 0))),
        ServeOptions("a", header_timeout=60.0, header_max_timeout=0.0),
        ServeOptions("a", queue_timeout=0.0, graceful_timeout=0.0),
        ServeOptions("a", group="www-data"),
        ServeOptions("a", supplementary_groups=()),
    ],
)
def test_validate_accepts(options: ServeOptions) -> None:
    """Combinations that merely look odd are accepted."""
    validate(options)
