"""Which application a request is for, and what its context says about it. Sans-I/O.

With a configuration the front decides this and says so in the head of each request: `SCRIPT_FILENAME`,
`mod_wsgi.callable_object` and `mod_wsgi.handler_script`, which the application sees too, and private keys, which it
does not. `docs/design/scripts.md` has the table. Without them the process group's one script is meant.
"""

from collections.abc import Mapping
from enum import Enum
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from pydaemonwsgi.daemon.applications import Application

__all__ = [
    "HANDLER_CALLABLE",
    "PRIVATE",
    "Hook",
    "Mechanism",
    "Route",
    "Target",
    "read_route",
    "read_target",
    "target_of",
    "without_private",
]

# Keys that begin so travel from the front and never reach an application.
PRIVATE: Final = "mod_wsgi.x-"
# The application of a handler script (WSGIHandlerScript) has always this name.
HANDLER_CALLABLE: Final = "handle_request"


class Mechanism(Enum):
    """What happens when a script has changed (WSGIReloadMechanism, WSGIScriptReloading)."""

    OFF = "off"  # nothing
    PROCESS = "process"  # its process is replaced
    MODULE = "module"  # the script is loaded once more, beside requests that run the old one
    INTERPRETER = "interpreter"  # its interpreter is replaced: that of a process, so the process


class Hook(Enum):
    """A script that httpd would run inside its children, and what is asked of it."""

    DISPATCH = "dispatch"  # WSGIDispatchScript
    ACCESS = "access"  # WSGIAccessScript


_MODULE: Final = "module:"
_MECHANISMS: Final = {mechanism.value: mechanism for mechanism in Mechanism}
_HOOKS: Final = {hook.value: hook for hook in Hook}


class Target(NamedTuple):
    """Where the code of a request is: exactly one of `path` and `module` is set.

    Attributes:
        path: of the script, absolute.
        module: dotted name of a module.
        callable_object: of the application; "" where the script is only loaded, or has functions to ask (`hook`).
        hook: what the script is asked for, if it is no application.
    """

    path: str | None
    module: str | None
    callable_object: str
    hook: Hook | None = None

    @property
    def text(self) -> str:
        """Where the code is, in one text: a path, or `module:NAME`."""
        return self.path if self.path is not None else f"{_MODULE}{self.module}"


class Route(NamedTuple):
    """What is known of a request before it runs; remembered with its head.

    Attributes:
        application: whom it is for.
        mechanism: what happens when the script has changed.
        resource: the file that is asked for, as `reload_required` gets it; None where that is the script itself.
        path: names what is asked for, so that what was slow once is known again.
        maps_head_to_get: the application sees GET although the client said HEAD (WSGIMapHEADToGET).
        answered_as: the method that decides whether there is a body, where it is not what the application sees.
        ignores_activity: the request is no activity (WSGIIgnoreActivity).
    """

    application: "Application"
    mechanism: Mechanism
    resource: str | None
    path: str
    maps_head_to_get: bool
    ignores_activity: bool
    answered_as: str | None = None


def target_of(text: str, callable_object: str) -> Target:
    """Return the target that a text means: a path, or `module:NAME`."""
    if text.startswith(_MODULE):
        return Target(None, text.removeprefix(_MODULE), callable_object)
    return Target(text, None, callable_object)


def read_target(head: Mapping[str, str], callable_object: str) -> Target | None:
    """Return what the head says that the request is for; None where it says nothing.

    Args:
        head: the CGI variables of the request's head.
        callable_object: the application's name where the head gives none.
    """
    hook = _HOOKS.get(head.get("mod_wsgi.x-hook", ""))
    path = head.get("mod_wsgi.handler_script")
    if path and hook is None:
        return Target(path, None, HANDLER_CALLABLE)
    name = head.get("mod_wsgi.callable_object") or callable_object
    text = head.get("mod_wsgi.x-script") or head.get("SCRIPT_FILENAME")
    if text is None:
        return None
    return target_of(text, name) if hook is None else Target(text, None, "", hook)


def read_route(head: Mapping[str, str], application: "Application", mechanism: Mechanism) -> Route:
    """Return what a head says besides the application.

    Args:
        head: the CGI variables of the request's head.
        application: whom the request is for.
        mechanism: what counts where the head names none.
    """
    asks = "mod_wsgi.x-hook" in head  # its answer is a body, whatever the client's method is
    maps_head_to_get = not asks and head.get("mod_wsgi.x-map-head") == "1" and head.get("REQUEST_METHOD") == "HEAD"
    return Route(
        application,
        _MECHANISMS.get(head.get("mod_wsgi.x-reload", ""), mechanism),
        head.get("SCRIPT_FILENAME"),
        head.get("SCRIPT_NAME", "") + head.get("PATH_INFO", ""),
        maps_head_to_get,
        head.get("mod_wsgi.x-ignore-activity") == "1",
        "GET" if asks else "HEAD" if maps_head_to_get else None,
    )


def without_private(head: dict[str, str]) -> dict[str, str]:
    """Return what the application may see of a head."""
    return {name: value for name, value in head.items() if not name.startswith(PRIVATE)}
