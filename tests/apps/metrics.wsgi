"""Records metrics and gives them: /request and /process; /begin starts to record, /block waits for the file GATE."""

import json
import logging
import os
import time

import mod_wsgi

log = logging.getLogger("shop")
log.propagate = False
log.setLevel(logging.DEBUG)
log.addHandler(mod_wsgi.LogHandler())


class Expensive:
    def __str__(self):
        raise AssertionError("formatted although nobody reads it")


def application(environ, start_response):
    path = environ["PATH_INFO"]
    found = None
    if path == "/begin":
        mod_wsgi.start_recording_metrics()
    elif path == "/request":
        found = mod_wsgi.request_metrics()
    elif path == "/process":
        found = mod_wsgi.process_metrics()
    elif path == "/server":
        found = mod_wsgi.server_metrics()
    elif path == "/block":
        while not os.path.exists(os.environ["GATE"]):
            time.sleep(0.01)
    elif path == "/log":
        log.warning("stock of %s\nis low", "socks")
        log.debug("%s", Expensive())
        try:
            raise ValueError("no socks")
        except ValueError:
            log.exception("cannot sell")
    environ["wsgi.input"].read()
    start_response("404 Not Found" if path == "/missing" else "200 OK", [("Content-Type", "application/json")])
    return [json.dumps(found).encode()]
