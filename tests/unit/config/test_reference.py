"""The reference page: it is the table, and the one on disk is up to date."""

from pathlib import Path

from pydaemonwsgi.config.options import OPTIONS
from pydaemonwsgi.config.reference import reference_page

PAGE = Path(__file__).parents[3] / "docs" / "reference" / "options.md"


def test_reference_page_on_disk_is_the_generated_one() -> None:
    """The page in docs says what the table says."""
    assert PAGE.read_text(encoding="utf-8") == reference_page()


def test_reference_page_has_a_row_for_every_option() -> None:
    """Every option has one table row of four cells."""
    rows = [line for line in reference_page().splitlines() if line.startswith("| `")]
    assert len(rows) == len(OPTIONS)
    for row in OPTIONS.values():
        assert sum(line.startswith((f"| `{row.flag}`", f"| `{row.flag} ")) for line in rows) == 1
    assert all(line.replace("\\|", "").count("|") == 5 for line in rows)
