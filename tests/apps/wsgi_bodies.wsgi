"""Bodies of any size: `/up` answers with length and hash, the other paths send `size` bytes in their own way."""

import hashlib
import os
import random
from urllib.parse import parse_qs


def content(size):
    return random.Random(size).randbytes(size)


def up_read(stream):
    return [stream.read()]


def up_pieces(stream):
    return iter(lambda: stream.read(10_000), b"")


def up_lines(stream):
    return stream


def application(environ, start_response):
    path = environ["PATH_INFO"]
    query = {key: values[0] for key, values in parse_qs(environ["QUERY_STRING"]).items()}
    size = int(query.get("size", 0))
    if path.startswith("/up"):
        digest = hashlib.sha256()
        length = 0
        for piece in {"/up_read": up_read, "/up_pieces": up_pieces, "/up_lines": up_lines}[path](environ["wsgi.input"]):
            digest.update(piece)
            length += len(piece)
        start_response("200 OK", [("X-Length", str(environ.get("CONTENT_LENGTH")))])
        return [f"{length} {digest.hexdigest()}".encode()]
    if path == "/unread":
        start_response("200 OK", [])
        return [b"unread"]
    if path == "/echo":
        start_response("200 OK", [])
        return iter(lambda: environ["wsgi.input"].read(100_000), b"")
    headers = [("Content-Length", query["length"])] if "length" in query else []
    write = start_response("200 OK", headers)
    if path == "/file":
        file = open(os.environ["WSGI_FILE"], "rb")
        file.seek(int(query.get("offset", 0)))
        return environ["wsgi.file_wrapper"](file)
    data = content(size)
    if path == "/list":
        return [data]
    if path == "/pieces":
        return [data[: size // 3], data[size // 3 :]]
    if path == "/generator":
        return (data[at : at + 70_000] for at in range(0, size, 70_000))
    if path == "/write":
        for at in range(0, size, 100_000):
            write(data[at : at + 100_000])
        return []
    if path == "/memory":
        import io

        return environ["wsgi.file_wrapper"](io.BytesIO(data), 100_000)
    raise LookupError(path)
