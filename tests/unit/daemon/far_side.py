"""The far sides of the daemon room: a front that checks the protocol, and an adapter and a pool ready to be asked.

Everything that knows how these are constructed is in this file, so that the tests are about behaviour.
"""

import contextlib
import os
import socket
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from pydaemonwsgi.channel.frames import (
    RAN_INLINE,
    FrameDecoder,
    Kind,
    RejectReason,
    Side,
    decode_file,
    decode_request,
    decode_response,
    encode,
    encode_request,
)
from pydaemonwsgi.daemon.adapter import Adapter, Job
from pydaemonwsgi.daemon.applications import Applications
from pydaemonwsgi.daemon.environ import EnvironBuilder
from pydaemonwsgi.daemon.file_wrapper import FileWrapper
from pydaemonwsgi.daemon.interruption import async_raiser
from pydaemonwsgi.daemon.link import Link
from pydaemonwsgi.daemon.pool import Pool
from pydaemonwsgi.daemon.pool_watch import PoolWatch
from pydaemonwsgi.daemon.recycling import RequestLimit
from pydaemonwsgi.daemon.routes import Mechanism, Target
from pydaemonwsgi.daemon.scripts import LoadError
from pydaemonwsgi.metrics.scoreboard import Scoreboard, scoreboard_size
from pydaemonwsgi.system.sockets import receive_with_descriptors, send_with_descriptors, stream_pair
from pydaemonwsgi.vocabulary import ShutdownReason

Application = Callable[..., Any]
# How long, in seconds, anything is waited for; a test waits for conditions only.
PATIENCE = 20.0
REQUEST_ID = 0xABCDEF
# CGI variables of the connection; those of the head come apart.
CONNECTION = b"REMOTE_ADDR\x00192.0.2.1\0SERVER_NAME\0test"


def environ_bytes(path: str = "/", method: str = "GET", **more: str) -> bytes:
    """What the front sends as environ of a simple request."""
    items = {"REQUEST_METHOD": method, "PATH_INFO": path, "SERVER_PROTOCOL": "HTTP/1.1", **more}
    return "\0".join(part for item in items.items() for part in item).encode("latin-1")


def nowhere(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    """Stand in for an application that is not asked."""
    raise AssertionError("nobody asks it")


def applications_of(application: Application | None, failure: str = "") -> Applications:
    """Applications of which the only one is there already, or has failed to load for this reason."""
    target = Target("/srv/app.wsgi", None, "application")
    applications = Applications(target, mechanism=Mechanism.OFF)
    only = applications.find(target)
    if application is None:
        only.holder.bring_up = lambda: _fail(failure)  # type: ignore[method-assign]
    else:
        only.call = application
    return applications


def _fail(failure: str) -> None:
    raise LoadError(failure)


def builder(application: Application | None = nowhere, failure: str = "", **changes: Any) -> EnvironBuilder:
    """An environ builder of a group `jack-1`."""
    arguments: dict[str, Any] = {
        "group": "jack-1",
        "application_group": "",
        "callable_object": "application",
        "script_filename": "/srv/app.wsgi",
        "multithread": True,
        "multiprocess": False,
        "run_once": False,
        "file_wrapper": FileWrapper,
    }
    return EnvironBuilder(applications_of(application, failure).route, **{**arguments, **changes})


@dataclass
class Reply:
    """Everything that came for one stream."""

    kinds: list[Kind] = field(default_factory=list)
    head: bytes = b""
    body: bytes = b""
    flags: int = 0
    why: bytes = b""
    uncredited: int = 0

    @property
    def ended(self) -> bool:
        """Whether an end of any kind has come."""
        return bool(self.kinds) and self.kinds[-1] in {Kind.RESPONSE, Kind.END, Kind.ABORT, Kind.REJECT}

    @property
    def complete(self) -> bool:
        """Whether the answer is whole."""
        return bool(self.kinds) and self.kinds[-1] in {Kind.RESPONSE, Kind.END}

    @property
    def aborted(self) -> bool:
        """Whether the answer was given up."""
        return bool(self.kinds) and self.kinds[-1] is Kind.ABORT

    @property
    def rejected(self) -> RejectReason | None:
        """Why the request was handed back, or None."""
        return RejectReason(self.flags) if self.kinds and self.kinds[-1] is Kind.REJECT else None

    @property
    def ran_inline(self) -> bool:
        """Whether the daemon process says that the leader ran it."""
        return self.complete and bool(self.flags & RAN_INLINE)

    @property
    def status(self) -> str:
        """The status line as the application gave it."""
        return self.head.split(b"\0")[0].decode("latin-1")

    @property
    def headers(self) -> list[tuple[str, str]]:
        """The headers in order."""
        parts = self.head.decode("latin-1").split("\0")[1:]
        return list(zip(parts[::2], parts[1::2], strict=True))

    def header(self, name: str) -> str | None:
        """The only value of a header; None without one."""
        values = [value for key, value in self.headers if key.lower() == name.lower()]
        assert len(values) < 2, self.headers
        return values[0] if values else None


class FrontEnd:
    """The front's end of a channel, with a thread that reads it and notes every breach of the protocol.

    Args:
        credit: whether to give credit for DATA as it comes.
    """

    def __init__(self, *, credit: bool = True) -> None:
        self.sock, self.far = stream_pair()
        self.replies: dict[int, Reply] = {}
        self.ends: list[int] = []
        self.breach = ""
        self.closed = False
        self._credit = credit
        self._stream = 0
        self._sending = threading.Lock()
        self._changed = threading.Condition()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    # -- towards the daemon process

    def frame(self, path: str = "/", *, method: str = "GET", body: bytes = b"", **environ: str) -> bytes:
        """A REQUEST frame of the next stream, not yet sent."""
        self._stream += 1
        self.replies[self._stream] = Reply()
        now = time.time()
        return encode_request(
            self._stream,
            now,
            now,
            REQUEST_ID,
            CONNECTION,
            environ_bytes(path, method, STREAM=str(self._stream), **environ),
            body,
        )

    def send_bytes(self, data: bytes) -> None:
        """Send in one go."""
        with self._sending:
            self.sock.sendall(data)

    def send(self, path: str = "/", *, method: str = "GET", body: bytes = b"", **environ: str) -> int:
        """Send one request; return its stream."""
        self.send_bytes(self.frame(path, method=method, body=body, **environ))
        return self._stream

    def send_batch(self, *paths: str) -> list[int]:
        """Send several requests in one go; return their streams."""
        first = self._stream + 1
        self.send_bytes(b"".join([self.frame(path) for path in paths]))
        return list(range(first, self._stream + 1))

    def send_with_file(self, path: str, descriptor: int, length: int) -> int:
        """Send one request whose body is in a file."""
        self._stream += 1
        self.replies[self._stream] = Reply()
        frame = encode_request(
            self._stream, 1.0, 2.0, REQUEST_ID, CONNECTION, environ_bytes(path, "POST"), body_length=length
        )
        with self._sending:
            assert send_with_descriptors(self.sock, frame, [descriptor]) == len(frame)
        return self._stream

    def cancel(self, stream: int) -> None:
        """Say that the client has gone."""
        self.send_bytes(encode(Kind.CANCEL, stream))

    def give_credit(self, stream: int) -> None:
        """Say that everything that came for `stream` has been taken."""
        with self._changed:
            reply = self.replies[stream]
            count, reply.uncredited = reply.uncredited, 0
        self.send_bytes(encode(Kind.CREDIT, stream, count.to_bytes(8, "little")))

    # -- from the daemon process

    def _read(self) -> None:
        decoder = FrameDecoder(Side.DAEMON)
        descriptors: deque[int] = deque()
        try:
            while True:
                data, came = receive_with_descriptors(self.sock, 256 * 1024)
                descriptors.extend(came)
                if not data:
                    break
                with self._changed:
                    credits_due = set()
                    for frame in decoder.feed(data):
                        reply = self.replies[frame.stream]
                        self._take(
                            Kind(frame.kind), frame.flags, frame.stream, bytes(frame.payload), reply, descriptors
                        )
                        if self._credit and reply.uncredited and not reply.ended:
                            credits_due.add(frame.stream)
                    self._changed.notify_all()
                for stream in credits_due:
                    self.give_credit(stream)
        except OSError:
            pass
        except Exception as error:  # reported by whoever waits
            with self._changed:
                self.breach = self.breach or repr(error)
        finally:
            for descriptor in descriptors:
                os.close(descriptor)
            with self._changed:
                self.closed = True
                self._changed.notify_all()

    def _take(self, kind: Kind, flags: int, stream: int, payload: bytes, reply: Reply, descriptors: deque[int]) -> None:
        if reply.ended:
            self.breach = f"{kind.name} for stream {stream} after its {reply.kinds[-1].name}"
        begun = Kind.HEAD in reply.kinds
        if kind in {Kind.DATA, Kind.FILE, Kind.END} and not begun:
            self.breach = f"{kind.name} for stream {stream} before its head"
        if kind in {Kind.HEAD, Kind.RESPONSE, Kind.REJECT} and begun:
            self.breach = f"{kind.name} for stream {stream} after its head"
        reply.kinds.append(kind)
        reply.flags = flags
        if kind is Kind.RESPONSE:
            reply.head, body = decode_response(payload)
            reply.body = bytes(body)
        elif kind is Kind.HEAD:
            reply.head = payload
        elif kind is Kind.DATA:
            reply.body += payload
            reply.uncredited += len(payload)
        elif kind is Kind.FILE:
            offset, count = decode_file(payload)
            descriptor = descriptors.popleft()
            reply.body += os.pread(descriptor, count, offset)
            os.close(descriptor)
        elif kind is Kind.ABORT:
            reply.why = payload
        if reply.ended:
            self.ends.append(stream)

    def wait(self, condition: Callable[[], object], what: str) -> None:
        """Return once `condition()` is true; fail naming `what`, or the breach of the protocol."""
        deadline = time.monotonic() + PATIENCE
        with self._changed:
            while not condition():
                assert not self.breach, self.breach
                assert time.monotonic() < deadline, f"waited {PATIENCE} s in vain for: {what}"
                self._changed.wait(0.01)
            assert not self.breach, self.breach

    def reply(self, stream: int) -> Reply:
        """Return what came for `stream`, once its end has come."""
        found = self.replies[stream]
        self.wait(lambda: found.ended, f"the end of stream {stream}, {found.kinds}")
        return found

    def ask(self, path: str = "/", **more: Any) -> Reply:
        """Send one request and return its reply."""
        return self.reply(self.send(path, **more))

    def close(self) -> None:
        """End the channel."""
        with contextlib.suppress(OSError):
            self.sock.shutdown(socket.SHUT_RDWR)
        self._reader.join(PATIENCE)
        self.sock.close()


@contextlib.contextmanager
def front_end(*, credit: bool = True) -> Iterator[FrontEnd]:
    """A front's end that is closed at the end of the block, without a breach of the protocol."""
    front = FrontEnd(credit=credit)
    try:
        yield front
    finally:
        front.close()
    assert not front.breach, front.breach


# -- one request through an adapter


def run(
    application: Application | None,
    path: str = "/",
    *,
    method: str = "GET",
    body: bytes = b"",
    file: int = -1,
    failure: str = "",
    debug: bool = False,
    inline: bool = True,
    cancelled: bool = False,
) -> Reply:
    """Run one request through an adapter and return what the front got for it.

    Args:
        application: what to call; None for a script that did not load.
        path: PATH_INFO.
        method: REQUEST_METHOD.
        body: the request's body.
        file: descriptor of a file that the body is in instead; it is taken over.
        failure: why the script did not load.
        debug: whether error pages show tracebacks.
        inline: as the leader runs it, whose frames wait for a flush, or as another thread.
        cancelled: whether the client has gone before the application is called.
    """
    with front_end() as front:
        stream = front.send(path, method=method, body=body)
        link = Link(front.far)
        try:
            frames = link.receive()
            assert frames is not None
            payload = decode_request(frames[0].payload)
            if file >= 0:
                payload = payload._replace(body_length=os.fstat(file).st_size)
            adapter = Adapter(builder(application, failure), debug=debug)
            job = Job(link, stream, payload, file, time.time())
            adapter.prepare(job)
            exchange = adapter.begin(job, 1, inline=inline)
            if cancelled:
                exchange.cancel()
            adapter.run(job, exchange)
            link.flush()
            reply = front.reply(stream)
            link.shut()
            front.wait(lambda: front.closed, "the end of the channel")
        finally:
            link.shut()
            link.close()
    return reply


# -- a pool


@dataclass
class Running:
    """A pool at work.

    Attributes:
        pool: itself.
        front: the far end of its channel.
        scoreboard: the reader's view of its notes.
        memory: the same, raw.
        retired: the reasons for which it asked to be replaced.
        lost: grows by one with each channel that ended.
        changed: set it, and the script counts as changed.
    """

    pool: Pool
    front: FrontEnd
    scoreboard: Scoreboard
    memory: memoryview
    retired: list[ShutdownReason]
    lost: list[float]
    changed: threading.Event

    def attach(self, front: FrontEnd) -> None:
        """Give it a new channel."""
        self.front = front
        self.pool.attach(Link(front.far))

    @property
    def started(self) -> int:
        """The highest stream that it says has begun."""
        return int.from_bytes(bytes(self.memory[:8]), sys.byteorder)


@contextlib.contextmanager
def running_pool(
    application: Application,
    *,
    threads: int = 3,
    limit: int = 0,
    strict_limit: bool = False,
    credit: bool = True,
    interruptible: bool = False,
) -> Iterator[Running]:
    """A pool with its monitor and a front; the application must not be blocked at the end of the block."""
    memory = memoryview(bytearray(scoreboard_size(threads)))
    retired: list[ShutdownReason] = []
    lost: list[float] = []
    changed = threading.Event()
    wake = threading.Event()
    over = threading.Event()
    pool = Pool(
        threads=threads,
        adapter=Adapter(
            builder(application, multithread=threads != 1),
            debug=False,
            raise_in=async_raiser() if interruptible else None,
        ),
        scoreboard=Scoreboard(memory, threads),
        limit=RequestLimit(limit),
        outdated=lambda route, batch: changed.is_set(),
        retire=retired.append,
        link_lost=lambda: lost.append(time.monotonic()),
        wake_monitor=wake.set,
        strict_limit=strict_limit,
    )

    def monitor() -> None:
        watch = PoolWatch(pool)
        while not over.is_set():
            wait = watch.tick(time.perf_counter())
            wake.wait(wait)
            wake.clear()

    with front_end(credit=credit) as front:
        running = Running(pool, front, Scoreboard(memory, threads), memory, retired, lost, changed)
        pool.attach(Link(front.far))
        pool.start()
        monitoring = threading.Thread(target=monitor, daemon=True)
        monitoring.start()
        try:
            yield running
        finally:
            running.front.close()
            wait_for(lambda: not pool.busy, "the last request")
            wait_for(lambda: bool(lost), "the pool to see the end of the channel")
            over.set()
            wake.set()
            monitoring.join(PATIENCE)


def wait_for(condition: Callable[[], object], what: str) -> None:
    """Return once `condition()` is true; fail naming `what` otherwise."""
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, f"waited {PATIENCE} s in vain for: {what}"
        time.sleep(0.002)


def hello(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    """Answer with the path."""
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [environ["PATH_INFO"].encode("latin-1")]
