"""One run: a server, a load, faults by a schedule; then the account. Shell."""

import json
import time
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.soak.faults import Faults
from benchmarks.soak.growth import Census, count, describe_growth
from benchmarks.soak.load import Load
from benchmarks.soak.schedule import Event, Scenario
from benchmarks.soak.server import SoakServer, serving, workplace
from benchmarks.soak.traffic import KINDS
from benchmarks.soak.verdict import Account, settle

__all__ = ["Report", "run"]

HOST = "127.0.0.1"
# Seconds that a server gets to come to rest before it is counted what it holds.
_REST = 15.0


@dataclass
class Report:
    """What a run found.

    Attributes:
        account: of the requests.
        faults: how often each was done.
        skipped: faults that could not be done here, and why.
        complaints: what was wrong besides requests; empty if all is well.
        log: the server's error log.
        seconds: how long the load lasted.
        behind: requests that were not sent because too many were unanswered already.
        before: what supervisor and front held before the faults.
        after: and afterwards.
    """

    account: Account
    faults: dict[str, int]
    skipped: dict[str, str]
    complaints: list[str]
    log: str
    seconds: float
    behind: int
    before: Census
    after: Census
    times: list[float] = field(default_factory=list)

    @property
    def passed(self) -> bool:
        """Whether nothing was lost, wrong, duplicated, hung or grown."""
        return not self.account.failed and not self.complaints

    def summary(self) -> dict[str, object]:
        """Return the figures, for people and programs."""
        times = sorted(self.times)
        return {
            "passed": self.passed,
            "requests": self.account.outcomes.total(),
            "outcomes": dict(self.account.outcomes),
            "excused": dict(self.account.excused),
            "failures": dict(self.account.failures),
            "unstarted_502": self.account.unstarted_502,
            "faults": self.faults,
            "skipped": self.skipped,
            "complaints": self.complaints,
            "seconds": round(self.seconds, 1),
            "behind": self.behind,
            "p50_ms": _percentile(times, 0.50),
            "p99_ms": _percentile(times, 0.99),
            "max_ms": _percentile(times, 1.0),
            "before": vars(self.before),
            "after": vars(self.after),
        }

    def text(self) -> str:
        """Return what a person reads."""
        lines = [json.dumps(self.summary(), indent=2), *self.account.examples]
        if not self.passed:
            lines += ["the server's last lines:", *self.log.splitlines()[-60:]]
        return "\n".join(lines)


def run(
    scenario: Scenario,
    events: list[Event],
    *,
    seconds: float,
    rate: float,
    seed: int,
    most: int | None = None,
    keep_log: Path | None = None,
) -> Report:
    """Carry out one run.

    Args:
        scenario: what is asked for, of which server.
        events: the faults.
        seconds: how long requests are sent, at most.
        rate: requests per second.
        seed: of the load.
        most: requests in all; None for as many as fit.
        keep_log: where to copy the server's log to.
    """
    kinds = [kind for kind in KINDS if not scenario.kinds or kind.name in scenario.kinds]
    with workplace() as (directory, spool, mounted), serving(directory, spool, scenario.options) as server:
        address = (HOST, server.port)
        _warm_up(server, address, seed)
        before = count(server.process.pid, directory)
        faults = Faults(server.process.pid, address, server.script, spool if mounted else None)
        load = Load(address, kinds, seed, rate, closed=scenario.closed, most=most)
        start = time.monotonic()
        try:
            _drive(load, faults, events, start, seconds, server)
        finally:
            faults.end()
            load.close()
        elapsed = time.monotonic() - start
        complaints = [f"unasked bytes: {data}" for data in load.unasked[:5]]
        after = before
        if server.process.poll() is not None:
            complaints.append(f"the supervisor ended with status {server.process.returncode}")
        else:
            after, grown = _rest(server.process.pid, directory, before, front_replaced="kill-front" in faults.done)
            complaints += grown
            complaints += server.stop()
        wanted = {event.fault for event in events}
        complaints += [
            f"{fault} was never done" for fault in sorted(wanted - faults.done.keys() - faults.skipped.keys())
        ]
        account = settle(load.requests, faults.windows, server.runs())
        log = server.log()
        if keep_log is not None:
            keep_log.write_text(log, encoding="utf-8")
        return Report(
            account,
            faults.done,
            faults.skipped,
            complaints,
            log,
            elapsed,
            load.behind,
            before,
            after,
            [request.ended_at - request.sent_at for request in load.requests if request.outcome == "ok"],
        )


def _warm_up(server: SoakServer, address: tuple[str, int], seed: int) -> None:
    """Have every kind of request served, so that what is made once is made before it is counted what there is."""
    load = Load(address, KINDS, seed, 200.0, most=100)
    while load.in_flight or not load.exhausted:
        load.turn(issuing=not load.exhausted)
        load.expire()
    load.close()
    server.ledger.write_bytes(b"")


def _drive(load: Load, faults: Faults, events: list[Event], start: float, seconds: float, server: SoakServer) -> None:
    pending = list(events)
    next_expiry = start
    while True:
        now = time.monotonic()
        issuing = now < start + seconds and not load.exhausted
        if not issuing and not load.in_flight and not faults.lasting:
            return
        load.turn(issuing=issuing)
        if pending and now >= start + pending[0].at and (faults.do(pending[0]) or not issuing):
            del pending[0]
        faults.step()
        if now >= next_expiry:
            load.expire()
            next_expiry = now + 1.0
            if server.process.poll() is not None:
                return


def _rest(pid: int, directory: Path, before: Census, *, front_replaced: bool) -> tuple[Census, list[str]]:
    """Return what there is once the server has come to rest, and what has grown for good."""
    deadline = time.monotonic() + _REST
    while True:
        try:
            after = count(pid, directory)
        except StopIteration:  # the front is being replaced
            after, grown = before, ["there is no front"]
        else:
            grown = describe_growth(before, after, front_replaced=front_replaced)
        if not grown or time.monotonic() > deadline:
            return after, grown
        time.sleep(0.2)


def _percentile(times: list[float], share: float) -> float:
    return round(times[min(len(times) - 1, int(len(times) * share))] * 1000, 2) if times else 0.0
