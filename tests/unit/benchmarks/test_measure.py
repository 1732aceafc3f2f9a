"""wrk's report becomes figures."""

import pytest
from benchmarks.measure import STARVED, MeasureError, parse_wrk, wrk_command

REPORT = """\
Running 5s test @ http://127.0.0.1:8000/
  1 threads and 32 connections
  Thread Stats   Avg      Stdev     Max   +/- Stdev
    Latency     5.01ms    2.50ms  30.00ms   75.00%
    Req/Sec     6.20k   300.00     7.00k    68.00%
  Latency Distribution
     50%  {p50}
     75%    6.00ms
     90%    9.00ms
     99%  {p99}
  {requests} requests in 5.00s, 4.00MB read
{trouble}Requests/sec:   6141.25
Transfer/sec:      0.80MB
"""


def report(p50: str = "850.00us", p99: str = "1.25s", requests: int = 30706, trouble: str = "") -> str:
    return REPORT.format(p50=p50, p99=p99, requests=requests, trouble=trouble)


def test_rate_and_times_in_milliseconds() -> None:
    values = parse_wrk(report())
    assert values["rps"] == 6141.25
    assert values["requests"] == 30706
    assert values["p50_ms"] == pytest.approx(0.85)
    assert values["p99_ms"] == pytest.approx(1250)
    assert values["errors"] == values["non2xx"] == values["timeouts"] == 0


@pytest.mark.parametrize(
    ("text", "milliseconds"), [("12.50us", 0.0125), ("3.00ms", 3), ("2.00s", 2000), ("1.50m", 90_000)]
)
def test_units(text: str, milliseconds: float) -> None:
    assert parse_wrk(report(p99=text))["p99_ms"] == pytest.approx(milliseconds)


def test_errors_and_statuses_are_counted() -> None:
    trouble = "  Socket errors: connect 1, read 2, write 3, timeout 4\n  Non-2xx or 3xx responses: 17\n"
    values = parse_wrk(report(trouble=trouble))
    assert (values["errors"], values["timeouts"], values["non2xx"]) == (10, 4, 17)


def test_no_answer_at_all_is_starved_and_not_instant() -> None:
    values = parse_wrk(report(p50="0.00us", p99="0.00us", requests=0))
    assert values["p50_ms"] == values["p99_ms"] == STARVED


def test_anything_else_is_an_error_with_the_text() -> None:
    with pytest.raises(MeasureError, match="unable to connect"):
        parse_wrk("unable to connect to 127.0.0.1:8000 Connection refused\n")


def test_command_of_one_thread_and_whole_seconds() -> None:
    assert wrk_command(80, "/10k", 32, 0.2)[1:5] == ["-t1", "-c32", "-d1s", "--latency"]
    assert wrk_command(80, "/10k", 32, 5, close=True)[-3:] == [
        "-H",
        "Connection: close",
        "http://127.0.0.1:80/10k",
    ]
