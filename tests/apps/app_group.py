"""Says in which application group it runs, and which other scripts have been loaded in the same interpreter."""

import json
import os
import sys
import time
import types
from collections.abc import Callable, Iterable
from typing import Any

import mod_wsgi  # type: ignore[import-not-found]

NAME = os.path.basename(__file__)
# What the interpreter has of all scripts: the "global state" that applications leak to each other.
shared: Any = sys.modules.setdefault("shared_by_scripts", types.ModuleType("shared_by_scripts"))
shared.__dict__.setdefault("loaded", []).append(NAME)


def application(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    """Answer with what is known; `?sleep=SECONDS` takes its time."""
    query = environ["QUERY_STRING"]
    if query.startswith("sleep="):
        time.sleep(float(query.removeprefix("sleep=")))
    try:
        sys.stdin.read()
        stdin = "usable"
    except OSError:
        stdin = "forbidden"
    body = json.dumps(
        {
            "pid": os.getpid(),
            "loaded": shared.loaded,
            "environ": environ["mod_wsgi.application_group"],
            "module": mod_wsgi.application_group,
            "process_group": mod_wsgi.process_group,
            "stdin": stdin,
            "path": sys.path,
        }
    ).encode()
    start_response("200 OK", [("Content-Type", "application/json"), ("Content-Length", str(len(body)))])
    return [body]
