"""control: where the control socket is made."""

import os
from pathlib import Path

import pytest

from pydaemonwsgi.config.values import ListenAddress
from pydaemonwsgi.errors import StartError
from pydaemonwsgi.serve import control
from pydaemonwsgi.serve.control import make_control_socket

ADDRESSES = [ListenAddress("127.0.0.1", 8000)]


@pytest.fixture
def places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Path, Path]:
    """Two directories in which it may be, the first of which everybody may write into."""
    first, second = tmp_path / "first", tmp_path / "second"
    first.mkdir()
    first.chmod(0o777)
    monkeypatch.setattr(control, "directories", lambda environ, uid: [str(first), str(second)])
    return first, second


def test_a_place_that_is_not_safe_is_passed_over(places: tuple[Path, Path]) -> None:
    """The next one is taken; the name is the server's and its port."""
    made, problem = make_control_socket(None, "app", ADDRESSES)
    assert made is not None
    assert (made.path, problem) == (str(places[1] / "app-8000.sock"), "")
    assert places[1].stat().st_mode & 0o777 == 0o700
    made.close()


def test_a_name_that_another_server_has_is_no_reason_to_fail(places: tuple[Path, Path]) -> None:
    """Two servers may have the same port, on two addresses; only who has asked for the name is refused."""
    one, _ = make_control_socket(None, "app", ADDRESSES)
    two, _ = make_control_socket(None, "app", ADDRESSES)
    assert one is not None
    assert two is not None
    assert two.path == str(places[1] / f"app-8000-pid{os.getpid()}.sock")
    with pytest.raises(StartError):
        make_control_socket("app-8000", "app", ADDRESSES)
    one.close()
    two.close()


def test_without_any_place_the_server_goes_on(places: tuple[Path, Path]) -> None:
    """It says why there is none; only who has asked for one by name is refused."""
    places[1].mkdir()
    places[1].chmod(0o777)
    made, problem = make_control_socket(None, "app", ADDRESSES)
    assert made is None
    assert all(str(place) in problem for place in places)
    with pytest.raises(StartError, match="--control-socket PATH"):
        make_control_socket("mine", "app", ADDRESSES)


def test_none_is_made_where_none_is_wanted(places: tuple[Path, Path]) -> None:
    """`off`, without a complaint."""
    assert make_control_socket("off", "app", ADDRESSES) == (None, "")
    assert not places[1].exists()
