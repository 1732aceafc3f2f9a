"""Ways to die."""

import ctypes
import os
import signal
import time


def application(environ, start_response):
    path = environ["PATH_INFO"]
    if path == "/sleep":
        open(environ["QUERY_STRING"], "w").close()
        time.sleep(600)
    elif path == "/exit":
        os._exit(3)
    elif path == "/abort":
        os.kill(os.getpid(), signal.SIGABRT)
        time.sleep(600)
    elif path == "/segv":
        ctypes.string_at(0)
    elif path == "/eat":
        held = []
        while True:
            held.append(b"x" * 10_000_000)
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"ok\n"]
