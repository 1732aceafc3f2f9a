"""Range requests."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pydaemonwsgi.http.ranges import ByteRange, multipart_heads, read_ranges


@pytest.mark.parametrize(
    ("header", "ranges"),
    [
        ("bytes=0-0", [(0, 1)]),
        ("bytes=0-", [(0, 100)]),
        ("bytes=-1", [(99, 1)]),
        ("bytes=-1000", [(0, 100)]),
        ("bytes=10-19", [(10, 10)]),
        ("bytes=90-1000", [(90, 10)]),
        ("bytes=0-0,99-99", [(0, 1), (99, 1)]),
        ("bytes= 5-6 , ,7-8", [(5, 2), (7, 2)]),
        ("BYTES=0-1", [(0, 2)]),
        ("bytes=100-", []),
        ("bytes=-0", []),
        ("bytes=0-1,200-300", [(0, 2)]),
        ("bytes=5-4", None),
        ("bytes=", None),
        ("bytes=,", None),
        ("bytes=-", None),
        ("bytes=a-b", None),
        ("lines=0-1", None),
        ("bytes=0-1;2-3", None),
        ("bytes=0-,0-,0-", None),
        ("bytes=" + ",".join(["0-0"] * 201), None),
    ],
)
def test_ranges_of_a_hundred_bytes(header: str, ranges: list[tuple[int, int]] | None) -> None:
    """RFC 9110 section 14.1.2; what would cost more than the whole is the whole."""
    found = read_ranges(header, 100)
    assert found == (None if ranges is None else [ByteRange(*one) for one in ranges])


def test_an_empty_file_has_no_range() -> None:
    """Not even its last byte."""
    assert read_ranges("bytes=0-", 0) == []
    assert read_ranges("bytes=-5", 0) == []


@given(st.text(alphabet="bytes=0123456789-, ", max_size=40), st.integers(0, 10**6))
def test_ranges_lie_within_the_resource(header: str, size: int) -> None:
    """Whatever is asked for."""
    for one in read_ranges(header, size) or ():
        assert 0 <= one.start < one.start + one.length <= size


def test_a_multipart_body_is_as_long_as_it_says() -> None:
    """RFC 9110 section 14.6."""
    ranges = [ByteRange(0, 2), ByteRange(5, 3)]
    heads, end, length = multipart_heads(ranges, 10, "xyz", "text/plain")
    body = b"".join([heads[0], b"ab", heads[1], b"fgh", end])
    assert len(body) == length
    assert body == (
        b"\r\n--xyz\r\nContent-Type: text/plain\r\nContent-Range: bytes 0-1/10\r\n\r\nab"
        b"\r\n--xyz\r\nContent-Type: text/plain\r\nContent-Range: bytes 5-7/10\r\n\r\nfgh\r\n--xyz--\r\n"
    )
