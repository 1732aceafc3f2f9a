"""Figures of a configured site: `python -m benchmarks.site`, or `make bench-site`.

Files beside nginx with one worker; what rules, sections and hosts cost a small application. All servers of a comparison
are up at the same time, idle but for the one that is measured; rounds are interleaved; the median of the rounds' ratios
counts.
"""

import argparse
import contextlib
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from benchmarks.cases import MEGABYTES_100
from benchmarks.measure import run_wrk
from benchmarks.running import START_TIMEOUT, STOP_TIMEOUT, free_port, get
from benchmarks.servers import unprivileged_user
from benchmarks.transfer import MIB, download, pattern

CONNECTIONS = 32
# Of each server in a round: single ones go at one of two speeds, a factor of three apart.
DOWNLOADS = 10
HOSTS = 1000
RULES = 50
SECTIONS = 10

HELLO = b"""
def application(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", "13")])
    return [b"Hello, world!"]
"""
# Each request has a path that was not asked for before: nothing that is remembered of paths helps.
OTHER_PATHS = """
local number = 0
request = function()
   number = number + 1
   return wrk.format("GET", "/app/" .. number)
end
"""
NGINX = """
daemon off; worker_processes 1; pid {directory}/nginx.pid; error_log {directory}/nginx.log warn;
{user}
events {{ worker_connections 1024; }}
http {{
    include /etc/nginx/mime.types;
    access_log off; sendfile on; tcp_nopush on; keepalive_requests 1000000000;
    client_body_temp_path {directory}/n1; proxy_temp_path {directory}/n2; fastcgi_temp_path {directory}/n3;
    uwsgi_temp_path {directory}/n4; scgi_temp_path {directory}/n5;
    server {{ listen 127.0.0.1:{port}; root {directory}/htdocs; }}
}}
"""
PLAIN = """
Listen 127.0.0.1:{port}
WSGIDaemonProcess site processes=2 threads=25
WSGIProcessGroup site
WSGIApplicationGroup %{{GLOBAL}}
DocumentRoot {directory}/htdocs
WSGIScriptAlias /app {directory}/hello.wsgi
"""


class Target(NamedTuple):
    """A ratio that is to be reached."""

    name: str
    value: float
    wanted: float
    at_least: bool = True

    @property
    def line(self) -> str:
        """What the report says."""
        reached = self.value >= self.wanted if self.at_least else self.value <= self.wanted
        sign = "≥" if self.at_least else "≤"
        return f"{'reached' if reached else 'MISSED ':8} {self.name:58} {self.value:7.2f}  ({sign} {self.wanted:g})"


def rules_and_sections(directory: Path) -> str:
    """Return 50 rules with patterns that do not fit, a condition for each fifth, and 10 sections of which 6 fit."""
    lines = ["RewriteEngine On"]
    for number in range(RULES):
        if number % 5 == 0:
            lines.append("RewriteCond %{HTTP_HOST} !^www\\.")
        lines.append(f"RewriteRule ^/old{number}/([a-z]+)/(.*)$ /new{number}/$2?part=$1 [R=301,L]")
    lines += [
        f"<Location /app{number or ''}>\nSetEnv OF_LOCATION {number}\nHeader set X-Number {number}\n</Location>"
        for number in range(3)
    ]
    lines += [
        f"<Directory {name}>\nRequire all granted\nOptions -Indexes\n</Directory>"
        for name in ("/", str(directory), f"{directory}/htdocs", "/srv/elsewhere")
    ]
    lines.append("<Files hello.wsgi>\nSetEnv OF_FILES 1\n</Files>")
    lines.append("<FilesMatch \\.(ht|git)>\nRequire all denied\n</FilesMatch>")
    lines.append("<LocationMatch ^/api/v[0-9]+/>\nSetEnv API 1\n</LocationMatch>")
    assert sum(line.startswith("<") for line in lines) == SECTIONS
    return "\n".join(lines) + "\n"


def many_hosts(directory: Path, port: int) -> str:
    """Return a thousand hosts with an alias each."""
    return "".join(
        f"<VirtualHost *:{port}>\nServerName host{number}.example\nServerAlias www.host{number}.example\n"
        f"DocumentRoot {directory}/htdocs\nWSGIScriptAlias /app {directory}/hello.wsgi\n</VirtualHost>\n"
        for number in range(HOSTS)
    )


@contextlib.contextmanager
def running(command: list[str], port: int, log: Path, directory: Path) -> Iterator[float]:
    """Run a server; yield the seconds until it answered."""
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[1] / "src")}
    started = time.perf_counter()
    with log.open("ab") as output:
        process = subprocess.Popen(command, stdout=output, stderr=output, cwd=directory, env=environment)
    try:
        while True:
            try:
                get(port, "/small.bin")
                break
            except OSError:
                if process.poll() is not None or time.perf_counter() - started > START_TIMEOUT:
                    raise SystemExit(f"{command[0]} does not come up:\n{log.read_text()[-2000:]}") from None
                time.sleep(0.01)
        yield time.perf_counter() - started
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(STOP_TIMEOUT)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


@contextlib.contextmanager
def serving(directory: Path, name: str, text: str, port: int) -> Iterator[float]:
    """Serve a configuration."""
    configuration = directory / f"{name}.conf"
    configuration.write_text(text)
    command = [sys.executable, "-m", "pydaemonwsgi", "serve", "--config", str(configuration), "--control-socket", "off"]
    with running(command, port, directory / f"{name}.log", directory) as seconds:
        yield seconds


def files(directory: Path, rounds: int, seconds: float) -> list[Target]:
    """Measure files beside nginx."""
    own, peer = free_port(), free_port()
    user = f"user {unprivileged_user()};" if os.geteuid() == 0 else ""
    nginx = directory / "nginx.conf"
    nginx.write_text(NGINX.format(directory=directory, port=peer, user=user))
    command = ["nginx", "-c", str(nginx), "-p", str(directory), "-e", str(directory / "nginx.log")]
    rates: dict[str, list[float]] = {}
    with (
        serving(directory, "files", PLAIN.format(directory=directory, port=own), own),
        running(command, peer, directory / "nginx.out", directory),
    ):
        for _ in range(rounds):
            for name, port in (("own", own), ("nginx", peer)):
                rates.setdefault(f"{name} 10 KB", []).append(run_wrk(port, "/small.bin", CONNECTIONS, seconds)["rps"])
            for name, port in (("own", own), ("nginx", peer)) * DOWNLOADS:
                took = download(port, "/large.bin", MEGABYTES_100)
                rates.setdefault(f"{name} 100 MB", []).append(MEGABYTES_100 / took / 1e6)
    show(rates, {"10 KB": "requests/s", "100 MB": "MB/s"})
    return [
        Target("a file of 10 KB : nginx", ratio(rates, "own 10 KB", "nginx 10 KB"), 0.5),
        Target("a file of 100 MB : nginx", ratio(rates, "own 100 MB", "nginx 100 MB"), 1.0),
    ]


def configurations(directory: Path, rounds: int, seconds: float) -> list[Target]:
    """Measure what rules, sections and hosts cost."""
    script = directory / "other.lua"
    script.write_text(OTHER_PATHS)
    texts = {"plain": "", "rules": rules_and_sections(directory), "hosts": ""}
    rates: dict[str, list[float]] = {}
    started: dict[str, float] = {}
    with contextlib.ExitStack() as stack:
        ports = {}
        for name, text in texts.items():
            ports[name] = port = free_port()
            more = many_hosts(directory, port) if name == "hosts" else text
            whole = PLAIN.format(directory=directory, port=port) + more
            started[name] = stack.enter_context(serving(directory, name, whole, port))
        for _ in range(rounds):
            for name, port in ports.items():
                rates.setdefault(f"{name}, one path", []).append(run_wrk(port, "/app/", CONNECTIONS, seconds)["rps"])
            for name, port in ports.items():
                rate = run_wrk(port, "/app/", CONNECTIONS, seconds, script=str(script))["rps"]
                rates.setdefault(f"{name}, other paths", []).append(rate)
    show(rates, {"": "requests/s"})
    return [
        Target(f"{RULES} rules, {SECTIONS} sections : none", ratio(rates, "rules, one path", "plain, one path"), 0.75),
        Target(
            f"{RULES} rules, {SECTIONS} sections : none, each path another",
            ratio(rates, "rules, other paths", "plain, other paths"),
            0.75,
        ),
        Target(f"{HOSTS} hosts : one", ratio(rates, "hosts, one path", "plain, one path"), 0.95),
        Target(
            f"{HOSTS} hosts : one, each path another", ratio(rates, "hosts, other paths", "plain, other paths"), 0.95
        ),
        Target(
            f"seconds that {HOSTS} hosts add to the start", started["hosts"] - started["plain"], 2.0, at_least=False
        ),
    ]


def ratio(rates: dict[str, list[float]], own: str, peer: str) -> float:
    """Return the median of the rounds' ratios: what disturbs a round disturbs both."""
    return statistics.median(one / other for one, other in zip(rates[own], rates[peer], strict=True))


def show(rates: dict[str, list[float]], units: dict[str, str]) -> None:
    """Print medians with their spread."""
    for name, values in rates.items():
        unit = next(text for end, text in units.items() if name.endswith(end))
        print(f"  {name:28} {statistics.median(values):10,.0f} {unit}   ({min(values):,.0f} – {max(values):,.0f})")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=3.0, help="of each measure")
    parser.add_argument("--only", choices=("files", "configurations"))
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="pydaemonwsgi-bench-site-") as name:
        directory = Path(name)
        directory.chmod(0o755)
        (directory / "htdocs").mkdir(mode=0o755)
        (directory / "hello.wsgi").write_bytes(HELLO)
        (directory / "htdocs" / "small.bin").write_bytes(pattern()[: 10 * 1024])
        with (directory / "htdocs" / "large.bin").open("wb") as file:
            for _ in range(MEGABYTES_100 // MIB):
                file.write(pattern())
        targets = []
        for part in (files, configurations):
            if chosen.only in {None, part.__name__}:
                print(part.__name__)
                targets += part(directory, chosen.rounds, chosen.seconds)
    print("\n".join(["targets", *(f"  {target.line}" for target in targets)]))


if __name__ == "__main__":
    main()
