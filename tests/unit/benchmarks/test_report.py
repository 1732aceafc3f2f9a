"""Medians, ratios, tables and verdicts."""

import pytest
from benchmarks.cases import CASES
from benchmarks.measure import STARVED, Values
from benchmarks.report import (
    Sample,
    Verdict,
    best_peer,
    case_report,
    full_report,
    medians,
    number,
    ratio,
    targets,
    targets_report,
)


def sample(case: str, server: str, round_: int = 1, **values: float) -> Sample:
    return Sample(round_, case, server, values)


def verdict(samples: list[Sample], beginning: str) -> Verdict:
    found = [verdict for verdict in targets(medians(samples)) if verdict.target.startswith(beginning)]
    assert len(found) == 1
    return found[0]


def test_median_over_the_rounds_is_of_each_figure_alone() -> None:
    rounds = [(100.0, 9.0), (300.0, 1.0), (200.0, 2.0)]
    samples = [sample("hello", "gunicorn", i, rps=r, p99_ms=p) for i, (r, p) in enumerate(rounds)]
    assert medians(samples)["hello"]["gunicorn"] == {"rps": 200.0, "p99_ms": 2.0}


def test_a_failed_round_does_not_count() -> None:
    samples = [sample("hello", "gunicorn", rps=10.0), Sample(2, "hello", "gunicorn", {}, "cut off")]
    assert medians(samples)["hello"]["gunicorn"]["rps"] == 10.0


def test_starved_in_most_rounds_is_starved() -> None:
    samples = [sample("hello", "granian", i, p99_ms=p) for i, p in enumerate((STARVED, 2.0, STARVED))]
    assert medians(samples)["hello"]["granian"]["p99_ms"] == STARVED


@pytest.mark.parametrize(
    ("own", "peer", "expected"),
    [(6.0, 2.0, 3.0), (None, 2.0, None), (6.0, None, None), (6.0, 0.0, None), (6.0, STARVED, 0.0)],
)
def test_ratio(own: float | None, peer: float | None, expected: float | None) -> None:
    assert ratio(own, peer) == expected


@pytest.mark.parametrize(
    ("name", "value", "text"),
    [
        ("rps", 12345.6, "12,346"),
        ("p99_ms", 1.239, "1.24"),
        ("p99_ms", STARVED, "starved"),
        ("rps", None, "-"),
    ],
)
def test_number(name: str, value: float | None, text: str) -> None:
    assert number(name, value) == text


def test_table_is_ordered_by_the_headline_and_has_the_ratio() -> None:
    servers: dict[str, Values] = {
        "gunicorn": {"rps": 100.0},
        "pydaemonwsgi": {"rps": 500.0},
        "granian": {"rps": 800.0},
    }
    lines = case_report(CASES["hello"], servers).splitlines()
    assert [line.split()[0] for line in lines[3:]] == ["granian", "pydaemonwsgi", "gunicorn"]
    assert [line.split()[-1] for line in lines[3:]] == ["0.62", "1.00", "5.00"]


def test_table_of_times_has_the_lowest_first_and_the_starved_last() -> None:
    servers: dict[str, Values] = {
        "a": {"slow_ratio": STARVED},
        "b": {"slow_ratio": 2.0},
        "c": {"slow_ratio": 1.0},
    }
    lines = case_report(CASES["slow_clients"], servers).splitlines()
    assert [line.split()[0] for line in lines[3:]] == ["c", "b", "a"]


def test_best_peer_is_not_ourselves_and_answers_without_errors() -> None:
    samples = [
        sample("wait10ms", "pydaemonwsgi", rps=9.0),
        sample("wait10ms", "granian", rps=8.0, non2xx=5.0),
        sample("wait10ms", "uwsgi", rps=7.0, non2xx=0.0, errors=0.0),
        sample("wait10ms", "gunicorn", rps=6.0),
    ]
    assert best_peer(medians(samples), "wait10ms", "rps") == ("uwsgi", 7.0)


def test_every_target_is_not_measured_without_samples() -> None:
    verdicts = targets({})
    assert len(verdicts) == 20
    assert {verdict.reached for verdict in verdicts} == {None}


@pytest.mark.parametrize(("own", "reached"), [(500.0, True), (499.0, False)])
def test_factor_target(own: float, reached: bool) -> None:
    samples = [sample("hello", "pydaemonwsgi", rps=own), sample("hello", "gunicorn", rps=100.0)]
    assert verdict(samples, "hello >= 5 x gunicorn").reached is reached


def test_concurrency_target() -> None:
    samples = [sample("hello", "pydaemonwsgi", rps=100.0), sample("hello256", "pydaemonwsgi", rps=94.0)]
    assert verdict(samples, "hello256").reached is False


@pytest.mark.parametrize(("own", "reached"), [(20.0, True), (20.1, False)])
def test_latency_target_against_the_best_peer(own: float, reached: bool) -> None:
    samples = [
        sample("cpu2ms", "pydaemonwsgi", p99_ms=own),
        sample("cpu2ms", "gunicorn", p99_ms=20.0),
        sample("cpu2ms", "granian", p99_ms=40.0),
    ]
    assert verdict(samples, "cpu2ms: p99").reached is reached


@pytest.mark.parametrize(("own", "reached"), [(9.9, True), (10.0, False), (STARVED, False)])
def test_sleepers_target(own: float, reached: bool) -> None:
    assert verdict([sample("sleepers", "pydaemonwsgi", p99_ms=own)], "sleepers").reached is reached


@pytest.mark.parametrize(("own", "reached"), [(3.0, True), (3.1, False), (STARVED, False)])
def test_slow_clients_target(own: float, reached: bool) -> None:
    samples = [sample("slow_clients", "pydaemonwsgi", slow_ratio=own)]
    assert verdict(samples, "slow_clients").reached is reached


def test_targets_section_says_it_in_words() -> None:
    text = targets_report([Verdict("a", True, "1"), Verdict("b", False, "2"), Verdict("c", None, "-")])
    assert [line.split()[0] for line in text.splitlines()[3:]] == ["a", "b", "c"]
    assert "NOT reached" in text
    assert "not measured" in text


def test_report_names_failures_and_who_was_left_out() -> None:
    samples = [sample("hello", "gunicorn", rps=1.0), Sample(2, "hello", "waitress", {}, "status 500")]
    text = full_report(samples, {"mod_wsgi": "not installable: no apxs"})
    assert "round 2, hello, waitress: status 500" in text
    assert "mod_wsgi: not installable: no apxs" in text
