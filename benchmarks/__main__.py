"""`python -m benchmarks`: measures the servers beside each other, in interleaved rounds, and reports."""

import argparse
import json
import math
import os
import platform
import shutil
import subprocess
import sys
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path

from benchmarks.cases import CASES, Case
from benchmarks.measure import MeasureError, Values, measure
from benchmarks.report import Sample, full_report, medians, number, targets
from benchmarks.running import StartError, calibrate, serving, workplace
from benchmarks.servers import SERVERS, MissingError, Server

RESULTS = Path(__file__).with_name("results")


def chosen(text: str | None, known: dict[str, bool]) -> list[str]:
    """Return the names of a comma-separated list, or all that are on by default."""
    if text is None:
        return [name for name, default in known.items() if default]
    names = [name.strip() for name in text.split(",") if name.strip()]
    unknown = [name for name in names if name not in known]
    if unknown:
        raise SystemExit(f"unknown: {', '.join(unknown)}; there are {', '.join(known)}")
    return names


def arguments() -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=5.0, help="length of one wrk measure")
    parser.add_argument("--warm-up", type=float, default=1.0, help="seconds of the same load before it")
    parser.add_argument("--cases", help=f"comma-separated; all: {','.join(CASES)}")
    parser.add_argument("--servers", help=f"comma-separated; known: {','.join(SERVERS)}")
    parser.add_argument("--results", type=Path, default=RESULTS, help="directory of the JSON files")
    return parser.parse_args()


def facts() -> dict[str, object]:
    """Return what a reader must know about the machine."""
    wrk = subprocess.run(["wrk", "-v"], capture_output=True, text=True, check=False).stdout.splitlines()
    return {
        "started": datetime.now(UTC).isoformat(timespec="seconds"),
        "python": platform.python_version(),
        "implementation": sys.version,
        "cpus": len(os.sched_getaffinity(0)),
        "kernel": platform.release(),
        "machine": platform.machine(),
        "root": os.getuid() == 0,
        "load_average": os.getloadavg()[0],
        "wrk": wrk[0].split(" Copyright")[0] if wrk else "?",
    }


def finite(values: Values) -> dict[str, float | None]:
    """Return the values with null for infinite ones: JSON knows no infinity."""
    return {name: value if math.isfinite(value) else None for name, value in values.items()}


def write(path: Path, header: dict[str, object], samples: list[Sample], left_out: dict[str, str]) -> None:
    """Write everything measured so far."""
    found = medians(samples)
    document = {
        **header,
        "left_out": left_out,
        "medians": {
            case: {server: finite(values) for server, values in servers.items()} for case, servers in found.items()
        },
        "targets": [asdict(verdict) for verdict in targets(found)],
        "samples": [{**asdict(sample), "values": finite(sample.values)} for sample in samples],
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(document, indent=1) + "\n")


def prepare(names: list[str], left_out: dict[str, str]) -> tuple[list[Server], dict[str, str]]:
    """Install the peers; return the servers that are there and their versions."""
    servers, versions = [], {}
    for name in names:
        try:
            versions[name] = SERVERS[name].prepare()
        except MissingError as error:
            left_out[name] = str(error)
            print(f"{name}: {error}", flush=True)
        else:
            servers.append(SERVERS[name])
    return servers, versions


def one_sample(
    server: Server, case: Case, round_: int, options: argparse.Namespace, place: tuple[Path, dict[str, str]]
) -> Sample:
    """Start a server, measure one case, end it. `StartError` passes through when it does not come up."""
    with serving(server, *place) as running:
        try:
            running.check(case)
            values = measure(case, running.site.port, options.seconds, options.warm_up)
        except (MeasureError, StartError, subprocess.TimeoutExpired) as error:
            return Sample(round_, case.name, server.name, {}, str(error))
    return Sample(round_, case.name, server.name, values)


def main() -> None:
    """Run all rounds: in each, every case; in each case, every server, one alive at a time."""
    options = arguments()
    if shutil.which("wrk") is None:
        raise SystemExit("wrk is not installed (Debian: apt-get install wrk)")
    cases = [CASES[name] for name in chosen(options.cases, dict.fromkeys(CASES, True))]
    names = chosen(options.servers, {name: server.default for name, server in SERVERS.items()})
    left_out: dict[str, str] = {}
    servers, versions = prepare(names, left_out)
    loops = calibrate()
    header: dict[str, object] = {
        **facts(),
        "versions": versions,
        "settings": {server.name: server.settings for server in servers},
        "seconds": options.seconds,
        "warm_up": options.warm_up,
        "rounds": options.rounds,
        "cpu_loops": loops,
    }
    for name in versions:
        print(f"{name} {versions[name]}: {SERVERS[name].settings}")
    print(f"Python {header['python']}, {header['cpus']} CPUs, load {header['load_average']:.2f}", flush=True)
    path = options.results / f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}.json"
    samples: list[Sample] = []
    with workplace() as directory:
        place = (directory, {"BENCH_CPU_LOOPS": str(loops), "BENCH_DOWN_FILE": str(directory / "down.bin")})
        try:
            for round_ in range(1, options.rounds + 1):
                for case in cases:
                    for server in [server for server in servers if server.name not in left_out]:
                        try:
                            sample = one_sample(server, case, round_, options, place)
                        except StartError as error:
                            left_out[server.name] = f"did not come up in round {round_}, {case.name}: {error}"
                            print(f"{server.name}: {left_out[server.name]}", flush=True)
                            continue
                        samples.append(sample)
                        shown = number(case.headline, sample.values.get(case.headline))
                        print(
                            f"round {round_} {case.name:<12} {server.name:<12} {case.headline} "
                            f"{sample.failure or shown}",
                            flush=True,
                        )
                write(path, header, samples, left_out)
        except KeyboardInterrupt:
            print("interrupted: the report is on what was measured until now")
    write(path, header, samples, left_out)
    print(f"\n{full_report(samples, left_out)}\n\nwritten to {path.name} in {path.parent.name}/")


if __name__ == "__main__":
    main()
