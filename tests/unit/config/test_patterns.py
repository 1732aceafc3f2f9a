"""PCRE as written for httpd, in Python's `re`."""

import re
import warnings

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pydaemonwsgi.config.patterns import compile_pattern, expand_groups, literal_beginning
from pydaemonwsgi.errors import ConfigurationError


@pytest.mark.parametrize(
    ("pattern", "text", "found"),
    [
        (r"^(.*)$", "a/b", "a/b"),
        (r"a$", "a\n", None),
        (r"(?m)a$", "a\nb", "a"),
        (r"a\Z", "a\n", "a"),
        (r"a\z", "a\n", None),
        (r"a.b", "a\nb", "a\nb"),
        (r"[[:digit:]]+", "ab12", "12"),
        (r"[[:alpha:]_]+", "12ab_", "ab_"),
        (r"[^[:space:]]+", " ab ", "ab"),
        (r"[]a]+", "x]a", "]a"),
        (r"[^]a]+", "]xa", "x"),
        (r"[a[b]+", "x[b", "[b"),
        (r"[a&&b||c~~d]+", "&|~", "&|~"),
        (r"[+--]+", "x,-", ",-"),
        (r"[--a]+", "x-", "-"),
        (r"\w+", "é_a", "_a"),
        (r"\h+", "a \t", " \t"),
        (r"a\v", "a\n", "a\n"),
        (r"\Qa.b*\Ec", "a.b*c", "a.b*c"),
        (r"\Qa.b", "a.b", "a.b"),
        (r"\x41\x{42}", "AB", "AB"),
        (r"\/x\-y", "/x-y", "/x-y"),
        (r"(?<year>\d{4})-\k<year>", "2000-2000", "2000-2000"),
        (r"(?'y'a)(?P=y)", "aa", "aa"),
        (r"(a)\g1", "aa", "aa"),
        (r"(a)(b)\g{-1}", "abb", "abb"),
        (r"a(?i)b", "aB", "aB"),
        (r"a(?i)b", "AB", None),
        (r"a(?i)b|c", "C", "C"),
        (r"(?:x(?i)a)b", "xAb", "xAb"),
        (r"(?:x(?i)a)b", "xAB", None),
        (r"(?i:a)b", "Ab", "Ab"),
        (r"(?i:a)b", "AB", None),
        (r"(?-i:a)b", "ab", "ab"),
        (r"a{,2}", "a{,2}", "a{,2}"),
        (r"a{2}", "aa", "aa"),
        (r"a++b", "aab", "aab"),
        (r"(?>a+)b", "aab", "aab"),
        (r"(?=a)a(?!b)(?<=a)(?<!b)", "ac", "a"),
        (r"a(?#nothing)b", "ab", "ab"),
        (r"(?x) a # comment)" + "\n b", "ab", "ab"),
        (r"(a)?(?(1)b|c)", "ab", "ab"),
        (r"\R", "\r\n", "\r\n"),
    ],
)
def test_a_pattern_finds_what_pcre_finds(pattern: str, text: str, found: str | None) -> None:
    match = compile_pattern(pattern).search(text)
    assert (match.group() if match is not None else None) == found


def test_nocase_folds_ascii_only() -> None:
    pattern = compile_pattern("straße|k", ignore_case=True)
    assert pattern.fullmatch("STRAßE")
    assert not pattern.fullmatch("\u212a")


@pytest.mark.parametrize(
    ("pattern", "message"),
    [
        ("(", "parenthesis that is not closed"),
        (")", "closing parenthesis too many"),
        ("[a", "bracket that is not closed"),
        ("*a", "nothing to repeat"),
        ("a\\", "ends in a backslash"),
        (r"a\y", r"\\y means nothing"),
        (r"a\Kb", "which Python's regular expressions have not got"),
        (r"\p{L}", "Unicode properties"),
        (r"(?R)", "recursion"),
        (r"(?|a|b)", "branch reset"),
        (r"(*COMMIT)a", "verb"),
        (r"[[:nonsense:]]", "no class"),
        (r"(?<=a+)b", "look-behind requires fixed-width"),
        (r"(a)\9", "invalid group reference"),
        ("a{99999999999}", "too large|repeat"),
    ],
)
def test_what_cannot_be_expressed_is_an_error_that_names_it(pattern: str, message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        compile_pattern(pattern)


@given(st.text("()[]{}|\\^$.*+?:=!<>-imsx,12aQE[:alpha:]&~#'Pk\n é", max_size=20))
def test_any_text_compiles_or_is_a_configuration_error(pattern: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        try:
            compile_pattern(pattern)
        except ConfigurationError:
            pass


@pytest.mark.parametrize(
    ("template", "expanded"),
    [("/x/$1/$2", "/x/a/b"), ("$0", "ab"), ("$9", ""), ("$3", ""), (r"\$1", "$1"), ("${1}2", "a2"), ("no", "no")],
)
def test_groups_are_put_into_a_template(template: str, expanded: str) -> None:
    match = re.match("(a)(b)(c)?", "ab")
    assert match is not None
    assert expand_groups(template, match) == expanded


@pytest.mark.parametrize(
    ("pattern", "beginning"),
    [
        ("^/old/([a-z]+)", "/old/"),
        ("^/old", "/old"),
        ("^/old$", "/old"),
        ("^/old?", "/ol"),
        ("^/old*", "/ol"),
        ("^/old{0,1}", "/ol"),
        ("^/old+", "/old"),
        ("^/a\\.b", "/a"),
        ("^(/old)?", None),
        ("^o?", None),
        ("^.old", None),
        ("^/a|/b", None),
        ("^/(a|b)", None),
        ("/old", None),
        ("^", None),
        ("", None),
    ],
)
def test_what_a_text_must_begin_with_is_known_of_simple_patterns(pattern: str, beginning: str | None) -> None:
    assert literal_beginning(pattern) == beginning


@given(st.from_regex(r"\A\^[/a-c]{0,4}[?*+.]?[/a-c]{0,3}\$?\Z"), st.text("/abc", max_size=8))
def test_no_text_that_matches_is_passed_over(pattern: str, text: str) -> None:
    beginning = literal_beginning(pattern)
    if beginning is not None and compile_pattern(pattern).search(text) is not None:
        assert text.startswith(beginning)


ANYTHING_FIRST = [
    r".*\.(gif|png)$",
    r"(.*)\.php$",
    r"(?:(.+?)/)+b",
    r"(?<name>.*)/(.+)b",
    r".*[|(]b",
    r".*(?=b)",
    r".*(?<!a)b",
    r"(?:(.+?)/)?b",
    r"(.*)*a",
    r".+\|b|c",
    r"(.*|a)b",
    r"(.*)a|b",
    r"(.*){0}b",
    r".*\(a|b",
    r"((.*)a)\2b",
]


@pytest.mark.parametrize("pattern", ANYTHING_FIRST)
@given(st.text("ab/.|()c\n", max_size=8))
def test_a_pattern_that_begins_with_anything_finds_what_it_would_anywhere(pattern: str, text: str) -> None:
    """It is looked for at the beginning only, as by PCRE."""
    quick, plain = compile_pattern(pattern).search(text), compile_pattern(pattern, many=True).search(text)
    assert (quick and (quick.span(), quick.groups())) == (plain and (plain.span(), plain.groups()))


def test_most_patterns_that_begin_with_anything_are_looked_for_at_the_beginning_only() -> None:
    anchored = [pattern for pattern in ANYTHING_FIRST if compile_pattern(pattern).pattern.startswith(r"\A")]
    assert anchored == ANYTHING_FIRST[:7]
