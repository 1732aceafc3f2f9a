"""What the tests of the daemon room share."""

import logging
from collections.abc import Iterator

import pytest


class _Keeping(logging.Handler):
    def __init__(self) -> None:
        super().__init__()
        self.records: list[logging.LogRecord] = []

    def emit(self, record: logging.LogRecord) -> None:
        record.getMessage()
        self.records.append(record)


@pytest.fixture
def records() -> Iterator[list[logging.LogRecord]]:
    """The records of our own loggers, whatever another test has done to the tree."""
    tree = logging.getLogger("pydaemonwsgi")
    handler = _Keeping()
    level = tree.level
    tree.addHandler(handler)
    tree.setLevel(logging.DEBUG)
    yield handler.records
    tree.removeHandler(handler)
    tree.setLevel(level)
