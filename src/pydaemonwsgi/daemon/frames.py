"""The frames of this interpreter's threads. Shell; reads, and changes nothing.

`sys._current_frames` of CPython 3.13.0 makes frame objects for the threads of all interpreters of the process, with the
memory of the one that asks. When such a frame ends in an interpreter that has a GIL, and so memory, of its own, the
process dies ("free(): invalid pointer"). Where there are sub-interpreters, the same is asked of the C API instead, for
the threads of one interpreter, and the application gets that, too, when it asks `sys`.
"""

import ctypes
import sys
import threading
from collections.abc import Callable
from types import FrameType
from typing import Any, Final, NoReturn

__all__ = ["confine_frames", "current_frames"]

_BOOTSTRAP: Final = threading.Thread._bootstrap.__code__  # type: ignore[attr-defined]  # noqa: SLF001


def current_frames() -> dict[int, FrameType]:
    """Return the innermost frame of each thread of this interpreter, by the thread's ident."""
    return sys._current_frames()  # noqa: SLF001 - the documented way to see other threads


def confine_frames() -> None:
    """Have `sys` tell of this interpreter's threads only, from now on; once for each interpreter of the process."""
    walk = _walker()

    def _current_frames() -> dict[int, FrameType]:
        return walk()

    def _current_exceptions() -> NoReturn:
        raise RuntimeError(
            "sys._current_exceptions() is refused: it takes objects of all interpreters of the process, which may not "
            "be shared (application-groups=interpreters)"
        )

    sys._current_frames = _current_frames  # noqa: SLF001
    sys.__dict__["_current_exceptions"] = _current_exceptions


def _walker() -> Callable[[], dict[int, FrameType]]:
    api = ctypes.PyDLL(None)
    pointer = ctypes.c_void_p
    for name, result, arguments in (
        ("PyInterpreterState_Get", pointer, ()),
        ("PyInterpreterState_ThreadHead", pointer, (pointer,)),
        ("PyThreadState_Next", pointer, (pointer,)),
        ("PyThreadState_GetFrame", ctypes.py_object, (pointer,)),
    ):
        function = getattr(api, name)
        function.restype, function.argtypes = result, arguments

    def walk() -> dict[int, FrameType]:
        # All of it under this interpreter's GIL, which a thread needs to come or go.
        found: dict[int, FrameType] = {}
        state: Any = api.PyInterpreterState_ThreadHead(api.PyInterpreterState_Get())
        while state:
            try:
                frame: FrameType = api.PyThreadState_GetFrame(state)
            except ValueError:  # it runs no Python code
                pass
            else:
                ident = _ident_of(frame)
                if ident is not None:
                    found[ident] = frame
            state = api.PyThreadState_Next(state)
        frame = sys._getframe()  # noqa: SLF001
        found[threading.get_ident()] = frame
        return found

    return walk


def _ident_of(frame: FrameType | None) -> int | None:
    """Return the ident of the thread that a frame is in, by its outermost frame; None for one not made by threading."""
    last = frame
    while frame is not None:
        last, frame = frame, frame.f_back
    if last is None or last.f_code is not _BOOTSTRAP:
        # The main thread, or one that was made by C code, which nobody could name anyway.
        return threading.main_thread().ident
    ident: int | None = last.f_locals["self"].ident
    return ident
