"""What this process may ask the supervisor about the whole server: `mod_wsgi.server_metrics()`. Shell.

A thread of the application asks, the monitor sends the question and takes the answer. Threads that ask at the same time
share one. Nothing of it is done, or costs anything, while nobody asks.
"""

import json
import threading
import time
from typing import Any, Final

from pydaemonwsgi.channel.control import Word
from pydaemonwsgi.daemon.control import ControlConnection
from pydaemonwsgi.metrics.server import server_metrics
from pydaemonwsgi.system.memory import read_text
from pydaemonwsgi.system.sockets import LOST_DESCRIPTOR, close_received

__all__ = ["Inquiry"]

# Seconds to wait for an answer: longer than the longest pause between two surveys and the longest survey.
_PATIENCE: Final = 4.0


class Inquiry:
    """See the module's docstring.

    Args:
        permitted: whether this process may ask (`server-metrics`, WSGIServerMetrics).
    """

    def __init__(self, *, permitted: bool) -> None:
        self._permitted = permitted
        self._supervisor: ControlConnection | None = None
        self._monitor = 0
        self._answers = threading.Condition()
        self._asked = 0  # the token of the last question
        self._asked_at = 0.0  # monotonic seconds
        self._waiting = 0  # threads that wait for its answer
        self._answered = 0  # the token of the last answer
        self._answer: list[bytes] = []

    def connect(self, supervisor: ControlConnection) -> None:
        """Have questions sent; the thread that calls this is the one that takes the answers."""
        self._monitor = threading.get_ident()
        self._supervisor = supervisor

    def disconnect(self) -> None:
        """This is a process that the application has forked, and none of the server's: nobody answers it."""
        self._supervisor = None

    def server_metrics(self) -> dict[str, Any] | None:
        """Return what every process of the server does, as httpd's scoreboard would.

        None where it is not permitted, before the process serves, in the main thread, which would wait for itself, and
        in a process that the application has forked; also if there is no answer for four seconds.
        """
        supervisor = self._supervisor
        if not self._permitted or supervisor is None or threading.get_ident() == self._monitor:
            return None
        answer = self._ask(supervisor)
        if not answer:
            return None
        told = json.loads(answer[0])
        requests = json.loads(answer[1])["requests"] if len(answer) > 1 else ()
        return server_metrics(told, requests, time.time())

    def _ask(self, supervisor: ControlConnection) -> list[bytes]:
        """Return the answer to a question, perhaps to one that another thread waits for; [] if none comes in time."""
        with self._answers:
            now = time.monotonic()
            open_until = self._asked_at + _PATIENCE if self._waiting and self._answered < self._asked else 0.0
            if now >= open_until:
                self._asked += 1
                self._asked_at = now
                supervisor.say(Word.SURVEY, token=self._asked)
            token = self._asked
            self._waiting += 1
            try:
                in_time = self._answers.wait_for(lambda: self._answered >= token, _PATIENCE)
            finally:
                self._waiting -= 1
            return self._answer if in_time else []

    def take(self, token: int, descriptors: list[int]) -> None:
        """Take an answer of the supervisor's; its descriptors are closed."""
        try:
            answer = [] if LOST_DESCRIPTOR in descriptors else [read_text(descriptor) for descriptor in descriptors]
        finally:
            close_received(descriptors)
        with self._answers:
            if token == self._asked:
                self._answered, self._answer = token, answer
                self._answers.notify_all()
