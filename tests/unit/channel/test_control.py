"""control: every message round trips, and what is no message of the table is a ChannelError and nothing else."""

import json
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from pydaemonwsgi.channel.control import MAXIMUM_MESSAGE, Word, decode, encode
from pydaemonwsgi.errors import ChannelError

EXAMPLES: dict[Word, dict[str, Any]] = {
    Word.ATTACH: {"process": 3, "pid": 4711, "threads": 25, "group": "jack-1"},
    Word.DETACH: {"process": 3},
    Word.DIED: {"process": 3},
    Word.RESUME: {"process": 3},
    Word.REFUSE: {"group": "wsgi", "seconds": 3.5},
    Word.ADMIT: {"group": "wsgi"},
    Word.PARTITION: {"group": "jack-1", "application_group": "www.site.com|/späß", "key": "jack-1|3"},
    Word.CROWDED: {"group": "jack-1", "application_group": ""},
    Word.LEAVE: {"key": "jack-1|3"},
    Word.WANT: {"group": "jack-1", "application_group": "www.site.com|/blog", "spare": ""},
    Word.PING: {},
    Word.HAND_OVER: {"listeners": [1001, 1002]},
    Word.PONG: {"queued": 3, "clients": 70},
    Word.LOST: {"process": 3, "requests": "request 1: GET / for 0.5 s in thread 1"},
    Word.REPORT: {"token": 3, "requests": True},
    Word.REPORTED: {"token": 3},
    Word.LOGS: {"logs": [2, 7]},
    Word.CONFIGURE: {},
    Word.UNUSED: {"group": "jack-1"},
    Word.DETACHED: {"process": 3},
    Word.CHANNEL: {},
    Word.DRAIN: {},
    Word.DUMP: {"token": 7},
    Word.DUMPED: {"token": 7},
    Word.KEEP: {"versions": {"script /srv/späß.wsgi": 1795413600123456789}},
    Word.LOAD: {"scripts": {"/srv/a.wsgi": "application", "/srv/b.wsgi": ""}},
    Word.OPEN: {},
    Word.OPENED: {"thread": 4711},
    Word.LOADING: {"versions": {"script /srv/a.wsgi": 1, "module b": 2}},
    Word.LOADED: {"failed": {"script /srv/a.wsgi": 1795413600123456789}, "error": "Traceback …"},
    Word.SCRIPT: {"path": "/srv/a.wsgi", "callable_object": "application"},
    Word.KEPT: {},
    Word.RETIRE: {"reason": "maximum_requests"},
    Word.SURVEY: {"token": 4},
    Word.SURVEYED: {"token": 4},
    Word.FORK: {"process": 3},
    Word.UNFORKED: {"process": 3, "error": "Resource temporarily unavailable"},
    Word.BORN: {},
    Word.READY: {},
    Word.STOP: {"timeout": 1.5},
}
ROWS = [(word, name) for word, fields in EXAMPLES.items() for name in fields]
WRONG: dict[type, list[Any]] = {
    int: [True, 1.0, "1", None, [], {}],
    str: [True, 1, 1.0, None, [], {}, ["a"]],
    bool: [0, 1, 1.0, "true", None, []],
    float: [True, "1.0", None, [], {}],
    list: [True, 1, "a", None, {}, ["a"], [1.0], [True], [-1], [2**63]],
    dict: [True, 1, 1.0, "a", None, [], {"a": None}, {"a": 1.0}, {"a": True}, {"a": []}, {"a": {}}],
}


@pytest.mark.parametrize("word", list(Word), ids=lambda word: word.value)
def test_every_message_round_trips(word: Word) -> None:
    """Each word of the table comes out with the fields that went in."""
    message = decode(encode(word, **EXAMPLES[word]))

    assert message.word is word
    assert message.fields == EXAMPLES[word]


def test_fields_are_read_by_type() -> None:
    """The typed readers give what was sent."""
    attach = decode(encode(Word.ATTACH, **EXAMPLES[Word.ATTACH]))
    assert (attach.number("pid"), attach.text("group")) == (4711, "jack-1")
    assert decode(encode(Word.STOP, timeout=0.25)).seconds("timeout") == 0.25


def test_whole_seconds_are_seconds() -> None:
    """A duration that travels as an integer is a duration."""
    seconds = decode(b'{"kind": "stop", "timeout": 5}').seconds("timeout")
    assert (seconds, type(seconds)) == (5.0, float)


@given(st.text(), st.text(max_size=100), st.integers(-(2**63) + 1, 2**63 - 1))
def test_any_text_round_trips(error: str, name: str, version: int) -> None:
    """Texts of any characters, half surrogates included, arrive as they were."""
    message = decode(encode(Word.LOADED, failed={name: version}, error=error))
    assert (message.text("error"), message.numbers("failed")) == (error, {name: version})


@given(st.sampled_from("a\u20ac\U0001f40d\x00"), st.integers(1, 4096), st.integers(0, 300))
def test_long_tables_are_cut_so_that_they_fit(character: str, length: int, count: int) -> None:
    """However many scripts a message names, it fits a datagram, and the first of them arrive."""
    table = {f"{number:04}{character * length}": 2**63 - 1 for number in range(count)}
    data = encode(Word.LOADED, failed=table, error=character * 20_000)

    assert len(data) <= MAXIMUM_MESSAGE
    arrived = list(decode(data).numbers("failed").items())
    assert arrived == list(table.items())[: len(arrived)]
    # A character takes twelve bytes at most, number and punctuation less than forty.
    assert len(arrived) == count or (12 * length + 40) * count > 12 * 1024


@given(st.sampled_from('a\n\u00e9\u20ac\U0001f40d\x00\ud800"'), st.integers(0, 70_000))
@example("\U0001f40d", 70_000)
@example("\x00", 16 * 1024)
def test_long_texts_are_cut_so_that_they_fit(character: str, length: int) -> None:
    """However long a text and however its characters are escaped, the message fits a datagram and decodes."""
    data = encode(Word.LOADED, failed={}, error=character * length)

    assert len(data) <= MAXIMUM_MESSAGE
    text = decode(data).text("error")
    assert text.startswith(character * min(length, 1000))


def test_a_cut_text_keeps_its_beginning_and_its_end() -> None:
    """Of a long traceback the first lines and the last, which name the exception, both arrive."""
    error = "Traceback (most recent call last):\n" + "  frame\n" * 10_000 + "ValueError: no"

    text = decode(encode(Word.LOADED, failed={}, error=error)).text("error")

    assert text.startswith("Traceback (most recent call last):\n")
    assert text.endswith("frame\nValueError: no")
    assert "[…]" in text
    assert len(text) < len(error)


# -- what is no message


@given(st.binary(max_size=300))
def test_garbage_is_a_channel_error(data: bytes) -> None:
    """Random bytes raise ChannelError and nothing else."""
    with pytest.raises(ChannelError):
        decode(data)


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=7), inner, max_size=3),
        max_leaves=8,
    )
)
def test_json_that_is_no_message_is_a_channel_error(content: Any) -> None:
    """Whatever JSON says, it is refused unless it is a message of the table."""
    with pytest.raises(ChannelError):
        decode(json.dumps(content).encode())


@given(st.sampled_from(Word), st.data())
def test_a_mutated_message_is_a_message_or_a_channel_error(word: Word, data: st.DataObject) -> None:
    """Bytes changed inside a good message give another message with the same kinds of fields, or a ChannelError."""
    mutated = bytearray(encode(word, **EXAMPLES[word]))
    for _ in range(data.draw(st.integers(1, 3))):
        start = data.draw(st.integers(0, len(mutated)))
        end = min(len(mutated), start + data.draw(st.integers(0, 3)))
        mutated[start:end] = data.draw(st.binary(max_size=3))
    try:
        message = decode(bytes(mutated))
    except ChannelError:
        return
    expected = EXAMPLES[message.word]
    assert {name: type(value) for name, value in message.fields.items()} == {
        name: type(value) for name, value in expected.items()
    }


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"{",
        b"[]",
        b"1",
        b'"ready"',
        b"null",
        b"{}",
        b'{"kind": "shout"}',
        b'{"kind": null}',
        b'{"kind": []}',
        b'{"kind": {}}',
        b'{"kind": 1}',
        b'\xff\xfe{"kind": "ready"}',
        b"[" * 20_000,
        b'{"kind": "keep", "versions": {"a": ' + b"1" * 20_000 + b"}}",
        b'{"kind": "ready"} {"kind": "ready"}',
    ],
    ids=[
        "empty", "cut", "list", "number", "string", "null", "no kind", "unknown kind", "null kind", "list as kind",
        "object as kind", "number as kind", "not UTF-8", "deeply nested", "huge number", "two messages",
    ],
)  # fmt: skip
def test_nonsense_is_a_channel_error(data: bytes) -> None:
    """Each of these is refused, whatever Python's JSON reader makes of it."""
    with pytest.raises(ChannelError):
        decode(data)


@pytest.mark.parametrize(("word", "name"), ROWS, ids=[f"{word.value} {name}" for word, name in ROWS])
def test_a_field_of_the_wrong_type_is_a_channel_error(word: Word, name: str) -> None:
    """A field that is not of the table's type is refused, and the message names word and field."""
    for value in WRONG[type(EXAMPLES[word][name])]:
        data = json.dumps({"kind": word.value, **EXAMPLES[word], name: value}).encode()
        with pytest.raises(ChannelError, match=f"{word.value} whose {name}"):
            decode(data)


@pytest.mark.parametrize(("word", "name"), ROWS, ids=[f"{word.value} {name}" for word, name in ROWS])
def test_a_missing_field_is_a_channel_error(word: Word, name: str) -> None:
    """A message without one of its fields is refused."""
    fields = {key: value for key, value in EXAMPLES[word].items() if key != name}
    with pytest.raises(ChannelError, match=word.value):
        decode(json.dumps({"kind": word.value, **fields}).encode())


@pytest.mark.parametrize("word", list(Word), ids=lambda word: word.value)
def test_a_field_too_many_is_a_channel_error(word: Word) -> None:
    """A message with a field that the table does not know is refused."""
    with pytest.raises(ChannelError, match="extra"):
        decode(json.dumps({"kind": word.value, **EXAMPLES[word], "extra": 1}).encode())


def test_a_duration_beyond_every_float_is_a_channel_error() -> None:
    """An integer that no float can hold is refused like any other nonsense."""
    with pytest.raises(ChannelError):
        decode(b'{"kind": "stop", "timeout": ' + b"9" * 400 + b"}")
