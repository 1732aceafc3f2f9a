"""Which outcomes the faults excuse, and what remains. Sans-I/O.

A request may fare badly for one reason only: something was done, while it ran, that no server can make good. Then
what it got must be what the documentation promises. Everything else is a fault of ours:

    lost        the connection ended before a whole answer, or could not be made
    wrong       an answer that is not this request's, or not whole though it says so, or unasked
    duplicated  the application ran it twice
    hung        no answer after all faults were over
    unexcused   a status that nothing explains
    unrecorded  answered with 200, but the application has never seen it
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from benchmarks.soak.traffic import Request

__all__ = ["EXCUSES", "Account", "Window", "settle"]

# Seconds by which the clocks of load and faults may disagree: a signal is sent between two turns of the load's loop,
# and its consequence is read in a later one.
_SLACK: Final = 0.3
_LOST: Final = frozenset(("reset", "refused", "cut"))

# fault -> (outcome, kinds of request, or none for all)
EXCUSES: Final[Mapping[str, tuple[tuple[str, frozenset[str]], ...]]] = {
    # What ran in it: 502, or cut where the answer had begun.
    "kill": (("502", frozenset()), ("cut", frozenset(("stream", "sip", "large")))),
    # All clients of a front die with it; the listening sockets do not, so nobody is refused.
    "kill-front": (("reset", frozenset()), ("cut", frozenset())),
    # There is no room for a body; answers wait in their processes instead.
    "disk-full": (("503", frozenset(("upload",))),),
    # No descriptor for a spool file, or for the file that an answer is in.
    "descriptors": (("503", frozenset(("upload",))), ("cut", frozenset(("large",)))),
}


@dataclass(frozen=True)
class Window:
    """When a fault was in force, monotonic seconds."""

    fault: str
    begin: float
    end: float


@dataclass
class Account:
    """What became of all requests.

    Attributes:
        outcomes: how many had which outcome.
        excused: of these, how many a fault explains.
        failures: how many of each fault of ours; empty if all is well.
        examples: a few of them, for the reader.
        unstarted_502: 502 although the application had not noted the request yet.
    """

    outcomes: Counter[str]
    excused: Counter[str]
    failures: Counter[str]
    examples: list[str]
    unstarted_502: int

    @property
    def failed(self) -> int:
        """How many requests fared as they must not."""
        return self.failures.total()


def settle(requests: Sequence[Request], windows: Iterable[Window], runs: Mapping[int, int]) -> Account:
    """Account for every request.

    Args:
        requests: all of them, ended.
        windows: the faults.
        runs: how often the application has begun each id.
    """
    account = Account(Counter(), Counter(), Counter(), [], 0)
    by_fault: dict[str, list[Window]] = {}
    for window in windows:
        by_fault.setdefault(window.fault, []).append(window)
    for request in requests:
        account.outcomes[request.outcome] += 1
        ran = runs.get(request.identity, 0)
        if ran > 1:
            _fail(account, "duplicated", request, f"ran {ran} times")
        if request.outcome == "ok":
            if not ran:
                _fail(account, "unrecorded", request, "")
            continue
        if request.outcome == "502" and not ran:
            account.unstarted_502 += 1
        if _is_excused(request, by_fault):
            account.excused[request.outcome] += 1
            continue
        word = request.outcome if request.outcome in {"wrong", "hung"} else "unexcused"
        _fail(account, "lost" if request.outcome in _LOST else word, request, "")
    return account


def _is_excused(request: Request, by_fault: Mapping[str, Sequence[Window]]) -> bool:
    for fault, excuses in EXCUSES.items():
        if not any(
            request.outcome == outcome and (not kinds or request.kind.name in kinds) for outcome, kinds in excuses
        ):
            continue
        for window in by_fault.get(fault, ()):
            if request.sent_at <= window.end + _SLACK and request.ended_at >= window.begin - _SLACK:
                return True
    return False


def _fail(account: Account, word: str, request: Request, why: str) -> None:
    account.failures[word] += 1
    if len(account.examples) < 20:
        detail = "; ".join(filter(None, (request.detail, why)))
        account.examples.append(
            f"{word}: {request.kind.name} {request.identity}, {request.outcome} after "
            f"{request.ended_at - request.sent_at:.3f} s, ended at {request.ended_at:.3f}"
            + (f" ({detail})" if detail else "")
        )
