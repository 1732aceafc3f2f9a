"""Closes the standard descriptors while it is imported, and prints all the same."""

import os
import sys

for number in (0, 1, 2):
    os.close(number)
print("printed at import", flush=True)


def application(environ, start_response):
    for stream in (sys.stdout, sys.stderr, environ["wsgi.errors"]):
        print("printed in a request", file=stream, flush=True)
    for number in (1, 2):
        os.write(number, b"written in a request\n" * 1000)
    start_response("200 OK", [])
    return [str(os.getpid()).encode()]
