"""Scripts that httpd with mod_wsgi runs inside its children, run here: the front asks, a WSGI application answers.

Reference: mod_wsgi's WSGIDispatchScript and WSGIAccessScript. The answer is a small JSON object; the application
itself is like any other, so that queueing, time-outs, reloading and logs are as for requests.

    dispatch   {"process_group": …, "application_group": …, "callable_object": …}, each a text or null (keep it)
    access     {"allowed": true | false | null}, null being no opinion

An exception is for the front to judge: 500, and the error log has the traceback.
"""

import json
import logging
from collections.abc import Callable, Iterable
from typing import Any, Final

from pydaemonwsgi.daemon.routes import Hook
from pydaemonwsgi.daemon.scripts import Script, WSGIApplication

__all__ = ["hook_application"]

logger = logging.getLogger(__name__)

_DISPATCH_FUNCTIONS: Final = ("process_group", "application_group", "callable_object")
# What such a script finds of `wsgi.*`: there is no request body and no response of its own.
_WSGI_KEYS: Final = frozenset(("wsgi.errors", "wsgi.version"))


def hook_application(hook: Hook, script: Script) -> WSGIApplication:
    """Return the application that asks a loaded script's functions."""
    return {Hook.DISPATCH: _dispatch, Hook.ACCESS: _access}[hook](script)


def _dispatch(script: Script) -> WSGIApplication:
    assert script.module is not None
    names = script.module.__dict__
    functions = {name: names[name] for name in _DISPATCH_FUNCTIONS if name in names}

    def application(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        seen = _environ(environ)
        answers = {}
        for name in _DISPATCH_FUNCTIONS:
            function = functions.get(name)
            answers[name] = None if function is None else _text(function(seen), f"{name}() of {script.name}")
        return _answer(start_response, answers)

    return application


def _access(script: Script) -> WSGIApplication:
    allow_access = script.find("allow_access")

    def application(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        seen = _environ(environ)
        host = seen.get("REMOTE_HOST") or seen.get("REMOTE_ADDR", "")
        allowed: Any = allow_access(seen, host)
        if allowed is not None and not isinstance(allowed, bool):
            raise TypeError(
                f"allow_access() of {script.name} must return True, False or None, not {type(allowed).__name__}"
            )
        return _answer(start_response, {"allowed": allowed})

    return application


def _environ(environ: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in environ.items() if not name.startswith("wsgi.") or name in _WSGI_KEYS}


def _text(value: Any, what: str) -> str | None:
    """Return what a function of a dispatch script returned as text."""
    if isinstance(value, str):
        value.encode("latin-1")  # names travel as latin-1; what is not raises
        return value
    if value is None:
        return None
    if isinstance(value, bytes):
        return value.decode("latin-1")
    raise TypeError(f"{what} must return str, bytes or None, not {type(value).__name__}")


def _answer(start_response: Callable[..., Any], content: dict[str, Any]) -> Iterable[bytes]:
    start_response("200 OK", [("Content-Type", "application/json")])
    return [json.dumps(content).encode("ascii")]
