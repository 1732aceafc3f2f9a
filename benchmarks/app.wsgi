"""The one WSGI application that every server of the benchmark serves, all paths in one file.

The environment of the server's process says what depends on the machine:
BENCH_CPU_LOOPS, the loop count that takes about 2 ms, and BENCH_DOWN_FILE, the file that /down sends.
"""

import os
import random
import time

BLOCK = 64 * 1024
PATTERN_SIZE = 1024 * 1024
PLAIN = "text/plain"

HELLO = b"Hello, world!\n"
TEN_K = b"0123456789abcde\n" * 640
ONE_M = b"x" * 1_000_000
ECHO_PAD = b"." * 1000


def burn(loops):
    """Pure Python work that keeps the interpreter lock; its result is returned so that nothing can skip it."""
    total = 0
    for i in range(loops):
        total += i * i & 255
    return total


def pattern():
    """Return the bytes that uploads repeat; the client makes the same ones. Long enough to check a block anywhere."""
    whole = random.Random(1).randbytes(PATTERN_SIZE)
    return whole + whole[:BLOCK]


CPU_LOOPS = int(os.environ.get("BENCH_CPU_LOOPS", "20000"))
DOWN_FILE = os.environ.get("BENCH_DOWN_FILE", "")
PATTERN = pattern()


def small(start_response, body):
    start_response("200 OK", [("Content-Type", PLAIN), ("Content-Length", str(len(body)))])
    return [body]


def hello(environ, start_response):
    return small(start_response, HELLO)


def ten_k(environ, start_response):
    return small(start_response, TEN_K)


def one_m(environ, start_response):
    return small(start_response, ONE_M)


def wait(environ, start_response):
    time.sleep(0.010)
    return small(start_response, HELLO)


def sleep200(environ, start_response):
    time.sleep(0.2)
    return small(start_response, HELLO)


def cpu(environ, start_response):
    burn(CPU_LOOPS)
    return small(start_response, HELLO)


def echo(environ, start_response):
    """Answer the query string: a client knows from it whether an answer is its own and whole."""
    return small(start_response, environ.get("QUERY_STRING", "").encode("latin-1") + ECHO_PAD)


def blocks(file):
    try:
        while block := file.read(BLOCK):
            yield block
    finally:
        file.close()


def down(environ, start_response):
    file = open(DOWN_FILE, "rb")
    length = os.fstat(file.fileno()).st_size
    start_response("200 OK", [("Content-Type", "application/octet-stream"), ("Content-Length", str(length))])
    wrapper = environ.get("wsgi.file_wrapper")
    return wrapper(file, BLOCK) if wrapper is not None else blocks(file)


def up(environ, start_response):
    """Read the body in 64 KB blocks, compare every byte with the pattern (no copy is made), answer the count."""
    source = environ["wsgi.input"]
    remaining = int(environ.get("CONTENT_LENGTH") or 0)
    count = 0
    verdict = "ok"
    while remaining:
        block = source.read(min(BLOCK, remaining))
        if not block:
            verdict = "short"
            break
        if not PATTERN.startswith(block, count % PATTERN_SIZE):
            verdict = "wrong"
        count += len(block)
        remaining -= len(block)
    return small(start_response, f"{count} {verdict}\n".encode())


PATHS = {
    "/": hello,
    "/10k": ten_k,
    "/1m": one_m,
    "/wait": wait,
    "/sleep200": sleep200,
    "/cpu": cpu,
    "/echo": echo,
    "/down": down,
    "/up": up,
}


def application(environ, start_response):
    """Run the function of the path."""
    function = PATHS.get(environ["PATH_INFO"])
    if function is None:
        start_response("404 Not Found", [("Content-Type", PLAIN), ("Content-Length", "0")])
        return [b""]
    return function(environ, start_response)
