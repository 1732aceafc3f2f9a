"""Whom the application wants to hear of what, and telling them: mod_wsgi's events. Shell.

Callbacks are called as `callback(event_name, **payload)`, in the order in which they subscribed. What one returns, if
it is a dictionary, is merged into the payload of those after it. What one raises is logged, and harms nobody.
"""

import logging
import queue
import signal
import threading
from collections.abc import Callable
from typing import Any, Final

__all__ = ["Callback", "Events", "SignalDispatcher"]

Callback = Callable[..., Any]

logger = logging.getLogger(__name__)

# Signals that may wait for a subscriber that takes its time; more are dropped.
_MOST_SIGNALS: Final = 64


class Events:
    """The subscribers of one process.

    Attributes:
        event_callbacks: those that want to hear of everything.
        shutdown_callbacks: of process_stopping.
        signal_callbacks: of process_signal.
    """

    def __init__(self) -> None:
        self.event_callbacks: list[Callback] = []
        self.shutdown_callbacks: list[Callback] = []
        self.signal_callbacks: list[Callback] = []
        self._recorders: list[Callback] = []
        self._takers: list[Callable[[dict[str, Any]], None]] = []

    # The application calls these. They return the callback, so that they can be used as decorators.

    def subscribe_events(self, callback: Callback) -> Callback:
        """Have `callback` called for every event."""
        self.event_callbacks.append(callback)
        return callback

    def subscribe_shutdown(self, callback: Callback) -> Callback:
        """Have `callback` called when the process is about to end."""
        self.shutdown_callbacks.append(callback)
        return callback

    def subscribe_signals(self, callback: Callback) -> Callback:
        """Have `callback` called when SIGHUP or SIGUSR2 has come."""
        self.signal_callbacks.append(callback)
        return callback

    # And we these.

    def record(self, take: Callable[[dict[str, Any]], None]) -> None:
        """Have `take` called with the payload of each request_finished, which it must leave as it is.

        It is one of `event_callbacks`, so that requests are measured. While there are none but its kind, nobody makes
        the other events: 3 µs for each request.
        """

        def hear(name: str, **payload: Any) -> None:
            if name == "request_finished":
                take(payload)

        self.event_callbacks.append(hear)
        self._recorders.append(hear)
        self._takers.append(take)

    @property
    def only_recorded(self) -> bool:
        """Whether nobody wants to hear of anything but ended requests."""
        return self.event_callbacks == self._recorders

    def publish_finished(self, payload: dict[str, Any]) -> None:
        """Say that a request has ended."""
        if not self.only_recorded:
            self.publish("request_finished", payload)
            return
        for take in self._takers:
            try:
                take(payload)
            except Exception:
                # A figure that is missing must not cost a request its end.
                logger.exception("a request could not be recorded")

    def publish(self, name: str, payload: dict[str, Any], more: list[Callback] | None = None) -> dict[str, Any]:
        """Tell all who want to hear of it; return the payload with what they added.

        Args:
            name: of the event.
            payload: what it says.
            more: the subscribers of this kind of event, who come after those of all events.
        """
        for callback in [*self.event_callbacks, *(more or ())]:
            try:
                added = callback(name, **payload)
            except BaseException as error:
                # The application's own code; whatever it raises, SystemExit too, the event has happened.
                logger.error(
                    "%s raised by the callback %s for the event %s",
                    type(error).__name__,
                    getattr(callback, "__qualname__", callback),
                    name,
                    exc_info=error,
                )
                continue
            if isinstance(added, dict):
                payload = payload | added
        return payload

    def publish_stopping(self, reason: str) -> None:
        """Say that the process is about to end."""
        self.publish("process_stopping", {"shutdown_reason": reason}, self.shutdown_callbacks)

    @property
    def wants_signals(self) -> bool:
        """Whether anybody wants to hear of signals."""
        return bool(self.event_callbacks or self.signal_callbacks)


class SignalDispatcher:
    """Publishes signals in a thread of its own: a subscriber that takes its time holds nobody up."""

    def __init__(self, events: Events) -> None:
        self._events = events
        self._queue: queue.Queue[signal.Signals] = queue.Queue(_MOST_SIGNALS)
        self._thread: threading.Thread | None = None
        self._stopped = False

    def dispatch(self, number: signal.Signals) -> None:
        """Have a signal published, if anybody wants it and the process is not about to end."""
        if self._stopped or not self._events.wants_signals:
            return
        try:
            self._queue.put_nowait(number)
        except queue.Full:
            logger.warning("%s is dropped: the subscribers are busy with %d others", number.name, _MOST_SIGNALS)
            return
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="wsgi-signals", daemon=True)
            self._thread.start()

    def stop(self) -> None:
        """Publish no more."""
        self._stopped = True

    def _run(self) -> None:
        while True:
            number = self._queue.get()
            if not self._stopped:
                payload = {"signame": number.name, "signum": int(number)}
                self._events.publish("process_signal", payload, self._events.signal_callbacks)
