"""`python -m benchmarks.churn`: a steady load while daemon processes are killed and the code is reloaded.

Every request carries an id that the application echoes, so that a lost, short or foreign answer is noticed.
Meanwhile a random daemon process gets SIGKILL every second, the script is touched every 3 s, the supervisor
gets SIGHUP every 5 s. Prints a summary and, as the last line, JSON. The exit status is 0 if only 200 and 502
were seen (with `--no-kill`: only 200), 1 otherwise, 2 when the test itself could not be run.

The load is open-loop (requests are due by the clock, not by the answers) and made by one epoll loop in one
thread, cheap enough to run beside the server on two cores.
"""

import argparse
import errno
import json
import os
import random
import re
import select
import signal
import socket
import time
from collections import Counter, deque
from dataclasses import dataclass, field

import psutil

from benchmarks.running import Running, StartError, serving, workplace
from benchmarks.servers import OWN, SERVERS

HOST = "127.0.0.1"
TICK = 0.005
HUNG_AFTER = 10.0
MAX_CONNECTIONS = 400
MOST_OVERDUE = 800
ONE_SHOT_EVERY = 10
PAD = b"." * 1000
LENGTH = re.compile(rb"\r\ncontent-length:[ \t]*(\d+)", re.IGNORECASE)
CLOSE = re.compile(rb"\r\nconnection:[ \t]*close", re.IGNORECASE)
EXAMPLES = 12
EVERY = {"kill": 1.0, "touch": 3.0, "hup": 5.0}
DAEMON_TITLE = "(wsgi:"


@dataclass
class Tally:
    """What happened to the requests."""

    started: float
    outcomes: Counter[str] = field(default_factory=Counter)
    times: list[float] = field(default_factory=list)
    examples: list[str] = field(default_factory=list)
    events: Counter[str] = field(default_factory=Counter)
    last_event: str = "start"
    behind: int = 0

    def add(self, outcome: str, detail: str = "") -> None:
        """Count one request; keep a few examples of what is not 200 or 502."""
        self.outcomes[outcome] += 1
        if outcome not in {"ok", "502"} and len(self.examples) < EXAMPLES:
            now = time.monotonic() - self.started
            self.examples.append(f"{now:.3f} s (after {self.last_event}): {outcome} {detail}".rstrip())

    def event(self, name: str) -> None:
        """Note a disturbance."""
        self.events[name] += 1
        self.last_event = f"{name} at {time.monotonic() - self.started:.3f} s"


class Connection:
    """One connection of the load; busy while `identity` is not None."""

    def __init__(self, connection: socket.socket) -> None:
        self.socket = connection
        self.received = b""
        self.request = b""
        self.identity: int | None = None
        self.sent_at = 0.0
        self.served = 0
        self.one_shot = False
        self.connecting = True


class Load:
    """The epoll loop."""

    def __init__(self, port: int, rate: float, tally: Tally) -> None:
        self.port = port
        self.rate = rate
        self.tally = tally
        self.epoll = select.epoll()
        self.connections: dict[int, Connection] = {}
        self.idle: deque[Connection] = deque()
        self.identity = 0
        self.began = time.monotonic()

    def connect(self) -> Connection:
        """Begin a new connection."""
        new = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        new.setblocking(False)
        new.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection = Connection(new)
        self.connections[new.fileno()] = connection
        result = new.connect_ex((HOST, self.port))
        if result not in {0, errno.EINPROGRESS}:
            connection.received = os.strerror(result).encode()
        self.epoll.register(new.fileno(), select.EPOLLOUT)
        return connection

    def close(self, connection: Connection) -> None:
        """Forget a connection."""
        number = connection.socket.fileno()
        self.epoll.unregister(number)
        del self.connections[number]
        connection.socket.close()

    def usable(self) -> Connection | None:
        """Return the connection that has been idle longest and that the server has not closed meanwhile."""
        while self.idle:
            connection = self.idle.popleft()
            if connection.socket.fileno() == -1:
                continue
            try:
                connection.socket.recv(1, socket.MSG_PEEK)
            except BlockingIOError:
                return connection
            except OSError:
                pass
            self.close(connection)
        return None

    def issue(self, now: float) -> bool:
        """Send the next request; false when there are too many connections already."""
        one_shot = self.identity % ONE_SHOT_EVERY == 0
        connection = None if one_shot else self.usable()
        if connection is None:
            if len(self.connections) >= MAX_CONNECTIONS:
                return False
            connection = self.connect()
        connection.identity = self.identity
        connection.one_shot = one_shot
        connection.sent_at = now
        connection.received = b""
        ending = b"Connection: close\r\n\r\n" if one_shot else b"\r\n"
        connection.request = b"GET /echo?id=%d HTTP/1.1\r\nHost: localhost\r\n%b" % (self.identity, ending)
        self.identity += 1
        if not connection.connecting:
            self.send(connection)
        return True

    def send(self, connection: Connection) -> None:
        """Write the request; so few bytes always fit."""
        try:
            connection.socket.send(connection.request)
        except OSError as error:
            self.lost(connection, str(error))

    def lost(self, connection: Connection, detail: str) -> None:
        """Count a request whose connection ended before its answer was whole."""
        if connection.identity is not None:
            if connection.received:
                self.tally.add("short", f"{detail}: {len(connection.received)} bytes")
            elif connection.connecting:
                self.tally.add("refused", detail)
            else:
                self.tally.add("reset_reused" if connection.served else "reset_fresh", detail)
        self.close(connection)

    def ready(self, connection: Connection) -> None:
        """Handle one event of a connection."""
        if connection.connecting:
            error = connection.socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
            if error:
                self.lost(connection, os.strerror(error))
                return
            connection.connecting = False
            self.epoll.modify(connection.socket.fileno(), select.EPOLLIN)
            self.send(connection)
            return
        try:
            block = connection.socket.recv(65536)
        except BlockingIOError:
            return
        except OSError as error:
            self.lost(connection, str(error))
            return
        if not block:
            self.lost(connection, "closed")
            return
        if connection.identity is None:
            self.tally.add("unasked", repr(block[:60]))
            self.close(connection)
            return
        connection.received += block
        self.examine(connection)

    def examine(self, connection: Connection) -> None:
        """Judge the answer when it is whole."""
        received = connection.received
        end = received.find(b"\r\n\r\n")
        if end < 0:
            return
        head = received[:end]
        length = LENGTH.search(head)
        if length is None:
            self.tally.add("no_length", repr(head[:60]))
            connection.identity = None
            self.close(connection)
            return
        body = received[end + 4 :]
        if len(body) < int(length.group(1)):
            return
        status = head[9:12].decode("latin-1")
        if status != "200":
            self.tally.add(status, f"id {connection.identity}")
        elif body != b"id=%d" % connection.identity + PAD:  # type: ignore[str-format]
            self.tally.add("wrong", f"id {connection.identity}: {body[:40]!r}")
        else:
            self.tally.add("ok")
            self.tally.times.append(time.monotonic() - connection.sent_at)
        connection.identity = None
        connection.served += 1
        if connection.one_shot or CLOSE.search(head):
            self.close(connection)
        else:
            self.idle.append(connection)

    def turn(self, now: float, *, issuing: bool) -> None:
        """Handle what has arrived, then send what is due."""
        for number, _ in self.epoll.poll(TICK):
            connection = self.connections.get(number)
            if connection is not None:
                self.ready(connection)
        if not issuing:
            return
        due = int((now - self.began) * self.rate) - self.identity - self.tally.behind
        if due > MOST_OVERDUE:
            self.tally.behind += due - MOST_OVERDUE
            due = MOST_OVERDUE
        for _ in range(due):
            if not self.issue(now):
                break

    def expire(self, now: float) -> None:
        """Give up on requests that nobody answers."""
        for connection in list(self.connections.values()):
            if connection.identity is not None and now - connection.sent_at > HUNG_AFTER:
                self.tally.add("hung", f"id {connection.identity}, {len(connection.received)} bytes came")
                connection.identity = None
                self.close(connection)

    def in_flight(self) -> int:
        """Return how many requests wait for their answer."""
        return sum(connection.identity is not None for connection in self.connections.values())


def daemons(running: Running) -> list[psutil.Process]:
    """Return the processes that may be killed: the daemon processes, of a peer its children."""
    found = []
    for child in psutil.Process(running.main.pid).children(recursive=True):
        try:
            title = " ".join(child.cmdline()) or child.name()
        except psutil.Error:
            continue
        if running.server.name != OWN or title.startswith(DAEMON_TITLE):
            found.append(child)
    return found


def disturb(name: str, running: Running, tally: Tally) -> None:
    """Do one of the three disturbances."""
    if name == "kill":
        victims = daemons(running)
        if not victims:
            tally.events["nobody to kill"] += 1
            return
        victim = random.choice(victims)
        tally.event("kill")
        victim.kill()
    elif name == "touch":
        tally.event("touch")
        for file in ("app.wsgi", "bench_app.py"):
            os.utime(running.site.directory / file)
    else:
        tally.event("hup")
        running.main.send_signal(signal.SIGHUP)


def run(running: Running, seconds: float, rate: float, disturbances: list[str]) -> Tally:
    """Load the server for that long."""
    tally = Tally(time.monotonic())
    load = Load(running.site.port, rate, tally)
    start = load.began
    following = {name: start + EVERY[name] for name in disturbances}
    next_expiry = start + 1.0
    while (now := time.monotonic()) < start + seconds + HUNG_AFTER + 1:
        issuing = now < start + seconds
        if not issuing and load.in_flight() == 0:
            break
        load.turn(now, issuing=issuing)
        if now >= next_expiry:
            load.expire(now)
            next_expiry = now + 1.0
        for name, moment in following.items():
            if issuing and now >= moment:
                disturb(name, running, tally)
                following[name] = moment + EVERY[name]
    load.expire(time.monotonic() + HUNG_AFTER)
    if running.main.poll() is not None:
        tally.add("server_ended", f"status {running.main.returncode}")
    return tally


def percentile(times: list[float], share: float) -> float:
    """Return a percentile in milliseconds."""
    return round(times[min(len(times) - 1, int(len(times) * share))] * 1000, 2) if times else 0.0


def summary(tally: Tally, options: argparse.Namespace) -> dict[str, object]:
    """Return what is printed as JSON."""
    times = sorted(tally.times)
    return {
        "server": options.server,
        "seconds": options.seconds,
        "rate": options.rate,
        "requests": tally.outcomes.total(),
        "behind": tally.behind,
        **{name: tally.outcomes[name] for name in ("ok", "502")},
        "others": {name: count for name, count in sorted(tally.outcomes.items()) if name not in {"ok", "502"}},
        "events": dict(tally.events),
        "p50_ms": percentile(times, 0.50),
        "p99_ms": percentile(times, 0.99),
        "max_ms": percentile(times, 1.0),
    }


def arguments() -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.churn", description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=30.0)
    parser.add_argument("--rate", type=float, default=2000.0, help="requests per second")
    parser.add_argument("--server", default=OWN, choices=list(SERVERS), help="a peer, for comparison")
    for name in EVERY:
        parser.add_argument(f"--no-{name}", action="store_true", help=f"leave out: {name}")
    return parser.parse_args()


def main() -> None:
    """Run the test and judge it."""
    options = arguments()
    disturbances = [name for name in EVERY if not getattr(options, f"no_{name}")]
    with workplace() as directory:
        try:
            with serving(SERVERS[options.server], directory, {}) as running:
                tally = run(running, options.seconds, options.rate, disturbances)
                log = running.log.read_text(errors="replace").splitlines()[-20:]
        except StartError as error:
            print(f"{options.server}: {error}")
            raise SystemExit(2) from error
    allowed = {"ok"} if options.no_kill else {"ok", "502"}
    bad = {name: count for name, count in tally.outcomes.items() if name not in allowed}
    words = ", ".join(f"{count} {name}" for name, count in sorted(tally.outcomes.items()))
    print(f"{tally.outcomes.total()} requests: {words}; disturbances: {dict(tally.events)}")
    for example in tally.examples:
        print(f"  {example}")
    if bad:
        print("the server's last lines:", *log, sep="\n  ")
    killing_failed = not options.no_kill and not tally.events["kill"]
    if killing_failed:
        print(f"no process titled {DAEMON_TITLE}...) was found to kill")
    print(json.dumps(summary(tally, options)))
    raise SystemExit(2 if killing_failed else 1 if bad else 0)


if __name__ == "__main__":
    main()
