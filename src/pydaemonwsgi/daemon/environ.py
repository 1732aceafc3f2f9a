"""The WSGI environ of a request, from what travelled in its REQUEST frame. Sans-I/O.

PEP 3333, section environ Variables.
"""

from typing import Any

from pydaemonwsgi.channel.frames import RequestPayload

__all__ = ["APACHE_VERSION", "MOD_WSGI_VERSION", "EnvironBuilder"]

# The versions whose behaviour this project reproduces; code that looks for features compares against them.
MOD_WSGI_VERSION = (6, 0, 5)
APACHE_VERSION = (2, 4, 62)

_REMEMBERED = 512
_LONGEST_REMEMBERED = 4096


class EnvironBuilder:
    """Builds environs for one application.

    Args:
        group: name of the process group.
        application_group: name of the application group, `""` for the main interpreter.
        callable_object: name of the application in the script.
        script_filename: path of the script, or None for a module.
        multithread: value of `wsgi.multithread`.
        multiprocess: value of `wsgi.multiprocess`.
        run_once: value of `wsgi.run_once`.
        file_wrapper: value of `wsgi.file_wrapper`.
    """

    def __init__(
        self,
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
        self._connections: dict[bytes, dict[str, Any]] = {}
        self._heads: dict[bytes, dict[str, Any]] = {}
        if script_filename is not None:
            self._template["SCRIPT_FILENAME"] = script_filename

    def build(
        self, request: RequestPayload, *, thread_id: int, daemon_start: float, application_start: float
    ) -> dict[str, Any]:
        """Return a new environ without `wsgi.input` and `wsgi.errors`, which belong to the caller.

        Args:
            request: what the front sent.
            thread_id: of the worker thread, counting from 1.
            daemon_start: when this process took the request, seconds since the epoch.
            application_start: now, seconds since the epoch.
        """
        connection = self._connections.get(request.connection)
        if connection is None:
            connection = self._remember(self._connections, request.connection, self._template)
        head = self._heads.get(request.head)
        if head is None:
            head = self._remember(self._heads, request.head, {})
        environ = connection.copy()
        environ.update(head)
        environ["mod_wsgi.script_name"] = environ["SCRIPT_NAME"]
        environ["mod_wsgi.path_info"] = environ["PATH_INFO"]
        environ["mod_wsgi.thread_id"] = thread_id
        environ["mod_wsgi.request_id"] = "%016x" % request.request_id  # noqa: UP031 - faster than format()
        environ["mod_wsgi.request_start"] = request.request_start
        environ["mod_wsgi.queue_start"] = request.queue_start
        environ["mod_wsgi.daemon_start"] = daemon_start
        environ["mod_wsgi.application_start"] = application_start
        return environ

    @staticmethod
    def _remember(memory: dict[bytes, dict[str, Any]], encoded: bytes, start: dict[str, Any]) -> dict[str, Any]:
        """Return what `encoded` says on top of `start`, and remember it: the next request often says the same."""
        environ = start.copy()
        items = encoded.decode("latin-1").split("\0")
        environ.update(zip(items[::2], items[1::2], strict=False))
        if "REQUEST_SCHEME" in environ:
            environ["wsgi.url_scheme"] = environ["REQUEST_SCHEME"]
        if len(encoded) <= _LONGEST_REMEMBERED:
            if len(memory) >= _REMEMBERED:
                memory.clear()
            memory[encoded] = environ
        return environ
