"""Takes one measurement of one case on a running server: runs wrk and the other clients."""

import json
import re
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from benchmarks.cases import MEGABYTES_100, Case, Kind

Values = dict[str, float]
"""Figures by name; a time that could not be measured because nothing was answered is infinite."""

ROOT = Path(__file__).resolve().parent.parent
SLEEPERS = 10
SLOW_EACH = 300
TRANSFERS = 4
SETTLE = 1.0
STARVED = float("inf")

UNITS = {"us": 0.001, "ms": 1.0, "s": 1000.0, "m": 60_000.0, "h": 3_600_000.0}
PERCENTILE = re.compile(r"^\s+(50|99)%\s+([0-9.]+)(us|ms|s|m|h)\s*$", re.MULTILINE)
RATE = re.compile(r"^Requests/sec:\s+([0-9.]+)", re.MULTILINE)
TOTAL = re.compile(r"^\s+(\d+) requests in ", re.MULTILINE)
ERRORS = re.compile(r"Socket errors: connect (\d+), read (\d+), write (\d+), timeout (\d+)")
NON_2XX = re.compile(r"Non-2xx or 3xx responses: (\d+)")


class MeasureError(Exception):
    """A measurement could not be taken; the text says why."""


def parse_wrk(text: str) -> Values:
    """Return the figures of wrk's report (run with `--latency`), times in milliseconds."""
    rate, total = RATE.search(text), TOTAL.search(text)
    if rate is None or total is None:
        raise MeasureError(f"wrk said: {text.strip()[-200:]}")
    times = {percent: float(number) * UNITS[unit] for percent, number, unit in PERCENTILE.findall(text)}
    answered = int(total.group(1)) > 0
    errors, non_2xx = ERRORS.search(text), NON_2XX.search(text)
    return {
        "rps": float(rate.group(1)),
        "requests": float(total.group(1)),
        "p50_ms": times["50"] if answered else STARVED,
        "p99_ms": times["99"] if answered else STARVED,
        "errors": float(sum(map(int, errors.groups()))) if errors else 0.0,
        "timeouts": float(errors.group(4)) if errors else 0.0,
        "non2xx": float(non_2xx.group(1)) if non_2xx else 0.0,
    }


def wrk_command(
    port: int, path: str, connections: int, seconds: float, *, close: bool = False, script: str | None = None
) -> list[str]:
    """Return wrk's command line: one thread, as there are only two cores."""
    command = ["wrk", "-t1", f"-c{connections}", f"-d{max(1, round(seconds))}s", "--latency"]
    if close:
        command += ["-H", "Connection: close"]
    if script is not None:
        command += ["-s", script]
    return [*command, f"http://127.0.0.1:{port}{path}"]


def run_wrk(
    port: int, path: str, connections: int, seconds: float, *, close: bool = False, script: str | None = None
) -> Values:
    """Run wrk once and return its figures."""
    command = wrk_command(port, path, connections, seconds, close=close, script=script)
    result = subprocess.run(command, capture_output=True, text=True, timeout=seconds + 30, check=False)
    if result.returncode != 0:
        raise MeasureError(f"wrk failed: {(result.stderr or result.stdout).strip()[-200:]}")
    return parse_wrk(result.stdout)


def measure_requests(case: Case, port: int, seconds: float) -> Values:
    """Requests on keep-alive connections or on a new one each."""
    return run_wrk(port, case.path, case.connections, seconds, close=case.close)


def transfer(direction: str, case: Case, port: int) -> Values:
    """Run the transfer client and return megabytes (10^6) per second."""
    command = [
        sys.executable,
        "-m",
        "benchmarks.transfer",
        direction,
        "--port",
        str(port),
        "--path",
        case.path,
    ]
    command += ["--size", str(MEGABYTES_100), "--times", str(TRANSFERS)]
    result = subprocess.run(command, capture_output=True, text=True, timeout=300, cwd=ROOT, check=False)
    if result.returncode != 0:
        raise MeasureError((result.stderr.strip().splitlines() or ["transfer failed"])[-1])
    said = json.loads(result.stdout)
    return {"mb_per_s": said["bytes"] / said["seconds"] / 1e6}


def measure_sleepers(case: Case, port: int, seconds: float) -> Values:
    """Measure quick requests while slow ones keep threads asleep all the time."""
    command = wrk_command(port, "/sleep200", SLEEPERS, seconds + 2)
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as sleepers:
        time.sleep(SETTLE)
        values = run_wrk(port, case.path, case.connections, seconds)
        said = sleepers.communicate(timeout=seconds + 30)[0]
    return {**values, "sleeper_rps": parse_wrk(said)["rps"]}


def measure_slow_clients(case: Case, port: int, seconds: float) -> Values:
    """Measure idle, then the same beside the slow clients."""
    idle = run_wrk(port, case.path, case.connections, seconds)
    command = [sys.executable, "-m", "benchmarks.slow_clients", "--port", str(port), "--each", str(SLOW_EACH)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT) as slow_clients:
        try:
            if slow_clients.stdout is None or slow_clients.stdout.readline().strip() != "ready":
                raise MeasureError("the slow clients could not start")
            time.sleep(2 * SETTLE)
            values = run_wrk(port, case.path, case.connections, seconds)
            said = json.loads(slow_clients.communicate(timeout=30)[0])
        finally:
            slow_clients.kill()
    ratio = values["p99_ms"] / idle["p99_ms"] if 0 < idle["p99_ms"] < STARVED else STARVED
    return {
        **values,
        "idle_rps": idle["rps"],
        "idle_p99_ms": idle["p99_ms"],
        "slow_ratio": ratio,
        "dropped": said["dropped"],
    }


def measure_download(case: Case, port: int, seconds: float) -> Values:  # noqa: ARG001 - one signature for all kinds
    """Download the big file."""
    return transfer("down", case, port)


def measure_upload(case: Case, port: int, seconds: float) -> Values:  # noqa: ARG001 - one signature for all kinds
    """Upload the big body."""
    return transfer("up", case, port)


KINDS: dict[Kind, Callable[[Case, int, float], Values]] = {
    Kind.REQUESTS: measure_requests,
    Kind.DOWNLOAD: measure_download,
    Kind.UPLOAD: measure_upload,
    Kind.SLEEPERS: measure_sleepers,
    Kind.SLOW_CLIENTS: measure_slow_clients,
}


def measure(case: Case, port: int, seconds: float, warm_up: float) -> Values:
    """Warm the server up with the case's own requests, then measure."""
    if warm_up > 0 and case.kind not in {Kind.DOWNLOAD, Kind.UPLOAD}:
        run_wrk(port, case.path, case.connections, warm_up, close=case.close)
    return KINDS[case.kind](case, port, seconds)
