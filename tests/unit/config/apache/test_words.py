"""Words are split as httpd splits them; the rows were tried with httpd 2.4."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pydaemonwsgi.config.apache.words import is_closed, next_word, quote, split_words


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", []),
        ("  a\tb  ", ["a", "b"]),
        ('"a b" c', ["a b", "c"]),
        ("'a \" b'", ['a " b']),
        (r'"a\"b\\c\d"', [r'a"b\c\d']),
        (r"'single \' quoted'", ["single ' quoted"]),
        (r"a\\b\"c", [r"a\b\"c"]),
        (r"a\ b", ["a\\", "b"]),
        ('"a"b', ["a", "b"]),
        ('ab"c d"', ['ab"c', 'd"']),
        ('"unclosed word', ["unclosed word"]),
        ('""', [""]),
        ("a # b", ["a", "#", "b"]),
        ("a\u00a0b", ["a\u00a0b"]),
    ],
)
def test_words_are_split_like_httpds(text: str, words: list[str]) -> None:
    assert split_words(text) == words


def test_the_rest_after_a_word_begins_with_the_next() -> None:
    assert next_word('  "a b"   c d') == ("a b", "c d")


@pytest.mark.parametrize(
    ("text", "closed"), [('"a" b', True), ('"a b', False), ("'a", False), ('a"b', True), ("", True)]
)
def test_an_open_quotation_mark_is_noticed(text: str, closed: bool) -> None:
    assert is_closed(text) is closed


@given(st.lists(st.text(st.characters(exclude_characters="\n\0", codec="utf-8"), max_size=12)))
def test_quoted_words_are_read_back(words: list[str]) -> None:
    assert split_words(" ".join(map(quote, words))) == words


@pytest.mark.parametrize("word", ["/srv/www/index.wsgi", "%{GLOBAL}", "*:80", "[::1]:80", "user=jack"])
def test_words_without_need_are_not_quoted(word: str) -> None:
    assert quote(word) == word


@pytest.mark.parametrize("word", ["a\nb", "a\0b"])
def test_what_no_line_can_hold_is_not_quoted(word: str) -> None:
    with pytest.raises(ValueError, match="cannot hold"):
        quote(word)
