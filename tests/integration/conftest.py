"""What several files of tests need."""

from collections.abc import Iterator

import pytest

from tests.helpers.public import Public, public_copies


@pytest.fixture(scope="module")
def public() -> Iterator[Public]:
    """Copies of what a server needs, for an interpreter that everybody may read."""
    with public_copies() as copies:
        yield copies
