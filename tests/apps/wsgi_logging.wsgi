"""Says things in every way; logging is configured only where WSGI_BASIC_CONFIG is set. The answer is the request's id."""

import logging
import os
import sys
import threading
import warnings

if "WSGI_BASIC_CONFIG" in os.environ:
    logging.basicConfig(level=logging.DEBUG, format="APP %(levelname)s %(message)s")

own = logging.getLogger("own")
own.addHandler(logging.StreamHandler())

print("printed while loading")


def application(environ, start_response):
    if environ["PATH_INFO"] == "/level":
        start_response("200 OK", [("Content-Type", "text/plain")])
        return [logging.getLevelName(logging.root.level).encode()]
    print("printed", end="")
    print(" in one line")
    print("to stderr", file=sys.stderr)
    environ["wsgi.errors"].write("to wsgi.errors\n")
    logging.getLogger("app").warning("logged a %s", "warning")
    logging.getLogger("app").info("logged an info")
    try:
        1 / 0
    except ZeroDivisionError:
        logging.getLogger("app").exception("logged an exception")
    own.warning("logged by a handler of its own")
    warnings.warn("warned", stacklevel=1)
    thread = threading.Thread(target=print, args=("printed by another thread",))
    thread.start()
    thread.join()
    sys.stdout.buffer.write(b"bytes by the buffer\n")
    print("forged\r[error] line \x1b[31m")
    environ["wsgi.errors"].write("unfinished")
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [environ["mod_wsgi.request_id"].encode()]
