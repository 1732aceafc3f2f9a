"""Answers and bodies that travel as descriptors, in processes that may have none left."""

import os
import resource
import time


def application(environ, start_response):
    path = environ["PATH_INFO"]
    body = b"ok\n"
    if path == "/large":
        body = b"x" * 600_000
    elif path == "/wait":
        open(environ["QUERY_STRING"] + ".entered", "w").close()
        while not os.path.exists(environ["QUERY_STRING"]):
            time.sleep(0.01)
    elif path == "/exhaust":
        # The lowest that is free, and none above it, as if the application had leaked the rest.
        free = os.dup(2)
        os.close(free)
        resource.setrlimit(resource.RLIMIT_NOFILE, (free, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
    elif path == "/recover":
        hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    elif path == "/read":
        body = b"%d\n" % len(environ["wsgi.input"].read())
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", str(len(body)))])
    return [body]
