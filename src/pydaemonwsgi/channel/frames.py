"""The frames on a channel between the front and one daemon process. Sans-I/O.

A frame is a fixed header and a payload. All integers are little-endian.

    length       u32   bytes of payload
    kind         u8    one of `Kind`
    flags        u8    meaning depends on the kind
    descriptors  u16   how many descriptors travel with this frame (SCM_RIGHTS)
    stream       u64   the request that this frame belongs to

Both ends know the same table (`RULES`): who may send a kind, how long it may be, how many descriptors it may
carry. A frame that is not in the table ends the channel (`ChannelError`), never the process that read it.

Descriptors are sent with the first byte of their frame, so they arrive before the frame is complete and in the
order of the frames; the reader keeps them in a queue and takes `descriptors` of them for each frame.
"""

import struct
from enum import Enum, IntEnum
from typing import Final, NamedTuple

from pydaemonwsgi.errors import ChannelError

__all__ = [
    "BODY_IS_DESCRIPTOR",
    "ERROR_PAGE",
    "HEADER",
    "MAXIMUM_DATA",
    "MAXIMUM_PAYLOAD",
    "RAN_INLINE",
    "TIMED_OUT",
    "Frame",
    "FrameDecoder",
    "Kind",
    "Payload",
    "RejectReason",
    "RequestPayload",
    "Side",
    "decode_file",
    "decode_request",
    "decode_response",
    "encode",
    "encode_file",
    "encode_request",
    "encode_response",
    "split_data",
]

HEADER: Final = struct.Struct("<IBBHQ")

# One REQUEST holds at most a head of 64 KiB (grown by key names) and a body kept in memory. The bound keeps a
# confused or hostile far side from making us buffer without end.
MAXIMUM_PAYLOAD: Final = 4 * 1024 * 1024
# Larger pieces of a body are cut into frames of this size, so that one stream never holds the channel for long.
MAXIMUM_DATA: Final = 256 * 1024

# Payloads from this length on are not copied.
_LONG: Final = 2048
# Flag of REQUEST: the body is in a file whose descriptor travels with the frame.
BODY_IS_DESCRIPTOR: Final = 1
# Flag of RESPONSE and END: the leader ran this request itself, so requests are short here at the moment.
RAN_INLINE: Final = 1
# Flag of RESPONSE: no application has given this answer. It is an error page of the daemon process, in whose place the
# front shows what the configuration has for the error.
ERROR_PAGE: Final = 2
# Flag of ABORT: the request is given up because it has been running for longer than request-timeout allows.
TIMED_OUT: Final = 1


# Half the price of calling the named tuple's class; this is the hot path.
_new_tuple: Final = tuple.__new__


class Kind(IntEnum):
    """What a frame says."""

    # front -> daemon process
    REQUEST = 1  # run this; payload: `RequestPayload`
    CANCEL = 2  # the client has gone; run it not, or stop sending
    CREDIT = 3  # so many bytes of DATA have been taken: u64
    # daemon process -> front
    RESPONSE = 16  # a complete answer: head and body
    HEAD = 17  # the head of an answer whose body follows
    DATA = 18  # a piece of the body
    FILE = 19  # a piece of the body: a range of the file whose descriptor travels with the frame
    END = 20  # the body is complete
    ABORT = 21  # the body will never be complete; payload: why, for the log
    REJECT = 22  # not started here; flags: `RejectReason`


class RejectReason(IntEnum):
    """Why a daemon process hands a request back without having started it."""

    RELOAD = 1  # the script has changed: only a newer process may answer
    BUSY = 2  # no thread is free: any other process may answer
    LEAVING = 3  # this process is going away


class Side(Enum):
    """Which end of the channel sends a frame."""

    FRONT = "front"
    DAEMON = "daemon process"


Payload = bytes | memoryview


class Frame(NamedTuple):
    """One frame as it was received; a long payload is a view of what was received with it, not a copy."""

    kind: int
    flags: int
    descriptors: int
    stream: int
    payload: Payload


class _Rule(NamedTuple):
    sender: Side
    shortest: int
    longest: int
    descriptors: int  # at most


RULES: Final[dict[int, _Rule]] = {
    Kind.REQUEST: _Rule(Side.FRONT, 40, MAXIMUM_PAYLOAD, 1),
    Kind.CANCEL: _Rule(Side.FRONT, 0, 0, 0),
    Kind.CREDIT: _Rule(Side.FRONT, 8, 8, 0),
    Kind.RESPONSE: _Rule(Side.DAEMON, 4, MAXIMUM_PAYLOAD, 0),
    Kind.HEAD: _Rule(Side.DAEMON, 1, MAXIMUM_PAYLOAD, 0),
    Kind.DATA: _Rule(Side.DAEMON, 1, MAXIMUM_DATA, 0),
    Kind.FILE: _Rule(Side.DAEMON, 16, 16, 1),
    Kind.END: _Rule(Side.DAEMON, 0, 0, 0),
    Kind.ABORT: _Rule(Side.DAEMON, 0, 4096, 0),
    Kind.REJECT: _Rule(Side.DAEMON, 0, 0, 0),
}


def encode(kind: int, stream: int, payload: bytes = b"", *, flags: int = 0, descriptors: int = 0) -> bytes:
    """Return one frame as bytes."""
    return HEADER.pack(len(payload), kind, flags, descriptors, stream) + payload


class FrameDecoder:
    """Turns received bytes into frames, checking each against the table.

    Args:
        sender: the side whose frames are being read.
    """

    __slots__ = ("_pending", "_rules")

    def __init__(self, sender: Side) -> None:
        self._rules = {int(kind): rule for kind, rule in RULES.items() if rule.sender is sender}
        self._pending = b""

    def feed(self, data: Payload) -> list[Frame]:
        """Return the frames that `data` completes, in order.

        Args:
            data: what was received; where it is a view, so are long payloads, and it must not change while they are
                needed.

        Raises:
            ChannelError: the bytes are not frames of the expected side; the decoder must not be used again.
        """
        if self._pending:
            data = self._pending + data
        frames = []
        position = 0
        end = len(data)
        is_view = type(data) is memoryview
        unpack_header = HEADER.unpack_from
        rules = self._rules
        while end - position >= 16:
            length, kind, flags, descriptors, stream = unpack_header(data, position)
            rule = rules.get(kind)
            if rule is None:
                raise ChannelError(f"frame of unknown kind {kind}")
            if not rule.shortest <= length <= rule.longest:
                raise ChannelError(f"{Kind(kind).name} frame of {length} bytes")
            if descriptors > rule.descriptors:
                raise ChannelError(f"{Kind(kind).name} frame with {descriptors} descriptors")
            after = position + 16 + length
            if after > end:
                break
            if is_view:
                payload = data[position + 16 : after]
                if length < _LONG:
                    payload = bytes(payload)
            else:
                payload = (data if length < _LONG else memoryview(data))[position + 16 : after]
            frames.append(_new_tuple(Frame, (kind, flags, descriptors, stream, payload)))
            position = after
        self._pending = bytes(data[position:]) if position < end else b""
        return frames

    @property
    def incomplete(self) -> bool:
        """Whether a part of a frame is waiting for the rest; at end of file that means a frame was cut."""
        return bool(self._pending)


# -- REQUEST

_REQUEST: Final = struct.Struct("<ddQQII")
_REQUEST_FRAME: Final = struct.Struct("<IBBHQddQQII")


class RequestPayload(NamedTuple):
    """What a REQUEST frame carries.

    The CGI variables travel in two parts, because each repeats on its own: the first for a connection's life, the
    second whenever a client sends the same head again.

    Attributes:
        request_start: when the front had read the request's head, seconds since the epoch.
        queue_start: when the front began to look for a daemon process, seconds since the epoch.
        request_id: unique within the server; written as 16 hexadecimal digits.
        body_length: bytes of request body, inline or in the descriptor's file.
        connection: CGI variables of the connection, as `KEY\\0VALUE\\0…` in latin-1.
        head: CGI variables of the head, likewise; they win over the connection's.
        body: the body where it travels inline.
    """

    request_start: float
    queue_start: float
    request_id: int
    body_length: int
    connection: bytes
    head: bytes
    body: bytes


def encode_request(
    stream: int,
    request_start: float,
    queue_start: float,
    request_id: int,
    connection: bytes,
    head: bytes,
    body: bytes = b"",
    body_length: int | None = None,
) -> bytes:
    """Return a REQUEST frame; `body_length` is given when the body travels as a descriptor instead of inline."""
    connection_length = len(connection)
    head_length = len(head)
    length = 40 + connection_length + head_length
    if body_length is None:
        size = len(body)
        # fmt: off
        fixed = _REQUEST_FRAME.pack(
            length + size, 1, 0, 0, stream, request_start, queue_start, request_id, size, connection_length, head_length
        )
        # fmt: on
        return fixed + connection + head + body if size else fixed + connection + head
    fixed = _REQUEST_FRAME.pack(
        *(length, Kind.REQUEST, BODY_IS_DESCRIPTOR, 1, stream),
        *(request_start, queue_start, request_id, body_length, connection_length, head_length),
    )
    return fixed + connection + head


def decode_request(payload: Payload) -> RequestPayload:
    """Return the parts of a REQUEST payload.

    Raises:
        ChannelError: the lengths inside do not agree with the payload's.
    """
    request_start, queue_start, request_id, body_length, connection_length, head_length = _REQUEST.unpack_from(payload)
    head_at = 40 + connection_length
    end = head_at + head_length
    if end > len(payload):
        raise ChannelError("REQUEST frame whose environ is longer than the frame")
    if end < len(payload) and body_length != len(payload) - end:
        raise ChannelError("REQUEST frame whose body is not as long as it says")
    connection, head, body = payload[40:head_at], payload[head_at:end], payload[end:]
    if type(payload) is not bytes:
        connection, head, body = bytes(connection), bytes(head), bytes(body)
    fields = (request_start, queue_start, request_id, body_length, connection, head, body)
    return _new_tuple(RequestPayload, fields)


# -- RESPONSE and HEAD ----------------------------------------------------------------------------------------

_RESPONSE_FRAME: Final = struct.Struct("<IBBHQI")
_head_length: Final = struct.Struct("<I").unpack_from


def encode_response(stream: int, head: bytes, body: bytes, *, flags: int = 0) -> tuple[bytes, bytes]:
    """Return a RESPONSE frame as two pieces, so that the body need not be copied to be sent.

    Args:
        stream: of the request.
        head: `STATUS REASON\\0NAME\\0VALUE\\0…` in latin-1.
        body: the whole body.
        flags: of the frame.
    """
    length = len(head)
    return _RESPONSE_FRAME.pack(4 + length + len(body), 16, flags, 0, stream, length) + head, body


def decode_response(payload: Payload) -> tuple[bytes, Payload]:
    """Return head and body of a RESPONSE payload; the body is not copied.

    Raises:
        ChannelError: the head is longer than the payload.
    """
    end = 4 + _head_length(payload)[0]
    if end > len(payload):
        raise ChannelError("RESPONSE frame whose head is longer than the frame")
    head = payload[4:end]
    return head if type(head) is bytes else bytes(head), payload[end:]


# -- FILE -----------------------------------------------------------------------------------------------------

_RANGE: Final = struct.Struct("<QQ")


def encode_file(stream: int, offset: int, count: int) -> bytes:
    """Return a FILE frame for `count` bytes from `offset` of the file whose descriptor is sent with it."""
    return HEADER.pack(16, Kind.FILE, 0, 1, stream) + _RANGE.pack(offset, count)


def decode_file(payload: Payload) -> tuple[int, int]:
    """Return offset and count, in bytes, of a FILE payload."""
    offset, count = _RANGE.unpack(payload)
    return offset, count


def split_data(stream: int, data: bytes) -> list[bytes]:
    """Return `data` as DATA frames, none longer than `MAXIMUM_DATA`."""
    if len(data) <= MAXIMUM_DATA:
        return [encode(Kind.DATA, stream, data)]
    view = memoryview(data)
    return [
        encode(Kind.DATA, stream, bytes(view[start : start + MAXIMUM_DATA]))
        for start in range(0, len(data), MAXIMUM_DATA)
    ]
