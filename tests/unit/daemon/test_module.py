"""module: `mod_wsgi` is ours, and whatever of that name pip has installed is below it."""

import importlib
import sys
from pathlib import Path

import pytest

from pydaemonwsgi.daemon.module import _ModWsgi


@pytest.fixture(autouse=True)
def ours(monkeypatch: pytest.MonkeyPatch) -> None:
    """The module is imported, as in a daemon process; whatever is imported below it is forgotten afterwards."""
    monkeypatch.setitem(sys.modules, "mod_wsgi", _ModWsgi("mod_wsgi"))
    monkeypatch.setitem(sys.modules, "mod_wsgi.express", None)
    monkeypatch.delitem(sys.modules, "mod_wsgi.express")


def test_what_pip_has_installed_is_below_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where `sys.path` has come to lead there only after the module was made."""
    package = tmp_path / "mod_wsgi"
    package.mkdir()
    (package / "__init__.py").write_text("raise ImportError('only under Apache')\n", encoding="utf-8")
    (package / "express.py").write_text("answer = 42\n", encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    assert importlib.import_module("mod_wsgi.express").answer == 42
    assert isinstance(sys.modules["mod_wsgi"], _ModWsgi)


def test_without_it_a_submodule_is_said_not_to_be_there() -> None:
    """In Python's own words."""
    with pytest.raises(ModuleNotFoundError, match=r"'mod_wsgi.express'; 'mod_wsgi' is not a package"):
        importlib.import_module("mod_wsgi.express")
    assert not hasattr(sys.modules["mod_wsgi"], "__path__")
