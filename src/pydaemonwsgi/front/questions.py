"""Scripts that are asked before a request goes on: WSGIAccessScript, then WSGIDispatchScript. Shell.

mod_wsgi runs them inside Apache's children; here a daemon process does, of the group that stands in for embedded
mode. A question is a request of the front's own: its `Exchange` has the `Question` where others have a client, so
that queueing, time-outs, a process that dies and a client that goes away are what they are for any request.
"""

import json
import os
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from pydaemonwsgi.channel.frames import Payload
from pydaemonwsgi.front.exchange import Exchange, Failure, Outcome
from pydaemonwsgi.front.hosts import HostRules
from pydaemonwsgi.front.routes import Route
from pydaemonwsgi.front.timeouts import NEVER
from pydaemonwsgi.http.head import RequestHead
from pydaemonwsgi.http.response import ResponseHead
from pydaemonwsgi.routing.decisions import Script

if TYPE_CHECKING:
    from pydaemonwsgi.front.groups import ProcessGroup
    from pydaemonwsgi.front.server import FrontServer
    from pydaemonwsgi.front.sites import Sites

__all__ = ["Consultation", "Denial", "Question"]

# Bytes that an answer to a question may have: three names are in it at most.
_LONGEST_ANSWER: Final = 64 * 1024
_STATUS: Final = {
    Outcome.ANSWER_500: 500,
    Outcome.ANSWER_502: 502,
    Outcome.ANSWER_504: 504,
    Outcome.CUT: 502,
}
# What the daemon process answers if it was too slow; any other status is the script's failure.
_TIMED_OUT: Final = 504
_FAILED: Final = 500


class Denial(NamedTuple):
    """Why a request does not go on.

    Attributes:
        status: what the client gets.
        retry_after: seconds for Retry-After; 0 for none.
        reason: for the log; "" where it has been told already.
    """

    status: int
    retry_after: int = 0
    reason: str = ""


class Question:
    """One question, in the place of the client of its exchange.

    Args:
        front: the front.
        group: who is asked.
        head: of the request that it is about.
        connection: the CGI variables of the client's connection, encoded.
        environ: those of the request, with what is asked.
        peer: who the client is, for reports.
        host: the rules of the host that the request is for.
        done: is called once, with the answer or with why there is none.
    """

    __slots__ = ("_body", "_done", "_exchange", "_front", "_group", "_status", "peer")

    def __init__(
        self,
        front: "FrontServer",
        group: "ProcessGroup",
        head: RequestHead,
        connection: bytes,
        environ: bytes,
        peer: str,
        host: HostRules,
        done: Callable[[dict[str, Any] | Denial], None],
    ) -> None:
        self._front = front
        self._group = group
        self._done = done
        self._body = b""
        self._status = 0
        self.peer = peer
        now = time.time()
        route = Route(group, 0, host)
        identity = next(front.request_ids)
        self._exchange = Exchange(self, head, route, connection, environ, None, identity, now, now, NEVER)

    def ask(self) -> None:
        """Send it; the answer may be there before this returns."""
        self._group.submit(self._exchange)

    def abandon(self) -> None:
        """Nobody waits for the answer any more."""
        exchange = self._exchange
        if exchange.client is self:
            outcome = exchange.fail(Failure.CLIENT_GONE)
            exchange.client = None
            self._front.abandon(exchange, outcome)

    def _end(self, answer: dict[str, Any] | Denial) -> None:
        self._exchange.client = None
        self._done(answer)

    # -- what a channel and a process group tell a client

    def answer(self, exchange: Exchange, head: ResponseHead, body: Payload) -> None:
        """Take a complete answer."""
        del exchange
        self._status = head.status
        self._read(bytes(body[: _LONGEST_ANSWER + 1]))

    def begin_answer(self, exchange: Exchange, head: ResponseHead) -> None:
        """Take the head of an answer whose body follows."""
        del exchange
        self._status = head.status

    def add_body(self, data: bytes) -> None:
        """Take a piece of the body; one that is too long is not waited for."""
        self._body += data
        if len(self._body) > _LONGEST_ANSWER:
            self._exchange.channel.cancel(self._exchange)
            self._read(self._body)

    def add_file(self, descriptor: int, _offset: int, _count: int) -> None:
        """Take a file for no answer: only a process that is not itself any more answers so."""
        os.close(descriptor)
        self._exchange.channel.cancel(self._exchange)
        self._end(Denial(_FAILED, reason="the answer of a script that was asked is a file"))

    def end_answer(self) -> None:
        """The body is complete."""
        self._read(self._body)

    def settle(self, exchange: Exchange, outcome: Outcome) -> None:
        """The question failed in the way that the table of outcomes says."""
        del exchange
        self._end(Denial(_STATUS[outcome]))

    def refuse(self, retry_after: int) -> None:
        """Nobody can be asked at the moment."""
        self._end(Denial(503, retry_after))

    def _read(self, body: bytes) -> None:
        if self._status != 200:
            self._end(Denial(_TIMED_OUT if self._status == _TIMED_OUT else _FAILED))
            return
        try:
            said = json.loads(body) if len(body) <= _LONGEST_ANSWER else None
        except (ValueError, RecursionError):
            said = None
        broken = Denial(_FAILED, reason="the answer of a script that was asked is none")
        self._end(said if isinstance(said, dict) else broken)


class Consultation:
    """Asks what there is to ask about one request, one question after the other.

    Args:
        front: the front.
        sites: knows the scripts.
        route: what was decided.
        head: of the request.
        connection: the CGI variables of the client's connection, encoded.
        peer: who the client is.
        done: is called once, with the route that the request takes, or with why it takes none.
    """

    __slots__ = ("_connection", "_done", "_front", "_head", "_peer", "_question", "_route", "_sites")

    def __init__(
        self,
        front: "FrontServer",
        sites: "Sites",
        route: Route,
        head: RequestHead,
        connection: bytes,
        peer: str,
        done: Callable[[Route | Denial], None],
    ) -> None:
        self._front = front
        self._sites = sites
        self._route = route
        self._head = head
        self._connection = connection
        self._peer = peer
        self._done = done
        self._question: Question | None = None

    def begin(self) -> None:
        """Ask; the last answer may be there before this returns."""
        if self._sites.access_script(self._route) is not None:
            self._ask(lambda: self._sites.access_question(self._route, self._head), self._judge_access)
        else:
            self._ask_dispatch()

    def abandon(self) -> None:
        """The client has gone."""
        if self._question is not None:
            self._question.abandon()

    def _ask(
        self,
        make: Callable[[], "tuple[ProcessGroup, bytes]"],
        done: Callable[[dict[str, Any] | Denial], None],
    ) -> None:
        try:
            group, environ = make()
        except KeyError:
            done(Denial(503, 1, "the group that is asked has gone with the configuration that had it"))
            return
        host = self._route.host
        question = Question(self._front, group, self._head, self._connection, environ, self._peer, host, done)
        self._question = question
        question.ask()

    def _judge_access(self, said: dict[str, Any] | Denial) -> None:
        script = self._sites.access_script(self._route)
        assert script is not None
        if isinstance(said, Denial):
            # A script that fails gives no permission; that it could not be asked is another thing.
            self._done(said._replace(status=403) if said.status == _FAILED else said)
            return
        allowed = said.get("allowed", "not said")
        if allowed is True or allowed is None:
            self._ask_dispatch()
        else:
            self._done(Denial(403, reason=f"{script.path} (WSGIAccessScript) denies it"))

    def _ask_dispatch(self) -> None:
        decision = self._route.decision
        if isinstance(decision, Script) and decision.target.dispatch_script is not None:
            self._ask(lambda: self._sites.dispatch_question(self._route, self._head, decision), self._judge_dispatch)
        else:
            self._done(self._route)

    def _judge_dispatch(self, said: dict[str, Any] | Denial) -> None:
        decision = self._route.decision
        assert isinstance(decision, Script)
        if isinstance(said, Denial):
            self._done(said)
            return
        names = [said.get(name) for name in ("process_group", "application_group", "callable_object")]
        if not all(name is None or isinstance(name, str) for name in names):
            self._done(Denial(_FAILED, reason="the answer of a script that was asked is none"))
            return
        self._done(self._sites.dispatched(self._route, self._head, decision, *names))
