"""Tells what the server does: /ask; /fork asks in a forked process, /import tells what it was told while it loaded."""

import json
import os
import threading
import time

import mod_wsgi

loading = mod_wsgi.server_metrics()


def in_a_child():
    source, sink = os.pipe()
    if os.fork() == 0:
        os.write(sink, json.dumps(mod_wsgi.server_metrics()).encode())
        os._exit(0)
    os.close(sink)
    with open(source, "rb") as file:
        told = file.read()
    os.wait()
    return json.loads(told)


def in_threads():
    found = []
    threads = [threading.Thread(target=lambda: found.append(mod_wsgi.server_metrics())) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return found


def application(environ, start_response):
    path = environ["PATH_INFO"]
    told = None
    if path == "/ask":
        told = mod_wsgi.server_metrics()
    elif path == "/fork":
        told = in_a_child()
    elif path == "/threads":
        told = in_threads()
    elif path == "/import":
        told = loading
    elif path == "/gate":
        while not os.path.exists(environ["QUERY_STRING"]):
            time.sleep(0.01)
    start_response("200 OK", [("Content-Type", "application/json")])
    return [json.dumps(told).encode()]
