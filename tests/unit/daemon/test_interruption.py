"""interruption: RequestTimeout reaches the application's code of one request, or nothing."""

import gc
import logging
import random
import sys
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from pydaemonwsgi.channel.frames import TIMED_OUT
from pydaemonwsgi.daemon.interruption import Interruption, RequestTimeout, async_raiser

from .far_side import running_pool, wait_for

Environ = dict[str, Any]
StartResponse = Callable[..., Callable[[bytes], None]]


def spin(seconds: float) -> None:
    """Run Python code for a while."""
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        pass


class Closing:
    """A body that notes whether it was closed."""

    def __init__(self, pieces: Iterator[bytes], closed: list[str], path: str) -> None:
        self.pieces = pieces
        self.closed = closed
        self.path = path

    def __iter__(self) -> Iterator[bytes]:
        return self.pieces

    def close(self) -> None:
        self.closed.append(self.path)


@pytest.fixture(autouse=True)
def no_gc_callbacks() -> Iterator[None]:
    """Those of the test tools are run in the thread that is interrupted, and lose what is raised in them."""
    callbacks = gc.callbacks.copy()
    gc.callbacks.clear()
    yield
    gc.callbacks[:] = callbacks


@pytest.fixture
def switching() -> Iterator[None]:
    """Threads are stopped anywhere, not only where they wait."""
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    yield
    sys.setswitchinterval(interval)


def test_it_is_raised_inside_the_application() -> None:
    """A thread inside is interrupted at its next bytecode."""
    caught: list[BaseException] = []
    inside = threading.Event()
    interruption = Interruption(async_raiser())

    def run() -> None:
        try:
            interruption.enter()
            inside.set()
            spin(60.0)
        except RequestTimeout as error:
            caught.append(error)
        finally:
            interruption.leave()

    thread = threading.Thread(target=run)
    thread.start()
    inside.wait(20)
    interruption.request()
    thread.join(20)
    assert len(caught) == 1


def test_outside_it_waits_for_the_next_entry() -> None:
    """Our own code is not interrupted; the application is, when it gets the word."""
    interruption = Interruption(async_raiser())
    interruption.enter()
    interruption.leave()
    interruption.request()
    spin(0.01)
    with pytest.raises(RequestTimeout):
        interruption.enter()
    interruption.leave()


def test_it_is_raised_once() -> None:
    """An application that catches it goes on undisturbed."""
    interruption = Interruption(async_raiser())
    interruption.request()
    with pytest.raises(RequestTimeout):
        interruption.enter()
    interruption.request()
    interruption.enter()
    spin(0.01)
    interruption.leave()
    interruption.check()


def test_our_own_code_that_waits_can_ask() -> None:
    """`check` raises it where our code is safe to leave."""
    interruption = Interruption(async_raiser())
    interruption.check()
    interruption.request()
    with pytest.raises(RequestTimeout):
        interruption.check()


def test_it_is_an_exception_of_mod_wsgi() -> None:
    """Its name is mod_wsgi's, and `except Exception` does not swallow it."""
    assert f"{RequestTimeout.__module__}.{RequestTimeout.__qualname__}" == "mod_wsgi.RequestTimeout"
    assert not issubclass(RequestTimeout, Exception)


@pytest.mark.parametrize("threads", [1, 4], ids=lambda threads: f"threads={threads}")
def test_no_interruption_goes_astray(threads: int, records: list[logging.LogRecord], switching: None) -> None:
    """Whatever a request is doing when it is interrupted, it gets one end, and the others get their own answers."""
    closed: list[str] = []
    chance = random.Random(20261123)

    def application(environ: Environ, start_response: StartResponse) -> Any:
        path = environ["PATH_INFO"]
        kind = path[1:].partition("-")[0]
        spin(0.0003)
        if kind == "list":
            start_response("200 OK", [])
            return [path.encode()]
        write = start_response("200 OK", [])
        if kind == "write":
            for _ in range(10):
                write(b"x" * 10)
            return []

        def pieces() -> Iterator[bytes]:
            for number in range(10):
                yield b"%d" % number

        return Closing(pieces(), closed, path)

    with running_pool(application, threads=threads, interruptible=True) as running:
        over = threading.Event()

        def interrupt() -> None:
            while not over.is_set():
                for exchange in running.pool.running:
                    if chance.random() < 0.5:
                        exchange.interrupt()
                time.sleep(chance.random() * 0.0005)

        threading.Thread(target=interrupt, daemon=True).start()
        outcomes: dict[str, int] = {}
        try:
            for round_ in range(60):
                kinds = [chance.choice(["list", "write", "body"]) for _ in range(20)]
                paths = [f"/{kind}-{round_}-{number}" for number, kind in enumerate(kinds)]
                for path, stream in zip(paths, running.front.send_batch(*paths), strict=True):
                    reply = running.front.reply(stream)
                    if reply.aborted:
                        assert reply.flags & TIMED_OUT
                        outcome = "cut"
                    else:
                        outcome = reply.status.partition(" ")[0] if reply.complete else "rejected"
                    if outcome == "200":
                        expected = {"list": path.encode(), "write": b"x" * 100, "body": b"0123456789"}
                        assert reply.body == expected[path[1:].partition("-")[0]]
                    outcomes[outcome] = outcomes.get(outcome, 0) + 1
        finally:
            over.set()
        wait_for(lambda: not running.pool.busy, "the last request")
    assert outcomes.get("504", 0) > 50, outcomes
    assert outcomes.get("200", 0) > 50, outcomes
    assert len(closed) == len(set(closed))
    assert not [record for record in records if record.levelno >= logging.ERROR], records


def test_a_thread_that_waits_for_a_slow_client_is_interrupted() -> None:
    """Our own code waits there, and leaves when it is asked to: the answer is cut, the thread is free."""

    def application(environ: Environ, start_response: StartResponse) -> list[bytes]:
        write = start_response("200 OK", [])
        while True:
            write(b"x" * 65536)

    with running_pool(application, threads=1, interruptible=True, credit=False) as running:
        stream = running.front.send("/")
        running.front.wait(lambda: len(running.front.replies[stream].body) > 1024 * 1024, "the window to be full")
        [exchange] = running.pool.running
        exchange.interrupt()
        reply = running.front.reply(stream)
        assert reply.aborted
        assert reply.flags & TIMED_OUT


@pytest.mark.parametrize("sent", [b"", b"some"], ids=["nothing sent", "begun"])
def test_a_request_that_is_given_up_says_nothing_more(sent: bytes) -> None:
    """Its end is posted for it; what its thread says later goes nowhere, and breaks nothing."""
    go_on = threading.Event()

    def application(environ: Environ, start_response: StartResponse) -> Any:
        if environ["PATH_INFO"] == "/other":
            start_response("200 OK", [])
            return [b"fine"]

        def pieces() -> Iterator[bytes]:
            yield sent
            go_on.wait(20)
            yield b"late"

        start_response("200 OK", [])
        return pieces()

    with running_pool(application, threads=2) as running:
        stream = running.front.send("/")
        wait_for(lambda: bool(running.pool.running), "the request to run")
        if sent:
            running.front.wait(lambda: bool(running.front.replies[stream].body), "its first piece")
        [exchange] = running.pool.running
        exchange.give_up()
        exchange.flush()
        reply = running.front.reply(stream)
        assert reply.aborted
        assert reply.flags & TIMED_OUT
        go_on.set()
        wait_for(lambda: not running.pool.busy, "the thread to be free")
        assert running.front.ask("/other").body == b"fine"
