"""Logical lines: continuation, comments, what no line may hold."""

import pytest

from pydaemonwsgi.config.apache.lines import LONGEST_LINE, logical_lines
from pydaemonwsgi.config.problems import Problems


def lines(content: bytes, problems: Problems | None = None) -> list[tuple[int, str]]:
    found = logical_lines(content, "a.conf", problems or Problems())
    return [(line.position.line, line.text) for line in found]


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"", []),
        (b"  A b  \n\n# note\n\tB\r\n", [(1, "A b"), (4, "B")]),
        (b"A \\\n  b \\\n  c\nD", [(1, "A   b   c"), (4, "D")]),
        (b"A a\\\r\nb\r\n", [(1, "A ab")]),
        (b"A \\ \nB\n", [(1, "A \\"), (2, "B")]),
        (b"A a\\\\\nB\n", [(1, "A a\\B")]),
        (b"A\\\n", [(1, "A")]),
        (b"A\\", [(1, "A\\")]),
        (b"A b # c\n", [(1, "A b # c")]),
        (b"\xef\xbb\xbfA\n", [(1, "A")]),
        (b"A \xff\n", [(1, "A \udcff")]),
    ],
)
def test_lines_are_joined_and_trimmed_like_httpds(content: bytes, expected: list[tuple[int, str]]) -> None:
    assert lines(content) == expected


def test_a_comment_that_swallows_the_next_line_is_a_warning() -> None:
    problems = Problems()
    assert lines(b"# note \\\nServerName x\nB\n", problems) == [(3, "B")]
    assert ["swallows" in str(problem) for problem in problems.found] == [True]


@pytest.mark.parametrize("content", [b"A \0\nB\n", b"A" * (LONGEST_LINE + 1) + b"\nB\n"])
def test_a_line_that_cannot_be_meant_is_an_error_and_the_next_is_read(content: bytes) -> None:
    problems = Problems()
    assert lines(content, problems) == [(2, "B")]
    assert [str(problem.position) for problem in problems.found] == ["a.conf:1"]
