"""response: every check of mod_wsgi.md section 5.1, and those that keep what is written one HTTP response."""

from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pydaemonwsgi.daemon.response import encode_head, error_page


class Text(str):
    """A str that is not exactly str."""

    __slots__ = ()


class Headers(list[tuple[str, str]]):
    """A list that is not exactly list."""


class Pair(tuple[str, str]):
    """A tuple that is not exactly tuple."""

    __slots__ = ()


def generated() -> Iterator[tuple[str, str]]:
    """Headers that are no list."""
    yield "A", "1"


# -- status


@pytest.mark.parametrize(
    "status",
    ["200 OK", "200 ", "200", "404 Not Found", "299 Any: thing (really); you = 'like'", "999 x", "200 caf\xe9"],
)
def test_good_status(status: str) -> None:
    """Three digits, then nothing, or a space and a reason of latin-1 without control characters."""
    head = encode_head(status, [])
    assert head.encoded == status.encode("latin-1")
    assert head.status == int(status[:3])


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (b"200 OK", TypeError),
        (200, TypeError),
        (None, TypeError),
        (Text("200 OK"), TypeError),
        ("", ValueError),
        ("OK", ValueError),
        ("20 OK", ValueError),
        ("2000 OK", ValueError),
        ("200OK", ValueError),
        ("200\tOK", ValueError),
        (" 200 OK", ValueError),
        ("-20 OK", ValueError),
        ("000 OK", ValueError),
        ("099 OK", ValueError),
        ("100 Continue", ValueError),
        ("199 Almost", ValueError),
        ("٢٠٠ OK", ValueError),
        ("²00 OK", ValueError),
        ("200 OK\r\nX: y", ValueError),
        ("200 OK\n", ValueError),
        ("200 OK\r", ValueError),
        ("200 O\0K", ValueError),
        ("200 O\x01K", ValueError),
        ("200 O\tK", ValueError),
        ("200 O\x7fK", ValueError),
        ("200 \u20ac", UnicodeEncodeError),
    ],
    ids=[
        "bytes", "int", "None", "subclass", "empty", "no digits", "two digits", "four digits", "no space",
        "tab for space", "leading space", "sign", "all zeros", "below 100", "interim", "last interim",
        "Arabic digits", "superscript digit",
        "header injection", "line feed", "carriage return", "NUL", "control", "tab", "DEL", "not latin-1",
    ],
)  # fmt: skip
def test_bad_status(status: Any, error: type[Exception]) -> None:
    """Anything else is raised into the application."""
    with pytest.raises(error):
        encode_head(status, [])


# -- headers


def test_headers_keep_order_case_and_repetition() -> None:
    """Names and values are encoded as given; nothing is merged or sorted."""
    head = encode_head("200 OK", [("X-b", "2"), ("Set-Cookie", "a=1"), ("set-cookie", "b=2"), ("A", "")])
    assert head.encoded == b"200 OK\0X-b\x002\0Set-Cookie\0a=1\0set-cookie\0b=2\0A\0"


def test_a_status_header_counts_instead() -> None:
    """CGI heritage: the header is obeyed and not passed on."""
    head = encode_head("200 OK", [("A", "1"), ("Status", "204 No Content")])
    assert (head.status, head.forbids_body, head.encoded) == (204, True, b"204 No Content\0A\x001")


def test_a_status_header_that_is_none_is_refused() -> None:
    """It would be the response's first line."""
    with pytest.raises(ValueError, match="Status header"):
        encode_head("200 OK", [("Status", "fine")])


def test_subclasses_of_list_and_tuple_are_taken() -> None:
    """A list subclass of tuple subclasses is what many frameworks give."""
    assert encode_head("200 OK", Headers([Pair(("A", "1"))])).encoded == b"200 OK\0A\x001"


@pytest.mark.parametrize(
    ("headers", "error"),
    [
        ((("A", "1"),), TypeError),
        ({"A": "1"}, TypeError),
        (generated(), TypeError),
        (None, TypeError),
        ("A: 1", TypeError),
        ([["A", "1"]], TypeError),
        (["A1"], TypeError),
        ([None], TypeError),
        ([()], ValueError),
        ([("A",)], ValueError),
        ([("A", "1", "2")], ValueError),
        ([(b"A", "1")], TypeError),
        ([("A", b"1")], TypeError),
        ([("A", 1)], TypeError),
        ([("A", None)], TypeError),
        ([(None, "1")], TypeError),
    ],
    ids=[
        "tuple", "dict", "generator", "None", "str", "list pair", "str pair", "None pair", "empty tuple", "single",
        "triple", "bytes name", "bytes value", "int value", "None value", "None name",
    ],
)  # fmt: skip
def test_bad_types_of_headers(headers: Any, error: type[Exception]) -> None:
    """Headers are a list of 2-tuples of str; anything else is raised into the application."""
    with pytest.raises(error):
        encode_head("200 OK", headers)


@pytest.mark.parametrize(
    "name", ["", " ", "A B", " A", "A ", "A\t", "A:", "A\r\nB", "A\n", "\0", "A\x7f", "caf\xe9", "(A)", "A/B", '"A"']
)
def test_bad_header_names(name: str) -> None:
    """A name is a token of RFC 9110."""
    with pytest.raises(ValueError, match="header name"):
        encode_head("200 OK", [(name, "1")])


@pytest.mark.parametrize("name", ["\u20ac", "\u0130-A"], ids=ascii)
def test_header_names_beyond_latin_1(name: str) -> None:
    """A name that is not even latin-1 is refused as well."""
    with pytest.raises(ValueError):  # noqa: PT011 - a UnicodeEncodeError would do too
        encode_head("200 OK", [(name, "1")])


@pytest.mark.parametrize(
    "value",
    ["a\r\nX: y", "a\nb", "a\rb", "\n", "a\0b", "trailing\r\n"],
    ids=["injection", "LF", "CR", "only LF", "NUL", "trailing"],
)
def test_bad_header_values(value: str) -> None:
    """A value with a line break or NUL would be another header or half of one."""
    with pytest.raises(ValueError, match="line break or NUL"):
        encode_head("200 OK", [("A", value)])


@pytest.mark.parametrize("value", ["", " ", "caf\xe9", "tab\there", "\x01\x1f\x7f", ' "quoted" '], ids=ascii)
def test_tolerated_header_values(value: str) -> None:
    """Empty values, latin-1 and other control characters are passed as they are."""
    assert encode_head("200 OK", [("A", value)]).encoded == b"200 OK\0A\0" + value.encode("latin-1")


def test_headers_that_no_frame_holds_are_refused() -> None:
    """They would end the channel, and with it every other request of the process."""
    with pytest.raises(ValueError, match="4000 headers have 4044006 bytes together"):
        encode_head("200 OK", [("X-Header", "x" * 1001)] * 4000)


def test_more_headers_than_are_passed_on_are_refused() -> None:
    """The front would refuse them; here the application hears of it."""
    assert encode_head("200 OK", [("X-Header", "x")] * 4096).status == 200
    with pytest.raises(ValueError, match="4097 headers are more than the 4096"):
        encode_head("200 OK", [("X-Header", "x")] * 4097)


def test_header_values_beyond_latin_1() -> None:
    """A value that is not latin-1 is refused with the name of its header."""
    with pytest.raises(ValueError, match="'A' is not latin-1"):
        encode_head("200 OK", [("A", "\u20ac")])


@pytest.mark.parametrize(
    "name",
    [
        "Connection", "Keep-Alive", "Proxy-Authenticate", "Proxy-Authorization", "TE", "Trailers", "Trailer",
        "Transfer-Encoding", "Upgrade", "Proxy-Connection",
    ],
)  # fmt: skip
def test_hop_by_hop_headers(name: str) -> None:
    """PEP 3333: the server owns these; using them is an error, in any case of letters."""
    for spelling in (name, name.lower(), name.upper()):
        with pytest.raises(ValueError, match="hop-by-hop"):
            encode_head("200 OK", [(spelling, "close")])


@pytest.mark.parametrize("name", ["Date", "Server", "Content-Type", "Te-st", "X-Connection"])
def test_end_to_end_headers(name: str) -> None:
    """Names that only look alike, and those that the server merely completes, are the application's."""
    assert encode_head("200 OK", [(name, "x")]).encoded == f"200 OK\0{name}\0x".encode()


# -- Content-Length


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([], None),
        (["0"], 0),
        (["42"], 42),
        ([" 42 "], 42),
        (["42", "42"], 42),
        (["42", "43"], -1),
        (["-1"], -1),
        (["+1"], -1),
        (["4 2"], -1),
        (["0x10"], -1),
        (["1_000"], -1),
        (["1.0"], -1),
        ([""], -1),
        (["abc"], -1),
        (["\xb2"], -1),
        (["9" * 19], -1),
        (["9" * 5000], -1),
        (["x", "42"], -1),
    ],
    ids=[
        "none", "zero", "number", "spaces", "repeated", "contradiction", "negative", "sign", "inner space", "hex",
        "underscore", "decimal", "empty", "letters", "superscript", "too large", "huge", "bad then good",
    ],
)  # fmt: skip
def test_content_length(values: list[str], expected: int | None) -> None:
    """A length is digits, said once or always the same; -1 stands for one that is none."""
    head = encode_head("200 OK", [("Content-Length", value) for value in values])
    assert head.content_length == expected


def test_content_length_is_found_in_any_case() -> None:
    """Header names have no case."""
    assert encode_head("200 OK", [("cOnTeNt-LeNgTh", "7")]).content_length == 7


def test_content_length_added() -> None:
    """A head gets a length as one more header."""
    head = encode_head("200 OK", [("A", "1")])
    assert head.with_content_length(12) == b"200 OK\0A\x001\0Content-Length\x0012"


@pytest.mark.parametrize(
    ("status", "forbids"),
    [("200 OK", False), ("204 No Content", True), ("304 Not Modified", True), ("205 Reset", False), ("404 No", False)],
)
def test_statuses_without_a_body(status: str, forbids: bool) -> None:
    """204 and 304 never have a body."""
    assert encode_head(status, []).forbids_body is forbids


# -- anything at all


@given(st.text(max_size=20), st.lists(st.tuples(st.text(max_size=10), st.text(max_size=20)), max_size=3))
def test_any_text_is_a_head_or_raised(status: str, headers: list[tuple[str, str]]) -> None:
    """Whatever text comes, it is raised as ValueError or encoded so that it splits into the same parts again."""
    try:
        head = encode_head(status, headers)
    except ValueError:
        return
    parts = [part.decode("latin-1") for part in head.encoded.split(b"\0")]
    assert parts == [status, *(part for header in headers for part in header)]
    assert not set("\r\n") & set(head.encoded.decode("latin-1"))


def test_error_page_escapes_what_it_shows() -> None:
    """A traceback with markup in it is shown, not interpreted."""
    page = error_page("500 Internal Server Error", "<script>alert('&')</script> \u20ac").decode("utf-8")
    assert "<script>" not in page
    assert "&lt;script&gt;alert('&amp;')&lt;/script&gt; €" in page
    assert page.startswith("<!DOCTYPE html>")
    assert "<h1>500 Internal Server Error</h1>" in page


def test_error_page_survives_what_cannot_be_encoded() -> None:
    """Half of a surrogate pair in an exception's text is no obstacle."""
    assert b"?" in error_page("500", "\ud800")
