"""orders: settings survive the trip through JSON exactly, and what is no settings is refused by the field's name."""

import dataclasses
from dataclasses import dataclass
from enum import Enum

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pydaemonwsgi.daemon import orders
from pydaemonwsgi.daemon.settings import DaemonSettings, PythonSettings
from pydaemonwsgi.system.identities import Identity

# Names of files as Python has them: bytes that are not UTF-8 are lone surrogates.
NAMES = st.text(st.characters(exclude_categories=["Cs"]) | st.sampled_from("\udc80\udcff"))


class Colour(Enum):
    RED = "red"


@dataclass(frozen=True)
class Inner:
    names: tuple[str, ...]
    pair: tuple[int, str]
    colour: Colour | None


@dataclass(frozen=True)
class Outer:
    inner: Inner | None
    seconds: float
    by_name: dict[str, int]
    flag: bool


INNERS = st.builds(
    Inner,
    st.lists(NAMES).map(tuple),
    st.tuples(st.integers(), NAMES),
    st.none() | st.just(Colour.RED),
)


@given(
    st.builds(
        Outer,
        st.none() | INNERS,
        st.floats(allow_nan=False, allow_infinity=False) | st.integers(0, 100),
        st.dictionaries(NAMES, st.integers()),
        st.booleans(),
    )
)
def test_every_kind_of_field_comes_back(outer: Outer) -> None:
    """Nested dataclasses, tuples, enumerations and odd file names are what they were."""
    assert orders.decode(Outer, orders.encode(outer)) == outer


def test_the_settings_of_a_daemon_process_come_back() -> None:
    """Whatever fields they have: a new one whose type cannot travel fails here."""
    settings = DaemonSettings(
        **{
            **{field.name: None for field in dataclasses.fields(DaemonSettings) if _is_required(field)},  # type: ignore[arg-type]
            **_REQUIRED,
        }
    )
    assert orders.decode(DaemonSettings, orders.encode(settings)) == settings


_REQUIRED = {
    "group": "site",
    "script": "/srv/caf\udce9.wsgi",
    "module": None,
    "callable_object": "application",
    "threads": 3,
    "processes": 2,
    "multiprocess": True,
    "maximum_requests": 0,
    "python_path": ("/srv/a", "/srv/b"),
    "working_directory": "/",
    "identity": Identity(1000, 100, (100, 27), "jack", "/home/jack"),
    "umask": 0o27,
    "reloading": True,
    "reload_on_changes": False,
    "debug": False,
    "shutdown_timeout": 5.0,
    "log_level": "info",
    "display_name": "(wsgi:site)",
    "python": PythonSettings("/srv/venv", 2, True, ("ignore", "error::UserWarning"), "0"),
}


def _is_required(field: "dataclasses.Field[object]") -> bool:
    return field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING


@pytest.mark.parametrize(
    ("data", "words"),
    [
        pytest.param(
            b'{"inner": null, "seconds": 1, "by_name": {}}', "other fields than it should: flag", id="missing"
        ),
        pytest.param(
            b'{"inner": null, "seconds": 1, "by_name": {}, "flag": true, "new": 1}', "other fields", id="unknown"
        ),
        pytest.param(
            b'{"inner": null, "seconds": 1, "by_name": {}, "flag": 1}', "Outer.flag is 1, not bool", id="type"
        ),
        pytest.param(
            b'{"inner": null, "seconds": 1, "by_name": {"a": "b"}, "flag": true}', "Outer.by_name.a", id="deep"
        ),
        pytest.param(b"[]", "Outer is []", id="no-object"),
    ],
)
def test_what_is_no_settings_is_refused(data: bytes, words: str) -> None:
    """A server that was upgraded while it ran says which field it does not know."""
    with pytest.raises(ValueError, match="Outer") as caught:
        orders.decode(Outer, data)
    assert words in str(caught.value)


def test_a_value_that_cannot_travel_is_refused_where_it_is_sent() -> None:
    """It does not arrive as something else."""
    with pytest.raises(TypeError, match="set cannot cross an exec"):
        orders.encode(Outer(None, 1.0, {"a": {1}}, True))  # type: ignore[dict-item]
