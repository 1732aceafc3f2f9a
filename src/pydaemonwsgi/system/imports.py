"""The modules of a package as they are on disk at one moment, for whoever imports them later. No policy.

A server forks processes for weeks that import what only they need. Meanwhile another version may be installed, or be
half installed; a process must not be made of parts of both. So the code is read once, without being run, and processes
that are forked later import from memory. What they do not import costs them nothing: the memory is shared.
"""

import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from importlib.abc import InspectLoader, Loader, MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from importlib.util import spec_from_file_location
from pkgutil import iter_modules
from types import CodeType, ModuleType

__all__ = ["ReadModules", "read_modules"]


@dataclass(frozen=True, slots=True)
class _Module:
    """One module: its code, its file, and where its own modules are, if it is a package."""

    code: CodeType
    path: str
    within: tuple[str, ...] | None


class ReadModules(MetaPathFinder, Loader):
    """Finds modules that have been read, and runs them when they are imported."""

    def __init__(self, modules: dict[str, _Module]) -> None:
        self._modules = modules

    def __contains__(self, name: str) -> bool:
        """Whether a module has been read."""
        return name in self._modules

    def find_spec(self, name: str, path: object = None, target: object = None) -> ModuleSpec | None:
        """Return how to make a module; None if it is none of these."""
        del path, target
        found = self._modules.get(name)
        if found is None:
            return None
        within = None if found.within is None else list(found.within)
        return spec_from_file_location(name, found.path, loader=self, submodule_search_locations=within)

    def create_module(self, spec: ModuleSpec) -> None:
        """Have the import system make the module."""
        del spec

    def exec_module(self, module: ModuleType) -> None:
        """Run the code of a module."""
        exec(self._modules[module.__name__].code, module.__dict__)  # noqa: S102 - as every import does


def read_modules(packages: Iterable[str]) -> ReadModules:
    """Read the modules of some packages, and have this process and those that it forks import them from memory.

    Args:
        packages: of which one more module may be imported; each has been imported itself. Modules that have been
            imported need not be read.

    Raises:
        SyntaxError: a module of theirs is broken.
        OSError: one cannot be read.
    """
    modules: dict[str, _Module] = {}
    for package in packages:
        modules.update(_read(sys.modules[package].__path__, f"{package}."))
    read = ReadModules(modules)
    sys.meta_path.insert(0, read)
    return read


def _read(directories: Iterable[str], prefix: str) -> Iterator[tuple[str, _Module]]:
    for info in iter_modules(directories, prefix):
        spec = PathFinder.find_spec(info.name, list(directories))
        if spec is None or spec.origin is None or not isinstance(spec.loader, InspectLoader):
            continue  # an extension module or the like, which is no code of ours
        within = spec.submodule_search_locations
        if info.name not in sys.modules and (code := spec.loader.get_code(info.name)) is not None:
            yield info.name, _Module(code, spec.origin, None if within is None else tuple(within))
        if within is not None:
            yield from _read(within, f"{info.name}.")
