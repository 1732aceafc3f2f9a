"""Raises `mod_wsgi.RequestTimeout` in the thread of a request that runs for too long. Shell.

Theory of operation. CPython can have an exception raised in another thread at its next bytecode, wherever that is
(`PyThreadState_SetAsyncExc`). In the application's code that is what we want. In ours it would lose frames of other
requests, and in the next request it would hit the wrong one. So a thread says when it is **inside** the application:

    enter ──▶ inside ──▶ leave            `request` while inside: raised at the next bytecode
      ▲                    │              `request` while outside: raised by the next `enter`
      └──── our code ◀─────┘

`leave` and `request` share a lock, so an exception that was asked for before `leave` got the lock has been raised
before `leave` returns: the interpreter looks for it after every call of a C function, and giving the lock back is
one. It may be raised by `leave` itself; then a second `leave` cannot be interrupted any more, because a request is
interrupted once. Hence the two nested `finally` wherever the application is called.
"""

import threading
from collections.abc import Callable
from typing import Final

__all__ = ["Interruption", "RequestTimeout", "async_raiser"]

_MESSAGE: Final = "the request has been running for longer than request-timeout"

AsyncRaiser = Callable[[int, type[BaseException] | None], None]


class RequestTimeout(BaseException):
    """The request has been running for longer than request-timeout allows.

    A BaseException, so that `except Exception` does not swallow it.
    """


RequestTimeout.__module__ = "mod_wsgi"


def async_raiser() -> AsyncRaiser:
    """Return a function that has an exception raised in a thread; None instead of a class takes it back."""
    import ctypes  # noqa: PLC0415 - only processes that interrupt need it

    set_exception = ctypes.pythonapi.PyThreadState_SetAsyncExc
    set_exception.argtypes = (ctypes.c_ulong, ctypes.py_object)
    nothing = ctypes.py_object()  # a NULL pointer

    def raise_in(thread: int, kind: type[BaseException] | None) -> None:
        set_exception(thread, nothing if kind is None else kind)

    return raise_in


class Interruption:
    """Whether and where one request's thread can be interrupted.

    Args:
        raise_in: has an exception raised in a thread; see `async_raiser`.
    """

    __slots__ = ("_inside", "_lock", "_raise_in", "_raised", "_requested", "_thread")

    def __init__(self, raise_in: AsyncRaiser) -> None:
        self._raise_in = raise_in
        self._lock = threading.Lock()
        self._thread = 0
        self._inside = False
        self._requested = False
        self._raised = False

    # -- what the request's thread calls

    def enter(self) -> None:
        """Say that code of the application runs from here on; to be called inside the `try` that calls `leave`.

        Raises:
            RequestTimeout: it was asked for while our own code ran.
        """
        self._thread = threading.get_ident()
        with self._lock:
            self._inside = True
            if not self._requested or self._raised:
                return
            self._raised = True
        raise RequestTimeout(_MESSAGE)

    def check(self) -> None:
        """Called by our own code where it waits.

        Raises:
            RequestTimeout: it was asked for.
        """
        with self._lock:
            if not self._requested or self._raised:
                return
            self._raised = True
        raise RequestTimeout(_MESSAGE)

    def enter_closing(self) -> None:
        """Like `enter`, for `close()`: it is called even if the request has been timed out meanwhile."""
        with self._lock:
            self._inside = True

    def leave(self) -> None:
        """Say that our own code runs from here on.

        Raises:
            RequestTimeout: it was asked for just before; calling it again is then safe.
        """
        with self._lock:
            self._inside = False

    def end(self) -> None:
        """Make sure that nothing reaches the thread's next request."""
        if self._requested:
            self._raise_in(threading.get_ident(), None)

    # -- what the monitor calls

    def request(self) -> None:
        """Have RequestTimeout raised in the request's thread, once."""
        with self._lock:
            if self._requested:
                return
            self._requested = True
            if self._inside:
                self._raised = True
                self._raise_in(self._thread, RequestTimeout)
