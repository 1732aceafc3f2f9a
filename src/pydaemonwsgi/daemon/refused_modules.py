"""Extension modules that refuse a sub-interpreter: what they raise is made to say what to do. Shell.

CPython refuses those that do not say that they can do with a GIL of their own; NumPy, what is made with PyO3, and
others refuse by themselves, each in its own words. The note goes wherever the exception goes: into the record of a
script that does not load, of a request that fails, or into the application's own log.
"""

import re
from collections.abc import Callable
from importlib import machinery
from typing import Any, Final

__all__ = ["explain_refusals"]

# "does not support loading in subinterpreters" (CPython), "do not yet support subinterpreters" (PyO3),
# "cannot load module more than once per process" (NumPy).
_REFUSAL: Final = re.compile(r"sub-?interpreter|once per (process|interpreter)|multiple interpreters", re.IGNORECASE)


def explain_refusals(group: str, application_group: str, *, own_gil: bool) -> None:
    """Have every import of an extension module in this interpreter that is refused say why, and what helps.

    Args:
        group: the process group.
        application_group: whose interpreter this is.
        own_gil: whether it has a GIL of its own.
    """
    cure = (
        f"run the script in the main interpreter (WSGIApplicationGroup %{{GLOBAL}}), or give the application groups of "
        f"the process group {group} processes of their own (application-groups=processes)"
    )
    if own_gil:
        cure += ", or try it without a GIL of its own (WSGIPerInterpreterGIL Off)"

    def note(name: str, error: Any) -> None:
        if _REFUSAL.search(str(error)):
            error.add_note(
                f"The extension module {name} refuses the sub-interpreter of the application group "
                f"{application_group}: {cure}"
            )

    def explained(function: Callable[..., Any], name_of: Callable[[Any], str]) -> Callable[..., Any]:
        def call(*arguments: Any) -> Any:
            try:
                return function(*arguments)
            except ImportError as error:
                note(name_of(arguments[-1]), error)
                raise

        return call

    extension: Any = machinery.ExtensionFileLoader
    extension.create_module = explained(extension.create_module, lambda spec: spec.name)
    extension.exec_module = explained(extension.exec_module, lambda module: module.__name__)
    builtin: Any = machinery.BuiltinImporter
    builtin.create_module = staticmethod(explained(builtin.create_module, lambda spec: spec.name))
