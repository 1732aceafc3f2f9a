"""The slow clients, one process: `python -m benchmarks.slow_clients --port 8000 --each 300`.

A third sends one byte of a request head per second, a third reads a body of 1 MB at 1 KB per second, a third
uploads at 1 KB per second. Prints `ready` once all are connected and at work, runs until its standard input
ends, then prints one line of JSON with the number of connections that the server dropped (a dropped client
comes back at its next turn).

Plain non-blocking sockets served in twenty groups a second: cheaper than an event loop, so that the clients
take nothing worth naming from the two cores that the server is measured on.
"""

import argparse
import json
import select
import socket
import sys
import time
from enum import Enum

HOST = "127.0.0.1"
GROUPS = 20
UPLOAD_SIZE = 10_000_000
STEP = 1024


class Role(Enum):
    """What a client is slow at."""

    HEADER = "header"
    READER = "reader"
    UPLOADER = "uploader"


HEAD = b"GET / HTTP/1.1\r\nHost: localhost\r\nX-Slow: " + b"a" * 4000
READ_REQUEST = b"GET /1m HTTP/1.1\r\nHost: localhost\r\n\r\n"
UPLOAD_REQUEST = (
    f"PUT /up HTTP/1.1\r\nHost: localhost\r\nContent-Length: {UPLOAD_SIZE}\r\n"
    "Content-Type: application/octet-stream\r\n\r\n"
).encode()


class SlowClient:
    """One connection; `turn` is called about once a second."""

    def __init__(self, role: Role, port: int) -> None:
        self.role = role
        self.port = port
        self.sent = 0
        self.dropped = 0
        self.connection: socket.socket | None = None

    def connect(self) -> None:
        """Open the connection and send what this role begins with."""
        connection = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        if self.role is Role.READER:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.settimeout(2.0)
        try:
            connection.connect((HOST, self.port))
            first = {Role.HEADER: HEAD[:1], Role.READER: READ_REQUEST, Role.UPLOADER: UPLOAD_REQUEST}
            connection.sendall(first[self.role])
        except OSError:
            connection.close()
            self.dropped += 1
            return
        connection.setblocking(False)
        self.sent = 1
        self.connection = connection

    def turn(self) -> None:
        """Do this second's little work; a connection that the server ended is counted and opened anew."""
        if self.connection is None:
            self.connect()
            return
        try:
            alive = bool(self.connection.recv(STEP)) if self.role is Role.READER else self.write(self.connection)
        except BlockingIOError:
            return
        except OSError:
            alive = False
        if not alive:
            self.dropped += 1
            self.connection.close()
            self.connection = None

    def write(self, connection: socket.socket) -> bool:
        """Send the next piece; false when the server answered or closed, as nothing here is ever complete."""
        if self.role is Role.HEADER:
            connection.send(HEAD[self.sent : self.sent + 1])
            self.sent += 1
        else:
            connection.send(b"u" * STEP)
        try:
            connection.recv(STEP)
        except BlockingIOError:
            return True
        return False


def run(port: int, each: int) -> None:
    """Connect everybody, then keep them at work until standard input ends."""
    clients = [SlowClient(role, port) for _ in range(each) for role in Role]
    for client in clients:
        client.connect()
    print("ready", flush=True)
    group = 0
    following = time.monotonic()
    while True:
        following = max(following + 1 / GROUPS, time.monotonic())
        if select.select([sys.stdin], [], [], max(0.0, following - time.monotonic()))[0]:
            break
        for client in clients[group::GROUPS]:
            client.turn()
        group = (group + 1) % GROUPS
    dropped = {role.value: sum(c.dropped for c in clients if c.role is role) for role in Role}
    print(json.dumps({"dropped": sum(dropped.values()), "by_role": dropped}), flush=True)


def main() -> None:
    """Parse the arguments."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--each", type=int, default=300)
    options = parser.parse_args()
    run(options.port, options.each)


if __name__ == "__main__":
    main()
