"""Sub-interpreters of this process, where its Python has them. Shell; the one file that knows the private module.

CPython 3.13 has all that it takes in `_interpreters`, which is private; the public `concurrent.interpreters` of later
versions (PEP 734) cannot choose what an interpreter may do, which is what matters here.
"""

import importlib
import sys
from typing import Any, Final

__all__ = ["create", "execute", "explain_missing"]

# The oldest CPython with `_interpreters`.
_OLDEST: Final = (3, 13)


def _module() -> Any:
    return importlib.import_module("_interpreters")


def explain_missing(version: tuple[int, ...] | None = None) -> str | None:
    """Return why a Python has no sub-interpreters, for the user to mend; None if it has.

    Args:
        version: of another Python; None for the one that this is.
    """
    if version is None:
        if _has_subinterpreters():
            return None
        version = sys.version_info[:3]
    elif version >= _OLDEST:
        return None
    text = ".".join(map(str, version))
    what = f"this is Python {text}" if version < _OLDEST else f"Python {text} has it in another way"
    return (
        f"application-groups=interpreters needs CPython {'.'.join(map(str, _OLDEST))} or newer, and {what}: name an "
        "environment of such a Python with python-home, or leave application-groups out, so that each application "
        "group has processes of its own"
    )


def _has_subinterpreters() -> bool:
    # A later version may have changed what is private.
    try:
        module = _module()
    except ImportError:
        return False
    return all(hasattr(module, name) for name in ("create", "exec", "new_config"))


def create(*, own_gil: bool) -> int:
    """Make an interpreter that lasts as long as the process, and return its id.

    It may have daemon threads, and may neither fork (the child would die at once) nor execute another program in the
    place of this one.

    Args:
        own_gil: whether it has a GIL of its own; extension modules that do not say that they can do with that are then
            refused. With the main interpreter's GIL they are loaded, and may share what they should not.

    Raises:
        RuntimeError: Python cannot make one.
    """
    module = _module()
    if own_gil:
        config = module.new_config("isolated", allow_daemon_threads=True)
    else:
        config = module.new_config("legacy", allow_fork=False, allow_exec=False)
    number: int = module.create(config)
    return number


def execute(number: int, source: str) -> str:
    """Run source code in an interpreter, by this thread; return what it raised, with its traceback, or "".

    The thread is in that interpreter until the code has come to its end.
    """
    failure = _module().exec(number, source)
    return "" if failure is None else str(getattr(failure, "errdisplay", None) or failure.formatted)
