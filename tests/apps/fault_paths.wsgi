"""Does, by path, what a server must survive; every other path answers with the pid."""

import multiprocessing
import os
import socket
import stat
import threading
import time

PIECE = bytes(range(256)) * 128  # 32 KiB
both = threading.Barrier(2)


class Sly(str):
    """A header name that is well-formed until it is encoded."""

    def encode(self, *arguments, **named):
        return b"no header name"


def sockets():
    for name in os.listdir("/proc/self/fd"):
        try:
            if int(name) >= 3 and stat.S_ISSOCK(os.fstat(int(name)).st_mode):
                yield socket.socket(fileno=os.dup(int(name)))
        except OSError:
            pass


def shut(kinds):
    for sock in list(sockets()):
        with sock:
            if sock.family == socket.AF_UNIX and sock.type in kinds:
                sock.shutdown(socket.SHUT_RDWR)


def fork():
    child = os.fork()
    return b"child" if not child else str(child).encode()


def sleep(running):
    running.send(True)
    time.sleep(600)


def terminate(at_once):
    context = multiprocessing.get_context("fork")
    ours, theirs = context.Pipe()
    process = context.Process(target=sleep, args=(theirs,))
    process.start()
    if not at_once:
        ours.recv()
    process.terminate()
    process.join(20)
    if process.exitcode is None:
        process.kill()
        process.join()
    return str(process.exitcode).encode()


def pieces(count):
    both.wait(60)
    for _ in range(count):
        yield PIECE


def gate(path):
    with open(f"{path}.entered-{time.monotonic_ns()}", "wb"):
        pass
    while not os.path.exists(path):
        time.sleep(0.005)
    return b"through"


def application(environ, start_response):
    path, query = environ["PATH_INFO"], environ["QUERY_STRING"]
    if path == "/refused-head":
        start_response("200 OK", [(Sly("X-Sly"), "value")])
        return (PIECE for _ in range(256))
    headers = []
    body = str(os.getpid()).encode()
    if path == "/generator":
        start_response("200 OK", [])
        return pieces(int(query))
    if path == "/wrapped":
        start_response("200 OK", [])
        return environ["wsgi.file_wrapper"](open(query, "rb"))
    if path == "/echo":
        body = environ["wsgi.input"].read()
    elif path == "/large":
        body = PIECE * int(query)
    elif path == "/gate":
        body = gate(query)
    elif path == "/pause":
        time.sleep(0.05)
    elif path == "/print":
        print("printed", flush=True)
    elif path == "/blanks":
        headers = [("Content-Length", f" \t{len(body)} ")]
    elif path == "/terminate":
        body += b" " + terminate(query == "at-once")
    elif path == "/fork":
        body += b" " + fork()
    elif path == "/reap":
        body += b" %d" % os.waitpid(int(query), 0)[1]
    elif path == "/close-all":
        os.closerange(3, 4096)
    elif path == "/shut-control":
        shut({socket.SOCK_SEQPACKET})
    elif path == "/shut-channel":
        shut({socket.SOCK_STREAM})
    elif path == "/shut-all":
        shut({socket.SOCK_SEQPACKET, socket.SOCK_STREAM})
    start_response("200 OK", headers)
    return [body]
