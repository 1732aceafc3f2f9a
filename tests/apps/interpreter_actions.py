"""Does in its interpreter what the query says, and tells what came of it."""

import atexit
import ctypes
import importlib
import json
import os
import subprocess
import sys
import threading
import time
import types
from collections.abc import Callable, Iterable
from typing import Any

import mod_wsgi  # type: ignore[import-not-found]

# What the interpreter has of all scripts: the "global state" that applications leak to each other.
shared: Any = sys.modules.setdefault("shared_by_scripts", types.ModuleType("shared_by_scripts"))
shared.__dict__.setdefault("loaded", []).append(os.path.basename(__file__))
local = threading.local()


@atexit.register
def note_end() -> None:
    """Say so in the log, where the test sees it."""
    print(f"atexit of {mod_wsgi.application_group or 'main'}")


def report(argument: str) -> dict[str, Any]:
    """Say where this is, and how often this thread has been asked."""
    del argument
    local.count = getattr(local, "count", 0) + 1
    return {
        "pid": os.getpid(),
        "group": mod_wsgi.application_group,
        "loaded": shared.loaded,
        "count": local.count,
        "path": sys.path,
    }


def sleep(argument: str) -> dict[str, Any]:
    """Take some seconds."""
    time.sleep(float(argument))
    return report("")


def wait(argument: str) -> dict[str, Any]:
    """Take until there is a file of this name."""
    while not os.path.exists(argument):
        time.sleep(0.01)
    return report("")


def hold(argument: str) -> dict[str, Any]:
    """Take some seconds without ever letting another thread of the interpreter run."""
    ctypes.PyDLL(None).sleep(int(argument))
    return report("")


def fork(argument: str) -> dict[str, Any]:
    """Fork."""
    del argument
    pid = os.fork()
    if not pid:
        os._exit(0)
    return {"status": os.waitpid(pid, 0)[1]}


def run(argument: str) -> dict[str, Any]:
    """Run a program."""
    return {"output": subprocess.run([argument, "ran"], capture_output=True, text=True, check=True).stdout}


def preexec(argument: str) -> dict[str, Any]:
    """Run a program, and Python code of ours before it in its process."""
    return {"status": subprocess.run([argument], check=True, preexec_fn=os.getpid).returncode}


def load(argument: str) -> dict[str, Any]:
    """Import a module."""
    return {"module": importlib.import_module(argument).__name__}


def frames(argument: str) -> dict[str, Any]:
    """Look at the frames of all threads, as profilers do."""
    del argument
    found = sys._current_frames()
    return {"own": found[threading.get_ident()].f_back is not None, "threads": len(found)}


ACTIONS: dict[str, Callable[[str], dict[str, Any]]] = {
    one.__name__: one for one in (report, sleep, wait, hold, fork, run, preexec, load, frames)
}


def application(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    """Answer with JSON."""
    action, _, argument = (environ["QUERY_STRING"] or "report").partition("=")
    try:
        told = ACTIONS[action](argument)
    except RuntimeError as error:
        told = {"error": str(error)}
    body = json.dumps(told).encode()
    start_response("200 OK", [("Content-Type", "application/json"), ("Content-Length", str(len(body)))])
    return [body]
