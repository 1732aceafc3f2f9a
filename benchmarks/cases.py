"""What is measured: the table of cases and the targets' vocabulary of figures."""

from dataclasses import dataclass
from enum import StrEnum

MEGABYTES_100 = 100 * 1024 * 1024


class Kind(StrEnum):
    """How a case is measured; `measure.measure` has one function for each."""

    REQUESTS = "requests"
    DOWNLOAD = "download"
    UPLOAD = "upload"
    SLEEPERS = "sleepers"
    SLOW_CLIENTS = "slow clients"


@dataclass(frozen=True)
class Case:
    """One row of the table; `headline` is the figure that the ratio of two servers is taken of."""

    name: str
    title: str
    kind: Kind = Kind.REQUESTS
    path: str = "/"
    connections: int = 32
    close: bool = False
    body_length: int = 14
    headline: str = "rps"
    columns: tuple[str, ...] = ("rps", "p50_ms", "p99_ms", "errors", "non2xx")

    @property
    def lower_is_better(self) -> bool:
        """Whether the headline is a time or a ratio of times."""
        return self.headline in {"p99_ms", "slow_ratio"}


CASES: dict[str, Case] = {
    case.name: case
    for case in (
        Case("hello", "GET / (14 bytes), 32 keep-alive connections"),
        Case("hello256", "GET / (14 bytes), 256 keep-alive connections", connections=256),
        Case("body10k", "GET /10k (10,240 bytes), 32 keep-alive connections", path="/10k", body_length=10240),
        Case("wait10ms", "application sleeps 10 ms, 48 keep-alive connections", path="/wait", connections=48),
        Case(
            "cpu2ms",
            "application computes about 2 ms, 16 keep-alive connections",
            path="/cpu",
            connections=16,
        ),
        Case("close", "GET /, a new connection for every request, 32 at a time", close=True),
        Case("single", "GET /, one keep-alive connection", connections=1),
        Case(
            "down100m",
            "download of 100 MiB by wsgi.file_wrapper where the server has it, four in a row",
            kind=Kind.DOWNLOAD,
            path="/down",
            headline="mb_per_s",
            columns=("mb_per_s",),
        ),
        Case(
            "up100m",
            "upload (PUT) of 100 MiB read from wsgi.input in 64 KiB blocks and verified, four in a row",
            kind=Kind.UPLOAD,
            path="/up",
            headline="mb_per_s",
            columns=("mb_per_s",),
        ),
        Case(
            "sleepers",
            "GET / on 16 connections while 10 others keep requests of 0.2 s running",
            kind=Kind.SLEEPERS,
            connections=16,
            headline="p99_ms",
            columns=("rps", "p50_ms", "p99_ms", "errors", "non2xx", "sleeper_rps"),
        ),
        Case(
            "slow_clients",
            "GET / on 16 connections, idle and beside 300 slow headers, 300 slow readers, 300 slow uploads",
            kind=Kind.SLOW_CLIENTS,
            connections=16,
            headline="slow_ratio",
            columns=("rps", "idle_p99_ms", "p99_ms", "slow_ratio", "errors", "non2xx", "dropped"),
        ),
    )
}
