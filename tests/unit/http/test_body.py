"""body: chunked bodies whole, byte by byte and with a tail; every rule of RFC 9112 section 7.1."""

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pydaemonwsgi.errors import HttpError
from pydaemonwsgi.http.body import ChunkedBody


def feed_whole(data: bytes, trailer_limit: int = 8190) -> tuple[bytes, bytes, bool]:
    """Body, what follows it, and whether it is complete."""
    decoder = ChunkedBody(trailer_limit)
    pieces, rest = decoder.feed(data)
    return b"".join(pieces), rest, decoder.complete


def feed_parts(parts: Sequence[bytes], trailer_limit: int = 8190) -> tuple[bytes, bytes, bool]:
    """The same for a body that arrives in parts; what arrives after its end is not fed to it."""
    decoder = ChunkedBody(trailer_limit)
    body, rest = b"", b""
    for part in parts:
        if decoder.complete:
            rest += part
            continue
        pieces, rest = decoder.feed(part)
        body += b"".join(pieces)
    return body, rest, decoder.complete


def bytes_of(data: bytes) -> list[bytes]:
    """Each byte alone."""
    return [data[position : position + 1] for position in range(len(data))]


GOOD = [
    pytest.param(b"0\r\n\r\n", b"", id="empty"),
    pytest.param(b"5\r\nhello\r\n0\r\n\r\n", b"hello", id="one-chunk"),
    pytest.param(b"1\r\nh\r\n4\r\nello\r\n0\r\n\r\n", b"hello", id="two-chunks"),
    pytest.param(b"a\r\n0123456789\r\n0\r\n\r\n", b"0123456789", id="lower-case-size"),
    pytest.param(b"A\r\n0123456789\r\n0\r\n\r\n", b"0123456789", id="upper-case-size"),
    pytest.param(b"0000000000000005\r\nhello\r\n0000\r\n\r\n", b"hello", id="leading-zeros"),
    pytest.param(b"4\r\n\r\n\r\n\r\n0\r\n\r\n", b"\r\n\r\n", id="line-ends-as-data"),
    pytest.param(b"5\r\n0\r\n\r\n\r\n0\r\n\r\n", b"0\r\n\r\n", id="last-chunk-as-data"),
    pytest.param(b"1;a\r\nx\r\n0;b\r\n\r\n", b"x", id="extension-name"),
    pytest.param(b'1;a=b;c="d e\t\xe4";f\r\nx\r\n0\r\n\r\n', b"x", id="extension-values"),
    pytest.param(b"1;" + b"a" * 4000 + b"\r\nx\r\n0\r\n\r\n", b"x", id="extension-long"),
    pytest.param(b"1\r\nx\r\n0\r\nA: b\r\n\r\n", b"x", id="trailer"),
    pytest.param(b"1\r\nx\r\n0\r\nA:\r\nB-c: \xe4\t\r\n\r\n", b"x", id="trailers"),
    pytest.param(
        b"1\r\nx\r\n0\r\nContent-Length: 9\r\nTransfer-Encoding: gzip\r\nHost: b\r\nAuthorization: c\r\n\r\n",
        b"x",
        id="forbidden-trailers-are-dropped",
    ),
]


@pytest.mark.parametrize(("encoded", "body"), GOOD)
@pytest.mark.parametrize("tail", [b"", b"x", b"\r\n", b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"], ids=repr)
def test_body_is_decoded(encoded: bytes, body: bytes, tail: bytes) -> None:
    """A body comes out the same whole, in two parts and byte by byte, and its tail is left alone."""
    data = encoded + tail

    assert feed_whole(data) == (body, tail, True)
    assert feed_parts(bytes_of(data)) == (body, tail, True)
    for position in range(1, len(data)):
        assert feed_parts([data[:position], data[position:]]) == (body, tail, True)


@pytest.mark.parametrize(("encoded", "body"), GOOD)
def test_body_is_complete_with_its_last_byte_only(encoded: bytes, body: bytes) -> None:
    """No beginning of a body is taken for a body, whatever it already contains."""
    decoder = ChunkedBody()
    for byte in bytes_of(encoded):
        assert not decoder.complete
        decoder.feed(byte)
    assert decoder.complete


def test_nothing_is_read_after_the_end() -> None:
    """A complete decoder hands back what it is given."""
    decoder = ChunkedBody()
    decoder.feed(b"0\r\n\r\n")

    assert decoder.feed(b"5\r\nhello\r\n") == ([], b"5\r\nhello\r\n")


def test_data_is_not_held_back() -> None:
    """Bytes of a chunk come out as they arrive, not when the chunk is whole."""
    decoder = ChunkedBody()

    assert decoder.feed(b"ffffffff\r\nabc") == ([b"abc"], b"")
    assert decoder.feed(b"def") == ([b"def"], b"")


def bad(encoded: bytes, trailer_limit: int = 8190) -> int:
    """The status that refuses a body, the same whole and byte by byte; a tail never makes it complete."""
    statuses = set()
    for parts in ([encoded], bytes_of(encoded), [encoded + b"0\r\n\r\nGET / HTTP/1.1\r\n\r\n"]):
        with pytest.raises(HttpError) as caught:
            feed_parts(parts, trailer_limit)
        statuses.add(caught.value.status)
    (status,) = statuses
    return status


@pytest.mark.parametrize(
    "size",
    [b"0_2e", b"1_0", b"0x5",
     b"+5", b"-5", b" 5", b"5 ", b"\t5", b"5\t", b"", b"g", b"5g", b"\x0b5", b"5\x85", b"\xa05",
     b"\xb2", b"5.0", b"0" * 17, b"1" + b"0" * 16, b"f" * 25, b"5,5", b'"5"', b"5\0"],
)  # fmt: skip
def test_wrong_size_is_refused(size: bytes) -> None:
    """A size is 1 to 16 hexadecimal digits and nothing else."""
    assert bad(size + b"\r\nhello\r\n0\r\n\r\n") == 400


@pytest.mark.parametrize(
    "ending",
    [b"XX", b"\n", b"\n\n", b"\r\r", b"\rX", b"\r0", b"X\r\n", b"\n\r", b"0\r\n\r\n", b" \r\n"],
    ids=repr,
)
def test_data_without_crlf_is_refused(ending: bytes) -> None:
    """Chunk data is followed by exactly CRLF."""
    assert bad(b"5\r\nhello" + ending + b"0\r\n\r\n") == 400


@pytest.mark.parametrize(
    "line",
    [
        pytest.param(b"5;a\rb\r\n", id="bare-cr"),
        pytest.param(b"5;a\r\r\n", id="cr-cr-lf"),
        pytest.param(b"5;a\n", id="bare-lf"),
        pytest.param(b"5\n", id="bare-lf-without-extension"),
        pytest.param(b"5\r5\r\n", id="bare-cr-without-extension"),
        pytest.param(b"\n5\r\n", id="lf-first"),
        pytest.param(b"5;a\0b\r\n", id="nul"),
        pytest.param(b"5;\x01\r\n", id="control"),
        pytest.param(b"5;\x7f\r\n", id="delete"),
        pytest.param(b"5 ;a\r\n", id="space-before-semicolon"),
        pytest.param(b"5:a\r\n", id="colon"),
        pytest.param(b"5;" + b"a" * 5000 + b"\r\n", id="too-long"),
    ],
)
def test_wrong_extension_is_refused(line: bytes) -> None:
    """An extension is visible characters after a semicolon; the line ends in CRLF and is bounded."""
    assert bad(line + b"hello\r\n0\r\n\r\n") == 400


def test_endless_extension_is_refused_at_once() -> None:
    """A megabyte of extension is not waited for."""
    with pytest.raises(HttpError) as caught:
        ChunkedBody().feed(b"5;" + b"a" * 1_000_000)

    assert caught.value.status == 400


@pytest.mark.parametrize(
    "trailer",
    [b"no colon", b": a", b"A : b", b" A: b", b"A: b\r\n c", b"A: b\0", b"A: \x01", b"A: b\rc", b"A: b\n", b"\n",
     b"A\xa0: b"],
    ids=repr,
)  # fmt: skip
def test_malformed_trailer_is_refused(trailer: bytes) -> None:
    """A trailer is checked as a header is, although it is dropped."""
    assert bad(b"0\r\n" + trailer + b"\r\n\r\n") == 400


@pytest.mark.parametrize(("number", "refused"), [(100, False), (101, True)])
def test_trailers_are_bounded_in_number(number: int, refused: bool) -> None:
    """As the fields of a head are, whatever they have in bytes."""
    encoded = b"0\r\n" + b"A: b\r\n" * number + b"\r\n"
    if refused:
        assert bad(encoded) == 431
    else:
        assert feed_whole(encoded) == (b"", b"", True)


@pytest.mark.parametrize(("chunks", "refused"), [(160, False), (170, True)])
def test_extensions_of_all_chunks_are_bounded_together(chunks: int, refused: bool) -> None:
    """Each is short, but nobody reads them, and they count for no limit of a body."""
    encoded = (b"1;" + b"e" * 99 + b"\r\nx\r\n") * chunks + b"0\r\n\r\n"
    if refused:
        assert bad(encoded) == 400
    else:
        assert feed_whole(encoded) == (b"x" * chunks, b"", True)


@pytest.mark.parametrize(
    ("trailers", "status"),
    [
        pytest.param(b"A: " + b"b" * 17 + b"\r\n", 0, id="fits"),
        pytest.param(b"A: " + b"b" * 18 + b"\r\n", 431, id="one-more"),
        pytest.param(b"A: bbbbbb\r\nB: cccccccc\r\n", 0, id="two-fit"),
        pytest.param(b"A: bbbbbbb\r\nB: cccccccc\r\n", 431, id="two-one-more"),
        pytest.param(b"A: b\r\n" * 9, 431, id="many"),
        pytest.param(b"A: " + b"b" * 999, 431, id="endless"),
    ],
)
def test_trailers_are_bounded_to_the_byte(trailers: bytes, status: int) -> None:
    """Trailers beyond the limit are 431, however they arrive."""
    encoded = b"0\r\n" + trailers + b"\r\n"
    if status:
        assert bad(encoded, trailer_limit=20) == status
    else:
        assert feed_whole(encoded, 20) == feed_parts(bytes_of(encoded), 20) == (b"", b"", True)


def encode(chunks: list[bytes]) -> bytes:
    """Encode chunks, which are not empty, as a sender does."""
    return b"".join(b"%x\r\n%b\r\n" % (len(chunk), chunk) for chunk in chunks) + b"0\r\n\r\n"


@given(st.lists(st.binary(min_size=1, max_size=40), max_size=8), st.binary(max_size=20), st.lists(st.integers(1, 30)))
def test_round_trip(chunks: list[bytes], tail: bytes, sizes: list[int]) -> None:
    """Whatever is encoded comes out, in whatever parts it arrives, and so does what follows."""
    data = encode(chunks) + tail
    parts = []
    position = 0
    for size in [*sizes, len(data)]:
        parts.append(data[position : position + size])
        position += size

    assert feed_parts([part for part in parts if part]) == (b"".join(chunks), tail, True)


@given(st.binary(max_size=60), st.integers(0, 60))
def test_any_bytes_are_the_same_in_parts(data: bytes, position: int) -> None:
    """Whole or in two parts: the same body, the same rest or the same status."""

    def outcome(parts: list[bytes]) -> tuple[bytes, bytes, bool] | int:
        try:
            return feed_parts(parts)
        except HttpError as error:
            return error.status

    assert outcome([data]) == outcome([data[:position], data[position:]])
