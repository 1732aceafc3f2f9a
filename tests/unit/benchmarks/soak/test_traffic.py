"""What the reliability suite asks and how it judges answers."""

import hashlib

import pytest
from benchmarks.soak.traffic import KINDS, Answer, BrokenAnswerError, Request, expected_text

KIND = {kind.name: kind for kind in KINDS}


def answered(data: bytes, *, bytewise: bool = False) -> Answer:
    """Return the answer that these bytes are."""
    answer = Answer()
    for piece in (data[at : at + 1] for at in range(len(data))) if bytewise else (data,):
        answer.feed(piece)
    return answer


@pytest.mark.parametrize("bytewise", [False, True])
@pytest.mark.parametrize(
    "framing",
    [
        b"Content-Length: 500\r\n\r\n%b",
        b"Transfer-Encoding: chunked\r\n\r\n1f4\r\n%b\r\n0\r\n\r\n",
    ],
)
def test_answer_is_read_in_either_framing_however_it_arrives(framing: bytes, *, bytewise: bool) -> None:
    """By length and in chunks, at once and byte by byte."""
    answer = answered(b"HTTP/1.1 200 OK\r\n" + framing % expected_text(7, 500), bytewise=bytewise)
    assert answer.complete
    assert Request(7, KIND["get"], 0.0).judge(answer) == ("ok", "")


def test_answer_to_another_request_is_wrong() -> None:
    """Its text has the other's number."""
    answer = answered(b"HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n" + expected_text(8, 500))
    assert Request(7, KIND["get"], 0.0).judge(answer)[0] == "wrong"


def test_answer_of_an_application_that_read_another_body_is_wrong() -> None:
    """The digest tells."""
    request = Request(7, KIND["post"], 0.0)
    digest = hashlib.sha256(b"another").hexdigest().encode()
    head = b"HTTP/1.1 200 OK\r\nContent-Length: 500\r\nX-Digest: " + digest + b"\r\n\r\n"
    assert request.judge(answered(head + expected_text(7, 500)))[0] == "wrong"


def test_bytes_after_the_end_are_kept() -> None:
    """They are an answer that nobody has asked for."""
    assert answered(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\nHTTP/1.1").rest == b"HTTP/1.1"


@pytest.mark.parametrize(
    "data",
    [
        b"SSH-2.0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    ],
)
def test_what_is_no_answer_is_refused(data: bytes) -> None:
    """Neither counted as right nor waited for."""
    with pytest.raises(BrokenAnswerError):
        answered(data)
