"""Says which interpreter runs it: a JSON object. `/import?NAME` says from where a module can be imported."""

import importlib
import json
import os
import sys
from collections.abc import Callable, Iterable
from typing import Any


def application(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    if environ["PATH_INFO"] == "/import":
        try:
            answer: object = getattr(importlib.import_module(environ["QUERY_STRING"]), "__file__", "builtin")
        except ImportError:
            answer = None
    else:
        answer = {
            "version": f"{sys.version_info.major}.{sys.version_info.minor}",
            "prefix": sys.prefix,
            "path": sys.path,
            "argv": sys.argv,
            "pid": os.getpid(),
            "optimize": sys.flags.optimize,
            "dont_write_bytecode": sys.flags.dont_write_bytecode,
            "warnings": sys.warnoptions,
            "hash": hash("a"),
            "virtual_env": os.environ.get("VIRTUAL_ENV"),
        }
    start_response("200 OK", [("Content-Type", "application/json")])
    return [json.dumps(answer).encode("utf-8")]
