"""Where threads are: their stacks, and what the requests that they run are doing. Shell; reads, and changes nothing."""

import linecache
import os
import threading
import time
import traceback
from collections.abc import Iterable
from types import CodeType, FrameType
from typing import Final

from pydaemonwsgi.daemon.adapter import Adapter
from pydaemonwsgi.daemon.exchange import Exchange
from pydaemonwsgi.daemon.frames import current_frames
from pydaemonwsgi.daemon.input import RequestInput
from pydaemonwsgi.daemon.pool import Pool
from pydaemonwsgi.system import subinterpreters

__all__ = ["cpu_time", "describe", "dump_threads", "phase_of", "stack_of"]

_OWN_DIRECTORY: Final = os.path.dirname(__file__) + os.sep
_PACKAGE: Final = os.path.dirname(os.path.dirname(__file__)) + os.sep
_THREADING: Final = threading.__file__
_APPLICATION: Final = "in the application"


def _codes(*functions: object) -> frozenset[CodeType]:
    return frozenset(function.__code__ for function in functions)  # type: ignore[attr-defined]


# What a thread is doing is told by which of our functions is on its stack: so it costs a request nothing.
_PHASES: Final[tuple[tuple[frozenset[CodeType], str], ...]] = (
    (
        _codes(RequestInput.read, RequestInput.readline, RequestInput.readlines, RequestInput.__next__),
        "reading input",
    ),
    (
        _codes(Exchange.write, Exchange.send, Exchange.complete, Exchange.send_file, Exchange.end, Exchange.flush),
        "writing output",
    ),
    (_codes(Adapter.close), "closing"),
)


def phase_of(frame: FrameType | None) -> str:
    """Return what a request's thread is doing: the innermost of our functions says it."""
    while frame is not None:
        code = frame.f_code
        for codes, phase in _PHASES:
            if code in codes:
                return phase
        frame = frame.f_back
    return _APPLICATION


def stack_of(frame: FrameType | None) -> str:
    """Return a thread's stack, outermost call first, without the server's frames around the application."""
    summary = traceback.StackSummary.extract(traceback.walk_stack(frame))
    summary.reverse()
    linecache.clearcache()  # the application's modules may be large, and nobody needs their text again
    first = 0
    while first < len(summary) and summary[first].filename.startswith((_OWN_DIRECTORY, _THREADING)):
        first += 1
    return "".join(traceback.format_list(summary[first:] or summary)).rstrip("\n")


def cpu_time(thread: int) -> float:
    """Return how many seconds of processor time the living thread with this ident has used."""
    return time.clock_gettime(time.pthread_getcpuclockid(thread))


def describe(exchange: Exchange) -> str:
    """Return a request's method and URL as the client sent them."""
    items = exchange.request.head.decode("latin-1").split("\0")
    variables = dict(zip(items[::2], items[1::2], strict=False))
    url = variables.get("REQUEST_URI") or variables.get("PATH_INFO", "")
    return f"{variables.get('REQUEST_METHOD', '')} {url[:500]}"


def dump_threads(pool: Pool, now: float) -> str:
    """Return the stacks of all threads, each with the request that it runs.

    Args:
        pool: whose threads run requests; the monitor's asks.
        now: of `time.perf_counter`.
    """
    requests = {pool.thread_of(exchange): exchange for exchange in pool.running}
    frames = current_frames()
    return "\n\n".join(_thread_lines(threading.enumerate(), frames, requests, now)) + "\n"


def _thread_lines(
    threads: Iterable[threading.Thread], frames: dict[int, FrameType], requests: dict[int, Exchange], now: float
) -> list[str]:
    found = []
    for thread in threads:
        if thread is threading.main_thread() is not threading.current_thread():
            continue  # in a sub-interpreter CPython takes the process's main thread for its own
        frame = frames.get(thread.ident or 0)
        if frame is None:
            continue  # it has ended meanwhile
        if thread is threading.current_thread():
            # Not its `native_id`: before CPython 3.13 that is, after a fork, the parent's.
            found.append(f"thread {thread.name} (tid {threading.get_native_id()}): watches over the others")
            continue
        head = f"thread {thread.name} (tid {thread.native_id})"
        if _is_host(frame):
            found.append(f"{head}: the main thread of that interpreter, which tells its own stacks")
            continue
        exchange = requests.get(thread.ident or 0)
        if exchange is not None:
            head += (
                f": request {exchange.errors.request_id} {describe(exchange)}, "
                f"{phase_of(frame)} for {now - exchange.started:.1f} s"
            )
            if exchange.given_up:
                head += ", given up"
        elif _is_ours(frame):
            found.append(f"{head}: waits for requests")
            continue
        found.append(f"{head}\n{stack_of(frame)}")
    return found


def _is_host(frame: FrameType) -> bool:
    """Whether a thread is in another interpreter: here it has nothing but our call that led it there."""
    return frame.f_code is subinterpreters.execute.__code__


def _is_ours(frame: FrameType | None) -> bool:
    """Whether a stack has no frame of the application, nor of what it imports."""
    while frame is not None:
        if not frame.f_code.co_filename.startswith((_PACKAGE, _THREADING)):
            return False
        frame = frame.f_back
    return True
