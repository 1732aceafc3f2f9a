"""Datagrams are JSON of a bounded size, whatever they hold."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pydaemonwsgi.telemetry.datagrams import LONGEST_TEXT, MOST_BYTES, MOST_ENTRIES, encode, text_of

HEAD = {"version": 1, "kind": "request", "pid": 42}


def test_a_datagram_has_head_and_body_in_one_object() -> None:
    assert json.loads(encode(HEAD, {"count": 3, "path": "/ä"})) == {**HEAD, "count": 3, "path": "/ä"}


def test_seconds_are_rounded_to_microseconds() -> None:
    assert json.loads(encode(HEAD, {"times": [0.1234567]}))["times"] == [0.123457]


def test_long_texts_and_lists_are_cut() -> None:
    record = json.loads(encode(HEAD, {"path": "x" * 5000, "threads": [{"busy": 1}] * 500}))
    assert (len(record["path"]), len(record["threads"])) == (LONGEST_TEXT, MOST_ENTRIES)


def test_what_is_too_long_in_all_says_so_in_its_place() -> None:
    """Only texts of a client that JSON writes with six bytes for one can come so far."""
    body = {f"text{number}": "\x00" * LONGEST_TEXT for number in range(11)}
    assert json.loads(encode(HEAD, body)) == {**HEAD, "truncated": True}


@given(st.dictionaries(st.text(max_size=20), st.text() | st.floats(allow_nan=False) | st.lists(st.integers())))
def test_every_datagram_can_be_read_and_is_bounded(body: dict[str, Any]) -> None:
    data = encode(HEAD, body)
    assert len(data) <= MOST_BYTES
    assert json.loads(data.decode("utf-8"))


def test_a_name_that_is_no_unicode_is_told_as_far_as_it_is() -> None:
    assert json.loads(encode(HEAD, {"script": "/srv/\udcff.wsgi"}))["script"] == "/srv/?.wsgi"


@pytest.mark.parametrize(("sent", "told"), [(b"/caf\xc3\xa9", "/café"), (b"/caf\xe9", "/caf�"), (b"/cafe", "/cafe")])
def test_what_a_client_sent_is_read_as_utf_8(sent: bytes, told: str) -> None:
    assert text_of(sent.decode("latin-1")) == told
