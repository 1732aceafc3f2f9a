"""Conditional requests."""

import pytest

from pydaemonwsgi.http.conditional import Validators, evaluate, file_validators, range_applies

STRONG = Validators('"a-1"', 1_000_000_000)
WEAK = Validators('W/"a-1"', 1_000_000_000)
DATE = "Sun, 09 Sep 2001 01:46:40 GMT"
LATER = "Sun, 09 Sep 2001 01:46:41 GMT"
EARLIER = "Sun, 09 Sep 2001 01:46:39 GMT"


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 200),
        ({"if-none-match": '"a-1"'}, 304),
        ({"if-none-match": 'W/"a-1"'}, 304),
        ({"if-none-match": '"b", "a-1"'}, 304),
        ({"if-none-match": ' , "a-1"'}, 304),
        ({"if-none-match": "*"}, 304),
        ({"if-none-match": '"b"'}, 200),
        ({"if-none-match": "a-1"}, 200),
        ({"if-none-match": '"b"', "if-modified-since": DATE}, 200),
        ({"if-modified-since": DATE}, 304),
        ({"if-modified-since": LATER}, 304),
        ({"if-modified-since": EARLIER}, 200),
        ({"if-modified-since": "yesterday"}, 200),
        ({"if-modified-since": "Sunday, 09-Sep-01 01:46:40 GMT"}, 304),
        ({"if-modified-since": "Sun Sep  9 01:46:40 2001"}, 304),
        ({"if-match": '"a-1"'}, 200),
        ({"if-match": '"b", "a-1"'}, 200),
        ({"if-match": 'W/"a-1"'}, 412),
        ({"if-match": '"b"'}, 412),
        ({"if-match": "*"}, 200),
        ({"if-match": "*", "if-unmodified-since": EARLIER}, 200),
        ({"if-unmodified-since": DATE}, 200),
        ({"if-unmodified-since": EARLIER}, 412),
        ({"if-match": '"a-1"', "if-none-match": '"a-1"'}, 304),
    ],
)
def test_conditions_of_a_get(headers: dict[str, str], status: int) -> None:
    """RFC 9110 section 13.2.2, for a resource with a strong ETag."""
    assert evaluate("GET", headers, STRONG) == status


def test_a_weak_etag_is_good_for_reading_only() -> None:
    """If-None-Match compares weakly, If-Match strongly."""
    assert evaluate("GET", {"if-none-match": '"a-1"'}, WEAK) == 304
    assert evaluate("GET", {"if-match": 'W/"a-1"'}, WEAK) == 412


def test_a_post_is_not_answered_with_304() -> None:
    """What matches If-None-Match prevents it."""
    assert evaluate("POST", {"if-none-match": "*"}, STRONG) == 412
    assert evaluate("POST", {"if-modified-since": DATE}, STRONG) == 200


def test_a_resource_without_etag_is_matched_by_nothing_but_a_star() -> None:
    """There is nothing to compare."""
    bare = Validators(None, 0)
    assert evaluate("GET", {"if-none-match": '"a"'}, bare) == 200
    assert evaluate("GET", {"if-match": '"a"'}, bare) == 412


@pytest.mark.parametrize(
    ("condition", "applies"),
    [('"a-1"', True), ('"b"', False), ('W/"a-1"', False), (DATE, True), (LATER, False), ("junk", False)],
)
def test_a_range_is_given_only_of_the_version_that_the_client_has(condition: str, applies: bool) -> None:
    """RFC 9110 section 13.1.5."""
    assert range_applies({"if-range": condition}, STRONG) == applies


def test_a_range_without_condition_is_given() -> None:
    """There is no If-Range."""
    assert range_applies({}, STRONG)


def test_a_file_just_changed_has_a_weak_etag() -> None:
    """It may change again within the same tick of its file system's clock."""
    old = file_validators(size=10, modified=5_000_000_000, inode=3, now=100.0)
    new = file_validators(size=10, modified=99_500_000_000, inode=3, now=100.0)
    assert old == Validators('"a-4c4b40"', 5)
    assert new.etag is not None
    assert new.etag.startswith('W/"')


def test_a_file_from_the_future_was_modified_now() -> None:
    """RFC 9110 section 8.8.2.1."""
    assert file_validators(size=1, modified=200_000_000_000, inode=3, now=100.0).modified == 100


@pytest.mark.parametrize(
    ("parts", "etag"),
    [(frozenset(), None), (frozenset({"size"}), '"a"'), (frozenset({"inode", "mtime", "size"}), '"3-a-4c4b40"')],
)
def test_file_etag_has_the_parts_that_are_asked_for(parts: frozenset[str], etag: str | None) -> None:
    """Directive FileETag."""
    assert file_validators(size=10, modified=5_000_000_000, inode=3, now=100.0, parts=parts).etag == etag
