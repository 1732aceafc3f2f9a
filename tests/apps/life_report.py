"""Reports what the process that runs it is and has: ids, descriptors, directory, environment."""

import json
import os
import re
import sys
from collections.abc import Callable, Iterable
from typing import Any


def status() -> dict[str, list[str]]:
    """Return /proc/self/status, each field as its words."""
    with open("/proc/self/status", encoding="ascii", errors="replace") as file:
        return {name: value.split() for name, _, value in (line.partition(":") for line in file)}


def attempts() -> dict[str, str]:
    """Try every way back to root; return what each said."""
    calls: dict[str, Callable[[], object]] = {
        "setuid": lambda: os.setuid(0),
        "seteuid": lambda: os.seteuid(0),
        "setresuid": lambda: os.setresuid(0, 0, 0),
        "setgid": lambda: os.setgid(0),
        "setgroups": lambda: os.setgroups([0]),
        "shadow": lambda: os.close(os.open("/etc/shadow", os.O_RDONLY)),
        "chroot": lambda: os.chroot("/"),
    }
    tried = {}
    for name, call in calls.items():
        try:
            call()
            tried[name] = "succeeded"
        except OSError as error:
            tried[name] = type(error).__name__
    return tried


def application(environ: dict[str, Any], start_response: Callable[..., object]) -> Iterable[bytes]:
    """Answer with JSON."""
    facts = status()
    umask = int(facts["Umask"][0], 8)
    report = {
        "pid": os.getpid(),
        "cwd": os.getcwd(),
        "umask": umask,
        "home": os.environ.get("HOME"),
        "user": os.environ.get("USER"),
        "path": sys.path,
        "status": facts,
        "attempts": attempts() if environ["PATH_INFO"] == "/attempts" else {},
        "environ": {
            key: value for key, value in environ.items() if re.match("[A-Z_.a-z]+$", key) and type(value) is str
        },
        "multiprocess": environ["wsgi.multiprocess"],
    }
    start_response("200 OK", [("Content-Type", "application/json")])
    return [json.dumps(report).encode("utf-8")]


def other(environ: dict[str, Any], start_response: Callable[..., object]) -> Iterable[bytes]:
    """Be another callable object."""
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"other"]


class Namespace:
    """Holds a callable object one level down."""

    inner = staticmethod(other)
