"""One function for each way to behave; what is closed is noted in the file named by WSGI_NOTES."""

import os
import sys
import time

PLAIN = [("Content-Type", "text/plain")]


def note(text):
    with open(os.environ["WSGI_NOTES"], "a") as notes:
        notes.write(text + "\n")


class Body:
    """Pieces whose close() is noted."""

    def __init__(self, environ, pieces):
        self.name = environ["PATH_INFO"] + "?" + environ["QUERY_STRING"]
        self.pieces = pieces

    def __iter__(self):
        for piece in self.pieces:
            if isinstance(piece, BaseException):
                raise piece
            yield piece

    def close(self):
        note("closed " + self.name)


def normal(environ, start_response):
    start_response("200 OK", PLAIN)
    return Body(environ, [b"normal"])


def raises(environ, start_response):
    print("raising in", environ["mod_wsgi.request_id"])
    raise ValueError("<the reason>")


def raises_after_start(environ, start_response):
    start_response("200 OK", [*PLAIN, ("Content-Length", "1000")])
    return Body(environ, [ValueError("before the first piece")])


def raises_after_head(environ, start_response):
    start_response("200 OK", PLAIN)
    return Body(environ, [b"begun", ValueError("after the head")])


def raises_within_length(environ, start_response):
    start_response("200 OK", [*PLAIN, ("Content-Length", "1000")])
    return Body(environ, [b"begun", ValueError("within the length")])


def exits(environ, start_response):
    sys.exit(3)


def exits_after_head(environ, start_response):
    start_response("200 OK", PLAIN)
    return Body(environ, [b"begun", SystemExit(3)])


def interrupts(environ, start_response):
    raise KeyboardInterrupt


def no_start_response(environ, start_response):
    return Body(environ, [b"x"])


def no_bytes(environ, start_response):
    start_response("200 OK", PLAIN)
    return Body(environ, ["text"])


def none(environ, start_response):
    start_response("200 OK", PLAIN)


def too_long(environ, start_response):
    start_response("200 OK", [*PLAIN, ("Content-Length", "3")])
    return Body(environ, [b"ab", b"cd", b"ef"])


def too_short(environ, start_response):
    start_response("200 OK", [*PLAIN, ("Content-Length", "1000")])
    return Body(environ, [b"short"])


def close_raises(environ, start_response):
    class Failing(Body):
        def close(self):
            super().close()
            raise ValueError("raised by close")

    start_response("200 OK", PLAIN)
    return Failing(environ, [b"whole"])


def exc_info_before_head(environ, start_response):
    start_response("200 OK", [*PLAIN, ("X-First", "1")])
    try:
        raise LookupError
    except LookupError:
        start_response("503 Sorry", [*PLAIN, ("X-Second", "2")], sys.exc_info())
    return [b"sorry"]


def exc_info_after_head(environ, start_response):
    start_response("200 OK", PLAIN)
    yield b"begun"
    try:
        raise LookupError("the original error")
    except LookupError:
        start_response("503 Sorry", PLAIN, sys.exc_info())
    yield b"never"


def second_start_response(environ, start_response):
    start_response("200 OK", PLAIN)
    start_response("201 Created", [("X-Second", "2")])
    return [b"created"]


def lazy(environ, start_response):
    start_response("200 OK", PLAIN)
    yield b""
    start_response("404 Not Found", [("X-Second", "2")])
    yield b"gone"


def starts_in_generator(environ, start_response):
    start_response("200 OK", PLAIN)
    yield b"from "
    yield b"a generator"


def empty_generator(environ, start_response):
    start_response("200 OK", PLAIN)
    yield from ()


def writes(environ, start_response):
    write = start_response("200 OK", PLAIN)
    write(b"written, ")
    write(b"written, ")
    return Body(environ, [b"returned"])


def bad_header(environ, start_response):
    start_response("200 OK", [("X-Bad", "a\r\nX-Injected: 1")])
    return [b"x"]


def hop_by_hop(environ, start_response):
    start_response("200 OK", [("Connection", "close")])
    return [b"x"]


def no_content(environ, start_response):
    start_response("204 No Content", [])
    return Body(environ, [b"dropped"])


def cookies(environ, start_response):
    start_response("200 OK", [*PLAIN, ("Set-Cookie", "a=1"), ("Set-Cookie", "b=2"), ("X-Latin", "caf\xe9")])
    return [b"x"]


def endless(environ, start_response):
    def pieces():
        note("begun " + environ["QUERY_STRING"])
        while True:
            yield b"x" * 1000
            time.sleep(0.001)

    start_response("200 OK", PLAIN)
    return Body(environ, pieces())


def endless_writes(environ, start_response):
    write = start_response("200 OK", PLAIN)
    note("begun " + environ["QUERY_STRING"])
    try:
        while True:
            write(b"x" * 1000)
            time.sleep(0.001)
    except OSError:
        note("told " + environ["QUERY_STRING"])
        raise


def own_header(environ, start_response):
    start_response("200 OK", PLAIN)
    first = environ["HTTP_X_OWN"]
    yield first.encode()
    time.sleep(0.002)
    names = sorted(name for name in environ if name.startswith("HTTP_X_"))
    yield f" {environ['HTTP_X_OWN']} {environ['QUERY_STRING']} {','.join(names)}".encode()


def modules(environ, start_response):
    import apache
    import mod_wsgi

    start_response("200 OK", PLAIN)
    facts = {
        "version": mod_wsgi.version == environ["mod_wsgi.version"],
        "process_group": mod_wsgi.process_group == environ["mod_wsgi.process_group"],
        "application_group": mod_wsgi.application_group == "",
        "processes": mod_wsgi.maximum_processes,
        "threads": mod_wsgi.threads_per_process,
        "wrapper": mod_wsgi.FileWrapper is environ["wsgi.file_wrapper"],
        "apache": apache.version == environ["apache.version"],
        "argv": sys.argv,
    }
    return [repr(facts).encode()]


def pid(environ, start_response):
    start_response("200 OK", PLAIN)
    return [str(os.getpid()).encode()]


def application(environ, start_response):
    return globals()[environ["PATH_INFO"][1:]](environ, start_response)
