"""When a client has taken too long. Sans-I/O.

Deadlines are kept in buckets. A deadline that moves into the future costs one assignment: the item stays in the
bucket where it is, and is put into a later one when that bucket comes due. So the hot path, which only ever moves
deadlines away, pays nothing for having them.
"""

from collections.abc import Iterator
from typing import Final, Protocol

__all__ = ["NEVER", "DeadlineBuckets", "Expiring", "RateTimeout"]

NEVER: Final = float("inf")
# Seconds per bucket, and so how late a deadline may be noticed.
GRAIN: Final = 0.25


class Expiring(Protocol):
    """An item with a deadline.

    Attributes:
        deadline: monotonic seconds; `NEVER` for none.
        bucket: the bucket it is in; -1 for none. Owned by `DeadlineBuckets`.
    """

    deadline: float
    bucket: int

    def __hash__(self) -> int:
        """Items are found by identity."""
        ...


class DeadlineBuckets:
    """Finds the items whose deadline has passed."""

    def __init__(self) -> None:
        self._buckets: dict[int, set[Expiring]] = {}

    def note(self, item: Expiring) -> None:
        """Take note of an item whose deadline is new or has moved nearer. One that moved away need not be noted."""
        if item.deadline == NEVER:
            return
        bucket = int(item.deadline / GRAIN) + 1
        if item.bucket >= 0:
            if item.bucket <= bucket:
                return
            self._buckets[item.bucket].discard(item)
        item.bucket = bucket
        self._buckets.setdefault(bucket, set()).add(item)

    def forget(self, item: Expiring) -> None:
        """Drop an item."""
        if item.bucket >= 0:
            items = self._buckets.get(item.bucket)
            if items is not None:
                items.discard(item)
            item.bucket = -1

    def expired(self, now: float) -> Iterator[Expiring]:
        """Take out and yield the items whose deadline has passed."""
        due = int(now / GRAIN)
        for bucket in sorted(number for number in self._buckets if number <= due):
            for item in self._buckets.pop(bucket):
                item.bucket = -1
                if item.deadline <= now:
                    yield item
                else:
                    self.note(item)


class RateTimeout:
    """mod_reqtimeout's rule: a first allowance, extended by what arrives, up to a maximum.

    Args:
        first: seconds allowed at first; 0 for no limit at all.
        maximum: seconds allowed at most, 0 for no maximum.
        rate: bytes that extend the allowance by a second; 0 for no extension.
    """

    __slots__ = ("first", "maximum", "rate")

    def __init__(self, first: float, maximum: float, rate: int) -> None:
        self.first = first
        self.maximum = maximum
        self.rate = rate

    def deadline(self, started: float, received: int) -> float:
        """Return the deadline of something that began at `started` and of which `received` bytes have come."""
        if not self.first:
            return NEVER
        allowed = self.first
        if self.rate:
            allowed += received / self.rate
        if self.maximum:
            allowed = min(allowed, max(self.maximum, self.first))
        return started + allowed
