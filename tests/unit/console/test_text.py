"""text: tables, durations and sizes as a terminal shows them."""

import pytest

from pydaemonwsgi.console.text import clean, duration, size, table


def test_columns_are_as_wide_as_their_widest_cell() -> None:
    """Text to the left, numbers to the right, nothing after the last cell."""
    assert table(("NAME", "PID", "WHY"), [("a", "7", ""), ("longer", "12345", "old")], right="PID") == (
        "NAME      PID  WHY\n"
        "a           7\n"
        "longer  12345  old"
    )  # fmt: skip


def test_a_table_without_rows_is_its_head() -> None:
    """Nothing in flight is no error."""
    assert table(("ID", "AGE"), []) == "ID  AGE"


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (None, "-"),
        (0.04, "0.0 s"),
        (9.94, "9.9 s"),
        (10.0, "10 s"),
        (59.9, "59 s"),
        (60, "1 min"),
        (185, "3 min 5 s"),
        (3600, "1 h"),
        (7800, "2 h 10 min"),
        (86400, "1 d"),
        (356400, "4 d 3 h"),
    ],
)
def test_a_duration_has_its_two_largest_units(seconds: float | None, words: str) -> None:
    """Nobody wants to divide by 3600."""
    assert duration(seconds) == words


@pytest.mark.parametrize(
    ("count", "words"),
    [
        (None, "-"),
        (0, "0 B"),
        (1023, "1023 B"),
        (1024, "1.0 KiB"),
        (40_055_603, "38.2 MiB"),
        (3 * 1024**3, "3.0 GiB"),
        (5000 * 1024**4, "5000.0 TiB"),
    ],
)
def test_a_size_has_a_fitting_unit(count: int | None, words: str) -> None:
    """Units of 1024, named as such."""
    assert size(count) == words


def test_what_drives_a_terminal_is_shown_instead() -> None:
    """A URL cannot clear the screen nor begin a line of its own."""
    assert clean("/\x1b[2J\r\nGET\x9b") == "/\\x1b[2J\\x0d\\x0aGET\\x9b"
