"""frames: the codec holds for any frames in any pieces; a hostile far side can do no more than end its channel."""

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pydaemonwsgi.channel.frames import (
    BODY_IS_DESCRIPTOR,
    HEADER,
    MAXIMUM_DATA,
    MAXIMUM_PAYLOAD,
    RULES,
    Frame,
    FrameDecoder,
    Kind,
    Side,
    decode_file,
    decode_request,
    decode_response,
    encode,
    encode_file,
    encode_request,
    encode_response,
    split_data,
)
from pydaemonwsgi.errors import ChannelError

STREAMS = st.integers(0, 2**64 - 1)
FIXED = RULES[Kind.REQUEST].shortest  # what every REQUEST has before its variable parts
KINDS = {side: sorted(kind for kind, rule in RULES.items() if rule.sender is side) for side in Side}
SIDES = st.sampled_from(Side)


@st.composite
def frames(draw: st.DrawFn, side: Side) -> Frame:
    """One frame that the table allows `side` to send; payloads are short so that many fit."""
    kind = draw(st.sampled_from(KINDS[side]))
    rule = RULES[kind]
    payload = draw(st.binary(min_size=rule.shortest, max_size=min(rule.longest, rule.shortest + 40)))
    return Frame(int(kind), draw(st.integers(0, 255)), draw(st.integers(0, rule.descriptors)), draw(STREAMS), payload)


@st.composite
def conversations(draw: st.DrawFn) -> tuple[Side, list[Frame]]:
    """A side and what it says."""
    side = draw(SIDES)
    return side, draw(st.lists(frames(side), max_size=8))


def to_bytes(said: Sequence[Frame]) -> bytes:
    """The frames as they travel."""
    return b"".join(
        encode(frame.kind, frame.stream, bytes(frame.payload), flags=frame.flags, descriptors=frame.descriptors)
        for frame in said
    )


def pieces(data: bytes, cuts: Sequence[int]) -> list[bytes]:
    """`data` cut at each of `cuts`."""
    places = sorted({cut % (len(data) + 1) for cut in cuts})
    return [data[start:end] for start, end in zip([0, *places], [*places, len(data)], strict=True)]


def feed(decoder: FrameDecoder, parts: Sequence[bytes]) -> list[Frame]:
    """All frames that come of the parts."""
    return [frame for part in parts for frame in decoder.feed(part)]


# -- what is true of every conversation


@given(conversations(), st.lists(st.integers(0, 2**16), max_size=12))
def test_frames_survive_any_split(conversation: tuple[Side, list[Frame]], cuts: list[int]) -> None:
    """Whatever the pieces in which they arrive, the decoded frames are the encoded ones, in order."""
    side, said = conversation
    decoder = FrameDecoder(side)

    heard = feed(decoder, pieces(to_bytes(said), cuts))

    assert heard == said
    assert not decoder.incomplete


@given(SIDES.flatmap(lambda side: st.tuples(st.just(side), st.lists(frames(side), max_size=8))), st.integers(0, 400))
def test_a_view_gives_the_frames_that_its_bytes_give(conversation: tuple[Side, list[Frame]], cut: int) -> None:
    """What is decoded without being copied is the same, also where a frame comes in two parts."""
    side, said = conversation
    data = to_bytes(said)
    decoder = FrameDecoder(side)
    heard = [frame for part in (data[:cut], data[cut:]) for frame in decoder.feed(memoryview(part))]
    assert [frame._replace(payload=bytes(frame.payload)) for frame in heard] == said
    assert not decoder.incomplete


def test_what_waits_for_its_end_is_no_view() -> None:
    """The memory that a part of a frame came in may be used for something else before the rest comes."""
    frame = encode_response(7, b"200 OK", b"x" * 5000)
    sent = b"".join(frame)
    memory = bytearray(sent[:3000])
    decoder = FrameDecoder(Side.DAEMON)
    assert decoder.feed(memoryview(memory)) == []
    memory[:] = bytes(3000)
    [heard] = decoder.feed(sent[3000:])
    assert decode_response(heard.payload) == (b"200 OK", b"x" * 5000)


@given(conversations())
def test_frames_survive_byte_by_byte(conversation: tuple[Side, list[Frame]]) -> None:
    """One byte at a time gives the same frames as all at once."""
    side, said = conversation
    data = to_bytes(said)

    assert feed(FrameDecoder(side), [data[at : at + 1] for at in range(len(data))]) == said


@given(conversations(), st.data())
def test_a_cut_conversation_is_incomplete_unless_cut_between_frames(
    conversation: tuple[Side, list[Frame]], data: st.DataObject
) -> None:
    """At end of file `incomplete` says exactly whether a frame was cut, and every whole frame was given."""
    side, said = conversation
    whole = to_bytes(said)
    end = data.draw(st.integers(0, len(whole)))
    boundaries = [len(to_bytes(said[:count])) for count in range(len(said) + 1)]
    decoder = FrameDecoder(side)

    heard = decoder.feed(whole[:end])

    assert heard == said[: sum(boundary <= end for boundary in boundaries) - 1]
    assert decoder.incomplete == (end not in boundaries)


# -- what is true of every nonsense


def check_garbage(side: Side, parts: Sequence[bytes]) -> None:
    """Feed until the parts or the decoder's patience end; all that comes obeys the table."""
    decoder = FrameDecoder(side)
    try:
        for part in parts:
            for frame in decoder.feed(part):
                rule = RULES[frame.kind]
                assert rule.sender is side
                assert rule.shortest <= len(frame.payload) <= rule.longest
                assert frame.descriptors <= rule.descriptors
    except ChannelError:
        pass


@given(SIDES, st.lists(st.binary(max_size=200), max_size=5))
def test_garbage_gives_frames_of_the_table_or_a_channel_error(side: Side, parts: list[bytes]) -> None:
    """Random bytes never raise anything but ChannelError and never give a frame outside the table."""
    check_garbage(side, parts)


@given(conversations(), st.data())
def test_mutated_frames_give_frames_of_the_table_or_a_channel_error(
    conversation: tuple[Side, list[Frame]], data: st.DataObject
) -> None:
    """A valid conversation with bytes changed, removed or put in does no other harm either."""
    side, said = conversation
    mutated = bytearray(to_bytes(said))
    for _ in range(data.draw(st.integers(1, 4))):
        start = data.draw(st.integers(0, len(mutated)))
        end = min(len(mutated), start + data.draw(st.integers(0, 4)))
        mutated[start:end] = data.draw(st.binary(max_size=4))
    cuts = data.draw(st.lists(st.integers(0, 2**16), max_size=4))

    check_garbage(side, pieces(bytes(mutated), cuts))


@given(SIDES, st.integers(0, 2**32 - 1), st.integers(0, 255), st.integers(0, 255), st.integers(0, 2**16 - 1), STREAMS)
def test_a_header_is_judged_before_its_payload_is_waited_for(
    side: Side, length: int, kind: int, flags: int, descriptors: int, stream: int
) -> None:
    """A bare header either is refused at once or announces a payload within the bounds of its kind."""
    decoder = FrameDecoder(side)
    rule = RULES.get(kind)
    allowed = (
        rule is not None
        and rule.sender is side
        and rule.shortest <= length <= rule.longest
        and descriptors <= rule.descriptors
    )
    header = HEADER.pack(length, kind, flags, descriptors, stream)

    if not allowed:
        with pytest.raises(ChannelError):
            decoder.feed(header)
    else:
        assert decoder.feed(header) == ([] if length else [Frame(kind, flags, descriptors, stream, b"")])
        assert decoder.incomplete == bool(length)


@given(conversations(), st.integers(0, 2**16))
def test_an_unfinished_frame_is_all_that_is_kept(conversation: tuple[Side, list[Frame]], cut: int) -> None:
    """A decoder that has given its frames holds nothing of them: the next ones are not affected."""
    side, said = conversation
    data = to_bytes(said)
    decoder = FrameDecoder(side)
    for _ in range(3):
        assert feed(decoder, pieces(data, [cut])) == said
        assert not decoder.incomplete


# -- the table


@pytest.mark.parametrize("kind", list(Kind), ids=lambda kind: kind.name)
def test_every_kind_has_a_rule(kind: Kind) -> None:
    """The table answers for every kind, and no bound lets a far side make us buffer without end."""
    rule = RULES[kind]

    assert 0 <= rule.shortest <= rule.longest <= MAXIMUM_PAYLOAD


@pytest.mark.parametrize("kind", list(Kind), ids=lambda kind: kind.name)
def test_a_kind_may_be_sent_by_one_side_only(kind: Kind) -> None:
    """The far side's own kinds sent back to it end the channel."""
    rule = RULES[kind]
    frame = encode(kind, 7, bytes(rule.shortest))
    other = next(side for side in Side if side is not rule.sender)

    assert len(FrameDecoder(rule.sender).feed(frame)) == 1
    with pytest.raises(ChannelError, match="unknown kind"):
        FrameDecoder(other).feed(frame)


@pytest.mark.parametrize("kind", list(Kind), ids=lambda kind: kind.name)
def test_length_bounds_of_a_kind(kind: Kind) -> None:
    """The shortest and the longest payload pass; a byte less and a byte more are refused by their header alone."""
    rule = RULES[kind]
    for length in {rule.shortest, rule.longest}:
        (frame,) = FrameDecoder(rule.sender).feed(encode(kind, 1, bytes(length)))
        assert len(frame.payload) == length
    for length in {rule.shortest - 1, rule.longest + 1} - {-1}:
        with pytest.raises(ChannelError, match=f"{kind.name} frame of {length} bytes"):
            FrameDecoder(rule.sender).feed(HEADER.pack(length, kind, 0, 0, 1))


@pytest.mark.parametrize("kind", list(Kind), ids=lambda kind: kind.name)
def test_descriptor_bounds_of_a_kind(kind: Kind) -> None:
    """One descriptor more than the table allows is refused."""
    rule = RULES[kind]
    with pytest.raises(ChannelError, match=f"{kind.name} frame with {rule.descriptors + 1} descriptors"):
        FrameDecoder(rule.sender).feed(HEADER.pack(rule.shortest, kind, 0, rule.descriptors + 1, 1))


def test_largest_payload_in_small_pieces() -> None:
    """A REQUEST of the largest size decodes from receive-sized pieces."""
    payload = bytes(FIXED) + b"\xab" * (MAXIMUM_PAYLOAD - FIXED)
    data = encode(Kind.REQUEST, 3, payload)

    (frame,) = feed(FrameDecoder(Side.FRONT), [data[start : start + 65536] for start in range(0, len(data), 65536)])

    assert frame.payload == payload


# -- REQUEST


@given(
    STREAMS,
    st.floats(allow_nan=False),
    st.floats(allow_nan=False),
    STREAMS,
    st.lists(st.binary(max_size=100), min_size=3, max_size=3),
)
def test_a_request_with_its_body_round_trips(
    stream: int, request_start: float, queue_start: float, request_id: int, parts: list[bytes]
) -> None:
    """Times, id, both parts of the environ and the body come out as they went in."""
    connection, head, body = parts
    data = encode_request(stream, request_start, queue_start, request_id, connection, head, body)

    (frame,) = FrameDecoder(Side.FRONT).feed(data)
    assert (frame.kind, frame.flags, frame.descriptors, frame.stream) == (Kind.REQUEST, 0, 0, stream)
    assert decode_request(frame.payload)._asdict() == {
        "request_start": request_start,
        "queue_start": queue_start,
        "request_id": request_id,
        "body_length": len(body),
        "connection": connection,
        "head": head,
        "body": body,
    }


@given(STREAMS, STREAMS, st.binary(max_size=100), st.binary(max_size=100))
def test_a_request_with_a_descriptor_round_trips(stream: int, length: int, connection: bytes, head: bytes) -> None:
    """The length of a body that travels as a descriptor is kept, and the frame says that one comes with it."""
    (frame,) = FrameDecoder(Side.FRONT).feed(encode_request(stream, 1.0, 2.0, 3, connection, head, body_length=length))

    assert (frame.flags, frame.descriptors, frame.stream) == (BODY_IS_DESCRIPTOR, 1, stream)
    request = decode_request(frame.payload)
    assert (request.body_length, request.connection, request.head, request.body) == (length, connection, head, b"")


@given(st.binary(min_size=FIXED, max_size=FIXED + 200))
def test_a_request_of_garbage_decodes_or_is_refused(payload: bytes) -> None:
    """Any payload that the table lets pass gives parts of itself or a ChannelError."""
    try:
        request = decode_request(payload)
    except ChannelError:
        return
    assert request.connection + request.head + request.body == payload[FIXED:]


@given(st.binary(max_size=20), st.binary(min_size=1, max_size=20))
def test_a_request_with_too_long_an_environ_is_refused(connection: bytes, head: bytes) -> None:
    """A length inside that does not fit the payload ends the channel."""
    payload = encode_request(1, 1.0, 2.0, 3, connection, head)[HEADER.size :]
    with pytest.raises(ChannelError, match="environ is longer"):
        decode_request(payload[:-1])


@pytest.mark.parametrize("length", [2047, 2048, 100_000, 3_000_000])
def test_a_long_request_body_round_trips(length: int) -> None:
    """Payloads of every length, taken by view or by copy, are the bytes that were sent, and bytes when decoded."""
    body = (bytes(range(251)) * (length // 251 + 1))[:length]
    data = encode_request(1, 1.0, 2.0, 3, b"A\0b", b"C\0d", body)
    frames_of = FrameDecoder(Side.FRONT).feed(data + data)

    for frame in frames_of:
        request = decode_request(frame.payload)
        assert (type(request.body), type(request.head), type(request.connection)) == (bytes, bytes, bytes)
        assert (request.body, request.head, request.connection) == (body, b"C\0d", b"A\0b")


# -- RESPONSE, DATA, FILE


@given(
    STREAMS,
    st.binary(max_size=300),
    st.integers(0, 5000).map(lambda length: bytes(range(256)) * (length // 256) + bytes(length % 256)),
    st.integers(0, 255),
)
def test_a_response_round_trips(stream: int, head: bytes, body: bytes, flags: int) -> None:
    """Head, body and flags come out as they went in."""
    (frame,) = FrameDecoder(Side.DAEMON).feed(b"".join(encode_response(stream, head, body, flags=flags)))

    assert (frame.kind, frame.flags, frame.stream) == (Kind.RESPONSE, flags, stream)
    assert decode_response(frame.payload) == (head, body)


@given(st.binary(min_size=4, max_size=200))
def test_a_response_of_garbage_decodes_or_is_refused(payload: bytes) -> None:
    """Any payload that the table lets pass gives parts of itself or a ChannelError."""
    try:
        head, body = decode_response(payload)
    except ChannelError:
        return
    assert bytes(head) + bytes(body) == payload[4:]


def test_a_response_with_too_long_a_head_is_refused() -> None:
    """A length inside that does not fit the payload ends the channel."""
    with pytest.raises(ChannelError, match="head is longer"):
        decode_response(b"\x06\0\0\0short")


@given(STREAMS, STREAMS, STREAMS)
def test_a_file_round_trips(stream: int, offset: int, count: int) -> None:
    """Offset and count come out as they went in, and the frame says that a descriptor comes with it."""
    (frame,) = FrameDecoder(Side.DAEMON).feed(encode_file(stream, offset, count))

    assert (frame.kind, frame.descriptors, frame.stream) == (Kind.FILE, 1, stream)
    assert decode_file(frame.payload) == (offset, count)


@pytest.mark.parametrize(
    ("length", "expected"),
    [
        (1, [1]),
        (MAXIMUM_DATA - 1, [MAXIMUM_DATA - 1]),
        (MAXIMUM_DATA, [MAXIMUM_DATA]),
        (MAXIMUM_DATA + 1, [MAXIMUM_DATA, 1]),
        (3 * MAXIMUM_DATA, [MAXIMUM_DATA] * 3),
    ],
    ids=["one byte", "one less", "exactly one frame", "one more", "three frames"],
)
def test_data_is_split_at_the_bound(length: int, expected: list[int]) -> None:
    """A long piece of body becomes frames that the table allows, and nothing of it is lost."""
    data = (b"0123456789abcdef" * (length // 16 + 1))[:length]

    heard = FrameDecoder(Side.DAEMON).feed(b"".join(split_data(9, data)))

    assert [len(frame.payload) for frame in heard] == expected
    assert b"".join(frame.payload for frame in heard) == data
    assert {(frame.kind, frame.stream) for frame in heard} == {(Kind.DATA, 9)}
