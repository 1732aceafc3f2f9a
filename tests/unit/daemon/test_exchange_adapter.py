"""exchange and adapter: an application's behaviour, every row of mod_wsgi.md section 5, as the front receives it."""

import io
import logging
import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest

from pydaemonwsgi.channel.frames import ERROR_PAGE, Kind
from pydaemonwsgi.daemon.file_wrapper import FileWrapper
from pydaemonwsgi.daemon.output import current_request
from tests.unit.daemon.far_side import Reply, run

Environ = dict[str, Any]
StartResponse = Callable[..., Callable[[bytes], None]]
Records = list[logging.LogRecord]

HTML = ("Content-Type", "text/html")
BOTH_WAYS = pytest.mark.parametrize("inline", [True, False], ids=["by the leader", "by a follower"])


class Body:
    """An iterable that counts its close() calls."""

    def __init__(self, *pieces: Any) -> None:
        self.pieces = pieces
        self.closed = 0
        self.taken = 0

    def __iter__(self) -> Iterator[Any]:
        """Yield the pieces; an exception among them is raised."""
        for piece in self.pieces:
            if isinstance(piece, BaseException):
                raise piece
            self.taken += 1
            yield piece

    def close(self) -> None:
        """Count."""
        self.closed += 1


def answering(
    result: Any, *headers: tuple[str, str], status: str = "200 OK"
) -> Callable[[Environ, StartResponse], Any]:
    """An application that calls start_response and returns `result`."""

    def application(environ: Environ, start_response: StartResponse) -> Any:
        start_response(status, list(headers))
        return result

    return application


def is_500(reply: Reply) -> bool:
    """Whether the reply is the server's own complete error page."""
    return (
        reply.complete
        and reply.status == "500 Internal Server Error"
        and b"<h1>500 Internal Server Error</h1>" in reply.body
        and reply.header("Content-Length") == str(len(reply.body))
    )


def errors_of(records: Records) -> list[str]:
    """The exceptions that were logged at level error, by name."""
    return [
        record.exc_info[0].__name__
        for record in records
        if record.levelno == logging.ERROR and record.exc_info and record.exc_info[0]
    ]


# -- the shapes of a body


def generator(*pieces: bytes) -> Iterator[bytes]:
    """Pieces one by one."""
    yield from pieces


class Sequence:
    """An iterable by index, with a length, as in the first days of WSGI."""

    def __len__(self) -> int:
        """Say three."""
        return 3

    def __getitem__(self, index: int) -> bytes:
        """Return one of three pieces."""
        if index > 2:
            raise IndexError
        return b"xyz"[index : index + 1]


@BOTH_WAYS
@pytest.mark.parametrize(
    ("result", "body", "length"),
    [
        (lambda: [b"hello"], b"hello", "5"),
        (lambda: [b"hel", b"", b"lo"], b"hello", "5"),
        (lambda: (b"hel", b"lo"), b"hello", "5"),
        (list, b"", "0"),
        (lambda: [b""], b"", "0"),
        (lambda: generator(b"hel", b"lo"), b"hello", None),
        (lambda: generator(b"", b"hello", b"", b""), b"hello", None),
        (generator, b"", "0"),
        (lambda: generator(b"", b""), b"", "0"),
        (lambda: iter([b"hello"]), b"hello", None),
        (lambda: {b"hello": 1}, b"hello", None),
        (Sequence, b"xyz", None),
        (lambda: type("L", (list,), {})([b"hello"]), b"hello", None),
        (lambda: FileWrapper(io.BytesIO(b"hello")), b"hello", None),
        (lambda: io.BytesIO(b"a\nb\n"), b"a\nb\n", None),
        (lambda: type("B", (bytes,), {})(b"hello").splitlines(), b"hello", "5"),
    ],
    ids=[
        "list", "list of pieces", "tuple", "empty list", "list of nothing", "generator", "generator with empty pieces",
        "empty generator", "generator of nothing", "iterator", "dict", "sequence", "list subclass",
        "BytesIO in wrapper", "file", "bytes subclass",
    ],
)  # fmt: skip
def test_bodies(result: Callable[[], Any], body: bytes, length: str | None, inline: bool) -> None:
    """Each iterable of bytes gives its bytes; a length is added where all of the body is there at once."""
    reply = run(answering(result(), HTML), inline=inline)

    assert reply.complete
    assert (reply.status, reply.body) == ("200 OK", body)
    assert reply.headers[0] == HTML
    if length is not None:
        assert reply.header("Content-Length") == length
    elif reply.header("Content-Length") is not None:
        assert reply.header("Content-Length") == str(len(body))


def test_a_small_ready_answer_is_one_frame() -> None:
    """A list answer is one RESPONSE: head, body and end together."""
    assert run(answering([b"hello"])).kinds == [Kind.RESPONSE]


@pytest.mark.parametrize("size", [256 * 1024 - 1, 256 * 1024, 256 * 1024 + 1, 1024 * 1024 + 1, 5 * 1024 * 1024])
@pytest.mark.parametrize("pieces", [1, 7])
def test_large_ready_bodies(size: int, pieces: int) -> None:
    """A ready body of any size arrives byte for byte, with its length."""
    body = (bytes(range(251)) * (size // 251 + 1))[:size]
    step = size // pieces + 1
    reply = run(answering([body[start : start + step] for start in range(0, size, step)]))

    assert reply.complete
    assert reply.header("Content-Length") == str(size)
    assert reply.body == body


@pytest.mark.parametrize("size", [64 * 1024, 256 * 1024, 256 * 1024 + 1, 1000 * 1000])
def test_large_pieces_of_a_generator(size: int) -> None:
    """A single large piece is cut into frames that the protocol allows."""
    reply = run(answering(generator(b"x" * size, b"end")))
    assert reply.complete
    assert reply.body == b"x" * size + b"end"


@BOTH_WAYS
@pytest.mark.parametrize("piece", ["text", 1, None, bytearray(b"x"), memoryview(b"x")], ids=lambda p: type(p).__name__)
@pytest.mark.parametrize("shape", [lambda p: [p], lambda p: [b"", p], lambda p: (p, b"x"), Body],
                         ids=["list", "second in list", "tuple", "iterable"])  # fmt: skip
def test_pieces_must_be_bytes(piece: Any, shape: Callable[[Any], Any], records: Records, inline: bool) -> None:
    """Anything but bytes is a TypeError, logged, and a 500 as nothing has been sent."""
    assert is_500(run(answering(shape(piece), HTML), inline=inline))
    assert errors_of(records) == ["TypeError"]


def test_a_bad_piece_after_good_ones_cuts_the_answer(records: Records) -> None:
    """Once the body has begun, a piece that is no bytes leaves it cut."""
    reply = run(answering(Body(b"good", "bad")))
    assert reply.aborted
    assert reply.body == b"good"
    assert errors_of(records) == ["TypeError"]


@pytest.mark.parametrize("result", [None, 1, object(), "text"], ids=["None", "int", "object", "str"])
def test_what_is_no_iterable_of_bytes_is_a_500(result: Any, records: Records) -> None:
    """A forgotten return, or text for bytes, is a TypeError and a 500."""
    assert is_500(run(answering(result)))
    assert errors_of(records) == ["TypeError"]


# -- start_response


@BOTH_WAYS
def test_heads_are_lazy(inline: bool) -> None:
    """The head goes with the first byte of body: until then, and after empty pieces, it can be replaced."""

    def application(environ: Environ, start_response: StartResponse) -> Iterator[bytes]:
        start_response("200 OK", [("X-First", "1")])
        yield b""
        start_response("404 Not Found", [("X-Second", "2")])
        yield b"gone"

    reply = run(application, inline=inline)
    assert reply.status == "404 Not Found"
    assert reply.headers == [("X-Second", "2")]
    assert reply.body == b"gone"


def test_a_head_without_a_body_is_sent_at_the_end() -> None:
    """A generator that yields nothing still gives its head."""

    def application(environ: Environ, start_response: StartResponse) -> Iterator[bytes]:
        start_response("202 Accepted", [])
        return
        yield b""

    reply = run(application)
    assert (reply.status, reply.body, reply.complete) == ("202 Accepted", b"", True)


def test_start_response_within_the_generator() -> None:
    """It may be called as late as just before the first piece."""

    def application(environ: Environ, start_response: StartResponse) -> Iterator[bytes]:
        start_response("200 OK", [HTML])
        yield b"x"

    assert run(application).body == b"x"


@pytest.mark.parametrize("with_exc_info", [True, False], ids=["with exc_info", "without exc_info"])
def test_a_second_call_before_output_replaces_the_first(with_exc_info: bool) -> None:
    """As under mod_wsgi, the last head wins while nothing is sent, with exc_info or without."""

    def application(environ: Environ, start_response: StartResponse) -> list[bytes]:
        start_response("200 OK", [("X-First", "1"), ("Content-Length", "1000")])
        try:
            raise ValueError
        except ValueError:
            start_response("500 Oops", [("X-Second", "2")], *([sys.exc_info()] if with_exc_info else []))
        return [b"sorry"]

    reply = run(application)
    assert (reply.status, reply.body, reply.complete) == ("500 Oops", b"sorry", True)
    assert reply.headers == [("X-Second", "2"), ("Content-Length", "5")]


def test_a_second_call_after_output_with_exc_info_re_raises(records: Records) -> None:
    """The exception given comes out of start_response again, with its traceback; the answer is cut."""
    seen: list[Any] = []

    def application(environ: Environ, start_response: StartResponse) -> Iterator[bytes]:
        start_response("200 OK", [])
        yield b"begun"
        try:
            fail()
        except LookupError as error:
            try:
                start_response("500 Oops", [], sys.exc_info())
            except LookupError as again:
                seen.append((error is again, again.__traceback__))
                raise

    reply = run(application)
    ((same, traceback),) = seen
    names = []
    while traceback:
        names.append(traceback.tb_frame.f_code.co_name)
        traceback = traceback.tb_next
    assert same
    assert names[-1] == "fail"
    assert reply.aborted
    assert (reply.status, reply.body) == ("200 OK", b"begun")
    assert errors_of(records) == ["LookupError"]


def fail() -> None:
    """Raise."""
    raise LookupError("lost")


def test_a_second_call_after_output_without_exc_info_raises(records: Records) -> None:
    """It is too late for another head: RuntimeError into the application."""

    def application(environ: Environ, start_response: StartResponse) -> Iterator[bytes]:
        start_response("200 OK", [])
        yield b"begun"
        start_response("500 Oops", [])

    reply = run(application)
    assert reply.aborted
    assert reply.body == b"begun"
    assert errors_of(records) == ["RuntimeError"]


@pytest.mark.parametrize("exc_info", [(), (1, 2), "abc", 1, [None, None, None]], ids=repr)
def test_exc_info_must_be_a_triple(exc_info: Any, records: Records) -> None:
    """Anything but None and a tuple of three is a RuntimeError."""

    def application(environ: Environ, start_response: StartResponse) -> list[bytes]:
        start_response("200 OK", [], exc_info)
        return [b"x"]

    assert is_500(run(application))
    assert errors_of(records) == ["RuntimeError"]


@pytest.mark.parametrize(
    "result", [[b"x"], [], (b"x",), Body(b"x"), Body()], ids=["list", "empty list", "tuple", "iterable", "empty one"]
)
def test_start_response_never_called_is_a_500(result: Any, records: Records) -> None:
    """A body without a head, even an empty one, is a RuntimeError and a 500."""
    assert is_500(run(lambda environ, start_response: result))
    assert errors_of(records) == ["RuntimeError"]


@pytest.mark.parametrize(
    ("status", "headers"),
    [("200", [("A", "b\r\nC: d")]), ("2000 OK", []), ("200 OK", [("Connection", "close")]), (b"200 OK", []),
     ("200 OK", ()), ("200 OK", [["A", "b"]]), ("200 OK", {}), ("200 OK", None), ("200 OK", [("A", [])])],
    ids=["injection", "bad status", "hop-by-hop", "bytes", "tuple", "lists", "dict", "None", "unhashable value"],
)  # fmt: skip
def test_a_bad_head_is_raised_into_the_application(status: Any, headers: Any, records: Records) -> None:
    """The application sees the exception at its own call; what it does not catch is a 500, every time again."""
    for _ in range(2):
        assert is_500(run(answering([b"x"], status=status) if headers == [] else bad_head(status, headers)))
    assert len(errors_of(records)) == 2
    assert set(errors_of(records)) <= {"TypeError", "ValueError"}


def bad_head(status: Any, headers: Any) -> Callable[[Environ, StartResponse], list[bytes]]:
    """An application that gives these."""

    def application(environ: Environ, start_response: StartResponse) -> list[bytes]:
        start_response(status, headers)
        return [b"x"]

    return application


def test_a_bad_head_that_is_caught_can_be_corrected() -> None:
    """After the exception the application may give a right head."""

    def application(environ: Environ, start_response: StartResponse) -> list[bytes]:
        with pytest.raises(ValueError, match="NUL"):
            start_response("200 OK", [("A", "\0")])
        start_response("200 OK", [("A", "b")])
        return [b"x"]

    assert run(application).headers == [("A", "b"), ("Content-Length", "1")]


def test_headers_are_taken_when_they_are_given() -> None:
    """What an application does to its list afterwards changes neither this answer nor the next."""

    def application(environ: Environ, start_response: StartResponse) -> list[bytes]:
        headers = [("A", "1")]
        start_response("200 OK", headers)
        headers.append(("Late", "1"))
        return [b"x"]

    for _ in range(3):
        assert run(application).headers == [("A", "1"), ("Content-Length", "1")]


def test_many_different_heads() -> None:
    """Whatever is remembered of heads, each answer has its own."""
    for number in range(40):
        for turn in range(2):
            reply = run(answering([b"x" * turn], ("X-Number", str(number)), status=f"{400 + number} N"))
            assert reply.status == f"{400 + number} N"
            assert reply.headers == [("X-Number", str(number)), ("Content-Length", str(turn))]


def test_use_after_the_request_raises() -> None:
    """start_response and write, kept beyond the request, are RuntimeErrors and send nothing."""
    kept: list[Any] = []

    def application(environ: Environ, start_response: StartResponse) -> list[bytes]:
        kept.extend([start_response, start_response("200 OK", []), environ])
        return [b"x"]

    assert run(application).body == b"x"
    start_response, write, environ = kept
    with pytest.raises(RuntimeError):
        start_response("200 OK", [])
    with pytest.raises(RuntimeError, match="after its response had ended"):
        write(b"late")
    with pytest.raises(RuntimeError, match="after its request had ended"):
        environ["wsgi.errors"].write("late")


# -- write()


@BOTH_WAYS
@pytest.mark.parametrize(
    ("written", "returned", "body"),
    [
        ([b"a", b"b"], [], b"ab"),
        ([b"a", b"", b"b"], [b"c"], b"abc"),
        ([b"a"], Body(b"b", b"c"), b"abc"),
        ([], [b"c"], b"c"),
        ([b""], [b"c"], b"c"),
        ([b"a"], Sequence(), b"axyz"),
        ([b"x" * 300_000], [b"y" * 300_000], b"x" * 300_000 + b"y" * 300_000),
    ],
    ids=["only write", "write then list", "write then iterable", "unused", "nothing", "write then sequence", "large"],
)
def test_write(written: list[bytes], returned: Any, body: bytes, inline: bool) -> None:
    """What is written comes first, what is returned follows."""

    def application(environ: Environ, start_response: StartResponse) -> Any:
        write = start_response("200 OK", [])
        for piece in written:
            write(piece)
        return returned

    reply = run(application, inline=inline)
    assert reply.complete
    assert reply.body == body


def test_write_then_a_file(tmp_path: Path) -> None:
    """A file after what was written is the rest of the body."""
    path = tmp_path / "file"
    path.write_bytes(b"file")

    def application(environ: Environ, start_response: StartResponse) -> Any:
        start_response("200 OK", [])(b"written, ")
        return FileWrapper(path.open("rb"))

    reply = run(application)
    assert reply.complete
    assert reply.body == b"written, file"


def test_write_within_the_iteration() -> None:
    """write() and the iterable may take turns."""

    def application(environ: Environ, start_response: StartResponse) -> Iterator[bytes]:
        write = start_response("200 OK", [])
        write(b"1")
        yield b"2"
        write(b"3")
        yield b"4"

    assert run(application).body == b"1234"


@pytest.mark.parametrize("piece", ["text", None, bytearray(b"x")], ids=["str", "None", "bytearray"])
def test_write_takes_bytes_only(piece: Any, records: Records) -> None:
    """Anything else is a TypeError into the application."""

    def application(environ: Environ, start_response: StartResponse) -> list[bytes]:
        start_response("200 OK", [])(piece)
        return []

    assert is_500(run(application))
    assert errors_of(records) == ["TypeError"]


def test_write_raises_when_the_client_has_gone() -> None:
    """An OSError tells the application; what it does then is its own affair."""
    seen: list[type] = []

    def application(environ: Environ, start_response: StartResponse) -> list[bytes]:
        write = start_response("200 OK", [])
        try:
            write(b"x")
        except OSError as error:
            seen.append(type(error))
            raise
        return []

    reply = run(application, cancelled=True)
    assert len(seen) == 1
    assert reply.ended
    assert not is_500(reply)


def test_a_client_that_has_gone_is_no_error(records: Records) -> None:
    """Neither a generator that is stopped nor a write() that raises leaves an error in the log."""

    def writing(environ: Environ, start_response: StartResponse) -> list[bytes]:
        start_response("200 OK", [])(b"x")
        return []

    run(writing, cancelled=True)
    run(answering(Body(b"a", b"b")), cancelled=True)
    assert [record for record in records if record.levelno >= logging.WARNING] == []


# -- Content-Length


@BOTH_WAYS
@pytest.mark.parametrize("length", [0, 1, 5, 6, 9], ids=lambda length: f"length {length}")
@pytest.mark.parametrize(
    "result",
    [lambda: [b"0123456789"], lambda: [b"01234", b"56789"], lambda: Body(b"01234", b"5", b"6789"), None],
    ids=["list", "list of pieces", "iterable", "write"],
)
def test_too_many_bytes_are_cut_off(result: Callable[[], Any] | None, length: int, inline: bool) -> None:
    """An answer is never longer than its Content-Length; the excess is dropped and the answer complete."""

    def application(environ: Environ, start_response: StartResponse) -> Any:
        write = start_response("200 OK", [("Content-Length", str(length))])
        if result is not None:
            return result()
        write(b"01234")
        write(b"56789")
        return [b"more"]

    reply = run(application, inline=inline)
    assert reply.complete
    assert reply.header("Content-Length") == str(length)
    assert reply.body == b"0123456789"[:length]


@BOTH_WAYS
@pytest.mark.parametrize(
    "result",
    [lambda: [b"0123"], list, lambda: [b"01", b"23"], lambda: Body(b"01", b"23"), Body],
    ids=["list", "empty list", "list of pieces", "iterable", "empty iterable"],
)
def test_too_few_bytes_are_no_end(result: Callable[[], Any], inline: bool) -> None:
    """An answer shorter than its Content-Length is aborted, so that the client's connection is cut."""
    body = result()
    reply = run(answering(body, ("Content-Length", "10")), inline=inline)

    assert reply.aborted
    assert reply.body == b"".join(body)
    assert reply.header("Content-Length") == "10"


def test_exactly_as_many_bytes() -> None:
    """A right Content-Length is passed on once, whatever its spelling."""
    reply = run(answering([b"01234"], ("content-length", "5")))
    assert reply.complete
    assert reply.headers == [("content-length", "5")]


@pytest.mark.parametrize("value", ["-1", "five", "", "5.0", "0x5", "9" * 30])
@pytest.mark.parametrize(
    "result", [lambda: [b"01234"], lambda: Body(b"01234"), Body], ids=["list", "iterable", "empty"]
)
def test_a_content_length_that_is_none_is_a_500(value: str, result: Callable[[], Any], records: Records) -> None:
    """It is found at the first output: ValueError, 500."""
    assert is_500(run(answering(result(), ("Content-Length", value))))
    assert errors_of(records) == ["ValueError"]


# -- close()


def closing(body: Body, kind: str) -> tuple[Callable[[Environ, StartResponse], Any], dict[str, Any]]:
    """An application that returns `body` in a special situation, and how to run it."""

    def no_head(environ: Environ, start_response: StartResponse) -> Any:
        return body

    match kind:
        case "success":
            return answering(body), {}
        case "no start_response":
            return no_head, {}
        case "client gone":
            return answering(body), {"cancelled": True}
        case "HEAD":
            return answering(body), {"method": "HEAD"}
        case "too short":
            return answering(body, ("Content-Length", "1000")), {}
        case "too long":
            return answering(body, ("Content-Length", "1")), {}
        case "204":
            return answering(body, status="204 No Content"), {}
        case _:
            body.pieces = {
                "exception at once": (ValueError("at once"), b"x"),
                "exception later": (b"x", ValueError("later")),
                "bad piece": (b"x", "bad"),
                "SystemExit": (b"x", SystemExit(1)),
            }[kind]
            return answering(body), {}


@BOTH_WAYS
@pytest.mark.parametrize(
    "kind",
    ["success", "no start_response", "client gone", "HEAD", "too short", "too long", "204", "exception at once",
     "exception later", "bad piece", "SystemExit"],
)  # fmt: skip
def test_close_is_called_once_whatever_happens(kind: str, inline: bool) -> None:
    """The body's close() is called exactly once at the end."""
    body = Body(b"abc", b"def")
    application, how = closing(body, kind)
    run(application, inline=inline, **how)
    assert body.closed == 1


def test_a_generator_is_finished_when_the_client_has_gone() -> None:
    """It is stopped at its next piece, and its `finally` runs."""
    seen: list[str] = []

    def application(environ: Environ, start_response: StartResponse) -> Iterator[bytes]:
        start_response("200 OK", [])
        try:
            for _ in range(1000):
                seen.append("piece")
                yield b"x"
        finally:
            seen.append("finally")

    run(application, cancelled=True)
    assert seen == ["piece", "finally"]


@pytest.mark.parametrize(
    "error", [ValueError("late"), SystemExit(3), KeyboardInterrupt()], ids=lambda error: type(error).__name__
)
def test_a_close_that_raises_is_logged(error: BaseException, records: Records) -> None:
    """The answer stands, complete; the exception is in the log with the request's id."""

    class Failing(Body):
        def close(self) -> None:
            raise error

    reply = run(answering(Failing(b"x")))
    assert reply.complete
    assert reply.body == b"x"
    assert errors_of(records) == [type(error).__name__]
    assert [getattr(record, "request_id", None) for record in records] == ["0000000000abcdef"]


class Unclosable:
    """Even looking for its close() raises."""

    def __iter__(self) -> Iterator[bytes]:
        """Yield a piece."""
        yield b"x"

    @property
    def close(self) -> Any:
        """Raise."""
        raise ValueError("no close for you")


def test_a_close_that_cannot_even_be_looked_up_is_logged(records: Records) -> None:
    """A raising lookup of close() is logged like a raising close(); the answer stands."""
    reply = run(answering(Unclosable()))
    assert reply.complete
    assert reply.kinds[-1] is Kind.END
    assert errors_of(records) == ["ValueError"]


@pytest.mark.parametrize("returned", ["list", "iterable"])
def test_write_within_close_is_too_late(returned: str, records: Records) -> None:
    """close() that writes gets an exception; nothing follows an answer's end on the channel."""

    class Writing(Body):
        write: Callable[[bytes], None]

        def close(self) -> None:
            self.write(b"late")

    class WritingList(list[bytes]):
        write: Callable[[bytes], None]

        def close(self) -> None:
            self.write(b"late")

    body = Writing(b"x") if returned == "iterable" else WritingList([b"x"])

    def application(environ: Environ, start_response: StartResponse) -> Any:
        body.write = start_response("200 OK", [])
        return body

    reply = run(application)
    assert reply.body == b"x"
    assert reply.kinds[-1] in {Kind.END, Kind.RESPONSE}
    assert errors_of(records) == ["RuntimeError"]


# -- HEAD, 204, 304


@pytest.mark.parametrize(
    ("result", "headers", "length"),
    [
        (lambda: [b"hello"], [], "5"),
        (lambda: [b"hello"], [("Content-Length", "5")], "5"),
        (lambda: [b"hello"], [("Content-Length", "1000")], "1000"),
        (list, [("Content-Length", "1000")], "1000"),
        (lambda: Body(b"hello"), [("Content-Length", "5")], "5"),
        (lambda: Body(b"hello"), [], None),
        (Body, [], None),
        (lambda: [b"x" * 500_000], [], "500000"),
    ],
    ids=["list", "list with length", "more promised", "empty list", "iterable", "iterable without", "empty", "large"],
)
def test_head_has_no_body(result: Callable[[], Any], headers: list[tuple[str, str]], length: str | None) -> None:
    """The head is that of GET, its Content-Length included, and no byte of body follows."""
    reply = run(answering(result(), *headers), method="HEAD")
    assert reply.complete
    assert reply.body == b""
    assert reply.header("Content-Length") == length


@pytest.mark.parametrize("status", ["204 No Content", "304 Not Modified"])
@pytest.mark.parametrize("result", [lambda: [b"body"], list, lambda: Body(b"body"), Body],
                         ids=["list", "empty list", "iterable", "empty iterable"])  # fmt: skip
def test_statuses_without_a_body_have_none(status: str, result: Callable[[], Any]) -> None:
    """What an application gives for a body there is dropped, and no Content-Length is made up."""
    reply = run(answering(result(), status=status))
    assert reply.complete
    assert (reply.status, reply.body, reply.headers) == (status, b"", [])


# -- exceptions

EXCEPTIONS = [ValueError("why"), SystemExit(3), KeyboardInterrupt(), GeneratorExit(), BaseException("odd"),
              StopIteration(), RecursionError(), MemoryError()]  # fmt: skip


@BOTH_WAYS
@pytest.mark.parametrize("error", EXCEPTIONS, ids=lambda error: type(error).__name__)
@pytest.mark.parametrize("head", ["before start_response", "after start_response"])
def test_an_exception_before_output_is_a_500(error: BaseException, head: str, records: Records, inline: bool) -> None:
    """Whatever the application raises, its client gets a 500 and the log the traceback with the request's id."""

    def application(environ: Environ, start_response: StartResponse) -> list[bytes]:
        if head == "after start_response":
            start_response("200 OK", [("Content-Length", "1000"), ("X-Secret", "1")])
        raise error

    reply = run(application, inline=inline)
    assert is_500(reply)
    assert reply.header("X-Secret") is None
    assert b"Traceback" not in reply.body
    assert errors_of(records) == [type(error).__name__]
    (record,) = records
    assert vars(record)["request_id"] == "0000000000abcdef"
    if isinstance(error, SystemExit):
        assert "ignored" in record.getMessage()


@pytest.mark.parametrize(
    "error", [error for error in EXCEPTIONS if not isinstance(error, StopIteration)], ids=lambda e: type(e).__name__
)
def test_an_exception_after_output_cuts_the_answer(error: BaseException, records: Records) -> None:
    """The body that has begun is aborted, never ended, so that its client does not take it for whole."""
    reply = run(answering(Body(b"begun", error), HTML))
    assert reply.aborted
    assert reply.body == b"begun"
    assert errors_of(records) == [type(error).__name__]


def test_an_exception_after_write_cuts_the_answer(records: Records) -> None:
    """What was written has gone out: no 500 can follow it."""

    def application(environ: Environ, start_response: StartResponse) -> list[bytes]:
        start_response("200 OK", [])(b"begun")
        raise ValueError

    reply = run(application)
    assert reply.aborted
    assert reply.body == b"begun"


def test_an_exception_for_head_is_a_500_without_a_body() -> None:
    """HEAD of a failing page has the error's head only."""

    def application(environ: Environ, start_response: StartResponse) -> list[bytes]:
        raise ValueError

    reply = run(application, method="HEAD")
    assert (reply.status, reply.body, reply.complete) == ("500 Internal Server Error", b"", True)


@pytest.mark.parametrize("debug", [True, False], ids=["debug", "production"])
def test_tracebacks_are_for_developers(debug: bool) -> None:
    """The page shows the traceback with --debug, and nothing of it without; then the front may show another."""

    def application(environ: Environ, start_response: StartResponse) -> list[bytes]:
        raise ValueError("<secret> & more")

    reply = run(application, debug=debug)
    assert is_500(reply)
    assert (b"&lt;secret&gt; &amp; more" in reply.body) is debug
    assert (b"Traceback (most recent call last)" in reply.body) is debug
    assert b"<secret>" not in reply.body
    assert bool(reply.flags & ERROR_PAGE) is not debug


@pytest.mark.parametrize("debug", [True, False], ids=["debug", "production"])
def test_a_script_that_did_not_load(debug: bool) -> None:
    """Every request is answered with 500; the reason is on the page only with --debug."""
    reply = run(None, failure="SyntaxError: in app.wsgi", debug=debug)
    assert is_500(reply)
    assert (b"SyntaxError" in reply.body) is debug


def test_an_exception_that_cannot_be_shown_is_a_500_all_the_same() -> None:
    """An exception whose text raises does not keep the answer from being given."""

    class Odd(Exception):
        def __str__(self) -> str:
            raise ValueError

    def application(environ: Environ, start_response: StartResponse) -> list[bytes]:
        raise Odd

    assert is_500(run(application, debug=True))


# -- wsgi.file_wrapper


@pytest.fixture
def file(tmp_path: Path) -> Iterator[io.BufferedReader]:
    """A file of 300,000 bytes."""
    path = tmp_path / "file"
    path.write_bytes(bytes(range(250)) * 1200)
    with path.open("rb") as opened:
        yield opened


CONTENT = bytes(range(250)) * 1200


@BOTH_WAYS
def test_a_file_goes_by_descriptor(file: io.BufferedReader, inline: bool) -> None:
    """A wrapped file is sent as a range of a descriptor, with its length, and closed by close()."""
    reply = run(answering(FileWrapper(file)), inline=inline)
    assert reply.kinds == [Kind.HEAD, Kind.FILE, Kind.END]
    assert reply.header("Content-Length") == "300000"
    assert reply.body == CONTENT
    assert file.closed


@pytest.mark.parametrize("offset", [0, 1, 299_999, 300_000, 400_000])
def test_a_file_goes_from_its_position(file: io.BufferedReader, offset: int) -> None:
    """What the application has read already is not sent."""
    file.seek(offset)
    reply = run(answering(FileWrapper(file)))
    assert reply.complete
    assert reply.body == CONTENT[offset:]
    assert reply.header("Content-Length") == str(len(CONTENT[offset:]))


@pytest.mark.parametrize("length", [0, 1, 299_999, 300_000])
def test_a_content_length_caps_a_file(file: io.BufferedReader, length: int) -> None:
    """The application's Content-Length says how much of the file is meant."""
    reply = run(answering(FileWrapper(file), ("Content-Length", str(length))))
    assert reply.complete
    assert reply.body == CONTENT[:length]


def test_a_file_shorter_than_its_content_length(file: io.BufferedReader) -> None:
    """What there is goes out under the promised length, which the front will see is not kept."""
    reply = run(answering(FileWrapper(file), ("Content-Length", "300001")))
    assert reply.body == CONTENT
    assert reply.header("Content-Length") == "300001"


def test_head_of_a_file(file: io.BufferedReader) -> None:
    """HEAD has the length and nothing of the file."""
    reply = run(answering(FileWrapper(file)), method="HEAD")
    assert (reply.complete, reply.body, reply.header("Content-Length")) == (True, b"", "300000")
    assert Kind.FILE not in reply.kinds
    assert file.closed


def test_304_of_a_file(file: io.BufferedReader) -> None:
    """A status without a body sends nothing of the file."""
    reply = run(answering(FileWrapper(file), status="304 Not Modified"))
    assert (reply.complete, reply.body) == (True, b"")
    assert file.closed


def test_a_file_wrapped_by_middleware_is_iterated(file: io.BufferedReader) -> None:
    """Only the very object that the application returned counts; what middleware changes is taken as it comes."""

    def upper(pieces: Iterable[bytes]) -> Iterator[bytes]:
        for piece in pieces:
            yield piece.upper()

    reply = run(answering(upper(FileWrapper(file))))
    assert reply.complete
    assert Kind.FILE not in reply.kinds
    assert reply.body == CONTENT.upper()


def test_a_file_opened_as_text_fails(tmp_path: Path, records: Records) -> None:
    """As under mod_wsgi, a read that gives text is the application's mistake."""
    path = tmp_path / "text"
    path.write_text("hello")
    with path.open("r") as opened:
        reply = run(answering(FileWrapper(io.StringIO("hello"))))
        assert is_500(reply)
        assert not opened.closed
    assert errors_of(records) == ["TypeError"]


def test_a_file_without_start_response_is_a_500(file: io.BufferedReader) -> None:
    """The rule holds for files too, and the file is closed."""
    assert is_500(run(lambda environ, start_response: FileWrapper(file)))
    assert file.closed


# -- what surrounds the call


def test_what_an_application_is_given() -> None:
    """A plain dict with input and errors of its own, a thread id, and a positional start_response."""
    seen: list[Any] = []

    def application(environ: Environ, start_response: StartResponse) -> list[bytes]:
        seen.append((type(environ), environ["wsgi.errors"].request_id, environ["mod_wsgi.thread_id"]))
        start_response("200 OK", [])
        return [environ["wsgi.input"].read()]

    assert run(application, method="POST", body=b"posted").body == b"posted"
    assert seen == [(dict, "0000000000abcdef", 1)]


def test_a_body_in_a_file(tmp_path: Path) -> None:
    """A body that came by descriptor is read from there."""
    path = tmp_path / "spool"
    path.write_bytes(b"line one\nline two")
    with path.open("rb") as opened:
        import os  # noqa: PLC0415 - the descriptor is taken over by the request

        descriptor = os.dup(opened.fileno())

        def application(environ: Environ, start_response: StartResponse) -> list[bytes]:
            start_response("200 OK", [])
            return list(environ["wsgi.input"])

        assert run(application, method="POST", file=descriptor).body == b"line one\nline two"
        with pytest.raises(OSError, match="Bad file descriptor"):
            os.fstat(descriptor)


def test_input_after_the_request_raises() -> None:
    """`wsgi.input` that is kept beyond the request is a RuntimeError."""
    kept: list[Any] = []

    def application(environ: Environ, start_response: StartResponse) -> list[bytes]:
        kept.append(environ["wsgi.input"])
        start_response("200 OK", [])
        return [b"x"]

    run(application, method="POST", body=b"posted")
    with pytest.raises(RuntimeError):
        kept[0].read()


def test_input_without_a_body_after_the_request_raises() -> None:
    """mod_wsgi.md section 4.4: any method after the end is a RuntimeError, whether there was a body or not."""
    kept: list[Any] = []

    def application(environ: Environ, start_response: StartResponse) -> list[bytes]:
        kept.append(environ["wsgi.input"])
        start_response("200 OK", [])
        return [b"x"]

    run(application)
    with pytest.raises(RuntimeError):
        kept[0].read()


@pytest.mark.parametrize("fails", [True, False], ids=["failing", "succeeding"])
def test_the_thread_belongs_to_no_request_afterwards(fails: bool) -> None:
    """What the thread prints later carries no request's id."""
    seen: list[Any] = []

    def application(environ: Environ, start_response: StartResponse) -> list[bytes]:
        seen.append(current_request() is environ["wsgi.errors"])
        start_response("200 OK", [])
        if fails:
            raise ValueError
        return [b"x"]

    run(application)
    assert seen == [True]
    assert current_request() is None


def test_errors_are_flushed_at_the_end(capfd: pytest.CaptureFixture[str]) -> None:
    """A line without an end is in the log when the request is over, with the request's id."""

    def application(environ: Environ, start_response: StartResponse) -> list[bytes]:
        environ["wsgi.errors"].write("unfinished")
        start_response("200 OK", [])
        return [b"x"]

    run(application)
    assert "[request 0000000000abcdef] unfinished\n" in capfd.readouterr().err
