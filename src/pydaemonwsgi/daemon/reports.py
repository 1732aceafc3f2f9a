"""The events of a request's life: begun, raised, ended. Shell over `events`.

Nothing of this is done for a request that begins while nobody is subscribed.
"""

from collections.abc import Callable
from typing import Any

from pydaemonwsgi.daemon.account import Account, MeasuredExchange, MeasuredInput
from pydaemonwsgi.daemon.events import Callback, Events
from pydaemonwsgi.daemon.input import RequestInput

__all__ = ["RequestReports"]


class RequestReports:
    """Publishes what happens to requests.

    Attributes:
        wanted: the subscribers; the application may add to them whenever it likes.
    """

    def __init__(self, events: Events) -> None:
        self._events = events
        self.wanted: list[Callback] = events.event_callbacks

    def open(self, exchange: MeasuredExchange, body: RequestInput) -> None:
        """Begin to measure a request, in its thread."""
        exchange.events = self._events
        exchange.account = Account()
        exchange.announced = False
        if isinstance(body, MeasuredInput):
            body.account = exchange.account

    def started(
        self, exchange: MeasuredExchange, received: float, environ: dict[str, Any], application: Callable[..., Any]
    ) -> Callable[..., Any]:
        """Say that a request begins; return the application, or what a subscriber wants called instead.

        Args:
            exchange: the request.
            received: when this process took it, seconds since the epoch.
            environ: its environ.
            application: what is to be called.
        """
        exchange.announced = True
        exchange.server_pid = int(environ.get("mod_wsgi.server_pid", 0))
        if self._events.only_recorded:
            return application
        payload = {
            **self._head(exchange, received),
            # The channel stands before any request; one that another process handed back begins here as any other.
            "daemon_connects": 1,
            "daemon_restarts": 0,
            "application_start": exchange.account.started,
            "application_object": application,
            "callable_object": environ["mod_wsgi.callable_object"],
            "request_environ": environ,
        }
        wanted: Callable[..., Any] = self._events.publish("request_started", payload)["application_object"]
        return wanted

    def exception(self, exchange: MeasuredExchange, error: BaseException) -> None:
        """Say that the application raised."""
        self._events.publish(
            "request_exception",
            {
                "request_id": exchange.errors.request_id,
                "exception_info": (type(error), error, error.__traceback__),
                "request_data": exchange.data,
            },
        )

    def finished(self, exchange: MeasuredExchange, received: float) -> None:
        """Say that a request has ended, if it was said that it had begun."""
        if exchange.announced:
            payload = self._head(exchange, received)
            payload.update(exchange.account.close())
            payload["status"] = exchange.status or 500
            self._events.publish_finished(payload)

    @staticmethod
    def _head(exchange: MeasuredExchange, received: float) -> dict[str, Any]:
        return {
            "request_id": exchange.errors.request_id,
            "thread_id": exchange.thread_id,
            "server_pid": exchange.server_pid,
            "request_start": exchange.request.request_start,
            "queue_start": exchange.request.queue_start,
            "daemon_start": received,
            "request_data": exchange.data,
        }
