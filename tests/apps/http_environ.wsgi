"""Answers with its environ: text as it is, of all else the type and the representation."""

import json


def application(environ, start_response):
    described = {
        key: value if type(value) is str else [type(value).__name__, repr(value)] for key, value in environ.items()
    }
    body = json.dumps(described).encode("ascii")
    start_response("200 OK", [("Content-Type", "application/json"), ("Content-Length", str(len(body)))])
    return [body]
