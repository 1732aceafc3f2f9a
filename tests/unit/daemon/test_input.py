"""input: `wsgi.input` behaves as a file, ends cleanly, and never pretends that half a body is whole."""

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pydaemonwsgi.daemon.input import RequestInput

BODY = b"first\nsecond line\n\nlast"


def make(body: bytes, *, length: int | None = None, behind: bytes = b"") -> RequestInput:
    """An input over `body`, of which the front said that it has `length` bytes."""
    return RequestInput(io.BytesIO(body + behind), len(body) if length is None else length)


# -- as files do

SIZES = st.none() | st.integers(-2, 60)
CALLS = st.lists(
    st.tuples(st.sampled_from(["read", "readline", "readlines"]), st.lists(SIZES, max_size=1))
    | st.tuples(st.just("next"), st.just([])),
    max_size=12,
)


@given(st.lists(st.sampled_from([b"a", b"bc", b"\n", b"\r\n", b"\0"]), max_size=30).map(b"".join), CALLS)
def test_any_calls_give_what_a_file_gives(body: bytes, calls: list[tuple[str, list[Any]]]) -> None:
    """Any sequence of reads gives byte for byte what BytesIO gives, past the end as well."""
    ours, model = make(body), io.BytesIO(body)
    for name, arguments in calls:
        if name == "next":
            assert next(iter(ours), b"") == next(iter(model), b"")
        else:
            assert getattr(ours, name)(*arguments) == getattr(model, name)(*arguments), (name, arguments)


@given(st.binary(max_size=60), st.binary(max_size=20), st.lists(SIZES, max_size=6))
def test_nothing_behind_the_body_is_ever_read(body: bytes, behind: bytes, sizes: list[int | None]) -> None:
    """What follows the body in the same file belongs to nobody."""
    ours, model = make(body, behind=behind), io.BytesIO(body)
    for size in sizes:
        assert ours.read(size) == model.read(size)
    assert ours.read() + ours.readline() == model.read()


@pytest.mark.parametrize("size", [None, -1, 10**9], ids=["None", "negative", "far too much"])
@pytest.mark.parametrize("name", ["read", "readline"])
def test_size_that_means_all(name: str, size: int | None) -> None:
    """None and negative sizes mean all that is left; asking for too much is no error."""
    assert getattr(make(BODY), name)(size) == getattr(io.BytesIO(BODY), name)(size)


def test_read_none_of_it() -> None:
    """A size of 0 gives nothing and takes nothing."""
    body = make(BODY)
    assert body.read(0) == b""
    assert body.readline(0) == b""
    assert body.read() == BODY


def test_lines_by_iteration() -> None:
    """A for loop gives the lines with their ends."""
    assert list(make(BODY)) == [b"first\n", b"second line\n", b"\n", b"last"]


def test_readlines_with_a_hint() -> None:
    """No further line is read once the hint is reached."""
    body = make(BODY)
    assert body.readlines(7) == [b"first\n", b"second line\n"]
    assert body.readlines() == [b"\n", b"last"]


@pytest.mark.parametrize(
    ("name", "expected"), [("read", b""), ("readline", b""), ("readlines", [])], ids=["read", "readline", "readlines"]
)
def test_reading_past_the_end(name: str, expected: object) -> None:
    """After the end, and in a request without a body, every call says so as often as it is asked."""
    for body in (make(BODY), make(b"")):
        body.read()
        for _ in range(3):
            assert getattr(body, name)() == expected
        assert list(body) == []


@pytest.mark.parametrize("name", ["read", "readline", "readlines"])
def test_sizes_are_positional_only(name: str) -> None:
    """PEP 3333 promises no keywords; code that uses them would not run elsewhere."""
    with pytest.raises(TypeError):
        getattr(make(BODY), name)(size=1)


def test_close_does_nothing() -> None:
    """The stream is the server's: an application that closes it can still read it."""
    body = make(BODY)
    body.close()
    assert body.read() == BODY


# -- the end of the request

READS: list[Callable[[RequestInput], object]] = [
    lambda body: body.read(),
    lambda body: body.read(0),
    lambda body: body.read(5),
    lambda body: body.readline(),
    lambda body: body.readlines(),
    list,
]
READ_IDS = ["read", "read 0", "read 5", "readline", "readlines", "iteration"]


@pytest.mark.parametrize("use", READS, ids=READ_IDS)
@pytest.mark.parametrize("body", [BODY, b""], ids=["a body", "no body"])
def test_use_after_the_request_raises(use: Callable[[RequestInput], object], body: bytes) -> None:
    """An application that keeps the stream for later is told so."""
    stream = make(body)
    stream.end()
    with pytest.raises(RuntimeError, match="after its request had ended"):
        use(stream)


def test_end_twice() -> None:
    """Ending is idempotent."""
    body = make(BODY)
    body.end()
    body.end()


# -- a body that is not whole


@pytest.mark.parametrize("present", [0, 1, 5, 9], ids=lambda present: f"{present} of 10 bytes")
def test_a_truncated_body_raises(present: int) -> None:
    """Reading all of a body of which a part is missing raises OSError, and again at the next attempt."""
    body = make(b"0123456789"[:present], length=10)
    for _ in range(2):
        with pytest.raises(OSError, match="truncated"):
            body.read()


@pytest.mark.parametrize("use", [READS[0], READS[2], *READS[3:]], ids=[READ_IDS[0], *READ_IDS[2:]])
def test_a_truncated_body_never_ends_cleanly(use: Callable[[RequestInput], object]) -> None:
    """By whichever method a truncated body is read to its end, the end is an OSError."""
    body = make(b"ab\ncd", length=10)

    def use_up() -> None:
        for _ in range(10):
            use(body)

    with pytest.raises(OSError, match="truncated"):
        use_up()


def test_the_present_part_can_be_read() -> None:
    """Pieces that are there are given; the error comes where the gap is."""
    body = make(b"01234", length=10)
    assert body.read(5) == b"01234"
    with pytest.raises(OSError, match="5 bytes are missing"):
        body.read(1)


# -- a spool file


def test_a_body_in_a_file(tmp_path: Path) -> None:
    """A body larger than any buffer reads from a real file as from memory."""
    content = b"".join(b"line %d\n" % number for number in range(40_000))
    path = tmp_path / "spool"
    path.write_bytes(content)

    with path.open("rb") as file:
        body = RequestInput(file, len(content))
        head = body.readline() + body.read(100_000)
        assert head + b"".join(body) == content
        body.end()
        assert file.closed
