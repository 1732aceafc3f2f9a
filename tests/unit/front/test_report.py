"""report: the front's report fits into the memory that it is written into, and is JSON whatever it holds."""

import json
from typing import Any

from pydaemonwsgi.front.report import encode_report


def told(count: int) -> dict[str, Any]:
    rows = [{"id": f"{number:016x}", "age": 1000.0 - number, "url": "/\x1b\xff" * 50} for number in range(count)]
    return {"clients": count, "requests": rows, "left_out": 0}


def test_a_report_that_fits_is_told_whole() -> None:
    """Nothing is left out without need."""
    report = told(10)
    assert json.loads(encode_report(report, 1_000_000)) == told(10)


def test_a_report_that_is_too_long_leaves_the_youngest_out() -> None:
    """The oldest requests are those that somebody looks for; how many are missing is said."""
    encoded = encode_report(told(1000), 50_000)
    assert len(encoded) <= 50_000
    report = json.loads(encoded)
    assert report["requests"] == told(1000)["requests"][: len(report["requests"])]
    assert 10 < len(report["requests"]) < 1000
    assert report["left_out"] == 1000 - len(report["requests"])
    assert report["clients"] == 1000
