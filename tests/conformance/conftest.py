"""Servers that many conformance tests share."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.helpers.server import APPS, Server, serving


@pytest.fixture(scope="session")
def server() -> Iterator[Server]:
    """A server as it is by default, but that it takes bodies of 1 MB only."""
    with serving(APPS / "http_conformance.wsgi", "--threads", "8", "--limit-request-body", "1MB") as one:
        yield one


@pytest.fixture(scope="module")
def triggers(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory in which a file lets an answer of the application go on."""
    return tmp_path_factory.mktemp("triggers")
