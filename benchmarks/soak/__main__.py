"""`python -m benchmarks.soak`: the reliability suite from the command line; status 0 if nothing was found."""

import argparse
import random
import sys
from pathlib import Path

from benchmarks.soak.schedule import SCENARIOS, draw
from benchmarks.soak.server import StartError
from benchmarks.soak.suite import run


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.soak",
        description="Loads a server at a steady rate while faults are done to it; accounts for every request.",
    )
    parser.add_argument("scenario", nargs="?", default="everything", choices=list(SCENARIOS))
    parser.add_argument("--seconds", type=float, default=60.0, help="how long requests are sent, at most")
    parser.add_argument("--rate", type=float, default=300.0, help="requests per second")
    parser.add_argument("--requests", type=int, help="requests in all; then the run ends")
    parser.add_argument(
        "--seed", type=int, default=random.SystemRandom().randrange(10**6), help="repeats a run's faults"
    )
    parser.add_argument("--times", action="append", default=[], metavar="FAULT=N", help="do a fault exactly so often")
    parser.add_argument("--without", action="append", default=[], metavar="FAULT", help="leave a fault out")
    parser.add_argument("--log", type=Path, help="keep the server's error log here")
    return parser.parse_args()


def main() -> int:
    """Run; return the exit status: 0 passed, 1 failed, 2 could not be run."""
    options = _arguments()
    scenario = SCENARIOS[options.scenario]
    every = {fault: mean for fault, mean in scenario.every.items() if fault not in options.without}
    counts = [(name, int(number)) for name, _, number in (entry.partition("=") for entry in options.times)]
    events = draw(every, options.seconds, options.seed, counts)
    print(f"{options.scenario}, seed {options.seed}: {len(events)} faults within {options.seconds:g} s", flush=True)
    try:
        report = run(
            scenario,
            events,
            seconds=options.seconds,
            rate=options.rate,
            seed=options.seed,
            most=options.requests,
            keep_log=options.log,
        )
    except StartError as error:
        print(error, file=sys.stderr)
        return 2
    print(report.text())
    return 0 if report.passed else 1


if __name__ == "__main__":
    raise SystemExit(main())
