"""A small client for one big body, a process of its own: `python -m benchmarks.transfer down --port 8000`.

Prints one line of JSON: bytes and seconds of all transfers together. Any wrong byte or status is an error.
"""

import argparse
import json
import random
import socket
import time

HOST = "127.0.0.1"
MIB = 1024 * 1024
TIMEOUT = 60.0


class TransferError(Exception):
    """The answer was not the one that was asked for."""


def pattern() -> bytes:
    """Return the megabyte that every big body repeats (`app.wsgi` makes the same one)."""
    return random.Random(1).randbytes(MIB)


def read_head(connection: socket.socket) -> tuple[int, int, bytes]:
    """Return status, Content-Length and the bytes of the body that came along with the head."""
    received = b""
    while b"\r\n\r\n" not in received:
        block = connection.recv(65536)
        if not block:
            raise TransferError(f"connection closed within the head: {received[:80]!r}")
        received += block
    head, _, rest = received.partition(b"\r\n\r\n")
    lines = head.decode("latin-1").split("\r\n")
    fields = dict(line.lower().split(":", 1) for line in lines[1:])
    return int(lines[0].split()[1]), int(fields.get("content-length", "-1")), rest


def download(port: int, path: str, size: int) -> float:
    """Return the seconds that one download of `size` bytes took."""
    expected = pattern()
    expected += expected
    buffer = bytearray(MIB)
    view = memoryview(buffer)
    started = time.perf_counter()
    with socket.create_connection((HOST, port), TIMEOUT) as connection:
        connection.sendall(f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode())
        status, length, rest = read_head(connection)
        if status != 200 or length not in {size, -1}:
            raise TransferError(f"status {status}, length {length}")
        if length == -1:
            raise TransferError("the answer has no Content-Length")
        if not expected.startswith(rest):
            raise TransferError("wrong bytes at the start")
        count = len(rest)
        while count < size:
            got = connection.recv_into(view)
            if not got:
                raise TransferError(f"connection closed after {count} of {size} bytes")
            if not expected.startswith(view[:got], count % MIB):
                raise TransferError(f"wrong bytes after {count}")
            count += got
    return time.perf_counter() - started


def upload(port: int, path: str, size: int) -> float:
    """Return the seconds from the first byte sent to the answer that confirms `size` verified bytes."""
    block = pattern()
    started = time.perf_counter()
    with socket.create_connection((HOST, port), TIMEOUT) as connection:
        connection.sendall(
            f"PUT {path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {size}\r\n"
            "Content-Type: application/octet-stream\r\nConnection: close\r\n\r\n".encode()
        )
        for _ in range(size // MIB):
            connection.sendall(block)
        status, length, body = read_head(connection)
        while len(body) < length or length == -1:
            more = connection.recv(65536)
            if not more:
                break
            body += more
    elapsed = time.perf_counter() - started
    if status != 200 or body.split() != [str(size).encode(), b"ok"]:
        raise TransferError(f"status {status}, answer {body[:80]!r}")
    return elapsed


def main() -> None:
    """Run the transfers one after the other."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("direction", choices=("down", "up"))
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--path", required=True)
    parser.add_argument("--size", type=int, default=100 * MIB)
    parser.add_argument("--times", type=int, default=4)
    options = parser.parse_args()
    function = download if options.direction == "down" else upload
    try:
        seconds = [function(options.port, options.path, options.size) for _ in range(options.times)]
    except (OSError, TransferError) as error:
        raise SystemExit(f"{type(error).__name__}: {error}") from error
    print(json.dumps({"bytes": options.size * options.times, "seconds": sum(seconds)}))


if __name__ == "__main__":
    main()
