"""Requests that do not end: each path is stuck in its own way. Any other path answers with the process's pid."""

import ctypes
import os
import time

FOREVER = 10**9


def sleep(environ):
    """Wait in the kernel, where no exception reaches a thread."""
    time.sleep(FOREVER)


def nap(environ):
    """Wait as a patient loop does: it comes back to Python again and again."""
    while True:
        time.sleep(0.01)


def spin(environ):
    """Compute in Python."""
    while True:
        pass


def hold(environ):
    """Wait in C without letting go of the interpreter lock, for QUERY_STRING seconds."""
    ctypes.PyDLL(None).sleep(int(environ["QUERY_STRING"] or FOREVER))


PLACES = {"/sleep": sleep, "/nap": nap, "/spin": spin, "/hold": hold}


class Body:
    """A body whose second piece never comes, or whose close() does not return."""

    def __init__(self, where):
        self.where = where
        self.pieces = iter([b"begun\n"])

    def __iter__(self):
        return self

    def __next__(self):
        if self.where == "body":
            for piece in self.pieces:
                return piece
            nap(None)
        return next(self.pieces)

    def close(self):
        if self.where == "close":
            nap(None)


def application(environ, start_response):
    path = environ["PATH_INFO"]
    if path in PLACES:
        PLACES[path](environ)
    headers = [("Content-Type", "text/plain")]
    if path in ("/body", "/close"):
        start_response("200 OK", headers)
        return Body(path[1:])
    if path == "/write":
        write = start_response("200 OK", headers)
        while True:
            write(b"x" * 65536)
    if path == "/brave":
        try:
            nap(environ)
        except BaseException as error:
            start_response("200 OK", headers)
            return [f"{type(error).__module__}.{type(error).__name__}\n".encode()]
    start_response("200 OK", headers)
    return [f"{os.getpid()}\n".encode()]
