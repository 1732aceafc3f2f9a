"""The first program in an interpreter that a daemon process was executed in. Shell; also for Pythons that are too old.

It makes our package importable, and nothing else that lies beside it: the other environment's packages are its own.
"""

import sys

_OLDEST = (3, 10)


def _start():
    # type: () -> int
    if not getattr(sys.flags, "safe_path", False):
        del sys.path[0]  # this file's directory, whose modules have names that others need
    if sys.version_info < _OLDEST:
        here = ".".join(map(str, sys.version_info[:3]))
        oldest = ".".join(map(str, _OLDEST))
        sys.stderr.write(f"pydaemonwsgi: {sys.executable} is Python {here}; daemon processes need {oldest} or newer\n")
        return 83  # StartFailure.INTERPRETER
    _import_package()
    from pydaemonwsgi.daemon.arrival import arrive  # noqa: PLC0415 - importable only now

    return arrive()


def _import_package():
    # type: () -> None
    from importlib import util  # noqa: PLC0415 - not before sys.path is clean

    directory = __file__.rpartition("/")[0].rpartition("/")[0]
    spec = util.spec_from_file_location(
        "pydaemonwsgi", directory + "/__init__.py", submodule_search_locations=[directory]
    )
    assert spec is not None
    assert spec.loader is not None
    package = util.module_from_spec(spec)
    sys.modules["pydaemonwsgi"] = package
    spec.loader.exec_module(package)


if __name__ == "__main__":
    status = _start()
    import os

    os._exit(status)
