"""Turns samples into medians, ratios, tables and the verdict on each target. Pure."""

import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from benchmarks.cases import CASES, Case
from benchmarks.measure import STARVED, Values
from benchmarks.servers import OWN


@dataclass(frozen=True)
class Sample:
    """What one server did in one case in one round; `failure` says why there are no values."""

    round: int
    case: str
    server: str
    values: Values
    failure: str | None = None


Medians = dict[str, dict[str, Values]]
"""case -> server -> figure -> median over the rounds"""


@dataclass(frozen=True)
class Verdict:
    """One target: reached, not reached, or not measured (None)."""

    target: str
    reached: bool | None
    detail: str


def medians(samples: Iterable[Sample]) -> Medians:
    """Return the median of each figure over the rounds in which it was measured."""
    gathered: dict[str, dict[str, dict[str, list[float]]]] = {}
    for sample in samples:
        figures = gathered.setdefault(sample.case, {}).setdefault(sample.server, {})
        for name, value in sample.values.items():
            figures.setdefault(name, []).append(value)
    return {
        case: {
            server: {name: statistics.median(values) for name, values in figures.items()}
            for server, figures in servers.items()
        }
        for case, servers in gathered.items()
    }


def ratio(own: float | None, peer: float | None) -> float | None:
    """Return own / peer, or None when that says nothing."""
    if own is None or peer is None or own == STARVED:
        return None
    if peer == STARVED:
        return 0.0
    return own / peer if peer > 0 else None


def number(name: str, value: float | None) -> str:
    """Return a figure as the tables show it."""
    if value is None:
        return "-"
    if value == STARVED:
        return "starved"
    if name.endswith("_ms") or name == "slow_ratio":
        return f"{value:.2f}"
    return f"{value:,.0f}"


HEADINGS = {
    "rps": "requests/s",
    "p50_ms": "p50 ms",
    "p99_ms": "p99 ms",
    "idle_p99_ms": "idle p99 ms",
    "slow_ratio": "slow : idle",
    "mb_per_s": "MB/s",
    "sleeper_rps": "sleepers/s",
    "non2xx": "not 2xx",
}


def table(rows: Sequence[Sequence[str]]) -> list[str]:
    """Return lines with the first column to the left and the others to the right."""
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    lines = [
        "  ".join(
            cell.ljust(w) if i == 0 else cell.rjust(w) for i, (cell, w) in enumerate(zip(row, widths, strict=True))
        )
        for row in rows
    ]
    return [lines[0], "-" * len(lines[0]), *lines[1:]]


def case_report(case: Case, servers: dict[str, Values]) -> str:
    """Return the table of one case, in the order of the headline, the best first."""
    sign = 1 if case.lower_is_better else -1
    order = sorted(servers, key=lambda name: sign * servers[name].get(case.headline, sign * STARVED))
    own = servers.get(OWN, {}).get(case.headline)
    rows = [["server", *(HEADINGS.get(column, column) for column in case.columns), f"{OWN} : peer"]]
    for name in order:
        values = servers[name]
        cells = [number(column, values.get(column)) for column in case.columns]
        compared = ratio(own, values.get(case.headline))
        rows.append([name, *cells, "-" if compared is None else f"{compared:.2f}"])
    note = f" (ratio of {HEADINGS[case.headline]}: lower is better)" if case.lower_is_better else ""
    return "\n".join([f"{case.name}: {case.title}{note}", *table(rows)])


def figure(found: Medians, case: str, server: str, name: str) -> float | None:
    """Return one median."""
    return found.get(case, {}).get(server, {}).get(name)


def at_least(found: Medians, case: str, peer: str, factor: float) -> Verdict:
    """Judge own headline >= factor x the peer's."""
    name = CASES[case].headline
    own, other = figure(found, case, OWN, name), figure(found, case, peer, name)
    compared = ratio(own, other)
    return Verdict(
        f"{case} >= {factor:g} x {peer}",
        None if compared is None else compared >= factor,
        f"{number(name, own)} : {number(name, other)}" + ("" if compared is None else f" = {compared:.2f}"),
    )


def best_peer(found: Medians, case: str, name: str) -> tuple[str, float] | None:
    """Return the peer with the best figure among those that answered without errors."""
    peers = {
        server: values[name]
        for server, values in found.get(case, {}).items()
        if server != OWN and name in values and not values.get("errors") and not values.get("non2xx")
    }
    if not peers:
        return None
    choose = min if name.endswith("_ms") else max
    server = choose(peers, key=lambda candidate: peers[candidate])
    return server, peers[server]


def against_best(found: Medians, case: str, name: str) -> Verdict:
    """Judge own figure against the best peer's."""
    lower = name.endswith("_ms")
    own, best = figure(found, case, OWN, name), best_peer(found, case, name)
    target = f"{case}: {HEADINGS[name]} {'<=' if lower else '>='} best peer's"
    if own is None or best is None:
        return Verdict(target, None, f"{number(name, own)} : {'-' if best is None else number(name, best[1])}")
    reached = own <= best[1] if lower else own >= best[1]
    return Verdict(target, reached, f"{number(name, own)} : {number(name, best[1])} ({best[0]})")


def bounded(found: Medians, case: str, name: str, bound: float, *, inclusive: bool) -> Verdict:
    """Judge own figure against a fixed bound."""
    own = figure(found, case, OWN, name)
    target = f"{case}: {HEADINGS[name]} {'<=' if inclusive else '<'} {bound:g}"
    if own is None:
        return Verdict(target, None, "-")
    return Verdict(target, own <= bound if inclusive else own < bound, number(name, own))


def concurrency(found: Medians) -> Verdict:
    """Judge that many connections cost next to nothing."""
    own, few = figure(found, "hello256", OWN, "rps"), figure(found, "hello", OWN, "rps")
    compared = ratio(own, few)
    return Verdict(
        "hello256 >= 0.95 x own hello",
        None if compared is None else compared >= 0.95,
        f"{number('rps', own)} : {number('rps', few)}" + ("" if compared is None else f" = {compared:.2f}"),
    )


AT_LEAST = (
    ("gunicorn", 5.0),
    ("mod_wsgi", 6.0),
    ("uwsgi", 2.5),
    ("nginx-uwsgi", 1.3),
    ("granian", 0.6),
)


def targets(found: Medians) -> list[Verdict]:
    """Return the verdict on every target."""
    return [
        *(at_least(found, case, peer, factor) for case in ("hello", "body10k") for peer, factor in AT_LEAST),
        concurrency(found),
        against_best(found, "wait10ms", "rps"),
        against_best(found, "cpu2ms", "rps"),
        against_best(found, "cpu2ms", "p99_ms"),
        at_least(found, "single", "gunicorn", 1.0),
        at_least(found, "close", "gunicorn", 2.0),
        at_least(found, "down100m", "gunicorn", 1.0),
        at_least(found, "up100m", "nginx-uwsgi", 2.0),
        bounded(found, "sleepers", "p99_ms", 10.0, inclusive=False),
        bounded(found, "slow_clients", "slow_ratio", 3.0, inclusive=True),
    ]


WORDS = {True: "reached", False: "NOT reached", None: "not measured"}


def targets_report(verdicts: Sequence[Verdict]) -> str:
    """Return the section on the targets."""
    rows = [["target", "verdict", "measured"], *([v.target, WORDS[v.reached], v.detail] for v in verdicts)]
    return "\n".join(["targets", *table(rows)])


def full_report(samples: Sequence[Sample], left_out: dict[str, str]) -> str:
    """Return everything that is printed at the end."""
    found = medians(samples)
    parts = [case_report(CASES[name], found[name]) for name in CASES if found.get(name)]
    failures = [f"  round {s.round}, {s.case}, {s.server}: {s.failure}" for s in samples if s.failure]
    if failures:
        parts.append("\n".join(["no figure", *failures]))
    if left_out:
        parts.append("\n".join(["left out", *(f"  {name}: {reason}" for name, reason in left_out.items())]))
    parts.append(targets_report(targets(found)))
    return "\n\n".join(parts)
