"""imports: modules that were read are imported although they are on disk no more, or otherwise."""

import importlib
import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from pydaemonwsgi.system.imports import read_modules

NAME = "tests_imports_package"


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A package that has been imported, and its modules, of which one has been."""
    path = tmp_path / NAME
    (path / "inner").mkdir(parents=True)
    (path / "__init__.py").write_text("")
    (path / "early.py").write_text("ORIGIN = 'memory'\n")
    (path / "late.py").write_text("from . import early\nORIGIN = 'disk when it was read'\n")
    (path / "inner" / "__init__.py").write_text("from .deep import ORIGIN as ORIGIN\n")
    (path / "inner" / "deep.py").write_text("ORIGIN = 'deep'\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    finders = list(sys.meta_path)
    importlib.import_module(f"{NAME}.early")
    yield path
    sys.meta_path[:] = finders
    for name in [name for name in sys.modules if name.partition(".")[0] == NAME]:
        del sys.modules[name]


def test_module_that_was_read_is_imported_from_memory(package: Path) -> None:
    """Whether its file has changed or gone; it says that it came from there."""
    read_modules((NAME,))
    (package / "late.py").write_text("raise AssertionError('of another version')\n")
    late = importlib.import_module(f"{NAME}.late")
    assert (late.ORIGIN, late.early.ORIGIN) == ("disk when it was read", "memory")
    assert (late.__file__, late.__package__) == (str(package / "late.py"), NAME)


def test_packages_within_are_read_as_well(package: Path) -> None:
    """With their modules, and as packages."""
    read_modules((NAME,))
    shutil.rmtree(package)
    inner = importlib.import_module(f"{NAME}.inner")
    assert inner.ORIGIN == "deep"
    assert list(inner.__path__) == [os.path.join(package, "inner")]


def test_module_is_not_run_before_it_is_imported(package: Path) -> None:
    """Whoever reads may be root, and has no use for it."""
    (package / "late.py").write_text("raise AssertionError('run')\n")
    read = read_modules((NAME,))
    assert f"{NAME}.late" in read
    assert f"{NAME}.late" not in sys.modules
    with pytest.raises(AssertionError, match="run"):
        importlib.import_module(f"{NAME}.late")


def test_only_what_may_still_be_imported_is_read(package: Path) -> None:
    """Modules that run need no copy, and other packages are others' business."""
    assert package.exists()
    read = read_modules((NAME,))
    assert f"{NAME}.early" not in read
    assert read.find_spec("json") is None
    assert read.find_spec(f"{NAME}.nowhere") is None
