"""The WSGI environ of a request, from what travelled in its REQUEST frame. Sans-I/O.

PEP 3333, section environ Variables.
"""

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from pydaemonwsgi.channel.frames import RequestPayload
from pydaemonwsgi.daemon.routes import Route, without_private

__all__ = ["APACHE_VERSION", "MOD_WSGI_VERSION", "EnvironBuilder"]

# The versions whose behaviour this project reproduces; code that looks for features compares against them.
MOD_WSGI_VERSION = (6, 0, 5)
APACHE_VERSION = (2, 4, 62)

Key = TypeVar("Key")
Value = TypeVar("Value")

_REMEMBERED = 512
_LONGEST_REMEMBERED = 4096


class EnvironBuilder:
    """Builds environs, and says for each request where it goes.

    What a head says is worked out once and remembered with it, so that a head that comes again costs nothing.

    Args:
        route: says where a request goes, from the CGI variables of its head, private keys included.
        group: name of the process group.
        application_group: name of the application group, `""` for the main interpreter.
        callable_object: name of the application in the script, where a request does not say it.
        script_filename: path of the script, where a request does not say it; or None.
        multithread: value of `wsgi.multithread`.
        multiprocess: value of `wsgi.multiprocess`.
        run_once: value of `wsgi.run_once`.
        file_wrapper: value of `wsgi.file_wrapper`.
    """

    def __init__(
        self,
        route: Callable[[Mapping[str, str]], Route],
        *,
        group: str,
        application_group: str,
        callable_object: str,
        script_filename: str | None,
        multithread: bool,
        multiprocess: bool,
        run_once: bool,
        file_wrapper: type,
    ) -> None:
        self._template: dict[str, Any] = {
            "SCRIPT_NAME": "",
            "PATH_INFO": "",
            "QUERY_STRING": "",
            "wsgi.version": (1, 0),
            "wsgi.url_scheme": "http",
            "wsgi.multithread": multithread,
            "wsgi.multiprocess": multiprocess,
            "wsgi.run_once": run_once,
            "wsgi.input_terminated": True,
            "wsgi.file_wrapper": file_wrapper,
            "apache.version": APACHE_VERSION,
            "mod_wsgi.version": MOD_WSGI_VERSION,
            "mod_wsgi.process_group": group,
            "mod_wsgi.application_group": application_group,
            "mod_wsgi.callable_object": callable_object,
            "mod_wsgi.request_handler": "wsgi-script",
            "mod_wsgi.handler_script": "",
        }
        self._route = route
        self._connections: dict[bytes, dict[str, Any]] = {}
        self._heads: dict[bytes, tuple[dict[str, Any], Route]] = {}
        self._known: dict[tuple[bytes, bytes], tuple[dict[str, Any], Route]] = {}
        if script_filename is not None:
            self._template["SCRIPT_FILENAME"] = script_filename

    def build(
        self, request: RequestPayload, *, daemon_start: float, application_start: float
    ) -> tuple[dict[str, Any], Route]:
        """Return where a request goes and a new environ for it.

        The environ lacks what depends on the thread: `wsgi.input`, `wsgi.errors`, the thread's id.

        Args:
            request: what the front sent.
            daemon_start: when this process took the request, seconds since the epoch.
            application_start: now, seconds since the epoch.
        """
        known = self._known.get((request.connection, request.head))
        if known is not None:
            environ, route = known
            environ = environ.copy()
        else:
            environ, route = self._learn(request)
        environ["mod_wsgi.request_id"] = "%016x" % request.request_id  # noqa: UP031 - faster than format()
        environ["mod_wsgi.request_start"] = request.request_start
        environ["mod_wsgi.queue_start"] = request.queue_start
        environ["mod_wsgi.daemon_start"] = daemon_start
        environ["mod_wsgi.application_start"] = application_start
        return environ, route

    def _learn(self, request: RequestPayload) -> tuple[dict[str, Any], Route]:
        """Return what connection and head say, and remember it: the next request often says the same."""
        found = self._heads.get(request.head)
        if found is None:
            sent = _decode(request.head)
            found = without_private(sent), self._route(sent)
            _remember(self._heads, request.head, found, len(request.head))
        head, route = found
        connection = self._connections.get(request.connection)
        if connection is None:
            connection = self._template | _decode(request.connection)
            _remember(self._connections, request.connection, connection, 0)
            return _merged(connection, head, route), route
        # A connection that goes on sends the same head again more often than not.
        environ = _merged(connection, head, route)
        _remember(self._known, (request.connection, request.head), (environ.copy(), route), len(request.head))
        return environ, route


def _merged(connection: dict[str, Any], head: dict[str, Any], route: Route) -> dict[str, Any]:
    environ = connection | head
    if route.maps_head_to_get:
        environ["REQUEST_METHOD"] = "GET"
    # What a proxy that is trusted says of both is the request's own: it stands in the head.
    environ["wsgi.url_scheme"] = head.get("wsgi.url_scheme") or environ.get("REQUEST_SCHEME", "http")
    environ["mod_wsgi.script_name"] = head.get("mod_wsgi.script_name", environ["SCRIPT_NAME"])
    environ["mod_wsgi.path_info"] = environ["PATH_INFO"]
    return environ


def _decode(encoded: bytes) -> dict[str, str]:
    """Return `KEY\\0VALUE\\0…` as a dictionary."""
    items = encoded.decode("latin-1").split("\0")
    return dict(zip(items[::2], items[1::2], strict=False))


def _remember(memory: dict[Key, Value], key: Key, value: Value, size: int) -> None:
    """Keep what a key of `size` bytes stands for, within bounds."""
    if size <= _LONGEST_REMEMBERED:
        if len(memory) >= _REMEMBERED:
            memory.clear()
        memory[key] = value
