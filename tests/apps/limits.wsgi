"""Reports what the process that runs it may use, and tries to use more."""

import ctypes
import json
import locale
import os
import resource
import socket
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any

NAMES = ("HOME", "LANG", "LC_ALL", "LOGNAME", "PYTHON_EGG_CACHE", "USER", "USERNAME")


def stack_size() -> int:
    """Return the size in bytes of this thread's stack, as the threading library knows it."""
    library = ctypes.CDLL(None)
    library.pthread_self.restype = ctypes.c_ulong
    attributes = ctypes.create_string_buffer(256)
    size = ctypes.c_size_t()
    assert library.pthread_getattr_np(ctypes.c_ulong(library.pthread_self()), attributes) == 0
    assert library.pthread_attr_getstacksize(attributes, ctypes.byref(size)) == 0
    return size.value


def channel_buffers() -> tuple[int, int]:
    """Return the kernel's buffers of this process's channel, sending and receiving, as the kernel counts them."""
    for number in range(3, 64):
        try:
            with socket.socket(fileno=os.dup(number)) as sock:
                if (sock.family, sock.type) == (socket.AF_UNIX, socket.SOCK_STREAM):
                    return (
                        sock.getsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF),
                        sock.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF),
                    )
        except OSError:
            continue  # nothing, or no socket
    raise LookupError("this process has no channel")


def umask() -> int:
    """Return this process's mask for new files."""
    mask = os.umask(0o077)
    os.umask(mask)
    return mask


def facts() -> dict[str, Any]:
    """Return what the kernel and the interpreter say of this process."""
    return {
        "pid": os.getpid(),
        "nice": os.getpriority(os.PRIO_PROCESS, 0),
        "cpu": resource.getrlimit(resource.RLIMIT_CPU),
        "data": resource.getrlimit(resource.RLIMIT_DATA),
        "addresses": resource.getrlimit(resource.RLIMIT_AS),
        "stack": stack_size(),
        "switch": sys.getswitchinterval(),
        "locale": locale.setlocale(locale.LC_ALL),
        "environ": {name: os.environ.get(name) for name in NAMES},
        "cwd": os.getcwd(),
        "umask": umask(),
        "path": sys.path,
        "buffers": channel_buffers(),
        "root": sorted(os.listdir("/")),
    }


def pieces(size: int) -> Iterator[bytes]:
    """Yield `size` bytes, a little at a time, and say so at the end."""
    for _ in range(0, size, 1 << 16):
        yield b"." * (1 << 16)
    print("everything has been taken")


def application(environ: dict[str, Any], start_response: Callable[..., object]) -> Iterable[bytes]:
    """Obey /VERB/NUMBER; answer any other path with what this process is."""
    _, verb, number = f"{environ['PATH_INFO']}/".split("/")[:3]
    if verb == "allocate":
        answer = str(len(bytearray(int(number)))).encode()
    elif verb == "keep":
        KEPT.append(b"x" * int(number))
        answer = str(os.getpid()).encode()
    elif verb == "burn":
        until = time.process_time() + float(number)
        while time.process_time() < until:
            pass
        answer = str(os.getpid()).encode()
    elif verb == "echo":
        answer = environ["wsgi.input"].read() + b"." * int(number)
    elif verb == "stream":
        start_response("200 OK", [("Content-Length", number)])
        return pieces(int(number))
    elif verb == "header":
        start_response("200 OK", [("X", "a" * int(number))])
        return [b""]
    else:
        answer = json.dumps(facts()).encode()
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [answer]


KEPT: list[bytes] = []
