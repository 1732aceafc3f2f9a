"""Says which version of this script and which process answers; `/gate` waits for the file that the query names."""

import os
import threading
import time
from collections.abc import Callable, Iterable
from typing import Any

VERSION = "one"


def application(environ: dict[str, Any], start_response: Callable[..., object]) -> Iterable[bytes]:
    """Answer `VERSION PID`."""
    if environ["PATH_INFO"] == "/gate":
        gate = environ["QUERY_STRING"]
        entered = f"{gate}.entered-{os.getpid()}-{threading.get_ident()}"
        with open(entered, "w", encoding="ascii"):
            pass
        while not os.path.exists(gate):
            time.sleep(0.005)
    body = f"{VERSION} {os.getpid()}".encode("ascii")
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", str(len(body)))])
    return [body]
