"""pool: what leader and followers promise, with real threads on a real channel to a front of the test's own."""

import gc
import hashlib
import os
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest

from pydaemonwsgi.channel.frames import Kind, RejectReason, encode
from pydaemonwsgi.daemon.adapter import Adapter
from pydaemonwsgi.daemon.file_wrapper import FileWrapper
from pydaemonwsgi.daemon.link import Link
from pydaemonwsgi.daemon.policy import SLOW, PoolPolicy
from pydaemonwsgi.daemon.pool import Pool
from pydaemonwsgi.daemon.thread_usage import ThreadUsage
from pydaemonwsgi.vocabulary import ShutdownReason
from tests.unit.daemon.far_side import PATIENCE, FrontEnd, Reply, Running, front_end, hello, running_pool, wait_for

Environ = dict[str, Any]
StartResponse = Callable[..., Callable[[bytes], None]]

MIB = 1024 * 1024
THREADS = pytest.mark.parametrize("threads", [1, 2, 5], ids=lambda threads: f"threads={threads}")


class Gates:
    """An application whose `/block…` requests wait until they are let go; others answer with their path."""

    def __init__(self) -> None:
        self.open = threading.Event()
        self._lock = threading.Lock()
        self.calls: list[str] = []
        self.inside = 0
        self.most_inside = 0

    def __call__(self, environ: Environ, start_response: StartResponse) -> list[bytes]:
        """Note the call, perhaps wait, answer."""
        path = environ["PATH_INFO"]
        with self._lock:
            self.calls.append(path)
            self.inside += 1
            self.most_inside = max(self.most_inside, self.inside)
        try:
            if path.startswith("/block"):
                assert self.open.wait(PATIENCE), "nobody opened the gate"
            start_response("200 OK", [("X-Path", path)])
            return [path.encode()]
        finally:
            with self._lock:
                self.inside -= 1

    def wait_inside(self, count: int) -> None:
        """Return once `count` requests are running."""
        wait_for(lambda: self.inside >= count, f"{count} requests inside, of {self.calls}")


@pytest.fixture
def gates() -> Iterator[Gates]:
    """An application whose gates are open in the end, whatever happens."""
    found = Gates()
    yield found
    found.open.set()


def until_answered(front: FrontEnd, path: str) -> Reply:
    """Ask as the real front does: again as long as the process says that it is busy."""
    while True:
        reply = front.ask(path)
        if reply.rejected is not RejectReason.BUSY:
            return reply


def wait_for_body(front: FrontEnd, stream: int, length: int) -> None:
    """Return once so many bytes of an answer have come."""
    reply = front.replies[stream]
    front.wait(lambda: len(reply.body) >= length, f"{length} bytes of stream {stream}")


# -- requests are answered


@THREADS
@pytest.mark.parametrize("batch", [1, 7, 200])
def test_fast_requests_are_all_answered(threads: int, batch: int) -> None:
    """However they arrive, each request gets its own answer, once."""
    with running_pool(hello, threads=threads) as running:
        streams: dict[int, str] = {}
        for start in range(0, 400, batch):
            paths = [f"/{number}" for number in range(start, min(400, start + batch))]
            streams.update(zip(running.front.send_batch(*paths), paths, strict=True))
        for stream, path in streams.items():
            while (reply := running.front.reply(stream)).rejected is RejectReason.BUSY:
                stream = running.front.send(path)  # noqa: PLW2901 - the front's way: another stream for the same
            assert reply.complete
            assert reply.body == path.encode()


def test_a_mix_of_fast_and_slow_requests_is_answered(gates: Gates) -> None:
    """Requests that wait among requests that do not: all get their own answers when the gate opens."""
    with running_pool(gates, threads=5) as running:
        paths = [f"/block{number}" if number % 10 == 3 else f"/{number}" for number in range(40)]
        streams = dict(zip(running.front.send_batch(*paths), paths, strict=True))
        gates.wait_inside(4)
        gates.open.set()
        for stream, path in streams.items():
            reply = running.front.reply(stream)
            assert reply.complete or reply.rejected is RejectReason.BUSY
            assert not reply.complete or reply.body == path.encode()


@THREADS
def test_a_request_is_answered_after_any_pause(threads: int) -> None:
    """Requests that come one by one, each after the answer to the last, find the pool awake."""
    with running_pool(hello, threads=threads) as running:
        for number in range(100):
            assert until_answered(running.front, f"/{number}").body == f"/{number}".encode()


@pytest.mark.parametrize("size", [1, 64 * 1024, 300_000, 3 * MIB])
def test_request_bodies_arrive(size: int, tmp_path: Path) -> None:
    """A body is read byte for byte, inline in its frame or in a file whose descriptor came with it."""

    def application(environ: Environ, start_response: StartResponse) -> list[bytes]:
        start_response("200 OK", [])
        return [hashlib.sha256(environ["wsgi.input"].read()).digest()]

    body = os.urandom(size)
    path = tmp_path / "spool"
    path.write_bytes(body)
    with running_pool(application) as running:
        assert running.front.ask("/", method="POST", body=body).body == hashlib.sha256(body).digest()
        with path.open("rb") as file:
            streams = [running.front.send_with_file("/", os.dup(file.fileno()), size) for _ in range(3)]
            for stream in streams:
                reply = running.front.reply(stream)
                # The three share one open file and so its position: one of them at least has all of it.
                assert reply.complete
        with path.open("rb") as file:
            assert running.front.reply(running.front.send_with_file("/", file.fileno(), size)).body == (
                hashlib.sha256(body).digest()
            )


# -- nobody waits for a slow one


@pytest.mark.parametrize("together", [True, False], ids=["in one batch", "one after the other"])
@pytest.mark.parametrize("threads", [2, 5], ids=lambda threads: f"threads={threads}")
def test_a_blocking_request_never_blocks_the_others(gates: Gates, threads: int, together: bool) -> None:
    """While a request hangs, all others are answered, those that came in the same batch included."""
    paths = [f"/{number}" for number in range(50)]
    with running_pool(gates, threads=threads) as running:
        front = running.front
        if together:
            blocked, *others = front.send_batch("/block", *paths)
        else:
            blocked = front.send("/block")
            gates.wait_inside(1)
            others = front.send_batch(*paths)
        for stream, path in zip(others, paths, strict=True):
            assert front.reply(stream).body == path.encode()
        assert not front.replies[blocked].ended

        gates.open.set()
        assert front.reply(blocked).body == b"/block"


@pytest.mark.parametrize("blocked", [1, 2, 3, 4], ids=lambda blocked: f"{blocked} of 5 blocked")
def test_one_free_thread_is_enough(gates: Gates, blocked: int) -> None:
    """As long as one thread is free, requests are answered, hanging ones before and between them."""
    with running_pool(gates, threads=5) as running:
        front = running.front
        front.ask("/warm")
        streams = []
        for number in range(blocked):
            streams += front.send_batch(f"/block{number}")
            assert until_answered(front, f"/after{number}").complete
        gates.wait_inside(blocked)
        for number in range(20):
            assert until_answered(front, f"/{number}").complete
        gates.open.set()
        assert all(front.reply(stream).complete for stream in streams)


def test_finished_answers_do_not_wait_for_a_blocking_request(gates: Gates) -> None:
    """Answers that are ready when the next request of the batch hangs go out all the same."""
    with running_pool(gates, threads=2) as running:
        front = running.front
        first, second, blocked = front.send_batch("/1", "/2", "/block")
        assert front.reply(first).complete
        assert front.reply(second).complete
        assert not front.replies[blocked].ended
        gates.open.set()
        assert front.reply(blocked).complete


@pytest.mark.parametrize("threads", [1, 2], ids=lambda threads: f"threads={threads}")
def test_pieces_of_a_slow_body_do_not_wait_for_its_end(threads: int) -> None:
    """A generator's piece reaches the front before the next one is made, by whichever thread it runs."""
    turns = [threading.Event() for _ in range(5)]

    def application(environ: Environ, start_response: StartResponse) -> Iterator[bytes]:
        start_response("200 OK", [])
        for number, turn in enumerate(turns):
            yield b"%d" % number
            assert turn.wait(PATIENCE), "the front did not get the piece"

    with running_pool(application, threads=threads) as running:
        stream = running.front.send("/")
        reply = running.front.replies[stream]
        for number, turn in enumerate(turns):
            wait_for_body(running.front, stream, number + 1)
            assert not reply.ended
            turn.set()
        assert running.front.reply(stream).body == b"01234"


def test_one_thread_runs_one_request_at_a_time(gates: Gates) -> None:
    """With threads=1 two requests never overlap, not even while one hangs and others keep coming."""
    with running_pool(gates, threads=1) as running:
        front = running.front
        first = front.send("/block")
        gates.wait_inside(1)
        streams = front.send_batch(*(f"/{number}" for number in range(20)))
        for stream in streams:
            assert front.reply(stream).rejected is RejectReason.BUSY
        gates.open.set()
        assert front.reply(first).complete
        streams = front.send_batch(*(f"/{number}" for number in range(200)))
        ends = [front.reply(stream) for stream in streams]

    assert all(reply.complete or reply.rejected is RejectReason.BUSY for reply in ends)
    assert any(reply.complete for reply in ends)
    assert gates.most_inside == 1


@THREADS
def test_requests_beyond_all_threads_are_handed_back(gates: Gates, threads: int) -> None:
    """When every thread hangs, further requests are rejected as BUSY, unrun; when one is free again, it serves."""
    with running_pool(gates, threads=threads) as running:
        front = running.front
        blocked = [front.send(f"/block{number}") for number in range(threads)]
        gates.wait_inside(threads)
        for number in range(10):
            assert front.ask(f"/{number}").rejected is RejectReason.BUSY
        assert not [path for path in gates.calls if not path.startswith("/block")]

        gates.open.set()
        assert all(front.reply(stream).complete for stream in blocked)
        assert until_answered(front, "/again").body == b"/again"
        assert gates.most_inside <= threads


def test_threads_survive_whatever_applications_raise() -> None:
    """More failures than threads, of every kind, leave a pool that serves."""
    errors: dict[str, BaseException] = {
        "/exit": SystemExit(1),
        "/interrupt": KeyboardInterrupt(),
        "/error": ValueError(),
        "/base": BaseException(),
        "/generator": GeneratorExit(),
    }

    def application(environ: Environ, start_response: StartResponse) -> list[bytes]:
        if environ["PATH_INFO"] in errors:
            raise errors[environ["PATH_INFO"]]
        start_response("200 OK", [])
        return [b"fine"]

    with running_pool(application, threads=2) as running:
        for _ in range(3):
            for path in errors:
                assert until_answered(running.front, path).status.startswith("500")
        assert until_answered(running.front, "/").body == b"fine"


# -- only newer code may answer


def test_a_changed_script_means_reload(gates: Gates) -> None:
    """From the first request after the change on, requests are handed back unrun, and a successor is asked for once."""
    with running_pool(gates) as running:
        front = running.front
        assert front.ask("/before").complete
        running.changed.set()
        for number in range(5):
            assert front.ask(f"/after{number}").rejected is RejectReason.RELOAD

        assert running.retired == [ShutdownReason.SCRIPT_RELOAD]
        assert gates.calls == ["/before"]


def test_a_running_request_finishes_although_the_script_changed(gates: Gates) -> None:
    """Requests that had begun are answered by the code that they began with."""
    with running_pool(gates) as running:
        blocked = running.front.send("/block")
        gates.wait_inside(1)
        running.changed.set()
        assert running.front.ask("/after").rejected is RejectReason.RELOAD
        gates.open.set()
        assert running.front.reply(blocked).body == b"/block"


def test_no_thread_is_needed_to_see_a_change(gates: Gates) -> None:
    """With all threads hanging, a request after the change is handed back, and the successor asked for."""
    with running_pool(gates, threads=1) as running:
        running.front.send("/block")
        gates.wait_inside(1)
        running.changed.set()
        assert running.front.ask("/after").rejected is RejectReason.RELOAD
        assert running.retired == [ShutdownReason.SCRIPT_RELOAD]
        gates.open.set()


@pytest.mark.parametrize("reason", [RejectReason.LEAVING, RejectReason.RELOAD], ids=lambda reason: reason.name)
def test_a_process_that_may_not_run_requests_says_why(reason: RejectReason) -> None:
    """While a reason is set every request is handed back with it; when it is lifted, requests are run again."""
    with running_pool(hello) as running:
        running.pool.reject_reason = reason
        assert running.front.ask("/").rejected is reason
        running.pool.reject_reason = None
        assert running.front.ask("/").complete


# -- maximum-requests


def test_the_limit_asks_for_a_successor_once_and_serving_goes_on(gates: Gates) -> None:
    """The request that reaches the limit asks to be replaced; until that happens requests are answered."""
    with running_pool(gates, limit=10) as running:
        for number in range(9):
            assert running.front.ask(f"/{number}").complete
        assert running.retired == []
        for number in range(10):
            assert running.front.ask(f"/more{number}").complete
        wait_for(lambda: running.scoreboard.requests == 19, "the last request to be counted")
        assert running.retired == [ShutdownReason.MAXIMUM_REQUESTS]


@pytest.mark.parametrize("together", [True, False], ids=["in one batch", "one after the other"])
def test_a_strict_limit_is_never_exceeded(gates: Gates, together: bool) -> None:
    """With wsgi.run_once not one request more is begun; the others go to the successor."""
    with running_pool(gates, threads=1, limit=1, strict_limit=True) as running:
        front = running.front
        if together:
            first, *others = front.send_batch(*(f"/{number}" for number in range(5)))
            assert front.reply(first).complete
        else:
            assert front.ask("/0").complete
            wait_for(lambda: running.retired, "the request for a successor")
            others = front.send_batch("/1", "/2")
        assert {front.reply(stream).rejected for stream in others} <= {RejectReason.LEAVING, RejectReason.BUSY}
        assert front.ask("/last").rejected is RejectReason.LEAVING
        assert gates.calls == ["/0"]
        assert running.retired == [ShutdownReason.MAXIMUM_REQUESTS]


@pytest.mark.parametrize("strict", [False, True])
def test_a_limit_is_not_forgotten_when_the_process_is_to_go_on(gates: Gates, strict: bool) -> None:
    """Newer code did not load, so it was told to keep its own; but it has still run as many requests as it may."""
    with running_pool(gates, threads=1, limit=1, strict_limit=strict) as running:
        assert running.front.ask("/0").complete
        wait_for(lambda: running.retired, "the request for a successor")
        running.pool.go_on()
        assert running.retired == [ShutdownReason.MAXIMUM_REQUESTS] * 2
        assert (running.front.ask("/1").rejected is RejectReason.LEAVING) is strict


def test_a_process_below_its_limit_goes_on(gates: Gates) -> None:
    """It takes requests again, and asks for nothing."""
    with running_pool(gates, limit=10) as running:
        running.pool.reject_reason = RejectReason.RELOAD
        running.pool.go_on()
        assert running.front.ask("/0").complete
        assert running.retired == []


# -- clients that go


def test_a_request_cancelled_before_it_began_is_not_run(gates: Gates) -> None:
    """CANCEL that arrives with its request ends it with ABORT, without calling the application."""
    with running_pool(gates) as running:
        front = running.front
        cancelled = front.frame("/cancelled")
        stream = front._stream
        front.send_bytes(cancelled + encode(Kind.CANCEL, stream) + front.frame("/other"))

        assert front.reply(stream).kinds == [Kind.ABORT]
        assert front.reply(stream + 1).complete
        assert gates.calls == ["/other"]


def test_a_cancelled_generator_stops_and_is_closed(gates: Gates) -> None:
    """CANCEL of a running answer stops it at its next piece; the generator is closed and the stream ended."""
    seen: list[str] = []
    begun = threading.Event()

    def application(environ: Environ, start_response: StartResponse) -> Iterator[bytes]:
        start_response("200 OK", [])
        try:
            for _ in range(100):
                yield b"x"
                begun.set()
                assert gates.open.wait(PATIENCE)
                seen.append("piece")
        finally:
            seen.append("closed")

    with running_pool(application) as running:
        front = running.front
        stream = front.send("/")
        assert begun.wait(PATIENCE)
        front.cancel(stream)
        # An answer that is behind the CANCEL on the channel says that it has been read.
        probe = front.send("/")
        front.wait(lambda: front.replies[probe].kinds, "the probe's head")
        gates.open.set()
        assert front.reply(stream).aborted
        front.cancel(probe)
        front.reply(probe)
        wait_for(lambda: seen.count("closed") == 2, "both generators to be closed")
        assert len(front.replies[stream].body) <= 2


@pytest.mark.parametrize("stream", [1, 999], ids=["ended", "never seen"])
@pytest.mark.parametrize("kind", [Kind.CANCEL, Kind.CREDIT], ids=lambda kind: kind.name)
def test_news_of_streams_that_are_over_change_nothing(stream: int, kind: Kind) -> None:
    """CANCEL and CREDIT may cross an end on the channel."""
    with running_pool(hello) as running:
        front = running.front
        assert front.ask("/").complete
        front.send_bytes(encode(kind, stream, b"" if kind is Kind.CANCEL else bytes(8)))
        assert front.ask("/").complete


# -- races, made wide


def test_a_cancel_between_hand_over_and_start_is_not_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    """CANCEL that is read when a thread has its request but has not begun to run it still ends the answer."""
    held, handed_over, go_on = threading.Event(), threading.Event(), threading.Event()
    run = Adapter.run

    def held_run(*arguments: Any, **more: Any) -> Any:
        if held.is_set():
            held.clear()
            handed_over.set()
            assert go_on.wait(PATIENCE)
        return run(*arguments, **more)

    def application(environ: Environ, start_response: StartResponse) -> Iterator[bytes]:
        if environ["PATH_INFO"] == "/slow":
            time.sleep(0.003)  # so that it is handed over
        start_response("200 OK", [])
        return iter([b"x"] * 3)

    monkeypatch.setattr(Adapter, "run", held_run)
    with running_pool(application, threads=3) as running:
        front = running.front
        for _ in range(3):
            assert front.ask("/slow").complete
        held.set()
        stream = front.send("/slow")
        assert handed_over.wait(PATIENCE)
        front.cancel(stream)
        try:
            assert until_answered(front, "/probe").complete  # so the CANCEL before it has been read
        finally:
            go_on.set()
        assert front.reply(stream).aborted


def test_a_piece_sent_while_its_leader_is_deposed_is_not_delayed(monkeypatch: pytest.MonkeyPatch) -> None:
    """A generator's piece that the leader queues just when the monitor takes its lead still goes out at once."""
    go_on = threading.Event()
    post = Link.post

    def slow_post(link: Link, frames: bytes) -> None:
        if frames[4] == Kind.DATA:
            time.sleep(0.03)  # long enough for the monitor
        post(link, frames)

    def application(environ: Environ, start_response: StartResponse) -> Iterator[bytes]:
        start_response("200 OK", [])
        yield b"1"
        go_on.wait(1.0)
        yield b"2" if go_on.is_set() else b"late"

    monkeypatch.setattr(Link, "post", slow_post)
    with running_pool(application, threads=3) as running:
        stream = running.front.send("/")
        wait_for_body(running.front, stream, 1)
        go_on.set()
        assert running.front.reply(stream).body == b"12"


# -- large answers


def streaming(environ: Environ, start_response: StartResponse) -> Any:
    """`/large` streams 6 MiB in pieces of 64 KiB; other paths answer at once."""
    start_response("200 OK", [])
    if environ["PATH_INFO"] == "/large":
        return (bytes([number]) * 65536 for number in range(96))
    return [b"small"]


LARGE = b"".join(bytes([number]) * 65536 for number in range(96))


def test_a_large_answer_is_held_back_until_credit_comes() -> None:
    """Without credit a stream stops at about its window and others go on; with credit it ends, whole."""
    with running_pool(streaming, threads=2, credit=False) as running:
        front = running.front
        stream = front.send("/large")
        reply = front.replies[stream]
        wait_for_body(front, stream, MIB)
        for _ in range(50):
            assert until_answered(front, "/small").body == b"small"
        assert not reply.ended
        assert len(reply.body) <= 2 * MIB

        while not reply.ended:
            front.wait(lambda: reply.uncredited > 0 or reply.ended, "more of the answer")
            if not reply.ended:
                front.give_credit(stream)
        assert reply.complete
        assert reply.body == LARGE


@pytest.mark.parametrize("how", ["generator", "write"])
def test_with_credit_a_large_answer_flows(how: str) -> None:
    """A front that gives credit as it takes gets all of it, byte for byte, from generators and write()."""

    def writing(environ: Environ, start_response: StartResponse) -> list[bytes]:
        write = start_response("200 OK", [])
        for start in range(0, len(LARGE), MIB):
            write(LARGE[start : start + MIB])
        return []

    with running_pool(streaming if how == "generator" else writing, threads=2) as running:
        streams = [running.front.send("/large") for _ in range(2)]
        for stream in streams:
            reply = running.front.reply(stream)
            assert reply.complete
            assert reply.body == LARGE


@THREADS
def test_cancel_frees_a_thread_that_waits_for_credit(threads: int) -> None:
    """A client that goes while its answer is held back frees the thread."""
    with running_pool(streaming, threads=threads, credit=False) as running:
        front = running.front
        streams = [front.send("/large") for _ in range(threads)]
        for stream in streams:
            wait_for_body(front, stream, MIB)
        assert front.ask("/small").rejected is RejectReason.BUSY
        for stream in streams:
            front.cancel(stream)
            assert front.reply(stream).aborted
        assert until_answered(front, "/small").body == b"small"


# -- the scoreboard


@THREADS
def test_the_scoreboard_covers_what_has_begun(threads: int) -> None:
    """Before the application is called its stream counts as started, and the number never goes back."""
    boards: list[Running] = []
    uncovered: list[int] = []

    def application(environ: Environ, start_response: StartResponse) -> list[bytes]:
        if not boards[0].scoreboard.has_started(int(environ["STREAM"])):
            uncovered.append(int(environ["STREAM"]))
        start_response("200 OK", [])
        return [b"x"]

    with running_pool(application, threads=threads) as running:
        boards.append(running)
        over = threading.Event()
        falls: list[tuple[int, int]] = []

        def watch() -> None:
            last = 0
            while not over.is_set():
                now = running.started
                if now < last:
                    falls.append((last, now))
                last = now

        watcher = threading.Thread(target=watch)
        watcher.start()
        answered: list[int] = []
        try:
            for _ in range(20):
                streams = running.front.send_batch(*["/"] * 25)
                answered += [stream for stream in streams if running.front.reply(stream).complete]
        finally:
            over.set()
            watcher.join()

        assert falls == []
        assert uncovered == []
        assert answered
        assert running.started >= max(answered)
        wait_for(lambda: running.scoreboard.requests == len(answered), "every request to be counted")
        wait_for(lambda: running.scoreboard.rows() == [], "all threads to be idle")


def test_what_waits_behind_hanging_requests_has_not_begun(gates: Gates) -> None:
    """A request that was handed back was never noted as started, so another process may run it."""
    with running_pool(gates, threads=2) as running:
        blocked = [running.front.send("/block") for _ in range(2)]
        gates.wait_inside(2)
        rejected = running.front.send("/rejected")
        assert running.front.reply(rejected).rejected is RejectReason.BUSY
        assert running.started == blocked[-1]
        assert not running.scoreboard.has_started(rejected)
        gates.open.set()


def test_the_scoreboard_shows_who_runs_what(gates: Gates) -> None:
    """Each hanging request has a row with its stream, of a thread of its own."""
    with running_pool(gates, threads=3) as running:
        streams = [running.front.send("/block") for _ in range(2)]
        gates.wait_inside(2)
        rows = running.scoreboard.rows()
        assert sorted(row.stream for row in rows) == streams
        assert len({row.thread for row in rows}) == 2
        assert all(row.started > 0 for row in rows)
        gates.open.set()


# -- channels that end


@THREADS
@pytest.mark.parametrize("busy", [True, False], ids=["while a request runs", "while idle"])
def test_a_lost_channel_is_reported_and_a_new_one_works(gates: Gates, threads: int, busy: bool) -> None:
    """At end of file `link_lost` is called once; after `attach` requests of the new channel are answered."""
    with running_pool(gates, threads=threads) as running:
        assert running.front.ask("/").complete
        if busy:
            running.front.send("/block")
            gates.wait_inside(1)
        running.front.close()
        wait_for(lambda: running.lost, "the loss to be reported")
        gates.open.set()
        wait_for(lambda: not running.pool.busy, "the lost request to end")
        with front_end() as second:
            running.attach(second)
            for number in range(20):
                assert until_answered(second, f"/second{number}").complete
            assert len(running.lost) == 1


def test_requests_of_a_lost_channel_do_not_answer_on_the_new_one(gates: Gates) -> None:
    """An answer to the old front is nobody's: the new one sees no frame of a stream that it has not sent."""
    with running_pool(gates, threads=3) as running:
        for _ in range(7):
            running.front.ask("/")
        running.front.send("/block")
        gates.wait_inside(1)
        running.front.close()
        wait_for(lambda: running.lost, "the loss to be reported")
        with front_end() as second:
            running.attach(second)
            assert second.ask("/").complete
            gates.open.set()
            wait_for(lambda: not running.pool.busy, "the old request to end")
            assert until_answered(second, "/").complete
            assert second.breach == ""


def test_attaching_ends_the_channel_before() -> None:
    """A front that is replaced sees the end of its channel; that is not a loss."""
    with running_pool(hello) as running, front_end() as second:
        first = running.front
        assert first.ask("/").complete
        running.attach(second)
        first.wait(lambda: first.closed, "the end of the first channel")
        assert second.ask("/").complete
        assert running.lost == []


@pytest.mark.parametrize(
    "nonsense",
    [
        b"\xff" * 64,
        encode(Kind.END, 1),
        encode(Kind.REQUEST, 1, b"\xff" * 40),
        encode(Kind.REQUEST, 1, bytes(40), flags=1, descriptors=1),
        encode(Kind.CREDIT, 1, b"short"),
    ],
    ids=["garbage", "a frame of our own", "lengths that do not fit", "a promised descriptor missing", "short credit"],
)
def test_a_front_that_breaks_the_protocol_loses_its_channel_only(nonsense: bytes, records: list[Any]) -> None:
    """Nonsense ends the channel, is logged, and leaves a pool that serves the next channel."""
    with running_pool(hello) as running:
        assert running.front.ask("/").complete
        running.front.send_bytes(nonsense)
        wait_for(lambda: running.lost, "the loss to be reported")
        running.front.wait(lambda: running.front.closed, "the end of the channel")
        assert [record.levelname for record in records] == ["ERROR"]
        with front_end() as second:
            running.attach(second)
            assert second.ask("/").complete


def test_a_frame_cut_by_the_end_is_a_loss(records: list[Any]) -> None:
    """A channel that ends within a frame is reported like any other end."""
    with running_pool(hello) as running:
        running.front.send_bytes(running.front.frame("/")[:-3])
        running.front.close()
        wait_for(lambda: running.lost, "the loss to be reported")


def test_descriptors_of_lost_requests_are_closed(gates: Gates, tmp_path: Path) -> None:
    """Bodies that came by descriptor and were never read leave nothing open."""
    path = tmp_path / "spool"
    path.write_bytes(b"body")
    with running_pool(gates, threads=1) as running:
        gc.collect()
        running.front.send("/block")
        gates.wait_inside(1)
        with path.open("rb") as file:
            streams = [running.front.send_with_file("/", file.fileno(), 4) for _ in range(5)]
            for stream in streams:
                assert running.front.reply(stream).rejected is RejectReason.BUSY
        wait_for(lambda: not open_descriptors_of(path), "the descriptors to be closed")
        gates.open.set()


def open_descriptors_of(path: Path) -> list[str]:
    """Descriptors of this process that are of the file."""
    found = []
    for number in os.listdir("/proc/self/fd"):
        try:
            if os.readlink(f"/proc/self/fd/{number}") == str(path):
                found.append(number)
        except OSError:
            continue
    return found


def test_it_says_what_an_operator_would_ask_for(gates: Gates) -> None:
    """Its repr has the number of threads and of busy ones."""
    with running_pool(gates, threads=3) as running:
        running.front.send("/block")
        gates.wait_inside(1)
        assert "3 threads, 1 busy" in repr(running.pool)
        assert running.pool.busy == 1
        gates.open.set()


def test_threads_learn_one_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the policy learns is guarded by the pool's lock: two threads at once once cost a thread its turn."""
    unguarded: list[str] = []
    pools: list[Pool] = []

    def observe(self: PoolPolicy, path: str, wall: float, busy: int, own: ThreadUsage | None) -> None:
        if not pools[0]._lock.locked():
            unguarded.append(path)

    monkeypatch.setattr(PoolPolicy, "observe", observe)
    with running_pool(hello) as running:
        pools.append(running.pool)
        for number in range(20):
            until_answered(running.front, f"/{number}")
    assert not unguarded


def test_what_runs_inline_though_slow_is_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    """A slow path that runs inline tells the policy its processor time, and how often it was blocked."""
    seen: list[tuple[float, ThreadUsage]] = []
    real = PoolPolicy.observe

    def observe(self: PoolPolicy, path: str, wall: float, busy: int, own: ThreadUsage | None) -> None:
        if own is not None:
            seen.append((wall, own))
        real(self, path, wall, busy, own)
        self.saturated = True  # as if the process computed all the time

    def slow(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        time.sleep(2 * SLOW)
        return hello(environ, start_response)

    monkeypatch.setattr(PoolPolicy, "observe", observe)
    monkeypatch.setattr(PoolPolicy, "note_usage", lambda self, now, used, locked: None)
    with running_pool(slow) as running:
        for _ in range(3):
            until_answered(running.front, "/")
    wall, own = seen[0]
    assert own.blocked >= 1
    assert 0 <= own.processor < wall


def test_a_file_that_another_thread_has_closed_costs_only_its_own_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    """The channel serves all others: it is not its fault."""
    nobodys = 1 << 20
    monkeypatch.setattr("pydaemonwsgi.daemon.adapter.sendable_range", lambda wrapper: (nobodys, 0, 100))

    def application(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        start_response("200 OK", [])
        return FileWrapper(None) if environ["PATH_INFO"] == "/file" else [b"other"]

    with running_pool(application) as running:
        assert running.front.ask("/file").aborted
        assert running.front.ask("/other").body == b"other"


# -- whom its threads interrupt


def policy_of_thread(environ: Environ, start_response: StartResponse) -> list[bytes]:
    """Say how the thread that this runs on is scheduled."""
    start_response("200 OK", [])
    return [str(os.sched_getscheduler(0)).encode()]


def test_short_requests_run_on_a_thread_that_interrupts_nobody() -> None:
    """It is woken again and again by the front, which has more to do than to wake it."""
    with running_pool(policy_of_thread) as running:
        reply = running.front.ask("/")
        assert reply.ran_inline
        assert int(reply.body) == os.SCHED_BATCH


def test_a_slow_request_runs_on_a_thread_like_any_other(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also on one that has run short ones before."""
    slow = False
    monkeypatch.setattr(PoolPolicy, "hand_over_first", lambda *_: slow)
    with running_pool(policy_of_thread, threads=2) as running:
        for slow in (False, True, False, True, True, True):
            reply = until_answered(running.front, "/")
            assert reply.ran_inline is not slow
            assert int(reply.body) == (os.SCHED_OTHER if slow else os.SCHED_BATCH)


def test_threads_that_an_administrator_has_scheduled_stay_as_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who starts the server with SCHED_IDLE, as with systemd's CPUSchedulingPolicy, means it."""
    monkeypatch.setattr(os, "sched_getscheduler", lambda _: os.SCHED_IDLE)
    changed: list[int] = []
    monkeypatch.setattr(os, "sched_setscheduler", lambda _, policy, __: changed.append(policy))
    with running_pool(hello) as running:
        assert running.front.ask("/").complete
    assert changed == []


def test_a_kernel_that_does_not_schedule_so_is_asked_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Some sandboxes refuse the call; requests run all the same."""
    asked: list[int] = []

    def refuse(_: int, policy: int, __: object) -> None:
        asked.append(policy)
        raise PermissionError

    monkeypatch.setattr(os, "sched_setscheduler", refuse)
    with running_pool(hello, threads=1) as running:
        for _ in range(5):
            assert running.front.ask("/").complete
    assert asked == [os.SCHED_BATCH]
