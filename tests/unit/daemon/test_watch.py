"""watch: a changed module is noticed with and without watchdog, and across a fork."""

import os
import sys
import types
from collections.abc import Iterator
from pathlib import Path

import pytest

from pydaemonwsgi.daemon.watch import ModuleWatch
from tests.helpers.server import wait_for


@pytest.fixture
def module(tmp_path: Path) -> Iterator[Path]:
    """The file of an imported module."""
    path = tmp_path / "watched_module.py"
    path.write_text("", "utf-8")
    loaded = types.ModuleType("watched_module")
    loaded.__file__ = str(path)
    sys.modules["watched_module"] = loaded
    yield path
    del sys.modules["watched_module"]


def change(path: Path) -> None:
    os.utime(path, ns=(1, path.stat().st_mtime_ns + 1_000_000))


def test_an_observer_sees_a_change(module: Path) -> None:
    """With watchdog nobody has to ask."""
    seen: list[str] = []
    watch = ModuleWatch(seen.append)
    watch.refresh()
    change(module)
    wait_for(lambda: seen, "the change")
    assert seen == [str(module)]


@pytest.mark.parametrize("installed", [True, False])
def test_a_refresh_sees_a_change_without_an_observer(
    module: Path, monkeypatch: pytest.MonkeyPatch, installed: bool
) -> None:
    """Where no thread may watch, or no watchdog is there, each refresh looks; a change counts once."""
    if not installed:
        monkeypatch.setitem(sys.modules, "watchdog.events", None)
    seen: list[str] = []
    watch = ModuleWatch(seen.append, observe=not installed)
    watch.refresh()
    assert seen == []
    change(module)
    watch.refresh()
    watch.refresh()
    assert seen == [str(module)]


def test_a_watch_that_goes_on_for_another_sees_what_changed_between(module: Path) -> None:
    """What was loaded before a fork and changed before the child watched counts at once."""
    first = ModuleWatch(lambda path: None, observe=False)
    first.refresh()
    change(module)
    seen: list[str] = []
    ModuleWatch(seen.append, known=first.versions, observe=False)
    assert seen == [str(module)]
