"""The commands that look at a configuration and serve nothing: check, explain, convert."""

from typing import Final

__all__ = ["SUMMARIES"]

SUMMARIES: Final = {
    "check": "say what is wrong with a configuration, and what will be regretted",
    "explain": "say what the server would do with a URL, step by step",
    "convert": "print the configuration that is equal to a `serve` command line",
}
"""The commands and what they do, for `--help`."""
