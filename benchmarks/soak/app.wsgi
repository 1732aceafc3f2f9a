"""The application of the reliability suite: every request has an id, which is recorded when it begins to run.

SOAK_LEDGER names the file that the ids are appended to, one line each, by one write: a process that is killed
afterwards has recorded what it had begun, and an id that is there twice was run twice.
"""

import hashlib
import os
import time

LEDGER = os.open(os.environ["SOAK_LEDGER"], os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o666)
BLOCK = 64 * 1024
PIECES = 5


def text(identity, length):
    """Return the answer to a request: nobody else's looks like it, and its length can be told."""
    line = b"id=%d;" % identity
    return (line * (length // len(line) + 1))[:length]


def read_digest(environ):
    """Read the body in blocks and return the digest of all of it."""
    digest = hashlib.sha256()
    while block := environ["wsgi.input"].read(BLOCK):
        digest.update(block)
    return digest.hexdigest()


def pieces(identity, length):
    """Yield the answer in pieces, a moment apart."""
    whole = text(identity, length)
    step = -(-length // PIECES)
    for at in range(0, length, step):
        yield whole[at : at + step]
        time.sleep(0.01)


def application(environ, start_response):
    """PATH /ID/LENGTH/HOW; HOW is plain, wait (50 ms), stream, digest (of the body) or ponder (50 ms, then digest)."""
    _, identity, length, how = environ["PATH_INFO"].split("/")
    identity, length = int(identity), int(length)
    os.write(LEDGER, b"%d %d\n" % (identity, os.getpid()))
    headers = [("Content-Type", "text/plain")]
    if how in {"wait", "ponder"}:
        time.sleep(0.05)
    if how in {"digest", "ponder"}:
        headers.append(("X-Digest", read_digest(environ)))
    if how == "stream":
        start_response("200 OK", headers)
        return pieces(identity, length)
    start_response("200 OK", [*headers, ("Content-Length", str(length))])
    return [text(identity, length)]
