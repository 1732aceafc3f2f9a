"""One request's life in the front, and what its end means in each phase. Sans-I/O.

    QUEUED --dispatch--> SENT --HEAD--> BODY --END--> ENDED
       ^                  |  \\--RESPONSE--------------^
       \\-----REJECT------/

Everything that can go wrong is a row of `OUTCOMES`: the table answers "what if it dies here?" for every phase.
"""

from enum import Enum
from typing import TYPE_CHECKING, Any, Final

from pydaemonwsgi.http.head import RequestHead

if TYPE_CHECKING:
    from pydaemonwsgi.front.spool import RequestBody

__all__ = ["OUTCOMES", "Exchange", "Failure", "Outcome", "Phase"]


class Phase(Enum):
    """Where a request is."""

    QUEUED = "queued"
    SENT = "sent"
    BODY = "body"
    ENDED = "ended"


# Looking a member up in its enumeration costs five times as much as a global; this one is read for every request.
_QUEUED: Final = Phase.QUEUED


class Failure(Enum):
    """What can happen to a request besides its answer."""

    REJECTED = "handed back by its daemon process"
    LOST_UNSTARTED = "its daemon process died before it had begun"
    LOST_STARTED = "its daemon process died while it was running"
    ABORTED = "its daemon process gave its answer up"
    TIMED_OUT = "it ran for longer than request-timeout allows, and its daemon process gave it up"
    BAD_HEAD = "its answer's head is not HTTP"
    QUEUE_TIMEOUT = "nobody took it in time"
    NO_PROCESS = "no process of its group will run it soon"
    CROWDED = "its process group may have no more application groups"
    CLIENT_GONE = "the client has gone"


class Outcome(Enum):
    """What to do then."""

    QUEUE_AGAIN = "queue it again, before all others"
    ANSWER_500 = "500"
    ANSWER_502 = "502"
    ANSWER_503 = "503, with the time after which to ask again"
    ANSWER_504 = "504"
    CUT = "cut the client's connection: a false end must not look like an end"
    CANCEL = "tell the daemon process; drop the answer"
    DROP = "forget it"


OUTCOMES: Final[dict[tuple[Phase, Failure], Outcome]] = {
    (Phase.QUEUED, Failure.QUEUE_TIMEOUT): Outcome.ANSWER_504,
    (Phase.QUEUED, Failure.NO_PROCESS): Outcome.ANSWER_503,
    (Phase.QUEUED, Failure.CROWDED): Outcome.ANSWER_500,
    (Phase.QUEUED, Failure.CLIENT_GONE): Outcome.DROP,
    (Phase.SENT, Failure.REJECTED): Outcome.QUEUE_AGAIN,
    (Phase.SENT, Failure.LOST_UNSTARTED): Outcome.QUEUE_AGAIN,
    (Phase.SENT, Failure.LOST_STARTED): Outcome.ANSWER_502,
    (Phase.SENT, Failure.ABORTED): Outcome.ANSWER_500,
    (Phase.SENT, Failure.TIMED_OUT): Outcome.ANSWER_504,
    (Phase.SENT, Failure.BAD_HEAD): Outcome.ANSWER_500,
    (Phase.SENT, Failure.CLIENT_GONE): Outcome.CANCEL,
    (Phase.BODY, Failure.LOST_STARTED): Outcome.CUT,
    (Phase.BODY, Failure.ABORTED): Outcome.CUT,
    (Phase.BODY, Failure.TIMED_OUT): Outcome.CUT,
    (Phase.BODY, Failure.CLIENT_GONE): Outcome.CANCEL,
    (Phase.ENDED, Failure.CLIENT_GONE): Outcome.DROP,
}


class Exchange:
    """A request and what is known of its answer.

    Attributes:
        client: the connection that it came by; None once the client has gone.
        head: the request's head.
        route: where it goes; its process group answers.
        connection: the CGI variables of the connection, encoded.
        environ: those of the request, which win, encoded.
        body: the request's body, complete.
        request_id: unique within the server.
        phase: where it is.
        request_start: when its head had been read, seconds since the epoch.
        queue_start: when it was first put in the queue, seconds since the epoch.
        queue_deadline: when its waiting ends (monotonic), or infinity.
        waiting_since: when it had to wait (monotonic), 0 if it never had to.
        queue_time: seconds that it waited, known once it is sent.
        stream: its number on the channel that it was sent by, 0 before.
        channel: the channel that it was sent by, None while it waits.
    """

    __slots__ = (
        "body",
        "channel",
        "client",
        "connection",
        "environ",
        "head",
        "phase",
        "queue_deadline",
        "queue_start",
        "queue_time",
        "request_id",
        "request_start",
        "route",
        "stream",
        "waiting_since",
    )

    def __init__(
        self,
        client: Any,
        head: RequestHead,
        route: Any,
        connection: bytes,
        environ: bytes,
        body: "RequestBody | None",
        request_id: int,
        request_start: float,
        queue_start: float,
        queue_deadline: float,
    ) -> None:
        self.client = client
        self.head = head
        self.route = route
        self.connection = connection
        self.environ = environ
        self.body = body
        self.request_id = request_id
        self.phase = _QUEUED
        self.request_start = request_start
        self.queue_start = queue_start
        self.queue_deadline = queue_deadline
        self.queue_time = 0.0
        self.waiting_since = 0.0
        self.stream = 0
        self.channel: Any = None

    def fail(self, failure: Failure) -> Outcome:
        """Return what `failure` means in this phase, and take the phase that follows from it.

        Raises:
            KeyError: it cannot happen in this phase; a bug of ours.
        """
        outcome = OUTCOMES[self.phase, failure]
        self.phase = Phase.QUEUED if outcome is Outcome.QUEUE_AGAIN else Phase.ENDED
        return outcome
