"""Calls the application as PEP 3333 says and turns whatever it does into one answer. Shell.

Nothing that an application does may escape: an exception before the head is a 500, after it the connection is cut,
`close()` is always called.
"""

import io
import logging
import os
import time
import traceback
import types
from collections.abc import Iterable
from typing import Any, Final

from pydaemonwsgi.channel.frames import TIMED_OUT, RequestPayload
from pydaemonwsgi.daemon.account import MeasuredExchange, MeasuredInput
from pydaemonwsgi.daemon.environ import EnvironBuilder
from pydaemonwsgi.daemon.events import Events
from pydaemonwsgi.daemon.exchange import ClientGone, Exchange
from pydaemonwsgi.daemon.file_wrapper import FileWrapper, sendable_range
from pydaemonwsgi.daemon.input import NO_BODY, RequestInput
from pydaemonwsgi.daemon.interruption import AsyncRaiser, Interruption, RequestTimeout
from pydaemonwsgi.daemon.link import Link
from pydaemonwsgi.daemon.output import ErrorStream, set_current_request
from pydaemonwsgi.daemon.reports import RequestReports
from pydaemonwsgi.daemon.response import error_page
from pydaemonwsgi.daemon.routes import Route
from pydaemonwsgi.daemon.scripts import LoadError, WSGIApplication

__all__ = ["Adapter", "Job"]

logger = logging.getLogger(__name__)

_END: Final = object()
_OWN_DIRECTORY: Final = os.path.dirname(__file__) + os.sep


class Job:
    """A request that has been received and not yet run.

    Attributes:
        link: the channel that it came by.
        stream: its number there.
        request: what the front sent.
        descriptor: of the file with its body, or -1; belongs to the job.
        received: when this process took it, seconds since the epoch; the same for all that came together.
        environ: what the application gets, once the job is prepared.
        route: whom it is for, once the job is prepared.
    """

    __slots__ = ("descriptor", "environ", "link", "received", "request", "route", "stream")

    route: Route

    def __init__(self, link: Link, stream: int, request: RequestPayload, descriptor: int, received: float) -> None:
        self.link = link
        self.stream = stream
        self.request = request
        self.descriptor = descriptor
        self.received = received
        self.environ: dict[str, Any] = {}

    def drop(self) -> None:
        """Give up what it holds without running it."""
        if self.descriptor >= 0:
            os.close(self.descriptor)
            self.descriptor = -1


class Adapter:
    """Runs jobs.

    Args:
        environs: builds the environ, and says which application it is for.
        debug: whether error pages show tracebacks.
        events: knows who wants to hear of requests.
        raise_in: has an exception raised in a thread that runs the application; None where nobody interrupts.
    """

    def __init__(
        self,
        environs: EnvironBuilder,
        *,
        debug: bool,
        events: Events | None = None,
        raise_in: AsyncRaiser | None = None,
    ) -> None:
        self._report = RequestReports(Events() if events is None else events)
        self._raise_in = raise_in
        self._environs = environs
        self._debug = debug

    def prepare(self, job: Job) -> Route:
        """Build the job's environ; return whom it is for."""
        job.environ, job.route = self._environs.build(
            job.request, daemon_start=job.received, application_start=time.time()
        )
        return job.route

    def begin(self, job: Job, thread_id: int, *, inline: bool) -> Exchange:
        """Return the exchange that will carry the job's answer."""
        environ = job.environ
        errors = ErrorStream(environ["mod_wsgi.request_id"])
        environ["mod_wsgi.thread_id"] = thread_id
        environ["wsgi.errors"] = errors
        kind = MeasuredExchange if self._report.wanted else Exchange
        return kind(
            job.link,
            job.stream,
            job.route.answered_as or environ["REQUEST_METHOD"],
            errors,
            inline,
            job.request,
            thread_id,
            time.perf_counter(),
            None if self._raise_in is None else Interruption(self._raise_in),
        )

    def run(self, job: Job, exchange: Exchange) -> None:
        """Call the application and send its answer; raises nothing."""
        environ = job.environ
        request = job.request
        measured = exchange if isinstance(exchange, MeasuredExchange) else None
        reader = RequestInput if measured is None else MeasuredInput
        body: RequestInput
        if job.descriptor >= 0:
            file = io.BufferedReader(io.FileIO(job.descriptor, "r"), 64 * 1024)
            job.descriptor = -1
            body = reader(file, request.body_length)
        elif request.body:
            body = reader(io.BytesIO(request.body), len(request.body))
        else:
            body = reader(NO_BODY, 0)
        environ["wsgi.input"] = body
        set_current_request(exchange.errors)
        if measured is not None:
            self._report.open(measured, body)
        try:
            application = job.route.application.call or job.route.application.obtain()
            if measured is not None:
                application = self._report.started(measured, job.received, environ, application)
            if exchange.interruption is None:
                self._call(application, environ, exchange)
            else:
                self._call_interruptibly(application, environ, exchange, exchange.interruption)
        except LoadError as error:
            self._answer_unloaded(error, exchange)
        except BaseException as error:
            self._handle(error, exchange)
        finally:
            if exchange.interruption is not None:
                exchange.interruption.end()
            if measured is not None:
                self._report.finished(measured, job.received)
            exchange.errors.end()
            body.end()

    def _call(self, application: WSGIApplication, environ: dict[str, Any], exchange: Exchange) -> None:
        result: Any = application(environ, exchange.start_response)
        try:
            if not _send_whole(result, exchange):
                self._iterate(result, exchange)
        finally:
            if type(result) is not list and type(result) is not tuple:
                if exchange.ended and not exchange.prompt:
                    # close() may take its time; the client need not wait for it.
                    exchange.flush()
                self.close(result, exchange)

    def _call_interruptibly(
        self, application: WSGIApplication, environ: dict[str, Any], exchange: Exchange, interruption: Interruption
    ) -> None:
        """Do as `_call`, in a way that RequestTimeout is raised in the application's code or not at all."""
        result: Any = ()
        try:
            try:
                interruption.enter()
                result = application(environ, exchange.start_response)
                interruption.leave()
                if not _send_whole(result, exchange):
                    self._iterate_interruptibly(result, exchange, interruption)
            finally:
                interruption.leave()
        finally:
            interruption.leave()  # the one before may have been what was interrupted
            if type(result) is not list and type(result) is not tuple:
                exchange.flush()
                self.close(result, exchange)

    @staticmethod
    def _iterate_interruptibly(result: Iterable[bytes], exchange: Exchange, interruption: Interruption) -> None:
        interruption.enter()
        pieces = iter(result)
        while True:
            piece: Any = next(pieces, _END)
            interruption.leave()
            if piece is _END:
                exchange.end()
                return
            exchange.send(piece)
            if exchange.cancelled:
                exchange.end_cancelled()
                return
            if exchange.overfull:
                exchange.end()
                return
            interruption.enter()

    @staticmethod
    def _iterate(result: Iterable[bytes], exchange: Exchange) -> None:
        for piece in result:
            exchange.send(piece)
            if exchange.cancelled:
                # Quietly: the client has gone, nothing is wrong with the application.
                exchange.end_cancelled()
                return
            if exchange.overfull:
                # PEP 3333: stop once enough has been sent. Not before a piece too many: generators have things to do
                # after their last one.
                break
        exchange.end()

    @staticmethod
    def close(result: Any, exchange: Exchange) -> None:
        """Call the response's `close()`, if it has one; raises nothing."""
        try:
            interruption = exchange.interruption
            if interruption is None:
                _close(result)
                return
            try:
                try:
                    interruption.enter_closing()
                    _close(result)
                finally:
                    interruption.leave()
            finally:
                interruption.leave()
        except RequestTimeout:
            logger.info(
                "close() of the application's response was interrupted by RequestTimeout",
                extra={"request_id": exchange.errors.request_id},
            )
        except BaseException:
            # The answer has been given; the application's close() cannot change it.
            logger.exception(
                "close() of the application's response raised",
                extra={"request_id": exchange.errors.request_id},
            )

    def _handle(self, error: BaseException, exchange: Exchange) -> None:
        request_id = exchange.errors.request_id
        error.__traceback__ = without_own_frames(error.__traceback__)
        if isinstance(exchange, MeasuredExchange):
            self._report.exception(exchange, error)
        try:
            if isinstance(error, ClientGone) and exchange.cancelled:
                logger.debug("the client went away", extra={"request_id": request_id})
                exchange.end_cancelled()
                return
            if isinstance(error, RequestTimeout):
                self._answer_timeout(exchange)
                return
            if isinstance(error, SystemExit):
                logger.error(
                    "SystemExit(%r) raised by the application is ignored",
                    error.code,
                    extra={"request_id": request_id},
                    exc_info=error,
                )
            else:
                logger.error(
                    "exception %s raised by the application",
                    type(error).__name__,
                    extra={"request_id": request_id},
                    exc_info=error,
                )
            if exchange.head_sent:
                exchange.abort(f"exception {type(error).__name__} after the head")
            else:
                self._answer_500(exchange, "".join(traceback.format_exception(error)))
        except BaseException:
            # A safety net: even logging may fail, yet the front must hear of an end.
            exchange.abort("internal error")
            logger.exception("answering for a failed request failed", extra={"request_id": request_id})

    @staticmethod
    def _answer_timeout(exchange: Exchange) -> None:
        if exchange.ended:
            outcome = "it had been answered"
        elif exchange.head_sent:
            outcome = "its answer is cut off"
        else:
            outcome = "it is answered with 504"
        logger.info(
            "the request was interrupted by RequestTimeout; %s",
            outcome,
            extra={"request_id": exchange.errors.request_id},
        )
        if exchange.head_sent:
            exchange.abort("request-timeout", flags=TIMED_OUT)
        else:
            exchange.answer_error(
                "504 Gateway Timeout",
                error_page("504 Gateway Timeout", "The application did not answer this request in time."),
                replaceable=True,
            )

    def _answer_unloaded(self, error: LoadError, exchange: Exchange) -> None:
        """Answer for a script that could not be loaded; the error log has the whole story once."""
        why = str(error)
        logger.error(
            "answered with %s: %s",
            error.status,
            why.rpartition("\n")[2],
            extra={"request_id": exchange.errors.request_id},
        )
        if error.status.startswith("5"):
            self._answer_500(exchange, why)
        else:
            text = why if self._debug else "This script may not be run. The server's error log says why."
            exchange.answer_error(error.status, error_page(error.status, text), replaceable=not self._debug)

    def _answer_500(self, exchange: Exchange, details: str) -> None:
        text = (
            details
            if self._debug
            else "The application failed to answer this request. The server's error log says why."
        )
        status = "500 Internal Server Error"
        exchange.answer_error(status, error_page(status, text), replaceable=not self._debug)


def _send_whole(result: Any, exchange: Exchange) -> bool:
    """Send an answer that is here already; return whether it was."""
    kind = type(result)
    if (kind is list or kind is tuple) and not exchange.head_sent:
        # One frame, and a length that need not be guessed.
        if len(result) == 1 and type(result[0]) is bytes:
            exchange.complete(result[0])
        else:
            exchange.complete(_joined(result))
        return True
    if kind is FileWrapper and not exchange.head_sent and (found := sendable_range(result)):
        exchange.send_file(*found)
        return True
    return False


def _close(result: Any) -> None:
    close = getattr(result, "close", None)
    if close is not None:
        close()


def _joined(pieces: Iterable[Any]) -> bytes:
    for piece in pieces:
        if not isinstance(piece, bytes):
            raise TypeError(f"the body must be of bytes, not {type(piece).__name__}")
    return b"".join(pieces)


def without_own_frames(frames: types.TracebackType | None) -> types.TracebackType | None:
    """Return a traceback from the first frame that is not the server's, where there is one."""
    first = frames
    while first is not None and first.tb_frame.f_code.co_filename.startswith(_OWN_DIRECTORY):
        first = first.tb_next
    return first or frames
