"""What the front sends: requests into a queue, CANCEL and CREDIT to the requests they are about. Shell over `link`.

The channel may end and be replaced by another, when the front is. Whoever leads the pool receives; it alone uses the
queue. Any thread may `attach`.
"""

import logging
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Final

from pydaemonwsgi.channel.frames import BODY_IS_DESCRIPTOR, Frame, Kind, RejectReason, decode_request, encode
from pydaemonwsgi.daemon.adapter import Job
from pydaemonwsgi.daemon.exchange import Exchange
from pydaemonwsgi.daemon.link import Link
from pydaemonwsgi.errors import ChannelError
from pydaemonwsgi.system.sockets import LOST_DESCRIPTOR

__all__ = ["Intake"]

logger = logging.getLogger(__name__)

_REQUEST: Final = int(Kind.REQUEST)


class Intake:
    """See the module's docstring.

    Args:
        running: the requests that have begun and not ended, by stream; the pool keeps it.
        link_lost: called when the channel has ended.

    Attributes:
        queue: requests that have not begun, in the order in which they came.
        link: the channel; None between one and the next.
    """

    def __init__(self, running: dict[int, Exchange], link_lost: Callable[[], None]) -> None:
        self._running = running
        self._link_lost = link_lost
        self._lock = threading.Lock()  # guards `link`
        self._attached = threading.Event()
        self.queue: deque[Job] = deque()
        self.link: Link | None = None

    def attach(self, link: Link) -> None:
        """Receive from `link`; the one before, if any, ends."""
        with self._lock:
            old, self.link = self.link, link
            self._attached.set()
        if old is not None:
            old.shut()

    def current(self) -> Link:
        """Return the channel, once there is one."""
        while True:
            link = self.link
            if link is not None:
                return link
            self._attached.wait()

    def receive(self, link: Link, *, wait: bool) -> None:
        """Take what the front sent on a link.

        Args:
            link: see `current`.
            wait: whether to block until there is something.
        """
        try:
            frames = link.receive(wait=wait)
            if frames is None:
                self._lose(link)
            elif frames:
                self._take(link, frames)
        except ChannelError as error:
            logger.error("the front broke the protocol: %s", error)
            self._lose(link)

    def _take(self, link: Link, frames: list[Frame]) -> None:
        received = time.time()
        for kind, flags, descriptors, stream, payload in frames:
            if kind == _REQUEST:
                request = decode_request(payload)
                descriptor = -1
                if flags & BODY_IS_DESCRIPTOR:
                    descriptor = link.descriptors.take(descriptors)
                    if descriptor == LOST_DESCRIPTOR:
                        # Handing it back would bring it here again at once: this process may be the only one.
                        logger.error(
                            "out of descriptors: a request's body cannot be received; it is answered with 500",
                            extra={"request_id": f"{request.request_id:016x}"},
                        )
                        link.post(encode(Kind.ABORT, stream, b"out of descriptors"))
                        continue
                self.queue.append(Job(link, stream, request, descriptor, received))
            elif kind == Kind.CANCEL:
                self._cancel(stream)
            elif (exchange := self._running.get(stream)) is not None:
                exchange.credit(int.from_bytes(payload, "little"))

    def _cancel(self, stream: int) -> None:
        exchange = self._running.get(stream)
        if exchange is not None:
            exchange.cancel()
            return
        for job in self.queue:
            if job.stream == stream:
                self.queue.remove(job)
                job.drop()
                # Every stream gets an end, so that the front's count of our requests stays right.
                job.link.post(encode(Kind.ABORT, stream, b"cancelled"))
                return

    @staticmethod
    def hand_back(job: Job, reason: RejectReason) -> None:
        """Have another process run a request that has not begun."""
        job.drop()
        job.link.post(encode(Kind.REJECT, job.stream, flags=reason))

    def _lose(self, link: Link) -> None:
        link.shut()
        while self.queue:
            self.queue.popleft().drop()
        for exchange in list(self._running.values()):
            exchange.cancel()
        with self._lock:
            lost = self.link is link
            if lost:
                self.link = None
                self._attached.clear()
        link.close()
        if lost:
            self._link_lost()
